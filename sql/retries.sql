-- Retries: back-off, free ones, limits, and retry_run() during a back-off.
SET client_min_messages = warning;
CREATE SCHEMA t_retries;
SET search_path = t_retries, public;
\pset null '(null)'

-- counts attempts where a rollback does not reach
CREATE SEQUENCE tries;
CREATE TABLE effect (what text);

-- raises "code" until it has been called "until" times
CREATE FUNCTION flaky(code text, until int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  n int := nextval('tries');
BEGIN
  INSERT INTO effect VALUES (code || ' ' || n);
  IF n < until THEN
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = 'try ' || n;
  END IF;
  RETURN n;
END $$;
CREATE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN workflow.step('flaky', 'SELECT flaky($1, $2)',
                       workflow.policy(max_attempts => (input->>'max')::int,
                                       initial_delay => '1 ms', max_delay => '4 ms', jitter => 0),
                       input->>'code', (input->>'until')::int);
END $$;
SELECT workflow.create_workflow('t_retries', 'body');

-- succeeds at the fifth attempt; the effects of the others are undone
SELECT workflow.enqueue_workflow('t_retries', '{"code": "55P03", "until": 5, "max": 5}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT state, attempt, max_attempts, result, error_code, error_message FROM workflow.steps WHERE run_id = :'run';
SELECT state, waiting_for, due_at, attempts, error_code, error_message FROM workflow.runs WHERE run_id = :'run';
SELECT * FROM effect;
TRUNCATE effect;

-- one attempt too few
SELECT setval('tries', 1, false);
SELECT workflow.enqueue_workflow('t_retries', '{"code": "55P03", "until": 5, "max": 4}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT state, attempt, max_attempts, error_code, error_message FROM workflow.steps WHERE run_id = :'run';
SELECT reason, attempts FROM workflow.dead_letters WHERE run_id = :'run';
SELECT * FROM effect;

-- retry_run() gives a fresh budget; attempts go on rising
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');
SELECT state, attempt, max_attempts FROM workflow.steps WHERE run_id = :'run';

-- serialization failures and deadlocks are free, whatever the limit
SELECT setval('tries', 1, false);
SELECT workflow.enqueue_workflow('t_retries', '{"code": "40001", "until": 90, "max": 1}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT state, attempt, max_attempts FROM workflow.steps WHERE run_id = :'run';
SELECT setval('tries', 1, false);
SELECT workflow.enqueue_workflow('t_retries', '{"code": "40P01", "until": 3, "max": 2}') AS run \gset
CALL workflow.wait_for_run(:'run');
-- ... but not for ever: a hundred free ones, then two attempts
SELECT setval('tries', 1, false);
SELECT workflow.enqueue_workflow('t_retries', '{"code": "40001", "until": 1000, "max": 2}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT state, attempt, max_attempts FROM workflow.steps WHERE run_id = :'run';
SELECT last_value FROM tries;

-- no limit
SELECT setval('tries', 1, false);
SELECT workflow.enqueue_workflow('t_retries', '{"code": "55P03", "until": 40, "max": null}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT state, attempt, max_attempts FROM workflow.steps WHERE run_id = :'run';

-- in back-off: shown as such, and retry_run() makes it go on now
CREATE TABLE open_now (a int);
CREATE FUNCTION needs_row() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM open_now;
  IF NOT FOUND THEN
    RAISE lock_not_available;
  END IF;
END $$;
CREATE FUNCTION waits(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('wait', 'SELECT needs_row()');
  RETURN '"done"';
END $$;
SELECT workflow.create_workflow('t_retries_waits', 'waits',
                                policy => workflow.policy(initial_delay => '1 hour', jitter => 0));
SELECT workflow.enqueue_workflow('t_retries_waits') AS run \gset
CALL workflow.wait_until_idle('60 s');
SELECT state, waiting_for, error_code,
       due_at BETWEEN now() + '59 min' AND now() + '61 min' AS in_an_hour
  FROM workflow.runs WHERE run_id = :'run';
SELECT state, attempt, error_code, due_at BETWEEN now() + '59 min' AND now() + '61 min' AS in_an_hour
  FROM workflow.steps WHERE run_id = :'run';
SELECT workflow.why(:'run') LIKE '%lock_not_available%' AS says_why;
CALL workflow.wait_for_run(:'run', '10 ms');
INSERT INTO open_now VALUES (1);
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');
SELECT state, attempt, due_at FROM workflow.steps WHERE run_id = :'run';

-- the policy of a workflow holds where the call gives none
SELECT setval('tries', 1, false);
CREATE FUNCTION no_policy(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN workflow.step('flaky', 'SELECT flaky(''55P03'', 1000)');
END $$;
SELECT workflow.create_workflow('t_retries_policy', 'no_policy',
                                policy => workflow.policy(max_attempts => 3, initial_delay => '0 s'));
SELECT workflow.enqueue_workflow('t_retries_policy') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT state, attempt, max_attempts FROM workflow.steps WHERE run_id = :'run';

SET client_min_messages = error;
SELECT workflow.drop_workflow('t_retries', force => true),
       workflow.drop_workflow('t_retries_waits', force => true),
       workflow.drop_workflow('t_retries_policy', force => true);
DROP SCHEMA t_retries CASCADE;
