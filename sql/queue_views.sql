--
-- Queues in the views, and what runs wait for in them
--
CREATE SCHEMA queue_views;
SET search_path = queue_views;
CREATE ROLE regress_qv_alice LOGIN;
CREATE ROLE regress_qv_bob LOGIN;
CREATE ROLE regress_qv_senders NOLOGIN;
CREATE ROLE regress_qv_carol LOGIN IN ROLE regress_qv_senders;
CREATE ROLE regress_qv_watch LOGIN IN ROLE pg_monitor;
SELECT count(workflow.grant_usage(r))
  FROM unnest('{regress_qv_alice,regress_qv_bob,regress_qv_carol,regress_qv_watch}'::text[]) r;
GRANT USAGE ON SCHEMA queue_views TO regress_qv_alice, regress_qv_bob;
CREATE FUNCTION work(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('work', 'SELECT 1 / $1', (input->>'by')::int);
END $$;
SELECT workflow.create_workflow('work');
SELECT workflow.create_workflow('park', 'work', on_failure => 'park');

-- rows as the functions write them, all at once; run n has an id that ends in n
CREATE FUNCTION put_queue(name text, settings jsonb DEFAULT '{}', who text DEFAULT current_user) RETURNS void
	LANGUAGE sql AS $$
INSERT INTO _workflow.queue
SELECT q.* FROM jsonb_populate_record(NULL::_workflow.queue, jsonb_build_object(
	'queue_id', nextval('_workflow.queue_queue_id_seq'), 'name', name,
	'owner', who::regrole::oid, 'owner_name', who, 'closed', false, 'on_group_failure', 'continue',
	'fair', false, 'rate_period', '1 s', 'lease', '30 s', 'dedup_window', '5 min', 'dedup_scope', 'window', 'created_at', now(), 'altered_at', now()) || settings) q;
$$;
CREATE FUNCTION id(n int) RETURNS uuid LANGUAGE sql AS $$
SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid
$$;
CREATE FUNCTION put_run(n int, queue text, group_key text DEFAULT NULL, settings jsonb DEFAULT '{}',
	who text DEFAULT current_user) RETURNS int LANGUAGE sql AS $$
INSERT INTO _workflow.run
SELECT r.* FROM _workflow.workflow w, jsonb_populate_record(NULL::_workflow.run, jsonb_build_object(
	'run_id', id(n), 'origin', _workflow.origin(), 'enqueued_at', now(), 'run_at', now(), 'place', n,
	'workflow_id', w.workflow_id, 'body_id', w.body_id, 'priority', 0, 'state', 'q',
	'queue_id', coalesce((SELECT queue_id FROM _workflow.queue q WHERE q.name = queue), 0),
	'owner', who::regrole::oid, 'owner_name', who, 'group_key', group_key, 'input', '{}', 'seed', gen_random_uuid(), 'dedup_no', 0) || settings) r
 WHERE w.name = 'work' AND w.dropped_at IS NULL
RETURNING 1
$$;
CREATE FUNCTION put_step(n int) RETURNS void LANGUAGE sql AS $$
INSERT INTO _workflow.step (run_id, fingerprint, started_at, ordinal, attempt, kind, state, name)
VALUES (id(n), 0, now(), 1, 1, 's', 'd', 'first')
$$;
CREATE FUNCTION why(n int) RETURNS text LANGUAGE sql AS $$
SELECT regexp_replace(workflow.why(id(n)), '\d+-\d\d-\d\d \d\d:\d\d:[0-9.]+-\d\d', '<time>', 'g')
$$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA queue_views TO PUBLIC;
CREATE VIEW shown AS
SELECT right(run_id::text, 2)::int AS run, state, waiting_for, paused_at IS NOT NULL AS paused, queue, group_key
  FROM workflow.runs WHERE run_id < id(1000) ORDER BY run_id;

-- "default" is there without a row, and with one
DELETE FROM _workflow.queue WHERE queue_id = 0;
SELECT queue, owner = current_user AS own, closed, max_running, on_group_failure, fair, rate_period, paused_at,
       queued IS NOT NULL AND delayed IS NOT NULL AND running IS NOT NULL AND active IS NOT NULL AS gauges,
       started_last_minute IS NOT NULL AND ended_last_minute IS NOT NULL AS rates, created_at, altered_at
  FROM workflow.queues WHERE queue = 'default' \gx
SELECT put_queue('default', '{"queue_id": 0, "max_running": 7, "paused_at": "now", "paused_by": "me"}', 'regress_qv_alice');
SELECT put_run(1, 'default');
SELECT queue, q.owner, s.owner, max_running, paused_at IS NOT NULL AS paused, paused_by
  FROM workflow.queues q JOIN workflow.stat_queues s USING (queue) WHERE queue = 'default';
SELECT * FROM shown;
SELECT why(1);
DELETE FROM _workflow.queue WHERE queue_id = 0;
SELECT * FROM shown;
DELETE FROM _workflow.run WHERE run_id < id(1000);

-- all columns of another
SELECT put_queue('full', '{"max_running": 1, "max_active": 2, "group_max_active": 3, "on_group_failure": "block",
	"fair": true, "group_weights": {"a": 2}, "rate_limit": 4, "rate_period": "1 min", "group_rate_limit": 5,
	"description": "all of it", "paused_at": "now", "paused_by": "me", "pause_reason": "lunch"}');
SELECT closed, max_running, max_active, group_max_active, on_group_failure, fair, group_weights, rate_limit,
       rate_period, group_rate_limit, policy, description, paused_by, pause_reason, oldest_ready_at,
       created_at = altered_at AS written
  FROM workflow.queues WHERE queue = 'full' \gx
SELECT put_run(1, 'full', 'g'), put_run(2, 'full', 'g', '{"due_at": "tomorrow"}');
SELECT * FROM shown;
SELECT why(1);
DELETE FROM _workflow.run WHERE run_id < id(1000);

-- a group of one: in order, and the place is kept by whoever has begun
SELECT put_queue('strict', '{"group_max_active": 1}');
SELECT count(put_run(n, 'strict', g, s)) FROM (VALUES
	(1, 'waits', '{}'::jsonb), (2, 'waits', '{}'),
	(3, 'parked', '{"state": "p", "waiting_for": "x"}'), (4, 'parked', '{}'),
	(5, 'delayed', '{"due_at": "tomorrow"}'), (6, 'delayed', '{}'),
	(7, NULL, '{}'), (8, NULL, '{}'),
	(9, 'retries', '{"waiting_for": "r", "due_at": "tomorrow"}'), (10, 'retries', '{}'),
	(11, 'late', '{}'), (12, 'late', '{}'), (13, 'late', '{"started_at": "now"}'),
	(14, 'ended', '{"state": "f", "waiting_for": "x", "finished_at": "now"}'), (15, 'ended', '{}')) v (n, g, s);
SELECT put_step(12);
SELECT * FROM shown;
SELECT n, why(n) FROM unnest('{2,4,10,11}'::int[]) n;
DELETE FROM _workflow.run WHERE run_id < id(1000) \; DELETE FROM _workflow.step WHERE run_id < id(1000);

-- a group of two, of which one run belongs to somebody else
SELECT put_queue('pair', '{"group_max_active": 2}');
SELECT put_run(1, 'pair', 'g', '{"state": "p"}', who => 'regress_qv_alice'), put_run(2, 'pair', 'g', who => 'regress_qv_bob');
SELECT * FROM shown;
SELECT put_run(3, 'pair', 'g', '{"state": "p", "waiting_for": "x"}');
SELECT * FROM shown;
SELECT why(2);
SET ROLE regress_qv_bob;
SELECT why(2);
RESET ROLE;
GRANT pg_monitor TO regress_qv_bob;
SET ROLE regress_qv_bob;
SELECT why(2);
RESET ROLE;
REVOKE pg_monitor FROM regress_qv_bob;
DELETE FROM _workflow.run WHERE run_id < id(1000);

-- a failed run blocks its group until it is repaired, or the rule is changed
SELECT put_queue('careful', '{"on_group_failure": "block"}');
SELECT put_run(1, 'careful', 'g', '{"state": "f", "waiting_for": "x", "finished_at": "now", "reason": "error"}');
SELECT put_run(2, 'careful', 'g'), put_run(3, 'careful', 'h'), put_run(4, 'careful');
SELECT * FROM shown;
SELECT n, why(n) FROM unnest('{1,2}'::int[]) n;
UPDATE _workflow.queue SET on_group_failure = 'continue' WHERE name = 'careful';
SELECT * FROM shown;
SELECT why(1);
DELETE FROM _workflow.run WHERE run_id < id(1000);

-- limits of the queue: here nothing may run, which no function would let in
SELECT put_queue('tight', '{"max_running": 0}'), put_queue('active', '{"max_active": 0}') \;
SELECT put_run(1, 'tight'), put_run(2, 'active'), put_run(3, 'active', NULL, '{"started_at": "now"}');
SELECT * FROM shown;
SELECT n, why(n) FROM unnest('{1,2}'::int[]) n;
-- a run of a dropped queue
SELECT put_run(4, 'none', NULL, '{"queue_id": 1000000, "state": "f", "finished_at": "now"}');
SELECT r.queue, d.queue FROM workflow.runs r JOIN workflow.dead_letters d USING (run_id) WHERE run_id = id(4);
DELETE FROM _workflow.run WHERE run_id < id(1000);

-- counters
SELECT put_queue('counted');
SELECT workflow.stop();
SELECT enqueued AS before FROM workflow.stat_queues WHERE queue = 'default' \gset
BEGIN;
SELECT workflow.enqueue_workflow('work', '{"by": 1}') AS one, workflow.enqueue_workflow('work', '{"by": 0}') AS two,
       workflow.enqueue_workflow('park', '{"by": 0}') AS three, workflow.enqueue_workflow('work') AS four,
       workflow.enqueue_workflow('work', '{"by": 1}', run_timeout => '0.1 s') AS five \gset
UPDATE _workflow.run SET queue_id = (SELECT queue_id FROM _workflow.queue WHERE name = 'counted')
 WHERE run_id IN (:'one', :'two', :'three', :'four', :'five');
COMMIT;
BEGIN \; SELECT workflow.enqueue_workflow('work') IS NOT NULL AS enqueued \; ROLLBACK;
SELECT enqueued - :before AS enqueued FROM workflow.stat_queues WHERE queue = 'default';
SELECT workflow.cancel_run(:'four');
CALL workflow.wait_for_run(:'four');
CALL workflow.wait_for_run(:'five');
SELECT workflow.start();
CALL workflow.wait_until_idle();
SELECT queue, enqueued, succeeded, failed, cancelled, parked, stats_reset <= now() AS since
  FROM workflow.stat_queues WHERE queue = 'counted';
SELECT queue, state, count(*) FROM workflow.runs WHERE queue = 'counted' GROUP BY 1, 2 ORDER BY 2;

-- who sees which
SELECT put_queue('open', who => 'regress_qv_alice'), put_queue('closed', '{"closed": true}', 'regress_qv_alice'),
       put_queue('restored', '{"closed": true, "owner_name": "somebody else"}', 'regress_qv_alice');
INSERT INTO _workflow.queue_grant (queue_id, role_name, role, privilege)
SELECT queue_id, r, 'regress_qv_senders'::regrole::oid, 'send'
  FROM _workflow.queue q, (VALUES ('closed', 'regress_qv_senders'), ('restored', 'somebody else')) v (n, r)
 WHERE q.name = n;
CREATE TEMPORARY TABLE question AS
SELECT format('SELECT %L AS view, string_agg(queue, '','' ORDER BY queue) AS queues FROM workflow.%s
	WHERE queue IN (''default'', ''open'', ''closed'', ''restored'')', v, v) AS sql
  FROM unnest('{queues,stat_queues}'::text[]) v;
GRANT SELECT ON question TO PUBLIC;
SET ROLE regress_qv_alice;
SELECT sql FROM question \gexec
SET ROLE regress_qv_bob;
SELECT sql FROM question \gexec
SET ROLE regress_qv_carol;
SELECT sql FROM question \gexec
SET ROLE regress_qv_watch;
SELECT sql FROM question \gexec
-- not behind the barrier either
SET ROLE regress_qv_bob;
CREATE FUNCTION pg_temp.peek(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
	IF value IN ('closed', 'restored') THEN RAISE NOTICE 'seen %', value; END IF;
	RETURN true;
END $$;
SELECT count(*) > 1 AS some FROM workflow.queues q, workflow.stat_queues s WHERE pg_temp.peek(q.queue) AND pg_temp.peek(s.queue);
SELECT _workflow.waits_for(NULL, 0, NULL, false, 1, true, 1, 1);
RESET ROLE;

SELECT count(workflow.drop_workflow(w, force => true)) FROM unnest('{work,park}'::text[]) w;
CALL workflow.wait_until_idle();
DELETE FROM _workflow.queue_grant \; DELETE FROM _workflow.queue;
SELECT count(workflow.revoke_usage(r))
  FROM unnest('{regress_qv_alice,regress_qv_bob,regress_qv_carol,regress_qv_watch}'::text[]) r;
\set VERBOSITY terse
DROP SCHEMA queue_views CASCADE;
DROP FUNCTION pg_temp.peek;
DROP ROLE regress_qv_alice, regress_qv_bob, regress_qv_senders, regress_qv_carol, regress_qv_watch;
