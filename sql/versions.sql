--
-- What depends on PostgreSQL's version: versions.out is of 17 and later,
-- versions_1.out of 15 and 16
--
CREATE SCHEMA versions;
SET search_path = versions;
CREATE FUNCTION versioned(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN workflow.step('who', 'SELECT current_user FROM pg_sleep(0.3)'); END $$;
SELECT workflow.create_workflow('versioned', search_path => 'versions');
CREATE ROLE regress_wf_owner LOGIN;
GRANT USAGE ON SCHEMA versions TO regress_wf_owner;
SELECT workflow.grant_usage('regress_wf_owner');

-- a time limit for transactions, which 15 and 16 do not have, would end the
-- process of a step that takes longer
SELECT current_database() AS db \gset
ALTER ROLE regress_wf_owner SET transaction_timeout = '100ms';
ALTER DATABASE :"db" SET transaction_timeout = '100ms';
SET ROLE regress_wf_owner;
SELECT workflow.enqueue_workflow('versioned') AS id \gset
RESET ROLE;
CALL workflow.wait_until_idle();
SELECT state, result FROM workflow.runs WHERE run_id = :'id';
SELECT name, state, attempt FROM workflow.steps WHERE run_id = :'id';
ALTER DATABASE :"db" RESET transaction_timeout;

-- what is checked once is checked again when the role has changed: before 17
-- nothing runs as a role without LOGIN
ALTER ROLE regress_wf_owner NOLOGIN;
SET ROLE regress_wf_owner;
SELECT workflow.enqueue_workflow('versioned') IS NOT NULL AS enqueued;
RESET ROLE;
CALL workflow.wait_until_idle();
SELECT state, result, count(*) FROM workflow.runs WHERE workflow = 'versioned' GROUP BY 1, 2;

-- what idle workers wait for has a name from 17 on
DO $$
BEGIN
	FOR i IN 1..600 LOOP
		EXIT WHEN (SELECT count(DISTINCT backend_type) = 3
				   FROM pg_stat_activity
				   WHERE backend_type LIKE 'workflow %' AND wait_event_type = 'Extension');
		PERFORM pg_sleep(0.1);
		PERFORM pg_stat_clear_snapshot();
	END LOOP;
END $$;
SELECT DISTINCT backend_type, wait_event
  FROM pg_stat_activity
 WHERE backend_type LIKE 'workflow %' AND wait_event_type = 'Extension'
 ORDER BY 1;

SELECT workflow.drop_workflow('versioned', force => true);
SELECT workflow.revoke_usage('regress_wf_owner');
RESET search_path;
DROP SCHEMA versions CASCADE;
DROP ROLE regress_wf_owner;
