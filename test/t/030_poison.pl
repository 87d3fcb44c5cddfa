# A step that kills the server costs at most two restarts and ends as a dead
# letter; its neighbours finish and are charged nothing, and a crash for which
# nobody can be blamed makes no dead letter.
use strict;
use warnings;

use Time::HiRes qw(usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;
use CrashLoop qw(kill_postmaster);

my $node = new_node('poison', 'workflow.executors = 5');
my $db = 'shop';
create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE EXTENSION plpython3u;
CREATE TABLE effect (run_id uuid, ordinal int);
CREATE TABLE gate (open boolean);
INSERT INTO gate VALUES (false);
CREATE FUNCTION die(sig int) RETURNS void LANGUAGE plpython3u AS
	$$import os; os.kill(os.getpid(), sig)$$;
CREATE FUNCTION note() RETURNS void LANGUAGE sql AS
	$$INSERT INTO effect SELECT workflow.run_id(), split_part(workflow.idempotency_key(), '/', 2)::int$$;
CREATE FUNCTION wait_for_gate() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM note();
	WHILE NOT (SELECT open FROM gate) LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
CREATE FUNCTION poison(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('good', 'SELECT note()');
	IF input->>'in' = 'body' THEN
		PERFORM die((input->>'signal')::int);
	END IF;
	PERFORM workflow.step('bad', 'SELECT note(), die($1)', (input->>'signal')::int);
	RETURN '"survived"';
END $$;
CREATE FUNCTION neighbour(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('one', 'SELECT note()');
	PERFORM workflow.step('gate', CASE WHEN input ? 'long' THEN 'SELECT wait_for_gate()'
									   ELSE 'SELECT note()' END);
	PERFORM workflow.step('three', 'SELECT note()');
	RETURN '"done"';
END $$;
SELECT workflow.create_workflow('poison');
SELECT workflow.create_workflow('neighbour');
});

sub restarts
{
	my $log = slurp_file($node->logfile);
	my $n = () = $log =~ /all server processes terminated; reinitializing/g;
	return $n;
}

sub state_of
{
	my ($key) = @_;
	return "SELECT state FROM workflow.runs WHERE dedup_key = '$key'";
}

# ---- poison, by signal and place ----

my $before = restarts();
foreach my $case (
	[ 'kill', 9, 'step' ],
	[ 'segv', 11, 'step' ],
	[ 'abort', 6, 'body' ])
{
	my ($key, $signal, $place) = @$case;

	$node->safe_psql($db, 'UPDATE gate SET open = false');
	$node->safe_psql(
		$db, qq{
BEGIN;
SELECT workflow.enqueue_workflow('neighbour', '{"long": true}') FROM generate_series(1, 2);
SELECT workflow.enqueue_workflow('neighbour') FROM generate_series(1, 20);
SELECT workflow.enqueue_workflow('poison', '{"signal": $signal, "in": "$place"}', dedup_key => '$key');
SELECT workflow.enqueue_workflow('neighbour') FROM generate_series(1, 20);
COMMIT;});
	ok(poll_until($node, $db, state_of($key), 'failed', 60), "$key: given up");
	cmp_ok(restarts() - $before, '<=', 2, "$key: two restarts at most");
	$before = restarts();
	is( $node->safe_psql($db,
			"SELECT reason, failed_step, error_code, error_message FROM workflow.dead_letters WHERE run_id = workflow.find_run('poison', '$key')"),
		$place eq 'step'
		? 'crash|bad|57P02|run crashed the server 2 times, in step 2'
		: 'crash||57P02|run crashed the server 2 times, in its body before step 2',
		"$key: reason crash");
	$node->safe_psql($db, 'UPDATE gate SET open = true');
	$node->safe_psql($db, "CALL workflow.wait_until_idle('60 s')");
	is( $node->safe_psql($db,
			q{SELECT state, attempts, count(*) FROM workflow.runs WHERE workflow = 'neighbour' GROUP BY 1, 2}),
		'succeeded|3|' . $node->safe_psql($db, q{SELECT count(*) FROM workflow.runs WHERE workflow = 'neighbour'}),
		"$key: neighbours finished with no attempt too many");
	is( $node->safe_psql($db,
			q{SELECT count(*) FROM _workflow.run WHERE crashes > 0 AND dedup_key IS NULL}),
		'0',
		"$key: no neighbour was charged");
}
# 42 neighbours, three times.  Whether the first step of a poisoned run got
# through depends on whose turn it was to replay the body.
is( $node->safe_psql($db,
		q{SELECT count(*), count(DISTINCT (run_id, ordinal)) FROM effect JOIN workflow.runs USING (run_id) WHERE workflow = 'neighbour'}),
	'378|378',
	'each step of the neighbours happened once');
is( $node->safe_psql($db, 'SELECT count(*) = count(DISTINCT (run_id, ordinal)) FROM effect'),
	't', 'no step happened twice');

# Repaired and retried, it goes on from there.
$node->safe_psql($db,
	q{CREATE OR REPLACE FUNCTION die(sig int) RETURNS void LANGUAGE sql AS ''});
$node->safe_psql($db, q{SELECT workflow.retry_run(run_id) FROM workflow.dead_letters});
ok( poll_until($node, $db,
		q{SELECT count(*) FROM workflow.runs WHERE workflow = 'poison' AND state = 'succeeded'},
		'3'),
	'repaired poison succeeds');

# ---- crashes that are nobody's fault ----

$node->safe_psql($db, 'UPDATE gate SET open = false');
$node->safe_psql($db,
	q{SELECT workflow.enqueue_workflow('neighbour', '{"long": true}') FROM generate_series(1, 4)});
my $busy = 'SELECT count(*) FROM workflow.stat_executors WHERE ordinal = 2';
ok(poll_until($node, $db, $busy, '4'), 'four steps run');

foreach my $i (1 .. 4)
{
	my $type = $i % 2 ? 'checkpointer' : 'walwriter';
	my $pid = $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = '$type'");
	kill 'KILL', $pid or BAIL_OUT("could not kill $pid: $!");
	for (my $n = 0; $n < 1000 && kill(0, $pid); $n++)
	{
		usleep(5_000);
	}
	ok(poll_until($node, $db, $busy, '4', 60), "all run again after a crash of the $type");
}
foreach my $i (1 .. 3)
{
	kill_postmaster($node);
	ok(poll_until($node, $db, "SELECT count(*) > 0 FROM ($busy) s", 't', 60),
		'goes on after the postmaster was killed');
	usleep(300_000);
}
foreach my $i (1 .. 3)
{
	$node->stop('immediate');
	$node->start;
	ok(poll_until($node, $db, $busy, '4', 60), 'all run again after an immediate stop');
}
$node->safe_psql($db, 'UPDATE gate SET open = true');
$node->safe_psql($db, "CALL workflow.wait_until_idle('60 s')");
is( $node->safe_psql($db,
		q{SELECT count(*) FROM workflow.runs WHERE state <> 'succeeded' OR (workflow = 'neighbour' AND attempts <> 3)}),
	'0',
	'all finished, uncharged');
is($node->safe_psql($db, 'SELECT count(*) FROM workflow.dead_letters'),
	'0', 'no dead letters');

# ---- one who is charged once is let off when its step is done ----

$node->safe_psql($db, 'UPDATE gate SET open = false');
$node->safe_psql($db,
	q{SELECT workflow.enqueue_workflow('neighbour', '{"long": true}', dedup_key => 'once')});
ok(poll_until($node, $db, "$busy AND run_id = workflow.find_run('neighbour', 'once')", '1'), 'the step runs');
kill 'KILL', $node->safe_psql($db, 'SELECT executor_pid FROM workflow.stat_executors WHERE ordinal = 2');
ok(poll_until($node, $db, 'SELECT crashes FROM _workflow.run WHERE crashes > 0', '1', 60), 'its executor was killed');
ok(poll_until($node, $db, "$busy AND run_id = workflow.find_run('neighbour', 'once')", '1', 60), 'and again after its executor was killed');
is( $node->safe_psql($db,
		q{SELECT crashes, crash_step FROM _workflow.run WHERE dedup_key = 'once'}),
	'1|2', 'charged once');
$node->safe_psql($db, 'UPDATE gate SET open = true');
ok(poll_until($node, $db, state_of('once'), 'succeeded'), 'it succeeds all the same');

$node->stop;
scan_log($node, allowed => [
	'was terminated by signal',
	'all server processes terminated; reinitializing',
	'server process .* exited with exit code' ]);
done_testing();
