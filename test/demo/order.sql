-- One order of a customer: the order and its workflow in one transaction.
-- A customer whose connection broke does not know whether that was committed,
-- and simply sends it again.  :verdict is COMMIT, or ROLLBACK for a customer
-- who thinks better of it.
BEGIN;
INSERT INTO orders (order_id, customer_id, sku, quantity, amount)
SELECT :order_id, 1 + :order_id * 7 % 20, sku, quantity, price * quantity
FROM (SELECT sku, price, 1 + :order_id % 3 AS quantity
	  FROM stock ORDER BY sku OFFSET :order_id % 7 LIMIT 1) AS chosen
ON CONFLICT DO NOTHING;
SELECT workflow.enqueue_workflow('fulfil_order',
	jsonb_build_object('order_id', :order_id), dedup_key => 'order-' || :order_id);
:verdict;
