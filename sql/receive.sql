--
-- receive(): what is handed out, in which order, and what a rollback does
--
SELECT workflow.create_queue('recv');
SELECT workflow.send('recv', to_jsonb(i)) IS NOT NULL AS sent FROM generate_series(1, 3) i;

-- in the order of the calls, each to one receiver, with a lease
SELECT payload, headers, group_key, attempt, lease_until - now() BETWEEN '29 s' AND '31 s' AS leased
  FROM workflow.receive('recv');
SELECT receipt ~ ('^' || message_id || '-[0-9a-f]{16}$') AS receipt, payload FROM workflow.receive('recv', 10);
SELECT * FROM workflow.receive('recv', 10);
SELECT payload, state, attempt FROM workflow.messages WHERE queue = 'recv' ORDER BY message_id;

-- what was sent in this transaction is for others, and only after its commit
BEGIN;
SELECT FROM workflow.send('recv', '"own"');
SELECT * FROM workflow.receive('recv');
ROLLBACK;
SELECT * FROM workflow.receive('recv');

-- priority, delay, headers and group
SELECT FROM workflow.send('recv', '"plain"');
SELECT FROM workflow.send('recv', '"urgent"', '{"h": 1}', 'g', priority => 5);
SELECT FROM workflow.send('recv', '"later"', delay => '1 hour');
SELECT payload, headers, group_key FROM workflow.receive('recv');
SELECT payload FROM workflow.receive('recv', 10);

-- a rolled-back receive gives back at once, and counts
SELECT FROM workflow.send('recv', '"back"');
BEGIN;
SELECT payload, attempt FROM workflow.receive('recv', 10);
ROLLBACK;
SELECT payload, attempt FROM workflow.receive('recv', 10, '1 ms');
CALL workflow.wait_for_messages('recv');
BEGIN;
SAVEPOINT a;
SELECT payload, attempt FROM workflow.receive('recv', 10);
ROLLBACK TO a;
SELECT payload, attempt FROM workflow.receive('recv', 10);
COMMIT;
SELECT * FROM workflow.receive('recv', 10);

-- also in an exception block
SELECT FROM workflow.send('recv', '"block"');
DO $$
BEGIN
	PERFORM workflow.receive('recv');
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
	RAISE NOTICE 'undone';
END $$;
SELECT payload, attempt FROM workflow.receive('recv', 10);

-- with attempts used up it is dead
SELECT workflow.create_queue('twice', policy => workflow.policy(max_attempts => 2));
SELECT FROM workflow.send('twice', '"poison"');
BEGIN; SELECT payload, attempt FROM workflow.receive('twice'); ROLLBACK;
BEGIN; SELECT payload, attempt FROM workflow.receive('twice'); ROLLBACK;
SELECT * FROM workflow.receive('twice');
SELECT state, attempt, reason, error_code, error_message FROM workflow.messages WHERE queue = 'twice';
SELECT FROM workflow.send('twice', '"slow"');
SELECT payload, attempt FROM workflow.receive('twice', lease => '1 ms');
CALL workflow.wait_for_messages('twice');
SELECT payload, attempt FROM workflow.receive('twice', lease => '1 ms');
CALL workflow.wait_for_messages('twice', '100 ms');
SELECT payload, state, attempt, reason, error_code, error_message FROM workflow.messages WHERE queue = 'twice' ORDER BY message_id;
SELECT started, succeeded, failed FROM workflow.stat_queues WHERE queue = 'twice';

-- delivered at most once: nobody knows what became of it
SELECT workflow.create_queue('once', policy => workflow.policy(at_most_once => true));
SELECT count(workflow.send('once', to_jsonb(i))) FROM generate_series(1, 2) i;
SELECT payload FROM workflow.receive('once', lease => '1 ms');
BEGIN; SELECT payload FROM workflow.receive('once'); ROLLBACK;
CALL workflow.wait_for_messages('once', '100 ms');
SELECT payload, state, attempt, reason, error_code, error_message FROM workflow.messages WHERE queue = 'once' ORDER BY message_id;

-- a paused queue gives nothing, nor does a stopped database
SELECT FROM workflow.send('recv', '"held"');
SELECT workflow.pause_queue('recv');
SELECT * FROM workflow.receive('recv');
SELECT workflow.resume_queue('recv');
SELECT workflow.stop('test of receive');
SELECT * FROM workflow.receive('recv');
SELECT workflow.start();
SELECT payload FROM workflow.receive('recv');

-- many at a time, and at every isolation level
SELECT count(*) FROM workflow.send_batch('recv', array_fill('1'::jsonb, ARRAY[250]));
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM workflow.messages WHERE queue = 'recv' AND state = 'queued';
SELECT count(*), count(DISTINCT message_id) FROM workflow.receive('recv', 100);
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM workflow.receive('recv', 1000);
COMMIT;
SELECT count(*) FROM workflow.receive('recv', 1000);

-- the queue "default" has messages as well
SELECT FROM workflow.send('default', '"in default"');
SELECT payload, workflow.ack(receipt) FROM workflow.receive('default');

-- what cannot be
BEGIN;
SELECT FROM workflow.send('recv', '"prepared"');
COMMIT;
BEGIN;
SELECT payload FROM workflow.receive('recv');
PREPARE TRANSACTION 'receive';
SELECT payload, attempt FROM workflow.receive('recv');
SELECT * FROM workflow.receive(NULL);
SELECT * FROM workflow.receive('nowhere');
SELECT * FROM workflow.receive('recv', 0);
SELECT * FROM workflow.receive('recv', 10001);
SELECT * FROM workflow.receive('recv', 1, '0 s');
SELECT * FROM workflow.receive('recv', 1, '-1 s');
BEGIN READ ONLY;
SELECT * FROM workflow.receive('recv');
ROLLBACK;
CREATE ROLE regress_receive;
SELECT workflow.grant_usage('regress_receive');
SET ROLE regress_receive;
SELECT FROM workflow.send('recv', '"theirs"');
SELECT * FROM workflow.receive('recv');
CALL workflow.wait_for_messages('recv');
RESET ROLE;

SELECT workflow.drop_queue(q, force => true) FROM unnest('{recv,twice,once}'::text[]) q;
SELECT workflow.revoke_usage('regress_receive');
DROP ROLE regress_receive;
