--
-- Queues in which groups of one name are apart for each owner, and how long
-- on_busy waits for who is writing into a group
--
CREATE ROLE regress_ann LOGIN;
CREATE ROLE regress_bob LOGIN;
SELECT workflow.grant_usage('regress_ann'), workflow.grant_usage('regress_bob');
CREATE FUNCTION public.stay(input jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT workflow.wait_for_signal('go') $$;
SELECT workflow.create_workflow('stay');
SELECT workflow.create_queue('apart', group_max_active => 1, group_by_owner => true, on_group_failure => 'block');
SELECT workflow.create_queue('together', group_max_active => 1);
SELECT queue, group_max_active, group_by_owner FROM workflow.queues WHERE queue IN ('apart', 'together', 'default') ORDER BY 1;

CREATE FUNCTION put(queue text, busy text DEFAULT 'wait') RETURNS boolean LANGUAGE sql AS
$$ SELECT workflow.enqueue_workflow('stay', queue => queue, group_key => 'g', on_busy => busy) IS NOT NULL $$;
-- CALL until(n): that many of the group have begun
CREATE PROCEDURE until(name text, n integer) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..6000 LOOP
		IF (SELECT count(*) FROM workflow.runs WHERE queue = name AND state = 'waiting') = n THEN RETURN; END IF;
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RAISE EXCEPTION 'timed out';
END $$;

-- ---- each owner has a group of this name ----
SET ROLE regress_ann;
SELECT put('apart'), put('together');
RESET ROLE;
CALL until('apart', 1);
CALL until('together', 1);
SET ROLE regress_bob;
SELECT put('apart', 'reject') AS apart;
SELECT put('together', 'skip') AS together;
SELECT put('apart', 'skip') AS own_is_busy;
SELECT put('apart') AS behind;
SELECT put('together') AS behind;
RESET ROLE;
CALL until('apart', 2);
SELECT queue, owner, state, waiting_for FROM workflow.runs
 WHERE queue IN ('apart', 'together') ORDER BY run_id;
-- why() of what waits names the owner's own run, or another's
SELECT r.queue, workflow.why(r.run_id) LIKE '%' || h.run_id || '%' AS told
  FROM workflow.runs r JOIN workflow.runs h ON h.queue = r.queue AND h.state = 'waiting' AND (h.owner = r.owner OR r.queue = 'together')
 WHERE r.waiting_for = 'group' ORDER BY 1;

-- ---- messages likewise ----
SET ROLE regress_ann;
SELECT workflow.send('apart', '"ann"', group_key => 'm') > 0 AS sent;
RESET ROLE;
SET ROLE regress_bob;
SELECT workflow.send('apart', '"bob"', group_key => 'm') > 0, workflow.send('apart', '"bob 2"', group_key => 'm') > 0 AS sent;
RESET ROLE;
SELECT payload FROM workflow.receive('apart', 10, lease => '1 hour');
SELECT payload FROM workflow.messages WHERE state = 'queued';
SELECT workflow.purge_queue('apart');

-- ---- changed only while there is nothing in groups ----
SELECT workflow.alter_queue('apart', group_by_owner => false);
SELECT workflow.alter_queue('apart', reset => '{group_by_owner}');
SELECT workflow.alter_queue('apart', group_by_owner => true, max_running => 10);
SELECT count(workflow.cancel_run(run_id)) FROM workflow.runs WHERE queue IN ('apart', 'together') AND finished_at IS NULL;
CALL workflow.wait_until_idle();
SELECT workflow.delete_message(message_id) FROM workflow.messages WHERE queue = 'apart' AND state <> 'leased';
SELECT workflow.alter_queue('together', group_by_owner => true);
SELECT workflow.alter_queue('together', reset => '{group_by_owner}');
SELECT workflow.alter_queue('together', group_by_owner => true, fair => true, group_weights => '{"g": 2}');
SELECT queue, group_by_owner, max_running FROM workflow.queues WHERE queue IN ('apart', 'together') ORDER BY 1;

-- ---- on_busy waits no longer than lock_timeout ----
SELECT workflow.alter_queue('together', reset => '{fair, group_weights, group_by_owner}');
BEGIN;
SELECT put('together');
PREPARE TRANSACTION 'in the way';
SET lock_timeout = '50 ms';
SELECT put('together', 'reject');
SELECT put('together', 'skip');
-- who does not ask does not wait
SELECT put('together');
RESET lock_timeout;
COMMIT PREPARED 'in the way';
SELECT put('together', 'skip');

SELECT workflow.drop_queue('apart', force => true), workflow.drop_queue('together', force => true);
SELECT workflow.drop_workflow('stay', force => true);
CALL workflow.wait_until_idle();
DROP PROCEDURE until;
DROP FUNCTION put;
DROP FUNCTION public.stay;
SELECT workflow.revoke_usage('regress_ann'), workflow.revoke_usage('regress_bob');
DROP ROLE regress_ann, regress_bob;
