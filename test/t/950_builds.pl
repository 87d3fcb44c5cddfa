# The ways to build and install that are not the one of all other tests: in
# another folder, into DESTDIR, from PGXN's archive, and "make installcheck".

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use File::Compare;
use File::Find;
use File::Path qw(make_path);
use FindBin;
use IO::Uncompress::Unzip qw($UnzipError);
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $top = abs_path("$FindBin::RealBin/../..");
my $pg_config = $ENV{PG_CONFIG} // 'pg_config';

# run(folder, command...): exit status, and all that was printed.
sub run
{
	my ($folder, @command) = @_;
	my $out = '';

	IPC::Run::run(
		\@command, '<', '/dev/null', '>&', \$out,
		init => sub { chdir $folder or die "chdir: $!" });
	return ($? >> 8, $out);
}

sub installed_files
{
	my ($folder) = @_;
	my @files;

	find(sub { push @files, $_ if -f }, $folder);
	return join(' ', sort @files);
}

my $folder = PostgreSQL::Test::Utils::tempdir;

# ---- the archive ----

is(slurp_file("$top/META.json"),
	(run($top, "$top/packaging/write-meta"))[1],
	'META.json is what workflow.control says');
my ($rc, $out);
my @archives;
for my $n (1 .. 2)
{
	($rc, $out) = run($top, "$top/packaging/dist", "$folder/dist$n");
	is($rc, 0, "archive $n") or diag($out);
	chomp $out;
	push @archives, $out;
	run($folder, 'sleep', '2');
}
is(compare(@archives), 0, 'equal files give an equal archive');

my %members;
my $zip = IO::Uncompress::Unzip->new($archives[0])
  or die "could not read $archives[0]: $UnzipError";
do { $members{ $zip->getHeaderInfo->{Name} } = do { local $/; <$zip> } }
  while $zip->nextStream > 0;
my ($root) = (sort keys %members)[0] =~ m{^([^/]+)/};
my $meta = decode_json($members{"$root/META.json"});
is($root, "$meta->{name}-$meta->{version}", 'one folder, named as PGXN wants');
ok(defined $members{"$root/$meta->{provides}{workflow}{$_}"}, "with its $_")
  for qw(file docfile);
is(scalar(grep { /\.(?:o|d|so)$|\.git|\/build\// } keys %members),
	0, 'nothing that was built is in it');

my $source = "$folder/$root";
foreach my $name (sort keys %members)
{
	make_path(dirname("$folder/$name"));
	append_to_file("$folder/$name", $members{$name});
}

# ---- in another folder, from what was in the archive ----

my @make = (
	'make', '-j2', '-f', "$source/Makefile", "PG_CONFIG=$pg_config",
	'COPT=-Werror', 'WF_TEST_BUILD=1', 'USE_PGXS=1');
($rc, $out) = run($folder, @make, 'all');
is($rc, 0, 'built in another folder') or diag($out);
is(compare("$folder/workflow.so", "$top/workflow.so"),
	0, 'equal sources give an equal library, wherever they are built');
($rc, $out) = run($folder, @make, "DESTDIR=$folder/root", 'install');
is($rc, 0, 'installed into DESTDIR') or diag($out);
is( installed_files("$folder/root"),
	'workflow--0.1.sql workflow.control workflow.so',
	'nothing but what the extension is');

# A header that changed has its users compiled again, and nobody else.
run($folder, 'sleep', '1');
run($folder, 'touch', "$source/src/core/tick.h");
($rc, $out) = run($folder, @make, '-n', 'all');
my @again = $out =~ /-c -o (\S+)/g;
ok((grep { $_ eq 'src/core/tick.o' } @again), 'users of a header are compiled')
  or diag($out);
cmp_ok(scalar(@again), '<', 50, 'and hardly anybody else');

# pgxn asks pg_config where to, and installs there.
SKIP:
{
	my $pgxn = (grep { -x "$_/pgxn" } split /:/, $ENV{PATH})[0];
	skip 'pgxnclient is not installed', 2 unless defined $pgxn;
	make_path($folder . '/pgxn' . (run($folder, $pg_config, $_))[1] =~ s/\n//r)
	  for qw(--libdir --pkglibdir --sharedir);
	append_to_file("$folder/pg_config", <<"SCRIPT");
#!/bin/sh
case "\$1" in
--libdir | --pkglibdir | --sharedir) echo "$folder/pgxn\$('$pg_config' \$1)" ;;
*) exec '$pg_config' "\$@" ;;
esac
SCRIPT
	chmod 0755, "$folder/pg_config";
	($rc, $out) = run($folder, 'pgxn', 'install', '--nosudo',
		"--pg_config=$folder/pg_config", $archives[0]);
	is($rc, 0, 'pgxn installs it from the file') or diag($out);
	is( installed_files("$folder/pgxn"),
		'workflow--0.1.sql workflow.control workflow.so',
		'all of it');
}

# ---- make installcheck ----

my @installcheck = (@make, 'installcheck');
my $bare = PostgreSQL::Test::Cluster->new('bare');
$bare->init(extra => ['--username=postgres']);
$bare->start;
{
	local $ENV{PGHOST} = $bare->host;
	local $ENV{PGPORT} = $bare->port;
	($rc, $out) = run($folder, @installcheck);
	is($rc, 2, 'no test without the library');
	like($out, qr/^the server has not loaded workflow: .*\nmake: /,
		'which one line says');
}
$bare->stop;

my $node = new_node('main');
{
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	($rc, $out) = run($folder, @installcheck);
	is($rc, 0, 'the regression tests pass on an installed server')
	  or diag($out);
	like($out, qr/All \d\d+ tests passed/, 'all of them');
}
scan_log($node);
$node->stop;
done_testing();
