-- Steps and bodies that reach for the engine's own transaction, session or
-- tables: each is refused or harmless, and the process goes on.
SET client_min_messages = warning;
CREATE SCHEMA t_limits;
SET search_path = t_limits, public;
\pset null '(null)'

CREATE TABLE effect (what text);
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$BEGIN COMMIT; END$$;
CREATE PROCEDURE writes() LANGUAGE sql AS 'INSERT INTO effect VALUES (''procedure'')';
CREATE FUNCTION subtransactions() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  n int := 0;
BEGIN
  FOR i IN 1..100 LOOP
    BEGIN
      INSERT INTO effect VALUES ('sub');
      IF i % 2 = 0 THEN RAISE division_by_zero; END IF;
      n := n + 1;
    EXCEPTION WHEN division_by_zero THEN NULL;
    END;
  END LOOP;
  RETURN n;
END $$;
CREATE FUNCTION nothing(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
CREATE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r jsonb;
BEGIN
  IF input ? 'body' THEN
    EXECUTE input->>'body';
  END IF;
  r := workflow.step('limit', coalesce(input->>'step', 'SELECT 1'),
                     workflow.policy(max_attempts => 1));
  PERFORM workflow.step('after', 'INSERT INTO effect VALUES (''after'')');
  RETURN r;
END $$;
SELECT workflow.create_workflow('t_limits', 'body', policy => workflow.policy(max_attempts => 1));
SELECT workflow.create_workflow('t_limits_nothing', 'nothing');

CREATE TABLE tried (n int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, place text, sql text, run_id uuid, state text);
INSERT INTO tried (place, sql) VALUES
  ('step', 'SET TRANSACTION READ ONLY'),
  ('step', 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE'),
  ('step', 'SET transaction_read_only = on'),
  ('step', 'SET default_transaction_read_only = on'),
  ('step', 'SET CONSTRAINTS ALL DEFERRED'),
  ('step', 'SET session_replication_role = replica'),
  ('step', 'PREPARE TRANSACTION ''x'''),
  ('step', 'START TRANSACTION'),
  ('step', 'DISCARD ALL'),
  ('step', 'DISCARD TEMP'),
  ('step', 'DEALLOCATE ALL'),
  ('step', 'RESET ALL'),
  ('step', 'CLOSE ALL'),
  ('step', 'CALL commits()'),
  ('step', 'CALL writes()'),
  ('step', 'SELECT subtransactions()'),
  ('step', 'CREATE DATABASE t_limits'),
  ('step', 'CREATE INDEX CONCURRENTLY ON effect (what)'),
  ('step', 'LOCK TABLE _workflow.run, _workflow.step IN EXCLUSIVE MODE'),
  ('step', 'SELECT pg_cancel_backend(pg_backend_pid())'),
  ('step', 'SELECT workflow.enqueue_workflow(''t_limits_nothing'', ''"from a step"'') IS NOT NULL'),
  ('step', 'CALL workflow.wait_for_run(workflow.run_id())'),
  ('step', 'CALL workflow.wait_until_idle()'),
  ('step', 'SELECT workflow.create_workflow(''t_limits_made'', ''nothing'')'),
  ('step', 'EXPLAIN (COSTS OFF) SELECT 1'),
  ('step', 'FETCH ALL FROM c'),
  ('step', 'DECLARE c CURSOR FOR SELECT 1'),
  ('body', 'SET TRANSACTION READ WRITE'),
  ('body', 'SET transaction_read_only = off'),
  ('body', 'SELECT set_config(''transaction_read_only'', ''off'', false)'),
  ('body', 'CALL commits()'),
  ('body', 'CREATE TEMP TABLE a (a int)'),
  ('body', 'SELECT workflow.enqueue_workflow(''t_limits_nothing'')'),
  ('body', 'SELECT workflow.cancel_run(workflow.run_id())'),
  ('body', 'SELECT workflow.stop()'),
  ('body', 'SELECT workflow.create_workflow(''t_limits_made_too'', ''nothing'')'),
  ('body', 'SELECT 1 FROM effect FOR UPDATE'),
  ('body', 'LOCK TABLE effect'),
  ('body', 'CALL workflow.wait_until_idle()'),
  ('body', 'SET LOCAL work_mem = ''10MB''');

DO $$
DECLARE
  run uuid;
  state text;
  result jsonb;
  error text;
BEGIN
  FOR i IN 1..(SELECT max(n) FROM tried) LOOP
    run := workflow.enqueue_workflow('t_limits', jsonb_build_object(place, sql))
      FROM tried WHERE n = i;
    COMMIT;
    CALL workflow.wait_for_run(run, '20 s', state, result, error);
    EXECUTE 'UPDATE tried SET state = $1, run_id = $2 WHERE n = $3' USING state, run, i;
    COMMIT;
  END LOOP;
END $$;
SELECT place, left(sql, 56) AS sql, t.state, coalesce(r.error_code || ': ' || r.error_message, r.result::text) AS outcome
  FROM tried t JOIN workflow.runs r USING (run_id) ORDER BY n;
CALL workflow.wait_until_idle('60 s');
SELECT what, count(*) FROM effect GROUP BY 1 ORDER BY 1;
SELECT state, input FROM workflow.runs WHERE workflow = 't_limits_nothing';
-- a run of the same process is as good as ever
SELECT workflow.enqueue_workflow('t_limits') AS run \gset
CALL workflow.wait_for_run(:'run');

SET client_min_messages = error;
SELECT workflow.drop_workflow(w, force => true)
  FROM unnest(ARRAY['t_limits', 't_limits_nothing', 't_limits_made']) w;
DROP SCHEMA t_limits CASCADE;
