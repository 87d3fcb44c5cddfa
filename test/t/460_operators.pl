# What operators ask of runs outlives the processes that see to it, and holds
# for runs that are in memory, in an executor or in the table alone.
#
# At the end clients pause, resume, wake, retry and cancel at random while
# executors and schedulers are ended, and the server crashes: every run ends, no
# step happens twice, and no request is left.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use WorkflowTest;

my $db = 'ops';
my $node = new_node('operators', 'workflow.executors = 4',
	'workflow.scheduler_memory = 1MB');

create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE TABLE gate (open boolean);
INSERT INTO gate VALUES (false);
CREATE TABLE effect (run_id uuid, ordinal int);
CREATE FUNCTION note() RETURNS void LANGUAGE sql AS $$
	INSERT INTO effect VALUES (workflow.run_id(), split_part(workflow.idempotency_key(), '/', 2)::int)
$$;
CREATE FUNCTION hold() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	WHILE NOT (SELECT open FROM gate) LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
	PERFORM note();
END $$;
CREATE FUNCTION gated(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('hold', 'SELECT hold()');
	PERFORM workflow.step('note', 'SELECT note()');
	RETURN '"ok"';
END $$;
CREATE FUNCTION quick(input jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT workflow.step('note', 'SELECT note()')
$$;
-- fails now and then, so that there is something to wake and to retry
CREATE FUNCTION shaky() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM note();
	IF random() < 0.1 THEN
		RAISE EXCEPTION USING ERRCODE = CASE WHEN random() < 0.5 THEN '53000' ELSE '22000' END;
	END IF;
END $$;
CREATE FUNCTION many(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..5 LOOP
		PERFORM workflow.step('shaky', 'SELECT shaky()', workflow.policy(initial_delay => '1 hour'));
	END LOOP;
	RETURN '"ok"';
END $$;
SELECT workflow.create_workflow(w) FROM unnest('{gated,quick}'::text[]) w;
SELECT workflow.create_workflow('many', on_failure => 'park');
SELECT workflow.create_queue('strict', group_max_active => 1);
});

# The id of a run whose first step is under way.
sub running
{
	my $id = $node->safe_psql($db, q{
UPDATE gate SET open = false;
SELECT workflow.enqueue_workflow('gated')});
	poll_until($node, $db,
		"SELECT state FROM workflow.steps WHERE run_id = '$id'", 'running');
	return $id;
}

sub is_paused
{
	my ($id, $name) = @_;
	return ok( poll_until($node, $db,
			"SELECT state, paused_at IS NOT NULL, waiting_for FROM workflow.runs WHERE run_id = '$id'",
			'queued|t|pause'),
		$name);
}

sub goes_on
{
	my ($id, $name) = @_;
	is( $node->safe_psql($db,
			"UPDATE gate SET open = true; SELECT workflow.resume_run('$id')"),
		't', "$name: resumed");
	ok( poll_until($node, $db,
			"SELECT state FROM workflow.runs WHERE run_id = '$id'", 'succeeded'),
		"$name: succeeds");
	is( $node->safe_psql($db,
			"SELECT string_agg(ordinal::text, ',' ORDER BY ordinal) FROM effect WHERE run_id = '$id'"),
		'1,2', "$name: each step once");
	return;
}

# ---- a running step, and the end of who has it or would see to it ----

my $id = running();
$node->safe_psql($db, "SELECT workflow.pause_run('$id')");
$node->safe_psql($db,
	"SELECT pg_terminate_backend(executor_pid) FROM workflow.runs WHERE run_id = '$id'");
is_paused($id, 'paused where its executor was ended in the step');
goes_on($id, 'ended executor');

$id = running();
$node->safe_psql($db, "SELECT workflow.pause_run('$id')");
kill_worker($node, 'scheduler', $db, 'KILL');
$node->poll_query_until('postgres', 'SELECT true')
  or die 'server did not come back';
is_paused($id, 'paused after a crash in the step');
$node->restart;
$node->safe_psql($db, 'CALL workflow.wait_until_idle()');
is_paused($id, '... and after a restart');
goes_on($id, 'crash');

# ---- runs that are in the table alone ----

$node->safe_psql($db, q{
SELECT workflow.pause_workflow('quick');
SELECT count(workflow.enqueue_workflow('quick', CASE WHEN i % 1000 = 0 THEN '{"pause": 1}' ELSE '{}' END::jsonb))
  FROM generate_series(1, 12000) i;
SELECT count(workflow.enqueue_workflow('quick', CASE WHEN i = 3 THEN '{"pause": 1}' ELSE '{}' END::jsonb,
                                       queue => 'strict', group_key => 'g')) FROM generate_series(1, 5) i;
SELECT count(workflow.pause_run(run_id)) FROM workflow.runs WHERE input ? 'pause'});
is( $node->safe_psql($db, q{SELECT workflow.resume_workflow('quick');
CALL workflow.wait_until_idle('120 s');
SELECT queue, waiting_for, input ? 'pause', count(*) FROM workflow.runs WHERE state = 'queued' GROUP BY 1, 2, 3 ORDER BY 1, 3}),
	"\ndefault|pause|t|12\nstrict|group|f|2\nstrict|pause|t|1",
	'of all that were left in the table only the paused ones wait');
is( $node->safe_psql($db, q{
SELECT count(workflow.resume_run(run_id)) FROM workflow.runs WHERE paused_at IS NOT NULL;
CALL workflow.wait_until_idle('120 s');
SELECT state, count(*) FROM workflow.runs WHERE workflow = 'quick' GROUP BY 1}),
	"13\nsucceeded|12005", '... until they are resumed');

# ---- everything at random ----

$node->append_conf('postgresql.conf',
	"workflow.test_stop = 'sched-request-commit=fatal:5'");
$node->reload;
my $seed = $ENV{WF_SEED} // int(rand(1 << 30));
srand($seed);
note "seed $seed";
$node->safe_psql($db,
	"SELECT count(workflow.enqueue_workflow('many')) FROM generate_series(1, 200)");
my @calls = (
	'pause_run(run_id)', 'resume_run(run_id)', 'wake_run(run_id)',
	'retry_run(run_id)', q{retry_run(run_id, body => 'many')},
	'cancel_run(run_id)');
foreach my $i (1 .. 60)
{
	my $call = $calls[ rand(@calls) ];
	my $part = $call =~ /cancel/ ? 0.02 : 0.3;
	ask($node, $db,
		"SELECT count(workflow.$call) FROM workflow.runs WHERE workflow = 'many' AND random() < $part");
	ask($node, 'postgres',
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'workflow executor' AND random() < 0.3")
	  if rand() < 0.2;
	if ($i % 25 == 0)
	{
		kill_worker($node, 'scheduler', $db);
		poll_until($node, $db, 'SELECT true');
	}
	usleep(rand(50_000));
}
$node->append_conf('postgresql.conf', "workflow.test_stop = ''");
$node->reload;
ok(poll_until($node, $db, 'SELECT true'), 'the server is there');
$node->safe_psql($db, q{
DO $$
BEGIN
	FOR i IN 1..200 LOOP
		PERFORM workflow.resume_run(run_id), workflow.wake_run(run_id), workflow.retry_run(run_id)
		   FROM workflow.runs WHERE finished_at IS NULL;
		EXIT WHEN NOT FOUND;
		COMMIT;
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$});
is( $node->safe_psql($db,
		q{SELECT count(*) FROM workflow.runs WHERE state NOT IN ('succeeded', 'cancelled')}),
	'0', 'every run ends');
is( $node->safe_psql($db,
		'SELECT count(*) - count(DISTINCT (run_id, ordinal)) FROM effect'),
	'0', 'no step happened twice');
is( $node->safe_psql($db,
		q{SELECT count(*) FROM workflow.runs r WHERE workflow = 'many' AND state = 'succeeded'
   AND (SELECT count(*) FROM effect e WHERE e.run_id = r.run_id) <> 5}),
	'0', 'and none was left out');
ok(poll_until($node, $db, 'SELECT count(*) FROM _workflow.request', '0'),
	'no request is left');
# a retry needs a run that it meets between two attempts, which is rare
cmp_ok(
	$node->safe_psql($db,
		q{SELECT count(DISTINCT action) FROM workflow.audit_log}),
	'>=', 4, 'all of it is in the audit');

# ---- and all of it deleted ----

$node->safe_psql($db,
	'SELECT count(workflow.delete_run(run_id)) FROM workflow.runs; CALL workflow.wait_until_idle()');
ok( poll_until($node, $db, q{
SELECT (SELECT count(*) FROM _workflow.run), (SELECT count(*) FROM _workflow.step),
       (SELECT count(*) FROM _workflow.audit), (SELECT count(*) FROM _workflow.request)},
		'0|0|0|0', 120),
	'nothing of a deleted run is left');

scan_log($node,
	allowed => [
		'was terminated by signal 9',
		'all server processes terminated',
		'stop point "sched-request-commit" was reached'
	]);
$node->stop;
done_testing();
