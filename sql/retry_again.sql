--
-- retry_run(): what is begun again, and what is left as it is
--
CREATE SCHEMA again;
SET search_path = again;
-- effects that no rollback takes back, and a switch for what fails
CREATE SEQUENCE outside;
CREATE TABLE switch (fixed boolean);
INSERT INTO switch VALUES (false);
CREATE TABLE done (what text);
CREATE FUNCTION once() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM nextval('again.outside');
	IF NOT (SELECT fixed FROM again.switch) THEN
		PERFORM pg_terminate_backend(pg_backend_pid());
	END IF;
	RETURN 1;
END $$;
CREATE FUNCTION chk(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF NOT (SELECT fixed FROM again.switch) THEN
		RAISE EXCEPTION '% is broken', what;
	END IF;
	INSERT INTO again.done VALUES (what);
	RETURN what;
END $$;
CREATE VIEW calls AS
	SELECT run_id, string_agg(format('%s %s %s %s', ordinal, name, state, attempt), ', ' ORDER BY ordinal) AS calls
	  FROM workflow.steps GROUP BY 1;
\set ON_ERROR_STOP 0
\set VERBOSITY terse

-- a step with an unknown outcome is not started again, however often it is retried
CREATE FUNCTION unknown(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('before', 'SELECT 1');
	RETURN workflow.step('once', 'SELECT again.once()', workflow.policy(at_most_once => true));
END $$;
SELECT workflow.create_workflow('unknown');
SELECT workflow.enqueue_workflow('unknown') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT last_value FROM outside;
UPDATE switch SET fixed = true;
SELECT workflow.retry_run(:'id');
CALL workflow.wait_for_run(:'id');
SELECT last_value FROM outside;
SELECT calls FROM calls WHERE run_id = :'id';
-- ... unless it is asked for in so many words, which the audit keeps
SELECT workflow.retry_run(:'id', repeat_unknown => true, reason => 'nothing was sent');
CALL workflow.wait_for_run(:'id');
SELECT last_value FROM outside;
SELECT reason, detail FROM workflow.audit_log WHERE run_id = :'id' ORDER BY at;

-- the same of a workflow that parks, and of the body that hears of it
UPDATE switch SET fixed = false;
SELECT workflow.alter_workflow('unknown', on_failure => 'park');
SELECT workflow.enqueue_workflow('unknown') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT workflow.retry_run(:'id');
CALL workflow.wait_for_run(:'id');
SELECT last_value FROM outside;
SELECT workflow.set_step_result(:'id', 2, '"by hand"');
CALL workflow.wait_for_run(:'id');
SELECT last_value FROM outside;

-- items of a map, and a step beside the body
CREATE FUNCTION unknown_items(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF input ? 'beside' THEN
		RETURN workflow.await(workflow.start_step('once', 'SELECT again.once()', workflow.policy(at_most_once => true)));
	END IF;
	RETURN workflow.map('all', 'SELECT again.once() + ($1)::int', '[0, 10]', policy => workflow.policy(at_most_once => true));
END $$;
SELECT workflow.create_workflow('unknown_items');
SELECT setval('outside', 1, false);
SELECT workflow.enqueue_workflow('unknown_items', '{"beside": 1}') AS id \gset
CALL workflow.wait_for_run(:'id');
UPDATE switch SET fixed = true;
SELECT workflow.retry_run(:'id');
CALL workflow.wait_for_run(:'id');
SELECT last_value FROM outside;
SELECT workflow.retry_run(:'id', repeat_unknown => true);
CALL workflow.wait_for_run(:'id');
SELECT last_value FROM outside;
UPDATE switch SET fixed = false;
SELECT workflow.enqueue_workflow('unknown_items') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT last_value AS was FROM outside \gset
UPDATE switch SET fixed = true;
SELECT workflow.retry_run(:'id');
CALL workflow.wait_for_run(:'id');
SELECT last_value - :was AS more FROM outside;
SELECT workflow.retry_run(:'id', repeat_unknown => true);
CALL workflow.wait_for_run(:'id');

-- what the end of the run has cancelled is no failure of its own
CREATE FUNCTION beside(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.await_all(ARRAY[workflow.start_step('b', 'SELECT again.chk(''b'')'),
	                                workflow.start_step('c', 'SELECT 1 FROM pg_sleep(0.5)'),
	                                workflow.start_child('d', 'sleeper')]);
END $$;
CREATE FUNCTION sleeper(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.sleep('300 ms');
	RETURN '"slept"';
END $$;
SELECT workflow.create_workflow('beside'), workflow.create_workflow('sleeper');
UPDATE switch SET fixed = false;
SELECT workflow.enqueue_workflow('beside') AS id \gset
CALL workflow.wait_for_run(:'id');
UPDATE switch SET fixed = true;
SELECT workflow.retry_run(:'id');
CALL workflow.wait_for_run(:'id');
SELECT ordinal, name, state FROM workflow.steps WHERE run_id = :'id' ORDER BY 1;

-- a failure that the body went on from stays; another of which it never heard does not
CREATE FUNCTION other_way(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	h1 integer := workflow.start_step('h1', 'SELECT again.chk(''h1'')');
	h2 integer := workflow.start_step('h2', 'SELECT again.chk(''h2'')');
BEGIN
	BEGIN
		PERFORM workflow.step('direct', 'SELECT again.chk(''direct'')');
	EXCEPTION WHEN raise_exception THEN
		BEGIN
			PERFORM workflow.await(h1);
		EXCEPTION WHEN raise_exception THEN
			PERFORM workflow.step('instead', 'SELECT 1');
		END;
	END;
	PERFORM workflow.await(h2);
	RETURN '"whole"';
END $$;
SELECT workflow.create_workflow('other_way');
UPDATE switch SET fixed = false;
SELECT workflow.enqueue_workflow('other_way') AS id \gset
CALL workflow.wait_for_run(:'id');
UPDATE switch SET fixed = true;
SELECT workflow.retry_run(:'id');
CALL workflow.wait_for_run(:'id');
SELECT calls FROM calls WHERE run_id = :'id';

-- one that has been undone is not retried, but makes no bulk form fail
CREATE FUNCTION undone(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.compensate('c', 'SELECT 1');
	RETURN workflow.step('s', 'SELECT 1 / 0');
END $$;
SELECT workflow.create_workflow('undone');
SELECT workflow.enqueue_workflow('undone') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT count(*) FILTER (WHERE workflow.retry_run(run_id)) FROM workflow.dead_letters WHERE run_id = :'id';
SELECT workflow.fork_run(:'id', 2);
SELECT workflow.fork_run(:'id', 1) AS f \gset
CALL workflow.wait_for_run(:'f');

CALL workflow.wait_until_idle();
DROP SCHEMA again CASCADE;
SELECT count(workflow.drop_workflow(workflow, force => true)::text) FROM workflow.workflows WHERE body LIKE 'again.%';
