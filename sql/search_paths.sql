-- Body and steps run under the search_path of the workflow, whoever enqueues
-- and whatever went wrong in the process before.
SET client_min_messages = warning;
CREATE SCHEMA t_path_a;
CREATE SCHEMA t_path_b;
CREATE ROLE t_path LOGIN;
SELECT workflow.grant_usage('t_path');
GRANT ALL ON SCHEMA t_path_a, t_path_b TO t_path;
SET ROLE t_path;
\pset null '(null)'

CREATE FUNCTION t_path_a.who() RETURNS text LANGUAGE sql AS 'SELECT ''a''';
CREATE FUNCTION t_path_b.who() RETURNS text LANGUAGE sql AS 'SELECT ''b''';
CREATE TABLE t_path_a.tries (n int);
CREATE TABLE t_path_b.tries (n int);
CREATE SEQUENCE t_path_a.attempts;

-- the same text under two paths: plans must not be mixed up
CREATE FUNCTION t_path_a.body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r jsonb := to_jsonb(current_setting('search_path'));
BEGIN
  FOR i IN 1..3 LOOP
    r := r || to_jsonb(who()) || workflow.step('who', 'SELECT who()');
    BEGIN
      PERFORM workflow.step('fails', 'INSERT INTO tries SELECT 1 / 0');
    EXCEPTION WHEN division_by_zero THEN
      r := r || to_jsonb(who()) || workflow.step('who', 'SELECT who()');
    END;
  END LOOP;
  RETURN r;
END $$;
CREATE FUNCTION t_path_b.body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r jsonb := to_jsonb(current_setting('search_path'));
BEGIN
  FOR i IN 1..3 LOOP
    r := r || to_jsonb(who()) || workflow.step('who', 'SELECT who()');
    BEGIN
      PERFORM workflow.step('fails', 'INSERT INTO tries SELECT 1 / 0');
    EXCEPTION WHEN division_by_zero THEN
      r := r || to_jsonb(who()) || workflow.step('who', 'SELECT who()');
    END;
  END LOOP;
  RETURN r;
END $$;
-- fails in its very first transaction, is tried again at once and later
CREATE FUNCTION t_path_a.flaky(code text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('attempts') < 4 THEN
    RAISE EXCEPTION USING ERRCODE = code;
  END IF;
  RETURN who();
END $$;
CREATE FUNCTION t_path_a.retries(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN workflow.step('flaky', 'SELECT flaky($1)',
                       workflow.policy(initial_delay => '1 ms', max_delay => '1 ms'),
                       input->>'code');
END $$;

-- recorded from the session, given, and of the body itself
SET search_path = t_path_a, public;
SELECT workflow.create_workflow('t_path_a', 'body');
SET search_path = public;
SELECT workflow.create_workflow('t_path_b', 't_path_b.body', search_path => 't_path_b, pg_catalog');
SELECT workflow.create_workflow('t_path_retries', 't_path_a.retries', search_path => 't_path_a');
ALTER FUNCTION t_path_b.body SET search_path = "t_path_b";
SELECT workflow.create_workflow('t_path_own', 't_path_b.body');
SELECT workflow, search_path FROM workflow.workflows WHERE workflow LIKE 't\_path%' ORDER BY 1;
-- what the role has set for itself does not matter
RESET ROLE;
ALTER ROLE t_path SET search_path = t_path_b;
SET ROLE t_path;

SELECT workflow.enqueue_workflow('t_path_retries', '{"code": "55P03"}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT workflow.enqueue_workflow('t_path_b') AS run \gset
CALL workflow.wait_for_run(:'run') \gset
\echo :state :error :result
SELECT workflow.enqueue_workflow('t_path_a') AS run \gset
CALL workflow.wait_for_run(:'run') \gset
\echo :state :error :result
SELECT workflow.enqueue_workflow('t_path_own') AS run \gset
CALL workflow.wait_for_run(:'run') \gset
\echo :state :error :result
ALTER SEQUENCE t_path_a.attempts RESTART;
SELECT workflow.enqueue_workflow('t_path_retries', '{"code": "40001"}') AS run \gset
CALL workflow.wait_for_run(:'run');

RESET ROLE;
SET client_min_messages = error;
SELECT count(workflow.drop_workflow(workflow, force => true))
  FROM (SELECT DISTINCT workflow FROM workflow.runs WHERE workflow LIKE 't\_path%') w;
SELECT workflow.revoke_usage('t_path');
DROP SCHEMA t_path_a CASCADE;
DROP SCHEMA t_path_b CASCADE;
DROP ROLE t_path;
