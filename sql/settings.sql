--
-- The settings, and one that an executor passes on to PostgreSQL
--
SELECT name, boot_val, unit, vartype, context FROM pg_settings
 WHERE name LIKE 'workflow.%' AND name NOT LIKE 'workflow.test%' ORDER BY name COLLATE "C";

CREATE FUNCTION pause(input jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT workflow.step_text('pause', 'SELECT current_setting(''commit_delay'')')::jsonb $$;
SELECT workflow.create_workflow('pause');
-- until a run has seen what it should; a reload takes a moment
CREATE PROCEDURE until_pause(expected text) LANGUAGE plpgsql AS $$
DECLARE
	run uuid;
	state text;
	result jsonb;
	error text;
BEGIN
	FOR i IN 1..1000 LOOP
		run := workflow.enqueue_workflow('pause');
		COMMIT;
		CALL workflow.wait_for_run(run, '60 s', state, result, error);
		IF result = expected::jsonb THEN
			RAISE NOTICE 'commit_delay is %', result;
			RETURN;
		END IF;
	END LOOP;
	RAISE EXCEPTION 'commit_delay is %, not %', result, expected;
END $$;
CALL until_pause('100');
ALTER SYSTEM SET workflow.commit_delay = 250;
SELECT pg_reload_conf();
CALL until_pause('250');
ALTER SYSTEM SET workflow.commit_delay = 0;
SELECT pg_reload_conf();
CALL until_pause('0');
ALTER SYSTEM RESET workflow.commit_delay;
SELECT pg_reload_conf();
CALL until_pause('100');

-- out of range
ALTER SYSTEM SET workflow.executors_per_role = -2;
ALTER SYSTEM SET workflow.executors_per_role = 1025;
ALTER SYSTEM SET workflow.default_step_timeout = '-1 s';
ALTER SYSTEM SET workflow.default_step_timeout = '25 d';
ALTER SYSTEM SET workflow.cancel_grace = -1;
ALTER SYSTEM SET workflow.cancel_grace = 'long';

DROP PROCEDURE until_pause;
SELECT workflow.drop_workflow('pause', force => true);
DROP FUNCTION pause;
