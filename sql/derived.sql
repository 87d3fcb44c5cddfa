-- now(), random() and uuid() of a body: the same in every replay, and what a
-- run knows of itself.
SET client_min_messages = warning;
CREATE SCHEMA t_derived;
SET search_path = t_derived, public;
\pset null '(null)'

-- what each replay saw, told through an argument of the step that follows
CREATE TABLE seen (run_id uuid, ordinal int, at timestamptz, r float8, r2 float8, u uuid,
                   key text, attempt int);

CREATE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  at  timestamptz[];
  r   float8[];
  u   uuid[];
BEGIN
  FOR i IN 1..3 LOOP
    at[i] := workflow.now();
    r := r || workflow.random() || workflow.random();
    u := u || workflow.uuid();
    PERFORM workflow.step('note', 'INSERT INTO seen VALUES ($1, $2, $3, $4, $5, $6, workflow.idempotency_key(), workflow.attempt())',
                          workflow.run_id(), i, at[i], r[2 * i - 1], r[2 * i], u[i]);
  END LOOP;
  -- all of it again: a replay that saw anything else would have other arguments
  PERFORM workflow.step('all', 'SELECT $1 AS at, $2 AS r, $3 AS u', at, r, u);
  RETURN jsonb_build_object('at', at, 'r', r, 'u', u, 'key', workflow.idempotency_key(),
                            'run', workflow.run_id());
END $$;
SELECT workflow.create_workflow('t_derived', 'body');
SELECT workflow.enqueue_workflow('t_derived') AS run \gset
SELECT workflow.enqueue_workflow('t_derived') AS other \gset
CALL workflow.wait_until_idle('60 s');
SELECT state, steps_done, error_message FROM workflow.runs WHERE workflow = 't_derived';

-- the result of the last replay is what each step was given
SELECT s.ordinal,
       s.at = (r.result->'at'->>(s.ordinal - 1))::timestamptz AS at,
       s.r = (r.result->'r'->>(2 * s.ordinal - 2))::float8 AS r,
       s.r2 = (r.result->'r'->>(2 * s.ordinal - 1))::float8 AS r2,
       s.u = (r.result->'u'->>(s.ordinal - 1))::uuid AS u,
       s.key = s.run_id || '/' || s.ordinal AS key,
       s.attempt
  FROM seen s JOIN workflow.runs r USING (run_id)
 WHERE run_id = :'run' ORDER BY 1;
SELECT result->>'run' = :'run' AS run, result->>'key' = :'run' || '/5' AS key
  FROM workflow.runs WHERE run_id = :'run';

-- the first now() is the run's start, the others the checkpoints' times
SELECT s.ordinal, s.at = CASE s.ordinal WHEN 1 THEN r.run_at ELSE p.finished_at END AS is_checkpoint
  FROM seen s JOIN workflow.runs r USING (run_id)
  LEFT JOIN workflow.steps p ON p.run_id = s.run_id AND p.ordinal = s.ordinal - 1
 WHERE s.run_id = :'run' ORDER BY 1;
SELECT bool_and(r >= 0 AND r < 1 AND r2 >= 0 AND r2 < 1) AS in_range,
       count(DISTINCT r) + count(DISTINCT r2) AS numbers, count(DISTINCT u) AS uuids,
       bool_and(substr(u::text, 15, 1) = '4') AS version_4
  FROM seen;

-- inside a step: other values than the body's, the same in every attempt
CREATE SEQUENCE tries;
CREATE FUNCTION third_time() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r jsonb := jsonb_build_array(workflow.random(), workflow.uuid(), workflow.now(),
                               workflow.idempotency_key());
BEGIN
  IF nextval('tries') < 3 THEN
    RAISE EXCEPTION USING ERRCODE = '55P03', MESSAGE = r::text;
  END IF;
  RETURN jsonb_build_array(r, workflow.attempt());
END $$;
CREATE FUNCTION in_step(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r float8 := workflow.random();
BEGIN
  RETURN workflow.step('t', 'SELECT third_time()',
                       workflow.policy(initial_delay => (input->>'delay')::interval)) || to_jsonb(r);
END $$;
SELECT workflow.create_workflow('t_derived_step', 'in_step');
SELECT workflow.enqueue_workflow('t_derived_step', '{"delay": "300 ms"}') AS run \gset
-- the error of an attempt holds what that attempt saw
CALL workflow.wait_until_idle('60 s');
SELECT error_message AS first_try FROM workflow.steps WHERE run_id = :'run' \gset
CALL workflow.wait_for_run(:'run') \gset
SELECT (result->0)::text = :'first_try' AS same, result->1 AS attempt, result->0->>0 <> result->>2 AS not_the_bodys
  FROM workflow.runs WHERE run_id = :'run';

-- retry_run() changes nothing of it
CREATE TABLE repaired (a int);
CREATE FUNCTION fails_first(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('derived', 'SELECT $1 AS at, $2 AS r, $3 AS u', workflow.now(), workflow.random(), workflow.uuid());
  PERFORM workflow.step('repaired', 'SELECT 1 / count(*) FROM repaired');
  RETURN '"done"';
END $$;
SELECT workflow.create_workflow('t_derived_retry', 'fails_first');
SELECT workflow.enqueue_workflow('t_derived_retry', delay => '1 ms') AS run \gset
CALL workflow.wait_for_run(:'run');
INSERT INTO repaired VALUES (1);
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');

SET client_min_messages = error;
SELECT workflow.drop_workflow('t_derived', force => true), workflow.drop_workflow('t_derived_step', force => true),
       workflow.drop_workflow('t_derived_retry', force => true);
DROP SCHEMA t_derived CASCADE;
