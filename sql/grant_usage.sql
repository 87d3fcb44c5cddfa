--
-- grant_usage() with and without definitions, beside grant_monitor()
--
CREATE SCHEMA gu;
CREATE ROLE regress_gu_role;
CREATE ROLE "regress_gu Odd ""one";
CREATE FUNCTION gu.body(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
GRANT USAGE, CREATE ON SCHEMA gu TO regress_gu_role;
SET search_path = gu;

-- what a role has itself; of what is given together 1 is all and 0 none
CREATE FUNCTION gu.rights(who text) RETURNS TABLE (creating bigint, telling bigint, other integer, views integer, inner_functions boolean, usage boolean, more bigint)
LANGUAGE sql AS $$
WITH held AS (
	SELECT n.nspname, p.proname AS name, a.privilege_type AS privilege, 'f' AS kind
	  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, aclexplode(p.proacl) a
	 WHERE a.grantee = quote_ident(who)::regrole AND n.nspname IN ('workflow', '_workflow')
	 UNION ALL
	SELECT n.nspname, c.relname, a.privilege_type, c.relkind::text
	  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
	 WHERE a.grantee = quote_ident(who)::regrole AND n.nspname IN ('workflow', '_workflow')
	 UNION ALL
	SELECT n.nspname, '', a.privilege_type, 'n'
	  FROM pg_namespace n, aclexplode(n.nspacl) a
	 WHERE a.grantee = quote_ident(who)::regrole AND n.nspname IN ('workflow', '_workflow'))
SELECT count(*) FILTER (WHERE nspname = 'workflow' AND kind = 'f' AND name LIKE 'create\_%'),
       count(*) FILTER (WHERE nspname = 'workflow' AND kind = 'f' AND name IN ('why', 'timeline', 'describe')),
       -- all of the others, or none
       CASE count(*) FILTER (WHERE nspname = 'workflow' AND kind = 'f' AND name NOT LIKE 'create\_%' AND name NOT IN ('why', 'timeline', 'describe'))
            WHEN 0 THEN 0
            WHEN (SELECT count(*) FROM pg_proc WHERE pronamespace = 'workflow'::regnamespace
                     AND proname NOT LIKE 'create\_%' AND proname NOT IN ('why', 'timeline', 'describe', 'stop', 'start', 'grant_usage', 'revoke_usage', 'grant_monitor', 'revoke_monitor'))
            THEN 1 END,
       CASE count(*) FILTER (WHERE nspname = 'workflow' AND kind = 'v' AND privilege = 'SELECT')
            WHEN 0 THEN 0
            WHEN (SELECT count(*) FROM pg_class WHERE relnamespace = 'workflow'::regnamespace AND relkind = 'v') THEN 1 END,
       coalesce(bool_or(nspname = '_workflow' AND name = 'sees'), false),
       coalesce(bool_or(nspname = 'workflow' AND kind = 'n' AND privilege = 'USAGE'), false),
       count(*) FILTER (WHERE (nspname = '_workflow' AND kind <> 'f') OR kind NOT IN ('f', 'v', 'n'))
  FROM held
$$;
SELECT * FROM gu.rights('regress_gu_role');
SELECT workflow.grant_usage('regress_gu_role');
SELECT * FROM gu.rights('regress_gu_role');
SET ROLE regress_gu_role;
SELECT workflow.create_workflow('gu', 'gu.body');
SELECT workflow.create_queue('gu');

-- without definitions: no new names, but what is one's own
RESET ROLE;
SELECT workflow.grant_usage('regress_gu_role', definitions => false);
SELECT workflow.grant_usage('regress_gu_role', definitions => false);
SELECT * FROM gu.rights('regress_gu_role');
SET ROLE regress_gu_role;
SELECT workflow.create_workflow('gu2', 'gu.body');
SELECT workflow.create_queue('gu2');
SELECT workflow.alter_workflow('gu', description => 'mine');
SELECT workflow.alter_queue('gu', description => 'mine');
SELECT workflow.pause_queue('gu');
SELECT workflow.drop_queue('gu');
SELECT workflow.drop_workflow('gu');
RESET ROLE;

-- NULL is the default, and gives them back
SELECT workflow.grant_usage('regress_gu_role', NULL);
SELECT * FROM gu.rights('regress_gu_role');

-- monitoring and usage are taken one by one
SELECT workflow.grant_monitor('regress_gu_role');
SELECT workflow.revoke_usage('regress_gu_role');
SELECT * FROM gu.rights('regress_gu_role');
SELECT workflow.grant_usage('regress_gu_role', false);
SELECT workflow.revoke_monitor('regress_gu_role');
SELECT * FROM gu.rights('regress_gu_role');
SELECT workflow.grant_monitor('regress_gu_role');
SELECT workflow.revoke_monitor('regress_gu_role');
SELECT * FROM gu.rights('regress_gu_role');

-- what was given in another way goes as well
GRANT EXECUTE ON FUNCTION workflow.stop(text), workflow.create_workflow TO regress_gu_role;
GRANT SELECT, INSERT ON workflow.runs TO regress_gu_role;
GRANT USAGE ON SCHEMA _workflow TO regress_gu_role;
SELECT workflow.revoke_usage('regress_gu_role');
SELECT * FROM gu.rights('regress_gu_role');
SELECT workflow.grant_monitor('regress_gu_role');
SELECT * FROM gu.rights('regress_gu_role');
SELECT workflow.revoke_monitor('regress_gu_role');
SELECT workflow.revoke_monitor('regress_gu_role');
SELECT * FROM gu.rights('regress_gu_role');

-- names as they are; not for PUBLIC, and not by everybody
SELECT workflow.grant_usage('regress_gu Odd "one', false);
SELECT workflow.grant_monitor('regress_gu Odd "one');
SELECT * FROM gu.rights('regress_gu Odd "one');
SELECT workflow.revoke_monitor('regress_gu Odd "one');
SELECT workflow.revoke_usage('regress_gu Odd "one');
SELECT * FROM gu.rights('regress_gu Odd "one');
SELECT workflow.grant_monitor('public');
SELECT workflow.revoke_monitor('nobody');
SELECT workflow.grant_monitor(NULL);
GRANT USAGE ON SCHEMA workflow, _workflow TO regress_gu_role;
GRANT EXECUTE ON FUNCTION workflow.grant_monitor, workflow.revoke_monitor, _workflow.close_objects TO regress_gu_role;
SET ROLE regress_gu_role;
SELECT workflow.grant_monitor('regress_gu_role');
SELECT workflow.revoke_monitor('regress_gu_role');
SELECT _workflow.close_objects();
RESET ROLE;

-- the owner keeps what is his
SELECT workflow.revoke_usage(current_user);
SELECT views, usage FROM gu.rights(current_user);

SELECT workflow.revoke_usage('regress_gu_role');
SELECT count(*) FROM _workflow.monitor;
\set VERBOSITY terse
DROP SCHEMA gu CASCADE;
DROP ROLE regress_gu_role, "regress_gu Odd ""one";
