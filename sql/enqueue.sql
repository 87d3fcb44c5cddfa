--
-- enqueue_workflow()
--
CREATE SCHEMA enq;
SET search_path = enq;
CREATE FUNCTION echo(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN workflow.step('echo', 'SELECT $1', input); END $$;
SELECT workflow.create_workflow('echo');
SELECT workflow.stop('test of enqueue');

CREATE VIEW shown AS
SELECT state, waiting_for, priority, attributes, input,
       run_at - enqueued_at AS start, due_at - enqueued_at AS due
  FROM workflow.runs
 WHERE workflow = 'echo'
 ORDER BY run_id;

-- defaults, and NULL for a default
SELECT workflow.enqueue_workflow('echo') IS NOT NULL AS enqueued;
SELECT workflow.enqueue_workflow('echo', NULL, on_duplicate => NULL,
	queue => NULL, priority => NULL) IS NOT NULL AS enqueued;
SELECT workflow.enqueue_workflow('echo', '[1]', queue => 'default',
	priority => 5, attributes => '{"region": "north"}') IS NOT NULL AS enqueued;
SELECT workflow.enqueue_workflow('echo', '2', delay => '1 hour') IS NOT NULL AS enqueued;
SELECT workflow.enqueue_workflow('echo', '3', run_at => '2000-01-01') IS NOT NULL AS enqueued;
SELECT workflow.enqueue_workflow('echo', 'null') IS NOT NULL AS enqueued;
SELECT * FROM shown;
SELECT workflow.enqueue_workflow('echo', run_at => '2100-01-01 00:00+00') AS id \gset
SELECT run_at = '2100-01-01 00:00+00', due_at = run_at FROM workflow.runs WHERE run_id = :'id';

-- ids are version 7 and rise in the order of the calls
WITH new AS MATERIALIZED
 (SELECT n, workflow.enqueue_workflow('echo', to_jsonb(n)) AS id
    FROM generate_series(1, 1000) n)
SELECT count(*), bool_and(rises), array_agg(DISTINCT substr(id::text, 15, 1)) AS version
  FROM (SELECT id, id > lag(id, 1, '00000000-0000-0000-0000-000000000000') OVER (ORDER BY n) AS rises
          FROM new) x;

-- visible to nobody before the commit, gone with a rollback
BEGIN;
SELECT workflow.enqueue_workflow('echo', '"rolled back"') IS NOT NULL AS enqueued;
SELECT count(*) FROM workflow.runs WHERE input = '"rolled back"';
ROLLBACK;
SELECT count(*) FROM workflow.runs WHERE input = '"rolled back"';

-- large input is toasted, not refused
SELECT workflow.enqueue_workflow('echo', to_jsonb(repeat('x', 100000))) IS NOT NULL AS enqueued;
SELECT count(*) FROM workflow.runs WHERE length(input #>> '{}') = 100000;

-- a transaction that may not write
BEGIN READ ONLY;
SELECT workflow.enqueue_workflow('echo');
ROLLBACK;

-- the owner: who asks, or the role that was given
CREATE ROLE regress_wf_a LOGIN;
CREATE ROLE regress_wf_b LOGIN;
SELECT workflow.grant_usage(r) FROM unnest('{regress_wf_a,regress_wf_b}'::text[]) r;
GRANT USAGE ON SCHEMA enq TO regress_wf_a, regress_wf_b;
SELECT workflow.create_workflow('as b', 'echo', run_as => 'regress_wf_b');
SET ROLE regress_wf_a;
SELECT workflow.enqueue_workflow('echo', dedup_key => 'mine') IS NOT NULL AS enqueued;
SELECT workflow.enqueue_workflow('as b', dedup_key => 'not mine') IS NOT NULL AS enqueued;
SELECT workflow, owner FROM workflow.runs;
RESET ROLE;
SELECT workflow, owner FROM workflow.runs WHERE workflow IN ('echo', 'as b') AND owner LIKE 'regress_wf_%' ORDER BY 1, 2;

-- everything runs once it may
SELECT workflow.cancel_run(run_id) FROM workflow.runs WHERE due_at IS NOT NULL;
SELECT workflow.start();
CALL workflow.wait_until_idle();
SELECT state, count(*), bool_and(result IS NOT DISTINCT FROM input) AS same
  FROM workflow.runs WHERE workflow IN ('echo', 'as b') GROUP BY state ORDER BY state;
SELECT workflow, enqueued > 0 AS enqueued, succeeded, cancelled
  FROM workflow.stat_workflows WHERE workflow IN ('echo', 'as b') ORDER BY 1;

-- a step may enqueue; it commits with the step
CREATE FUNCTION chain(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF input->>'left' = '0' THEN
		RETURN '"end"';
	END IF;
	RETURN workflow.step('next', 'SELECT workflow.enqueue_workflow($1, $2, dedup_key => $3) IS NOT NULL',
		'chain', jsonb_build_object('left', (input->>'left')::int - 1), workflow.idempotency_key());
END $$;
SELECT workflow.create_workflow('chain');
SELECT workflow.enqueue_workflow('chain', '{"left": 3}') IS NOT NULL AS enqueued;
CALL workflow.wait_until_idle();
SELECT input, state, result, owner = current_user AS mine FROM workflow.runs WHERE workflow = 'chain' ORDER BY run_id;
SELECT workflow.drop_workflow('chain');

SELECT workflow.drop_workflow(w) FROM unnest('{echo,as b}'::text[]) w;
SELECT workflow.revoke_usage(r) FROM unnest('{regress_wf_a,regress_wf_b}'::text[]) r;
\set VERBOSITY terse
DROP SCHEMA enq CASCADE;
DROP ROLE regress_wf_a, regress_wf_b;
