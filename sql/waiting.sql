--
-- wait_for_run() and wait_until_idle()
--
CREATE SCHEMA waiting;
SET search_path = waiting;
CREATE FUNCTION nap(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('nap', 'SELECT pg_sleep($1)', (input->>'seconds')::float8);
	RETURN '{"slept": "well"}';
END $$;
CREATE FUNCTION bad(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.fail('no good', 'none at all');
	RETURN NULL;
END $$;
SELECT workflow.create_workflow('nap');
SELECT workflow.create_workflow('bad');

-- state, result and error; a time-out is no error
SELECT workflow.enqueue_workflow('nap', '{"seconds": 0.5}') AS id \gset
CALL workflow.wait_for_run(:'id', timeout => '0') \gset
SELECT :'state' IN ('queued', 'running') AS "not yet";
CALL workflow.wait_for_run(:'id');
CALL workflow.wait_for_run(:'id', timeout => NULL);
SELECT workflow.enqueue_workflow('bad') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT workflow.enqueue_workflow('nap', delay => '1 day') AS id \gset
CALL workflow.wait_for_run(:'id', '100 ms');

-- in a transaction block, and no snapshot is held meanwhile
CREATE FUNCTION look(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('look', $q$
		SELECT pg_sleep(0.3),
		       (SELECT backend_xmin IS NULL AND backend_xid IS NULL
		          FROM pg_stat_activity WHERE pid = $1) AS "nothing held"
		$q$, (input->>'pid')::int);
END $$;
SELECT workflow.create_workflow('look');
SELECT workflow.enqueue_workflow('look', jsonb_build_object('pid', pg_backend_pid())) AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT workflow.enqueue_workflow('look', jsonb_build_object('pid', pg_backend_pid())) AS id \gset
BEGIN;
SELECT 1 AS one;
CALL workflow.wait_for_run(:'id');
SELECT state FROM workflow.runs WHERE run_id = :'id';
SAVEPOINT a;
CALL workflow.wait_for_run(:'id');
COMMIT;
-- in a DO block and in a procedure, which are no functions
SELECT workflow.enqueue_workflow('look', jsonb_build_object('pid', pg_backend_pid())) AS id \gset
SELECT set_config('waiting.id', :'id', false) IS NOT NULL AS set;
DO $$
DECLARE
	id uuid := current_setting('waiting.id');
	state text;
	result jsonb;
	error text;
BEGIN
	CALL workflow.wait_for_run(id, '10 s', state, result, error);
	RAISE NOTICE '% % %', state, result, error;
END $$;
CREATE PROCEDURE enqueue_and_wait() LANGUAGE plpgsql AS $$
DECLARE
	id uuid;
	state text;
	result jsonb;
	error text;
BEGIN
	id := workflow.enqueue_workflow('look', jsonb_build_object('pid', pg_backend_pid()));
	COMMIT;
	CALL workflow.wait_for_run(id, '10 s', state, result, error);
	RAISE NOTICE '% % %', state, result, error;
	CALL workflow.wait_until_idle();
END $$;
CALL enqueue_and_wait();

-- where a snapshot would be held
CREATE FUNCTION waits(id uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	result jsonb;
	error text;
BEGIN
	CALL workflow.wait_for_run(id, '10 s', state, result, error);
	RETURN state;
END $$;
SELECT workflow.enqueue_workflow('nap', '{"seconds": 0.2}') AS id \gset
SELECT waits(:'id');
BEGIN;
DECLARE c CURSOR FOR SELECT 1;
CALL workflow.wait_for_run(:'id');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
CALL workflow.wait_for_run(:'id');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
CALL workflow.wait_until_idle();
ROLLBACK;
-- or where it could never come true
BEGIN;
SELECT workflow.enqueue_workflow('nap') AS own \gset
CALL workflow.wait_for_run(:'own');
ROLLBACK;
BEGIN;
SELECT workflow.enqueue_workflow('nap') IS NOT NULL AS enqueued;
CALL workflow.wait_until_idle();
ROLLBACK;
-- or where an executor would wait
CREATE FUNCTION waits_in_step(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('wait', 'CALL workflow.wait_until_idle()');
END $$;
SELECT workflow.create_workflow('waits_in_step');
SELECT workflow.enqueue_workflow('waits_in_step') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT error_code FROM workflow.runs WHERE run_id = :'id';

-- a read-only transaction may wait
BEGIN READ ONLY;
CALL workflow.wait_for_run(:'id');
COMMIT;

-- idle: runs that wait for a time do not count, and time-outs are errors
CALL workflow.wait_until_idle();
SELECT workflow.enqueue_workflow('nap', '{"seconds": 600}') AS id \gset
\set VERBOSITY terse
CALL workflow.wait_until_idle('300 ms');
SELECT workflow.cancel_run(:'id');
\set VERBOSITY default
CALL workflow.wait_until_idle(NULL);

SELECT count(workflow.drop_workflow(w, force => true))
  FROM unnest('{nap,bad,look,waits_in_step}'::text[]) w;
CALL workflow.wait_until_idle();
\set VERBOSITY terse
DROP SCHEMA waiting CASCADE;
