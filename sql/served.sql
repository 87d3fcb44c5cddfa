--
-- A database that is stopped says so to who receives from it
--
CREATE FUNCTION nothing(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
SELECT workflow.create_workflow('nothing');
SELECT workflow.create_queue('post');
SELECT workflow.send('post', '1') > 0 AS sent;
SELECT payload FROM workflow.receive('post', lease => '1 hour');
-- an empty queue is nothing to speak of
SELECT payload FROM workflow.receive('post');

SELECT workflow.stop('inventory');
SELECT workflow.send('post', '2') > 0 AS sent;
-- told once, also in later transactions
SELECT payload FROM workflow.receive('post');
SELECT payload FROM workflow.receive('post');
BEGIN;
SELECT payload FROM workflow.receive('post', 10);
COMMIT;
SELECT stopped, stop_reason FROM workflow.status;
SELECT workflow.enqueue_workflow('nothing') AS run_id \gset
SELECT workflow.why(:'run_id');

SELECT workflow.start();
SELECT payload FROM workflow.receive('post', lease => '1 hour');
SELECT payload FROM workflow.receive('post');

-- another time is told anew
SELECT workflow.stop();
SELECT payload FROM workflow.receive('post');
SELECT workflow.start();

SELECT workflow.drop_queue('post', force => true);
SELECT workflow.drop_workflow('nothing', force => true);
DROP FUNCTION nothing;
