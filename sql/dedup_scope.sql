--
-- dedup_scope: among which runs a dedup_key is unique; enqueue_run()
--
CREATE SCHEMA scopes;
SET search_path = scopes;
CREATE FUNCTION waits(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN workflow.wait_for_signal('go'); END $$;
CREATE TABLE switch (works boolean);
INSERT INTO switch VALUES (false);
CREATE FUNCTION try_it() RETURNS int LANGUAGE plpgsql AS
$$ BEGIN IF NOT (SELECT works FROM scopes.switch) THEN RAISE 'not yet'; END IF; RETURN 1; END $$;
CREATE FUNCTION tries(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN workflow.step('try', 'SELECT scopes.try_it()'); END $$;
SELECT workflow.create_workflow('t_scope_open', 'waits', dedup_scope => 'unfinished');
SELECT workflow.create_workflow('t_scope_queued', 'waits', dedup_scope => 'queued');
SELECT workflow.create_workflow('t_scope_tries', 'tries');
SELECT workflow, dedup_scope FROM workflow.workflows WHERE workflow LIKE 't_scope%' ORDER BY 1;

-- unique while unfinished: the run that waits has the key, not the one that has ended
SELECT run_id AS first, created, state FROM workflow.enqueue_run('t_scope_open', '1', dedup_key => 'k') \gset
SELECT :'created' AS created, :'state' AS state;
SELECT run_id = :'first' AS same, created FROM workflow.enqueue_run('t_scope_open', '2', dedup_key => 'k');
SELECT count(*) FROM workflow.enqueue_run('t_scope_open', '2', dedup_key => 'k', on_duplicate => 'skip');
SELECT workflow.signal_run(:'first', 'go', '1');
CALL workflow.wait_for_run(:'first');
SELECT workflow.find_run('t_scope_open', 'k') = :'first' AS newest;
SELECT run_id AS second, created FROM workflow.enqueue_run('t_scope_open', '2', dedup_key => 'k') \gset
SELECT :'created' AS created, :'second' > :'first' AS newer, workflow.find_run('t_scope_open', 'k') = :'second' AS newest;
SELECT workflow.enqueue_workflow('t_scope_open', '3', dedup_key => 'k') = :'second' AS same;
SELECT input, state FROM workflow.runs WHERE dedup_key = 'k' AND run_id = :'first';
-- ... within a transaction, and after a savepoint was taken back
BEGIN;
SAVEPOINT a;
SELECT created FROM workflow.enqueue_run('t_scope_open', dedup_key => 'l');
ROLLBACK TO a;
SELECT created FROM workflow.enqueue_run('t_scope_open', dedup_key => 'l');
SELECT created FROM workflow.enqueue_run('t_scope_open', dedup_key => 'l');
COMMIT;
SELECT count(*) FROM workflow.runs WHERE workflow = 't_scope_open' AND dedup_key = 'l';
-- ... a run that is gone leaves the key to the next
SELECT workflow.cancel_run(workflow.find_run('t_scope_open', 'l'));
CALL workflow.wait_until_idle();
SELECT workflow.delete_run(workflow.find_run('t_scope_open', 'l'));
SELECT created FROM workflow.enqueue_run('t_scope_open', dedup_key => 'l');

-- unique while not begun: the run that waits for a signal has begun
SELECT workflow.create_queue('shut');
SELECT workflow.pause_queue('shut');
SELECT workflow.alter_workflow('t_scope_queued', queue => 'shut');
SELECT run_id AS third, created FROM workflow.enqueue_run('t_scope_queued', '1', dedup_key => 'k') \gset
SELECT run_id = :'third' AS same, created, state FROM workflow.enqueue_run('t_scope_queued', '2', dedup_key => 'k');
SELECT workflow.resume_queue('shut');
CALL workflow.wait_until_idle();
SELECT run_id <> :'third' AS another, created FROM workflow.enqueue_run('t_scope_queued', '2', dedup_key => 'k');
CALL workflow.wait_until_idle();
SELECT count(*), count(DISTINCT run_id) FROM workflow.runs WHERE workflow = 't_scope_queued' AND state = 'waiting';
SELECT run_id AS fourth FROM workflow.enqueue_run('t_scope_queued', '3', dedup_key => 'k', delay => '1 hour') \gset
SELECT workflow.enqueue_workflow('t_scope_queued', '4', dedup_key => 'k', on_duplicate => 'replace') <> :'fourth' AS replaced;
CALL workflow.wait_until_idle();
SELECT input FROM workflow.runs WHERE workflow = 't_scope_queued' ORDER BY run_id;

-- a wider scope counts all that are kept
SELECT workflow.alter_workflow('t_scope_queued', dedup_scope => 'kept');
SELECT created FROM workflow.enqueue_run('t_scope_queued', '5', dedup_key => 'k');
SELECT workflow.alter_workflow('t_scope_queued', reset => '{dedup_scope}');

-- a run that failed is retried by the next call
SELECT run_id AS failed FROM workflow.enqueue_run('t_scope_tries', dedup_key => 'k') \gset
CALL workflow.wait_for_run(:'failed');
SELECT created, state FROM workflow.enqueue_run('t_scope_tries', dedup_key => 'k');
UPDATE switch SET works = true;
SELECT run_id = :'failed' AS same, created, state FROM workflow.enqueue_run('t_scope_tries', dedup_key => 'k', on_duplicate => 'retry');
CALL workflow.wait_until_idle();
SELECT run_id = :'failed' AS same, created, state FROM workflow.enqueue_run('t_scope_tries', dedup_key => 'k', on_duplicate => 'retry');
SELECT action FROM workflow.audit_log WHERE run_id = :'failed';
SELECT workflow.enqueue_workflow('t_scope_open', dedup_key => 'k', on_duplicate => 'retry');

-- the body is asked for only where a run is made
ALTER FUNCTION tries(jsonb) RENAME TO away;
SELECT workflow.find_run('t_scope_tries', 'k') = :'failed' AS found;
SELECT workflow.enqueue_workflow('t_scope_tries', dedup_key => 'k') = :'failed' AS answered;
SELECT workflow.enqueue_workflow('t_scope_tries', dedup_key => 'other');

-- bad input
SELECT workflow.create_workflow('bad', 'waits', dedup_scope => 'ever');
SELECT workflow.alter_workflow('t_scope_open', dedup_scope => '');
SELECT * FROM workflow.enqueue_run(NULL);

SELECT workflow.drop_workflow(w, force => true) FROM unnest('{t_scope_open,t_scope_queued,t_scope_tries}'::text[]) w;
CALL workflow.wait_until_idle();
SELECT workflow.drop_queue('shut');
\set VERBOSITY terse
DROP SCHEMA scopes CASCADE;
