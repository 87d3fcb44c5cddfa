--
-- The policy of a queue holds where neither the call nor the workflow has one
--
CREATE SCHEMA qpolicy;
SET search_path = qpolicy;
-- counts attempts where a rollback does not reach
CREATE SEQUENCE tries;
CREATE FUNCTION busy() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM nextval('qpolicy.tries');
	RAISE EXCEPTION 'too busy' USING ERRCODE = '55P03';
END $$;
CREATE FUNCTION plain(input jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT workflow.step('busy', 'SELECT qpolicy.busy()') $$;
CREATE FUNCTION own(input jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT workflow.step('busy', 'SELECT qpolicy.busy()', workflow.policy(max_attempts => 1)) $$;
-- fails outside of any step, with a transient error
CREATE FUNCTION bare(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'too busy' USING ERRCODE = '55P03'; END $$;

SELECT workflow.create_queue('q', policy =>
	workflow.policy(max_attempts => 3, initial_delay => '1 ms'));
SELECT workflow.create_workflow('by queue', 'plain', queue => 'q');
SELECT workflow.create_workflow('by workflow', 'plain', queue => 'q', policy =>
	workflow.policy(max_attempts => 2, initial_delay => '1 ms'));
SELECT workflow.create_workflow('by call', 'own', queue => 'q');
SELECT workflow.create_workflow('body', 'bare', queue => 'q');

CREATE TABLE started (run_id uuid);
CREATE VIEW shown AS
SELECT d.workflow, d.reason, s.attempt, s.max_attempts, r.body_attempts
  FROM started
  JOIN workflow.dead_letters d USING (run_id)
  JOIN _workflow.run r USING (run_id)
  LEFT JOIN workflow.steps s USING (run_id)
 ORDER BY d.workflow;
CREATE FUNCTION start() RETURNS void LANGUAGE sql AS $$
	TRUNCATE qpolicy.started;
	INSERT INTO qpolicy.started
	SELECT workflow.enqueue_workflow(w)
	  FROM unnest('{by queue,by workflow,by call,body}'::text[]) w
$$;
CREATE PROCEDURE wait() LANGUAGE plpgsql AS $$
BEGIN
	WHILE EXISTS (SELECT FROM workflow.runs JOIN qpolicy.started USING (run_id)
	               WHERE finished_at IS NULL)
	LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;

SELECT start();
CALL wait();
SELECT * FROM shown;
SELECT last_value AS tries FROM tries;

-- a change is seen by executors that know the body already
SELECT workflow.alter_queue('q', policy =>
	workflow.policy(max_attempts => 4, initial_delay => '1 ms'));
SELECT start();
CALL wait();
SELECT * FROM shown;

-- it is the queue that the run is in, whatever the workflow says since
SELECT workflow.create_queue('r', policy => workflow.policy(max_attempts => 1));
SELECT workflow.stop('test of policies');
SELECT start();
SELECT count(workflow.alter_workflow(w, queue => 'r'))
  FROM unnest('{by queue,by workflow,by call}'::text[]) w;
SELECT workflow.start();
CALL wait();
SELECT * FROM shown;
SELECT start();
CALL wait();
SELECT * FROM shown;

-- "default" can have one; without any it is that of workflow.policy()
SELECT workflow.alter_queue('default', policy =>
	workflow.policy(max_attempts => 2, initial_delay => '1 ms'));
SELECT count(workflow.alter_workflow(w, reset => '{queue}'))
  FROM unnest('{by queue,by workflow,by call}'::text[]) w;
SELECT start();
CALL wait();
SELECT * FROM shown;
SELECT workflow.alter_queue('default', reset => '{policy}');
SELECT workflow.enqueue_workflow('by queue') AS id \gset
CALL workflow.wait_until_idle();
SELECT max_attempts FROM workflow.steps WHERE run_id = :'id';
SELECT workflow.cancel_run(:'id');
CALL workflow.wait_until_idle();

SELECT count(workflow.drop_workflow(w))
  FROM unnest('{by queue,by workflow,by call,body}'::text[]) w;
SELECT workflow.drop_queue(q) FROM unnest('{q,r}'::text[]) q;
DELETE FROM _workflow.queue WHERE queue_id = 0;
\set VERBOSITY terse
DROP SCHEMA qpolicy CASCADE;
