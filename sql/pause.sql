--
-- pause_run(), resume_run() and wake_run()
--
CREATE SCHEMA pau;
SET search_path = pau;
CREATE TABLE gate (open boolean);
INSERT INTO gate VALUES (false);
CREATE TABLE done (id serial, what text);
CREATE FUNCTION note(what text) RETURNS void LANGUAGE sql AS $$ INSERT INTO pau.done (what) VALUES (what) $$;
-- ends when the gate is open, or after ten seconds
CREATE FUNCTION hold() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..1000 LOOP
		EXIT WHEN (SELECT open FROM pau.gate);
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
CREATE FUNCTION two(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('first', CASE WHEN input ? 'hold' THEN 'SELECT pau.hold()' ELSE 'SELECT 1' END);
	PERFORM workflow.step('second', 'SELECT pau.note($1)', input->>'name');
	RETURN '"ok"';
END $$;
CREATE FUNCTION failing(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('fails', 'SELECT pau.open_or_fail()', workflow.policy(initial_delay => '1 hour', jitter => 0));
END $$;
CREATE FUNCTION open_or_fail() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF NOT (SELECT open FROM pau.gate) THEN
		RAISE EXCEPTION 'closed' USING ERRCODE = '53000';
	END IF;
	RETURN 'open';
END $$;
CREATE FUNCTION await(query text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	is_so boolean;
BEGIN
	FOR i IN 1..1000 LOOP
		EXECUTE query INTO is_so;
		EXIT WHEN is_so;
		PERFORM pg_sleep(0.01);
	END LOOP;
	IF is_so IS NOT TRUE THEN RAISE EXCEPTION 'never: %', query; END IF;
END $$;
-- until the scheduler has seen all that was asked for: it does so in order
CREATE PROCEDURE until_seen() LANGUAGE plpgsql AS $$
DECLARE
	probe uuid := workflow.enqueue_workflow('failing', delay => '1 day');
BEGIN
	COMMIT;
	PERFORM workflow.pause_run(probe);
	COMMIT;
	PERFORM pau.await(format('SELECT paused_at IS NOT NULL FROM workflow.runs WHERE run_id = %L', probe));
	PERFORM workflow.cancel_run(probe);
END $$;
CREATE FUNCTION why(id uuid) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(workflow.why(id),
		'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[^ ,.:]*', '<time>', 'g'), 'executor \d+', 'executor <pid>') $$;
CREATE VIEW mine AS SELECT state, paused_at IS NOT NULL AS paused, waiting_for, input->>'name' AS name
	  FROM workflow.runs WHERE workflow = 'two';
SELECT workflow.create_workflow('two');
SELECT workflow.create_workflow('failing');

-- before it has begun, in the transaction that enqueues it
BEGIN;
SELECT workflow.enqueue_workflow('two', '{"name": "early"}') AS id \gset
SELECT workflow.pause_run(:'id', 'not yet');
COMMIT;
CALL workflow.wait_until_idle();
SELECT * FROM mine;
SELECT why(:'id');
SELECT workflow.pause_run(:'id');
SELECT workflow.resume_run(:'id', 'now');
SELECT workflow.resume_run(:'id');
CALL workflow.wait_for_run(:'id');
SELECT workflow.pause_run(:'id'), workflow.resume_run(:'id'), workflow.wake_run(:'id');
SELECT * FROM mine;

-- while a step runs: it is finished, and nothing after it is begun
SELECT workflow.enqueue_workflow('two', '{"name": "late", "hold": true}') AS id \gset
SELECT await($$ SELECT count(*) = 1 FROM workflow.steps WHERE name = 'first' AND state = 'running' $$);
SELECT workflow.pause_run(:'id', 'wait');
SELECT workflow.pause_run(:'id');
SELECT why(:'id') LIKE '%is to be paused when this step has ended.' AS says_so;
SELECT state, paused, waiting_for FROM mine WHERE name = 'late';
CALL until_seen();
UPDATE gate SET open = true;
SELECT await(format('SELECT paused_at IS NOT NULL FROM workflow.runs WHERE run_id = %L', :'id'));
CALL workflow.wait_until_idle();
SELECT state, paused, waiting_for FROM mine WHERE name = 'late';
SELECT ordinal, name, state FROM workflow.steps WHERE run_id = :'id';
SELECT why(:'id');
SELECT workflow.resume_run(:'id');
CALL workflow.wait_for_run(:'id');
SELECT what FROM done ORDER BY id;

-- asked for and taken back while the step runs: as if nothing had been
UPDATE gate SET open = false;
SELECT workflow.enqueue_workflow('two', '{"name": "both", "hold": true}') AS id \gset
SELECT await($$ SELECT count(*) = 1 FROM workflow.steps WHERE name = 'first' AND state = 'running' $$);
SELECT workflow.pause_run(:'id'), workflow.resume_run(:'id'), workflow.resume_run(:'id');
UPDATE gate SET open = true;
CALL workflow.wait_for_run(:'id');

-- cancel works while paused, and a workflow's pause is another one
SELECT workflow.enqueue_workflow('two', '{"name": "cancelled"}', delay => '1 hour') AS id \gset
SELECT workflow.pause_run(:'id');
CALL workflow.wait_until_idle();
SELECT workflow.wake_run(:'id');
SELECT workflow.cancel_run(:'id');
CALL workflow.wait_for_run(:'id');
SELECT * FROM mine WHERE name = 'cancelled';
SELECT workflow.enqueue_workflow('two', '{"name": "twice"}', delay => '0.2 s') AS id \gset
SELECT workflow.pause_run(:'id');
SELECT workflow.pause_workflow('two');
SELECT workflow.resume_run(:'id');
CALL workflow.wait_for_run(:'id', '0.5 s');
SELECT workflow.pause_run(:'id');
SELECT workflow.resume_workflow('two');
CALL workflow.wait_for_run(:'id', '0.2 s');
SELECT why(:'id');
SELECT workflow.resume_run(:'id');
CALL workflow.wait_for_run(:'id');

-- wake_run() ends a back-off; one that fires while paused waits for resume_run()
UPDATE gate SET open = false;
SELECT workflow.enqueue_workflow('failing') AS id \gset
CALL workflow.wait_until_idle();
SELECT workflow.wake_run(:'id', 'try');
CALL workflow.wait_until_idle();
SELECT attempt, state FROM workflow.steps WHERE run_id = :'id';
SELECT workflow.pause_run(:'id');
CALL workflow.wait_until_idle();
SELECT state, waiting_for FROM workflow.runs WHERE run_id = :'id';
UPDATE gate SET open = true;
SELECT workflow.wake_run(:'id');
CALL workflow.wait_for_run(:'id', '0.2 s');
SELECT state, waiting_for FROM workflow.runs WHERE run_id = :'id';
SELECT workflow.resume_run(:'id');
CALL workflow.wait_for_run(:'id');

-- keeps its place: what comes after it in its group waits for it
SELECT workflow.create_queue('pau', group_max_active => 1);
SELECT workflow.enqueue_workflow('two', '{"name": "one"}', queue => 'pau', group_key => 'g') AS one,
       workflow.enqueue_workflow('two', '{"name": "other"}', queue => 'pau', group_key => 'g') AS other,
       workflow.pause_workflow('two') \gset
SELECT workflow.pause_run(:'one');
SELECT workflow.resume_workflow('two');
CALL workflow.wait_until_idle();
SELECT name, state, paused, waiting_for FROM mine WHERE name IN ('one', 'other') ORDER BY name;
SELECT count(workflow.resume_run(run_id)) FROM workflow.runs WHERE workflow = 'two' AND paused_at IS NOT NULL;
CALL workflow.wait_for_run(:'other');
SELECT what FROM done ORDER BY id DESC LIMIT 2;

SELECT workflow.drop_queue('pau'), workflow.drop_workflow('two'), workflow.drop_workflow('failing');
\set VERBOSITY terse
DROP SCHEMA pau CASCADE;
