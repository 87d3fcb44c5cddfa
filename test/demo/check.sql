-- What must be true of the tables when all is done.  :placed are the orders
-- that customers were told are in, :dropped those that were rolled back.
\pset footer off
CREATE TEMPORARY VIEW checked AS
WITH placed AS (
	SELECT o.*, (SELECT count(*) FROM payment p
				 WHERE p.order_id = o.order_id AND p.amount = o.amount) AS paid,
		(SELECT count(*) FROM ledger l WHERE l.order_id = o.order_id) AS entries
	FROM orders o
), sold AS (
	SELECT s.sku, s.delivered, s.on_hand, s.held,
		coalesce(sum(o.quantity), 0) AS ordered
	FROM stock s LEFT JOIN orders o USING (sku) GROUP BY s.sku
), spent AS (
	SELECT c.customer_id, c.credit, coalesce(sum(o.amount), 0) AS ordered
	FROM customer c LEFT JOIN orders o USING (customer_id)
	GROUP BY c.customer_id
)
SELECT * FROM (VALUES
	(1, 'orders acknowledged to customers', :placed::bigint, (SELECT count(*) FROM orders)),
	(2, '... of which fulfilled', :placed,
		(SELECT count(*) FROM orders WHERE state = 'fulfilled')),
	(3, '... charged exactly once', :placed,
		(SELECT count(*) FROM placed WHERE paid = 1)),
	(4, 'payments in all', :placed, (SELECT count(*) FROM payment)),
	(5, 'orders with two ledger entries', :placed,
		(SELECT count(*) FROM placed WHERE entries = 2)),
	(6, 'ledger entries in all', 2 * :placed, (SELECT count(*) FROM ledger)),
	(7, 'balance of the ledger', 0, (SELECT sum(amount) FROM ledger)),
	(8, 'pieces ordered = pieces held', (SELECT sum(quantity) FROM orders),
		(SELECT sum(held) FROM stock)),
	(9, 'goods whose held count is wrong', 0,
		(SELECT count(*) FROM sold WHERE held <> ordered)),
	(10, 'goods with pieces lost or invented', 0,
		(SELECT count(*) FROM sold WHERE on_hand + held <> delivered)),
	(11, 'customers charged wrongly', 0,
		(SELECT count(*) FROM spent WHERE credit <> 10000 - ordered)),
	(12, 'runs that succeeded', :placed,
		(SELECT count(*) FROM workflow.runs WHERE state = 'succeeded')),
	(13, 'runs in all', :placed, (SELECT count(*) FROM workflow.runs)),
	(14, 'steps recorded', 3 * :placed, (SELECT count(*) FROM workflow.steps)),
	(15, 'dead letters', 0, (SELECT count(*) FROM workflow.dead_letters)),
	(16, 'orders or runs of customers who changed their mind', 0,
		(SELECT count(*) FROM orders WHERE order_id = ANY (:'dropped'::integer[]))
		+ (SELECT count(*) FROM workflow.runs
		   WHERE (input->>'order_id')::integer = ANY (:'dropped'::integer[])))
) AS v (line, what, expected, found);

SELECT what, expected, found, CASE WHEN expected = found THEN 'ok' ELSE 'WRONG' END AS verdict
FROM checked ORDER BY line;

SELECT CASE WHEN bool_and(expected IS NOT DISTINCT FROM found) THEN 0 ELSE 1 END AS wrong
FROM checked \gset
\if :wrong
\warn the counts are wrong
SELECT 1 / 0;
\endif
