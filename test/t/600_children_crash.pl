# A parent is told of its child's end, and its children of its own, whatever
# dies between the commit of the one and the wake-up of the other: executor,
# scheduler, or the whole server.  In the end under random kills.
# WF_SEED repeats the choice of kills.
use strict;
use warnings;

use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;
use CrashLoop;

my $db = 'family';
my $node = new_node('family', 'workflow.executors = 6',
	'workflow.executor_idle_timeout = 1s');

loop_seed();
create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE TABLE effect (run_id uuid, what text);
CREATE FUNCTION note(what text) RETURNS text LANGUAGE sql AS
	$$ INSERT INTO effect VALUES (workflow.run_id(), $1) RETURNING what $$;
CREATE FUNCTION part(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF input ? 'wait' THEN
		PERFORM workflow.wait_for_signal('go');
	END IF;
	PERFORM workflow.step('note', 'SELECT note($1)', 'part');
	RETURN input;
END $$;
CREATE FUNCTION parent(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	result jsonb := workflow.child('part', 'part', input);
BEGIN
	PERFORM workflow.step('note', 'SELECT note($1)', 'parent');
	RETURN result;
END $$;
CREATE FUNCTION leaver(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.start_child('mine', 'part', '{"wait": 1}');
	PERFORM workflow.start_step('sleeps', 'SELECT pg_sleep(3600)');
	PERFORM workflow.wait_for_signal('end');
	RETURN NULL;
END $$;
-- all there is at a time, as the load of random kills
CREATE FUNCTION tree(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	many int[] := ARRAY[workflow.start_child('one', 'part', '1'),
		workflow.start_step('two', 'SELECT note($1)', 'beside'),
		workflow.start_child('three', 'part', '3')];
	one int := workflow.await_any(many);
BEGIN
	PERFORM workflow.await_all(many);
	PERFORM workflow.map('four', 'SELECT note($1::text)', '["a", "b", "c", "d", "e"]', max_parallel => 2);
	PERFORM workflow.map_child('five', 'part', '[1, 2, 3]', max_parallel => 2);
	RETURN workflow.child('six', 'part', '6');
END $$;
SELECT workflow.create_workflow(f)
  FROM unnest('{part,parent,leaver,tree}'::text[]) f;
});

sub reload
{
	my ($stop) = @_;
	# not by SQL: the server may be about to die
	$node->append_conf('postgresql.conf', "workflow.test_stop = '$stop'");
	$node->reload;
	return;
}

sub enqueue
{
	my ($workflow, $input) = @_;
	return $node->safe_psql($db,
		"SELECT workflow.enqueue_workflow('$workflow', '$input')");
}

sub ends_as
{
	my ($run, $state, $name) = @_;
	ok( poll_until($node, $db,
			"SELECT state FROM workflow.runs WHERE run_id = '$run'", $state, 60),
		$name);
	return;
}

sub till
{
	my ($run, $what) = @_;
	return poll_until($node, $db,
		"SELECT concat_ws(' ', state, waiting_for) FROM workflow.runs"
		  . " WHERE run_id = '$run'", $what, 60);
}

# A parent whose child waits to be told.
sub family
{
	my $run = enqueue('parent', '{"wait": 1}');
	ok(till($run, 'waiting child'), 'the parent waits');
	my $child = $node->safe_psql($db,
		"SELECT run_id FROM workflow.runs WHERE parent_run_id = '$run'");
	till($child, 'waiting signal');
	return ($run, $child);
}

sub noted_once
{
	my ($run, $child, $name) = @_;
	is( $node->safe_psql($db,
			"SELECT what FROM effect WHERE run_id IN ('$run', '$child') ORDER BY 1"),
		"parent\npart", "$name: each step once");
	return;
}

# ---- an executor that dies between the child's commit and its word of it ----

foreach my $how (qw(fatal kill))
{
	my ($run, $child) = family();
	reload("exec-before-tell=$how");
	ask($node, $db, "SELECT workflow.signal_run('$child', 'go', 'true')");
	poll_until($node, $db,
		"SELECT state FROM workflow.runs WHERE run_id = '$child'", 'succeeded', 60);
	reload('');
	ends_as($run, 'succeeded', "executor, $how: the parent is told");
	noted_once($run, $child, $how);
}

# ---- the scheduler, before it can have read of it ----

{
	my ($run, $child) = family();
	reload('exec-before-tell=wait');
	$node->safe_psql($db, "SELECT workflow.signal_run('$child', 'go', 'true')");
	poll_until($node, $db,
		"SELECT state FROM workflow.runs WHERE run_id = '$child'", 'succeeded', 60);
	my $pid = kill_worker($node, 'scheduler', $db, 'TERM');
	wait_for_worker($node, 'scheduler', $db, $pid);
	reload('');
	ends_as($run, 'succeeded', 'scheduler: the parent is told');
	noted_once($run, $child, 'scheduler');
}

# ---- a child whose end nobody tells is missed, and a scheduler that starts tells ----

{
	my ($run, $child) = family();
	$node->append_conf('postgresql.conf', "workflow.test_break = 'tell-no-parent'");
	$node->reload;
	usleep(200_000);
	$node->safe_psql($db, "SELECT workflow.signal_run('$child', 'go', 'true')");
	poll_until($node, $db,
		"SELECT state FROM workflow.runs WHERE run_id = '$child'", 'succeeded', 60);
	usleep(1_000_000);
	ok(till($run, 'waiting child'), 'broken: the parent is not told');
	$node->append_conf('postgresql.conf', "workflow.test_break = ''");
	$node->reload;
	kill_worker($node, 'scheduler', $db, 'TERM');
	ends_as($run, 'succeeded', '... but by a new scheduler');
}

# ---- the whole server, when the child has ended and nobody knows ----

{
	my ($run, $child) = family();
	reload('exec-before-tell=wait');
	$node->safe_psql($db, "SELECT workflow.signal_run('$child', 'go', 'true')");
	poll_until($node, $db,
		"SELECT state FROM workflow.runs WHERE run_id = '$child'", 'succeeded', 60);
	$node->stop('immediate');
	$node->append_conf('postgresql.conf', "workflow.test_stop = ''");
	$node->start;
	ends_as($run, 'succeeded', 'server: the parent is told');
	noted_once($run, $child, 'server');
}

# ---- the end of a parent ----

foreach my $stop ('none', 'exec-before-commit=kill', 'sched-request-commit=fatal')
{
	my $run = enqueue('leaver', '{}');
	ok(till($run, 'waiting signal'), 'the parent waits');
	my $child = $node->safe_psql($db,
		"SELECT run_id FROM workflow.runs WHERE parent_run_id = '$run'");
	till($child, 'waiting signal');
	reload($stop) if $stop ne 'none';
	# the server may die before it can say that this has committed
	ask($node, $db, $stop =~ /sched/
		? "SELECT workflow.cancel_run('$run')"
		: "SELECT workflow.signal_run('$run', 'end', 'true')");
	usleep(300_000) if $stop ne 'none';
	reload('');
	ends_as($run, $stop =~ /sched/ ? 'cancelled' : 'succeeded', "$stop: the parent ends");
	ends_as($child, 'cancelled', "$stop: its child is cancelled");
	ok( poll_until($node, $db,
			"SELECT count(*) FROM _workflow.run WHERE finished_at IS NULL", 0, 60),
		"$stop: and so is its step");
}

# ---- a chunk that takes the server down twice ends the map, not the server ----

$node->safe_psql(
	$db, q{
CREATE EXTENSION plpython3u;
CREATE FUNCTION die(item int) RETURNS int LANGUAGE plpython3u AS $$
import os, signal
if item == 3:
	os.kill(os.getpid(), signal.SIGKILL)
return item
$$;
CREATE FUNCTION poisoned(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.map('die', 'SELECT die($1::int)', '[1, 2, 3, 4]');
END $$;
SELECT workflow.create_workflow('poisoned');
});
my $poisoned = enqueue('poisoned', '{}');
ends_as($poisoned, 'failed', 'a map with an item that kills ends');
is( $node->safe_psql($db,
		"SELECT failed_step, error_code FROM workflow.runs WHERE run_id = '$poisoned'"),
	'die|57P02', '... with the reason');
poll_until($node, $db, "SELECT count(*) FROM _workflow.run WHERE finished_at IS NULL",
	0, 60);

# ---- random kills ----

$node->safe_psql($db, 'TRUNCATE effect');
my $begin = time();
my $seconds = $ENV{WF_CRASH_SECONDS} // 25;
my $enqueued = 0;
my %kinds;

while (time() - $begin < $seconds)
{
	my ($rc, $out) = ask($node, $db,
		"SELECT count(workflow.enqueue_workflow('tree')) FROM generate_series(1, 4)");
	$enqueued += 4 if $rc == 0 && $out eq '4';
	usleep(int(rand(400_000)));
	my $r = rand();
	my ($kind, $signal) =
	    $r < 0.45 ? ('executor', 'TERM')
	  : $r < 0.75 ? ('scheduler', 'TERM')
	  : $r < 0.9  ? ('scheduler', 'KILL')
	  :             ('server', '');
	$kinds{"$kind $signal"}++;
	if ($kind eq 'server')
	{
		$node->stop('immediate');
		$node->start;
		next;
	}
	my $pid = worker_pid($node, $kind, $db);
	kill($signal, $pid) if $pid ne '';
}
note join(', ', map { "$_: $kinds{$_}" } sort keys %kinds);
note "$enqueued trees";
ok( poll_until($node, $db,
		"SELECT count(*) FROM _workflow.run WHERE finished_at IS NULL", 0, 120),
	'everything ends');
is( $node->safe_psql($db,
		"SELECT DISTINCT state FROM workflow.runs WHERE workflow = 'tree'"),
	'succeeded', 'all trees succeeded');
is( $node->safe_psql($db,
		"SELECT count(*) FROM workflow.runs WHERE workflow = 'tree'") >= $enqueued,
	1, 'and none is missing');
is( $node->safe_psql($db, q{
		SELECT DISTINCT count(*)
		  FROM workflow.runs t
		  JOIN workflow.runs c ON c.run_id = t.run_id OR c.parent_run_id = t.run_id
		  JOIN effect e ON e.run_id = c.run_id
		 WHERE t.workflow = 'tree' GROUP BY t.run_id}),
	12, 'each step was done once');
is( $node->safe_psql($db, 'SELECT count(*) FROM _workflow.request'), 0,
	'no request is left');

$node->stop('fast');
scan_log($node, allowed => [
	'terminating', 'server process .* was terminated', 'stop point',
	'all server processes terminated', 'WARNING', 'workflow run .* failed',
	'worker .* was terminated by signal 9' ]);
done_testing();
