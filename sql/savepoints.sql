--
-- Savepoints, exception blocks and two-phase commit
--
CREATE SCHEMA sp;
SET search_path = sp;
CREATE FUNCTION note(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN workflow.step('note', 'SELECT $1', input); END $$;
SELECT workflow.create_workflow('note');
CREATE VIEW shown AS
SELECT state, input, result FROM workflow.runs WHERE workflow = 'note' ORDER BY run_id;

-- what a savepoint takes back is not there
BEGIN;
SELECT workflow.enqueue_workflow('note', '"a"') IS NOT NULL AS enqueued;
SAVEPOINT one;
SELECT workflow.enqueue_workflow('note', '"b"') IS NOT NULL AS enqueued;
SAVEPOINT two;
SELECT workflow.enqueue_workflow('note', '"c"') IS NOT NULL AS enqueued;
RELEASE two;
ROLLBACK TO one;
SELECT workflow.enqueue_workflow('note', '"d"') IS NOT NULL AS enqueued;
SAVEPOINT three;
SELECT workflow.enqueue_workflow('note', '"e"') IS NOT NULL AS enqueued;
RELEASE three;
COMMIT;
CALL workflow.wait_until_idle();
SELECT * FROM shown;

-- exception blocks, more of them than are kept in memory
DO $$
BEGIN
	FOR i IN 1..100 LOOP
		BEGIN
			PERFORM workflow.enqueue_workflow('note', to_jsonb(i));
			IF i % 2 = 0 THEN
				RAISE EXCEPTION 'even';
			END IF;
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
END $$;
CALL workflow.wait_until_idle();
SELECT count(*), sum(result::int), bool_and(state = 'succeeded') AS ended
  FROM workflow.runs WHERE workflow = 'note' AND jsonb_typeof(input) = 'number';

-- a cancel that is taken back, and one that is not
SELECT workflow.enqueue_workflow('note', '"later"', delay => '1 day') AS id \gset
BEGIN;
SAVEPOINT one;
SELECT workflow.cancel_run(:'id');
ROLLBACK TO one;
COMMIT;
CALL workflow.wait_until_idle();
SELECT state FROM workflow.runs WHERE run_id = :'id';
BEGIN;
SAVEPOINT one;
SELECT workflow.cancel_run(:'id');
COMMIT;
CALL workflow.wait_until_idle();
SELECT state FROM workflow.runs WHERE run_id = :'id';

-- enqueue and cancel in one transaction
BEGIN;
SELECT workflow.cancel_run(workflow.enqueue_workflow('note', '"never"'));
COMMIT;
CALL workflow.wait_until_idle();
SELECT state IN ('cancelled', 'succeeded') AS ended FROM workflow.runs WHERE input = '"never"';

-- prepared transactions: there at COMMIT PREPARED
BEGIN;
SELECT workflow.enqueue_workflow('note', '"prepared"') IS NOT NULL AS enqueued;
PREPARE TRANSACTION 'wf_regress_1';
BEGIN;
SELECT workflow.enqueue_workflow('note', '"taken back"') IS NOT NULL AS enqueued;
PREPARE TRANSACTION 'wf_regress_2';
CALL workflow.wait_until_idle();
SELECT count(*) FROM shown WHERE input IN ('"prepared"', '"taken back"');
\c -
SET search_path = sp;
COMMIT PREPARED 'wf_regress_1';
ROLLBACK PREPARED 'wf_regress_2';
CALL workflow.wait_until_idle();
SELECT * FROM shown WHERE input IN ('"prepared"', '"taken back"');

-- a definition made in a savepoint that is taken back
BEGIN;
SAVEPOINT one;
SELECT workflow.create_workflow('short', 'note');
SELECT workflow.enqueue_workflow('short') IS NOT NULL AS enqueued;
ROLLBACK TO one;
SELECT workflow.enqueue_workflow('short');
ROLLBACK;

-- what a REPEATABLE READ transaction knew is not kept
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT workflow.enqueue_workflow('note', '"old"') IS NOT NULL AS enqueued;
COMMIT;
SELECT workflow.alter_workflow('note', run_timeout => '1 hour');
SELECT workflow.enqueue_workflow('note', '"new"') IS NOT NULL AS enqueued;
CALL workflow.wait_until_idle();
SELECT count(*) FROM shown WHERE input IN ('"old"', '"new"');

SELECT workflow.drop_workflow('note');
\set VERBOSITY terse
DROP SCHEMA sp CASCADE;
