--
-- What an administrator does to our tables while runs are under way
--
CREATE SCHEMA maintenance;
SET search_path = maintenance;
CREATE TABLE effects (t text);
CREATE FUNCTION two_steps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN
	PERFORM workflow.step('a', 'INSERT INTO effects VALUES (''a'')');
	PERFORM workflow.step('b', 'SELECT pg_sleep(1)');
	RETURN workflow.step('c', 'INSERT INTO effects VALUES (''c'')');
END $$;
CREATE FUNCTION measure(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN workflow.step('length', 'SELECT $1', length(input->>'x')); END $$;
SELECT workflow.create_workflow('two_steps');
SELECT workflow.create_workflow('measure');

-- rows move between two steps of a run
SELECT count(workflow.enqueue_workflow('measure', '{"x": "-"}')) FROM generate_series(1, 200);
CALL workflow.wait_until_idle();
SELECT workflow.enqueue_workflow('two_steps') AS run \gset
DO $$ BEGIN
	WHILE NOT EXISTS (SELECT FROM effects) LOOP PERFORM pg_sleep(0.01); END LOOP;
END $$;
DELETE FROM _workflow.run r USING workflow.runs v
 WHERE v.run_id = r.run_id AND v.workflow = 'measure' AND v.state = 'succeeded';
VACUUM FULL _workflow.run;
CALL workflow.wait_for_run(:'run');
SELECT attempts, steps_done FROM workflow.runs WHERE run_id = :'run';
SELECT t, count(*) FROM effects GROUP BY t ORDER BY t;

-- ... and between enqueue and start, so that another row is where one was, or none
SELECT workflow.stop();
SELECT count(workflow.enqueue_workflow('measure', jsonb_build_object('x', repeat('-', i))))
  FROM generate_series(1, 300) i;
DELETE FROM _workflow.run r USING workflow.runs v
 WHERE v.run_id = r.run_id AND v.workflow = 'two_steps';
VACUUM FULL _workflow.run;
SELECT workflow.start();
CALL workflow.wait_until_idle();
SELECT count(*), sum(length(input->>'x')) AS asked, sum(result::int) AS measured
  FROM workflow.runs WHERE workflow = 'measure' AND state = 'succeeded';

-- indexes that we do not know get every row
CREATE INDEX more ON _workflow.run (state, (upper(owner_name)));
CREATE INDEX more_steps ON _workflow.step (name) WHERE state = 'd';
SELECT workflow.enqueue_workflow('measure', '{"x": "abc"}') AS run \gset
CALL workflow.wait_for_run(:'run');
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT count(*) FROM _workflow.run r WHERE state = 's' AND upper(owner_name) = upper(current_user) AND run_id = :'run';
SELECT count(*) FROM _workflow.step WHERE name = 'length' AND state = 'd' AND run_id = :'run';
RESET enable_seqscan;
RESET enable_bitmapscan;
DROP INDEX _workflow.more, _workflow.more_steps;

-- an input that is stored apart, again and again in one process
SELECT count(workflow.enqueue_workflow('measure', jsonb_build_object('x',
		(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 10000) i))))
  FROM generate_series(1, 8);
CALL workflow.wait_until_idle();
SELECT state, result, count(*) FROM workflow.runs
 WHERE workflow = 'measure' AND result = '320000' GROUP BY 1, 2;

DROP SCHEMA maintenance CASCADE;
SELECT workflow.drop_workflow(n, force => true) FROM unnest('{two_steps,measure}'::text[]) n;
