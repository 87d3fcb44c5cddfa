-- Step time-outs, run time-outs, and parking instead of failing.
SET client_min_messages = warning;
CREATE SCHEMA t_timeouts;
SET search_path = t_timeouts, public;
\pset null '(null)'

CREATE TABLE effect (what text);

-- a step that takes too long raises WF003, which WHEN OTHERS does catch
CREATE FUNCTION slow(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('slow', 'WITH i AS (INSERT INTO effect VALUES (''slow'') RETURNING 1) SELECT pg_sleep(60) FROM i',
                        workflow.policy(timeout => '50 ms', max_attempts => 2, initial_delay => '0 s'));
  RETURN '"not reached"';
EXCEPTION WHEN OTHERS THEN
  RETURN jsonb_build_array(SQLSTATE, SQLERRM);
END $$;
SELECT workflow.create_workflow('t_timeouts_slow', 'slow');
SELECT workflow.enqueue_workflow('t_timeouts_slow') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT name, state, attempt, error_code, error_message FROM workflow.steps WHERE run_id = :'run';

-- one that catches the time-out inside the step is still ended
CREATE FUNCTION stubborn_work() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..3 LOOP
    BEGIN
      PERFORM pg_sleep(20);
    EXCEPTION WHEN query_canceled THEN
      NULL;
    END;
  END LOOP;
  RETURN 'gave in';
END $$;
CREATE FUNCTION stubborn(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN workflow.step('stubborn', 'SELECT stubborn_work()',
                       workflow.policy(timeout => '50 ms', max_attempts => 1));
END $$;
SELECT workflow.create_workflow('t_timeouts_stubborn', 'stubborn');
SELECT workflow.enqueue_workflow('t_timeouts_stubborn') AS run \gset
CALL workflow.wait_for_run(:'run');

-- the whole run: a long step, a back-off, a long body, and one not yet begun
CREATE FUNCTION long_step(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('first', 'INSERT INTO effect VALUES (''first'')');
  BEGIN
    PERFORM workflow.step('long', 'SELECT pg_sleep(60)');
  EXCEPTION WHEN OTHERS OR query_canceled THEN
    NULL;
  END;
  RETURN workflow.step('never', 'INSERT INTO effect VALUES (''never'')');
END $$;
CREATE FUNCTION long_backoff(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('hopeless', 'DO $d$ BEGIN RAISE lock_not_available; END $d$',
                        workflow.policy(initial_delay => '1 hour'));
  RETURN NULL;
END $$;
CREATE FUNCTION long_body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  LOOP
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;
SELECT workflow.create_workflow('t_timeouts_' || f, f, run_timeout => '300 ms')
  FROM unnest(ARRAY['long_step', 'long_backoff', 'long_body']) f;
SELECT workflow.enqueue_workflow('t_timeouts_long_step') AS a,
       workflow.enqueue_workflow('t_timeouts_long_backoff') AS b,
       workflow.enqueue_workflow('t_timeouts_long_body') AS c,
       workflow.enqueue_workflow('t_timeouts_long_step', delay => '1 hour',
                                 run_timeout => '2 hours') AS d \gset
CALL workflow.wait_for_run(:'a');
CALL workflow.wait_for_run(:'b');
CALL workflow.wait_for_run(:'c');
SELECT state, waiting_for FROM workflow.runs WHERE run_id = :'d';
SELECT workflow, state, error_code, error_message, steps_done FROM workflow.runs
 WHERE workflow LIKE 't\_timeouts\_long%' AND state <> 'queued' ORDER BY 1;
SELECT reason, count(*) FROM workflow.dead_letters WHERE workflow LIKE 't\_timeouts\_long%' GROUP BY 1;
SELECT what, count(*) FROM effect GROUP BY 1 ORDER BY 1;
SELECT workflow.cancel_run(:'d');
CALL workflow.wait_for_run(:'d');

-- on_failure => 'park': stops at the step, and goes on from it after repair
CREATE TABLE target (a int);
CREATE FUNCTION parks(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('before', 'INSERT INTO effect VALUES (''before'')');
  BEGIN
    PERFORM workflow.step('missing', 'INSERT INTO target VALUES (1, 2)',
                          workflow.policy(max_attempts => 1));
  EXCEPTION WHEN OTHERS THEN
    PERFORM workflow.step('not with park', 'INSERT INTO effect VALUES (''handler'')');
  END;
  PERFORM workflow.step('after', 'INSERT INTO effect VALUES (''after'')');
  RETURN '"done"';
END $$;
SELECT workflow.create_workflow('t_timeouts_parks', 'parks', on_failure => 'park');
SELECT workflow.enqueue_workflow('t_timeouts_parks') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT state, waiting_for, failed_step, steps_done, attempts, finished_at IS NULL AS unfinished
  FROM workflow.runs WHERE run_id = :'run';
SELECT count(*) FROM workflow.dead_letters WHERE run_id = :'run';
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');
SELECT attempt, max_attempts, state FROM workflow.steps WHERE run_id = :'run' AND ordinal = 2;
ALTER TABLE target ADD b int;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');
SELECT ordinal, name, state, attempt FROM workflow.steps WHERE run_id = :'run' ORDER BY 1;
SELECT what, count(*) FROM effect WHERE what IN ('before', 'after', 'handler') GROUP BY 1 ORDER BY 1;

-- a failed run goes on from its failing step as well; its effects stay once
CREATE FUNCTION fails_once(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('one', 'INSERT INTO effect VALUES (''one'')');
  PERFORM workflow.step('two', 'SELECT c FROM target');
  RETURN '"done"';
END $$;
SELECT workflow.create_workflow('t_timeouts_fails_once', 'fails_once');
SELECT workflow.enqueue_workflow('t_timeouts_fails_once') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT reason, failed_step FROM workflow.dead_letters WHERE run_id = :'run';
ALTER TABLE target ADD c int;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');
SELECT count(*) FROM workflow.dead_letters WHERE run_id = :'run';
SELECT count(*) FROM effect WHERE what = 'one';

SET client_min_messages = error;
SELECT count(workflow.drop_workflow(workflow, force => true))
  FROM (SELECT DISTINCT workflow FROM workflow.runs
         WHERE workflow LIKE 't\_timeouts\_%') w;
DROP SCHEMA t_timeouts CASCADE;
