# Maps of many items: a hundred thousand of them, errors, retries, and
# max_parallel, which is exact, as an interval table of the items themselves
# shows.  One body is in PL/Python.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $db = 'maps';
my $node = new_node('maps', 'workflow.executors = 8',
	'synchronous_commit = off');
my $many = $ENV{WF_MAP_ITEMS} // 100_000;

create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE EXTENSION plpython3u;
CREATE TABLE part (item int, pid int, began timestamptz, ended timestamptz);
CREATE FUNCTION work(item int, pause float8) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
BEGIN
	IF pause > 0 THEN
		PERFORM pg_sleep(pause);
	END IF;
	INSERT INTO part VALUES (item, pg_backend_pid(), began, clock_timestamp());
	RETURN item + 1;
END $$;
CREATE FUNCTION big(input jsonb) RETURNS jsonb LANGUAGE plpython3u AS $$
import json
n = json.loads(input)["n"]
plan = plpy.prepare("SELECT workflow.map('work', 'SELECT work($1::int, 0)', $1) AS found", ["jsonb"])
found = json.loads(plpy.execute(plan, [json.dumps(list(range(n)))])[0]["found"])
return json.dumps({"n": len(found), "good": found == list(range(1, n + 1))})
$$;
CREATE FUNCTION limited(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN to_jsonb(jsonb_array_length(workflow.map('work', 'SELECT work($1::int, random() * 0.004)',
		(SELECT jsonb_agg(i) FROM generate_series(1, (input->>'n')::int) i),
		max_parallel => (input->>'max')::int)));
END $$;
CREATE FUNCTION shaky(item int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF random() < 0.3 THEN
		RAISE lock_not_available;
	ELSIF item % 100 = 50 THEN
		RAISE EXCEPTION 'item %', item;
	END IF;
	RETURN work(item, 0);
END $$;
CREATE FUNCTION collects(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	found jsonb := workflow.map('shaky', 'SELECT shaky($1::int)',
		(SELECT jsonb_agg(i) FROM generate_series(1, 2000) i), on_error => 'collect',
		policy => workflow.policy(max_attempts => NULL, initial_delay => '1 ms', max_delay => '10 ms'));
BEGIN
	RETURN (SELECT jsonb_build_object('n', count(*),
				'bad', count(*) FILTER (WHERE NOT (e->>'ok')::boolean),
				'right', bool_and(CASE WHEN (e->>'ok')::boolean
									   THEN (e->>'value')::int = n + 1
									   ELSE e->>'message' = 'item ' || n AND e->>'code' = 'P0001' END))
			  FROM jsonb_array_elements(found) WITH ORDINALITY AS x (e, n));
END $$;
SELECT workflow.create_workflow(f) FROM unnest('{big,limited,collects}'::text[]) f;
});

sub result_of
{
	my ($workflow, $input, $timeout) = @_;
	my $run = $node->safe_psql($db,
		"SELECT workflow.enqueue_workflow('$workflow', '$input')");
	poll_until($node, $db,
		"SELECT finished_at IS NOT NULL FROM workflow.runs WHERE run_id = '$run'",
		't', $timeout // 120);
	return $node->safe_psql($db,
		"SELECT coalesce(result::text, error_message) FROM workflow.runs WHERE run_id = '$run'");
}

# How many were at work at a time, at most.
sub most_at_a_time
{
	return $node->safe_psql($db, q{
SELECT max(n) FROM (
	SELECT sum(d) OVER (ORDER BY at, d) AS n
	  FROM (SELECT began AS at, 1 AS d FROM part UNION ALL SELECT ended, -1 FROM part) x) y});
}

# ---- many, from a body in PL/Python ----

is(result_of('big', qq({"n": $many}), 600),
	qq({"n": $many, "good": true}), "$many items, in order");
is( $node->safe_psql($db,
		'SELECT count(*), count(DISTINCT item), count(DISTINCT pid) > 1 FROM part'),
	"$many|$many|t", 'each once, by several executors');
cmp_ok($node->safe_psql($db, "SELECT pg_stat_get_tuples_updated('_workflow.run'::regclass)"),
	'<=', $many / 50 + 20, 'no row of a run was written once per item');
$node->safe_psql($db, 'TRUNCATE part');

# ---- max_parallel ----

foreach my $max (1, 3, 6)
{
	my $n = 150 * $max;
	is(result_of('limited', qq({"n": $n, "max": $max})), $n, "max_parallel $max");
	is(most_at_a_time(), $max, "... $max at a time, neither more nor less");
	is($node->safe_psql($db, 'SELECT count(*), count(DISTINCT item) FROM part'),
		"$n|$n", '... each once');
	$node->safe_psql($db, 'TRUNCATE part');
}

# with executors that end meanwhile
my $run = $node->safe_psql($db,
	q{SELECT workflow.enqueue_workflow('limited', '{"n": 1000, "max": 4}')});
foreach (1 .. 15)
{
	my $pid = worker_pid($node, 'executor', $db);
	kill('TERM', $pid) if $pid ne '';
	PostgreSQL::Test::Utils::system_log('sleep', '0.1');
}
ok( poll_until($node, $db,
		"SELECT state FROM workflow.runs WHERE run_id = '$run'", 'succeeded', 120),
	'a map ends, whatever executors do');
is($node->safe_psql($db, 'SELECT count(*), count(DISTINCT item) FROM part'),
	'1000|1000', '... each once');
cmp_ok(most_at_a_time(), '<=', 4, '... and no more than 4 at a time');
$node->safe_psql($db, 'TRUNCATE part');

# ---- errors ----

is(result_of('collects', '{}'), '{"n": 2000, "bad": 20, "right": true}',
	'retries, and errors that are collected');
is($node->safe_psql($db, 'SELECT count(*), count(DISTINCT item) FROM part'),
	'1980|1980', '... all others were done once');
is( $node->safe_psql($db, 'SELECT count(*) FROM _workflow.run WHERE finished_at IS NULL'),
	0, 'nothing is left');

$node->stop('fast');
scan_log($node, allowed => [ 'terminating', 'workflow run .* cannot go on', 'WARNING' ]);
done_testing();
