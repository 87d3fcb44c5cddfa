-- Functions that are there for the engine: nobody is granted them, and they
-- work in no run but the engine's own.
SET client_min_messages = warning;
CREATE ROLE regress_wf_engine LOGIN;
GRANT pg_read_all_data TO regress_wf_engine;
SELECT workflow.grant_usage('regress_wf_engine');
CREATE SCHEMA t_engine;
GRANT ALL ON SCHEMA t_engine TO regress_wf_engine;
SET search_path = t_engine, public;

-- all but these are granted; a new function must be put in one of the two
SELECT p.oid::regprocedure AS not_granted
  FROM pg_proc p
 WHERE p.pronamespace IN ('workflow'::regnamespace, '_workflow'::regnamespace)
   AND NOT EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 'regress_wf_engine'::regrole)
 ORDER BY p.oid::regprocedure::text COLLATE "C";
-- what of the hidden schema is granted is what the views call
SELECT p.proname AS of_views
  FROM pg_proc p
 WHERE p.pronamespace = '_workflow'::regnamespace
   AND EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 'regress_wf_engine'::regrole)
 ORDER BY p.proname COLLATE "C";
SELECT p.proname AS granted_but_in_no_view
  FROM pg_proc p
 WHERE p.pronamespace = '_workflow'::regnamespace
   AND EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 'regress_wf_engine'::regrole)
   AND NOT EXISTS (SELECT FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                    WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid);

-- whoever has USAGE on every schema is refused all the same
SET ROLE regress_wf_engine;
SELECT has_schema_privilege('_workflow', 'USAGE') AS usage;
SELECT _workflow.check_run('{}');
SELECT _workflow.run_alert('{}');
SELECT workflow.create_workflow('as body', body => '_workflow.check_run');
RESET ROLE;

-- who may call them is refused outside a run, in a trial, in a run of his own and in a step
CREATE TABLE victim (run_id uuid);
CREATE FUNCTION idle(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT workflow.step('s', 'SELECT 1') $$;
CREATE FUNCTION checks(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN _workflow.check_run(input); END $$;
CREATE FUNCTION alerts(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN _workflow.run_alert(input); END $$;
CREATE FUNCTION in_a_step(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT workflow.step('s', 'SELECT _workflow.check_run($1)', input) $$;
CREATE FUNCTION swallows(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..300 LOOP
    BEGIN
      PERFORM workflow.step('x', 'SELECT 1');
    EXCEPTION WHEN query_canceled THEN NULL;
    END;
  END LOOP;
  RETURN '1';
END $$;
SELECT count(workflow.create_workflow(w)) FROM unnest('{idle,checks,alerts,in_a_step,swallows}'::text[]) w;
INSERT INTO victim SELECT workflow.enqueue_workflow('swallows', delay => '1 day');
SELECT _workflow.check_run('{}');
SELECT _workflow.check_run(NULL);
SELECT _workflow.run_alert(NULL);
SELECT t.kind, t.error FROM workflow.try_workflow('checks') t;
SELECT t.kind, t.error FROM workflow.try_workflow('alerts', '{"function": "t_engine.idle(jsonb)", "alert": {}}') t;
SELECT t.kind, t.error FROM workflow.try_workflow('in_a_step') t;
-- with every body that there is, and one that does not end
SELECT count(*), count(*) FILTER (WHERE t.kind = 'error') AS errors
  FROM _workflow.body b, LATERAL workflow.try_workflow('checks',
       jsonb_build_object('run_id', (SELECT run_id FROM victim), 'body_id', b.body_id::text, 'check_id', 1)) t
 WHERE b.body_id BETWEEN -2 AND 0
    OR b.function LIKE 't\_engine.%';
SELECT workflow.enqueue_workflow('checks', jsonb_build_object('run_id', run_id, 'body_id', 1, 'check_id', 1)) AS run FROM victim \gset
CALL workflow.wait_for_run(:'run');
SELECT workflow.enqueue_workflow('alerts', '{"function": "t_engine.idle(jsonb)", "alert": {}}') AS run \gset
CALL workflow.wait_for_run(:'run');
-- a workflow may have it as its body, but its runs are not the engine's
SELECT workflow.create_workflow('as body', body => '_workflow.check_run');
SELECT workflow.enqueue_workflow('as body', '{}') AS run \gset
CALL workflow.wait_for_run(:'run');

-- the engine's own runs need no grant, and look at nothing but what was recorded for them
SET ROLE regress_wf_engine;
CREATE FUNCTION naps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM workflow.sleep('1 day'); RETURN '1'; END $$;
SELECT workflow.create_workflow('naps engine', 'naps');
SELECT workflow.enqueue_workflow('naps engine') AS nap \gset
DO $$
BEGIN
  FOR i IN 1..600 LOOP
    EXIT WHEN EXISTS (SELECT FROM workflow.runs WHERE workflow = 'naps engine' AND state = 'waiting');
    PERFORM pg_sleep(0.1);
  END LOOP;
END $$;
SELECT workflow.check_workflow('naps engine') AS id \gset
CALL workflow.wait_until_idle('60 s');
SELECT ok, error_message FROM workflow.checks WHERE check_id = :id;
RESET ROLE;
-- a record with a body of another workflow, which nobody but a superuser can forge
SELECT workflow.stop();
SET ROLE regress_wf_engine;
SELECT workflow.check_workflow('naps engine') AS id \gset
RESET ROLE;
UPDATE _workflow.check_run SET body_id = (SELECT body_id FROM _workflow.body WHERE function = 't_engine.swallows(jsonb)' ORDER BY 1 DESC LIMIT 1) WHERE check_id = :id;
SELECT workflow.start();
CALL workflow.wait_until_idle('60 s');
SELECT ok, error_code, error_message FROM workflow.checks WHERE check_id = :id;

SET client_min_messages = error;
SELECT count(workflow.drop_workflow(w, force => true)) FROM unnest('{idle,checks,alerts,in_a_step,swallows,as body,naps engine}'::text[]) w;
CALL workflow.wait_until_idle('60 s');
SELECT workflow.revoke_usage('regress_wf_engine');
DROP SCHEMA t_engine CASCADE;
DROP ROLE regress_wf_engine;
