# kill -9 of one process at each place where it matters: the run goes on, and
# every step's effects are there exactly once.
use strict;
use warnings;

use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('crash_resume', 'workflow.executors = 2');
my $db = 'shop';
create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE TABLE effect (run_id uuid, ordinal int);
CREATE FUNCTION note() RETURNS int LANGUAGE sql AS
	$$INSERT INTO effect SELECT workflow.run_id(), split_part(workflow.idempotency_key(), '/', 2)::int RETURNING ordinal$$;
CREATE FUNCTION three(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	r jsonb := '[]';
BEGIN
	r := r || workflow.step('one', 'SELECT note()');
	BEGIN
		PERFORM workflow.step('fails', 'SELECT note() / 0');
	EXCEPTION WHEN division_by_zero THEN
		r := r || '"caught"';
	END;
	r := r || workflow.step('three', 'SELECT note()', workflow.policy(at_most_once => (input->>'once')::boolean));
	RETURN r;
END $$;
SELECT workflow.create_workflow('three');
});

my $newest = 'SELECT state FROM workflow.runs ORDER BY run_id DESC LIMIT 1';

# After everything has ended: one effect per step and run, and the results.
sub check_all
{
	my ($name) = @_;
	my $ended = poll_until($node, $db,
		"SELECT count(*) FROM workflow.runs WHERE state NOT IN ('succeeded')",
		'0', 60);
	ok($ended, "$name: all runs succeeded");
	is( $node->safe_psql($db,
			q{SELECT count(*) FROM workflow.runs WHERE result <> '[1, "caught", 3]'}),
		'0',
		"$name: results are right");
	is( $node->safe_psql(
			$db, q{
SELECT count(*) FROM (SELECT run_id, array_agg(ordinal ORDER BY ordinal) AS steps
						FROM workflow.runs r LEFT JOIN effect e USING (run_id)
					   GROUP BY run_id) s
 WHERE steps IS DISTINCT FROM ARRAY[1, 3]}),
		'0',
		"$name: effects exactly once");
	is($node->safe_psql($db, 'SELECT count(*) FROM workflow.dead_letters'),
		'0', "$name: no dead letters");
	return;
}

sub enqueue
{
	my ($many, $once) = @_;
	$node->safe_psql($db,
		"SELECT workflow.enqueue_workflow('three', '{\"once\": $once}') FROM generate_series(1, $many)");
	return;
}

sub set_stop
{
	my ($value) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET workflow.test_stop = '$value'");
	return;
}

# ---- killed while it waits at a stop point ----

# What makes the process come to that point.
my %ways = (
	'exec-before-step' => sub { enqueue(3, 'false') },
	'exec-after-step' => sub { enqueue(3, 'false') },
	'exec-before-commit' => sub { enqueue(3, 'false') },
	'exec-after-commit' => sub { enqueue(3, 'false') },
	'sched-scan-commit' => sub { kill_worker($node, 'scheduler', $db, 'TERM') },
	'sched-control-commit' => sub { $node->safe_psql($db, 'SELECT workflow.start()') },
	'sched-request-commit' => sub {
		$node->safe_psql(
			$db, q{
BEGIN;
SELECT workflow.enqueue_workflow('three', '{"once": false}', dedup_key => 'c', delay => '1 day');
COMMIT;
SELECT workflow.cancel_run(workflow.find_run('three', 'c'))});
	});

foreach my $point (sort keys %ways)
{
	my $offset = -s $node->logfile;

	set_stop("$point=wait");
	$node->reload;
	poll_until($node, $db, 'SHOW workflow.test_stop', "$point=wait");
	$ways{$point}->();
	my $seen = $node->wait_for_log(qr/waiting at stop point "$point"/, $offset);
	ok($seen, "$point was reached");
	slurp_file($node->logfile, $offset) =~
	  /\[(\d+)\] [^\n]*waiting at stop point "$point"/;
	my $pid = $1;
	set_stop('');
	my $begin = time();
	kill 'KILL', $pid or BAIL_OUT("could not kill $pid: $!");
	for (my $i = 0; $i < 1000 && kill(0, $pid); $i++)
	{
		usleep(5_000);
	}
	# a crash restart does not read the file again
	$node->reload;
	poll_until($node, $db, 'SELECT 1', '1');
	enqueue(1, 'true');
	ok(poll_until($node, $db, $newest, 'succeeded', 10), "$point: goes on");
	note sprintf('%s: %.3f s from the kill to a run that ended', $point, time() - $begin);
	$node->safe_psql($db,
		q{DELETE FROM _workflow.run WHERE state = 'c'}) if $point eq 'sched-request-commit';
	check_all($point);
}

# ---- ended in order, or failing, now and then at every point ----

foreach my $action (qw(fatal error))
{
	# An error after the commit has no place where it could go.
	my @points = qw(exec-before-step exec-after-step exec-before-commit);
	push @points, qw(exec-after-commit sched-scan-commit sched-request-commit)
	  if $action eq 'fatal';
	set_stop(join(', ', map { "$_=$action:20" } @points));
	$node->reload;
	enqueue(40, 'false');
	usleep(500_000);
	set_stop('');
	$node->reload;
	$node->safe_psql($db,
		q{SELECT workflow.retry_run(run_id) FROM workflow.runs WHERE waiting_for = 'retry'});
	check_all("$action at random");
}

# ---- a process killed at random, twenty times, under load ----

my @slowest = (0, '');
foreach my $kind (qw(executor scheduler launcher checkpointer))
{
	foreach my $i (1 .. 3)
	{
		enqueue(50, 'false');
		my $pid = $kind eq 'checkpointer'
		  ? $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'})
		  : wait_for_worker($node, $kind, $kind eq 'launcher' ? undef : $db);
		usleep(rand(20_000));
		kill 'KILL', $pid or next;
		for (my $n = 0; $n < 1000 && kill(0, $pid); $n++)
		{
			usleep(1_000);
		}
		poll_until($node, $db, 'SELECT 1', '1');
		my $begin = time();
		enqueue(1, 'true');
		poll_until($node, $db, $newest, 'succeeded', 20);
		my $took = time() - $begin;
		@slowest = ($took, $kind) if $took > $slowest[0];
	}
	check_all("kill -9 of the $kind");
}
note sprintf('slowest: a run ended %.3f s after the server answered (%s killed)', @slowest);
cmp_ok($slowest[0], '<', 10, 'work goes on at once after a restart');

$node->stop;
scan_log($node, allowed => [
	'was terminated by signal 9',
	'all server processes terminated; reinitializing',
	'stop point "[a-z-]*" was reached',
	'server process .* exited with exit code' ]);
done_testing();
