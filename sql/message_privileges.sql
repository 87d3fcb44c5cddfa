--
-- Who may send, look at, retry and delete messages
--
CREATE ROLE regress_wf_owner LOGIN;
CREATE ROLE regress_wf_sender LOGIN;
CREATE ROLE regress_wf_worker LOGIN;
CREATE ROLE regress_wf_other LOGIN;
CREATE ROLE regress_wf_monitor LOGIN IN ROLE pg_monitor;
SELECT count(workflow.grant_usage(r::text)) FROM unnest('{regress_wf_owner,regress_wf_sender,regress_wf_worker,regress_wf_other,regress_wf_monitor}'::regrole[]) r;
SELECT workflow.stop('test of rights');

SET ROLE regress_wf_owner;
SELECT workflow.create_queue('open');
SELECT workflow.create_queue('shut', closed => true);
SELECT workflow.grant_queue('shut', 'regress_wf_sender', 'send');
SELECT workflow.grant_queue('shut', 'regress_wf_worker', 'receive');
SELECT workflow.grant_queue('open', 'regress_wf_worker', 'receive');
SELECT workflow.grant_queue('open', 'regress_wf_worker', 'look');

-- sending: to open queues anybody, to closed ones the owner and who was granted it
SET ROLE regress_wf_other;
SELECT workflow.send('open', '"other"') IS NOT NULL AS sent;
SELECT workflow.send('shut', '"other"');
SELECT workflow.send_batch('shut', ARRAY['1']::jsonb[]);
SET ROLE regress_wf_worker;
SELECT workflow.send('shut', '"worker"');
SET ROLE regress_wf_sender;
SELECT workflow.send('shut', '"sender"', headers => '{"a": 1}') IS NOT NULL AS sent;
SELECT workflow.send('open', '"sender"') AS sent \gset
SET ROLE regress_wf_owner;
SELECT workflow.send('shut', '"owner"') IS NOT NULL AS sent;

-- looking: the sender at his own, the owner and who may receive at all
SET ROLE regress_wf_other;
SELECT queue, owner, payload FROM workflow.messages ORDER BY message_id;
SET ROLE regress_wf_sender;
SELECT queue, owner, payload FROM workflow.messages ORDER BY message_id;
SET ROLE regress_wf_worker;
SELECT queue, owner, payload FROM workflow.messages ORDER BY message_id;
SET ROLE regress_wf_owner;
SELECT queue, owner, payload FROM workflow.messages ORDER BY message_id;
SET ROLE regress_wf_monitor;
SELECT queue, owner, state, payload, headers FROM workflow.messages ORDER BY message_id;
SET ROLE regress_wf_worker;
SELECT queue FROM workflow.queues WHERE queue IN ('open', 'shut') ORDER BY 1;
-- a condition is not asked before the barrier
SET ROLE regress_wf_other;
CREATE FUNCTION pg_temp.spy(jsonb) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
$$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
SELECT count(*) FROM workflow.messages WHERE pg_temp.spy(payload);
SELECT count(*) FROM workflow.dead_letters WHERE pg_temp.spy(to_jsonb(error_message));
DROP FUNCTION pg_temp.spy(jsonb);

-- retrying and deleting: who may receive; a sender has given it away
SET ROLE regress_wf_sender;
\set VERBOSITY terse
SELECT workflow.delete_message(:sent);
SELECT workflow.retry_message(:sent);
SELECT workflow.purge_queue('open');
SET ROLE regress_wf_other;
SELECT workflow.purge_queue('shut');
SET ROLE regress_wf_worker;
SELECT workflow.retry_message(:sent);
SELECT workflow.delete_message(:sent);
SELECT workflow.purge_queue('open');
SELECT workflow.purge_queue('nothing');
SELECT workflow.purge_queue(NULL);
SELECT workflow.delete_message(NULL);
SELECT workflow.retry_message(0);

-- and no more when it is revoked
SET ROLE regress_wf_owner;
SELECT workflow.revoke_queue('shut', 'regress_wf_worker', 'receive');
SELECT workflow.revoke_queue('shut', 'regress_wf_sender', 'send');
SET ROLE regress_wf_worker;
SELECT workflow.purge_queue('shut');
SELECT count(*) FROM workflow.messages;
SET ROLE regress_wf_sender;
SELECT workflow.send('shut', '"sender"');
SELECT queue, payload FROM workflow.messages;

-- the tables themselves are nobody's
SELECT count(*) FROM _workflow.message;
SELECT count(*) FROM _workflow.message_queue;
SELECT _workflow.run_alert('{}');
RESET ROLE;
SELECT _workflow.run_alert('{}');
-- a superuser may do all
SELECT workflow.purge_queue('shut');
SELECT workflow.drop_queue(q) FROM unnest('{open,shut}'::text[]) q;
SELECT workflow.start();
SELECT count(workflow.revoke_usage(r::text)) FROM unnest('{regress_wf_owner,regress_wf_sender,regress_wf_worker,regress_wf_other,regress_wf_monitor}'::regrole[]) r;
DROP ROLE regress_wf_owner, regress_wf_sender, regress_wf_worker, regress_wf_other, regress_wf_monitor;
