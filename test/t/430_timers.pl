# Delayed and retried runs wait on a timer: never started early, not forgotten
# in a restart, and out of the way of what is ready.  And a paused queue.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $db = 'timers';
my $delayed = 20_000;
my $node = new_node('timers', 'workflow.executors = 4');

create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE TABLE start (run_id uuid, what text, attempt int, at timestamptz);

-- fails in its first attempts, as many as told
CREATE FUNCTION load(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('note',
		$c$INSERT INTO start VALUES (workflow.run_id(), $1, 1, clock_timestamp())$c$,
		input->>'what');
	RETURN workflow.step('only', 'SELECT work($1)',
		workflow.policy(initial_delay => '300 ms', backoff => 1, jitter => 0),
		(input->>'failures')::int);
END $$;
CREATE FUNCTION work(failures int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF workflow.attempt() <= failures THEN
		RAISE lock_not_available;
	END IF;
	RETURN clock_timestamp();
END $$;
SELECT workflow.create_workflow('load');
SELECT workflow.create_queue('slow');
});

# SQL that enqueues one: what it is called, and more arguments
sub enqueue
{
	my ($what, $more) = @_;
	return qq{SELECT workflow.enqueue_workflow('load',
		'{"what": "$what", "failures": 0}'$more)};
}

sub started
{
	my ($what, $many, $name) = @_;
	return ok( poll_until($node, $db,
			"SELECT count(*) FROM start WHERE what = '$what'", $many, 60),
		$name);
}

sub why
{
	my ($run) = @_;
	return $node->safe_psql($db, "SELECT workflow.why('$run')");
}

my $early = q{SELECT count(*) FROM start JOIN _workflow.run USING (run_id)
 WHERE start.at < run.run_at};

# ---- never early ----

$node->safe_psql($db, q{
SELECT count(workflow.enqueue_workflow('load', '{"what": "soon", "failures": 0}',
	delay => i % 150 * interval '10 ms'))
  FROM generate_series(1, 600) i});
started('soon', 600, 'delayed runs start');
is($node->safe_psql($db, $early), '0', '... none of them early');

my $retried = $node->safe_psql($db, q{
SELECT workflow.enqueue_workflow('load', '{"what": "retried", "failures": 3}')});
ok( poll_until($node, $db,
		"SELECT state FROM workflow.runs WHERE run_id = '$retried'", 'succeeded'),
	'a run succeeds at the fourth attempt');
is( $node->safe_psql($db, qq{
SELECT (r.result #>> '{}')::timestamptz - s.at >= interval '900 ms'
  FROM workflow.runs r JOIN start s USING (run_id) WHERE run_id = '$retried'}),
	't', '... after three delays');

# ---- a restart ----

my $over = $node->safe_psql($db, enqueue('over', ", delay => '3 s'"));
my $missed = $node->safe_psql($db, enqueue('missed', ", delay => '1 s'"));
my $later = $node->safe_psql($db, enqueue('later', ", delay => '1 hour'"));
like(why($later), qr/start/i, 'why() tells that a run has yet to wait');
is( $node->safe_psql($db,
		"SELECT state, waiting_for FROM workflow.runs WHERE run_id = '$later'"),
	'queued|start time',
	'waiting_for says the same');
$node->restart;
started($_, 1, "run \"$_\" starts after a restart") foreach qw(over missed);
is($node->safe_psql($db, $early), '0', '... not early');
kill_worker($node, 'scheduler', $db, 'TERM');
$node->safe_psql($db, enqueue('again', ", delay => '1 s'"));
started('again', 1, 'a delayed run starts after an end of the scheduler');
is($node->safe_psql($db, $early), '0', '... not early');

# ---- many ----

$node->safe_psql($db, qq{
SELECT count(workflow.enqueue_workflow('load', '{"what": "many", "failures": 0}',
	delay => '1 hour', queue => 'slow', priority => 5))
  FROM generate_series(1, $delayed)});
$node->safe_psql($db, enqueue('ready', ''));
started('ready', 1, "a ready run starts with $delayed delayed ones before it");
$node->safe_psql($db, enqueue('ready', ", queue => 'slow'"));
started('ready', 2, '... also in their queue');
is( $node->safe_psql($db, "SELECT count(*) FROM start WHERE what = 'many'"),
	'0', '... none of which starts');

# An hour passes at once.
$node->safe_psql('postgres',
	"ALTER SYSTEM SET workflow.test_clock_offset = '3700 s'");
$node->reload;
started('many', $delayed, 'all start when their time has come');
started('later', 1, 'and the one that was left of before');

# ---- a paused queue ----

$node->safe_psql($db, q{SELECT workflow.pause_queue('slow', 'for a test')});
my $held = $node->safe_psql($db, enqueue('held', ", queue => 'slow'"));
my $timer = $node->safe_psql($db, enqueue('held', ", queue => 'slow', delay => '100 ms'"));
$node->safe_psql($db, enqueue('free', ''));
started('free', 1, 'a run of another queue starts');
ok( poll_until($node, $db,
		"SELECT waiting_for FROM workflow.runs WHERE run_id = '$held'", 'pause'),
	'a run of a paused queue waits for the end of the pause');
like(why($held), qr/[Qq]ueue "slow".* paused by postgres.*for a test/,
	'why() tells who paused it');
$node->restart;
$node->safe_psql($db, enqueue('free', ''));
started('free', 2, 'a run of another queue starts after a restart');
is( $node->safe_psql($db, "SELECT count(*) FROM start WHERE what = 'held'"),
	'0', 'the pause holds after it');
$node->safe_psql($db, q{SELECT workflow.resume_queue('slow')});
started('held', 2, 'both runs start when it is resumed');
is( $node->safe_psql($db,
		"SELECT count(*) FROM workflow.runs WHERE run_id IN ('$held', '$timer') AND waiting_for IS NOT NULL"),
	'0', '... and wait for nothing');

# ---- what holds a run ----

$node->safe_psql($db, q{
SELECT workflow.create_queue('tight', max_active => 1, group_max_active => 1);
CREATE FUNCTION stuck(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('only', 'SELECT work(99)',
		workflow.policy(initial_delay => '1 hour', max_delay => '1 hour'));
END $$;
SELECT workflow.create_workflow('stuck');});
my $holder = $node->safe_psql($db,
	q{SELECT workflow.enqueue_workflow('stuck', queue => 'tight', group_key => 'a')});
ok( poll_until($node, $db,
		"SELECT waiting_for FROM workflow.runs WHERE run_id = '$holder'", 'retry'),
	'a run waits for its next attempt');
my $second = $node->safe_psql($db, enqueue('second', ", queue => 'tight', group_key => 'a'"));
my $third = $node->safe_psql($db, enqueue('third', ", queue => 'tight', group_key => 'b'"));
ok( poll_until($node, $db,
		"SELECT waiting_for FROM workflow.runs WHERE run_id = '$second'", 'group'),
	'another one waits for its group');
like(why($second), qr/[Gg]roup "a".*\Q$holder\E/s, 'why() names who holds the group');
ok( poll_until($node, $db,
		"SELECT waiting_for FROM workflow.runs WHERE run_id = '$third'", 'queue limit'),
	'a third one waits for the queue');
like(why($third), qr/"tight".*\b1 active/s, 'why() names the limit');
$node->safe_psql($db, "SELECT workflow.cancel_run('$holder')");
started($_, 1, "the $_ one starts when the holder is gone") foreach qw(second third);

$node->stop;
scan_log($node);
done_testing();
