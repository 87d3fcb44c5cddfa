--
-- What ended an attempt leaves a trace
--
CREATE SCHEMA attempts;
SET search_path = attempts;
\set ON_ERROR_STOP 0
\set VERBOSITY terse
CREATE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF input ? 'body' THEN
		EXECUTE input->>'body';
	END IF;
	RETURN workflow.step('s', input->>'command',
	                     workflow.policy(max_attempts => 2, initial_delay => '10 ms', no_retry_on => CASE WHEN input ? 'not' THEN ARRAY[input->>'not'] END));
EXCEPTION WHEN SQLSTATE 'WF011' THEN
	RETURN '"caught"';
END $$;
SELECT workflow.create_workflow('attempts', 'body', policy => workflow.policy(max_attempts => 2, initial_delay => '10 ms'));
CREATE VIEW shown AS
	SELECT r.run_id, r.state, r.failed_step, r.failed_ordinal AS at, r.reason, r.error_code, r.attempts, r.losses, r.crashes, r.retryable
	  FROM workflow.runs r;
CREATE FUNCTION raise(code text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'raised' USING ERRCODE = code; END $$;

-- interrupted from outside: an error as any other, which the body can catch
SELECT workflow.enqueue_workflow('attempts', '{"command": "SELECT pg_cancel_backend(pg_backend_pid())"}') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT name, state, attempt, error_code, error_message FROM workflow.steps WHERE run_id = :'id';

-- its process is ended
SELECT workflow.enqueue_workflow('attempts', '{"command": "SELECT pg_terminate_backend(pg_backend_pid()) FROM pg_sleep(0.1)"}') AS id \gset
DO $$
BEGIN
	FOR i IN 1..600 LOOP
		EXIT WHEN (SELECT count(*) FROM workflow.runs WHERE workflow = 'attempts' AND losses >= 2) > 0;
		PERFORM pg_sleep(0.1);
		COMMIT;
	END LOOP;
END $$;
SELECT losses >= 2 AS losses, crashes, attempts >= 2 AS attempts, started_at IS NOT NULL AS started FROM workflow.runs WHERE run_id = :'id';
SELECT event, ordinal, name, detail FROM workflow.timeline(:'id') WHERE detail LIKE 'attempt 1,%';
SELECT workflow.cancel_run(:'id');
CALL workflow.wait_for_run(:'id');

-- cancelled, or over its time, while a step is at work: that attempt is in the views
SELECT workflow.enqueue_workflow('attempts', '{"command": "SELECT 1 FROM pg_sleep(600)"}', run_timeout => '500 ms') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT state, failed_step, at, reason, error_code, attempts, losses, crashes, retryable FROM shown WHERE run_id = :'id';
SELECT name, state, attempt, due_at, error_code FROM workflow.steps WHERE run_id = :'id';
SELECT workflow.retry_run(:'id', delay => '1 hour');
CALL workflow.wait_until_idle();
SELECT workflow.cancel_run(:'id');

-- over its time between two attempts: the step that was being tried, and its last error
CREATE FUNCTION slow(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('slow', 'SELECT attempts.raise(''08006'')', workflow.policy(initial_delay => '1 hour'));
END $$;
SELECT workflow.create_workflow('attempts_slow', 'slow', run_timeout => '500 ms');
SELECT workflow.enqueue_workflow('attempts_slow') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT state, failed_step, at, reason, error_code, attempts, losses, crashes, retryable FROM shown WHERE run_id = :'id';
SELECT name, state, attempt, due_at, error_code FROM workflow.steps WHERE run_id = :'id';
SELECT error_detail FROM _workflow.run WHERE run_id = :'id';
SELECT reason, failed_step, failed_ordinal, retryable, losses, crashes FROM workflow.dead_letters WHERE run_id = :'id';

-- a statement_timeout of the role does not limit steps
ALTER ROLE CURRENT_USER SET statement_timeout = '100 ms';
SELECT count(pg_terminate_backend(pid, 10000)) > 0 AS ended FROM pg_stat_activity WHERE backend_type = 'workflow executor';
SELECT workflow.enqueue_workflow('attempts', '{"command": "SELECT 1 FROM pg_sleep(0.5)"}') AS id \gset
CALL workflow.wait_for_run(:'id');
ALTER ROLE CURRENT_USER RESET statement_timeout;
SELECT count(pg_terminate_backend(pid, 10000)) > 0 AS ended FROM pg_stat_activity WHERE backend_type = 'workflow executor';

-- two columns of a name
SELECT workflow.enqueue_workflow('attempts', '{"command": "SELECT 1 AS a, 2 AS a"}') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT error_code, reason FROM workflow.runs WHERE run_id = :'id';

-- a procedural language that fails: retried as a step, unless it is told not to; at once in the body
SELECT workflow.enqueue_workflow('attempts', '{"command": "SELECT attempts.raise(''38000'')"}') AS a,
       workflow.enqueue_workflow('attempts', '{"command": "SELECT attempts.raise(''38000'')", "not": "38"}') AS b,
       workflow.enqueue_workflow('attempts', '{"command": "SELECT attempts.raise(''55000'')", "not": "55000"}') AS c,
       workflow.enqueue_workflow('attempts', '{"command": "SELECT attempts.raise(''57000'')", "not": "57"}') AS d,
       workflow.enqueue_workflow('attempts', '{"body": "SELECT attempts.raise(''38000'')"}') AS e,
       workflow.enqueue_workflow('attempts', '{"body": "SELECT attempts.raise(''08000'')"}') AS f \gset
CALL workflow.wait_for_run(:'a');
CALL workflow.wait_for_run(:'b');
CALL workflow.wait_for_run(:'c');
CALL workflow.wait_for_run(:'d');
CALL workflow.wait_for_run(:'e');
CALL workflow.wait_for_run(:'f');
SELECT failed_step, at, reason, error_code, attempts FROM shown WHERE run_id IN (:'a', :'b', :'c', :'d', :'e', :'f') ORDER BY run_id;
SELECT event, name, detail FROM workflow.timeline(:'f') WHERE event = 'body';

-- a task: the attempts of its message are those of the call
CREATE FUNCTION tasks(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.task('t', 'attempts_q', '{}', workflow.policy(max_attempts => 2, initial_delay => '0'));
END $$;
SELECT workflow.create_workflow('attempts_tasks', 'tasks'), workflow.create_queue('attempts_q');
SELECT workflow.enqueue_workflow('attempts_tasks') AS id \gset
CALL workflow.wait_for_messages('attempts_q');
SELECT workflow.nack(receipt, 'out of paper') FROM workflow.receive('attempts_q');
CALL workflow.wait_for_messages('attempts_q');
SELECT count(*) FROM workflow.receive('attempts_q', lease => '1 s');
CALL workflow.wait_for_run(:'id');
SELECT state, failed_step, at, reason, error_code, attempts, losses, crashes, retryable FROM shown WHERE run_id = :'id';
SELECT name, state, attempt, max_attempts, error_code FROM workflow.steps WHERE run_id = :'id';
SELECT error_detail FROM _workflow.run WHERE run_id = :'id';
SELECT event, detail FROM workflow.timeline(:'id') WHERE event = 'task';

CALL workflow.wait_until_idle();
SELECT workflow.drop_workflow('attempts', force => true), workflow.drop_workflow('attempts_slow', force => true),
       workflow.drop_workflow('attempts_tasks', force => true), workflow.drop_queue('attempts_q', force => true);
DROP SCHEMA attempts CASCADE;
