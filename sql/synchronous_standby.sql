--
-- cancel_run() must not end another's wait for a synchronous standby
--
SET synchronous_commit = local;
CREATE FUNCTION replicated(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN workflow.step('one', 'SELECT 1'); END $$;
SELECT workflow.create_workflow('replicated');
ALTER SYSTEM SET synchronous_standby_names = 'missing';
SELECT pg_reload_conf();
SELECT pg_sleep(0.3);
SELECT workflow.enqueue_workflow('replicated') AS run \gset
DO $$ BEGIN
	WHILE NOT EXISTS (SELECT FROM pg_stat_activity
		WHERE backend_type = 'workflow executor' AND wait_event = 'SyncRep') LOOP
		PERFORM pg_sleep(0.01);
		PERFORM pg_stat_clear_snapshot();
	END LOOP;
END $$;
SELECT workflow.cancel_run(:'run');
SELECT pg_sleep(0.5);
SELECT state FROM workflow.runs WHERE run_id = :'run';
ALTER SYSTEM RESET synchronous_standby_names;
SELECT pg_reload_conf();
CALL workflow.wait_for_run(:'run');
SELECT workflow.drop_workflow('replicated', force => true);
DROP FUNCTION replicated;
