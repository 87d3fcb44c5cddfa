--
-- timeline() and describe()
--
CREATE SCHEMA tl;
SET search_path = tl;
CREATE TABLE gate (open boolean);
INSERT INTO gate VALUES (false);
CREATE FUNCTION pass() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF NOT (SELECT open FROM tl.gate) THEN
		RAISE EXCEPTION 'gate is closed' USING ERRCODE = '53000';
	END IF;
	RETURN 'through';
END $$;
CREATE FUNCTION walk(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('first', 'SELECT pg_sleep(0.01)');
	PERFORM workflow.step('gate', 'SELECT tl.pass()', workflow.policy(initial_delay => '1 hour', jitter => 0, max_attempts => 5));
	RETURN workflow.step('last', 'SELECT $1 / $2', 6, (input->>'by')::int);
END $$;
SELECT workflow.create_workflow('walk', on_failure => 'park');
CREATE FUNCTION shape(id uuid) RETURNS TABLE (event text, ordinal int, name text, detail text, took boolean) LANGUAGE sql AS $$
	SELECT event, ordinal, name, regexp_replace(detail, '\w{3} \w{3} \d\d [0-9:.]+ \d{4} \w+|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[^ ,]*', '<time>', 'g'), took >= '0'
	  FROM workflow.timeline(id) $$;
CREATE FUNCTION text_of(id uuid) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(replace(workflow.describe(id), id::text, '<id>'),
		'\w{3} \w{3} \d\d [0-9:.]+ \d{4} \w+|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[^ ,.]*', '<time>', 'g'), '\([0-9.]+ m?s\)', '(<span>)', 'g') $$;

-- not begun
SELECT workflow.enqueue_workflow('walk', '{"by": 0}', delay => '1 hour') AS id \gset
SELECT * FROM shape(:'id');
SELECT text_of(:'id');
SELECT workflow.cancel_run(:'id', reason => 'too late');
CALL workflow.wait_for_run(:'id');
SELECT * FROM shape(:'id');

-- in back-off, then parked, then at its end
SELECT workflow.enqueue_workflow('walk', '{"by": 0}') AS id \gset
CALL workflow.wait_until_idle();
SELECT * FROM shape(:'id');
SELECT workflow.wake_run(:'id', 'the gate should be open');
CALL workflow.wait_until_idle();
UPDATE gate SET open = true;
SELECT workflow.retry_run(:'id', reason => 'now it is');
CALL workflow.wait_for_run(:'id');
SELECT * FROM shape(:'id');
SELECT workflow.pause_run(:'id', 'lunch');
CALL workflow.wait_until_idle();
SELECT * FROM shape(:'id') WHERE event LIKE 'pause%';
SELECT workflow.set_step_result(:'id', 3, '6', 'as by hand'), workflow.resume_run(:'id');
CALL workflow.wait_for_run(:'id');
SELECT * FROM shape(:'id');
SELECT text_of(:'id');
-- in order, and no span is longer than the whole
SELECT bool_and(at >= before) AS ordered, bool_and(took <= last - first) AS within
  FROM (SELECT at, took, lag(at, 1, at) OVER w AS before, max(at) OVER () AS last, min(at) OVER () AS first
          FROM workflow.timeline(:'id') WITH ORDINALITY AS t (at, event, call, name, detail, took, n)
        WINDOW w AS (ORDER BY n)) t;

-- a fork shows what it was given
SELECT workflow.fork_run(:'id', 3, '{"by": 2}') AS f \gset
CALL workflow.wait_for_run(:'f');
SELECT event, ordinal, name, took FROM shape(:'f');

-- each attempt: of a step, the newest hundred; of a task, which have no span
CREATE TABLE tries (n int);
INSERT INTO tries VALUES (0);
CREATE FUNCTION fumble() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF workflow.attempt() <= (SELECT n FROM tl.tries) THEN
		RAISE EXCEPTION 'no %', workflow.attempt() USING ERRCODE = '53000';
	END IF;
	RETURN workflow.attempt();
END $$;
CREATE FUNCTION insist(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('fumble', 'SELECT tl.fumble()', workflow.policy(max_attempts => NULL, initial_delay => '0 s'));
	RETURN workflow.task('call', 'tl_out', '1', workflow.policy(max_attempts => 3, initial_delay => '0 s'));
END $$;
SELECT workflow.create_queue('tl_out');
SELECT workflow.create_workflow('insist', on_failure => 'park');
UPDATE tries SET n = 2;
SELECT workflow.enqueue_workflow('insist') AS id \gset
CALL workflow.wait_until_idle();
SELECT workflow.nack(receipt, 'line is busy') FROM workflow.receive('tl_out');
SELECT workflow.nack(receipt, delay => '0 s', counts => false) FROM workflow.receive('tl_out');
SELECT workflow.nack(receipt) FROM workflow.receive('tl_out');
SELECT workflow.ack(receipt, '"heard"') FROM workflow.receive('tl_out');
CALL workflow.wait_for_run(:'id');
SELECT * FROM shape(:'id');
SELECT bool_and(at >= lag) FROM (SELECT at, lag(at) OVER () FROM workflow.timeline(:'id')) t;
-- a failed one stays where somebody else gives the answer
UPDATE tries SET n = 130;
SELECT workflow.enqueue_workflow('insist') AS id \gset
CALL workflow.wait_until_idle();
SELECT count(*) FROM shape(:'id') WHERE name = 'fumble';
SELECT count(*), min(attempt), max(attempt) FROM _workflow.attempt WHERE run_id = :'id';
SELECT workflow.nack(receipt, 'wrong number', final => true) FROM workflow.receive('tl_out');
CALL workflow.wait_for_run(:'id');
SELECT workflow.set_step_result(:'id', 2, '"by hand"');
CALL workflow.wait_for_run(:'id');
SELECT event, detail, took FROM shape(:'id') WHERE name = 'call';
SELECT workflow.delete_run(:'id');
CALL workflow.wait_until_idle();
SELECT count(*) FROM _workflow.attempt WHERE run_id = :'id';
SELECT workflow.drop_workflow('insist');
SELECT workflow.drop_queue('tl_out');

SELECT * FROM workflow.timeline(NULL);
SELECT workflow.describe('00000000-0000-0000-0000-000000000000');
SELECT workflow.drop_workflow('walk');
\set VERBOSITY terse
DROP SCHEMA tl CASCADE;
