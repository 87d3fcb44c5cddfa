# Who is next: groups in turn whatever their backlog, by weight if asked, and
# higher priority first, without starving anybody.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $db = 'fair';
my $backlog = 100_000;
my $executors = 4;
my $node = new_node('fair', "workflow.executors = $executors");

create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE SEQUENCE place;
CREATE TABLE start (place bigint, what text);
CREATE FUNCTION work(what text, seconds float8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO start VALUES (nextval('place'), what);
	PERFORM pg_sleep(seconds);
END $$;
CREATE FUNCTION load(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('only', 'SELECT work($1, $2)', input->>'what',
		coalesce((input->>'seconds')::float8, 0));
END $$;
SELECT workflow.create_workflow('load');
});

# SQL that enqueues: queue, how many, SQL of group and of what, seconds of each
sub enqueue
{
	my ($queue, $many, $group, $what, $time) = @_;
	return qq{
SELECT count(workflow.enqueue_workflow('load',
	jsonb_build_object('what', $what, 'seconds', $time), queue => '$queue', group_key => $group))
  FROM generate_series(1, $many) i;};
}

sub wait_for_starts
{
	my ($condition, $many) = @_;
	return poll_until($node, $db,
		"SELECT count(*) >= $many FROM start WHERE $condition", 't', 120);
}

# ---- groups in turn ----

# The scheduler is to know all of them, so a rate lets no more than one start.
# A step takes long enough for an executor that the machine keeps waiting with a
# run in hand not to fall far behind.
$node->safe_psql($db, q{
SELECT workflow.create_queue('fair', fair => true, rate_limit => 1, rate_period => '1 day');});
$node->safe_psql($db, enqueue('fair', $backlog, q{'big'}, q{'big'}, 0.01));
$node->safe_psql($db, enqueue('fair', 90, q{'small ' || i % 9}, q{'small'}, 0.01));
ok( poll_until($node, $db,
		q{SELECT queued FROM workflow.queues WHERE queue = 'fair'},
		$backlog + 89, 30),
	'the scheduler has seen all of them');
$node->safe_psql($db, q{SELECT workflow.alter_queue('fair', reset => '{rate_limit,rate_period}')});
ok(wait_for_starts(q{what = 'small'}, 90), 'the nine small groups are done');
cmp_ok(
	$node->safe_psql($db,
		q{SELECT max(place) FROM start WHERE what = 'small'}),
	'<=', 200, "within the first 200 starts, with $backlog before them")
  or diag($node->safe_psql($db,
	q{SELECT array_agg(place ORDER BY place) FROM start WHERE what = 'small'}));
cmp_ok(
	$node->safe_psql($db,
		q{SELECT count(*) FROM start WHERE what = 'big' AND place <= 100}),
	'>=', 5, 'and the big group had its turns');

# The rest of it is left as it is: to cancel it all would take long.
$node->safe_psql($db, q{SELECT workflow.stop(); SELECT workflow.pause_queue('fair')});

# ---- weights ----

$node->safe_psql($db, q{
SELECT workflow.create_queue('weighted', fair => true,
	group_weights => '{"heavy": 3, "light": 1}', max_running => 1);
TRUNCATE start;
SELECT setval('place', 1, false);});
$node->safe_psql($db, enqueue('weighted', 400, "'$_'", "'$_'", 0))
  foreach qw(light heavy);
$node->safe_psql($db, 'SELECT workflow.start()');
ok(wait_for_starts(q{what IN ('heavy', 'light')}, 800), 'both groups are done');
my $heavy = $node->safe_psql($db,
	q{SELECT count(*) FROM (SELECT what FROM start ORDER BY place LIMIT 400) s WHERE what = 'heavy'});
cmp_ok($heavy, '>=', 290, 'the heavy group had three starts in four');
cmp_ok($heavy, '<=', 310, 'and no more');

# ---- priority ----

# More than the executors can hold: each of them has some that it has not begun.
$node->safe_psql($db, q{SELECT workflow.create_queue('busy')});
$node->safe_psql($db, q{
TRUNCATE start;
SELECT count(workflow.enqueue_workflow('load', '{"what": "low", "seconds": 0.05}', queue => 'busy'))
  FROM generate_series(1, 400);});
ok(wait_for_starts(q{what = 'low'}, 20), 'executors are busy');
$node->safe_psql($db, q{
SELECT workflow.enqueue_workflow('load', '{"what": "high"}', queue => 'busy', priority => 10)});
my $before =
  $node->safe_psql($db, q{SELECT last_value FROM place});
ok(wait_for_starts(q{what = 'high'}, 1), 'the newcomer has started');
my $place =
  $node->safe_psql($db, q{SELECT place FROM start WHERE what = 'high'});

# Between the commit and the look at the sequence, and until the scheduler has
# seen it, each executor may begin one or two more.
cmp_ok($place - $before, '<=', 2 * $executors,
	'before what the executors held and had not begun');
$node->safe_psql($db, q{SELECT count(workflow.cancel_run(run_id)) FROM workflow.runs
 WHERE queue = 'busy' AND state = 'queued'});

# ---- ageing ----

# One step of priority is worth an hour of waiting, so a run that has waited for
# ten goes before one of priority 9 and after one of priority 11.
$node->safe_psql($db, q{
SELECT workflow.stop();
SELECT workflow.create_queue('aged', max_running => 1);
SELECT workflow.enqueue_workflow('load', '{"what": "old"}', queue => 'aged');});
$node->safe_psql('postgres', "ALTER SYSTEM SET workflow.test_clock_offset = '36000 s'");
$node->reload;
ok( poll_until($node, $db,
		"SELECT current_setting('workflow.test_clock_offset') <> '0'"),
	'ten hours pass');
$node->safe_psql($db, q{
SELECT workflow.enqueue_workflow('load', '{"what": "nine"}', queue => 'aged', priority => 9);
SELECT workflow.enqueue_workflow('load', '{"what": "eleven"}', queue => 'aged', priority => 11);
SELECT workflow.start();});
ok(wait_for_starts(q{what IN ('old', 'nine', 'eleven')}, 3), 'three have started');
is( $node->safe_psql($db,
		q{SELECT string_agg(what, ', ' ORDER BY place) FROM start
		   WHERE what IN ('old', 'nine', 'eleven')}),
	'eleven, old, nine',
	'ten hours are worth ten steps of priority');

$node->stop;
scan_log($node);
done_testing();
