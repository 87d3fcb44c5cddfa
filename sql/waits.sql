-- Bodies that wait: for a time, and for signals.
SET client_min_messages = warning;
CREATE TABLE said (n serial, what text);
CREATE FUNCTION say(what text) RETURNS int LANGUAGE sql AS
	$$ INSERT INTO said (what) VALUES ($1) RETURNING 1 $$;

-- a run that has come to a wait, or has ended
CREATE PROCEDURE wait_till(run uuid, wanted text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..2000 LOOP
		EXIT WHEN (SELECT concat_ws(' ', state, waiting_for) = wanted
		             FROM workflow.runs WHERE run_id = run);
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;
CREATE VIEW run_now AS
SELECT workflow, state, waiting_for, steps_done, result, error_code
  FROM workflow.runs WHERE workflow IN ('naps', 'asks', 'collects') ORDER BY run_id;
CREATE VIEW step_now AS
SELECT ordinal, kind, s.name, s.state, s.due_at IS NOT NULL AS timed, s.result
  FROM workflow.steps s JOIN workflow.runs USING (run_id)
 WHERE workflow = 'naps' ORDER BY run_id, ordinal;

-- time: the call before and the call after are recorded once each
CREATE FUNCTION naps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
BEGIN
	PERFORM workflow.step('before', 'SELECT say($1)', 'before');
	began := workflow.now();
	PERFORM workflow.sleep('50 ms');
	PERFORM workflow.step('after', 'SELECT say($1)', 'after');
	PERFORM workflow.sleep_until(workflow.now() - interval '1 day');
	PERFORM workflow.sleep('0');
	RETURN to_jsonb(workflow.now() - began >= '50 ms');
END $$;
SELECT workflow.create_workflow('naps');
SELECT workflow.enqueue_workflow('naps') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT * FROM step_now;
SELECT * FROM run_now;
TABLE said;
TRUNCATE said;

-- a signal that comes while the run waits
CREATE FUNCTION asks(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	answer jsonb := workflow.wait_for_signal('answer');
BEGIN
	PERFORM workflow.step('say', 'SELECT say($1)', answer->>'text');
	RETURN answer;
END $$;
SELECT workflow.create_workflow('asks');
SELECT workflow.enqueue_workflow('asks') AS run \gset
CALL wait_till(:'run', 'waiting signal');
SELECT regexp_replace(workflow.why(:'run'), '\d{4}-.*', '...');
SELECT ordinal, kind, name, state FROM workflow.steps WHERE run_id = :'run';
SELECT workflow.signal_run(:'run', 'other', '1');
BEGIN;
SELECT workflow.signal_run(:'run', 'answer', '{"text": "yes"}', dedup_key => 'a');
SELECT workflow.signal_run(:'run', 'answer', '{"text": "no"}', dedup_key => 'a');
COMMIT;
CALL workflow.wait_for_run(:'run');
SELECT name, payload, dedup_key, taken_at IS NOT NULL AS taken, ordinal
  FROM workflow.signals WHERE run_id = :'run' ORDER BY signal_id;
\set VERBOSITY sqlstate
SELECT workflow.signal_run(:'run', 'answer', '{"text": "late"}');
\set VERBOSITY default
SELECT workflow.signal_run('01900000-0000-7000-8000-000000000000', 'answer');
SELECT workflow.signal_run(:'run', '');
SELECT workflow.signal_run(:'run', NULL);

-- signals that were there before: in order, each once; SQL NULL is the time-out
CREATE FUNCTION collects(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	found jsonb := '[]';
	one jsonb;
BEGIN
	LOOP
		one := workflow.wait_for_signals('{a,b}', '10 ms');
		EXIT WHEN one IS NULL;
		found := found || one;
	END LOOP;
	RETURN found;
END $$;
SELECT workflow.create_workflow('collects');
BEGIN;
SELECT workflow.enqueue_workflow('collects') AS run \gset
SELECT count(workflow.signal_run(:'run', name, to_jsonb(n)))
  FROM unnest('{b,a,a,c}'::text[]) WITH ORDINALITY AS u (name, n);
SELECT workflow.signal_run(:'run', 'a');
COMMIT;
CALL workflow.wait_for_run(:'run');
SELECT jsonb_pretty(result) FROM workflow.runs WHERE run_id = :'run';

-- a run that waits can be cancelled, and notices its run_timeout
SELECT workflow.enqueue_workflow('asks') AS run \gset
CALL wait_till(:'run', 'waiting signal');
SELECT workflow.cancel_run(:'run');
CALL workflow.wait_for_run(:'run');
SELECT workflow.enqueue_workflow('asks', run_timeout => '50 ms') AS run \gset
CALL workflow.wait_for_run(:'run');

-- what may be asked
CREATE FUNCTION odd(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	CASE input->>'how'
		WHEN 'null' THEN PERFORM workflow.sleep(NULL);
		WHEN 'negative' THEN PERFORM workflow.sleep('-1 s');
		WHEN 'infinite' THEN PERFORM workflow.sleep_until('infinity');
		WHEN 'no name' THEN PERFORM workflow.wait_for_signal('');
		WHEN 'no names' THEN PERFORM workflow.wait_for_signals('{}');
		WHEN 'null name' THEN PERFORM workflow.wait_for_signals('{NULL}');
		WHEN 'in a step' THEN PERFORM workflow.step('s', $s$SELECT workflow.sleep('1 s')$s$);
	END CASE;
	RETURN NULL;
END $$;
SELECT workflow.create_workflow('odd');
SELECT count(workflow.enqueue_workflow('odd', jsonb_build_object('how', how), dedup_key => how))
  FROM unnest('{"null",negative,infinite,"no name","no names","null name","in a step"}'::text[]) how;
CALL workflow.wait_until_idle();
SELECT dedup_key, error_code, error_message FROM workflow.runs
 WHERE workflow = 'odd' ORDER BY run_id;
SELECT workflow.sleep('1 s');
SELECT workflow.wait_for_signal('x');
