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
SELECT count(DISTINCT id) FROM workflow.send_batch('keyed', ARRAY['1', '2']::jsonb[], dedup_keys => ARRAY['z', 'z'], on_duplicate => 'replace') id;
SELECT payload FROM workflow.messages WHERE dedup_key = 'z';
SELECT count(DISTINCT workflow.send('keyed', to_jsonb(n), dedup_key => 'n' || n % 10)) FROM generate_series(1, 100) n;

SELECT workflow.drop_queue(q, force => true) FROM unnest('{keyed,other}'::text[]) q;
SELECT count(*) FROM _workflow.message_key;
SELECT workflow.start();
SELECT workflow.revoke_usage('regress_wf_sender');
DROP ROLE regress_wf_sender;
