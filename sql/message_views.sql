--
-- What the view messages shows
--
SELECT workflow.create_queue('post', policy => workflow.policy(max_attempts => 3), lease => '1 min');
SELECT workflow.create_queue('calm', policy => workflow.policy(max_attempts => NULL));
SELECT workflow.stop('test of views');
SELECT workflow.send('post', '{"n": 1}', headers => '{"h": 1}', group_key => 'g', dedup_key => 'k', priority => 3) AS one \gset
SELECT workflow.send('calm', '{"n": 2}', delay => '1 hour') AS two \gset
SELECT workflow.send('default', '{"n": 3}') AS three \gset

SELECT queue, owner = current_user AS own, state, waiting_for, due_at IS NOT NULL AS due, lease_until, priority,
       group_key, dedup_key, attempt, max_attempts, headers, payload
  FROM workflow.messages ORDER BY message_id;
SELECT result, progress, reason, error_code, error_message, run_id, ordinal, finished_at
  FROM workflow.messages WHERE message_id = :one;

-- states
UPDATE _workflow.message SET state = 'l', attempt = 1, receipt = 1, lease_until = now() + interval '1 min',
       progress = '{"done": 5}' WHERE message_id = :one;
UPDATE _workflow.message SET attempt = 2, error_code = 'WF004', error_message = 'busy' WHERE message_id = :two;
UPDATE _workflow.message SET state = 'a', attempt = 1, finished_at = now(), result = '{"ok": true}' WHERE message_id = :three;
SELECT queue, state, waiting_for, lease_until IS NOT NULL AS leased, progress, result, error_code, error_message,
       finished_at IS NOT NULL AS finished
  FROM workflow.messages ORDER BY message_id;

-- what holds one that is due
UPDATE _workflow.message SET state = 'q', attempt = 0, due_at = NULL, receipt = NULL, lease_until = NULL, finished_at = NULL;
SELECT DISTINCT waiting_for FROM workflow.messages;
SELECT workflow.pause_queue('post', 'sorting');
SELECT workflow.start();
SELECT queue, waiting_for FROM workflow.messages ORDER BY message_id;
UPDATE _workflow.message SET origin = 1 WHERE queue_id = 0;
SELECT queue, waiting_for FROM workflow.messages ORDER BY message_id;
SELECT workflow.retry_message(:three) AS of_another_database;
SELECT workflow.start();
SELECT queue, waiting_for FROM workflow.messages ORDER BY message_id;

SELECT workflow.purge_queue(q) FROM unnest('{post,calm,default}'::text[]) q;
SELECT count(workflow.drop_queue(q)) FROM unnest('{post,calm}'::text[]) q;
