-- compensate_task(): workers outside undo what a run has done.
SET client_min_messages = warning;
CREATE SCHEMA compensation_tasks;
SET search_path = compensation_tasks;
SELECT workflow.create_queue('refunds', policy => workflow.policy(max_attempts => 2, initial_delay => '1 ms'));
CREATE TABLE done (n serial, what text);
CREATE FUNCTION note(what text) RETURNS text LANGUAGE sql AS $$ INSERT INTO done (what) VALUES (what) RETURNING what $$;
CREATE FUNCTION done() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(what, ' ' ORDER BY n) FROM done $$;
CREATE PROCEDURE wait_till(run uuid, wanted text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..2000 LOOP
		EXIT WHEN (SELECT concat_ws(' ', state, waiting_for) = wanted
		             FROM workflow.runs WHERE run_id = run);
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;
-- a worker that does one task, and says what it was told
CREATE PROCEDURE work(how text DEFAULT 'ack') LANGUAGE plpgsql AS $$
DECLARE
	m record;
BEGIN
	FOR i IN 1..2000 LOOP
		SELECT * INTO m FROM workflow.receive('refunds');
		IF FOUND THEN
			INSERT INTO done (what) VALUES (how || ':' || (m.headers->>'step') || '/' || (m.payload->>'amount')
				|| '#' || (m.headers->>'attempt') || '@' || split_part(m.headers->>'idempotency_key', '/', 2));
			IF how = 'ack' THEN
				PERFORM workflow.ack(m.receipt, '"refunded"');
			ELSE
				PERFORM workflow.nack(m.receipt, 'till closed', final => how = 'refuse', detail => 'at noon');
			END IF;
			EXIT;
		END IF;
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;
CREATE FUNCTION vends(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.compensate('restock', 'SELECT note($1)', 'restock');
	PERFORM workflow.compensate_task('refund', 'refunds', input);
	PERFORM workflow.compensate('unship', 'SELECT note($1)', 'unship');
	CASE input->>'how'
		WHEN 'fail' THEN PERFORM workflow.fail('no stock');
		WHEN 'wait' THEN PERFORM workflow.wait_for_signal('paid');
		ELSE NULL;
	END CASE;
	RETURN '"sold"';
END $$;
SELECT workflow.create_workflow('vends');

-- a run that succeeds sends nothing
SELECT workflow.enqueue_workflow('vends') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT count(*) FROM workflow.messages WHERE queue = 'refunds';

-- one that fails waits for the worker between what it undoes itself
SELECT workflow.enqueue_workflow('vends', '{"how": "fail", "amount": 5}') AS run \gset
CALL wait_till(:'run', 'compensating task');
SELECT state, waiting_for, error_code, executor_pid IS NULL AS nowhere FROM workflow.runs WHERE run_id = :'run';
SELECT workflow.why(:'run');
SELECT done();
SELECT workflow.cancel_run(:'run'), workflow.wake_run(:'run');
CALL workflow.wait_until_idle('10 s');
CALL work();
CALL workflow.wait_for_run(:'run');
SELECT state, waiting_for, error_code, error_message FROM workflow.runs WHERE run_id = :'run';
SELECT ordinal, kind, name, state, result FROM workflow.steps WHERE run_id = :'run' ORDER BY ordinal;
SELECT count(*) FROM workflow.messages WHERE queue = 'refunds';
SELECT done();
TRUNCATE done RESTART IDENTITY;

-- one that is cancelled while it waits, and its worker who fails: the policy
-- gives him another attempt
SELECT workflow.enqueue_workflow('vends', '{"how": "wait", "amount": 6}') AS run \gset
CALL wait_till(:'run', 'waiting signal');
SELECT workflow.cancel_run(:'run');
CALL work('fail');
CALL work();
CALL workflow.wait_for_run(:'run');
SELECT done();
TRUNCATE done RESTART IDENTITY;

-- a worker who gives up parks the run, and retry_run() has it tried anew
SELECT workflow.enqueue_workflow('vends', '{"how": "fail", "amount": 7}') AS run \gset
CALL work('refuse');
CALL wait_till(:'run', 'parked repair');
SELECT failed_step, error_code, error_message FROM workflow.runs WHERE run_id = :'run';
SELECT ordinal, name, state, error_code, error_message FROM workflow.steps WHERE run_id = :'run' AND kind = 'undo';
SELECT workflow.retry_run(:'run');
CALL work();
CALL workflow.wait_for_run(:'run');
SELECT done();
TRUNCATE done RESTART IDENTITY;

-- what takes too long is undone, and its undo has the time it takes
SELECT workflow.enqueue_workflow('vends', '{"how": "wait", "amount": 8}', run_timeout => '50 ms') AS run \gset
CALL wait_till(:'run', 'compensating task');
SELECT pg_sleep(0.2);
CALL work();
CALL workflow.wait_for_run(:'run');
SELECT state, error_code FROM workflow.runs WHERE run_id = :'run';
SELECT done();
TRUNCATE done RESTART IDENTITY;

-- a queue that is not there any more parks the run; given up, it ends
CREATE FUNCTION vends_there(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.compensate_task('refund', 'no such queue', policy => workflow.policy(timeout => '1 min'));
	RETURN workflow.step('fails', 'SELECT 1/0');
END $$;
SELECT workflow.create_workflow('vends_there');
SELECT workflow.enqueue_workflow('vends_there') AS run \gset
CALL wait_till(:'run', 'parked repair');
SELECT failed_step, error_code, error_message FROM workflow.runs WHERE run_id = :'run';
SELECT workflow.cancel_run(:'run', compensate => false);
CALL workflow.wait_for_run(:'run');

-- what cannot be is said where it is asked for
SELECT workflow.compensate_task('refund', 'refunds');
CREATE FUNCTION vends_wrongly(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.compensate_task('refund', NULL);
END $$;
SELECT workflow.create_workflow('vends_wrongly');
SELECT workflow.enqueue_workflow('vends_wrongly') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT kind, name, error FROM workflow.try_workflow('vends', '{"amount": 9}');

SELECT workflow.drop_queue('refunds', force => true);
