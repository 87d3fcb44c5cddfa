--
-- ack, ack_batch, nack and extend
--
SELECT workflow.create_queue('acks');
SELECT workflow.create_queue('kept', keep_acked => '1 day');
CREATE FUNCTION took(queue text, OUT receipt text, OUT payload jsonb, OUT attempt int)
LANGUAGE sql AS 'SELECT receipt, payload, attempt FROM workflow.receive($1)';
-- runs a command, and shows an error without what is random in it
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN regexp_replace(format('%s %s %s', SQLSTATE, SQLERRM, detail), '\d{10,}', '<id>');
END $$;

-- acknowledged, it is gone, and its receipt with it
SELECT FROM workflow.send('acks', '1');
SELECT receipt AS r FROM took('acks') \gset
SELECT workflow.ack(:'r');
SELECT count(*) FROM workflow.messages WHERE queue = 'acks';
SELECT try(format('SELECT workflow.ack(%L)', :'r'));
SELECT try(format('SELECT workflow.nack(%L)', :'r'));
SELECT try(format('SELECT workflow.extend(%L)', :'r'));

-- received and acknowledged in one transaction, together with an effect
CREATE TABLE effect (payload jsonb);
SELECT FROM workflow.send('acks', '2');
BEGIN;
WITH m AS MATERIALIZED (SELECT * FROM workflow.receive('acks')),
	 e AS (INSERT INTO effect SELECT payload FROM m)
SELECT workflow.ack(receipt) FROM m;
COMMIT;
TABLE effect;
SELECT count(*) FROM workflow.messages WHERE queue = 'acks';

-- rolled back, the ack is undone and the message still held
SELECT FROM workflow.send('acks', '3');
SELECT receipt AS r FROM took('acks') \gset
BEGIN;
SELECT workflow.ack(:'r');
ROLLBACK;
BEGIN;
SAVEPOINT a;
SELECT workflow.ack(:'r');
ROLLBACK TO a;
COMMIT;
SELECT * FROM workflow.receive('acks');
SELECT workflow.ack(:'r');

-- kept with its result
SELECT FROM workflow.send('kept', '4');
SELECT receipt AS r FROM took('kept') \gset
SELECT workflow.ack(:'r', '{"ok": true}');
SELECT state, payload, result, attempt, finished_at IS NOT NULL AS finished FROM workflow.messages WHERE queue = 'kept';
SELECT try(format('SELECT workflow.ack(%L)', :'r'));

-- many at once
SELECT count(*) FROM workflow.send_batch('kept', ARRAY['5', '6', '7']::jsonb[]);
SELECT array_agg(receipt ORDER BY message_id) AS r FROM workflow.receive('kept', 10) \gset
SELECT workflow.ack_batch(:'r', ARRAY['"five"', NULL, '"seven"']::jsonb[]);
SELECT payload, result FROM workflow.messages WHERE queue = 'kept' AND payload > '4' ORDER BY message_id;
SELECT workflow.ack_batch(:'r', skip_stale => true);
SELECT try(format('SELECT workflow.ack_batch(%L)', :'r'));
SELECT workflow.ack_batch('{}');
SELECT FROM workflow.send('acks', '8');
SELECT receipt AS one FROM took('acks') \gset
SELECT workflow.ack_batch(ARRAY[:'one', :'one', (:'r'::text[])[1]], skip_stale => true);

-- nack: back-off by the policy, or as told; counted, or not
SELECT FROM workflow.send('acks', '9');
SELECT receipt AS r FROM took('acks') \gset
SELECT workflow.nack(:'r', 'first', detail => 'so it was');
SELECT state, attempt, error_code, error_message, due_at - now() BETWEEN '500 ms' AND '1500 ms' AS back_off
  FROM workflow.messages WHERE queue = 'acks';
SELECT * FROM workflow.receive('acks');
SELECT try(format('SELECT workflow.ack(%L)', :'r'));
CALL workflow.wait_for_messages('acks');
SELECT receipt AS r, attempt FROM took('acks') \gset
SELECT workflow.nack(:'r', delay => '0 s');
SELECT :attempt AS before, receipt AS r, attempt FROM took('acks') \gset
\echo :before :attempt
SELECT workflow.nack(:'r', delay => '0 s', counts => false);
SELECT receipt AS r, attempt FROM took('acks') \gset
\echo :attempt
SELECT workflow.nack(:'r', delay => '1 hour');
SELECT due_at - now() > '59 min' AS later, error_message FROM workflow.messages WHERE queue = 'acks';
SELECT workflow.retry_message(message_id) FROM workflow.messages WHERE queue = 'acks';
SELECT receipt AS r, attempt FROM took('acks') \gset
SELECT workflow.nack(:'r', 'useless', final => true);
SELECT state, reason, error_code, error_message, attempt FROM workflow.messages WHERE queue = 'acks';
SELECT * FROM workflow.receive('acks');
SELECT workflow.retry_message(message_id) FROM workflow.messages WHERE queue = 'acks';
SELECT receipt AS r, attempt FROM took('acks') \gset
\echo :attempt
SELECT workflow.ack(:'r');

-- used up
SELECT workflow.alter_queue('acks', policy => workflow.policy(max_attempts => 2, initial_delay => '0 s'));
SELECT FROM workflow.send('acks', '10');
SELECT workflow.nack(receipt, 'once') FROM workflow.receive('acks');
SELECT workflow.nack(receipt, 'twice') FROM workflow.receive('acks');
SELECT state, reason, error_message, attempt FROM workflow.messages WHERE queue = 'acks';
SELECT workflow.delete_message(message_id) FROM workflow.messages WHERE queue = 'acks';

-- extend, with progress
SELECT FROM workflow.send('acks', '11');
SELECT receipt AS r FROM took('acks') \gset
SELECT workflow.extend(:'r', '1 hour', '{"done": 0.5}') - now() > '59 min' AS longer;
SELECT lease_until - now() > '59 min' AS longer, progress FROM workflow.messages WHERE queue = 'acks';
SELECT workflow.extend(:'r') - now() < '31 s' AS shorter;
SELECT workflow.extend(:'r', '1 ms') IS NOT NULL AS over;
CALL workflow.wait_for_messages('acks');
SELECT try(format('SELECT workflow.ack(%L)', :'r'));
SELECT receipt AS again FROM took('acks') \gset
SELECT try(format('SELECT workflow.ack(%L)', :'r'));
SELECT workflow.ack(:'again');

-- a prepared transaction may acknowledge
SELECT FROM workflow.send('acks', '12');
SELECT receipt AS r FROM took('acks') \gset
BEGIN;
SELECT workflow.ack(:'r');
PREPARE TRANSACTION 'ack';
COMMIT PREPARED 'ack';
SELECT count(*) FROM workflow.messages WHERE queue = 'acks';

-- bad input
SELECT try($$SELECT workflow.ack(NULL)$$);
SELECT try($$SELECT workflow.ack('')$$);
SELECT try($$SELECT workflow.ack('1-00000000000000zz')$$);
SELECT try($$SELECT workflow.ack('99999999999999999999-0000000000000000')$$);
SELECT try($$SELECT workflow.ack('1-0000000000000000')$$);
SELECT try($$SELECT workflow.ack_batch(NULL)$$);
SELECT try($$SELECT workflow.ack_batch(ARRAY[NULL])$$);
SELECT try($$SELECT workflow.ack_batch(ARRAY['1-0000000000000000'], '{}')$$);
SELECT try($$SELECT workflow.nack('1-0000000000000000', final => true, counts => false)$$);
SELECT try($$SELECT workflow.nack('1-0000000000000000', delay => '-1 s')$$);
SELECT try($$SELECT workflow.extend('1-0000000000000000', '0 s')$$);

SELECT workflow.drop_queue(q, force => true) FROM unnest('{acks,kept}'::text[]) q;
DROP TABLE effect;
DROP FUNCTION took, try;
