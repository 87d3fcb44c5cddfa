--
-- Who may do what
--
CREATE SCHEMA priv;
CREATE ROLE regress_wf_alice LOGIN;
CREATE ROLE regress_wf_bob LOGIN;
CREATE ROLE regress_wf_team NOLOGIN;
CREATE ROLE regress_wf_boss LOGIN IN ROLE regress_wf_alice;
GRANT USAGE, CREATE ON SCHEMA priv TO regress_wf_alice, regress_wf_bob;
SET search_path = priv;

-- nothing without grant_usage(), and that is for the extension's owner
SET ROLE regress_wf_alice;
SELECT workflow.create_workflow('a');
SELECT * FROM workflow.runs;
SELECT workflow.grant_usage('regress_wf_alice');
SELECT * FROM _workflow.run;
RESET ROLE;
SELECT workflow.grant_usage(r)
  FROM unnest('{regress_wf_alice,regress_wf_bob,regress_wf_team,regress_wf_boss}'::text[]) r;
GRANT EXECUTE ON FUNCTION workflow.stop(text), workflow.start(), workflow.grant_usage(text, boolean) TO regress_wf_bob;
SET ROLE regress_wf_bob;
SELECT workflow.stop('sabotage');
SELECT workflow.start();
SELECT workflow.grant_usage('regress_wf_bob');
SELECT count(*) FROM _workflow.run;
SELECT _workflow.reads(10, 'postgres');
INSERT INTO workflow.runs (workflow) VALUES ('x');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION workflow.stop(text), workflow.start(), workflow.grant_usage(text, boolean) FROM regress_wf_bob;

-- a workflow belongs to its creator
SET ROLE regress_wf_alice;
CREATE FUNCTION whoami(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN workflow.step('who', 'SELECT current_user'); END $$;
SELECT workflow.create_workflow('whoami');
SET ROLE regress_wf_bob;
SELECT workflow.alter_workflow('whoami', description => 'mine');
SELECT workflow.create_workflow('whoami', or_replace => true);
SELECT workflow.pause_workflow('whoami');
SELECT workflow.resume_workflow('whoami');
SELECT workflow.drop_workflow('whoami');
SELECT count(*) FROM workflow.workflows;
SET ROLE regress_wf_boss;
SELECT workflow.alter_workflow('whoami', description => 'ours');
SELECT description FROM workflow.workflows;

-- to enqueue takes EXECUTE on the body and USAGE on its schema
SET ROLE regress_wf_bob;
SELECT workflow.enqueue_workflow('whoami') AS bobs \gset
CALL workflow.wait_until_idle();
SET ROLE regress_wf_alice;
REVOKE EXECUTE ON FUNCTION whoami FROM PUBLIC;
SET ROLE regress_wf_bob;
SELECT workflow.enqueue_workflow('whoami');
SELECT workflow.create_workflow('mine too', 'priv.whoami');
SET ROLE regress_wf_alice;
GRANT EXECUTE ON FUNCTION whoami TO PUBLIC;
RESET ROLE;
REVOKE USAGE ON SCHEMA priv FROM regress_wf_bob;
SET ROLE regress_wf_bob;
SELECT workflow.enqueue_workflow('whoami');
RESET ROLE;
GRANT USAGE ON SCHEMA priv TO regress_wf_bob;

-- run_as only for members of that role, and for as long as they are
SET ROLE regress_wf_bob;
SELECT workflow.create_workflow('as alice', 'priv.whoami', run_as => 'regress_wf_alice');
SET ROLE regress_wf_boss;
SELECT workflow.create_workflow('as alice', 'priv.whoami', run_as => 'regress_wf_alice');
SET ROLE regress_wf_bob;
SELECT workflow.enqueue_workflow('as alice') AS as_alice \gset
RESET ROLE;
CALL workflow.wait_until_idle('60 s');
REVOKE regress_wf_alice FROM regress_wf_boss;
SET ROLE regress_wf_bob;
SELECT workflow.enqueue_workflow('as alice');
RESET ROLE;
GRANT regress_wf_alice TO regress_wf_boss;
CALL workflow.wait_until_idle();
SELECT workflow, owner, state, result FROM workflow.runs
 WHERE run_id IN (:'bobs', :'as_alice') ORDER BY 1;

-- a run belongs to who enqueued it, and to members of that role
SET ROLE regress_wf_alice;
SELECT workflow, owner FROM workflow.runs;
SELECT workflow, owner FROM workflow.stat_workflows;
SELECT workflow.enqueue_workflow('whoami', delay => '1 day') AS id \gset
SELECT set_config('priv.id', :'id', false) IS NOT NULL AS set;
SET ROLE regress_wf_bob;
CREATE FUNCTION priv.try(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command USING current_setting('priv.id')::uuid;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN replace(SQLSTATE || ' ' || SQLERRM, current_setting('priv.id'), '<id>');
END $$;
SELECT priv.try('SELECT workflow.cancel_run($1)');
SELECT priv.try('SELECT workflow.retry_run($1)');
SELECT priv.try('SELECT workflow.why($1)');
SELECT priv.try('CALL workflow.wait_for_run($1)');
SET ROLE regress_wf_boss;
SELECT workflow.cancel_run(:'id');
RESET ROLE;
CALL workflow.wait_for_run(:'id');

-- a superuser's run takes a superuser's body and definition
SELECT workflow.enqueue_workflow('whoami');
CREATE FUNCTION priv.trusted(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input $$;
SET ROLE regress_wf_alice;
SELECT workflow.create_workflow('trusted', search_path => 'priv');
RESET ROLE;
SELECT workflow.enqueue_workflow('trusted');
ALTER SYSTEM SET workflow.allow_superuser_runs = on;
SELECT pg_reload_conf();
\c -
SELECT workflow.enqueue_workflow('trusted') IS NOT NULL AS enqueued;
ALTER SYSTEM RESET workflow.allow_superuser_runs;
SELECT pg_reload_conf();
\c -
CALL workflow.wait_until_idle();

-- an owner always needs CONNECT
SELECT current_database() AS db \gset
REVOKE CONNECT ON DATABASE :"db" FROM PUBLIC;
SET ROLE regress_wf_alice;
SELECT workflow.enqueue_workflow('trusted');
RESET ROLE;
GRANT CONNECT ON DATABASE :"db" TO PUBLIC;
SET ROLE regress_wf_alice;
SELECT workflow.enqueue_workflow('trusted') IS NOT NULL AS enqueued;
RESET ROLE;
CALL workflow.wait_until_idle();

SELECT count(workflow.drop_workflow(w, force => true))
  FROM unnest('{whoami,as alice,trusted}'::text[]) w;
SELECT count(workflow.revoke_usage(r))
  FROM unnest('{regress_wf_alice,regress_wf_bob,regress_wf_team,regress_wf_boss}'::text[]) r;
SET ROLE regress_wf_bob;
SELECT * FROM workflow.runs;
RESET ROLE;
CALL workflow.wait_until_idle();
\set VERBOSITY terse
DROP SCHEMA priv CASCADE;
DROP ROLE regress_wf_alice, regress_wf_bob, regress_wf_team, regress_wf_boss;
