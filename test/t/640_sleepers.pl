# A hundred thousand runs that sleep, or wait for a signal, with a scheduler that
# has room for a few thousand: they cost rows and no memory, and each wakes once,
# in time and over a restart.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $db = 'sleepers';
my $many = 100_000;
my $asking = 2_000;

# Room for about 3500 runs.
my $node = new_node('sleepers', 'workflow.executors = 4',
	'workflow.scheduler_memory = 1MB', 'synchronous_commit = off');

create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE TABLE woke (run_id uuid, at timestamptz);
CREATE FUNCTION woke() RETURNS void LANGUAGE sql AS
	$$ INSERT INTO public.woke VALUES (workflow.run_id(), clock_timestamp()) $$;
CREATE FUNCTION sleeps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.sleep((input->>'pause')::interval);
	PERFORM workflow.step('note', 'SELECT woke()');
	RETURN NULL;
END $$;
CREATE FUNCTION asks(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
	$$ BEGIN RETURN workflow.wait_for_signal('answer'); END $$;
SELECT workflow.create_workflow('sleeps');
SELECT workflow.create_workflow('asks');
});

# Kilobytes that the scheduler has for itself; 0 where nobody tells.
sub memory
{
	return 0 unless -e '/proc/self/status';
	my $pid = wait_for_worker($node, 'scheduler', $db);
	my ($kb) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;
	return $kb;
}

sub waiting
{
	my ($for, $count, $name) = @_;
	return ok( poll_until($node, $db,
			"SELECT count(*) FROM _workflow.run WHERE state = 'w' AND waiting_for = '$for'",
			$count, 180),
		$name);
}

sub woken
{
	my ($count, $name) = @_;
	return ok(poll_until($node, $db, 'SELECT count(*) FROM woke', $count, 180), $name);
}

# Time goes on by so much in all processes.
sub shift_clock
{
	my ($by) = @_;
	$node->safe_psql('postgres',
		"ALTER SYSTEM SET workflow.test_clock_offset = '$by'");
	$node->reload;
	return;
}

# ---- to sleep ----

$node->safe_psql($db, qq{
SELECT count(workflow.enqueue_workflow('sleeps', '{"pause": "1 s"}')) FROM generate_series(1, 1000)});
woken(1000, 'the server is warm');
$node->safe_psql($db, 'TRUNCATE woke');
my $before = memory();

$node->safe_psql($db, qq{
SELECT count(workflow.enqueue_workflow('asks')) FROM generate_series(1, $asking)});
waiting('g', $asking, "$asking runs wait for a signal");
$node->safe_psql($db, qq{
SELECT count(workflow.enqueue_workflow('sleeps',
	jsonb_build_object('pause', '1 day'::interval + i % 600 * '1 s'::interval)))
  FROM generate_series(1, $many) i});
waiting('t', $many, "$many runs sleep for a day");
note 'grown by ', memory() - $before, ' kB';
cmp_ok(memory() - $before, '<', 16 * 1024, 'the scheduler has not grown with them');
is( $node->safe_psql($db, q{SELECT count(*) FROM _workflow.run WHERE state = 'q'}),
	'0', '... and nothing else is left of them');

# ---- what wakes meanwhile ----

$node->safe_psql($db, qq{
SELECT count(workflow.enqueue_workflow('sleeps', '{"pause": "1 s"}')) FROM generate_series(1, 100)});
woken(100, 'runs with a short sleep wake beside them');
$node->safe_psql($db, q{
SELECT count(workflow.signal_run(run_id, 'answer')) FROM _workflow.run WHERE waiting_for = 'g'});
ok( poll_until($node, $db,
		q{SELECT count(*) FROM workflow.runs WHERE workflow = 'asks' AND state = 'succeeded'},
		$asking),
	'each signal reaches its run');
my $one = $node->safe_psql($db,
	q{SELECT run_id FROM _workflow.run WHERE state = 'w' ORDER BY run_id DESC LIMIT 1});
$node->safe_psql($db, "SELECT workflow.cancel_run('$one')");
ok( poll_until($node, $db,
		"SELECT state FROM workflow.runs WHERE run_id = '$one'", 'cancelled'),
	'one that is in the table alone is cancelled there');

# ---- a restart, and the next day ----

$node->restart;
$node->safe_psql($db, q{
SELECT workflow.enqueue_workflow('sleeps', '{"pause": "100 ms"}')});
woken(101, 'a run starts and wakes after a restart');
cmp_ok(memory() - $before, '<', 16 * 1024, 'the new scheduler is as small');

my $begin = time();
shift_clock('90000 s');
woken(100 + $many, 'all wake when their time has come');
note 'in ', time() - $begin, ' s';
cmp_ok(memory() - $before, '<', 32 * 1024, 'with room for a few at a time');
is( $node->safe_psql($db, q{
SELECT count(*) - count(DISTINCT run_id),
	   count(*) FILTER (WHERE s.finished_at < s.due_at)
  FROM woke JOIN _workflow.step s USING (run_id) WHERE s.kind = 'z'}),
	'0|0', 'each once, and none too early');
is( $node->safe_psql($db, q{SELECT count(*) FROM workflow.dead_letters}),
	'0', 'nothing of it failed');

$node->stop;
scan_log($node);
done_testing();
