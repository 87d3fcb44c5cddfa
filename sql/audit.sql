--
-- The audit of what operators did, and delete_run()
--
CREATE SCHEMA aud;
SET search_path = aud;
CREATE ROLE regress_aud_alice LOGIN;
CREATE ROLE regress_aud_bob LOGIN;
CREATE ROLE regress_aud_boss LOGIN IN ROLE regress_aud_alice;
SELECT count(workflow.grant_usage(r)) FROM unnest('{regress_aud_alice,regress_aud_bob,regress_aud_boss}'::text[]) r;
CREATE FUNCTION divide(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('divide', 'SELECT 1 / $1', (input->>'by')::int);
END $$;
SELECT workflow.create_workflow('divide', on_failure => 'park');
GRANT USAGE ON SCHEMA aud TO regress_aud_alice;

SET ROLE regress_aud_alice;
SELECT workflow.enqueue_workflow('divide', '{"by": 0}', dedup_key => 'once') AS id \gset
CALL workflow.wait_for_run(:'id');
-- a member of the owner's role acts under its own name
SET ROLE regress_aud_boss;
SELECT workflow.pause_run(:'id', 'look first');
CALL workflow.wait_until_idle();
SELECT workflow.retry_run(:'id', delay => '1 hour', body => 'aud.divide', reason => 'later');
SELECT workflow.resume_run(:'id');
-- an entry only where something was asked for, and only when it commits
SELECT workflow.resume_run(:'id');
BEGIN;
SELECT workflow.cancel_run(:'id');
ROLLBACK;
SELECT workflow.cancel_run(:'id', compensate => false, reason => 'not worth it');
CALL workflow.wait_for_run(:'id');
RESET ROLE;
SELECT action, role, reason, detail - 'due_at' AS detail, detail ? 'due_at' AS due
  FROM workflow.audit_log WHERE run_id = :'id' ORDER BY at;
-- seen like the run; nobody else may do anything, and nothing remains of a try
SET ROLE regress_aud_bob;
SELECT count(*) FROM workflow.audit_log;
\set VERBOSITY sqlstate
SELECT workflow.pause_run(:'id');
SELECT workflow.resume_run(:'id');
SELECT workflow.wake_run(:'id');
SELECT workflow.set_step_result(:'id', 1, '1');
SELECT workflow.delete_run(:'id');
SELECT workflow.fork_run(:'id', 1);
SELECT * FROM workflow.timeline(:'id');
SELECT workflow.describe(:'id');
\set VERBOSITY default
SET ROLE regress_aud_alice;
SELECT count(*) FROM workflow.audit_log WHERE run_id = :'id';

-- deleted is a run that has ended, with all that is kept of it
SELECT workflow.delete_run(:'id');
CALL workflow.wait_until_idle();
SELECT count(*) FROM workflow.runs;
SELECT workflow.find_run('divide', 'once') IS NULL AS free;
RESET ROLE;
SELECT (SELECT count(*) FROM _workflow.step WHERE run_id = :'id') AS steps,
       (SELECT count(*) FROM _workflow.audit WHERE run_id = :'id') AS audit,
       (SELECT count(*) FROM _workflow.request) AS requests;
SELECT workflow.enqueue_workflow('divide', '{"by": 0}') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT workflow.delete_run(:'id') AS parked;
SELECT workflow.cancel_run(:'id');
CALL workflow.wait_for_run(:'id');
-- twice is once
SELECT workflow.delete_run(:'id'), workflow.delete_run(:'id');
CALL workflow.wait_until_idle();
SELECT count(*) FROM workflow.runs WHERE workflow = 'divide';

-- a group that a failed run had closed is open without it
SELECT workflow.create_queue('aud', on_group_failure => 'block', group_max_active => 1);
SELECT workflow.create_workflow('failing', 'divide', queue => 'aud');
SELECT workflow.enqueue_workflow('failing', '{"by": 0}', group_key => 'g') AS bad,
       workflow.enqueue_workflow('failing', '{"by": 1}', group_key => 'g') AS good \gset
CALL workflow.wait_for_run(:'bad');
CALL workflow.wait_until_idle();
SELECT state, waiting_for FROM workflow.runs WHERE run_id = :'good';
SELECT workflow.delete_run(:'bad');
CALL workflow.wait_for_run(:'good');

-- a body must not, a step may
CREATE FUNCTION meddle(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF input ? 'step' THEN
		RETURN workflow.step('pause', 'SELECT workflow.pause_run(workflow.run_id())');
	END IF;
	RETURN to_jsonb(workflow.pause_run(workflow.run_id()));
END $$;
SELECT workflow.create_workflow('meddle');
SELECT workflow.enqueue_workflow('meddle') AS body, workflow.enqueue_workflow('meddle', '{"step": 1}') AS step \gset
CALL workflow.wait_for_run(:'body');
CALL workflow.wait_until_idle();
-- whether the run was faster than its own pause is all the same
SELECT workflow.resume_run(:'step') IS NOT NULL AS known;
CALL workflow.wait_for_run(:'step');

-- nor are those who cancel by dropping left out
SELECT workflow.enqueue_workflow('failing', '{"by": 1}', delay => '1 hour') AS a,
       workflow.enqueue_workflow('divide', '{"by": 1}', delay => '1 hour', queue => 'aud') AS b \gset
SELECT workflow.drop_workflow('failing', force => true);
CALL workflow.wait_until_idle();
SELECT workflow.drop_queue('aud', force => true);
CALL workflow.wait_until_idle();
SELECT action, reason FROM workflow.audit_log WHERE run_id IN (:'a', :'b') ORDER BY run_id;

SELECT workflow.drop_workflow('divide'), workflow.drop_workflow('meddle');
SELECT count(workflow.revoke_usage(r)) FROM unnest('{regress_aud_alice,regress_aud_bob,regress_aud_boss}'::text[]) r;
\set VERBOSITY terse
DROP SCHEMA aud CASCADE;
DROP ROLE regress_aud_alice, regress_aud_bob, regress_aud_boss;
