# A step or body that catches its cancel again and again outlives it by
# workflow.cancel_grace: then its process is ended, which the timeline tells, and
# the run goes on by its rules.  One that heeds its cancel keeps its process.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('swallowed', "workflow.cancel_grace = '300 ms'");
create_extension($node, 'shop');
$node->safe_psql(
	'shop', q{
	CREATE TABLE tried (what text);
	CREATE SEQUENCE attempts;
	-- catches all that can be caught; leaves off at the second attempt
	CREATE FUNCTION endless(what text) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
	  IF what = 'once' AND nextval('attempts') > 1 THEN
	    RETURN 'left off';
	  END IF;
	  LOOP
	    BEGIN
	      PERFORM pg_sleep(600);
	    EXCEPTION WHEN query_canceled THEN
	      NULL;
	    END;
	  END LOOP;
	END $$;
	CREATE FUNCTION in_step(input jsonb) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT workflow.step('spin', 'SELECT endless($1)', input->>'what') $$;
	CREATE FUNCTION in_body(input jsonb) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT to_jsonb(endless('body')) $$;
	CREATE FUNCTION in_item(input jsonb) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT workflow.map('all', 'SELECT endless($1::text)', '["a"]') $$;
	CREATE FUNCTION bounded(input jsonb) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT workflow.step('spin', 'SELECT endless($1)',
	     workflow.policy(timeout => '100 ms'), 'once'::text) $$;
	CREATE FUNCTION nap(input jsonb) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT workflow.step('nap', 'SELECT pg_sleep(600)') $$;
	CREATE FUNCTION undoes(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.compensate('slowly',
	    'INSERT INTO tried SELECT ''undone'' FROM pg_sleep(1.5)');
	  RETURN workflow.step('nap', 'SELECT pg_sleep(600)');
	END $$;
	SELECT workflow.create_workflow(name)
	  FROM unnest(ARRAY['in_step', 'in_body', 'in_item', 'bounded', 'nap',
	                    'undoes']) name;
});

sub enqueue
{
	my ($workflow, $more) = @_;
	return $node->safe_psql('shop',
		"SELECT workflow.enqueue_workflow('$workflow'" . ($more // '') . ')');
}

sub asleep
{
	ok( poll_until(
			$node, 'shop',
			q{SELECT count(*) > 0 FROM pg_stat_activity
			   WHERE backend_type = 'workflow executor'
			     AND wait_event = 'PgSleep'}),
		'it sleeps');
	return;
}

sub state_is
{
	my ($run, $state, $name) = @_;
	ok( poll_until(
			$node, 'shop',
			"SELECT state FROM workflow.runs WHERE run_id = '$run'", $state),
		$name);
	return;
}

sub terminated
{
	my ($run) = @_;
	return $node->safe_psql('shop',
		"SELECT detail FROM workflow.timeline('$run') WHERE event = 'terminated'");
}

# ---- cancelled from outside ----

my $told = qr/^step 1 \("spin"\) went on for 300 ms after it was cancelled, so its process was ended$/;
my $run = enqueue('in_step', q{, '{"what": "step"}'});
asleep();
$node->safe_psql('shop', "SELECT workflow.cancel_run('$run')");
state_is($run, 'cancelled', 'a step that swallows its cancel is ended');
like(terminated($run), $told, 'its timeline tells');
is($node->safe_psql('shop', 'SELECT string_agg(action, $$ $$) FROM workflow.audit_log'),
	'cancel_run', 'what was asked for is the cancel alone');

$run = enqueue('in_body');
asleep();
$node->safe_psql('shop', "SELECT workflow.cancel_run('$run')");
state_is($run, 'cancelled', 'so is a body');
like(terminated($run), qr/^the body went on/, '... and is told');

$run = enqueue('in_item');
asleep();
$node->safe_psql('shop', "SELECT workflow.cancel_run('$run')");
state_is($run, 'cancelled', 'and an item of a map');
ok(poll_until($node, 'shop',
	"SELECT count(*) FROM workflow.timeline('$run') WHERE event = 'terminated'", '1'),
	'... which the timeline of the run tells');

# ---- time-outs ----

$run = enqueue('in_step', q{, '{"what": "step"}', run_timeout => '1 s'});
state_is($run, 'failed', 'run_timeout ends a run that swallows it');
is( $node->safe_psql('shop',
		"SELECT error_code FROM workflow.runs WHERE run_id = '$run'"),
	'WF009', 'as its rule says');
like(terminated($run), $told, '... and is told');

$run = enqueue('bounded');
state_is($run, 'succeeded', 'a step that swallows its time-out begins again');
is( $node->safe_psql('shop',
		"SELECT result FROM workflow.runs WHERE run_id = '$run'"),
	'"left off"', 'and ends the second time');
like(terminated($run), $told, '... and is told');

# ---- what heeds its cancel keeps its process, and its undo has all its time ----

$run = enqueue('nap');
asleep();
my $executor = worker_pid($node, 'executor', 'shop');
$node->safe_psql('shop', "SELECT workflow.cancel_run('$run')");
state_is($run, 'cancelled', 'a step that heeds its cancel');
is(terminated($run), '', 'is not ended');

$run = enqueue('undoes');
asleep();
$node->safe_psql('shop', "SELECT workflow.cancel_run('$run')");
state_is($run, 'cancelled', 'a run is undone');
is($node->safe_psql('shop', 'SELECT count(*) FROM tried'),
	'1', 'in longer than the grace');
is(terminated($run), '', 'and nobody ends that');
is(worker_pid($node, 'executor', 'shop'), $executor, 'the process is the same');

# ---- the time-out of steps that have none ----

$node->safe_psql('postgres',
	"ALTER SYSTEM SET workflow.default_step_timeout = '200 ms'");
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
$node->safe_psql(
	'shop', q{
	SELECT workflow.create_queue('outside');
	CREATE FUNCTION limited(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.step('own', 'SELECT pg_sleep(0.6)',
	    workflow.policy(timeout => '1 min', max_attempts => 1));
	  PERFORM workflow.task('outside', 'outside');
	  RETURN workflow.step('none', 'SELECT pg_sleep(600)',
	    workflow.policy(max_attempts => 1));
	END $$;
	SELECT workflow.create_workflow('limited')});
ok( poll_until(
		$node, 'postgres', 'SHOW workflow.default_step_timeout', '200ms'),
	'steps have a time-out');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($executor)");
$run = enqueue('limited');
ok( poll_until(
		$node, 'shop',
		"SELECT state FROM workflow.steps WHERE run_id = '$run' AND name = 'outside'",
		'waiting'),
	'a policy with a time-out of its own holds');
$node->safe_psql('shop', 'SELECT pg_sleep(0.6)');
is( $node->safe_psql('shop',
		"SELECT state FROM workflow.steps WHERE run_id = '$run' AND name = 'outside'"),
	'waiting', 'tasks are not meant');
$node->safe_psql('shop',
	q{SELECT workflow.ack(receipt) FROM workflow.receive('outside')});
state_is($run, 'failed', 'a step without one');
is( $node->safe_psql('shop',
		"SELECT error_code || ' ' || failed_step FROM workflow.runs WHERE run_id = '$run'"),
	'WF003 none', 'fails with WF003');
is( $node->safe_psql('shop',
		q{SELECT error_message FROM workflow.steps WHERE name = 'none'}),
	'step timed out', 'and says so');

scan_log($node);
$node->stop;
done_testing();
