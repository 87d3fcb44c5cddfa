--
-- The views: columns, rows by owner, and what pg_monitor sees
--
SELECT table_name AS view, string_agg(column_name || ' ' || data_type, E'\n' ORDER BY ordinal_position) AS columns
  FROM information_schema.columns
 WHERE table_schema = 'workflow' AND table_name IN (SELECT viewname FROM pg_views WHERE schemaname = 'workflow')
 GROUP BY 1 ORDER BY 1;

CREATE SCHEMA views;
SET search_path = views;
CREATE ROLE regress_views_alice LOGIN;
CREATE ROLE regress_views_bob LOGIN;
CREATE ROLE regress_views_watch LOGIN IN ROLE pg_monitor;
SELECT count(workflow.grant_usage(r))
  FROM unnest('{regress_views_alice,regress_views_bob,regress_views_watch}'::text[]) r;
GRANT USAGE ON SCHEMA views TO regress_views_alice, regress_views_bob, regress_views_watch;
CREATE FUNCTION secret(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('keep', 'SELECT $1', 'secret result'::text);
	IF input->>'fail' IS NOT NULL THEN
		PERFORM workflow.fail('secret ' || (input->>'fail'));
	END IF;
	RETURN input;
END $$;
SELECT workflow.create_workflow('secret');
SET ROLE regress_views_alice;
SELECT workflow.create_workflow('own', 'views.secret', policy => workflow.policy(max_attempts => 2));
SELECT workflow.enqueue_workflow('secret', '{"fail": "word"}') AS failed \gset
SELECT workflow.enqueue_workflow('own', '"secret input"') AS id \gset
SELECT workflow.enqueue_workflow('own', delay => '1 day') IS NOT NULL AS enqueued;
RESET ROLE;
CALL workflow.wait_until_idle();

CREATE VIEW shown AS
SELECT workflow, owner, state, waiting_for, input, result, error_code, error_message, failed_step, steps_done
  FROM workflow.runs WHERE owner LIKE 'regress_views%' ORDER BY run_id;
CREATE VIEW shown_steps AS
SELECT s.ordinal, s.name, s.kind, s.state, s.attempt, s.max_attempts, s.result, s.command
  FROM workflow.steps s JOIN workflow.runs r USING (run_id)
 WHERE r.owner LIKE 'regress_views%' ORDER BY s.run_id, s.ordinal;
CREATE VIEW shown_letters AS
SELECT kind, workflow, queue, owner, failed_step, reason, error_code, error_message, attempts
  FROM workflow.dead_letters WHERE owner LIKE 'regress_views%';
CREATE VIEW shown_executors AS
SELECT DISTINCT role, state, run_id, workflow, step, sum(runs) OVER () AS runs, sum(steps) OVER () AS steps
  FROM workflow.stat_executors WHERE role LIKE 'regress_views%';
-- a view would be read with the rights of its owner, so take its text
CREATE FUNCTION show() RETURNS TABLE (line text) LANGUAGE plpgsql AS $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY '{shown,shown_steps,shown_letters,shown_executors}'::text[] LOOP
		RETURN QUERY EXECUTE 'SELECT x::text FROM (' ||
			rtrim(pg_get_viewdef(('views.' || name)::regclass), ';') || ') x';
	END LOOP;
END $$;
REVOKE ALL ON ALL TABLES IN SCHEMA views FROM PUBLIC;

SET ROLE regress_views_alice;
SELECT line AS alice FROM show();
SELECT workflow, owner, succeeded, failed, steps, run_time > '0' AS timed FROM workflow.stat_workflows;
SELECT workflow, body, (policy).max_attempts FROM workflow.workflows;
SET ROLE regress_views_bob;
SELECT line AS bob FROM show();
SELECT workflow FROM workflow.workflows UNION ALL SELECT workflow FROM workflow.stat_workflows;
SET ROLE regress_views_watch;
SELECT line AS monitor FROM show();
SELECT workflow FROM workflow.workflows WHERE workflow IN ('own', 'secret') ORDER BY 1;
-- a function of the reader's cannot look behind the barrier
SET ROLE regress_views_bob;
CREATE FUNCTION pg_temp.peek(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
	RAISE NOTICE 'seen %', value;
	RETURN true;
END $$;
SELECT count(*) FROM workflow.runs WHERE pg_temp.peek(owner);
SELECT count(*) FROM workflow.steps WHERE pg_temp.peek(name);
SELECT count(*) FROM workflow.dead_letters WHERE pg_temp.peek(workflow);
SELECT count(*) FROM workflow.workflows WHERE pg_temp.peek(workflow);
SELECT count(*) FROM workflow.stat_workflows WHERE pg_temp.peek(workflow);
SELECT count(*) FROM workflow.stat_executors WHERE pg_temp.peek(role);
RESET ROLE;

-- one row, whatever happens
SELECT enabled, stopped, stopped_at, stopped_by, stop_reason, launcher_pid IS NOT NULL AS launcher,
       scheduler_pid IS NOT NULL AS scheduler, executors > 0 AS executors, max_executors,
       shortage_since, ready, timers > 0 AS timers, oldest_ready_at
  FROM workflow.status \gx

-- a run whose owner's name is another one: a restored database
UPDATE _workflow.run SET owner_name = 'someone else' WHERE run_id = :'id';
SET ROLE regress_views_alice;
SELECT count(*) FROM workflow.runs WHERE run_id = :'id';
RESET ROLE;
UPDATE _workflow.run SET owner_name = 'regress_views_alice' WHERE run_id = :'id';

SELECT count(workflow.drop_workflow(w, force => true)) FROM unnest('{own,secret}'::text[]) w;
CALL workflow.wait_until_idle();
SELECT count(workflow.revoke_usage(r))
  FROM unnest('{regress_views_alice,regress_views_bob,regress_views_watch}'::text[]) r;
\set VERBOSITY terse
DROP SCHEMA views CASCADE;
DROP FUNCTION pg_temp.peek;
DROP ROLE regress_views_alice, regress_views_bob, regress_views_watch;
