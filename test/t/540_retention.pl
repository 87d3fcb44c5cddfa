# What is kept for some time only goes when the time is over, in small
# transactions, and with everything that belongs to it; the rest stays.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $db = 'retention';
my $node = new_node('retention', 'workflow.executors = 3');

create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('one', 'SELECT 1');
	IF input ? 'fail' THEN
		PERFORM workflow.fail('no');
	END IF;
	RETURN workflow.step('two', 'SELECT 2');
END $$;
SELECT workflow.create_workflow('kept', 'body');
SELECT workflow.create_workflow('short', 'body', keep_succeeded => '1 s');
SELECT workflow.create_workflow('short failures', 'body', keep_failed => '1 s');
SELECT workflow.create_queue('keys', dedup_window => '1 s');
SELECT workflow.create_queue('acked', keep_acked => '1 s');
SELECT workflow.create_queue('dead', keep_dead => '1 s');
SELECT workflow.create_queue('blocked', keep_dead => '1 s',
	group_max_active => 1, on_group_failure => 'block');
SELECT workflow.create_queue('ever');
});

# ---- runs ----

$node->safe_psql(
	$db, q{
SELECT count(workflow.enqueue_workflow(w, i))
  FROM unnest('{kept,short,short failures}'::text[]) w,
       (VALUES ('{}'::jsonb), ('{"fail": true}')) v (i),
       generate_series(1, 500);
CALL workflow.wait_until_idle();
});
my $kept = q{SELECT string_agg(concat_ws(' ', workflow, state, n), ', ' ORDER BY workflow, state)
	FROM (SELECT workflow, state, count(*) AS n FROM workflow.runs GROUP BY 1, 2) r};
my $expected = 'kept failed 500, kept succeeded 500, short failed 500,'
  . ' short failures succeeded 500';
ok(poll_until($node, $db, $kept, $expected, 60), 'runs whose time is over go');
is( $node->safe_psql($db,
		'SELECT count(*) FROM _workflow.step s WHERE NOT EXISTS'
		  . ' (SELECT FROM _workflow.run r WHERE r.run_id = s.run_id)'),
	'0', 'their steps go with them');

# parents go before children, and items with their parent
$node->safe_psql(
	$db, q{
SELECT workflow.stop('to write rows');
INSERT INTO _workflow.run (run_id, origin, enqueued_at, run_at, place, workflow_id,
	body_id, queue_id, priority, owner, state, finished_at, steps_done,
	owner_name, input, parent_run_id, parent_ordinal, item)
SELECT id::uuid, r.origin, now(), now(), 1, r.workflow_id, r.body_id, 0, 0,
	r.owner, v.state::"char", v.finished::timestamptz, 1, r.owner_name, '{}',
	parent::uuid, CASE WHEN parent IS NOT NULL THEN 1 END, v.item::int
  FROM (SELECT * FROM _workflow.run
         WHERE workflow_id = (SELECT workflow_id FROM _workflow.workflow WHERE name = 'short')
         LIMIT 1) r,
       (VALUES ('00000000-0000-7000-8000-000000000001', NULL, NULL, 's', now() - interval '2 s'),
               ('00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-000000000001', NULL, 'p', NULL),
               ('00000000-0000-7000-8000-000000000003', NULL, NULL, 'f', now()),
               ('00000000-0000-7000-8000-000000000004', '00000000-0000-7000-8000-000000000003', NULL, 's', now() - interval '2 s'),
               ('00000000-0000-7000-8000-000000000005', NULL, NULL, 's', now() - interval '2 s')
       ) v (id, parent, item, state, finished);
INSERT INTO _workflow.run (run_id, origin, enqueued_at, run_at, place, workflow_id,
	body_id, queue_id, priority, owner, state, finished_at, steps_done,
	owner_name, input, parent_run_id, parent_ordinal, item)
SELECT ('00000000-0000-7000-9000-' || lpad(i::text, 12, '0'))::uuid, r.origin,
	now(), now(), 1, r.workflow_id, r.body_id, 0, 0, r.owner, 's', now(), 1,
	r.owner_name, '{}', r.run_id, 1, i
  FROM _workflow.run r, generate_series(1, 1000) i
 WHERE r.run_id = '00000000-0000-7000-8000-000000000005';
SELECT workflow.start();
});
ok( poll_until($node, $db,
		"SELECT string_agg(right(run_id::text, 1), '' ORDER BY run_id)"
		  . " FROM _workflow.run WHERE run_id < '00000000-0000-7000-a000-000000000000'"
		  . " AND finished_at IS NOT NULL", '134', 30),
	'parents wait for children, and children for parents; items go along');

# ---- messages and keys ----

$node->safe_psql(
	$db, q{
SELECT count(workflow.send('keys', '1', dedup_key => 'k' || i)) FROM generate_series(1, 1000) i;
SELECT count(workflow.send('ever', '1', dedup_key => 'k' || i)) FROM generate_series(1, 10) i;
INSERT INTO _workflow.message (message_id, origin, enqueued_at, run_at,
	place, finished_at, queue_id, priority, owner, attempt, state, owner_name,
	group_key, payload)
SELECT i, _workflow.origin(), now(), now(), i, clock_timestamp(), q.queue_id, 0,
	current_user::regrole, 1, s::"char", current_user, 'g', '{}'
  FROM generate_series(1, 8) i
  JOIN _workflow.queue q ON q.name = ('{acked,dead,blocked,ever}'::text[])[1 + i % 4],
       LATERAL (SELECT CASE WHEN i <= 4 THEN 'a' ELSE 'd' END) x (s);
SELECT workflow.alter_queue('ever', description => 'tells the scheduler');
});
ok( poll_until($node, $db,
		"SELECT string_agg(concat_ws(' ', queue, state), ', ' ORDER BY queue)"
		  . " FROM workflow.messages WHERE state IN ('dead', 'acked')",
		'acked dead, blocked dead, ever dead'),
	'messages whose time is over go, but not what keeps a group closed');
ok( poll_until($node, $db, 'SELECT count(*) FROM _workflow.message_key', '10'),
	'keys whose time is over go');

# a lock that a client holds is not waited for
my $client = $node->background_psql($db);
$client->query_safe("BEGIN; SELECT FROM _workflow.message_key LIMIT 1 FOR UPDATE");
$node->safe_psql($db, q{
UPDATE _workflow.message_key SET expires_at = now()
 WHERE message_id NOT IN (SELECT message_id FROM _workflow.message_key LIMIT 1);
SELECT workflow.alter_queue('ever', description => 'tells it again')});
ok( poll_until($node, $db, 'SELECT count(*) FROM _workflow.message_key', '1'),
	'what somebody has locked is passed by');
$client->query_safe('ROLLBACK');
$client->quit;

# ---- a copy is left alone, and so is what is stopped ----

$node->safe_psql(
	$db, q{
SELECT workflow.stop('to keep');
SELECT workflow.send('keys', '1', dedup_key => 'stopped');
});
my $id = $node->safe_psql($db, q{SELECT message_id FROM _workflow.message_key
	WHERE dedup_key = 'stopped'});
ok( poll_until($node, $db, 'SELECT count(*) FROM _workflow.message_key'
	  . ' WHERE expires_at < clock_timestamp()', '1'),
	'nothing is deleted while stopped');
isnt($node->safe_psql($db, q{SELECT workflow.send('keys', '1', dedup_key => 'stopped')}),
	$id, 'a key whose time is over is free, also while its row is there');
$node->safe_psql($db, 'SELECT workflow.start()');
ok( poll_until($node, $db, 'SELECT count(*) FROM _workflow.message_key', '1'),
	'it goes when they are started');

scan_log($node);
done_testing();
