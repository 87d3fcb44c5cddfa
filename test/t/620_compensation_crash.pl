# What a run has done is undone exactly once and in order, whoever is killed
# meanwhile; an undo that takes the server down parks its run.
use strict;
use warnings;

use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $seed = $ENV{WF_SEED} // int(rand(1_000_000));
srand($seed);
note "seed $seed";

my $node = new_node('compensation_crash', 'workflow.executors = 4');
my $db = 'shop';
create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE TABLE effect (n bigserial, run_id uuid, what text);
CREATE FUNCTION note(what text) RETURNS int LANGUAGE sql AS
	$$INSERT INTO effect (run_id, what) VALUES (workflow.run_id(), what) RETURNING 1$$;
CREATE FUNCTION books(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..5 LOOP
		PERFORM workflow.step('work', 'SELECT note($1)', 'w' || i);
		IF i = 3 AND input->>'how' = 'task' THEN
			PERFORM workflow.compensate_task('undo', 'outside', to_jsonb('u' || i));
		ELSE
			PERFORM workflow.compensate('undo', 'SELECT note($1)', 'u' || i);
		END IF;
	END LOOP;
	IF input->>'how' = 'sleep' THEN
		PERFORM workflow.sleep('1 hour');
	END IF;
	RETURN workflow.fail('that is it');
END $$;
SELECT workflow.create_workflow('books');
SELECT workflow.create_queue('outside', lease => '2 s');
});

my $all = join ',', (map { "w$_" } 1 .. 5), (map { "u$_" } reverse 1 .. 5);

sub check_all
{
	my ($name) = @_;
	ok( poll_until(
			$node, $db,
			q{SELECT count(*) FROM workflow.runs WHERE state NOT IN ('failed', 'cancelled')},
			'0', 60),
		"$name: all runs ended");
	is( $node->safe_psql(
			$db, qq{
SELECT count(*) FROM workflow.runs r
 WHERE (SELECT string_agg(what, ',' ORDER BY n) FROM effect e WHERE e.run_id = r.run_id)
       IS DISTINCT FROM '$all'}),
		'0',
		"$name: everything was undone once, newest first");
	is( $node->safe_psql(
			$db, q{
SELECT count(*) FROM workflow.runs
 WHERE (state = 'failed') <> (error_code IS NOT DISTINCT FROM 'WF001')}),
		'0',
		"$name: runs end as they would have");
	return;
}

sub set_stop
{
	my ($value) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET workflow.test_stop = '$value'");
	$node->reload;
	return;
}

# ---- one kill at each place ----

foreach my $point (qw(exec-undo exec-before-step exec-after-step exec-before-commit exec-after-commit))
{
	# the run is about to be undone when the point is set
	set_stop('exec-undo=wait');
	poll_until($node, $db, 'SHOW workflow.test_stop', 'exec-undo=wait');
	my $offset = -s $node->logfile;
	$node->safe_psql($db, q{SELECT workflow.enqueue_workflow('books')});
	ok($node->wait_for_log(qr/waiting at stop point "exec-undo"/, $offset),
		"$point: begins to be undone");
	is( $node->safe_psql($db, q{SELECT state, error_code FROM workflow.runs WHERE finished_at IS NULL}),
		'compensating|WF001',
		"$point: the run is being compensated");
	set_stop("$point=wait") if $point ne 'exec-undo';
	$node->wait_for_log(qr/waiting at stop point "$point"/, $offset);
	slurp_file($node->logfile, $offset) =~
	  /\[(\d+)\] [^\n]*waiting at stop point "$point"/;
	my $pid = $1;
	set_stop('');
	kill 'KILL', $pid or BAIL_OUT("could not kill $pid: $!");
	for (my $i = 0; $i < 1000 && kill(0, $pid); $i++)
	{
		usleep(5_000);
	}
	$node->reload;
	poll_until($node, $db, 'SELECT 1', '1');
	check_all($point);
}

# ---- runs that wait, cancelled; errors and ends at random ----

foreach my $action (qw(fatal error))
{
	my @points = qw(exec-undo exec-before-step exec-after-step exec-before-commit);
	push @points, qw(exec-after-commit sched-request-commit)
	  if $action eq 'fatal';
	$node->safe_psql($db,
		q{SELECT workflow.enqueue_workflow('books', '{"how": "sleep"}') FROM generate_series(1, 20)});
	poll_until($node, $db,
		q{SELECT count(*) FROM workflow.runs WHERE state = 'waiting'}, '20', 60);
	set_stop(join(', ', map { "$_=$action:20" } @points));
	$node->safe_psql($db,
		q{SELECT workflow.cancel_run(run_id) FROM workflow.runs WHERE state = 'waiting'});
	$node->safe_psql($db,
		q{SELECT workflow.enqueue_workflow('books') FROM generate_series(1, 20)});
	usleep(500_000);
	set_stop('');
	if ($action eq 'error')
	{
		# an error of the test in a step is one of the step
		poll_until($node, $db,
			q{SELECT count(*) FROM workflow.runs WHERE finished_at IS NULL AND state <> 'parked'}, '0', 60);
		$node->safe_psql($db,
			q{SELECT workflow.retry_run(run_id) FROM workflow.runs WHERE state = 'parked'});
	}
	check_all("random $action");
}

# ---- kills of everybody at random ----

$node->safe_psql($db,
	q{SELECT workflow.enqueue_workflow('books', CASE WHEN g % 2 = 0 THEN '{"how": "sleep"}' ELSE '{}' END::jsonb)
		FROM generate_series(1, 60) g});
foreach my $round (1 .. 6)
{
	usleep(50_000 + int(rand(150_000)));
	my @pids = split /\n/, (ask(
			$node, $db,
			q{SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'workflow%'}))[1];
	ask($node, $db, q{SELECT workflow.cancel_run(run_id) FROM workflow.runs WHERE state = 'waiting'});
	kill 'KILL', $pids[ rand @pids ] if @pids;
	poll_until($node, $db, 'SELECT 1', '1');
}
ok( poll_until(
		$node, $db, q{
SELECT count(workflow.cancel_run(run_id)) + count(*) FROM workflow.runs WHERE state = 'waiting' OR finished_at IS NULL},
		'0', 60),
	'kills: all runs ended');
check_all('kills');

# ---- undone by a worker outside, with kills of everybody ----

# what he does and that he has done it are one commit
my $work = q{
WITH m AS (SELECT * FROM workflow.receive('outside', 3)),
     e AS (INSERT INTO effect (run_id, what)
           SELECT (headers->>'run_id')::uuid, payload #>> '{}' FROM m)
SELECT workflow.ack(receipt) FROM m};
$node->safe_psql($db,
	q{SELECT workflow.enqueue_workflow('books', '{"how": "task"}') FROM generate_series(1, 40)});
poll_until($node, $db,
	q{SELECT count(*) > 30 FROM workflow.runs WHERE state = 'compensating' AND waiting_for = 'task'}, 't', 60);
$node->stop('immediate');
$node->start;
poll_until($node, $db, 'SELECT 1', '1');
is( $node->safe_psql($db,
		q{SELECT count(*) FROM effect WHERE what = 'u3' AND run_id IN
			(SELECT run_id FROM workflow.runs WHERE waiting_for = 'task')}),
	'0',
	'tasks: nothing is undone while nobody works');
my $end = time + 60;
foreach my $round (1 .. 1000)
{
	my @pids = split /\n/, (ask(
			$node, $db,
			q{SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'workflow%'}))[1];
	ask($node, $db, $work) foreach (1 .. 3);
	kill 'KILL', $pids[ rand @pids ] if @pids && $round % 4 == 1 && $round < 20;
	poll_until($node, $db, 'SELECT 1', '1');
	last
	  if time > $end
	  || (ask($node, $db, 'SELECT count(*) FROM workflow.runs WHERE finished_at IS NULL'))[1] eq '0';
	usleep(20_000);
}
check_all('tasks');

# ---- an undo that kills the server ----

$node->safe_psql(
	$db, q{
CREATE EXTENSION plpython3u;
CREATE FUNCTION die() RETURNS void LANGUAGE plpython3u AS
	$$import os; os.kill(os.getpid(), 11)$$;
CREATE FUNCTION suicide() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM cured) THEN
		PERFORM die();
	END IF;
	PERFORM note('survived');
END $$;
CREATE TABLE cured ();
CREATE FUNCTION poison(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.compensate('poison', 'SELECT suicide()');
	RETURN workflow.fail('no');
END $$;
SELECT workflow.create_workflow('poison');
});
my $run = $node->safe_psql($db, q{SELECT workflow.enqueue_workflow('poison')});
for (my $i = 0; $i < 600; $i++)
{
	my ($rc, $state) = ask($node, $db, "SELECT state FROM workflow.runs WHERE run_id = '$run'");
	last if $rc == 0 && $state eq 'parked';
	usleep(100_000);
}
is( $node->safe_psql($db, "SELECT state, error_code FROM workflow.runs WHERE run_id = '$run'"),
	'parked|57P02',
	'an undo that takes the server down twice parks its run');
$node->safe_psql($db, 'INSERT INTO cured DEFAULT VALUES');
$node->safe_psql($db, "SELECT workflow.retry_run('$run')");
ok( poll_until($node, $db, "SELECT state, error_code FROM workflow.runs WHERE run_id = '$run'", 'failed|WF001', 30),
	'and goes on after repair');

done_testing();
