--
-- Definitions: create, alter, drop, pause and resume
--
CREATE SCHEMA defs;
SET search_path = defs, public;

CREATE FUNCTION ship(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN workflow.step('one', 'SELECT 1'); END $$;
CREATE FUNCTION bill(input jsonb) RETURNS jsonb LANGUAGE plpgsql
	SET search_path = defs, pg_temp AS
$$ BEGIN RETURN workflow.step('one', 'SELECT 1'); END $$;

CREATE VIEW shown AS
SELECT workflow, body, search_path, queue, owner = current_user AS mine,
       run_as, run_timeout, on_failure, keep_succeeded, keep_failed,
       description
  FROM workflow.workflows
 WHERE body LIKE 'defs.%'
 ORDER BY workflow;
\x on

-- the body is found under the search_path, which is recorded
SELECT workflow.create_workflow('ship');
-- or named with its schema, or with its argument; a body's own SET wins
SELECT workflow.create_workflow('bill', 'defs.bill');
SELECT workflow.create_workflow('bill again', body => 'defs.bill( jsonb )',
	search_path => 'pg_catalog, defs');
SELECT workflow.create_workflow('full', 'ship',
	policy => workflow.policy(max_attempts => 3), run_timeout => '1 hour',
	on_failure => 'park', keep_succeeded => NULL, keep_failed => '1 year',
	description => 'all there is');
SELECT * FROM shown;
SELECT (policy).max_attempts FROM workflow.workflows WHERE workflow = 'full';

-- a name is taken once
SELECT workflow.create_workflow('ship');
SELECT workflow.create_workflow('ship', 'bill', or_replace => true,
	description => 'replaced');
SELECT * FROM shown WHERE workflow = 'ship';

-- alter: NULL leaves as it is, reset goes back to the default
SELECT workflow.alter_workflow('full', run_timeout => '2 hours');
SELECT * FROM shown WHERE workflow = 'full';
SELECT workflow.alter_workflow('full', body => 'bill', on_failure => 'fail',
	reset => '{policy,run_timeout,keep_succeeded,keep_failed,description}');
SELECT * FROM shown WHERE workflow = 'full';
SET search_path = defs;
SELECT workflow.alter_workflow('ship', reset => '{body,search_path}');
SELECT * FROM shown WHERE workflow = 'ship';
SELECT workflow.alter_workflow('ship', reset => '{bdy}');
SELECT workflow.alter_workflow('ship', reset => '{NULL}');
SELECT workflow.alter_workflow('ship', body => 'ship', reset => '{body}');
SELECT workflow.alter_workflow('none', body => 'ship');

-- runs keep the version of the body that they were enqueued with
SELECT workflow.stop('test of definitions');
SELECT workflow.enqueue_workflow('full') IS NOT NULL AS enqueued;
SELECT workflow.alter_workflow('full', body => 'ship');
SELECT workflow.enqueue_workflow('full') IS NOT NULL AS enqueued;
SELECT body FROM workflow.runs WHERE workflow = 'full' ORDER BY run_id;

-- who replaces a body is told of its unfinished runs
CREATE OR REPLACE FUNCTION ship(input jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT workflow.step('two', 'SELECT 2') $$;
CREATE OR REPLACE FUNCTION defs.fresh(input jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT workflow.step('two', 'SELECT 2') $$;

-- pause
SELECT workflow.pause_workflow('full', 'lunch');
SELECT paused_at IS NOT NULL AS paused, paused_by = current_user AS by_me,
       pause_reason FROM workflow.workflows WHERE workflow = 'full';
SELECT DISTINCT paused_at IS NOT NULL AS paused, state, waiting_for
  FROM workflow.runs WHERE workflow = 'full';
SELECT workflow.resume_workflow('full');
SELECT paused_at, paused_by, pause_reason
  FROM workflow.workflows WHERE workflow = 'full';
SELECT workflow.pause_workflow('none');

-- drop: not with unfinished runs, unless they are to be cancelled
SELECT workflow.drop_workflow('full');
SELECT workflow.drop_workflow('full', force => true);
SELECT workflow.drop_workflow('full');
SELECT workflow.drop_workflow('full', if_exists => true);
SELECT workflow.start();
CALL workflow.wait_until_idle();
SELECT DISTINCT workflow, state FROM workflow.runs WHERE workflow = 'full';
-- the name is free again
SELECT workflow.create_workflow('full', 'bill');
SELECT workflow.drop_workflow('full');

-- a definition that was rolled back was never there
BEGIN;
SELECT workflow.create_workflow('gone', 'ship');
SAVEPOINT a;
SELECT workflow.alter_workflow('gone', run_timeout => '1 s');
SELECT workflow.enqueue_workflow('gone') IS NOT NULL AS enqueued;
ROLLBACK TO a;
SELECT workflow.enqueue_workflow('gone', delay => '1 day') IS NOT NULL AS enqueued;
SELECT run_timeout FROM workflow.workflows WHERE workflow = 'gone';
ROLLBACK;
SELECT workflow.enqueue_workflow('gone');

SELECT workflow.drop_workflow(workflow)
  FROM workflow.workflows WHERE body LIKE 'defs.%' ORDER BY workflow;
\set VERBOSITY terse
DROP SCHEMA defs CASCADE;
