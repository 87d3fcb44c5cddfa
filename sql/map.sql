-- One command, or one child, for each of many items.
SET client_min_messages = warning;
CREATE SCHEMA t_map;
SET search_path = t_map;
CREATE TABLE done (item int, key text, UNIQUE (item), UNIQUE (key));
CREATE FUNCTION work(item int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO done VALUES (item, workflow.idempotency_key());
	RETURN item * 2;
END $$;
CREATE FUNCTION t_maps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	items jsonb := workflow.step('items', 'SELECT coalesce(jsonb_agg(i), ''[]'') FROM generate_series(1, $1) i',
		(input->>'n')::int);
	found jsonb := workflow.map('work', 'SELECT work($1::int)', items,
		max_parallel => (input->>'max')::int);
BEGIN
	RETURN jsonb_build_object('n', jsonb_array_length(found), 'first', found->0, 'last', found->-1,
		'in order', found = (SELECT coalesce(jsonb_agg(i * 2), '[]') FROM generate_series(1, jsonb_array_length(found)) i));
END $$;
SELECT workflow.create_workflow('t_maps');
SELECT workflow.enqueue_workflow('t_maps', '{"n": 1000}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT count(*), min(item), max(item), count(DISTINCT key) FROM done;
SELECT key = :'run' || '/2/17' AS key_of_17 FROM done WHERE item = 17;
TRUNCATE done;
SELECT ordinal, kind, name, state, command, jsonb_array_length(result) AS results
  FROM workflow.steps WHERE run_id = :'run' ORDER BY ordinal;
SELECT workflow, state, steps_done FROM workflow.runs WHERE workflow LIKE 't_map%';
SELECT workflow.enqueue_workflow('t_maps', '{"n": 50, "max": 3}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT workflow.enqueue_workflow('t_maps', '{"n": 0}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT count(*) FROM done;
TRUNCATE done;

-- all kinds of items, results that are null, and errors that are collected
CREATE FUNCTION t_mixed(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN jsonb_build_array(
		workflow.map('same', 'SELECT $1', '[1, "a", null, true, [2, [3]], {"b": {}}]'),
		workflow.map('nothing', 'SELECT 1 WHERE $1 IS NULL', '[1, 2]'),
		workflow.map('errors', 'SELECT 10 / $1::int', '[5, 0, 2]', on_error => 'collect'),
		workflow.map('empty', 'SELECT 1', '[]'));
END $$;
SELECT workflow.create_workflow('t_mixed');
SELECT workflow.enqueue_workflow('t_mixed') AS run \gset
CALL workflow.wait_for_run(:'run');

-- an error ends the map and what is left of it; retry_run() goes on from there
CREATE TABLE bad (item int);
INSERT INTO bad VALUES (40);
CREATE FUNCTION careful(item int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF item IN (SELECT b.item FROM bad b) THEN
		RAISE EXCEPTION 'item % is bad', item USING DETAIL = 'Look at it.';
	END IF;
	RETURN work(item);
END $$;
CREATE FUNCTION t_stops(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN to_jsonb(jsonb_array_length(workflow.map('careful', 'SELECT careful(($1->>''id'')::int)',
		(SELECT jsonb_agg(jsonb_build_object('id', i)) FROM generate_series(1, 200) i),
		max_parallel => 2)));
END $$;
SELECT workflow.create_workflow('t_stops');
SELECT workflow.enqueue_workflow('t_stops') AS run \gset
CALL workflow.wait_for_run(:'run');
CALL workflow.wait_until_idle();
SELECT failed_step, error_code, error_message FROM workflow.runs WHERE run_id = :'run';
SELECT error_detail FROM _workflow.run WHERE run_id = :'run';
SELECT count(*) < 200 AS stopped FROM done;
DELETE FROM bad;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_until_idle();
CALL workflow.wait_for_run(:'run');
SELECT count(*), min(item), max(item) FROM done;
TRUNCATE done;

-- errors that waiting can heal are retried by the policy of the map
CREATE SEQUENCE tries;
CREATE FUNCTION flaky(item int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF nextval('tries') % 2 = 1 THEN
		RAISE lock_not_available;
	END IF;
	RETURN work(item);
END $$;
CREATE FUNCTION t_map_retries(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.map('flaky', 'SELECT flaky($1::int)', '[1, 2, 3]', max_parallel => 1,
		policy => workflow.policy(initial_delay => '1 ms', max_attempts => 2));
END $$;
SELECT workflow.create_workflow('t_map_retries');
SELECT workflow.enqueue_workflow('t_map_retries') AS run \gset
CALL workflow.wait_for_run(:'run');

-- children
CREATE FUNCTION t_one(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF input = '3' AND EXISTS (SELECT FROM bad) THEN
		PERFORM workflow.fail('three');
	END IF;
	RETURN workflow.step('s', 'SELECT $1::int + 1', input);
END $$;
CREATE FUNCTION t_family(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.map_child('all', 't_one', '[1, 2, 3, 4]', max_parallel => (input->>'max')::int,
		on_error => input->>'on_error');
END $$;
SELECT workflow.create_workflow('t_one'), workflow.create_workflow('t_family');
SELECT workflow.enqueue_workflow('t_family') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT ordinal, kind, name, state, command, result FROM workflow.steps WHERE run_id = :'run';
SELECT input, state, result, parent_run_id = :'run' AS ours FROM workflow.runs
 WHERE workflow = 't_one' ORDER BY run_id;
SELECT workflow.enqueue_workflow('t_family', '{"max": 1}') AS run \gset
CALL workflow.wait_for_run(:'run');
INSERT INTO bad VALUES (3);
SELECT workflow.enqueue_workflow('t_family', '{"max": 2, "on_error": "collect"}') AS run \gset
CALL workflow.wait_until_idle();
SELECT jsonb_path_query_array(result, '$[*].ok'), result->1, result->2->'code', result->2->'message'
  FROM workflow.runs WHERE run_id = :'run';
SELECT workflow.enqueue_workflow('t_family', '{"max": 1}') AS run \gset
CALL workflow.wait_for_run(:'run');
CALL workflow.wait_until_idle();
SELECT input, state, error_code FROM workflow.runs WHERE parent_run_id = :'run' ORDER BY run_id;
DELETE FROM bad;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_until_idle();
CALL workflow.wait_for_run(:'run');
SELECT input, state FROM workflow.runs WHERE parent_run_id = :'run' ORDER BY run_id;

-- what may be asked
CREATE FUNCTION t_odd(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	CASE input->>'how'
		WHEN 'object' THEN PERFORM workflow.map('m', 'SELECT 1', '{}');
		WHEN 'scalar' THEN PERFORM workflow.map_child('m', 't_one', '1');
		WHEN 'null' THEN PERFORM workflow.map('m', 'SELECT 1', NULL);
		WHEN 'none' THEN PERFORM workflow.map('m', 'SELECT 1', '[1]', max_parallel => 0);
		WHEN 'on_error' THEN PERFORM workflow.map('m', 'SELECT 1', '[1]', on_error => 'ignore');
		WHEN 'syntax' THEN PERFORM workflow.map('m', 'SELEC 1', '[1]');
		WHEN 'child' THEN PERFORM workflow.map_child('m', 'nothing', '[1]');
	END CASE;
	RETURN NULL;
END $$;
SELECT workflow.create_workflow('t_odd_map', 't_odd');
SELECT count(workflow.enqueue_workflow('t_odd_map', jsonb_build_object('how', how), dedup_key => how))
  FROM unnest('{object,scalar,"null",none,on_error,syntax,child}'::text[]) how;
CALL workflow.wait_until_idle();
SELECT dedup_key, error_code, error_message FROM workflow.runs
 WHERE workflow = 't_odd_map' ORDER BY run_id;
SELECT count(*) FROM _workflow.run WHERE finished_at IS NULL AND queue_id < 0;
DROP SCHEMA t_map CASCADE;
