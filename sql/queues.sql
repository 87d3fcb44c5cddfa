--
-- Queues: create, alter, drop, pause, resume, grant and revoke
--
CREATE SCHEMA queues;
SET search_path = queues, public;
CREATE FUNCTION one(input jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT workflow.step('one', 'SELECT 1') $$;

CREATE VIEW shown AS
SELECT name, owner_name = current_user AS mine, closed, max_running, max_active,
       group_max_active, on_group_failure, fair, group_weights, rate_limit,
       rate_period, group_rate_limit, (policy).max_attempts, description
  FROM _workflow.queue
 ORDER BY name;
\x on

-- all defaults, and all there is
SELECT workflow.create_queue('plain');
SELECT workflow.create_queue('full', max_running => 4, max_active => 10,
	group_max_active => 1, on_group_failure => 'block', fair => true,
	group_weights => '{"gold": 3, "silver": 2.0}', rate_limit => 100,
	rate_period => '1 min', group_rate_limit => 5,
	policy => workflow.policy(max_attempts => 3), closed => true,
	description => 'all there is');
SELECT * FROM shown;

-- a name is taken once, and "default" is always there
SELECT workflow.create_queue('plain');
SELECT workflow.create_queue('plain', max_running => 1, if_not_exists => true);
SELECT workflow.create_queue('default');
SELECT workflow.create_queue('default', if_not_exists => true);
SELECT max_running FROM shown WHERE name = 'plain';
SELECT workflow.create_queue(NULL);
SELECT workflow.create_queue('');
SELECT workflow.create_queue(repeat('x', 201));

-- values
SELECT workflow.create_queue('bad', max_running => 0);
SELECT workflow.create_queue('bad', max_active => -1);
SELECT workflow.create_queue('bad', group_max_active => 0);
SELECT workflow.create_queue('bad', rate_limit => 0);
SELECT workflow.create_queue('bad', rate_limit => 1000001);
SELECT workflow.create_queue('bad', group_rate_limit => 1000001);
SELECT workflow.create_queue('bad', rate_period => '0');
SELECT workflow.create_queue('bad', rate_period => '-1 s');
SELECT workflow.create_queue('bad', rate_period => '2 years');
SELECT workflow.create_queue('bad', on_group_failure => 'stop');
SELECT workflow.create_queue('bad', group_weights => '{"a": 1}');
SELECT workflow.create_queue('bad', fair => true, group_weights => '[1]');
SELECT workflow.create_queue('bad', fair => true, group_weights => '{"a": 0}');
SELECT workflow.create_queue('bad', fair => true, group_weights => '{"a": 1, "b": 1001}');
SELECT workflow.create_queue('bad', fair => true, group_weights => '{"a": 1.5}');
SELECT workflow.create_queue('bad', fair => true, group_weights => '{"a": "1"}');
SELECT workflow.create_queue('bad', fair => true, group_weights => '{"": 1}');
SELECT workflow.create_queue('bad', fair => true,
	group_weights => jsonb_build_object(repeat('x', 201), 1));
SELECT workflow.create_queue('bad', fair => true,
	group_weights => (SELECT jsonb_object_agg(i, 1) FROM generate_series(0, 10000) i));
SELECT workflow.create_queue('bad',
	policy => ROW(0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::workflow.policy);
SELECT workflow.create_queue('bad', owner => 'nobody here');
-- NULL is the default
SELECT workflow.create_queue('nulls', on_group_failure => NULL, fair => NULL,
	rate_period => NULL, closed => NULL, if_not_exists => NULL);
SELECT * FROM shown WHERE name = 'nulls';

-- alter: NULL leaves as it is, reset goes back to the default
SELECT workflow.alter_queue('full', max_running => 5, rate_period => '1 hour');
SELECT * FROM shown WHERE name = 'full';
SELECT workflow.alter_queue('full', max_active => 11, reset => '{max_running,closed,group_weights,rate_period}');
SELECT * FROM shown WHERE name = 'full';
SELECT workflow.alter_queue('full', group_weights => '{}');
SELECT workflow.alter_queue('full', fair => false);
SELECT workflow.alter_queue('full', reset => '{fair}');
SELECT workflow.alter_queue('full', reset => '{max_active,group_max_active,on_group_failure,fair,group_weights,
	rate_limit,group_rate_limit,policy,owner,description}');
SELECT * FROM shown WHERE name = 'full';
SELECT workflow.alter_queue('full', reset => '{max_runing}');
SELECT workflow.alter_queue('full', reset => '{name}');
SELECT workflow.alter_queue('full', max_running => 1, reset => '{max_running}');
SELECT workflow.alter_queue('none', max_running => 1);
SELECT workflow.alter_queue(NULL);

-- pause and resume, as often as one likes
SELECT workflow.pause_queue('plain', 'lunch');
SELECT workflow.pause_queue('plain', 'tea');
SELECT paused_at IS NOT NULL AS paused, paused_by = current_user AS by_me, pause_reason
  FROM _workflow.queue WHERE name = 'plain';
SELECT workflow.resume_queue('plain');
SELECT workflow.resume_queue('plain');
SELECT paused_at, paused_by, pause_reason FROM _workflow.queue WHERE name = 'plain';
SELECT workflow.pause_queue('none');
SELECT workflow.resume_queue('none');

-- a workflow's queue
SELECT workflow.create_workflow('queued', 'one', queue => 'none');
SELECT workflow.create_workflow('queued', 'one', queue => 'plain');
SELECT workflow.alter_workflow('queued', queue => 'none');
SELECT workflow.alter_workflow('queued', queue => 'full');
SELECT workflow.create_workflow('queued too', 'one', queue => 'full');
SELECT w.name, q.name AS queue
  FROM _workflow.workflow w JOIN _workflow.queue q USING (queue_id)
 WHERE w.name LIKE 'queued%' ORDER BY 1;

-- drop: not while workflows or unfinished runs need it, unless forced
SELECT workflow.drop_queue('full');
SELECT workflow.alter_workflow('queued too', reset => '{queue}');
SELECT workflow.drop_queue('full');
SELECT workflow.stop('test of queues');
SELECT workflow.enqueue_workflow('queued') IS NOT NULL AS enqueued FROM generate_series(1, 2);
SELECT workflow.drop_queue('full');
SELECT workflow.drop_queue('full', force => true);
SELECT workflow.start();
CALL workflow.wait_until_idle();
SELECT workflow, state FROM workflow.runs WHERE workflow LIKE 'queued%';
SELECT name, queue_id FROM _workflow.workflow WHERE name LIKE 'queued%' ORDER BY name;
SELECT workflow.drop_queue('full');
SELECT workflow.drop_queue('full', if_exists => true);
-- its name is free again, for another queue
SELECT workflow.create_queue('full');
SELECT count(*) AS same
  FROM _workflow.run r JOIN _workflow.queue q USING (queue_id)
 WHERE q.name = 'full';
-- finished runs do not hold it
SELECT workflow.alter_workflow('queued', queue => 'full');
SELECT workflow.enqueue_workflow('queued') IS NOT NULL AS enqueued;
CALL workflow.wait_until_idle();
SELECT workflow.alter_workflow('queued', reset => '{queue}');
SELECT workflow.drop_queue('full');

-- "default" gets its row when it is altered
SELECT count(*) FROM _workflow.queue WHERE queue_id = 0;
SELECT workflow.drop_queue('default', force => true);
SELECT workflow.pause_queue('default', 'first row');
SELECT * FROM shown WHERE name = 'default';
SELECT workflow.resume_queue('default');
SELECT workflow.alter_queue('default', max_running => 100, closed => true);
SELECT queue_id, max_running, closed, paused_at FROM _workflow.queue WHERE name = 'default';
SELECT workflow.alter_queue('default', reset => '{max_running,closed}');

-- rolled back it was never there
BEGIN;
SELECT workflow.create_queue('gone');
SELECT workflow.create_workflow('gone', 'one', queue => 'gone');
ROLLBACK;
SELECT workflow.create_workflow('gone', 'one', queue => 'gone');
BEGIN READ ONLY;
SELECT workflow.create_queue('read only');
ROLLBACK;

SELECT workflow.drop_workflow(w) FROM unnest('{queued,queued too}'::text[]) w;
SELECT workflow.drop_queue(q) FROM unnest('{plain,nulls}'::text[]) q;
DELETE FROM _workflow.queue WHERE queue_id = 0;
\set VERBOSITY terse
DROP SCHEMA queues CASCADE;
