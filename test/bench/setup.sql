-- What is measured: workflows whose steps do next to nothing, and a table with
-- the columns and the primary key of the table of runs, to compare with.
CREATE EXTENSION workflow;
SELECT workflow.grant_usage('bench');
CREATE SCHEMA bench AUTHORIZATION bench;
CREATE TABLE bench.raw (LIKE _workflow.run);
ALTER TABLE bench.raw ADD CONSTRAINT raw_pkey PRIMARY KEY (run_id);
CREATE TABLE bench.raw_message (LIKE _workflow.message);
ALTER TABLE bench.raw_message ADD CONSTRAINT raw_message_pkey PRIMARY KEY (message_id);
CREATE SEQUENCE bench.raw_message_id CACHE 100;
GRANT ALL ON bench.raw, bench.raw_message, bench.raw_message_id TO bench;

\connect - bench
SET search_path TO bench;

CREATE TABLE effect (
	run_id		uuid NOT NULL,
	at			timestamptz NOT NULL
);

-- one step that has no effect, as the peers measure it
CREATE FUNCTION one_step(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('only', 'SELECT 1');
END $$;

-- one step that writes a row, and when its first line was run
CREATE FUNCTION one_insert(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('only',
		'INSERT INTO effect VALUES (workflow.run_id(), clock_timestamp())');
END $$;

CREATE FUNCTION ten_steps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	value jsonb;
BEGIN
	FOR i IN 1..10 LOOP
		value := workflow.step('step ' || i, 'SELECT 1');
	END LOOP;
	RETURN value;
END $$;

-- as many steps as its input says, one after the other
CREATE FUNCTION loop_steps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	value jsonb;
BEGIN
	FOR i IN 1..(input->>'n')::int LOOP
		value := workflow.step('step', 'SELECT $1', i);
	END LOOP;
	RETURN value;
END $$;

-- the same step for each of many items, and a child for each
CREATE FUNCTION many_items(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN to_jsonb(jsonb_array_length(workflow.map('all', 'SELECT 1',
		(SELECT jsonb_agg(i) FROM generate_series(1, (input->>'n')::int) AS i))));
END $$;

CREATE FUNCTION many_children(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN to_jsonb(jsonb_array_length(workflow.map_child('all', 'one_step',
		(SELECT jsonb_agg(i) FROM generate_series(1, (input->>'n')::int) AS i))));
END $$;

SELECT workflow.create_workflow('many_items');
SELECT workflow.create_workflow('many_children');
SELECT workflow.create_workflow('one_step');
SELECT workflow.create_workflow('one_insert');
SELECT workflow.create_workflow('ten_steps');
SELECT workflow.create_workflow('loop_steps');
