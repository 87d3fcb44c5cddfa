--
-- send() and send_batch()
--
SELECT workflow.create_queue('post');
SELECT workflow.stop('test of send');

SELECT workflow.send('post', '{"to": "a"}') AS first \gset
SELECT workflow.send('post', '"b"', headers => '{"trace": 1}', group_key => 'g', priority => 5) > :first AS rises;
SELECT workflow.send('default', 'null') > :first AS rises;
SELECT queue, owner = current_user AS own, state, waiting_for, priority, group_key,
       attempt, max_attempts, headers, payload
  FROM workflow.messages ORDER BY message_id;

-- it is there if and only if the transaction commits
BEGIN;
SELECT workflow.send('post', '"undone"') IS NOT NULL AS sent;
SAVEPOINT s;
SELECT workflow.send('post', '"undone"') IS NOT NULL AS sent;
ROLLBACK TO s;
SELECT workflow.send('post', '"undone"') IS NOT NULL AS sent;
SELECT count(*) FROM workflow.messages WHERE payload = '"undone"';
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT workflow.send('post', '"undone"') IS NOT NULL AS sent;
ROLLBACK TO s;
SELECT workflow.send('post', '"done"') IS NOT NULL AS sent;
COMMIT;
SELECT payload FROM workflow.messages WHERE payload IN ('"done"', '"undone"');

-- when it may be received
SELECT workflow.send('post', '"later"', delay => '1 hour') IS NOT NULL AS sent;
SELECT workflow.send('post', '"then"', run_at => now() + interval '1 day') IS NOT NULL AS sent;
SELECT workflow.send('post', '"past"', run_at => '2000-01-01') IS NOT NULL AS sent;
SELECT payload, waiting_for, date_trunc('hour', due_at - enqueued_at + interval '1 min') AS after
  FROM workflow.messages WHERE payload IN ('"later"', '"then"', '"past"') ORDER BY message_id;
SELECT workflow.send('post', '1', delay => '1 s', run_at => now());
SELECT workflow.send('post', '1', delay => '-1 s');
SELECT workflow.send('post', '1', run_at => 'infinity');

-- what is no good
SELECT workflow.send(NULL, '1');
SELECT workflow.send('post', NULL);
SELECT workflow.send('nothing', '1');
SELECT workflow.send('post', '1', headers => '[]');
SELECT workflow.send('post', '1', group_key => '');
SELECT workflow.send('post', '1', group_key => repeat('é', 201));
SELECT workflow.send('post', '1', dedup_key => '');
SELECT workflow.send('post', '1', dedup_key => repeat('é', 501));
SELECT workflow.send('post', '1', on_duplicate => 'ignore');
SELECT workflow.send('post', to_jsonb(repeat('x', 17000000)));
\set VERBOSITY terse
SELECT workflow.send('post', '1', headers => jsonb_build_object('a', repeat('x', 17000000)));
SELECT workflow.send_batch('post', ARRAY[to_jsonb(repeat('x', 17000000))]);
\set VERBOSITY default
BEGIN READ ONLY;
SELECT workflow.send('post', '1');
ROLLBACK;
SELECT workflow.send('post', to_jsonb(repeat('é', 100000))) IS NOT NULL AS long;

-- many
SELECT count(*), count(DISTINCT id), bool_and(id > :first) AS rise
  FROM workflow.send_batch('post', ARRAY['1', '2', '3']::jsonb[]) id;
SELECT count(*) FROM workflow.send_batch('post', '{}');
SELECT count(*) FROM workflow.send_batch('post', ARRAY['"m"', '"n"', '"o"']::jsonb[],
    headers => ARRAY['{"h": 1}', NULL, '{}']::jsonb[], group_keys => ARRAY['a', 'b', NULL], priority => 7, delay => '1 hour');
SELECT payload, headers, group_key, priority, waiting_for FROM workflow.messages WHERE priority = 7 ORDER BY message_id;
CREATE TEMPORARY TABLE batch AS
SELECT * FROM workflow.send_batch('post', ARRAY['"x"', '"y"', '"z"']::jsonb[]) WITH ORDINALITY b (id, n);
SELECT array_agg(m.payload ORDER BY b.n) AS in_order
  FROM batch b JOIN workflow.messages m ON m.message_id = b.id;
SELECT count(*) FROM workflow.send_batch('post', (SELECT array_agg(to_jsonb(i)) FROM generate_series(1, 2500) i));
SELECT count(*), sum((payload #>> '{}')::int) FROM workflow.messages
 WHERE jsonb_typeof(payload) = 'number' AND (payload #>> '{}')::int > 3;

SELECT workflow.send_batch('post', NULL);
SELECT workflow.send_batch('post', ARRAY['1', NULL]::jsonb[]);
SELECT workflow.send_batch('post', ARRAY['1', '2']::jsonb[], group_keys => ARRAY['a']);
SELECT workflow.send_batch('post', ARRAY['1', '2']::jsonb[], dedup_keys => ARRAY['a', '']);
SELECT workflow.send_batch('post', ARRAY['1', '2']::jsonb[], headers => ARRAY['1', '2']::jsonb[]);

-- at every isolation level, and on as many sides of a savepoint
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM workflow.messages WHERE payload = '"iso"';
SELECT workflow.send('post', '"iso"') IS NOT NULL AS sent;
SELECT count(*) FROM workflow.messages WHERE payload = '"iso"';
COMMIT;

SELECT workflow.purge_queue('post') > 2500 AS purged;
SELECT workflow.purge_queue('default');
SELECT count(*) FROM workflow.messages;
SELECT enqueued FROM workflow.stat_queues WHERE queue = 'post';
SELECT workflow.drop_queue('post');
SELECT workflow.start();
