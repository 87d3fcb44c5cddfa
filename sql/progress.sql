-- set_progress(): how far a run is, shown at once.
SET client_min_messages = warning;
CREATE SCHEMA progress;
SET search_path = progress;
CREATE PROCEDURE wait_till(run uuid, wanted text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..2000 LOOP
		EXIT WHEN (SELECT concat_ws(' ', state, progress) = wanted
		             FROM workflow.runs WHERE run_id = run);
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
	RAISE INFO '%', (SELECT concat_ws(' ', state, progress) FROM workflow.runs WHERE run_id = run);
END $$;

-- in a step that has not committed, and in the body; what a replay comes past is not shown
CREATE FUNCTION halfway() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.set_progress('{"half": true}');
	PERFORM pg_advisory_xact_lock(4711);
	RETURN 1;
END $$;
CREATE FUNCTION slow(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.set_progress('"first"');
	PERFORM workflow.step('one', 'SELECT 1');
	PERFORM workflow.set_progress('"second"');
	PERFORM workflow.step('two', 'SELECT progress.halfway()');
	PERFORM workflow.set_progress('"third"');
	PERFORM workflow.wait_for_signal('go');
	RETURN workflow.step('three', 'SELECT 1');
END $$;
SELECT workflow.create_workflow('slow progress', 'slow');
SELECT pg_advisory_lock(4711);
SELECT workflow.enqueue_workflow('slow progress') AS run \gset
CALL wait_till(:'run', 'running {"half": true}');
SELECT pg_advisory_unlock(4711);
CALL wait_till(:'run', 'waiting "third"');
-- its row has it when no executor has the run
SELECT progress FROM _workflow.run WHERE run_id = :'run';
SELECT workflow.signal_run(:'run', 'go');
CALL workflow.wait_for_run(:'run');
SELECT state, progress FROM workflow.runs WHERE run_id = :'run';

-- kept when the run fails, also what a failed step said
CREATE FUNCTION fails(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.set_progress('1');
	RETURN workflow.step('x', $s$SELECT workflow.set_progress('2'), 1 / (workflow.attempt() - 1)$s$);
END $$;
SELECT workflow.create_workflow('fails with progress', 'fails');
SELECT workflow.enqueue_workflow('fails with progress') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT state, progress FROM workflow.runs WHERE run_id = :'run';

-- nothing is left for the next run of the same executor
CREATE FUNCTION says_nothing(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT workflow.step('x', 'SELECT 1') $$;
SELECT workflow.create_workflow('no progress', 'says_nothing');
SELECT workflow.enqueue_workflow('no progress') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT state, progress FROM workflow.runs WHERE run_id = :'run';

-- what may be said
CREATE FUNCTION says(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.set_progress(CASE WHEN input->>'what' = 'large' THEN to_jsonb(repeat('x', 1100)) END);
	RETURN NULL;
END $$;
SELECT workflow.create_workflow('says progress', 'says');
SELECT count(workflow.enqueue_workflow('says progress', jsonb_build_object('what', what))) FROM unnest('{large,NULL}'::text[]) what;
CALL workflow.wait_until_idle();
SELECT error_code, error_message FROM workflow.runs WHERE workflow = 'says progress' ORDER BY run_id;
SELECT workflow.set_progress('1');

-- only for whoever may read it
CREATE ROLE progress_monitor IN ROLE pg_monitor;
SELECT workflow.grant_usage('progress_monitor');
SET ROLE progress_monitor;
SELECT count(*), count(progress) FROM workflow.runs WHERE workflow = 'slow progress';
RESET ROLE;
SELECT workflow.revoke_usage('progress_monitor');
DROP ROLE progress_monitor;
