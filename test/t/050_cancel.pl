# cancel_run(): what runs is ended at once, wherever it is; a cancel that comes
# too late never hits another run.
use strict;
use warnings;

use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('cancel', 'workflow.executors = 4', 'max_connections = 40');
my $db = 'shop';
create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE EXTENSION plpython3u;
CREATE TABLE effect (what text);
CREATE TABLE locked (a int);
INSERT INTO locked VALUES (1);
CREATE FUNCTION stubborn() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		BEGIN
			PERFORM pg_sleep(60);
		EXCEPTION WHEN query_canceled THEN
			INSERT INTO effect VALUES ('caught');
			RETURN;
		END;
	END LOOP;
END $$;
CREATE FUNCTION out_of_order() RETURNS void LANGUAGE plpgsql AS
	$$BEGIN RAISE lock_not_available; END$$;
CREATE FUNCTION busy(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	n bigint := 0;
BEGIN
	PERFORM workflow.step('first', 'INSERT INTO effect VALUES (''first'')');
	IF input->>'how' = 'body' THEN
		LOOP
			n := n + 1;
		END LOOP;
	ELSIF input->>'how' = 'body that catches' THEN
		LOOP
			BEGIN
				PERFORM pg_sleep(60);
			EXCEPTION WHEN OTHERS OR query_canceled THEN
				PERFORM workflow.step('after', 'INSERT INTO effect VALUES (''after'')');
			END;
		END LOOP;
	END IF;
	BEGIN
		PERFORM workflow.step('long', 'INSERT INTO effect SELECT ''long'' FROM (' || (input->>'sql') || ') s',
			workflow.policy(at_most_once => input ? 'once', initial_delay => '1 hour'));
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		PERFORM workflow.step('after', 'INSERT INTO effect VALUES (''after'')');
	END;
	RETURN '"not reached"';
END $$;
CREATE FUNCTION in_python(input jsonb) RETURNS jsonb LANGUAGE plpython3u AS $$
try:
    plpy.execute("SELECT pg_sleep(60)")
except:
    pass
while True:
    try:
        plpy.execute("SELECT workflow.step('after', 'INSERT INTO effect VALUES (''after'')')")
    except:
        pass
$$;
CREATE FUNCTION quick(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..3 LOOP
		PERFORM workflow.step('quick', 'INSERT INTO effect SELECT ''quick'' FROM pg_sleep(0.001)',
							  workflow.policy(max_attempts => 1));
	END LOOP;
	RETURN '"done"';
END $$;
SELECT workflow.create_workflow('busy');
SELECT workflow.create_workflow('in_python');
SELECT workflow.create_workflow('quick', policy => workflow.policy(max_attempts => 1));
});

sub enqueue
{
	my ($workflow, $input, $more) = @_;
	return $node->safe_psql($db,
		"SELECT workflow.enqueue_workflow('$workflow', '$input'" . ($more // '') . ')');
}

sub state_of
{
	my ($run) = @_;
	return "SELECT state FROM workflow.runs WHERE run_id = '$run'";
}

# ---- in the middle of things ----


my %long = (
	'in a sleep' => '{"sql": "SELECT pg_sleep(60)"}',
	'in a loop' => '{"sql": "SELECT count(*) FROM generate_series(1, 1000000000000)"}',
	'in a step that catches it' => '{"sql": "SELECT stubborn()"}',
	'at most once' => '{"sql": "SELECT pg_sleep(60)", "once": 1}',
	'in the body' => '{"how": "body"}',
	'in a body that catches it' => '{"how": "body that catches"}');

foreach my $how (sort keys %long)
{
	my $run = enqueue('busy', $long{$how});
	ok( poll_until($node, $db,
			"SELECT state = 'running' AND steps_done = 1 FROM workflow.runs WHERE run_id = '$run'"),
		"$how: runs")
	  unless $how =~ /body/;
	ok(poll_until($node, $db, state_of($run), 'running'), "$how: runs") if $how =~ /body/;
	usleep(20_000);
	my $begin = time();
	is($node->safe_psql($db, "SELECT workflow.cancel_run('$run', reason => 'for the test')"), 't', "$how: cancelled");
	is( $node->safe_psql($db, "CALL workflow.wait_for_run('$run', '30 s')"),
		'cancelled||', "$how: is over");
	my $took = time() - $begin;
	cmp_ok($took, '<', 10, "$how: at once");
	note sprintf('%s: %.3f s', $how, $took);
}
is( $node->safe_psql($db,
		q{SELECT string_agg(DISTINCT what, ', ') FROM effect}),
	'first', 'only what was done before is left');

my $python = enqueue('in_python', '{}');
ok(poll_until($node, $db, state_of($python), 'running'), 'a body that catches everything runs');
$node->safe_psql($db, "SELECT workflow.cancel_run('$python')");
is($node->safe_psql($db, "CALL workflow.wait_for_run('$python', '30 s')"), 'cancelled||', 'it is over, too');

# ---- what does not run ----

my $delayed = enqueue('quick', '{}', q{, delay => '1 hour'});
my $backoff = enqueue('busy', '{"sql": "SELECT out_of_order()"}');
ok( poll_until($node, $db,
		"SELECT waiting_for FROM workflow.runs WHERE run_id = '$backoff'", 'retry'),
	'one waits for its next attempt');
my $waiting = $node->safe_psql($db, q{SELECT workflow.pause_workflow('quick'); SELECT workflow.enqueue_workflow('quick')});
$waiting =~ s/^\s+//;
foreach my $run ($delayed, $backoff, $waiting)
{
	$node->safe_psql($db, "SELECT workflow.cancel_run('$run')");
	is($node->safe_psql($db, "CALL workflow.wait_for_run('$run', '30 s')"),
		'cancelled||', 'not running: is over');
}
$node->safe_psql($db, q{SELECT workflow.resume_workflow('quick')});

# ---- in bulk ----

$node->safe_psql($db, q{SELECT workflow.enqueue_workflow('quick', delay => '1 hour') FROM generate_series(1, 2000)});
is( $node->safe_psql($db,
		q{SELECT count(*) FILTER (WHERE workflow.cancel_run(run_id)) FROM workflow.runs WHERE waiting_for = 'start time'}),
	'2000',
	'two thousand in one statement');
ok(poll_until($node, $db, q{SELECT count(*) FROM workflow.runs WHERE state = 'queued'}, '0'), 'all are over');
is($node->safe_psql($db, 'SELECT count(*) FROM _workflow.request'), '0', 'no request is left');

# ---- a cancel never hits another run ----

$node->safe_psql($db, 'TRUNCATE effect');
my $from = $node->safe_psql($db, 'SELECT run_id FROM workflow.runs ORDER BY 1 DESC LIMIT 1');
foreach my $round (1 .. 10)
{
	# one in four is cancelled as soon as it runs, or soon after
	$node->safe_psql($db, q{SELECT workflow.enqueue_workflow('quick', jsonb_build_object('cancel', i % 4 = 0)) FROM generate_series(1, 60) i});
	$node->safe_psql(
		$db, q{
DO $$
BEGIN
	FOR i IN 1..30 LOOP
		PERFORM workflow.cancel_run(run_id) FROM workflow.runs
		  WHERE state = 'running' AND (input->>'cancel')::boolean;
		COMMIT;
		PERFORM pg_sleep(random() * 0.004);
	END LOOP;
END $$});
}
$node->safe_psql($db, "CALL workflow.wait_until_idle('60 s')");
is( $node->safe_psql($db,
		"SELECT count(*) FROM workflow.runs WHERE run_id > '$from' AND input->>'cancel' = 'false' AND state <> 'succeeded'"),
	'0',
	'nobody else was hit');
is( $node->safe_psql($db,
		"SELECT count(*) FROM workflow.runs WHERE run_id > '$from' AND state NOT IN ('succeeded', 'cancelled')"),
	'0',
	'those cancelled are cancelled, or were faster');
is( $node->safe_psql($db,
		"SELECT (SELECT count(*) FROM effect) = (SELECT sum(steps_done) FROM workflow.runs WHERE run_id > '$from')"),
	't',
	'effects and checkpoints agree');
note $node->safe_psql($db,
	"SELECT string_agg(state || ' ' || n, ', ') FROM (SELECT state, count(*) AS n FROM workflow.runs WHERE run_id > '$from' GROUP BY 1) s");
is( $node->safe_psql($db,
		'SELECT sum(step_failures) FROM workflow.stat_workflows WHERE workflow = \'quick\''),
	'0',
	'and no attempt was charged');

$node->stop;
scan_log($node);
done_testing();
