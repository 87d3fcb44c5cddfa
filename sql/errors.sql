-- What becomes of errors: of steps, of bodies, caught and uncaught.
SET client_min_messages = warning;
CREATE SCHEMA t_errors;
SET search_path = t_errors, public;
\pset null '(null)'

CREATE TABLE tried (workflow text, attempt int);
CREATE TABLE bounded (a int CHECK (a < 10));

-- notes nothing, as it is rolled back; raises what it is told to
CREATE FUNCTION raise(code text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = code, MESSAGE = 'raised ' || code,
    DETAIL = 'Detail of ' || code || '.', HINT = 'Hint of ' || code || '.';
END $$;

-- one step that raises input.code, at most three attempts, without delay
CREATE FUNCTION fails(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('good', 'INSERT INTO bounded VALUES (1)');
  PERFORM workflow.step('bad', 'SELECT raise($1)',
                        workflow.policy(max_attempts => 3, initial_delay => '0 s'),
                        input->>'code');
  RETURN '"not reached"';
END $$;
SELECT workflow.create_workflow('t_errors_fails', 'fails');

-- waiting cannot heal the first lot; the second is tried three times
SELECT count(workflow.enqueue_workflow('t_errors_fails', jsonb_build_object('code', c)))
  FROM unnest(ARRAY['0A000', '21000', '22012', '23505', '25001', '26000',
                    '28000', '2BP01', '2F003', '34000', '3F000', '42501',
                    '42P01', '44000', 'P0001', 'WF001',
                    '08006', '38000', '53100', '55P03', '57P03', '58030',
                    'XX000', 'ZZ123', '01234', 'WF003']) c;
CALL workflow.wait_until_idle('60 s');
SELECT input->>'code' AS code, r.state, r.error_code, r.failed_step, r.steps_done,
       r.attempts, s.state AS step, s.attempt, s.max_attempts, d.reason
  FROM workflow.runs r
  JOIN workflow.steps s ON s.run_id = r.run_id AND s.ordinal = 2
  LEFT JOIN workflow.dead_letters d ON d.run_id = r.run_id
 WHERE r.workflow = 't_errors_fails' ORDER BY s.attempt, code;

-- message, detail and hint of one
SELECT run_id AS run FROM workflow.runs
 WHERE workflow = 't_errors_fails' AND input->>'code' = '42501' \gset
SELECT error_code, error_message FROM workflow.steps WHERE run_id = :'run' AND ordinal = 2;
CALL workflow.wait_for_run(:'run');
SELECT kind, workflow, queue, owner = current_user AS mine, failed_step, reason,
       error_code, error_message, attempts, died_at IS NOT NULL AS died
  FROM workflow.dead_letters WHERE run_id = :'run';
\a\t
SELECT regexp_replace(workflow.why(:'run'), ' at [^ ]* [^ ]* ', ' ') AS why;
\a\t

-- retry_on and no_retry_on: five characters beat a class, transient wins
CREATE FUNCTION lists(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('bad', 'SELECT raise($1)',
                        workflow.policy(max_attempts => 2, initial_delay => '0 s',
                                        retry_on => ARRAY['22', '23505'],
                                        no_retry_on => ARRAY['22012', '23', '55P03']),
                        input->>'code');
  RETURN NULL;
END $$;
SELECT workflow.create_workflow('t_errors_lists', 'lists');
SELECT count(workflow.enqueue_workflow('t_errors_lists', jsonb_build_object('code', c)))
  FROM unnest(ARRAY['22000', '22012', '23505', '23503', '55P03']) c;
CALL workflow.wait_until_idle('60 s');
SELECT input->>'code' AS code, state, attempts FROM workflow.runs
 WHERE workflow = 't_errors_lists' ORDER BY 1;

-- errors of the step's statement itself, and of its constraint
CREATE FUNCTION caught(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  m text; d text; h text; c text;
BEGIN
  BEGIN
    PERFORM workflow.step('check', 'INSERT INTO bounded VALUES (11)');
  EXCEPTION WHEN check_violation THEN
    GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL;
    c := SQLSTATE;
  END;
  -- the other way
  PERFORM workflow.step('instead', 'INSERT INTO bounded VALUES (5)');
  BEGIN
    PERFORM workflow.step('raise', 'SELECT raise(''22023'')');
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS h = PG_EXCEPTION_HINT;
    h := SQLSTATE || ' ' || SQLERRM || ' ' || h;
  END;
  RETURN jsonb_build_array(c, m, d, h);
END $$;
SELECT workflow.create_workflow('t_errors_caught', 'caught');
SELECT workflow.enqueue_workflow('t_errors_caught') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT ordinal, name, state, error_code, error_message FROM workflow.steps WHERE run_id = :'run' ORDER BY 1;

-- fail(), in the body and in a step
CREATE FUNCTION fails_itself(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF (input->>'where') = 'body' THEN
    PERFORM workflow.fail('no such order', 'Order 7 is unknown.');
  ELSE
    PERFORM workflow.step('s', 'SELECT workflow.fail(''said the step'')');
  END IF;
  RETURN NULL;
END $$;
SELECT workflow.create_workflow('t_errors_fail', 'fails_itself');
SELECT workflow.enqueue_workflow('t_errors_fail', '{"where": "body"}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT workflow.enqueue_workflow('t_errors_fail', '{"where": "step"}') AS run \gset
CALL workflow.wait_for_run(:'run');

-- errors of the body itself: permanent at once, transient with back-off
CREATE FUNCTION bad_body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('good', 'SELECT 1');
  BEGIN
    PERFORM workflow.step('caught', 'SELECT 1/0');
  EXCEPTION WHEN division_by_zero THEN NULL;
  END;
  PERFORM raise(input->>'code');
  RETURN NULL;
END $$;
SELECT workflow.create_workflow('t_errors_body', 'bad_body',
                                policy => workflow.policy(max_attempts => 3, initial_delay => '0 s'));
SELECT count(workflow.enqueue_workflow('t_errors_body', jsonb_build_object('code', c)))
  FROM unnest(ARRAY['22000', '55P03', 'P0001', '40001']) c;
CALL workflow.wait_until_idle('60 s');
SELECT input->>'code' AS code, r.state, r.error_code, r.error_message, r.failed_step, r.attempts,
       d.reason
  FROM workflow.runs r LEFT JOIN workflow.dead_letters d USING (run_id)
 WHERE r.workflow = 't_errors_body' ORDER BY 1;

SET client_min_messages = error;
SELECT count(workflow.drop_workflow(workflow, force => true))
  FROM (SELECT DISTINCT workflow FROM workflow.runs
         WHERE workflow LIKE 't\_errors\_%') w;
DROP SCHEMA t_errors CASCADE;
