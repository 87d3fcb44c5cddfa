--
-- Groups and queues, as enqueue_workflow() takes them
--
CREATE SCHEMA grp;
SET search_path = grp;
CREATE ROLE regress_wf_a LOGIN;
CREATE ROLE regress_wf_b LOGIN;
CREATE ROLE regress_wf_senders;
SELECT workflow.grant_usage(r) FROM unnest('{regress_wf_a,regress_wf_b}'::text[]) r;
GRANT USAGE ON SCHEMA grp TO regress_wf_a, regress_wf_b;
CREATE FUNCTION make_queue(queue text, closed boolean DEFAULT false, owner regrole DEFAULT current_user::regrole)
	RETURNS void LANGUAGE sql AS $$
	INSERT INTO _workflow.queue (name, owner, owner_name, closed, on_group_failure, fair, rate_period, created_at, altered_at)
	VALUES (queue, owner, owner::text, closed, 'continue', false, '1 s', now(), now());
	SELECT workflow.alter_workflow(workflow, description => 'tells every backend') FROM workflow.workflows;
$$;
CREATE FUNCTION hold(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF input->>'park' IS NOT NULL THEN
		PERFORM workflow.step('never', 'SELECT 1/0');
	END IF;
	PERFORM workflow.step('gate', 'SELECT pg_advisory_xact_lock(3)');
	RETURN input;
END $$;
SELECT workflow.create_workflow('hold', on_failure => 'park');
SELECT make_queue('mail');
CREATE VIEW shown AS
SELECT q.name AS queue, left(r.group_key, 10) AS group_key, v.state, v.input
  FROM _workflow.run r JOIN workflow.runs v USING (run_id) LEFT JOIN _workflow.queue q USING (queue_id)
 WHERE v.workflow = 'hold' ORDER BY run_id;
-- run ids differ from time to time
CREATE FUNCTION try(queue text, group_key text, on_busy text, on_duplicate text DEFAULT 'return', dedup_key text DEFAULT NULL)
	RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	id uuid;
	d text;
	h text;
BEGIN
	id := workflow.enqueue_workflow('hold', dedup_key => dedup_key, on_duplicate => on_duplicate,
		group_key => group_key, on_busy => on_busy, queue => queue);
	RETURN CASE WHEN id IS NULL THEN 'skipped' ELSE 'enqueued' END;
EXCEPTION WHEN object_in_use THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	RETURN format('%s: %s | %s | %s', sqlstate, sqlerrm, regexp_replace(d, '[0-9a-f-]{36}', '<id>'), h);
END $$;

-- arguments
SELECT workflow.enqueue_workflow('hold', group_key => '');
SELECT workflow.enqueue_workflow('hold', group_key => repeat('ü', 201));
SELECT workflow.enqueue_workflow('hold', on_busy => 'fail', group_key => 'a');
SELECT workflow.enqueue_workflow('hold', on_busy => 'reject');
SELECT workflow.enqueue_workflow('hold', on_busy => 'skip', dedup_key => 'k');
SELECT workflow.enqueue_workflow('hold', queue => 'nowhere', group_key => 'a');
SELECT workflow.enqueue_workflow('hold', queue => '');

-- busy while queued, delayed, running, parked; free when ended
SELECT workflow.stop('test of groups');
SELECT try('mail', repeat('ü', 200), 'reject'), try('mail', 'free', NULL);
SELECT try('mail', 'free', 'reject');
SELECT try('mail', 'free', 'skip');
SELECT try('mail', 'free', 'wait');
SELECT try('default', 'free', 'reject'), try(NULL, 'free', 'skip'), try('mail', 'Free', 'skip');
SELECT * FROM shown;
SELECT workflow.cancel_run(run_id) FROM workflow.runs WHERE workflow = 'hold';
SELECT workflow.start();
CALL workflow.wait_until_idle();
SELECT count(*), count(finished_at) AS ended FROM workflow.runs WHERE workflow = 'hold';
SELECT workflow.enqueue_workflow('hold', delay => '1 hour', group_key => 'a', on_busy => 'reject', queue => 'mail') AS id \gset
SELECT try('mail', 'a', 'reject'), try('mail', 'a', 'skip');
SELECT workflow.cancel_run(:'id');
CALL workflow.wait_for_run(:'id');
SELECT pg_advisory_lock(3);
SELECT workflow.enqueue_workflow('hold', group_key => 'a', on_busy => 'reject', queue => 'mail') AS id \gset
DO $$ BEGIN
	FOR i IN 1..3000 LOOP
		EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 3 AND NOT granted);
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
SELECT try('mail', 'a', 'reject'), try('mail', 'a', 'skip');
SELECT pg_advisory_unlock(3);
CALL workflow.wait_for_run(:'id');
SELECT workflow.enqueue_workflow('hold', '{"park": true}', group_key => 'a', on_busy => 'reject', queue => 'mail') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT try('mail', 'a', 'reject'), try('mail', 'a', 'skip');
SELECT workflow.cancel_run(:'id');
CALL workflow.wait_for_run(:'id');
SELECT try('mail', 'a', 'reject');
CALL workflow.wait_until_idle();

-- in one transaction, with savepoints, at every isolation level
SELECT workflow.stop('test of groups');
BEGIN;
SELECT try('mail', 's', 'wait'), try('mail', 's', 'reject'), try('mail', 's', 'skip');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SAVEPOINT a;
SELECT try('mail', 's', 'reject');
SELECT try('mail', 's', 'skip');
ROLLBACK TO a;
SELECT try('mail', 's', 'reject');
SAVEPOINT b;
SELECT try('mail', 's', 'skip');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT try('mail', 's', 'reject');
SELECT try('mail', 's', 'reject');
ROLLBACK;
SELECT count(*) FROM shown WHERE group_key = 's';
-- any number of groups in one transaction
BEGIN;
SELECT count(workflow.enqueue_workflow('hold', group_key => 'bulk' || i / 2, on_busy => 'skip', queue => 'mail')),
	count(*) FROM generate_series(0, 19999) i;
SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND classid = '_workflow.queue'::regclass;
ROLLBACK;

-- a prepared transaction keeps its groups
BEGIN;
SELECT try('mail', 'p', 'reject');
PREPARE TRANSACTION 'wf_regress_group';
SET lock_timeout = '100 ms';
SELECT workflow.enqueue_workflow('hold', group_key => 'p', on_busy => 'skip', queue => 'mail');
SELECT try('mail', 'q', 'reject');
RESET lock_timeout;
\c -
SET search_path = grp;
COMMIT PREPARED 'wf_regress_group';
SELECT try('mail', 'p', 'reject');

-- a dedup_key is looked at first
SELECT try('mail', 'd', 'reject', dedup_key => 'one');
SELECT try('mail', 'd', 'reject', dedup_key => 'one'), try('mail', 'd', 'reject', 'skip', 'one');
SELECT workflow.enqueue_workflow('hold', dedup_key => 'one') = workflow.find_run('hold', 'one') AS same;
SELECT try('mail', 'd', 'reject', dedup_key => 'two'), try('mail', 'd', 'skip', dedup_key => 'two');
SELECT workflow.find_run('hold', 'one') AS one \gset
SELECT try('mail', 'd', 'reject', 'replace', 'one'), try('mail', 'd', 'skip', 'replace', 'one');
SELECT workflow.find_run('hold', 'one') <> :'one' AS replaced;
SELECT try('mail', 'd', 'wait', dedup_key => 'three');
SELECT workflow.find_run('hold', 'one') AS one \gset
SELECT try('mail', 'd', 'reject', 'replace', 'one');
SELECT try('mail', 'd', 'skip', 'replace', 'one');
SELECT workflow.find_run('hold', 'one') = :'one' AS kept;
SELECT * FROM shown WHERE state = 'queued' AND group_key <> 'free';

-- a closed queue
ALTER ROLE regress_wf_b SET search_path = grp;
SELECT make_queue('closed', true, 'regress_wf_a'), make_queue('nobody''s', true);
SET ROLE regress_wf_b;
SELECT workflow.enqueue_workflow('hold', queue => 'closed');
SELECT workflow.enqueue_workflow('hold', queue => 'nobody''s');
SELECT workflow.enqueue_workflow('hold', queue => 'mail') IS NOT NULL AS enqueued;
SET ROLE regress_wf_a;
SELECT workflow.enqueue_workflow('hold', queue => 'closed') IS NOT NULL AS enqueued;
RESET ROLE;
SELECT workflow.enqueue_workflow('hold', queue => 'closed') IS NULL;
INSERT INTO _workflow.queue_grant
SELECT queue_id, 'regress_wf_senders', 'regress_wf_senders'::regrole, 'send' FROM _workflow.queue WHERE name = 'closed';
GRANT regress_wf_senders TO regress_wf_b;
SET ROLE regress_wf_b;
SELECT workflow.enqueue_workflow('hold', queue => 'closed') IS NOT NULL AS enqueued;
RESET ROLE;
REVOKE regress_wf_senders FROM regress_wf_b;
SET ROLE regress_wf_b;
SELECT workflow.enqueue_workflow('hold', queue => 'closed') IS NOT NULL AS enqueued;
RESET ROLE;
-- an oid that is somebody else's now
UPDATE _workflow.queue_grant SET role = 'regress_wf_b'::regrole;
SELECT workflow.alter_workflow('hold', description => 'changed');
SET ROLE regress_wf_b;
SELECT workflow.enqueue_workflow('hold', queue => 'closed') IS NOT NULL AS enqueued;
RESET ROLE;
-- the workflow's own queue
UPDATE _workflow.workflow SET queue_id = (SELECT queue_id FROM _workflow.queue WHERE name = 'closed') WHERE name = 'hold';
SELECT workflow.alter_workflow('hold', description => 'queue changed');
SELECT workflow.enqueue_workflow('hold', group_key => 'own') IS NOT NULL AS enqueued;
SELECT queue, group_key FROM shown WHERE group_key = 'own';
SET ROLE regress_wf_b;
SELECT workflow.enqueue_workflow('hold');
SELECT workflow.enqueue_workflow('hold', queue => 'default') IS NOT NULL AS enqueued;
RESET ROLE;
DELETE FROM _workflow.queue WHERE name = 'closed';
SELECT workflow.alter_workflow('hold', description => 'queue dropped');
SELECT workflow.enqueue_workflow('hold');
SELECT workflow.enqueue_workflow('hold', queue => 'closed');

SELECT workflow.drop_workflow('hold', force => true);
SELECT workflow.start();
CALL workflow.wait_until_idle();
DELETE FROM _workflow.queue;
DELETE FROM _workflow.queue_grant;
SELECT workflow.revoke_usage(r) FROM unnest('{regress_wf_a,regress_wf_b}'::text[]) r;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA grp CASCADE;
DROP ROLE regress_wf_a, regress_wf_b, regress_wf_senders;
