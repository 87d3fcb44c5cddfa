--
-- dedup_key and on_duplicate of messages
--
SELECT workflow.create_queue('keyed', dedup_window => '1 hour', keep_acked => '1 day');
SELECT workflow.create_queue('other');
SELECT workflow.stop('test of keys');

-- the same key gives the same message, whatever it says
SELECT workflow.send('keyed', '1', dedup_key => 'k') AS first \gset
SELECT workflow.send('keyed', '2', dedup_key => 'k') = :first AS same;
SELECT workflow.send('keyed', '2', dedup_key => 'k', on_duplicate => 'skip') AS skipped;
DO $$
DECLARE
	detail text;
	hint text;
BEGIN
	PERFORM workflow.send('keyed', '2', dedup_key => 'k', on_duplicate => 'reject');
EXCEPTION WHEN unique_violation THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RAISE NOTICE '% % (%)', SQLERRM, regexp_replace(detail, '\d+', '<id>'), hint;
END $$;
SELECT payload, dedup_key FROM workflow.messages WHERE queue = 'keyed';

-- another queue, another key, another sender
SELECT workflow.send('other', '1', dedup_key => 'k') <> :first AS another;
SELECT workflow.send('keyed', '1', dedup_key => 'l') <> :first AS another;
CREATE ROLE regress_wf_sender LOGIN;
SELECT workflow.grant_usage('regress_wf_sender');
SET ROLE regress_wf_sender;
SELECT workflow.send('keyed', '1', dedup_key => 'k', on_duplicate => 'reject') <> :first AS another;
RESET ROLE;

-- replace
SELECT workflow.send('keyed', '3', dedup_key => 'k', on_duplicate => 'replace') AS second \gset
SELECT :second > :first AS newer;
SELECT workflow.send('keyed', '4', dedup_key => 'k') = :second AS same;
SELECT payload FROM workflow.messages WHERE queue = 'keyed' AND owner = current_user ORDER BY message_id;
BEGIN;
SELECT workflow.send('keyed', '5', dedup_key => 'k', on_duplicate => 'replace') <> :second AS new;
ROLLBACK;
SELECT workflow.send('keyed', '5', dedup_key => 'k') = :second AS back;
-- but not what was received
UPDATE _workflow.message SET attempt = 1 WHERE message_id = :second;
SELECT workflow.send('keyed', '5', dedup_key => 'k', on_duplicate => 'replace') = :second AS same;
-- nor what is done
DELETE FROM _workflow.message WHERE message_id = :second;
SELECT workflow.send('keyed', '5', dedup_key => 'k', on_duplicate => 'replace') = :second AS same;

-- a key that was rolled back is free
BEGIN;
SAVEPOINT s;
SELECT workflow.send('keyed', '6', dedup_key => 'm') IS NOT NULL AS sent;
ROLLBACK TO s;
SELECT workflow.send('keyed', '7', dedup_key => 'm', on_duplicate => 'reject') IS NOT NULL AS sent;
COMMIT;
SELECT payload FROM workflow.messages WHERE dedup_key = 'm';

-- so is one whose time is over, and one of a message that was deleted undone
UPDATE _workflow.message_key SET expires_at = now() - interval '1 s' WHERE dedup_key = 'm';
SELECT workflow.send('keyed', '8', dedup_key => 'm', on_duplicate => 'reject') AS eighth \gset
SELECT workflow.send('keyed', '9', dedup_key => 'm') = :eighth AS same;
SELECT workflow.delete_message(:eighth);
SELECT workflow.send('keyed', '9', dedup_key => 'm') <> :eighth AS new;

-- in batches
SELECT count(id), count(DISTINCT id), count(*) FROM workflow.send_batch('keyed', ARRAY['1', '2', '3', '4']::jsonb[],
    dedup_keys => ARRAY['x', NULL, 'x', 'm']) id;
SELECT count(id), count(*) FROM workflow.send_batch('keyed', ARRAY['1', '2', '3', '4']::jsonb[],
    dedup_keys => ARRAY['x', NULL, 'y', 'm'], on_duplicate => 'skip') id;
\set VERBOSITY terse
SELECT count(*) FROM workflow.send_batch('keyed', ARRAY['1', '2']::jsonb[], dedup_keys => ARRAY['z', 'x'], on_duplicate => 'reject') id;
\set VERBOSITY default
SELECT count(*) FROM workflow.messages WHERE dedup_key = 'z';
-- ... each gets the id of the one that is left
CREATE TEMPORARY TABLE batch AS SELECT id FROM workflow.send_batch('keyed', ARRAY['1', '2', '3', '4']::jsonb[],
    dedup_keys => ARRAY['z', 'a', 'z', 'z'], on_duplicate => 'replace') id;
SELECT count(*), count(DISTINCT id), count(DISTINCT m.message_id) FROM batch LEFT JOIN workflow.messages m ON m.message_id = id;
DROP TABLE batch;
SELECT payload FROM workflow.messages WHERE dedup_key = 'z';
SELECT count(DISTINCT workflow.send('keyed', to_jsonb(n), dedup_key => 'n' || n % 10)) FROM generate_series(1, 100) n;


-- no window is shorter than the time to wait
SELECT workflow.create_queue('brief', dedup_window => '1 s');
SELECT workflow.send('brief', '1', dedup_key => 'k', delay => '1 hour') AS brief \gset
SELECT expires_at >= now() + interval '59 min' AS long FROM _workflow.message_key WHERE message_id = :brief;

-- a delayed message can be received now
SELECT workflow.retry_message(:brief), workflow.retry_message(:brief);
SELECT due_at <= clock_timestamp() AS due FROM workflow.messages WHERE message_id = :brief;

-- unique while unfinished, and while not received
SELECT workflow.create_queue('k_open', dedup_scope => 'unfinished');
SELECT workflow.create_queue('k_queued', dedup_scope => 'queued');
SELECT queue, dedup_scope FROM workflow.queues WHERE queue IN ('brief', 'k_open', 'k_queued') ORDER BY 1;
SELECT workflow.send(q, '1', dedup_key => 'k') = workflow.send(q, '2', dedup_key => 'k') AS same
  FROM unnest('{k_open,k_queued}'::text[]) q;
SELECT count(DISTINCT id) FROM workflow.send_batch('k_queued', ARRAY['1', '2']::jsonb[], dedup_keys => ARRAY['b', 'b']) id;
UPDATE _workflow.message_key SET expires_at = now() - interval '1 hour';
SELECT workflow.send(q, '2', dedup_key => 'k', on_duplicate => 'skip') FROM unnest('{k_open,k_queued}'::text[]) q;
UPDATE _workflow.message SET attempt = 1 WHERE dedup_key = 'k' AND payload = '1';
SELECT q, workflow.send(q, '3', dedup_key => 'k', on_duplicate => 'skip') IS NOT NULL AS sent FROM unnest('{k_open,k_queued}'::text[]) q;
UPDATE _workflow.message SET state = 'd', finished_at = now(), attempt = 1 WHERE dedup_key = 'k';
SELECT q, workflow.send(q, '4', dedup_key => 'k', on_duplicate => 'skip') IS NOT NULL AS sent FROM unnest('{k_open,k_queued}'::text[]) q;
-- ... so a dead one cannot come back while another has its key
SELECT workflow.retry_message(message_id) FROM workflow.messages WHERE queue = 'k_open' AND payload = '1';
SELECT workflow.alter_queue('k_queued', reset => '{dedup_scope}'), workflow.alter_queue('k_open', dedup_scope => 'kept');
SELECT workflow.send('keyed', '1', dedup_key => 'k', on_duplicate => 'retry');

SELECT workflow.drop_queue(q, force => true) FROM unnest('{keyed,other,brief,k_open,k_queued}'::text[]) q;
SELECT count(*) FROM _workflow.message_key;
SELECT workflow.start();
SELECT workflow.revoke_usage('regress_wf_sender');
DROP ROLE regress_wf_sender;
