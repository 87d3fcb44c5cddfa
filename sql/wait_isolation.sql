--
-- Waiting under every default isolation level
--
CREATE FUNCTION t_iso(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT workflow.step('one', 'SELECT $1', input) $$;
SELECT workflow.create_workflow('t_iso');
SELECT workflow.create_queue('t_iso');
SET default_transaction_isolation = 'serializable';
SELECT workflow.enqueue_workflow('t_iso', '{"a": 1}') AS run \gset
CALL workflow.wait_for_run(:'run');
CALL workflow.wait_until_idle();
CALL workflow.wait_for_messages('t_iso', '10 ms');
SELECT workflow.send('t_iso', '1') IS NOT NULL AS sent;
CALL workflow.wait_for_messages('t_iso');
SELECT payload FROM workflow.receive('t_iso');
SET default_transaction_isolation = 'repeatable read';
SELECT workflow.enqueue_workflow('t_iso', '2') AS run \gset
CALL workflow.wait_for_run(:'run');
SHOW transaction_isolation;
-- who has begun a transaction has chosen its level, or taken it over knowingly
BEGIN;
CALL workflow.wait_for_run(:'run');
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED;
CALL workflow.wait_for_run(:'run');
ROLLBACK;
-- from a procedure, and from a block that has written
DO $$ DECLARE id uuid := (SELECT max(run_id::text)::uuid FROM workflow.runs WHERE workflow = 't_iso'); s text; r jsonb; e text; BEGIN
	CALL workflow.wait_for_run(id, '1 min', s, r, e);
	RAISE NOTICE '% %', s, r; END $$;
CREATE TABLE t_iso_table (n int);
DO $$ DECLARE b boolean; BEGIN
	INSERT INTO t_iso_table VALUES (1);
	CALL workflow.wait_for_messages('t_iso', '1 s', b); END $$;
RESET default_transaction_isolation;
SELECT workflow.drop_workflow('t_iso');
SELECT workflow.drop_queue('t_iso', force => true);
DROP TABLE t_iso_table;
DROP FUNCTION t_iso;

-- a wait counts from when the body comes to it
CREATE FUNCTION t_late(input jsonb) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT coalesce(workflow.wait_for_signal('answer', '1 hour'), '"nobody"') $$;
CREATE FUNCTION t_epoch(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
	$$ BEGIN PERFORM workflow.sleep_until('2000-01-01 00:00:00+00'); RETURN '"over"'; END $$;
SELECT workflow.create_queue('t_late');
SELECT workflow.create_workflow('t_late', queue => 't_late'), workflow.create_workflow('t_epoch');
SELECT workflow.pause_queue('t_late');
SELECT workflow.enqueue_workflow('t_late') AS run \gset
-- ... as if it had been enqueued three hours ago
UPDATE _workflow.run SET enqueued_at = enqueued_at - interval '3 hours', run_at = run_at - interval '3 hours' WHERE run_id = :'run';
SELECT workflow.resume_queue('t_late');
CALL workflow.wait_until_idle();
SELECT state, waiting_for, due_at > now() + interval '50 min' AS an_hour FROM workflow.runs WHERE run_id = :'run';
SELECT workflow.cancel_run(:'run');
-- the first moment that PostgreSQL's clock counts from is a time as any other
SELECT workflow.enqueue_workflow('t_epoch') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT workflow.drop_workflow(w, force => true) FROM unnest('{t_late,t_epoch}'::text[]) w;
CALL workflow.wait_until_idle();
SELECT workflow.drop_queue('t_late');
DROP FUNCTION t_late, t_epoch;
