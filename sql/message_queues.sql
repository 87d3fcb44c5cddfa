--
-- What queues say of messages: leases, keys, what is kept, alerts
--
CREATE SCHEMA mq;
SET search_path = mq;
CREATE FUNCTION tell(alert jsonb) RETURNS void LANGUAGE sql AS 'SELECT';
CREATE FUNCTION many(alert jsonb) RETURNS SETOF int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION "odd.Name"(alert jsonb) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION other(alert text) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE proc(alert jsonb) LANGUAGE sql AS 'SELECT 1';

SELECT workflow.create_queue('plain');
SELECT workflow.create_queue('all', lease => '1 min', dedup_window => '1 day', keep_acked => '2 days',
    keep_dead => '3 days', notify_channel => 'Ch', alert => 'tell', alert_depth => 4, alert_age => '5 min', alert_dead_letters => 6);
SELECT queue, lease, dedup_window, keep_acked, keep_dead, notify_channel, alert, alert_role = current_user AS own,
       alert_depth, alert_age, alert_dead_letters
  FROM workflow.queues ORDER BY queue COLLATE "C";
SELECT workflow.alter_queue('all', lease => '2 min', alert => '"odd.Name"', alert_depth => 40);
SELECT workflow.alter_queue('all', reset => '{dedup_window,keep_acked,keep_dead,alert_age}');
SELECT queue, lease, dedup_window, keep_acked, keep_dead, notify_channel, alert,
       alert_depth, alert_age, alert_dead_letters
  FROM workflow.queues WHERE queue = 'all';

-- what is no good
SELECT workflow.create_queue('bad', lease => '0');
SELECT workflow.create_queue('bad', lease => '2 years');
SELECT workflow.create_queue('bad', dedup_window => '-1 s');
SELECT workflow.create_queue('bad', keep_acked => '0');
SELECT workflow.create_queue('bad', notify_channel => '');
SELECT workflow.create_queue('bad', notify_channel => repeat('x', 64));
SELECT workflow.create_queue('bad', notify_channel => 'c', alert_depth => 0);
SELECT workflow.create_queue('bad', alert_depth => 1);
SELECT workflow.create_queue('bad', alert_age => '1 s');
SELECT workflow.alter_queue('plain', alert_dead_letters => 1);
SELECT workflow.alter_queue('all', reset => '{alert,notify_channel}');
SELECT workflow.alter_queue('all', lease => '1 s', reset => '{lease}');
SELECT workflow.create_queue('bad', alert => 'nothing');
SELECT workflow.create_queue('bad', alert => 'other');
SELECT workflow.create_queue('bad', alert => 'many');
SELECT workflow.create_queue('bad', alert => 'proc');
SELECT workflow.create_queue('bad', alert => 'tell(text)');
SELECT workflow.alter_queue('all', reset => '{alert,notify_channel,alert_depth,alert_dead_letters}');
SELECT alert, alert_role, notify_channel FROM workflow.queues WHERE queue = 'all';

-- who sets an alert must be able to call it
CREATE ROLE regress_wf_owner LOGIN;
SELECT workflow.grant_usage('regress_wf_owner');
SET ROLE regress_wf_owner;
SELECT workflow.create_queue('his', alert => 'mq.tell');
RESET ROLE;
GRANT USAGE ON SCHEMA mq TO regress_wf_owner;
SET ROLE regress_wf_owner;
SELECT workflow.create_queue('his', alert => 'mq.tell');
SELECT alert_role FROM workflow.queues WHERE queue = 'his';
RESET ROLE;
ALTER FUNCTION tell(jsonb) OWNER TO regress_wf_owner;
SELECT workflow.create_queue('bad', alert => 'tell');
-- an alert stays whose it is, whoever alters something else
SELECT workflow.alter_queue('his', lease => '1 min');
SELECT alert_role FROM workflow.queues WHERE queue = 'his';

-- a queue with messages
SELECT workflow.pause_queue('plain');
SELECT count(workflow.send('plain', '1', dedup_key => 'k' || i)) FROM generate_series(1, 2) i;
SELECT workflow.drop_queue('plain');
SELECT workflow.drop_queue('plain', force => true);
SELECT count(*) FROM _workflow.message;
SELECT count(*) FROM _workflow.message_key;
SELECT workflow.drop_queue(q) FROM unnest('{all,his}'::text[]) q;

SELECT workflow.revoke_usage('regress_wf_owner');
\set VERBOSITY terse
DROP SCHEMA mq CASCADE;
DROP ROLE regress_wf_owner;
