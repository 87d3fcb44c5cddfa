# Every SQL example of README.md and docs/ works, and shows what it says.
#
# Each page gets a server of its own, and its blocks are run in their order,
# each by one psql in one database.  What follows ```sql says how:
#
#	```sql			must raise no error
#	```sql error	must raise one
#	```sql skip		is not run
#
# A block ```text output after it is the end of what psql prints.  There, any
# number of blanks or dashes is like any other, and ... stands for any text.
#
# The extension is created first, unless the page does it.
use strict;
use warnings;

use File::Basename;
use lib dirname(__FILE__) . '/../perl';
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $top = dirname(__FILE__) . '/../..';

# The fenced blocks of a page: [line, info string, text].
sub blocks_of
{
	my ($page) = @_;
	my (@blocks, $block, $n);
	foreach my $line (split /\n/, slurp_file($page))
	{
		$n++;
		if (!$block && $line =~ /^```(.*)$/)
		{
			$block = [ $n, $1, '' ];
		}
		elsif ($block && $line =~ /^```$/)
		{
			push @blocks, $block;
			$block = undef;
		}
		elsif ($block)
		{
			$block->[2] .= "$line\n";
		}
	}
	die "$page: the block in line $block->[0] does not end\n" if $block;
	return @blocks;
}

# What psql prints for a block, and what it complains of.
sub run_block
{
	my ($node, $sql) = @_;
	my ($out, $err);
	IPC::Run::run(
		[ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-f', '-' ],
		'<', \$sql, '>', \$out, '2>', \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return ($out, $err);
}

sub plain
{
	my ($text) = @_;
	my @lines = map { s/\s+/ /gr =~ s/-+/-/gr =~ s/^ | $//gr } split /\n/,
	  $text;
	return join("\n", grep { $_ ne '' } @lines);
}

# Is this the end of the output?
sub shows
{
	my ($out, $expected) = @_;
	my $pattern =
	  join('.*', map { quotemeta } split /\.\.\./, plain($expected), -1);
	return plain($out) =~ /(^|\n)$pattern\z/;
}

sub check_page
{
	my ($page) = @_;
	my $name = $page =~ s,^\Q$top\E/(docs/)?|\.md$,,gr =~ tr,/,_,r;
	my @blocks = blocks_of($page);
	return pass("$name has no examples") unless grep { $_->[1] =~ /^sql/ } @blocks;

	my $node = new_node("docs_$name");
	create_extension($node)
	  unless grep { $_->[1] =~ /^sql/ && $_->[2] =~ /CREATE EXTENSION.* workflow/ }
	  @blocks;

	my ($out, $err) = ('', '');
	foreach my $block (@blocks)
	{
		my ($line, $info, $text) = @$block;
		if ($info =~ /^sql(?: (\w+))?$/)
		{
			my $how = $1 // '';
			next if $how eq 'skip';
			($out, $err) = run_block($node, $text);
			my $failed = $err =~ /^(psql:.*)?(ERROR|FATAL|PANIC):/m;
			ok($how eq 'error' ? $failed : !$failed,
				"$name.md, line $line: " . ($how || 'no error'))
			  or diag($err);
		}
		elsif ($info eq 'text output')
		{
			ok(shows($out, $text), "$name.md, line $line: output")
			  or diag("psql printed:\n$out$err");
		}
	}
	$node->stop;
	scan_log($node);
	return;
}

# Every function stands in the table of who may call it.
sub check_table_of_functions
{
	my ($table) = slurp_file("$top/docs/security.md") =~
	  /^## Every function\n(.*?)(?=^## |\z)/ms;
	my $node = new_node('docs_functions');
	create_extension($node);
	my @names = split /\n/, $node->safe_psql('postgres', q{
		SELECT DISTINCT p.proname FROM pg_proc p
		 WHERE p.pronamespace IN ('workflow'::regnamespace, '_workflow'::regnamespace)});
	is(join(' ', sort grep { $table !~ /`(?:_workflow\.)?$_`/ } @names),
		'', 'security.md: every function is in its table');
	cmp_ok(scalar(@names), '>', 80, '... which are many');
	$node->stop;
	scan_log($node);
	return;
}

check_table_of_functions();
check_page($_) foreach "$top/README.md", sort glob("$top/docs/*.md $top/docs/*/*.md");
done_testing();
