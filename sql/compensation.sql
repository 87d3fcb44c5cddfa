-- compensate(): what a run has done is undone when it fails or is cancelled.
SET client_min_messages = warning;
CREATE SCHEMA compensation;
SET search_path = compensation;
CREATE TABLE done (n serial, what text, kind text);
CREATE FUNCTION note(what text, ok bool DEFAULT true) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO done (what, kind) VALUES ($1, split_part(workflow.idempotency_key(), '/', 2));
	IF NOT ok THEN RAISE 'cannot %', what USING ERRCODE = 'P0001'; END IF;
	RETURN what;
END $$;
CREATE FUNCTION done() RETURNS text LANGUAGE sql AS
	$$ SELECT string_agg(what || '@' || kind, ' ' ORDER BY n) FROM done $$;
CREATE VIEW run_now AS
SELECT workflow, state, waiting_for AS waits, failed_step, error_code AS code, error_message, steps_done AS done
  FROM workflow.runs ORDER BY run_id DESC LIMIT 1;
CREATE PROCEDURE wait_till(run uuid, wanted text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..2000 LOOP
		EXIT WHEN (SELECT concat_ws(' ', state, waiting_for) = wanted
		             FROM workflow.runs WHERE run_id = run);
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;
CREATE FUNCTION books(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('flight', 'SELECT note($1)', 'flight');
	PERFORM workflow.compensate('drop flight', 'SELECT note($1, $2)', 'drop flight', NOT input ? 'bad undo');
	PERFORM workflow.step('hotel', 'SELECT note($1)', 'hotel');
	PERFORM workflow.compensate('drop hotel', 'SELECT note(concat_ws(''/'', $1, extract(epoch FROM $2), coalesce($3, 7)))',
		workflow.policy(max_attempts => 2), 'drop hotel', '1970-01-02 00:00+00'::timestamptz, NULL::int);
	CASE input->>'how'
		WHEN 'step' THEN PERFORM workflow.step('car', 'SELECT note($1, false)', 'car');
		WHEN 'body' THEN PERFORM workflow.fail('no car', 'sold out');
		WHEN 'sleep' THEN PERFORM workflow.sleep('1 day');
		WHEN 'retry' THEN PERFORM workflow.step('car', 'SELECT note($1, false)',
			workflow.policy(retry_on => '{P0}', initial_delay => '1 day'), 'car');
		ELSE NULL;
	END CASE;
	RETURN '"booked"';
END $$;
SELECT workflow.create_workflow('books');

-- a run that succeeds keeps what it did
SELECT workflow.enqueue_workflow('books') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT done();
TRUNCATE done RESTART IDENTITY;

-- a step that fails: newest first, each as a step of its own; types are kept
SELECT workflow.enqueue_workflow('books', '{"how": "step"}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT * FROM run_now;
SELECT ordinal, kind, name, state, attempt FROM workflow.steps WHERE run_id = :'run' ORDER BY ordinal;
SELECT jsonb_pretty(result) FROM workflow.steps WHERE run_id = :'run' AND ordinal = 4;
SELECT done();
TRUNCATE done RESTART IDENTITY;
SELECT regexp_replace(workflow.why(:'run'), 'at \d{4}-.* at', 'at ... at');
SELECT failed_step, reason, attempts FROM workflow.dead_letters WHERE workflow = 'books';
-- it cannot go on where it failed, nor can a fork of it, as what it did is undone: only begin anew
SELECT workflow.retry_run(run_id) FROM workflow.dead_letters WHERE workflow = 'books';
SELECT workflow.fork_run(:'run', 2);
SELECT workflow.fork_run(:'run', 1) AS fork \gset
CALL workflow.wait_for_run(:'fork');
SELECT done();
TRUNCATE done RESTART IDENTITY;

-- an error of the body
SELECT workflow.enqueue_workflow('books', '{"how": "body"}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT * FROM run_now;
SELECT done();
TRUNCATE done RESTART IDENTITY;

-- cancelled while it sleeps, and while it waits for a retry
SELECT workflow.enqueue_workflow('books', '{"how": "sleep"}') AS run \gset
CALL wait_till(:'run', 'waiting timer');
SELECT workflow.cancel_run(:'run');
CALL workflow.wait_for_run(:'run');
SELECT done();
TRUNCATE done RESTART IDENTITY;
SELECT workflow.enqueue_workflow('books', '{"how": "retry"}') AS run \gset
CALL wait_till(:'run', 'queued retry');
SELECT workflow.cancel_run(:'run');
CALL workflow.wait_for_run(:'run');
SELECT * FROM run_now;
SELECT done();
TRUNCATE done RESTART IDENTITY;

-- without compensation
SELECT workflow.enqueue_workflow('books', '{"how": "sleep"}') AS run \gset
CALL wait_till(:'run', 'waiting timer');
SELECT workflow.cancel_run(:'run', compensate => false);
CALL workflow.wait_for_run(:'run');
SELECT done();
TRUNCATE done RESTART IDENTITY;

-- run_timeout
SELECT workflow.enqueue_workflow('books', '{"how": "sleep"}', run_timeout => '200 ms') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT * FROM run_now;
SELECT reason FROM workflow.dead_letters WHERE run_id = :'run';
SELECT done();
TRUNCATE done RESTART IDENTITY;

-- an undo that fails parks the run; retry_run() goes on from there
SELECT workflow.enqueue_workflow('books', '{"how": "body", "bad undo": true}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT * FROM run_now;
SELECT workflow.why(:'run');
SELECT done();
SELECT workflow.cancel_run(:'run') AS cancelled;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');
SELECT done();
CREATE OR REPLACE FUNCTION note(what text, ok bool DEFAULT true) RETURNS text LANGUAGE sql AS
	$$ INSERT INTO done (what, kind) VALUES ($1, 'late') RETURNING $1 $$;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');
SELECT * FROM run_now;
SELECT ordinal, kind, name, state, attempt, error_code FROM workflow.steps
 WHERE run_id = :'run' AND kind = 'undo' ORDER BY ordinal;
SELECT done();
TRUNCATE done RESTART IDENTITY;

-- on_failure => 'park' stops at the step; a cancel then undoes
CREATE OR REPLACE FUNCTION note(what text, ok bool DEFAULT true) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF NOT ok THEN RAISE 'cannot %', what; END IF;
	INSERT INTO done (what, kind) VALUES ($1, split_part(workflow.idempotency_key(), '/', 2));
	RETURN what;
END $$;
SELECT workflow.create_workflow('parks', 'books', on_failure => 'park');
SELECT workflow.enqueue_workflow('parks', '{"how": "step"}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT done();
SELECT workflow.cancel_run(:'run');
CALL workflow.wait_for_run(:'run');
SELECT done();
TRUNCATE done RESTART IDENTITY;

-- given up: what could not be undone stays
SELECT workflow.enqueue_workflow('books', '{"how": "body", "bad undo": true}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT workflow.cancel_run(:'run', compensate => false);
CALL workflow.wait_for_run(:'run');
SELECT done();

-- beside calls that were only started, and with children
CREATE FUNCTION sleeps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.compensate('undo child', 'SELECT note($1)', 'undo child');
	PERFORM workflow.sleep('1 day');
	RETURN NULL;
END $$;
SELECT workflow.create_workflow('sleeps', 'compensation.sleeps');
CREATE FUNCTION starts(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	handle int;
BEGIN
	PERFORM workflow.start_child('child', 'sleeps');
	handle := workflow.start_step('beside', 'SELECT note($1)', 'beside');
	PERFORM workflow.compensate('undo 1', 'SELECT note($1)', 'undo 1');
	PERFORM workflow.await(handle);
	handle := workflow.start_step('beside', 'SELECT note($1)', 'beside');
	IF NOT workflow.patched('beside') THEN RETURN NULL; END IF;
	PERFORM workflow.compensate('undo 2', 'SELECT note($1)', 'undo 2');
	PERFORM workflow.await(handle);
	PERFORM workflow.step('until the child sleeps', $s$
		SELECT workflow.fail('not yet') WHERE NOT EXISTS (
			SELECT FROM workflow.runs WHERE workflow = 'sleeps' AND state = 'waiting')$s$,
		workflow.policy(retry_on => '{WF001}', initial_delay => '10 ms', max_delay => '10 ms', max_attempts => NULL));
	RETURN workflow.fail('enough');
END $$;
TRUNCATE done RESTART IDENTITY;
SELECT workflow.create_workflow('starts');
SELECT workflow.enqueue_workflow('starts') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT run_id AS child FROM workflow.runs WHERE workflow = 'sleeps' \gset
CALL workflow.wait_for_run(:'child');
SELECT ordinal, kind, name, state FROM workflow.steps WHERE run_id = :'run' AND name NOT LIKE 'until%' ORDER BY ordinal;
SELECT string_agg(what, ', ' ORDER BY what) FROM done;

-- what may be registered
SELECT workflow.compensate('x', 'SELECT 1');
