-- patched(): one body serves runs that were under way before it was changed.
SET client_min_messages = warning;
CREATE SCHEMA patched;
SET search_path = patched;
CREATE TABLE said (n serial, what text);
CREATE FUNCTION say(what text) RETURNS text LANGUAGE sql AS
	$$ INSERT INTO said (what) VALUES ($1) RETURNING $1 $$;
CREATE PROCEDURE wait_till(run uuid, wanted text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..2000 LOOP
		EXIT WHEN (SELECT concat_ws(' ', state, waiting_for) = wanted
		             FROM workflow.runs WHERE run_id = run);
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;
CREATE VIEW step_now AS
SELECT ordinal, kind, name, result FROM workflow.steps
 WHERE run_id = (SELECT max(run_id::text)::uuid FROM workflow.runs) ORDER BY ordinal;

-- an old run, past the place that is about to change, and one before it
CREATE FUNCTION sells(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('tax', 'SELECT say($1)', 'old tax');
	PERFORM workflow.wait_for_signal('go');
	RETURN to_jsonb(workflow.step('ship', 'SELECT say($1)', 'ship'));
END $$;
SELECT workflow.create_workflow('sells');
SELECT workflow.enqueue_workflow('sells', dedup_key => 'old') AS old \gset
CALL wait_till(:'old', 'waiting signal');

CREATE OR REPLACE FUNCTION sells(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	answers text := '';
BEGIN
	FOR i IN 1..2 LOOP
		answers := answers || workflow.patched('new tax');
	END LOOP;
	IF workflow.patched('new tax') THEN
		PERFORM workflow.step('tax', 'SELECT say($1)', 'new tax');
		PERFORM workflow.step('more tax', 'SELECT say($1)', 'more tax');
	ELSE
		PERFORM workflow.step('tax', 'SELECT say($1)', 'old tax');
	END IF;
	PERFORM workflow.wait_for_signal('go');
	IF workflow.patched('insure') THEN
		PERFORM workflow.step('insure', 'SELECT say($1)', 'insure');
	END IF;
	PERFORM workflow.step('ship', 'SELECT say($1)', 'ship');
	RETURN to_jsonb(answers || workflow.patched('new tax') || workflow.patched('insure'));
END $$;
SELECT workflow.signal_run(:'old', 'go');
CALL workflow.wait_for_run(:'old');
SELECT * FROM step_now;
TABLE said;
TRUNCATE said RESTART IDENTITY;

SELECT workflow.enqueue_workflow('sells', dedup_key => 'new') AS new \gset
SELECT workflow.signal_run(:'new', 'go');
CALL workflow.wait_for_run(:'new');
SELECT * FROM step_now;
TABLE said;

-- a patch that a run has must be asked for as long as the run is there
SELECT workflow.enqueue_workflow('sells') AS run \gset
CALL wait_till(:'run', 'waiting signal');
CREATE OR REPLACE FUNCTION sells(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('tax', 'SELECT say($1)', 'new tax');
	RETURN NULL;
END $$;
SELECT workflow.signal_run(:'run', 'go');
CALL workflow.wait_for_run(:'run');
SELECT regexp_replace(workflow.why(:'run'), '.*Detail: ', '');

-- a run keeps its body; new ones get the new one
CREATE FUNCTION sells2(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"second"'::jsonb $$;
CREATE FUNCTION sells1(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.wait_for_signal('go');
	RETURN '"first"';
END $$;
SELECT workflow.create_workflow('pinned', 'sells1');
SELECT workflow.enqueue_workflow('pinned', dedup_key => 'waits') AS waits \gset
CALL wait_till(:'waits', 'waiting signal');
SELECT workflow.enqueue_workflow('pinned', dedup_key => 'begins late', delay => '1 day') AS late \gset
SELECT workflow.alter_workflow('pinned', body => 'sells2');
SELECT workflow.enqueue_workflow('pinned', dedup_key => 'new') AS new \gset
SELECT workflow.signal_run(:'waits', 'go');
CALL workflow.wait_for_run(:'waits');
CALL workflow.wait_for_run(:'new');
SELECT dedup_key, body, result FROM workflow.runs WHERE workflow = 'pinned' ORDER BY run_id;
SELECT workflow.cancel_run(:'late');

-- what may be asked
CREATE FUNCTION asks(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN to_jsonb(workflow.patched(input->>'id'));
END $$;
SELECT workflow.create_workflow('asks for patches', 'asks');
SELECT count(workflow.enqueue_workflow('asks for patches', jsonb_build_object('id', id))) FROM unnest('{"",NULL}'::text[]) id;
CALL workflow.wait_until_idle();
SELECT input, error_code, error_message FROM workflow.runs WHERE workflow = 'asks for patches' ORDER BY run_id;
SELECT workflow.patched('x');
