-- continue_as_new(): an endless loop with a record that stays short.
SET client_min_messages = warning;
CREATE SCHEMA continued;
SET search_path = continued;
CREATE TABLE said (n serial, what text);
CREATE FUNCTION say(what text) RETURNS text LANGUAGE sql AS
	$$ INSERT INTO continued.said (what) VALUES ($1) RETURNING $1 $$;
CREATE PROCEDURE wait_till(run uuid, wanted text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..2000 LOOP
		EXIT WHEN (SELECT concat_ws(' ', state, waiting_for) = wanted
		             FROM workflow.runs WHERE run_id = run);
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;

-- identity, queue, group and labels go along; nothing is recorded twice
SELECT workflow.create_queue('continued strict', group_max_active => 1);
CREATE FUNCTION loops(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	n int := input->>'n';
BEGIN
	PERFORM workflow.step('say', 'SELECT say($1)', (input->>'who') || n);
	IF n < 3 THEN
		PERFORM workflow.continue_as_new(input || jsonb_build_object('n', n + 1));
	END IF;
	RETURN to_jsonb(n);
EXCEPTION WHEN OTHERS THEN
	RETURN '"caught"';
END $$;
SELECT workflow.create_workflow('loops', queue => 'continued strict');
BEGIN;
SELECT workflow.enqueue_workflow('loops', '{"n": 1, "who": "a"}', dedup_key => 'a', group_key => 'g',
	priority => 5, attributes => '{"k": 1}', run_timeout => '1 hour') AS run \gset
SELECT workflow.enqueue_workflow('loops', '{"n": 1, "who": "b"}', dedup_key => 'b', group_key => 'g') AS b \gset
SELECT workflow.enqueue_workflow('loops', '{"n": 3, "who": "c"}', dedup_key => 'c', group_key => 'g') AS c \gset
COMMIT;
CALL workflow.wait_until_idle();
SELECT string_agg(what, ' ' ORDER BY n) FROM said;
SELECT state, dedup_key, input->>'n' AS n, queue, group_key, priority, attributes, result, steps_done,
	continued_from = lag(run_id) OVER w AS follows, continued_as = lead(run_id) OVER w AS goes_on
  FROM workflow.runs WHERE workflow = 'loops' AND input->>'who' = 'a'
WINDOW w AS (ORDER BY run_id);
SELECT count(*) FROM _workflow.run r JOIN _workflow.workflow w USING (workflow_id)
 WHERE w.name = 'loops' AND dedup_key = 'a' AND deadline_at = run_at + interval '1 hour';
SELECT workflow.find_run('loops', 'a') = (SELECT max(run_id::text)::uuid FROM workflow.runs WHERE workflow = 'loops' AND input->>'who' = 'a') AS found;
SELECT regexp_replace(regexp_replace(workflow.why(:'run'), 'at \d{4}.*,', 'at ...,'), '[0-9a-f-]{36}', '<id>');
SELECT succeeded, enqueued FROM workflow.stat_queues WHERE queue = 'continued strict';

-- signals that were not taken go along
CREATE FUNCTION counts(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	sum int := (input->>'sum')::int + (workflow.wait_for_signal('add'))::int;
BEGIN
	IF sum < 100 THEN
		PERFORM workflow.continue_as_new(jsonb_build_object('sum', sum));
	END IF;
	RETURN to_jsonb(sum);
END $$;
SELECT workflow.create_workflow('counts');
BEGIN;
SELECT workflow.enqueue_workflow('counts', '{"sum": 0}', dedup_key => 'counter') AS run \gset
SELECT count(workflow.signal_run(:'run', 'add', to_jsonb(g))) FROM generate_series(1, 5) g;
COMMIT;
CALL workflow.wait_until_idle();
SELECT input, state, waiting_for, (SELECT count(*) FROM workflow.signals s WHERE s.run_id = r.run_id) AS signals
  FROM workflow.runs r WHERE workflow = 'counts' ORDER BY run_id;
-- one that is sent to a run goes to the newest that it goes on as
SELECT workflow.signal_run(:'run', 'add', '90');
CALL workflow.wait_for_run(workflow.find_run('counts', 'counter'));

-- new runs have the newest body
CREATE FUNCTION newer(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"newer"'::jsonb $$;
CREATE FUNCTION older(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.wait_for_signal('go');
	PERFORM workflow.continue_as_new('{}');
END $$;
SELECT workflow.create_workflow('renewed', 'older');
SELECT workflow.enqueue_workflow('renewed', dedup_key => 'x') AS run \gset
CALL wait_till(:'run', 'waiting signal');
SELECT workflow.alter_workflow('renewed', body => 'newer');
SELECT workflow.signal_run(:'run', 'go');
CALL workflow.wait_for_run(:'run');
CALL workflow.wait_for_run(workflow.find_run('renewed', 'x'));
SELECT body, result FROM workflow.runs WHERE workflow = 'renewed' ORDER BY run_id;

-- a record that was not asked for is a difference here, too
CREATE TABLE hurry (yes bool);
CREATE FUNCTION hurries(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM hurry) THEN
		PERFORM workflow.continue_as_new('{}');
	END IF;
	PERFORM workflow.step('hurry', 'INSERT INTO hurry VALUES (true)');
	RETURN NULL;
END $$;
SELECT workflow.create_workflow('hurries');
SELECT workflow.enqueue_workflow('hurries') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT error_code, error_message FROM workflow.runs WHERE run_id = :'run';
SELECT error_detail FROM _workflow.run WHERE run_id = :'run';

-- a parent waits for the last of the chain
CREATE FUNCTION has_loops(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN jsonb_build_array(
		workflow.child('loops', 'loops', '{"n": 1, "who": "child "}'),
		workflow.map_child('more loops', 'loops', '[{"n": 2, "who": "x"}, {"n": 3, "who": "y"}]'));
END $$;
SELECT workflow.create_workflow('has loops', 'has_loops');
SELECT workflow.enqueue_workflow('has loops') AS run \gset
CALL workflow.wait_for_run(:'run');

-- what may be asked
SELECT workflow.continue_as_new('{}');
