--
-- A call that is tried again may be worded otherwise; and what a fork takes over
--
CREATE SCHEMA worded;
SET search_path = worded;
\set ON_ERROR_STOP 0
\set VERBOSITY terse
CREATE VIEW calls AS
	SELECT run_id, ordinal, kind, name, state, attempt, result FROM workflow.steps;

-- another command, another name and kind, or no call at all
CREATE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('first', 'SELECT 1');
	RETURN workflow.step('s', 'SELECT 1 / 0');
END $$;
SELECT workflow.create_workflow('worded', 'body');
SELECT workflow.enqueue_workflow('worded') AS a, workflow.enqueue_workflow('worded') AS b,
       workflow.enqueue_workflow('worded') AS c, workflow.enqueue_workflow('worded') AS d \gset
CALL workflow.wait_until_idle();
CREATE OR REPLACE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('first', 'SELECT 1');
	RETURN workflow.step('s', 'SELECT to_jsonb(workflow.idempotency_key())');
END $$;
SELECT workflow.retry_run(:'a');
CALL workflow.wait_until_idle();
SELECT state, result #>> '{}' = :'a' || '/2' AS same_key FROM workflow.runs WHERE run_id = :'a';
CREATE FUNCTION other_kind(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('first', 'SELECT 1');
	RETURN workflow.await(workflow.start_step('beside', 'SELECT 2'));
END $$;
SELECT workflow.retry_run(:'b', body => 'other_kind');
CALL workflow.wait_for_run(:'b');
CREATE FUNCTION none_at_all(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('first', 'SELECT 1');
END $$;
SELECT workflow.retry_run(:'c', body => 'none_at_all');
CALL workflow.wait_for_run(:'c');
SELECT ordinal, kind, name, attempt FROM calls WHERE run_id IN (:'a', :'b') AND ordinal = 2
 ORDER BY kind, run_id;
-- what it was called then stays in the timeline
SELECT event, name, detail FROM workflow.timeline(:'b') WHERE ordinal = 2;
SELECT event, name, detail FROM workflow.timeline(:'c') WHERE ordinal = 2;

-- what is done is compared as ever
CREATE FUNCTION first_differs(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('first', 'SELECT 2');
END $$;
SELECT workflow.retry_run(:'d', body => 'first_differs');
CALL workflow.wait_for_run(:'d');

-- so is one between two attempts
CREATE FUNCTION later(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('s', 'SELECT 1 / 0', workflow.policy(retry_on => '{22}', initial_delay => '1 hour'));
END $$;
SELECT workflow.create_workflow('later');
SELECT workflow.enqueue_workflow('later') AS id \gset
CALL workflow.wait_until_idle();
CREATE OR REPLACE FUNCTION later(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('t', 'SELECT 1');
END $$;
SELECT workflow.wake_run(:'id');
CALL workflow.wait_for_run(:'id');

-- a map: what its items have come to stays, the others get the new command
CREATE TABLE tried (n integer);
CREATE FUNCTION maps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.map('m', 'WITH t AS (INSERT INTO worded.tried VALUES (($1)::int)) SELECT 6 / ($1)::int', '[1, 2, 0]',
	                    max_parallel => 1);
END $$;
SELECT workflow.create_workflow('maps');
SELECT workflow.enqueue_workflow('maps') AS a, workflow.enqueue_workflow('maps') AS b \gset
CALL workflow.wait_until_idle();
TRUNCATE tried;
CREATE OR REPLACE FUNCTION maps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.map('n', 'WITH t AS (INSERT INTO worded.tried VALUES (($1)::int)) SELECT 60', '[1, 2, 0]');
END $$;
SELECT workflow.retry_run(:'a');
CALL workflow.wait_for_run(:'a');
TABLE tried;
-- other items: begun as a whole
CREATE OR REPLACE FUNCTION maps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.map('n', 'SELECT 60', '[1, 2]');
END $$;
SELECT workflow.retry_run(:'b');
CALL workflow.wait_for_run(:'b');

-- a fork takes results over, and no obligation to undo what they were
CREATE TABLE account (balance integer);
INSERT INTO account VALUES (100);
CREATE FUNCTION debits(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('debit', 'UPDATE worded.account SET balance = balance - 10');
	PERFORM workflow.compensate('credit', 'UPDATE worded.account SET balance = balance + 10');
	IF input ? 'bad' THEN
		PERFORM workflow.fail('bad');
	END IF;
	RETURN '1';
END $$;
SELECT workflow.create_workflow('debits');
SELECT workflow.enqueue_workflow('debits') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT workflow.fork_run(:'id', 3, '{"bad": 1}') AS f \gset
CALL workflow.wait_for_run(:'f');
TABLE account;
-- what it registers itself is its own
SELECT workflow.fork_run(:'id', 2, '{"bad": 1}') AS f \gset
CALL workflow.wait_for_run(:'f');
TABLE account;

-- it gets the signals that were not taken before
CREATE FUNCTION waits(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN jsonb_build_array(workflow.wait_for_signal('a'), workflow.wait_for_signal('a'), workflow.wait_for_signal('b', '1 hour'));
END $$;
SELECT workflow.create_workflow('waits');
SELECT workflow.enqueue_workflow('waits') AS id \gset
SELECT workflow.signal_run(:'id', 'a', '1'), workflow.signal_run(:'id', 'a', '2'), workflow.signal_run(:'id', 'a', '3'),
       workflow.signal_run(:'id', 'b', '4');
CALL workflow.wait_for_run(:'id');
SELECT workflow.fork_run(:'id', 2) AS f \gset
CALL workflow.wait_for_run(:'f');
SELECT name, payload, taken_at IS NOT NULL AS taken FROM workflow.signals WHERE run_id = :'f' ORDER BY signal_id;
-- the loser of a race is started again
CREATE FUNCTION races(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.await_any(ARRAY[workflow.start_child('a', 'waits'), workflow.start_step('b', 'SELECT 1')]);
END $$;
SELECT workflow.create_workflow('races');
SELECT workflow.enqueue_workflow('races') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT workflow.fork_run(:'id', 3) AS f \gset
CALL workflow.wait_for_run(:'f');

CALL workflow.wait_until_idle();
DROP SCHEMA worded CASCADE;
SELECT count(workflow.drop_workflow(workflow, force => true)::text) FROM workflow.workflows WHERE body LIKE 'worded.%';
