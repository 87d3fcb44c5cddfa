--
-- Queues: whose they are, and who may have runs in one that is closed
--
CREATE SCHEMA qgrants;
CREATE ROLE regress_wf_alice LOGIN;
CREATE ROLE regress_wf_bob LOGIN;
CREATE ROLE regress_wf_team NOLOGIN;
CREATE ROLE regress_wf_boss LOGIN IN ROLE regress_wf_alice;
GRANT USAGE, CREATE ON SCHEMA qgrants TO PUBLIC;
SET search_path = qgrants;
CREATE FUNCTION one(input jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT workflow.step('one', 'SELECT 1') $$;

-- nothing without grant_usage()
SET ROLE regress_wf_alice;
SELECT workflow.create_queue('hers');
RESET ROLE;
SELECT count(workflow.grant_usage(r))
  FROM unnest('{regress_wf_alice,regress_wf_bob,regress_wf_team,regress_wf_boss}'::text[]) r;

-- a queue belongs to its creator, or to a role he is a member of
SET ROLE regress_wf_alice;
SELECT workflow.create_queue('hers');
SELECT workflow.create_queue('bobs', owner => 'regress_wf_bob');
SET ROLE regress_wf_boss;
SELECT workflow.create_queue('also hers', owner => 'regress_wf_alice');
SELECT workflow.alter_queue('hers', max_running => 3);
SET ROLE regress_wf_bob;
SELECT workflow.alter_queue('hers', max_running => 1);
SELECT workflow.pause_queue('hers');
SELECT workflow.resume_queue('hers');
SELECT workflow.drop_queue('hers', force => true);
SELECT workflow.grant_queue('hers', 'regress_wf_bob');
SELECT workflow.revoke_queue('hers', 'regress_wf_alice');
SELECT workflow.pause_queue('default', 'sabotage');
SELECT count(*) FROM _workflow.queue;
SET ROLE regress_wf_alice;
SELECT workflow.alter_queue('also hers', owner => 'regress_wf_bob');
SET ROLE regress_wf_boss;
SELECT workflow.alter_queue('also hers', reset => '{owner}');
RESET ROLE;
SELECT name, owner_name, owner = owner_name::regrole AS same, max_running
  FROM _workflow.queue ORDER BY name;

-- anybody may have runs in a queue that is open, in a closed one who may send
SET ROLE regress_wf_bob;
SELECT workflow.create_workflow('work', 'one', queue => 'hers');
SET ROLE regress_wf_alice;
SELECT workflow.alter_queue('hers', closed => true);
SET ROLE regress_wf_bob;
SELECT workflow.alter_workflow('work', description => 'stays');
SELECT workflow.alter_workflow('work', queue => 'hers');
SELECT workflow.create_workflow('more work', 'one', queue => 'hers');
SET ROLE regress_wf_boss;
SELECT workflow.create_workflow('boss work', 'one', queue => 'hers');
RESET ROLE;
SELECT workflow.create_workflow('root work', 'one', queue => 'hers');
-- everybody, whoever that is
SELECT workflow.grant_queue('hers', 'public');
SET ROLE regress_wf_bob;
BEGIN;
SELECT workflow.send('hers', '1') IS NOT NULL AS sent;
ROLLBACK;
RESET ROLE;
SELECT role_name, privilege FROM _workflow.queue_grant g JOIN _workflow.queue q USING (queue_id) WHERE q.name = 'hers';
SELECT workflow.revoke_queue('hers', 'public');
SET ROLE regress_wf_bob;
SELECT workflow.send('hers', '1');
RESET ROLE;
-- it goes by the workflow's owner, not by who alters it
SELECT workflow.alter_workflow('work', queue => 'hers');

-- granted, to a role or to one that it is a member of
SET ROLE regress_wf_alice;
SELECT workflow.grant_queue('hers', 'regress_wf_bob');
SELECT workflow.grant_queue('hers', 'regress_wf_bob', 'send');
SET ROLE regress_wf_bob;
SELECT workflow.alter_workflow('work', queue => 'hers');
SET ROLE regress_wf_alice;
SELECT workflow.revoke_queue('hers', 'regress_wf_bob');
SELECT workflow.revoke_queue('hers', 'regress_wf_bob');
SET ROLE regress_wf_bob;
SELECT workflow.create_workflow('more work', 'one', queue => 'hers');
RESET ROLE;
GRANT regress_wf_team TO regress_wf_bob;
SET ROLE regress_wf_alice;
SELECT workflow.grant_queue('hers', 'regress_wf_team');
SET ROLE regress_wf_bob;
SELECT workflow.create_workflow('more work', 'one', queue => 'hers');
RESET ROLE;
SELECT q.name, g.role_name, g.privilege
  FROM _workflow.queue_grant g JOIN _workflow.queue q USING (queue_id);

-- arguments
SELECT workflow.grant_queue(NULL, 'regress_wf_bob');
SELECT workflow.grant_queue('hers', NULL);
SELECT workflow.grant_queue('none', 'regress_wf_bob');
SELECT workflow.grant_queue('hers', 'Public');
SELECT workflow.grant_queue('hers', 'regress_wf_bob', 'look');
SELECT workflow.revoke_queue('hers', 'nobody here');
SELECT workflow.revoke_queue('hers', 'regress_wf_bob', 'SEND');

-- what a role that is gone leaves behind gives nothing to the next of its name
SELECT count(workflow.drop_workflow(w)) FROM unnest('{work,more work}'::text[]) w;
SELECT workflow.revoke_usage('regress_wf_team');
DROP ROLE regress_wf_team;
CREATE ROLE regress_wf_team NOLOGIN;
GRANT regress_wf_team TO regress_wf_bob;
SET ROLE regress_wf_bob;
SELECT workflow.create_workflow('work', 'one', queue => 'hers');
RESET ROLE;
SELECT workflow.grant_queue('hers', 'regress_wf_team');
SET ROLE regress_wf_bob;
SELECT workflow.create_workflow('work', 'one', queue => 'hers');
RESET ROLE;
DROP ROLE regress_wf_team;
SELECT workflow.revoke_queue('hers', 'regress_wf_team');
SELECT count(*) FROM _workflow.queue_grant;

-- "default" can be closed too
SELECT workflow.alter_queue('default', closed => true);
SELECT workflow.grant_queue('default', 'regress_wf_alice');
SET ROLE regress_wf_bob;
SELECT workflow.create_workflow('in default', 'one');
SET ROLE regress_wf_alice;
SELECT workflow.create_workflow('in default', 'one');
RESET ROLE;

SELECT count(workflow.drop_workflow(w))
  FROM unnest('{work,boss work,root work,in default}'::text[]) w;
SELECT workflow.drop_queue(q) FROM unnest('{hers,also hers}'::text[]) q;
SELECT workflow.revoke_queue('default', 'regress_wf_alice');
SELECT count(*) FROM _workflow.queue_grant;
DELETE FROM _workflow.queue WHERE queue_id = 0;
SELECT count(workflow.revoke_usage(r))
  FROM unnest('{regress_wf_alice,regress_wf_bob,regress_wf_boss}'::text[]) r;
\set VERBOSITY terse
DROP SCHEMA qgrants CASCADE;
DROP ROLE regress_wf_alice, regress_wf_bob, regress_wf_boss;
