--
-- fork_run(): a new run with the recorded results of another
--
CREATE SCHEMA fork;
SET search_path = fork;
CREATE TABLE done (id serial, what text, run_id uuid);
CREATE FUNCTION note(what text, noise uuid DEFAULT NULL) RETURNS text LANGUAGE sql AS
	$$ INSERT INTO fork.done (what, run_id) VALUES (what, workflow.run_id()) RETURNING what $$;
-- an argument of its first step differs from run to run
CREATE FUNCTION pay(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	charge text := workflow.step_text('charge', 'SELECT fork.note($1, $2)',
	                                  'charge ' || (input->>'amount'), workflow.uuid());
BEGIN
	BEGIN
		PERFORM workflow.step('mail', 'SELECT fork.note($1 || (1 / $2)::text)', 'mail ', (input->>'divisor')::int);
	EXCEPTION WHEN division_by_zero THEN
		NULL;
	END;
	PERFORM workflow.step('ship', 'SELECT fork.note($1)', 'ship ' || charge);
	RETURN to_jsonb(charge);
END $$;
SELECT workflow.create_workflow('pay', run_timeout => '1 hour');
SELECT workflow.create_queue('lane', group_max_active => 1);
CREATE VIEW mine AS
	SELECT state, result, steps_done, queue, group_key, priority, attributes, input, started_at >= enqueued_at AS started
	  FROM workflow.runs WHERE workflow = 'pay';

SELECT workflow.enqueue_workflow('pay', '{"amount": 5, "divisor": 0}', dedup_key => 'k', queue => 'lane', group_key => 'g',
                                 priority => 3, attributes => '{"a": 1}') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT ordinal, name, state FROM workflow.steps WHERE run_id = :'id' ORDER BY 1;

-- nothing before the commit; what is taken over is not done again
BEGIN;
SELECT workflow.fork_run(:'id', 3) AS f \gset
ROLLBACK;
SELECT count(*) FROM workflow.runs WHERE run_id = :'f';
SELECT workflow.fork_run(:'id', 3, reason => 'ship again') AS f \gset
CALL workflow.wait_for_run(:'f');
SELECT * FROM mine WHERE attributes IS NOT NULL;
SELECT what, run_id = :'f' AS by_fork FROM done ORDER BY id;
SELECT ordinal, name, state, error_code FROM workflow.steps WHERE run_id = :'f' ORDER BY 1;
SELECT a.run_id = :'id' AS source, action, reason, detail->>'from_ordinal' AS from_ordinal,
       coalesce(detail->>'fork' = :'f', detail->>'fork_of' = :'id') AS other
  FROM workflow.audit_log a WHERE a.run_id IN (:'id', :'f') ORDER BY a.run_id;

-- another input: what was recorded with the first one stays
SELECT workflow.fork_run(:'id', 2, '{"amount": 7, "divisor": 1}') AS f \gset
CALL workflow.wait_for_run(:'f');
SELECT ordinal, name, state, result FROM workflow.steps WHERE run_id = :'f' ORDER BY 1;
SELECT what FROM done WHERE run_id = :'f' ORDER BY id;
-- from the very beginning, and behind the end
SELECT workflow.fork_run(:'id', 1) AS a, workflow.fork_run(:'id', 4) AS b \gset
CALL workflow.wait_for_run(:'a');
CALL workflow.wait_for_run(:'b');
SELECT what, run_id = :'a' AS a FROM done WHERE run_id IN (:'a', :'b') ORDER BY id;

-- many in one transaction are told to the scheduler as one range
SELECT count(workflow.fork_run(:'id', 3)) FROM generate_series(1, 20);
CALL workflow.wait_until_idle();
SELECT state, count(*) FROM mine GROUP BY 1;
SELECT what LIKE 'charge%' AS charged, count(*) FROM done GROUP BY 1 ORDER BY 1;

-- a fork that has yet to begin has no place in its group
SELECT workflow.pause_queue('lane');
SELECT workflow.fork_run(:'id', 2) AS f \gset
CALL workflow.wait_until_idle();
SELECT state, waiting_for, steps_done, started_at FROM workflow.runs WHERE run_id = :'f';
SELECT workflow.cancel_run(:'f');
CALL workflow.wait_for_run(:'f');
SELECT state, started_at FROM workflow.runs WHERE run_id = :'f';
SELECT workflow.resume_queue('lane');

-- a body that takes another way after what was copied is told so
CREATE OR REPLACE FUNCTION pay(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('refund', 'SELECT 1');
END $$;
SELECT workflow.fork_run(:'id', 2) AS f \gset
CALL workflow.wait_for_run(:'f');

-- refused
\set VERBOSITY default
SELECT workflow.fork_run(NULL, 1);
SELECT workflow.fork_run(:'id', NULL);
SELECT workflow.fork_run(:'id', 0);
SELECT workflow.fork_run(:'id', 5);
SELECT workflow.fork_run('00000000-0000-0000-0000-000000000000', 1);
CREATE FUNCTION waits(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('later', 'SELECT 1 / 0', workflow.policy(retry_on => '{22}', initial_delay => '1 hour'));
END $$;
SELECT workflow.create_workflow('waits');
SELECT workflow.enqueue_workflow('waits') AS w \gset
CALL workflow.wait_until_idle();
SELECT workflow.fork_run(:'w', 2);
SELECT workflow.cancel_run(:'w');
CREATE ROLE regress_fork;
SELECT workflow.grant_usage('regress_fork');
SET ROLE regress_fork;
\set VERBOSITY sqlstate
SELECT workflow.fork_run(:'id', 1);
RESET ROLE;
SELECT workflow.drop_workflow('pay', force => true);
\set VERBOSITY terse
SELECT workflow.fork_run(:'id', 1);

SELECT workflow.revoke_usage('regress_fork');
DROP ROLE regress_fork;
CALL workflow.wait_until_idle();
SELECT workflow.drop_workflow('waits'), workflow.drop_queue('lane', force => true);
DROP SCHEMA fork CASCADE;
