-- What a step or body leaves in its session is gone before the next step and
-- before the next run of the same process.
SET client_min_messages = warning;
CREATE SCHEMA t_session;
CREATE ROLE t_session LOGIN;
CREATE ROLE t_session_other;
GRANT t_session_other TO t_session;
SELECT workflow.grant_usage('t_session');
GRANT CREATE, USAGE ON SCHEMA t_session TO t_session, t_session_other;
SET ROLE t_session;
SET search_path = t_session, public;
\pset null '(null)'

CREATE TABLE process (pid int);
CREATE SEQUENCE numbers;
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE fired (who text);
CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO fired VALUES (session_user || ' ' || current_user);
  RETURN NULL;
END $$;
CREATE TABLE noisy (a int);
CREATE CONSTRAINT TRIGGER noisy AFTER INSERT ON noisy
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fire();

-- everything a statement can leave behind
CREATE FUNCTION dirty() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO process VALUES (pg_backend_pid());
  SET work_mem = '11MB';
  SET my.setting = 'dirty';
  SET search_path = public;
  SET datestyle = 'German';
  SET transaction_isolation = 'read committed';
  PERFORM set_config('application_name', 'dirty', false);
  PERFORM pg_advisory_lock(4711);
  PERFORM pg_advisory_lock_shared(47, 11);
  PERFORM nextval('t_session.numbers');
  CREATE TEMP TABLE leftover (a int);
  CREATE FUNCTION pg_temp.leftover() RETURNS int LANGUAGE sql AS 'SELECT 1';
  EXECUTE 'PREPARE leftover AS SELECT 1';
  EXECUTE 'DECLARE leftover_hold CURSOR WITH HOLD FOR SELECT generate_series(1, 3)';
  SET ROLE t_session_other;
  RETURN 'dirty';
END $$;
CREATE FUNCTION look() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  last_number text;
BEGIN
  BEGIN
    last_number := lastval();
  EXCEPTION WHEN OTHERS THEN
    last_number := SQLSTATE;
  END;
  RETURN jsonb_build_object(
    'work_mem', current_setting('work_mem') <> '11MB',
    'setting', coalesce(nullif(current_setting('my.setting', true), ''), 'unset'),
    'search_path', current_setting('search_path'),
    'datestyle', current_setting('datestyle') <> 'German, DMY',
    'application_name', current_setting('application_name') <> 'dirty',
    'locks', (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
    'lastval', last_number,
    'temp', to_regclass('pg_temp.leftover'),
    'temp function', to_regprocedure('pg_temp.leftover()'),
    'prepared', (SELECT count(*) FROM pg_prepared_statements),
    'cursors', (SELECT count(*) FROM pg_cursors WHERE name LIKE 'leftover%'),
    'listening', (SELECT count(*) FROM pg_listening_channels()),
    'user', current_user = 't_session' AND session_user = 't_session');
END $$;
CREATE FUNCTION dirties(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r jsonb;
BEGIN
  PERFORM workflow.step('dirty', 'SELECT dirty()');
  r := workflow.step('look', 'SELECT look()');
  -- the same twice, and once more in a step that fails
  PERFORM workflow.step('dirty', 'SELECT dirty()');
  BEGIN
    PERFORM workflow.step('dirty', 'SELECT dirty(), 1 / 0');
  EXCEPTION WHEN division_by_zero THEN NULL;
  END;
  RETURN r;
END $$;
-- and what a read-only body can leave
CREATE FUNCTION dirties_in_body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  SET work_mem = '11MB';
  SET my.setting = 'dirty';
  SET search_path = public;
  PERFORM pg_advisory_lock(4711);
  EXECUTE 'PREPARE leftover AS SELECT 1';
  EXECUTE 'DECLARE leftover_hold CURSOR WITH HOLD FOR SELECT generate_series(1, 3)';
  PERFORM workflow.step('process', 'INSERT INTO t_session.process VALUES (pg_backend_pid())');
  RETURN workflow.step('look', 'SELECT t_session.look()');
END $$;
CREATE FUNCTION looks(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('process', 'INSERT INTO process VALUES (pg_backend_pid())');
  RETURN jsonb_build_object('body', look(), 'step', workflow.step('look', 'SELECT look()'));
END $$;
SELECT workflow.create_workflow('t_session_' || f, f)
  FROM unnest(ARRAY['dirties', 'dirties_in_body', 'looks']) f;

SELECT workflow.enqueue_workflow('t_session_dirties') AS run \gset
CALL workflow.wait_for_run(:'run') \gset
\echo :state :error
SELECT jsonb_pretty(:'result'::jsonb) AS next_step;
SELECT workflow.enqueue_workflow('t_session_looks') AS run \gset
CALL workflow.wait_for_run(:'run') \gset
\echo :state :error
SELECT :'result'::jsonb->'body' = :'result'::jsonb->'step' AS same, jsonb_pretty(:'result'::jsonb->'step') AS next_run;
SELECT workflow.enqueue_workflow('t_session_dirties_in_body') AS run \gset
CALL workflow.wait_for_run(:'run') \gset
\echo :state :error
SELECT jsonb_pretty(:'result'::jsonb) AS next_step;
SELECT workflow.enqueue_workflow('t_session_looks') AS run \gset
CALL workflow.wait_for_run(:'run') \gset
\echo :state :error
SELECT :'result'::jsonb->'body' = :'result'::jsonb->'step' AS same, jsonb_pretty(:'result'::jsonb->'step') AS next_run;
SELECT count(DISTINCT pid) AS processes, count(*) AS times FROM process;

-- LISTEN is nothing for a background process, in a body or a step
CREATE FUNCTION listens(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('listen', 'LISTEN leftover');
  RETURN NULL;
END $$;
SELECT workflow.create_workflow('t_session_listens', 'listens');
SELECT workflow.enqueue_workflow('t_session_listens') AS run \gset
CALL workflow.wait_for_run(:'run');

-- deferred: a constraint that fails is the step's failure, with nothing left;
-- a trigger runs as the run's owner, before the checkpoint
CREATE FUNCTION deferred(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r jsonb := '[]';
BEGIN
  BEGIN
    PERFORM workflow.step('bad child', 'INSERT INTO child VALUES (1)');
  EXCEPTION WHEN foreign_key_violation THEN
    r := r || to_jsonb(SQLERRM);
  END;
  PERFORM workflow.step('both', 'WITH c AS (INSERT INTO child VALUES (2)) INSERT INTO parent VALUES (2)');
  PERFORM workflow.step('trigger', 'INSERT INTO noisy VALUES (1)');
  RETURN r;
END $$;
SELECT workflow.create_workflow('t_session_deferred', 'deferred');
SELECT workflow.enqueue_workflow('t_session_deferred') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT name, state, error_code FROM workflow.steps WHERE run_id = :'run' ORDER BY ordinal;
SELECT id FROM child;
SELECT * FROM fired;

RESET ROLE;
SET client_min_messages = error;
SELECT count(workflow.drop_workflow(workflow, force => true))
  FROM (SELECT DISTINCT workflow FROM workflow.runs WHERE workflow LIKE 't\_session\_%') w;
SELECT workflow.revoke_usage('t_session');
DROP SCHEMA t_session CASCADE;
DROP ROLE t_session, t_session_other;
