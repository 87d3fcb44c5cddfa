# Order in groups of one: whenever a commit had returned before another one of
# the same group was issued, the first of the two starts first.  Many sessions
# at once, whose transactions stay open for a random time.
use strict;
use warnings;

use POSIX ();
use Time::HiRes qw(usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;
use CrashLoop;
use IntervalChecker;

my $db = 'order';
my $groups = 8;
my $sessions = 64;
my $transactions = 12;    # of each session
my $bulk = 5000;
my $seed = loop_seed();
my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_node('order', 'workflow.executors = 8',
	'max_connections = 100', 'max_prepared_transactions = 70');

# ---- the checker ----

# check_order([commits], {run => place}): what is wrong.  A commit has `group`,
# `run`, `issued` and `returned`; a place is the number of the start in the
# order of all starts.  Commits are looked at in the order in which they were
# issued: the latest start of those that had returned by then is all that
# counts.
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
				  || $places->{ $next->{run} } > $places->{ $latest->{run} };
			}
			push @wrong,
			  "group $group: $commit->{run} ($commit->{kind}) started before"
			  . " $latest->{run} ($latest->{kind}), whose commit had returned"
			  . sprintf(' %.6f s before', $commit->{issued} - $latest->{returned})
			  if $latest
			  && $places->{ $commit->{run} } < $places->{ $latest->{run} };
		}
	}
	return @wrong;
}

sub test_checker
{
	my @apart = (
		{ group => 'g', run => 'a', issued => 1, returned => 2, kind => 'plain' },
		{ group => 'g', run => 'b', issued => 3, returned => 4, kind => 'plain' });
	my @mixed = (
		{ group => 'g', run => 'a', issued => 1, returned => 3, kind => 'plain' },
		{ group => 'g', run => 'b', issued => 2, returned => 4, kind => 'plain' });

	is(scalar check_order(\@apart, { a => 1, b => 2 }), 0, 'checker: in order');
	is(scalar check_order(\@apart, { a => 2, b => 1 }), 1, 'checker: not in order');
	is(scalar check_order(\@mixed, { a => 2, b => 1 }), 0, 'checker: at the same time');
	return;
}

# ---- sessions ----

sub enqueue
{
	my ($group) = @_;
	return "SELECT 'RUN', $group, workflow.enqueue_workflow('load',"
	  . " queue => 'ordered', group_key => 'g$group');";
}

# Its kind, the statements up to the commit, and the commit itself.
sub make_transaction
{
	my ($number, $serial) = @_;
	my $group = int(rand($groups));
	my $r = rand();

	return ('plain', 'BEGIN;' . enqueue($group), 'COMMIT;') if $r < 0.6;
	return ('savepoint', 'BEGIN; SAVEPOINT a;' . enqueue($group)
		  . 'ROLLBACK TO a; SAVEPOINT b;'
		  . enqueue(($group + 1) % $groups)
		  . 'RELEASE b;' . enqueue($group), 'COMMIT;')
	  if $r < 0.8;
	my $name = "'p-$number-$serial'";
	return ('prepared', 'BEGIN;' . enqueue($group) . "PREPARE TRANSACTION $name;",
		"COMMIT PREPARED $name;");
}

# Lines up to the mark: [group, run] of those enqueued.
sub read_runs
{
	my ($out, $mark) = @_;
	my @runs;
	while (my $line = <$out>)
	{
		chomp $line;
		return @runs if $line eq $mark;
		push @runs, [ (split / /, $line)[ 1, 2 ] ] if $line =~ /^RUN /;
	}
	die 'the session ended';
}

# Writes a line for each run: group, run, when its commit was issued, when it had
# returned, and the kind of transaction.  Runs that were rolled back have no start, and do no harm.
sub session_main
{
	my ($number, $file) = @_;
	my ($in, $out, $pid) = CrashLoop::open_psql($node, $db);
	open(my $ledger, '>', $file) or die "could not open $file: $!";

	srand($seed + $number);
	foreach my $serial (1 .. $transactions)
	{
		my ($kind, $before, $commit) = make_transaction($number, $serial);
		print $in "$before\n\\echo OPEN\n";
		my @runs = read_runs($out, 'OPEN');
		usleep(rand() < 0.1 ? rand(300_000) : rand(20_000));
		my $issued = ledger_now();
		print $in "$commit\n\\echo DONE\n";
		read_runs($out, 'DONE');
		my $returned = ledger_now();
		printf $ledger "%s %s %.6f %.6f %s\n", @$_, $issued, $returned, $kind
		  foreach @runs;
	}
	close($in);
	waitpid($pid, 0);
	close($ledger) or die "could not write $file: $!";
	return;
}

# Runs a session in a process of its own.
sub start_session
{
	my ($number) = @_;
	my $pid = fork() // die "fork: $!";
	return $pid if $pid != 0;
	# nothing of the parent's may run in the child's END blocks
	eval { session_main($number, "$dir/session.$number"); 1 }
	  or print STDERR "session $number: $@";
	POSIX::_exit($@ ? 1 : 0);
}

# So many in one transaction do not fit into the ring.
sub enqueue_bulk
{
	my $issued = ledger_now();
	my $runs = $node->safe_psql(
		$db, qq{
SELECT 'g' || i % $groups, workflow.enqueue_workflow('quick',
	queue => 'ordered', group_key => 'g' || i % $groups)
  FROM generate_series(1, $bulk) i});
	my $returned = ledger_now();
	return map {
		my ($group, $run) = split /\|/;
		{
			group => substr($group, 1),
			run => $run,
			issued => $issued,
			returned => $returned,
			kind => 'bulk'
		}
	} split /\n/, $runs;
}

# ---- the test ----

test_checker();
create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE SEQUENCE place;
CREATE TABLE start (place bigint, run_id uuid);
CREATE FUNCTION load(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('only',
		$c$INSERT INTO start VALUES (nextval('place'), workflow.run_id())$c$);
END $$;
CREATE FUNCTION quick(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT load(input)';
SELECT workflow.create_workflow('load');
SELECT workflow.create_workflow('quick');
SELECT workflow.create_queue('ordered', group_max_active => 1);
});

my @pids = map { start_session($_) } 1 .. $sessions;
usleep(500_000);
my @commits = enqueue_bulk();
my $failed = 0;
foreach my $pid (@pids)
{
	waitpid($pid, 0);
	$failed++ if $? != 0;
}
is($failed, 0, "$sessions sessions ended in order");
ok( poll_until($node, $db,
		'SELECT count(*) FROM _workflow.run WHERE finished_at IS NULL',
		'0', 120),
	'everything ended');

my %places = map { reverse split /\|/ } split /\n/,
  $node->safe_psql($db, 'SELECT place, run_id FROM start');
foreach my $file (glob "$dir/session.*")
{
	foreach my $line (split /\n/, slurp_file($file))
	{
		my %commit;
		@commit{qw(group run issued returned kind)} = split / /, $line;
		push @commits, \%commit if $places{ $commit{run} };
	}
}
is(scalar @commits, scalar keys %places, 'every start is of a known run');
is( $node->safe_psql($db, 'SELECT count(*), count(DISTINCT run_id) FROM start'),
	@commits . '|' . @commits, 'each of them started once');
cmp_ok(scalar @commits, '>', $bulk + $sessions * $transactions - 1,
	'none is missing');

my @wrong = check_order(\@commits, \%places);
is(scalar @wrong, 0, 'starts follow commits')
  or diag join("\n", "seed $seed", @wrong[ 0 .. ($#wrong < 20 ? $#wrong : 20) ]);

# Within one transaction it is the order of the calls.
is( $node->safe_psql(
		$db, q{
SELECT count(*)
  FROM (SELECT s.place, lag(s.place) OVER (PARTITION BY r.group_key ORDER BY r.run_id) AS before
		  FROM start s JOIN _workflow.run r USING (run_id)
		  JOIN _workflow.workflow w USING (workflow_id)
		 WHERE w.name = 'quick') o
 WHERE before > place}),
	'0',
	'a bulk starts in the order of its calls');

$node->stop;
scan_log($node);
done_testing();
