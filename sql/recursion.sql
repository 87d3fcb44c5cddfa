--
-- Steps that act on their own run, body or table
--
CREATE SCHEMA recursion;
SET search_path = recursion;
SET client_min_messages = error;
CREATE TABLE effects (t text);

-- a run cannot replace itself: it has begun
CREATE FUNCTION replaces(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ DECLARE same boolean; BEGIN
	same := workflow.step('replace', 'SELECT workflow.enqueue_workflow(''replaces'', dedup_key => ''k'',
		on_duplicate => ''replace'') = workflow.run_id()');
	PERFORM workflow.step('go on', 'INSERT INTO effects VALUES (''replaces'')');
	RETURN to_jsonb(same);
END $$;
SELECT workflow.create_workflow('replaces');
SELECT workflow.enqueue_workflow('replaces', dedup_key => 'k') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT count(*) FROM effects;

-- nor can a transaction that saw it before it began
CREATE FUNCTION slow_once(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN
	RETURN workflow.step('once', 'SELECT workflow.attempt() FROM pg_sleep(2)',
		workflow.policy(at_most_once => true));
END $$;
SELECT workflow.create_workflow('slow_once');
SELECT workflow.enqueue_workflow('slow_once', dedup_key => 'k', delay => '1 s') AS run \gset
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT state FROM workflow.runs WHERE run_id = :'run';
SELECT pg_sleep(2);
SELECT workflow.enqueue_workflow('slow_once', dedup_key => 'k', on_duplicate => 'replace') = :'run' AS same;
COMMIT;
CALL workflow.wait_for_run(:'run');

-- a body that a step of it replaces goes on as the new one
CREATE FUNCTION renews(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN
	PERFORM workflow.step('renew', 'SELECT renew()');
	PERFORM workflow.step('next', 'SELECT 1');
	RETURN '"old"';
END $$;
CREATE FUNCTION renew() RETURNS void LANGUAGE plpgsql AS
$f$ BEGIN
	EXECUTE replace(pg_get_functiondef('renews(jsonb)'::regprocedure), '"old"', '"new"');
END $f$;
SELECT workflow.create_workflow('renews');
SELECT workflow.enqueue_workflow('renews') AS run \gset
CALL workflow.wait_for_run(:'run');

-- the type of a literal is inferred anew when the table has changed
CREATE TABLE typed (c text);
CREATE FUNCTION literal(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN workflow.step('insert', 'INSERT INTO typed VALUES ($1) RETURNING c', '5'); END $$;
SELECT workflow.create_workflow('literal');
SELECT workflow.enqueue_workflow('literal') AS run \gset
CALL workflow.wait_for_run(:'run');
ALTER TABLE typed ALTER c TYPE int USING c::int;
SELECT workflow.enqueue_workflow('literal') AS run \gset
CALL workflow.wait_for_run(:'run');

-- retry_run() right after a run has failed, before its executor is done with it
CREATE FUNCTION repaired(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN workflow.step('divide', 'SELECT 1 / count(*) FROM effects'); END $$;
SELECT workflow.create_workflow('repaired');
TRUNCATE effects;
ALTER SYSTEM SET workflow.test_stop = 'exec-after-commit=sleep';
SELECT pg_reload_conf() FROM pg_sleep(0.2);
SELECT workflow.enqueue_workflow('repaired') AS run \gset
DO $$ BEGIN
	WHILE NOT EXISTS (SELECT FROM workflow.runs WHERE workflow = 'repaired' AND state = 'failed') LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
INSERT INTO effects VALUES ('repaired');
SELECT workflow.retry_run(:'run');
ALTER SYSTEM RESET workflow.test_stop;
SELECT pg_reload_conf();
CALL workflow.wait_until_idle();
CALL workflow.wait_for_run(:'run');

DROP SCHEMA recursion CASCADE;
SELECT workflow.drop_workflow(n, force => true)
  FROM unnest('{replaces,slow_once,renews,literal,repaired}'::text[]) n;
