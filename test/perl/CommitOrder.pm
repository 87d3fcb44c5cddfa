# Order in groups whose limit is one: whenever a commit had returned before
# another one of the same group was issued, the first of the two goes first.
#
# Sessions are processes whose transactions stay open for a random time.  What
# they enqueue is the caller's business: make_item(group) gives a statement that
# prints 'ITEM', the group and an id.  A session writes a line for each item:
#
#	group id issued returned kind
#
# where the times are those of the commit, of the monotonic clock.
package CommitOrder;

use strict;
use warnings;

use Exporter 'import';
use POSIX ();
use Time::HiRes qw(usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use CrashLoop;
use IntervalChecker;

our @EXPORT = qw(
  check_order
  test_check_order
  start_sessions
  wait_for_sessions
  read_commits
);

# check_order([commits], {id => place}): what is wrong.  A commit has `group`,
# `id`, `issued` and `returned`; a place is anything that rises in the order of
# all starts.  Commits are looked at in the order in which they were issued: the
# latest start of those that had returned by then is all that counts.
sub check_order
{
	my ($commits, $places) = @_;
	my (%groups, @wrong);

	push @{ $groups{ $_->{group} } }, $_ foreach @$commits;
	foreach my $group (sort keys %groups)
	{
		my @returned =
		  sort { $a->{returned} <=> $b->{returned} } @{ $groups{$group} };
		my $latest;

		foreach my $commit (sort { $a->{issued} <=> $b->{issued} }
			@{ $groups{$group} })
		{
			while (@returned && $returned[0]{returned} < $commit->{issued})
			{
				my $next = shift @returned;
				$latest = $next
				  if !$latest
				  || $places->{ $next->{id} } > $places->{ $latest->{id} };
			}
			push @wrong,
			  "group $group: $commit->{id} ($commit->{kind}) started before"
			  . " $latest->{id} ($latest->{kind}), whose commit had returned"
			  . sprintf(' %.6f s before', $commit->{issued} - $latest->{returned})
			  if $latest
			  && $places->{ $commit->{id} } < $places->{ $latest->{id} };
		}
	}
	return @wrong;
}

# The checker finds what it is there to find.
sub test_check_order
{
	my @apart = (
		{ group => 'g', id => 'a', issued => 1, returned => 2, kind => 'plain' },
		{ group => 'g', id => 'b', issued => 3, returned => 4, kind => 'plain' });
	my @mixed = (
		{ group => 'g', id => 'a', issued => 1, returned => 3, kind => 'plain' },
		{ group => 'g', id => 'b', issued => 2, returned => 4, kind => 'plain' });

	is(scalar check_order(\@apart, { a => 1, b => 2 }), 0, 'checker: in order');
	is(scalar check_order(\@apart, { a => 2, b => 1 }), 1, 'checker: not in order');
	is(scalar check_order(\@mixed, { a => 2, b => 1 }), 0, 'checker: at the same time');
	return;
}

# Its kind, the statements up to the commit, and the commit itself.
sub make_transaction
{
	my ($make_item, $groups, $number, $serial) = @_;
	my $group = int(rand($groups));
	my $r = rand();

	return ('plain', 'BEGIN;' . $make_item->($group), 'COMMIT;') if $r < 0.6;
	return ('savepoint', 'BEGIN; SAVEPOINT a;' . $make_item->($group)
		  . 'ROLLBACK TO a; SAVEPOINT b;'
		  . $make_item->(($group + 1) % $groups)
		  . 'RELEASE b;' . $make_item->($group), 'COMMIT;')
	  if $r < 0.8;
	my $name = "'p-$number-$serial'";
	return ('prepared', 'BEGIN;' . $make_item->($group) . "PREPARE TRANSACTION $name;",
		"COMMIT PREPARED $name;");
}

# Lines up to the mark: [group, id] of those enqueued.
sub read_items
{
	my ($out, $mark) = @_;
	my @items;
	while (my $line = <$out>)
	{
		chomp $line;
		return @items if $line eq $mark;
		push @items, [ (split / /, $line)[ 1, 2 ] ] if $line =~ /^ITEM /;
	}
	die 'the session ended';
}

# Items that were rolled back get a line too; they have no start, and do no harm.
sub session_main
{
	my ($number, %params) = @_;
	my ($in, $out, $pid) = CrashLoop::open_psql($params{node}, $params{db});
	my $file = "$params{dir}/session.$number";
	open(my $ledger, '>', $file) or die "could not open $file: $!";

	srand($params{seed} + $number);
	foreach my $serial (1 .. $params{transactions})
	{
		my ($kind, $before, $commit) =
		  make_transaction($params{make_item}, $params{groups}, $number, $serial);
		print $in "$before\n\\echo OPEN\n";
		my @items = read_items($out, 'OPEN');
		usleep(rand() < 0.1 ? rand(300_000) : rand(20_000));
		my $issued = ledger_now();
		print $in "$commit\n\\echo DONE\n";
		read_items($out, 'DONE');
		my $returned = ledger_now();
		printf $ledger "%s %s %.6f %.6f %s\n", @$_, $issued, $returned, $kind
		  foreach @items;
	}
	close($in);
	waitpid($pid, 0);
	close($ledger) or die "could not write $file: $!";
	return;
}

# start_sessions(node, db, dir, seed, sessions, transactions, groups, make_item,
# all by name): their pids.
sub start_sessions
{
	my (%params) = @_;
	my @pids;
	foreach my $number (1 .. $params{sessions})
	{
		my $pid = fork() // die "fork: $!";
		if ($pid == 0)
		{
			# nothing of the parent's may run in the child's END blocks
			eval { session_main($number, %params); 1 }
			  or print STDERR "session $number: $@";
			POSIX::_exit($@ ? 1 : 0);
		}
		push @pids, $pid;
	}
	return @pids;
}

# wait_for_sessions(pids): how many did not end in order.
sub wait_for_sessions
{
	my $failed = 0;
	foreach my $pid (@_)
	{
		waitpid($pid, 0);
		$failed++ if $? != 0;
	}
	return $failed;
}

# read_commits(dir, {id => place}): the commits of items that have a place.
sub read_commits
{
	my ($dir, $places) = @_;
	my @commits;
	foreach my $file (glob "$dir/session.*")
	{
		foreach my $line (split /\n/, slurp_file($file))
		{
			my %commit;
			@commit{qw(group id issued returned kind)} = split / /, $line;
			push @commits, \%commit if defined $places->{ $commit{id} };
		}
	}
	return @commits;
}

1;
