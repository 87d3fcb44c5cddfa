-- Steps beside the body, and waiting for several things.
SET client_min_messages = warning;
CREATE SCHEMA t_parallel;
SET search_path = t_parallel;
CREATE TABLE did (run_id uuid, what text, at timestamptz DEFAULT clock_timestamp());
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE TYPE point3 AS (x int, label text);
CREATE FUNCTION act(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO did (run_id, what) VALUES (workflow.run_id(), what);
	RETURN what || '!';
END $$;
-- till this call of a run waits, and the run is in no executor
CREATE PROCEDURE wait_till(run uuid, call int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..2000 LOOP
		EXIT WHEN EXISTS (SELECT FROM workflow.runs r JOIN workflow.steps s USING (run_id)
		                   WHERE run_id = run AND ordinal = call AND s.state = 'waiting'
		                     AND r.state = 'waiting');
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;

-- handles are ordinals; results come in the order that is asked for
CREATE FUNCTION t_several(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	a int := workflow.start_step('a', 'SELECT act($1)', 'a');
	b int := workflow.start_step('b', 'SELECT act($1)', workflow.policy(max_attempts => 3), 'b');
	c int := workflow.start_step('c', 'SELECT 1 WHERE false');
	began timestamptz := workflow.now();
	d jsonb := workflow.step('d', 'SELECT act($1)', 'd');
BEGIN
	RETURN jsonb_build_object('handles', ARRAY[a, b, c], 'all', workflow.await_all(ARRAY[c, a, b]),
		'one', workflow.await(a), 'none', workflow.await(c), 'd', d,
		'nothing', workflow.await_all('{}'),
		'time goes on', began < workflow.now());
END $$;
SELECT workflow.create_workflow('t_several');
SELECT workflow.enqueue_workflow('t_several') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT what, run_id = :'run' AS known FROM did ORDER BY what;
SELECT ordinal, kind, name, state, attempt, result, child_run_id, command
  FROM workflow.steps WHERE run_id = :'run' ORDER BY ordinal;
-- what runs them is nobody's business
SELECT workflow, state, steps_done FROM workflow.runs WHERE workflow = 't_several';
SELECT workflow, enqueued, succeeded, steps FROM workflow.stat_workflows WHERE workflow = 't_several';

-- arguments come with their types
CREATE FUNCTION t_typed(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.await(workflow.start_step('types',
		'SELECT jsonb_build_array(pg_typeof($1), $1, pg_typeof($2), $2, pg_typeof($3), $3,
			pg_typeof($4), $4, pg_typeof($5), $5, pg_typeof($6), $6, $7 + 1, $8 IS NULL, pg_typeof($8))',
		'2026-01-02 03:04:05+00'::timestamptz, 0.1::float8, ARRAY[1, 2], 'green'::colour,
		ROW(7, 'it''s, "so"')::point3, '\x00ff'::bytea, '41', NULL::date));
END $$;
SELECT workflow.create_workflow('t_typed');
SELECT workflow.enqueue_workflow('t_typed') AS run \gset
CALL workflow.wait_for_run(:'run');

-- errors: retried by the policy, raised where they are awaited
CREATE SEQUENCE tries;
CREATE FUNCTION flaky() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	IF nextval('tries') < 3 THEN
		RAISE lock_not_available;
	END IF;
	RETURN currval('tries');
END $$;
CREATE FUNCTION t_fails(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	good int := workflow.start_step('good', 'SELECT flaky()', workflow.policy(initial_delay => '1 ms'));
	bad int := workflow.start_step('bad', 'SELECT 1 / $1', 0);
	found text := 'nothing';
BEGIN
	BEGIN
		PERFORM workflow.await(bad);
	EXCEPTION WHEN division_by_zero THEN
		found := sqlerrm;
	END;
	found := found || ', ' || workflow.await(good)::text;
	IF input ? 'again' THEN
		PERFORM workflow.await(bad);
	END IF;
	RETURN to_jsonb(found);
END $$;
SELECT workflow.create_workflow('t_fails');
SELECT workflow.enqueue_workflow('t_fails') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT workflow.enqueue_workflow('t_fails', '{"again": 1}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT failed_step, error_code FROM workflow.runs WHERE run_id = :'run';
SELECT kind, workflow, failed_step, error_code FROM workflow.dead_letters WHERE workflow LIKE 't_fails';
-- where workflows park, what nobody catches parks; repaired, it goes on from there
CREATE TABLE divisor (n int);
INSERT INTO divisor VALUES (0);
CREATE FUNCTION t_divides(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.await(workflow.start_step('divide', 'SELECT 10 / n FROM divisor'));
END $$;
SELECT workflow.create_workflow('t_divides', on_failure => 'park');
SELECT workflow.enqueue_workflow('t_divides') AS run \gset
CALL workflow.wait_for_run(:'run');
UPDATE divisor SET n = 5;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_until_idle();
CALL workflow.wait_for_run(:'run');

-- the first of several, and a time-out; what was chosen is recorded
CREATE FUNCTION t_waits(input jsonb) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT workflow.wait_for_signal('go') $$;
CREATE FUNCTION t_races(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	left_over int[] := ARRAY[workflow.start_child('one', 't_waits', dedup_key => 'one'),
		workflow.start_child('two', 't_waits', dedup_key => 'two')];
	found jsonb := '[]';
	one int;
BEGIN
	found := found || jsonb_build_array(workflow.await_any(left_over, '10 ms'));
	WHILE cardinality(left_over) > 0 LOOP
		one := workflow.await_any(left_over);
		found := found || jsonb_build_array(one, workflow.await(one));
		left_over := array_remove(left_over, one);
	END LOOP;
	RETURN found;
END $$;
SELECT workflow.create_workflow('t_waits'), workflow.create_workflow('t_races');
SELECT workflow.enqueue_workflow('t_races') AS run \gset
CALL wait_till(:'run', 4);
SELECT regexp_replace(workflow.why(:'run'), '[-0-9a-f]{36}', '...');
SELECT workflow.signal_run(workflow.find_run('t_waits', 'two'), 'go', '"second"');
CALL workflow.wait_for_run(workflow.find_run('t_waits', 'two'));
SELECT workflow.signal_run(workflow.find_run('t_waits', 'one'), 'go', '"first"');
CALL workflow.wait_for_run(:'run');
SELECT ordinal, kind, name, state, result FROM workflow.steps WHERE run_id = :'run' ORDER BY ordinal;

-- the end of the body ends what it did not wait for
CREATE FUNCTION t_impatient(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.start_step('long', 'SELECT pg_sleep(600)');
	RETURN '"done"';
END $$;
SELECT workflow.create_workflow('t_impatient');
SELECT workflow.enqueue_workflow('t_impatient') AS run \gset
CALL workflow.wait_for_run(:'run');
CALL workflow.wait_until_idle();
SELECT ordinal, state FROM workflow.steps WHERE run_id = :'run';
SELECT workflow.start_step('x', 'SELECT 1');
DROP SCHEMA t_parallel CASCADE;
