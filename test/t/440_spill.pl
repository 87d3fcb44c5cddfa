# More runs than workflow.scheduler_memory has room for: they stay in the table
# until their turn, in their order, and keep nobody else waiting.  Nothing is
# lost or done twice, also when the server crashes, and what is in the table
# alone can be cancelled, paused and dropped like any other.
use strict;
use warnings;

use Time::HiRes qw(usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $db = 'spill';
my $backlog = 60_000;
my $strict = 6000;
my $delayed = 20_000;
my $waiting = 200_000;

# One executor has up to four runs in hand, so a run can start that much before
# one with a lower id.
my $in_hand = 4 * 4;

# Room for about 3500 runs.
my $node = new_node('spill', 'workflow.executors = 4',
	'workflow.scheduler_memory = 1MB');

create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE TABLE start (n bigint GENERATED ALWAYS AS IDENTITY, run_id uuid,
	what text, at timestamptz);
CREATE FUNCTION load(input jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT workflow.step('note', $c$INSERT INTO start (run_id, what, at)
		VALUES (workflow.run_id(), $1, clock_timestamp())$c$, input->>'what')
$$;
SELECT workflow.create_workflow('load');
SELECT workflow.create_queue('q' || i) FROM generate_series(1, 3) i;
SELECT workflow.create_queue('strict', group_max_active => 1);
});

# Enqueues that many, in one transaction.
sub enqueue
{
	my ($what, $many, $more) = @_;
	$more //= '';
	return $node->safe_psql($db, qq{
SELECT count(workflow.enqueue_workflow('load', '{"what": "$what"}'$more))
  FROM generate_series(1, $many) i});
}

sub ran
{
	my ($what, $many, $name) = @_;
	return ok( poll_until($node, $db,
			"SELECT count(*) FROM start WHERE what = '$what'", $many, 60),
		$name);
}

# within a few seconds, as nothing is in the way
sub soon
{
	my ($what, $many, $name) = @_;
	return ok( poll_until($node, $db,
			"SELECT count(*) FROM start WHERE what = '$what'", $many, 3),
		$name);
}

sub once
{
	my ($what, $name) = @_;
	return is( $node->safe_psql($db,
			"SELECT count(*) - count(DISTINCT run_id) FROM start WHERE what = '$what'"),
		'0', $name);
}

# by how many places at most a run of these started before its turn
sub early
{
	my ($what) = @_;
	return $node->safe_psql($db, qq{
SELECT max(by_id - by_start)
  FROM (SELECT row_number() OVER (ORDER BY run_id) AS by_id,
               row_number() OVER (ORDER BY n) AS by_start
          FROM start WHERE what = '$what') AS places});
}

# how many runs of "\$than" had started before the last one of these
sub started_before
{
	my ($what, $than) = @_;
	return $node->safe_psql($db, qq{
SELECT count(*) FROM start WHERE what = '$than'
   AND n < (SELECT max(n) FROM start WHERE what LIKE '$what')});
}

sub stop_runs { return $node->safe_psql($db, 'SELECT workflow.stop()') }
sub start_runs { return $node->safe_psql($db, 'SELECT workflow.start()') }

# ---- a backlog ----

stop_runs();
enqueue('backlog', $backlog);
enqueue("q$_", 20, ", queue => 'q$_'") foreach 1 .. 3;
enqueue('urgent', 1, ', priority => 10');
ok( poll_until($node, $db,
		"SELECT queued FROM workflow.queues WHERE queue = 'default'",
		$backlog + 1),
	'the view counts what is in the table, too');
start_runs();
ran('backlog', $backlog, "a backlog of $backlog runs is done");
ran("q$_", 20, "... and queue q$_") foreach 1 .. 3;
once('%', 'each once');
cmp_ok(started_before('q_', 'backlog'), '<', $backlog / 4,
	'other queues do not wait for it');
cmp_ok(started_before('urgent', 'backlog'), '<', $backlog / 4,
	'nor does a run with a priority');
cmp_ok(early('backlog'), '<=', $in_hand, 'it goes in the order of the ids');

# ---- a strict group ----

stop_runs();
enqueue('strict', $strict, ", queue => 'strict', group_key => 'a'");
start_runs();
ran('strict', $strict, "$strict runs of a strict group are done");
once('strict', '... each once');
is(early('strict'), '0', '... in order');

# ---- timers ----

my $early = q{SELECT count(*) FROM start JOIN _workflow.run USING (run_id)
 WHERE start.at < run.run_at};

enqueue('later', 5000, ", delay => '2 min'");
enqueue('soon', $delayed, ", delay => interval '1 s' + random() * interval '2 s'");
enqueue('now', 1, ", queue => 'q1'");
ran('now', 1, 'a ready run of another queue starts beside many that are delayed');
cmp_ok(started_before('now', 'soon'), '<', $delayed / 2, '... before most of them');
ran('soon', $delayed, "$delayed delayed runs start");
once('soon', '... each once');
is($node->safe_psql($db, $early), '0', '... none of them early');
$node->restart;
enqueue('now', 1);
ran('now', 2, 'a run starts after a restart');
is( $node->safe_psql($db,
		q{SELECT count(*) FROM start WHERE what = 'later'}),
	'0', '... but none that is due in two minutes');

# Their time comes.
$node->safe_psql('postgres',
	"ALTER SYSTEM SET workflow.test_clock_offset = '130 s'");
$node->reload;
ran('later', 5000, '... which start when their time has come');
once('later', '... each once');

# ---- a crash ----

stop_runs();
enqueue('crash', $delayed);
start_runs();
poll_until($node, $db,
	"SELECT count(*) > 2000 FROM start WHERE what = 'crash'");
my $old = kill_worker($node, 'scheduler', $db);
wait_for_worker($node, 'scheduler', $db, $old);
ok( $node->poll_query_until($db,
		qq{SELECT count(*) < $delayed FROM start WHERE what = 'crash'}),
	'the server crashes with runs in the table');
enqueue('after', 1, ", queue => 'q1'");
ran('after', 1, 'a new run starts after the crash');
ran('crash', $delayed, 'those of before all run');
once('crash', '... each once');
cmp_ok(early('crash'), '<=', 2 * $in_hand, '... in order');

# ---- what is in the table alone ----

stop_runs();
enqueue('table', 10_000, ", queue => 'q2'");
is( $node->safe_psql($db, q{
SELECT count(*) FILTER (WHERE workflow.cancel_run(run_id))
  FROM (SELECT run_id FROM workflow.runs WHERE queue = 'q2'
         ORDER BY run_id DESC LIMIT 100) AS last}),
	'100', 'runs that are in the table alone can be cancelled');
ok( poll_until($node, $db,
		"SELECT count(*) FROM workflow.runs WHERE state = 'cancelled'", '100'),
	'... and are');
my $again = $node->safe_psql($db,
	"SELECT max(run_id::text) FROM workflow.runs WHERE queue = 'q2' AND state = 'queued'");
is($node->safe_psql($db, "SELECT workflow.retry_run('$again')"),
	'f', 'one that waits for its turn is not to be retried');
$node->safe_psql($db, q{SELECT workflow.pause_queue('q2')});
start_runs();
enqueue('beside', 100, ", queue => 'q3'");
ran('beside', 100, 'another queue goes on while it is paused');
is( $node->safe_psql($db, q{SELECT count(*) FROM start WHERE what = 'table'}),
	'0', 'what is paused does not start');
is( $node->safe_psql($db,
		"SELECT waiting_for FROM workflow.runs WHERE run_id = '$again'"),
	'pause', '... and says so');
$node->safe_psql($db, q{SELECT workflow.resume_queue('q2')});
ran('table', 9900, 'it starts when it is resumed, but what was cancelled');
once('table', '... each once');

# A failed run has no place in memory; one in back-off may have lost it.
$node->safe_psql($db, q{
CREATE TABLE broken AS SELECT true AS is;
CREATE FUNCTION fragile(input jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT workflow.step('maybe', 'SELECT may_fail($1)',
		workflow.policy(initial_delay => '1 day', max_delay => '1 day'), input->>'code')
$$;
CREATE FUNCTION may_fail(code text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT "is" FROM broken) THEN
		RAISE EXCEPTION 'not yet' USING ERRCODE = code;
	END IF;
	RETURN code;
END $$;
SELECT workflow.create_workflow('fragile');
SELECT workflow.enqueue_workflow('fragile', jsonb_build_object('code', code), queue => 'q3')
  FROM unnest('{22012,55P03}'::text[]) code;
});
ok( poll_until($node, $db,
		"SELECT string_agg(state, ' ' ORDER BY run_id) FROM workflow.runs WHERE workflow = 'fragile'",
		'failed queued'),
	'one run has failed, and one waits for its next attempt');
stop_runs();
enqueue('behind', 5000, ", queue => 'q3'");
enqueue('behind', 5000, ", queue => 'q3', delay => '1 hour'");
$node->restart;
$node->safe_psql($db, q{UPDATE broken SET "is" = false});
is( $node->safe_psql($db, q{
SELECT count(*) FILTER (WHERE workflow.retry_run(run_id)) FROM workflow.runs WHERE workflow = 'fragile'}),
	'2', 'both can be retried');
start_runs();
ok( poll_until($node, $db,
		"SELECT string_agg(state, ' ' ORDER BY run_id) FROM workflow.runs WHERE workflow = 'fragile'",
		'succeeded succeeded'),
	'... and succeed');
ran('behind', 5000, 'so do those behind them');

is( $node->safe_psql($db,
		"SELECT delayed FROM workflow.queues WHERE queue = 'q3'") > 0,
	1, 'delayed runs are left in the queue');
$node->safe_psql($db, q{SELECT workflow.drop_queue('q3', force => true)});
ok( poll_until($node, $db, q{
SELECT count(*) FROM workflow.runs r JOIN _workflow.run w USING (run_id)
 WHERE r.state = 'cancelled' AND w.run_at > w.enqueued_at}, '5000', 60),
	'a queue is dropped together with what is in the table');
enqueue('last', 1);
ran('last', 1, 'other work goes on');

# ---- what may not start keeps nobody waiting ----

# All are due in the minute for which timers are kept in memory.
enqueue('timer', 10_000, ", delay => '50 s'");
enqueue('beside timers', 1);
soon('beside timers', 1, 'a ready run starts beside delayed ones of its queue');

stop_runs();
enqueue('first', 5000, ", queue => 'q1'");
enqueue('tomorrow', 10_000, ", queue => 'q1', delay => '1 day'");
enqueue('behind them', 100, ", queue => 'q1'");
start_runs();
soon('behind them', 100, 'ready runs start that were enqueued after delayed ones');

$node->safe_psql('postgres',
	"ALTER SYSTEM SET workflow.test_clock_offset = '200 s'");
$node->reload;
ran('timer', 10_000, 'delayed runs start when their time has come');

$node->safe_psql($db, q{
SELECT workflow.create_workflow('held', body => 'load');
SELECT workflow.pause_workflow('held');
SELECT count(workflow.enqueue_workflow('held', '{"what": "held"}'))
  FROM generate_series(1, 10000)});
enqueue('beside held', 1);
soon('beside held', 1, 'a run starts beside those of a paused workflow');
$node->safe_psql($db, q{SELECT workflow.resume_workflow('held')});
ran('held', 10_000, 'which start when it is resumed');

$node->safe_psql($db, q{
UPDATE broken SET "is" = true;
SELECT workflow.enqueue_workflow('fragile', '{"code": "55P03"}',
	queue => 'strict', group_key => 'shut')});
ok( poll_until($node, $db, q{
SELECT count(*) FROM workflow.runs WHERE group_key = 'shut' AND waiting_for = 'retry'}, '1'),
	'a run keeps its group for a day');
enqueue('shut', 10_000, ", queue => 'strict', group_key => 'shut'");
enqueue('open', 1, ", queue => 'strict', group_key => 'open'");
soon('open', 1, 'a run of another group starts beside those that wait for it');
is( $node->safe_psql($db, q{SELECT count(*) FROM start WHERE what = 'shut'}),
	'0', '... and still do');

# ---- priority in a strict group ----

$node->safe_psql($db, q{SELECT workflow.create_queue('line', group_max_active => 1)});
stop_runs();
enqueue('line', $strict, ", queue => 'line', group_key => 'a'");
enqueue('line', 1, ", queue => 'line', group_key => 'a', priority => 10");
start_runs();
ran('line', $strict + 1, 'runs of a strict group, the last one with a priority');
is(early('line'), '0', '... start in order');

# ---- memory ----

# kilobytes that the scheduler has for itself
sub memory
{
	my $pid = wait_for_worker($node, 'scheduler', $db);
	my ($kb) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;
	return $kb;
}

SKIP:
{
	skip 'no /proc here', 2 unless -e '/proc/self/status';

	$node->safe_psql('postgres',
		"ALTER SYSTEM SET workflow.scheduler_memory = '2MB'");
	stop_runs();
	$node->restart;
	enqueue('now', 1);
	my $before = memory();
	enqueue('many', $waiting);
	ok( poll_until($node, $db,
			"SELECT queued >= $waiting FROM workflow.queues WHERE queue = 'default'"),
		"$waiting runs wait");
	my $grown = memory() - $before;
	note("grown by $grown kB");
	cmp_ok($grown, '<', 40 * 1024, 'memory does not grow with them');
}

$node->stop;
scan_log($node, allowed => [
	'was terminated by signal 9',
	'all server processes terminated; reinitializing',
	'server process .* exited with exit code' ]);
done_testing();
