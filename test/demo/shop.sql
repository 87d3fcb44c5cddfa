-- A small shop in ordinary tables.  Nothing in them knows of workflows, and
-- nothing in them forbids a second payment or ledger entry for an order: if
-- one were made twice, it would be there to be seen.
CREATE ROLE shop LOGIN;
GRANT CREATE ON DATABASE :DBNAME TO shop;
SELECT workflow.grant_usage('shop');

\connect - shop
CREATE SCHEMA shop;
SET search_path TO shop;

CREATE TABLE customer (
	customer_id	integer PRIMARY KEY,
	name		text NOT NULL,
	credit		numeric NOT NULL	-- what is left of 10,000
);
CREATE TABLE stock (
	sku			text PRIMARY KEY,
	title		text NOT NULL,
	price		numeric NOT NULL,
	delivered	integer NOT NULL,	-- by our suppliers, never changes here
	on_hand		integer NOT NULL CHECK (on_hand >= 0),
	held		integer NOT NULL DEFAULT 0
);
CREATE TABLE orders (
	order_id	integer PRIMARY KEY,
	customer_id	integer NOT NULL REFERENCES customer,
	sku			text NOT NULL REFERENCES stock,
	quantity	integer NOT NULL,
	amount		numeric NOT NULL,
	state		text NOT NULL DEFAULT 'placed',
	placed_at	timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE payment (
	order_id	integer NOT NULL,
	amount		numeric NOT NULL,
	reference	text NOT NULL
);
CREATE TABLE ledger (
	order_id	integer NOT NULL,
	account		text NOT NULL,
	amount		numeric NOT NULL,
	written_at	timestamptz NOT NULL
);

INSERT INTO customer
SELECT n, name, 10000
FROM unnest('{Ada,Ben,Cleo,Dina,Emil,Fay,Gus,Hana,Ivo,June,Kim,Leo,Mia,Ned,Ola,
	Pia,Quin,Rob,Sue,Tom}'::text[]) WITH ORDINALITY AS t (name, n);

INSERT INTO stock (sku, title, price, delivered, on_hand)
SELECT sku, title, price, 1000, 1000
FROM (VALUES ('TEA-GRN', 'green tea, 100 g', 6.90),
			 ('TEA-BLK', 'black tea, 100 g', 5.40),
			 ('COF-ESP', 'espresso beans, 1 kg', 21.50),
			 ('COF-FLT', 'filter coffee, 500 g', 11.20),
			 ('MUG-WHT', 'white mug', 8.00),
			 ('MUG-BLU', 'blue mug', 8.50),
			 ('POT-CLY', 'clay pot', 34.00)) AS v (sku, title, price);

-- The steps.  Each takes some milliseconds, as if it had to ask somebody; the
-- line in the server's log tells of every beginning, also of those that a
-- crash undid.
CREATE FUNCTION charge_card(order_id integer) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
	reference text := workflow.idempotency_key()::text;
BEGIN
	RAISE LOG 'shop: order % charge card', order_id;
	PERFORM pg_sleep(0.025);
	IF order_id % 50 = 0 AND workflow.attempt() = 1 THEN
		RAISE EXCEPTION 'card company does not answer' USING ERRCODE = '08006';
	END IF;
	INSERT INTO payment
	SELECT o.order_id, o.amount, reference FROM orders o
	WHERE o.order_id = charge_card.order_id;
	UPDATE customer c SET credit = credit - o.amount FROM orders o
	WHERE o.order_id = charge_card.order_id
	  AND c.customer_id = o.customer_id;
	RETURN reference;
END $$;

CREATE FUNCTION reserve_stock(order_id integer) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
	reserved text;
BEGIN
	RAISE LOG 'shop: order % reserve stock', order_id;
	PERFORM pg_sleep(0.025);
	UPDATE stock s
	SET on_hand = on_hand - o.quantity, held = held + o.quantity
	FROM orders o
	WHERE o.order_id = reserve_stock.order_id AND s.sku = o.sku
	RETURNING o.quantity || ' x ' || s.title INTO STRICT reserved;
	RETURN reserved;
END $$;

CREATE FUNCTION write_ledger(order_id integer) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
	RAISE LOG 'shop: order % write ledger', order_id;
	PERFORM pg_sleep(0.025);
	INSERT INTO ledger
	SELECT o.order_id, account, o.amount * sign, clock_timestamp()
	FROM orders o, (VALUES ('card company', 1), ('sales', -1)) v (account, sign)
	WHERE o.order_id = write_ledger.order_id;
	UPDATE orders o SET state = 'fulfilled'
	WHERE o.order_id = write_ledger.order_id;
END $$;

-- The workflow: three steps, one after the other, whatever happens.
CREATE FUNCTION fulfil_order(input jsonb) RETURNS jsonb LANGUAGE plpgsql
AS $$
DECLARE
	order_id integer := input->>'order_id';
	payment  jsonb;
	reserved jsonb;
BEGIN
	payment := workflow.step('charge card', 'SELECT charge_card($1)',
							 workflow.policy(initial_delay => '200 ms'),
							 order_id);
	reserved := workflow.step('reserve stock', 'SELECT reserve_stock($1)',
							  order_id);
	PERFORM workflow.step('write ledger', 'SELECT write_ledger($1)', order_id);
	RETURN jsonb_build_object('payment', payment, 'reserved', reserved);
END $$;

SELECT workflow.create_workflow('fulfil_order', description => 'an order, from payment to ledger');
