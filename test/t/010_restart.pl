# Every way of stopping the server while steps run: it stops in time, and what
# was in flight goes on after the start, without a lease to wait for.
use strict;
use warnings;

use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;
use CrashLoop qw(kill_postmaster);

my $node = new_node('restart', 'workflow.executors = 5');
my $db = 'shop';
create_extension($node, $db);

# The second step waits for the gate: in a sleep, for a lock, or in a loop.
$node->safe_psql(
	$db, q{
CREATE TABLE effect (what text);
CREATE TABLE gate (open boolean);
INSERT INTO gate VALUES (false);
CREATE FUNCTION wait_for_gate(how text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effect VALUES (workflow.idempotency_key());
	LOOP
		EXIT WHEN (SELECT open FROM gate);
		IF how = 'sleep' THEN
			PERFORM pg_sleep(0.01);
		ELSIF how = 'lock' THEN
			PERFORM pg_advisory_xact_lock(4711);
			PERFORM pg_sleep(0.01);
		END IF;
	END LOOP;
END $$;
CREATE FUNCTION gated(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('before', 'INSERT INTO effect VALUES (workflow.idempotency_key())');
	PERFORM workflow.step('gate', 'SELECT wait_for_gate($1)', input->>'how');
	PERFORM workflow.step('after', 'INSERT INTO effect VALUES (workflow.idempotency_key())');
	RETURN '"done"';
END $$;
SELECT workflow.create_workflow('gated');
});

my $busy = 'SELECT count(*) FROM workflow.stat_executors WHERE ordinal = 2';

# How long until all four are in their second step again.
sub in_flight_again
{
	my ($what) = @_;
	my $begin = time();
	ok(poll_until($node, $db, $busy, '4', 10), "$what: in flight goes on");
	note sprintf('%s: %.3f s until all steps ran again', $what, time() - $begin);
	return;
}

$node->safe_psql($db,
	q{SELECT workflow.enqueue_workflow('gated', jsonb_build_object('how', h))
		FROM unnest(ARRAY['sleep', 'sleep', 'lock', 'loop']) h});
ok(poll_until($node, $db, $busy, '4'), 'four steps run');

foreach my $mode (qw(fast immediate fast))
{
	my $begin = time();
	ok($node->stop($mode, fail_ok => 1), "stop -m $mode with busy steps");
	my $took = time() - $begin;
	note sprintf('stop -m %s took %.3f s', $mode, $took);
	cmp_ok($took, '<', 10, "stop -m $mode did not wait for them");
	$node->start;
	in_flight_again("after stop -m $mode");
}

kill_postmaster($node);
in_flight_again('after kill -9 of the postmaster');

# What nobody waits for is shown as it is, also while the server is new.
is( $node->safe_psql($db,
		q{SELECT count(*) FROM workflow.runs WHERE state = 'running'}),
	'4',
	'shown as running');
is($node->safe_psql($db, 'SELECT count(*) FROM effect'),
	'4', 'only the first steps left anything');

$node->safe_psql($db, 'UPDATE gate SET open = true');
$node->safe_psql($db, "CALL workflow.wait_until_idle('60 s')");
is( $node->safe_psql($db,
		q{SELECT state, steps_done, attempts - losses, count(*) FROM workflow.runs GROUP BY 1, 2, 3}),
	'succeeded|3|3|4',
	'all succeeded, and what the stops cut off is told apart');
is( $node->safe_psql($db,
		'SELECT count(*), count(DISTINCT what) FROM effect'),
	'12|12',
	'each step happened once');

# Enqueued just before a crash, and while the server is going down.
$node->safe_psql($db,
	q{SELECT workflow.stop(); SELECT workflow.enqueue_workflow('gated', '{"how": "sleep"}')});
$node->stop('immediate');
$node->start;
is($node->safe_psql($db, 'SELECT stopped FROM workflow.status'),
	't', 'stop() outlives a crash');
is( $node->safe_psql($db,
		q{SELECT state, waiting_for FROM workflow.runs WHERE state <> 'succeeded'}),
	'queued|pause',
	'its run waits');
$node->safe_psql($db, 'SELECT workflow.start()');
$node->safe_psql($db, "CALL workflow.wait_until_idle('60 s')");
is( $node->safe_psql($db,
		q{SELECT count(*) FROM workflow.runs WHERE state = 'succeeded'}),
	'5',
	'start() goes on with it');

# Timers outlive a restart, and are not early.
$node->safe_psql($db,
	q{SELECT workflow.enqueue_workflow('gated', '{"how": "sleep"}', delay => '3 s')});
$node->restart;
ok( poll_until($node, $db,
		q{SELECT count(*) FROM workflow.runs WHERE state = 'succeeded'}, '6'),
	'a delayed run starts after a restart');
is( $node->safe_psql($db,
		q{SELECT count(*) FROM workflow.runs WHERE started_at < run_at}),
	'0',
	'none started early');

$node->stop;
scan_log($node);
done_testing();
