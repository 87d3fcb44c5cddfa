-- Nobody writes the tables but the engine, whatever he was granted.
SET client_min_messages = warning;
CREATE ROLE regress_wf_writes;
GRANT pg_write_all_data, pg_read_all_data TO regress_wf_writes;
SELECT workflow.grant_usage('regress_wf_writes');
CREATE SCHEMA t_guarded;
GRANT ALL ON SCHEMA t_guarded TO regress_wf_writes;
SET search_path = t_guarded, public;
CREATE FUNCTION idle(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT workflow.step('s', 'SELECT 1') $$;
SELECT workflow.create_workflow('t_guarded', 'idle');
SELECT workflow.enqueue_workflow('t_guarded', delay => '1 day') IS NOT NULL AS enqueued;
CREATE TABLE mine (a int);
GRANT ALL ON mine TO regress_wf_writes;

SET ROLE regress_wf_writes;
SELECT has_table_privilege('_workflow.run', 'INSERT, UPDATE, DELETE') AS privilege;
-- what he may: read, and write elsewhere
SELECT count(*) > 0 AS readable FROM _workflow.run;
INSERT INTO mine SELECT 1 FROM _workflow.run LIMIT 1;
UPDATE mine SET a = 2;
SELECT a FROM mine FOR UPDATE;

\set VERBOSITY default
INSERT INTO _workflow.run DEFAULT VALUES;
\set VERBOSITY sqlstate
UPDATE _workflow.run SET owner = 10;
UPDATE _workflow.run SET owner = 10 WHERE false;
DELETE FROM _workflow.step;
SELECT 1 FROM _workflow.run FOR UPDATE;
SELECT 1 FROM _workflow.run FOR NO KEY UPDATE;
SELECT 1 FROM _workflow.run FOR SHARE;
SELECT 1 FROM _workflow.run FOR KEY SHARE;
INSERT INTO _workflow.control (origin, site) VALUES (1, '') ON CONFLICT DO NOTHING;
MERGE INTO _workflow.body b USING mine m ON b.body_id = m.a WHEN MATCHED THEN DELETE;
WITH gone AS (DELETE FROM _workflow.request RETURNING 1) SELECT count(*) FROM gone;
UPDATE mine SET a = 3 FROM _workflow.run r WHERE r.run_id IN (SELECT run_id FROM _workflow.run FOR UPDATE);
COPY _workflow.run FROM STDIN;
\.
TRUNCATE _workflow.run;
PREPARE p AS DELETE FROM _workflow.run;
EXECUTE p;
EXPLAIN (ANALYZE, COSTS off) DELETE FROM _workflow.run;
DO $$ BEGIN DELETE FROM _workflow.run; END $$;
-- every table and view there is
DO $$
DECLARE
  rel regclass;
  refused int := 0;
BEGIN
  FOR rel IN SELECT oid FROM pg_class WHERE relnamespace IN ('workflow'::regnamespace, '_workflow'::regnamespace) AND relkind IN ('r', 'v', 'p', 'm', 'f') LOOP
    BEGIN
      EXECUTE format('DELETE FROM %s', rel);
      RAISE WARNING 'rows of % deleted', rel;
    EXCEPTION
      WHEN insufficient_privilege THEN refused := refused + 1;
      WHEN object_not_in_prerequisite_state THEN
        -- a view that nobody can write through
        refused := refused + 1;
    END;
  END LOOP;
  IF refused < 20 THEN
    RAISE WARNING 'only % relations', refused;
  END IF;
END $$;
-- a view, a function and a rule of his own lend him nothing
CREATE VIEW through AS SELECT * FROM _workflow.run;
DELETE FROM through;
CREATE FUNCTION as_me() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ DELETE FROM _workflow.run $$;
SELECT as_me();
CREATE TABLE ruled (a int);
CREATE RULE r AS ON INSERT TO ruled DO INSTEAD DELETE FROM _workflow.run;
INSERT INTO ruled VALUES (1);
-- nor do they to others, who have what it takes
RESET ROLE;
SELECT as_me();
INSERT INTO ruled VALUES (1);

-- a grant does not help either, the owner's role does
GRANT DELETE, SELECT ON _workflow.attempt TO regress_wf_writes;
SET ROLE regress_wf_writes;
DELETE FROM _workflow.attempt WHERE false;
RESET ROLE;
REVOKE DELETE, SELECT ON _workflow.attempt FROM regress_wf_writes;
SELECT rolname AS owner FROM pg_extension JOIN pg_roles r ON r.oid = extowner WHERE extname = 'workflow' \gset
CREATE ROLE regress_wf_deputy;
GRANT :owner TO regress_wf_deputy;
SET ROLE regress_wf_deputy;
DELETE FROM _workflow.attempt WHERE false;
RESET ROLE;
DELETE FROM _workflow.attempt WHERE false;
SELECT count(*) FROM (SELECT FROM _workflow.run WHERE false FOR UPDATE) r;

-- a table of that name which is not the extension's is nobody's business
SET ROLE regress_wf_writes;
CREATE TABLE run (a int);
INSERT INTO run VALUES (1);
-- what the engine writes for him is written
SELECT workflow.pause_run(run_id) FROM workflow.runs WHERE false;
RESET ROLE;
\set VERBOSITY default
SELECT count(*) FROM workflow.runs WHERE workflow = 't_guarded';

SET client_min_messages = error;
SELECT workflow.drop_workflow('t_guarded', force => true);
SELECT workflow.revoke_usage('regress_wf_writes');
DROP SCHEMA t_guarded CASCADE;
DROP ROLE regress_wf_writes, regress_wf_deputy;
