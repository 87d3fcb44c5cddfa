--
-- Names that need quoting, and objects that lie in wait
--
CREATE SCHEMA "weird ""schema"".x";
CREATE SCHEMA evil;
CREATE ROLE "regress_wf ""o'neill"";--" LOGIN;
CREATE ROLE "regress_wf_PUBLIC" LOGIN;
CREATE FUNCTION "weird ""schema"".x"."f(x); ""DROP" (input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('it''s; DROP TABLE $1 -- "', 'SELECT $1', '''; DROP SCHEMA evil; --'::text);
END $$;
CREATE FUNCTION "weird ""schema"".x"."now(jsonb)" (input jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT jsonb_build_object('by', current_user, 'path', current_setting('search_path')) $$;

SELECT workflow.create_workflow('a''b"c; --', $$"weird ""schema"".x"."f(x); ""DROP"$$);
SELECT workflow.create_workflow(E'line\nbreak \u00e9\U0001F600', $$"weird ""schema"".x"."now(jsonb)"(jsonb)$$,
	search_path => '"weird ""schema"".x", "A, B"');
SELECT workflow, body, search_path FROM workflow.workflows WHERE body LIKE '"weird%' ORDER BY workflow;
-- without quotes it is another name
SELECT workflow.create_workflow('no', 'weird "schema".x.f');
-- a workflow whose body has its name
CREATE FUNCTION "Order; Ship"(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input $$;
SELECT workflow.create_workflow('Order; Ship');

SELECT workflow.grant_usage(r)
  FROM unnest(ARRAY['regress_wf "o''neill";--', 'regress_wf_PUBLIC']) r;
GRANT USAGE ON SCHEMA "weird ""schema"".x" TO "regress_wf ""o'neill"";--";
SET ROLE "regress_wf ""o'neill"";--";
SELECT workflow.enqueue_workflow('a''b"c; --', dedup_key => ''' OR true; --', attributes => '{"''": "\""}') AS one \gset
SELECT workflow.enqueue_workflow(E'line\nbreak \u00e9\U0001F600') AS two \gset
SELECT workflow.find_run('a''b"c; --', ''' OR true; --', owner => 'regress_wf "o''neill";--') = :'one' AS found;
CALL workflow.wait_for_run(:'one');
CALL workflow.wait_for_run(:'two');
SELECT owner, state, dedup_key, attributes FROM workflow.runs ORDER BY run_id;
SELECT name, result FROM workflow.steps;
SELECT DISTINCT role FROM workflow.stat_executors;
RESET ROLE;
-- the role called like PUBLIC got something, PUBLIC did not
SELECT a.grantee::regrole, a.privilege_type
  FROM pg_namespace n, aclexplode(n.nspacl) a
 WHERE n.nspname = 'workflow' AND a.grantee <> n.nspowner ORDER BY 1;

-- functions, operators, tables and types that shadow ours do nothing
CREATE TABLE evil.run (x int);
CREATE TABLE evil.workflow (x int);
CREATE FUNCTION evil.trap() RETURNS boolean LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'trapped as %', current_user; END $$;
CREATE FUNCTION evil.same(a uuid, b uuid) RETURNS boolean LANGUAGE sql AS $$ SELECT evil.trap() $$;
CREATE FUNCTION evil.same(a text, b text) RETURNS boolean LANGUAGE sql AS $$ SELECT evil.trap() $$;
CREATE FUNCTION evil.same(a int, b int) RETURNS boolean LANGUAGE sql AS $$ SELECT evil.trap() $$;
CREATE OPERATOR evil.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = evil.same);
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same);
CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.same);
CREATE FUNCTION evil.count("any") RETURNS bigint LANGUAGE internal AS 'int8inc';
CREATE FUNCTION evil.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS $$ SELECT evil.trap()::text $$;
CREATE FUNCTION evil.quiet(input jsonb) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog AS
$$ BEGIN RETURN workflow.step('quiet', 'SELECT 1'); END $$;
SET search_path = evil, pg_catalog, workflow;
CREATE TEMP TABLE run (x int);
CREATE TEMP TABLE workflow (x int);
SELECT create_workflow('quiet');
SELECT enqueue_workflow('quiet', dedup_key => 'k') AS id \gset
SELECT enqueue_workflow('quiet', dedup_key => 'k', on_duplicate => 'replace') IS NOT NULL AS enqueued;
CALL wait_until_idle();
SELECT alter_workflow('quiet', description => 'x');
SELECT pause_workflow('quiet'), resume_workflow('quiet');
SELECT enqueue_workflow('quiet', delay => '1 day') AS id \gset
SELECT why(:'id') LIKE 'The run waits for its start time%' AS waits;
SELECT cancel_run(:'id'), retry_run(:'id');
CALL wait_for_run(:'id');
SELECT revoke_usage('regress_wf_PUBLIC');
SELECT state FROM runs r WHERE r.workflow OPERATOR(pg_catalog.=) 'quiet' ORDER BY state;
SELECT drop_workflow('quiet');
RESET search_path;

SELECT workflow.revoke_usage('regress_wf "o''neill";--');
SELECT count(workflow.drop_workflow(workflow)) FROM workflow.workflows WHERE body LIKE '"weird%' OR workflow = 'Order; Ship';
\set VERBOSITY terse
DROP TABLE pg_temp.run, pg_temp.workflow;
DROP SCHEMA "weird ""schema"".x", evil CASCADE;
DROP FUNCTION "Order; Ship";
DROP ROLE "regress_wf ""o'neill"";--", "regress_wf_PUBLIC";
