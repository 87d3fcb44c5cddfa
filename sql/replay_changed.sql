-- A body that is changed while a run of it is under way: matching calls go on,
-- different ones park the run with both sides shown, and retry_run() goes on
-- after repair.
CREATE SCHEMA t_changed;
SET search_path = t_changed, public;
\pset null '(null)'

CREATE TABLE gate (name text PRIMARY KEY, open boolean NOT NULL DEFAULT false);
CREATE TABLE effect (what text);
INSERT INTO gate VALUES ('a');

-- the second step fails for good until the gate is open
CREATE FUNCTION pass(gate_name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF NOT (SELECT open FROM gate WHERE name = gate_name) THEN
    RAISE EXCEPTION 'gate "%" is closed', gate_name;
  END IF;
  INSERT INTO effect VALUES (gate_name);
  RETURN 'passed';
END $$;
CREATE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('first', 'INSERT INTO effect VALUES ($1)', 'first'::text);
  PERFORM workflow.step('second', 'SELECT pass($1)', 'a'::text);
  RETURN '"version 1"';
END $$;
SELECT workflow.create_workflow('t_changed', 'body', on_failure => 'park');

SELECT workflow.enqueue_workflow('t_changed') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT state, waiting_for, failed_step, steps_done, error_code FROM workflow.runs WHERE run_id = :'run';

-- another name, another command, another argument, another argument type,
-- a missing call
CREATE OR REPLACE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('1st', 'INSERT INTO effect VALUES ($1)', 'first'::text);
  RETURN '"version 2"';
END $$;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');
SET client_min_messages = error;
SELECT workflow.why(:'run') LIKE '%"first"%"1st"%' AS both_sides_shown;

CREATE OR REPLACE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('first', 'INSERT INTO effect SELECT $1', 'first'::text);
  RETURN '"version 3"';
END $$;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');

CREATE OR REPLACE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('first', 'INSERT INTO effect VALUES ($1)', 'First'::text);
  RETURN '"version 4"';
END $$;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');

CREATE OR REPLACE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('first', 'INSERT INTO effect VALUES ($1)', NULL::text);
  RETURN '"version 5"';
END $$;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');

CREATE OR REPLACE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN '"version 6"';
END $$;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');

-- the step that failed is tried again, and may be another one
CREATE OR REPLACE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('first', 'INSERT INTO effect VALUES ($1)', 'first'::text);
  PERFORM workflow.step('another', 'SELECT 1 / 0');
  RETURN '"version 7"';
END $$;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');

-- gone, then there again but not as a body, then good: and the gate is open
DROP FUNCTION body;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');
CREATE FUNCTION body(input jsonb) RETURNS text LANGUAGE sql AS 'SELECT ''no''';
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');
DROP FUNCTION body;
UPDATE gate SET open = true;
CREATE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  a jsonb := workflow.step('first', 'INSERT INTO effect VALUES ($1)', 'first'::text);
  b text := workflow.step_text('second', 'SELECT pass($1)', 'a'::text);
BEGIN
  PERFORM workflow.step('third, new', 'INSERT INTO effect VALUES (''third'')');
  RETURN jsonb_build_array('version 8', a, b);
END $$;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');
SELECT what, count(*) FROM effect GROUP BY what ORDER BY what;
SELECT ordinal, name, state, attempt, error_code FROM workflow.steps WHERE run_id = :'run' ORDER BY ordinal;

-- nothing is left to retry
SELECT workflow.retry_run(:'run');

SELECT workflow.drop_workflow('t_changed', force => true);
DROP SCHEMA t_changed CASCADE;
