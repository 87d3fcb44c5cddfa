--
-- cancel_run(), retry_run() and why()
--
CREATE SCHEMA req;
SET search_path = req;
CREATE TABLE gate (name text PRIMARY KEY, open boolean);
INSERT INTO gate VALUES ('a', false), ('b', false);
-- fails while its gate is closed: by an error that waiting heals, or not
CREATE FUNCTION pass(gate_name text, code text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF NOT (SELECT open FROM req.gate WHERE name = gate_name) THEN
		RAISE EXCEPTION 'gate % is closed', gate_name
			USING ERRCODE = code, DETAIL = 'Nobody has opened it.', HINT = 'Open it.';
	END IF;
	RETURN 'through';
END $$;
CREATE FUNCTION gated(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('first', 'SELECT 1');
	RETURN workflow.step('gate', 'SELECT req.pass($1, $2)',
						 workflow.policy(initial_delay => '1 hour', jitter => 0, max_attempts => 3),
						 input->>'gate', input->>'code');
END $$;
SELECT workflow.create_workflow('gated');
SELECT workflow.create_workflow('parking', 'gated', on_failure => 'park');
-- times and ids differ from run to run
CREATE FUNCTION why(id uuid) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(workflow.why(id),
		'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[^ ,.]*', '<time>', 'g'), 'executor \d+', 'executor <pid>') $$;

-- an error that waiting cannot heal: the run fails, and goes on from there
SELECT workflow.enqueue_workflow('gated', '{"gate": "a", "code": "22023"}') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT state, failed_step, error_code, error_message, steps_done, attempts
  FROM workflow.runs WHERE run_id = :'id' \gx
SELECT why(:'id');
SELECT workflow.cancel_run(:'id');
UPDATE gate SET open = true WHERE name = 'a';
SELECT workflow.retry_run(:'id', reason => 'opened');
-- waits for what the retry brings, not for what was
CALL workflow.wait_for_run(:'id');
SELECT state, result, error_code, steps_done FROM workflow.runs WHERE run_id = :'id' \gx
SELECT why(:'id');
SELECT ordinal, name, state, attempt FROM workflow.steps WHERE run_id = :'id' ORDER BY 1;
SELECT workflow.retry_run(:'id');

-- an error that waiting may heal: back-off, and on now
SELECT workflow.enqueue_workflow('gated', '{"gate": "b", "code": "53000"}') AS id \gset
CALL workflow.wait_until_idle();
SELECT state, waiting_for, due_at > enqueued_at + interval '59 min' AS later
  FROM workflow.runs WHERE run_id = :'id';
SELECT name, state, attempt, max_attempts, error_code, error_message
  FROM workflow.steps WHERE run_id = :'id' ORDER BY ordinal;
SELECT why(:'id');
SELECT workflow.retry_run(:'id');
CALL workflow.wait_until_idle();
SELECT state, attempt FROM workflow.steps WHERE run_id = :'id' AND name = 'gate';
SELECT workflow.retry_run(:'id');
CALL workflow.wait_for_run(:'id');
SELECT kind, workflow, failed_step, reason, error_code, error_message, attempts
  FROM workflow.dead_letters WHERE run_id = :'id' \gx
SELECT why(:'id');

-- parked: stops at the step, and goes on there after repair
SELECT workflow.enqueue_workflow('parking', '{"gate": "b", "code": "22023"}') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT state, waiting_for, failed_step FROM workflow.runs WHERE run_id = :'id';
SELECT why(:'id');
SELECT count(*) FROM workflow.dead_letters WHERE run_id = :'id';
UPDATE gate SET open = true WHERE name = 'b';
SELECT workflow.retry_run(:'id', delay => '1 hour');
CALL workflow.wait_until_idle();
SELECT state, waiting_for FROM workflow.runs WHERE run_id = :'id';
SELECT why(:'id');

-- cancel: one that waits, one that is delayed, one that was just enqueued
SELECT workflow.cancel_run(:'id', reason => 'changed our mind');
CALL workflow.wait_for_run(:'id');
SELECT why(:'id');
SELECT workflow.cancel_run(:'id');
SELECT workflow.enqueue_workflow('gated', delay => '1 day') AS id \gset
SELECT why(:'id');
BEGIN;
SELECT workflow.cancel_run(:'id');
SELECT why(:'id');
ROLLBACK;
SELECT workflow.cancel_run(:'id');
CALL workflow.wait_for_run(:'id');

-- a running step is cancelled at once
CREATE FUNCTION sleepy(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('sleep', 'SELECT pg_sleep(600)');
END $$;
SELECT workflow.create_workflow('sleepy');
SELECT workflow.enqueue_workflow('sleepy') AS id \gset
DO $$
BEGIN
	FOR i IN 1..1000 LOOP
		EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid <> pg_backend_pid());
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
SELECT why(:'id');
SELECT state, waiting_for, executor_pid IS NOT NULL AS pid FROM workflow.runs WHERE run_id = :'id';
SELECT ordinal, name, kind, state, attempt FROM workflow.steps WHERE run_id = :'id';
SELECT state, workflow, ordinal, step, attempt FROM workflow.stat_executors WHERE run_id = :'id';
SELECT workflow.cancel_run(:'id');
CALL workflow.wait_for_run(:'id', '10 s');

-- paused and stopped
SELECT workflow.pause_workflow('gated', 'lunch');
SELECT workflow.enqueue_workflow('gated', '{"gate": "a"}') AS id \gset
SELECT why(:'id');
CALL workflow.wait_until_idle();
SELECT workflow.stop('maintenance');
SELECT why(:'id');
SELECT enabled, stopped, stop_reason FROM workflow.status;
SELECT workflow.resume_workflow('gated');
SELECT workflow.start();
CALL workflow.wait_for_run(:'id');

-- the bulk form, which skips what has ended
SELECT count(workflow.enqueue_workflow('gated', delay => '1 day')) FROM generate_series(1, 5);
SELECT cancelled, count(*)
  FROM (SELECT workflow.cancel_run(run_id) AS cancelled FROM workflow.runs WHERE workflow = 'gated' OFFSET 0) x
 GROUP BY 1 ORDER BY 1;
CALL workflow.wait_until_idle();
SELECT state, count(*) FROM workflow.runs WHERE workflow = 'gated' GROUP BY 1 ORDER BY 1;

SELECT count(workflow.drop_workflow(w)) FROM unnest('{gated,parking,sleepy}'::text[]) w;
\set VERBOSITY terse
DROP SCHEMA req CASCADE;
