-- Tasks: steps of a body that are done by a worker outside.
SET client_min_messages = warning;
SELECT workflow.create_queue('cards', policy => workflow.policy(max_attempts => 2, initial_delay => '1 ms'));

CREATE PROCEDURE wait_for_state(run uuid, wanted text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..2000 LOOP
		EXIT WHEN (SELECT concat_ws(' ', state, waiting_for) = wanted
		             FROM workflow.runs WHERE run_id = run);
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;
-- a worker: takes one message, and does with it what the payload says
CREATE PROCEDURE work(queue text, times int DEFAULT 1) LANGUAGE plpgsql AS $$
DECLARE
	m record;
	done int := 0;
BEGIN
	FOR i IN 1..2000 LOOP
		SELECT * INTO m FROM workflow.receive(queue);
		IF FOUND THEN
			CASE m.payload->>'do'
				WHEN 'refuse' THEN
					PERFORM workflow.nack(m.receipt, 'card refused', final => true, detail => 'code 51');
				WHEN 'fail' THEN
					PERFORM workflow.nack(m.receipt, 'no line');
				ELSE
					PERFORM workflow.ack(m.receipt, jsonb_build_object('paid', m.payload->'amount', 'attempt', m.headers->'attempt'));
			END CASE;
			done := done + 1;
		END IF;
		COMMIT;
		EXIT WHEN done = times;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;

CREATE FUNCTION pays(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	what text;
	more text;
	code text;
BEGIN
	RETURN workflow.task('charge', 'cards', input);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS what = MESSAGE_TEXT, more = PG_EXCEPTION_DETAIL, code = RETURNED_SQLSTATE;
	RETURN jsonb_build_object('code', code, 'message', what, 'detail', more);
END $$;
SELECT workflow.create_workflow('pays');

-- what the worker is told, and what comes back
SELECT workflow.enqueue_workflow('pays', '{"amount": 5}') AS run \gset
CALL wait_for_state(:'run', 'waiting task');
SELECT ordinal, kind, name, s.state, s.message_id = m.message_id AS same
  FROM workflow.steps s JOIN workflow.messages m USING (run_id, ordinal) WHERE run_id = :'run';
SELECT state, payload, headers->>'step' AS step, headers->>'run_id' = :'run' AS run,
       headers->>'idempotency_key' = :'run' || '/1' AS key
  FROM workflow.messages WHERE run_id = :'run';
SELECT regexp_replace(workflow.why(:'run'), 'message \d+', 'message N');
CALL work('cards');
CALL workflow.wait_for_run(:'run');
SELECT ordinal, kind, name, state, result FROM workflow.steps WHERE run_id = :'run';
SELECT count(*) FROM workflow.messages;

-- a final error, and attempts used up
SELECT workflow.enqueue_workflow('pays', '{"do": "refuse"}') AS run \gset
CALL work('cards');
CALL workflow.wait_for_run(:'run');
SELECT workflow.enqueue_workflow('pays', '{"do": "fail"}') AS run \gset
CALL work('cards', 2);
CALL workflow.wait_for_run(:'run');
SELECT ordinal, kind, name, state, error_code, error_message FROM workflow.steps WHERE run_id = :'run';
SELECT count(*) FROM workflow.messages;

-- cancel withdraws it: nobody receives it any more, and who has it is told
SELECT workflow.enqueue_workflow('pays', '{"amount": 1}') AS run \gset
CALL wait_for_state(:'run', 'waiting task');
SELECT workflow.cancel_run(:'run');
CALL workflow.wait_for_run(:'run');
SELECT count(*) FROM workflow.receive('cards');
SELECT workflow.enqueue_workflow('pays', '{"amount": 1}') AS run \gset
CALL wait_for_state(:'run', 'waiting task');
SELECT receipt FROM workflow.receive('cards') \gset
SELECT workflow.cancel_run(:'run');
CALL workflow.wait_for_run(:'run');
\set VERBOSITY sqlstate
SELECT workflow.ack(:'receipt');
\set VERBOSITY default

-- a task of a run cannot be taken away from it
SELECT workflow.enqueue_workflow('pays', '{"amount": 2}') AS run \gset
CALL wait_for_state(:'run', 'waiting task');
SELECT workflow.purge_queue('cards');
SELECT workflow.delete_message(message_id) FROM workflow.messages WHERE run_id = :'run';
CALL work('cards');
CALL workflow.wait_for_run(:'run');

-- at most once: a lease that ends is an unknown outcome
CREATE FUNCTION pays_once(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.task('charge', 'cards', input, workflow.policy(at_most_once => true));
END $$;
SELECT workflow.create_workflow('pays_once');
SELECT workflow.enqueue_workflow('pays_once') AS run \gset
CALL wait_for_state(:'run', 'waiting task');
SELECT count(*) FROM workflow.receive('cards', lease => '10 ms');
CALL workflow.wait_for_run(:'run');
SELECT error_code, error_message FROM workflow.runs WHERE run_id = :'run';

-- what is wrong with the call
CREATE FUNCTION odd_task(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.task(input->>'name', input->>'queue', NULL);
END $$;
SELECT workflow.create_workflow('odd_task');
SELECT workflow.enqueue_workflow('odd_task', '{"name": "a", "queue": "nowhere"}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT workflow.enqueue_workflow('odd_task', '{"name": "a"}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT workflow.task('a', 'cards');

-- one for each item of an array, in order; with a limit, and with errors collected
CREATE FUNCTION pays_all(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.map_task('charge', 'cards', input->'all', max_parallel => (input->>'max')::int,
		on_error => input->>'on_error');
END $$;
SELECT workflow.create_workflow('pays_all');
SELECT workflow.enqueue_workflow('pays_all', '{"all": [{"amount": 1}, {"amount": 2}, {"amount": 3}]}') AS run \gset
CALL work('cards', 3);
CALL workflow.wait_for_run(:'run');
SELECT workflow.enqueue_workflow('pays_all', '{"all": [{"amount": 1}, {"amount": 2}, {"amount": 3}], "max": 1}') AS run \gset
CALL workflow.wait_for_messages('cards', '10 s');
CALL workflow.wait_until_idle();
SELECT count(*), min(payload->>'amount'), bool_and(run_id = :'run' AND headers->>'run_id' = :'run'
       AND headers->>'idempotency_key' = :'run' || '/1/1') AS known
  FROM workflow.messages WHERE queue = 'cards' AND state = 'queued';
CALL work('cards', 3);
CALL workflow.wait_for_run(:'run');
SELECT workflow.enqueue_workflow('pays_all', '{"all": [{"amount": 1}, {"do": "refuse"}, {"amount": 3}], "on_error": "collect"}') AS run \gset
CALL work('cards', 3);
CALL workflow.wait_for_run(:'run');
SELECT workflow.enqueue_workflow('pays_all', '{"all": [{"do": "refuse"}, {"amount": 2}], "max": 1}') AS run \gset
CALL work('cards', 1);
CALL workflow.wait_for_run(:'run');
CALL workflow.wait_until_idle();
SELECT count(*) FROM workflow.messages WHERE queue = 'cards' AND state = 'queued';
SELECT ordinal, kind, name, state, command, error_code FROM workflow.steps WHERE run_id = :'run';
-- those that were done stay done when the run is retried
SELECT workflow.enqueue_workflow('pays_all', '{"all": [{"amount": 1}, {"do": "refuse"}], "max": 1}') AS run \gset
CALL work('cards', 2);
CALL workflow.wait_for_run(:'run');
CALL workflow.wait_until_idle();
SELECT workflow.retry_run(:'run');
CALL work('cards', 1);
CALL workflow.wait_until_idle();
CALL workflow.wait_for_run(:'run');

-- a queue that is dropped with its messages fails the tasks in it
SELECT workflow.create_queue('doomed');
CREATE FUNCTION pays_in_vain(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.task('charge', 'doomed');
END $$;
SELECT workflow.create_workflow('pays_in_vain');
SELECT workflow.enqueue_workflow('pays_in_vain') AS run \gset
CALL wait_for_state(:'run', 'waiting task');
SELECT workflow.drop_queue('doomed', force => true);
CALL workflow.wait_for_run(:'run', '10 s');
SELECT state, error_code FROM workflow.runs WHERE run_id = :'run';
