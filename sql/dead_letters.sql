--
-- Dead letters: runs and messages together, retried and deleted
--
CREATE SCHEMA letters;
SET search_path = letters;
CREATE FUNCTION fails(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('divide', 'SELECT 1/0');
END $$;
SELECT workflow.create_queue('post');
SELECT workflow.create_workflow('fails', queue => 'post');
SELECT workflow.enqueue_workflow('fails') IS NOT NULL AS enqueued;
CALL workflow.wait_until_idle();
SELECT workflow.stop('test of dead letters');
SELECT workflow.send('post', '1', group_key => 'g') AS one \gset
SELECT workflow.send('post', '2') AS two \gset
SELECT workflow.send('post', '3') AS three \gset
-- as they are after all their attempts
UPDATE _workflow.message
   SET state = 'd', attempt = 25, finished_at = now(), reason = 'attempts', error_code = 'WF004', error_message = 'no luck'
 WHERE message_id IN (:one, :two);

SELECT kind, run_id IS NOT NULL AS run, message_id = :one AS one, workflow, queue, owner = current_user AS own,
       failed_step, reason, error_code, error_message, attempts
  FROM workflow.dead_letters WHERE queue = 'post' ORDER BY kind DESC, message_id;
SELECT message_id = :one AS one, state, waiting_for, attempt, max_attempts, reason, error_code, error_message
  FROM workflow.messages ORDER BY message_id;
SELECT dead_letters FROM workflow.queues WHERE queue = 'post';

-- back with all attempts; the error is still to be seen
SELECT workflow.retry_message(message_id) FROM workflow.dead_letters WHERE message_id = :one;
SELECT workflow.retry_message(:one) AS again;
SELECT workflow.retry_message(:three) AS never_died;
SELECT workflow.retry_message(:two, delay => '1 hour');
SELECT message_id = :one AS one, state, waiting_for, attempt, max_attempts, reason, error_code, finished_at
  FROM workflow.messages ORDER BY message_id;
-- one in back-off goes now
UPDATE _workflow.message SET attempt = 26, due_at = now() + interval '1 hour' WHERE message_id = :one;
SELECT waiting_for FROM workflow.messages WHERE message_id = :one;
SELECT workflow.retry_message(:one);
SELECT waiting_for, due_at FROM workflow.messages WHERE message_id = :one;

-- undone with the transaction
UPDATE _workflow.message SET state = 'd', finished_at = now() WHERE message_id = :one;
BEGIN;
SELECT workflow.retry_message(:one), workflow.delete_message(:two);
ROLLBACK;
SELECT state, count(*) FROM workflow.messages GROUP BY 1 ORDER BY 1;

-- of a queue that blocks, it waits for repair
SELECT workflow.alter_queue('post', on_group_failure => 'block');
SELECT waiting_for FROM workflow.messages WHERE message_id = :one;

-- a message that a receiver has locked is not waited for; tasks are their runs'
UPDATE _workflow.message SET run_id = (SELECT run_id FROM workflow.runs WHERE workflow = 'fails'), run_ordinal = 2 WHERE message_id = :three;
SELECT workflow.delete_message(:three);
SELECT workflow.purge_queue('post');
UPDATE _workflow.message SET run_id = NULL, run_ordinal = NULL WHERE message_id = :three;
SELECT workflow.delete_message(message_id) FROM workflow.dead_letters WHERE kind = 'message';
SELECT workflow.delete_message(:three);
SELECT count(*) FROM workflow.messages;
SELECT workflow.retry_message(:one, delay => '-1 s');

-- a dropped queue takes them along
SELECT workflow.alter_queue('post', reset => '{on_group_failure}');
SELECT workflow.send('post', '4') AS four \gset
UPDATE _workflow.message SET state = 'd', finished_at = now() WHERE message_id = :four;
SELECT workflow.drop_workflow('fails');
SELECT workflow.drop_queue('post');
SELECT kind, queue FROM workflow.dead_letters WHERE kind = 'message';
SELECT workflow.start();
\set VERBOSITY terse
DROP SCHEMA letters CASCADE;
