-- Children: runs that a body starts, and what it hears of them.
SET client_min_messages = warning;
CREATE SCHEMA t_children;
SET search_path = t_children;
CREATE TABLE said (n serial, run_id uuid, what text);
CREATE FUNCTION say(what text) RETURNS text LANGUAGE sql AS
	$$ INSERT INTO said (run_id, what) VALUES (workflow.run_id(), $1) RETURNING what $$;
-- which: a run_id or a dedup_key
CREATE PROCEDURE wait_till(which text, wanted text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..2000 LOOP
		EXIT WHEN (SELECT concat_ws(' ', state, waiting_for) = wanted
		             FROM workflow.runs WHERE which IN (run_id::text, dedup_key));
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;

-- what a child does: says something, fails, waits to be told, or nothing
CREATE FUNCTION t_part(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF input ? 'say' THEN
		PERFORM workflow.step('say', 'SELECT say($1)', input->>'say');
	ELSIF input ? 'fail' THEN
		PERFORM workflow.fail(input->>'fail', 'so it was told');
	ELSIF input ? 'wait' THEN
		RETURN workflow.wait_for_signal('go');
	END IF;
	RETURN input;
END $$;
SELECT workflow.create_workflow('t_part');

-- a result, an error that can be caught, and one of a child that was cancelled
CREATE FUNCTION t_whole(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	found jsonb := '[]';
	detail text;
BEGIN
	found := found || workflow.child('says', 't_part', '{"say": "hello"}');
	BEGIN
		PERFORM workflow.child('fails', 't_part', '{"fail": "no luck"}');
	EXCEPTION WHEN SQLSTATE 'WF005' THEN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
		found := found || to_jsonb(sqlerrm) || to_jsonb(regexp_replace(detail, '[-0-9a-f]{36}', '...'));
	END;
	BEGIN
		PERFORM workflow.child('waits', 't_part', '{"wait": true}', dedup_key => 'the one');
	EXCEPTION WHEN SQLSTATE 'WF006' THEN
		found := found || to_jsonb(sqlerrm);
	END;
	PERFORM workflow.step('then', 'SELECT say($1)', 'then');
	RETURN found;
END $$;
SELECT workflow.create_workflow('t_whole');
SELECT workflow.enqueue_workflow('t_whole') AS run \gset
CALL wait_till('the one', 'waiting signal');
CALL wait_till(:'run', 'waiting child');
SELECT ordinal, kind, name, state, command, child_run_id IS NOT NULL AS has_child, error_code
  FROM workflow.steps WHERE run_id = :'run' ORDER BY ordinal;
SELECT regexp_replace(workflow.why(:'run'), '[-0-9a-f]{36}', '...');
SELECT workflow, state, waiting_for, error_code
  FROM workflow.runs WHERE parent_run_id = :'run' ORDER BY run_id;
SELECT workflow.cancel_run(workflow.find_run('t_part', 'the one'));
CALL workflow.wait_for_run(:'run');
SELECT what, run_id = :'run' AS parent FROM said ORDER BY n;
TRUNCATE said;

-- an error that nobody catches ends the parent there; retry_run() starts anew
CREATE TABLE mood (good boolean);
INSERT INTO mood VALUES (false);
CREATE FUNCTION t_moody(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF NOT workflow.step('look', 'SELECT good FROM mood')::boolean THEN
		PERFORM workflow.fail('not now');
	END IF;
	RETURN '"fine"';
END $$;
CREATE FUNCTION t_trusting(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('before', 'SELECT say($1)', 'before');
	RETURN workflow.child('it', 't_moody');
END $$;
SELECT workflow.create_workflow('t_moody'), workflow.create_workflow('t_trusting');
SELECT workflow.enqueue_workflow('t_trusting') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT state, failed_step, error_code, error_message FROM workflow.runs WHERE run_id = :'run';
UPDATE mood SET good = true;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_until_idle();
CALL workflow.wait_for_run(:'run');
SELECT workflow, state FROM workflow.runs
 WHERE run_id = :'run' OR parent_run_id = :'run' ORDER BY run_id;

-- the end of a parent: its children are cancelled, unless it lets them go on
CREATE FUNCTION t_leaves(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.start_child('mine', 't_part', '{"wait": 1}', dedup_key => 'mine');
	PERFORM workflow.start_child('free', 't_part', '{"wait": 2}', dedup_key => 'free',
		on_parent_close => 'abandon');
	IF input ? 'wait' THEN
		PERFORM workflow.wait_for_signal('end');
	ELSIF input ? 'fail' THEN
		PERFORM workflow.fail('as told');
	END IF;
	RETURN NULL;
END $$;
SELECT workflow.create_workflow('t_leaves');
CREATE PROCEDURE see(how jsonb) LANGUAGE plpgsql AS $$
DECLARE
	run uuid := workflow.enqueue_workflow('t_leaves', how);
	one record;
BEGIN
	COMMIT;
	IF how ? 'wait' THEN
		CALL wait_till(run::text, 'waiting signal');
		PERFORM workflow.cancel_run(run);
		COMMIT;
	END IF;
	CALL wait_till('mine', 'cancelled');
	CALL wait_till('free', 'waiting signal');
	FOR one IN SELECT workflow, input, state FROM workflow.runs
	            WHERE run = ANY (ARRAY[run_id, parent_run_id]) ORDER BY run_id LOOP
		RAISE NOTICE '% % %', one.workflow, one.input, one.state;
	END LOOP;
	PERFORM workflow.signal_run(workflow.find_run('t_part', 'free'), 'go', 'true');
	COMMIT;
	CALL wait_till('free', 'succeeded');
	UPDATE _workflow.run SET dedup_key = NULL WHERE dedup_key IN ('mine', 'free');
END $$;
SET client_min_messages = notice;
CALL see('{"return": true}');
CALL see('{"fail": true}');
CALL see('{"wait": true}');
SET client_min_messages = warning;

-- a dedup_key of a run that has ended: its outcome; of one that has not: wait
SELECT workflow.enqueue_workflow('t_part', '{"say": "first"}', dedup_key => 'kept') AS kept \gset
CALL workflow.wait_until_idle();
CREATE FUNCTION t_shares(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.child('shared', 't_part', input, dedup_key => input->>'key');
END $$;
SELECT workflow.create_workflow('t_shares', policy => workflow.policy(initial_delay => '10 ms'));
SELECT workflow.enqueue_workflow('t_shares', '{"key": "kept", "say": "second"}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT workflow.enqueue_workflow('t_part', '{"wait": true}', dedup_key => 'busy') AS busy \gset
CALL wait_till(:'busy', 'waiting signal');
SELECT workflow.enqueue_workflow('t_shares', '{"key": "busy"}') AS run \gset
CALL wait_till(:'run', 'queued retry');
SELECT error_code, error_message FROM workflow.runs WHERE run_id = :'run';
SELECT workflow.signal_run(:'busy', 'go', '"gone"');
CALL workflow.wait_for_run(:'run');
-- one that a parent waits for is not exchanged for another
SELECT workflow.enqueue_workflow('t_leaves', '{"wait": true}') AS run \gset
CALL wait_till('mine', 'waiting signal');
SELECT workflow.enqueue_workflow('t_part', dedup_key => 'mine', on_duplicate => 'replace')
       = workflow.find_run('t_part', 'mine') AS same;

-- what may be asked
CREATE FUNCTION t_odd(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	CASE input->>'how'
		WHEN 'no name' THEN PERFORM workflow.child('', 't_part');
		WHEN 'no workflow' THEN PERFORM workflow.child('x', NULL);
		WHEN 'unknown' THEN PERFORM workflow.child('x', 'nothing');
		WHEN 'queue' THEN PERFORM workflow.child('x', 't_part', queue => 'nowhere');
		WHEN 'close' THEN PERFORM workflow.child('x', 't_part', on_parent_close => 'wait');
		WHEN 'delay' THEN PERFORM workflow.child('x', 't_part', delay => '-1 s');
		WHEN 'in a step' THEN PERFORM workflow.step('s', $s$SELECT workflow.child('x', 't_part')$s$);
		WHEN 'no handle' THEN PERFORM workflow.await(1);
		WHEN 'null handle' THEN PERFORM workflow.await_all('{NULL}');
		WHEN 'no handles' THEN PERFORM workflow.await_any('{}');
		WHEN 'step' THEN
			PERFORM workflow.step('s', 'SELECT 1');
			PERFORM workflow.await(1);
	END CASE;
	RETURN NULL;
END $$;
SELECT workflow.create_workflow('t_odd_child', 't_odd');
SELECT count(workflow.enqueue_workflow('t_odd_child', jsonb_build_object('how', how), dedup_key => how))
  FROM unnest('{"no name","no workflow",unknown,queue,close,delay,"in a step","no handle","null handle","no handles",step}'::text[]) how;
CALL workflow.wait_until_idle();
SELECT dedup_key, error_code, error_message FROM workflow.runs
 WHERE workflow = 't_odd_child' ORDER BY run_id;
SELECT workflow.child('x', 't_part');
DROP SCHEMA t_children CASCADE;
