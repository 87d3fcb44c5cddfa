-- Operators and runs that wait: sleep ended, paused while a signal comes.
SET client_min_messages = warning;
CREATE PROCEDURE till(run uuid, wanted text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..2000 LOOP
		EXIT WHEN (SELECT concat_ws(' ', state, waiting_for, CASE WHEN paused_at IS NOT NULL THEN 'paused' END) = wanted
		             FROM workflow.runs WHERE run_id = run);
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;
CREATE FUNCTION dozes(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.sleep('1 day');
	RETURN workflow.wait_for_signal('go');
END $$;
SELECT workflow.create_workflow('dozes');

-- wake_run() ends the sleep, and nothing but the sleep
SELECT workflow.enqueue_workflow('dozes') AS run \gset
CALL till(:'run', 'waiting timer');
SELECT workflow.wake_run(:'run', 'no time');
CALL till(:'run', 'waiting signal');
SELECT ordinal, name, state FROM workflow.steps WHERE run_id = :'run' ORDER BY 1;
SELECT workflow.wake_run(:'run');

-- a signal to a paused run waits until it goes on
SELECT workflow.pause_run(:'run');
CALL till(:'run', 'waiting signal paused');
SELECT workflow.signal_run(:'run', 'go', '"went"');
SELECT pg_sleep(0.1);
SELECT state, paused_at IS NOT NULL AS paused FROM workflow.runs WHERE run_id = :'run';
SELECT taken_at FROM workflow.signals WHERE run_id = :'run';
SELECT workflow.resume_run(:'run');
CALL workflow.wait_for_run(:'run');

-- the other way round: it goes on, and then the signal comes
SELECT workflow.enqueue_workflow('dozes') AS run \gset
CALL till(:'run', 'waiting timer');
SELECT workflow.pause_run(:'run');
CALL till(:'run', 'waiting timer paused');
SELECT workflow.wake_run(:'run');
SELECT pg_sleep(0.1);
SELECT state, paused_at IS NOT NULL AS paused FROM workflow.runs WHERE run_id = :'run';
SELECT workflow.resume_run(:'run');
CALL till(:'run', 'waiting signal');
SELECT workflow.signal_run(:'run', 'go', '"went"');
CALL workflow.wait_for_run(:'run');
SELECT event, ordinal, name FROM workflow.timeline(:'run');
SELECT action, reason FROM workflow.audit_log WHERE run_id = :'run' ORDER BY at;
SELECT workflow.delete_run(:'run');
