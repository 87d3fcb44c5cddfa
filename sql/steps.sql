-- What a step may be, and what it gives back.
SET client_min_messages = warning;
CREATE SCHEMA t_steps;
SET search_path = t_steps, public;
\pset null '(null)'
\set VERBOSITY default

CREATE TABLE stock (sku text PRIMARY KEY, held int NOT NULL DEFAULT 0);
INSERT INTO stock SELECT 'A' || i FROM generate_series(1, 3) i;
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE FUNCTION nothing() RETURNS void LANGUAGE sql AS '';

-- one step, given as data
CREATE FUNCTION one_step(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN workflow.step('one', input->>'sql');
END $$;
SELECT workflow.create_workflow('t_one_step', 'one_step');

CREATE TABLE command (n int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sql text NOT NULL,
                      state text, result jsonb, run_id uuid);
INSERT INTO command (sql) VALUES
  ('SELECT 42'),
  ('SELECT 9.50::numeric'),
  ('SELECT ''text with "quotes"'''),
  ('SELECT true'),
  ('SELECT ''2020-01-31''::date'),
  ('SELECT ''green''::colour'),
  ('SELECT ARRAY[1,2]'),
  ('SELECT ''{"a": [1, null]}''::jsonb'),
  ('SELECT ''{"b":  1}''::json'),
  ('SELECT ''null''::jsonb'),
  ('SELECT 1 AS a, ''x'' AS b, NULL AS c'),
  ('SELECT ROW(1, 2)'),
  ('SELECT s FROM stock s WHERE sku = ''A1'''),
  ('SELECT NULL::int'),
  ('SELECT 1 WHERE false'),
  ('SELECT 1 AS a, 2 AS b WHERE false'),
  ('SELECT nothing()'),
  ('SELECT count(*) FROM nothing()'),
  ('UPDATE stock SET held = held + 1 WHERE sku IN (''A1'', ''A2'')'),
  ('UPDATE stock SET held = 0 WHERE sku = ''none'''),
  ('DELETE FROM stock WHERE sku = ''A3'''),
  ('INSERT INTO stock VALUES (''B1'') RETURNING sku'),
  ('INSERT INTO stock VALUES (''B2'') RETURNING sku, held'),
  ('INSERT INTO stock VALUES (''A1'') ON CONFLICT DO NOTHING RETURNING sku'),
  ('WITH u AS (UPDATE stock SET held = 7 RETURNING 1) SELECT count(*) FROM u'),
  ('VALUES (1)'),
  ('SHOW server_encoding'),
  ('CREATE TABLE made (a int)'),
  ('DO $do$ BEGIN INSERT INTO stock VALUES (''D1''); END $do$'),
  ('SELECT generate_series(1, 2)'),
  ('INSERT INTO stock VALUES (''C1''), (''C2'') RETURNING sku'),
  ('SELECT jsonb_agg(sku ORDER BY sku) FROM stock WHERE sku < ''B'''),
  ('SELECT 1; SELECT 2'),
  (''),
  ('COMMIT'),
  ('ROLLBACK'),
  ('SAVEPOINT a'),
  ('COPY stock TO STDOUT'),
  ('VACUUM stock'),
  ('SELEKT 1'),
  ('SELECT * FROM missing'),
  ('SELECT $1'),
  ('SELECT 1/0'),
  ('SELECT ''NaN''::float8'),
  ('SELECT repeat(''x'', 20 * 1024 * 1024)');

-- one after the other, as some change what others read
DO $$
DECLARE
  run uuid;
  state text;
  result jsonb;
  error text;
BEGIN
  FOR i IN 1..(SELECT max(n) FROM command) LOOP
    run := workflow.enqueue_workflow('t_one_step', jsonb_build_object('sql', sql))
      FROM command WHERE n = i;
    COMMIT;
    CALL workflow.wait_for_run(run, '60 s', state, result, error);
    EXECUTE 'UPDATE command SET state = $1, result = $2, run_id = $3 WHERE n = $4' USING state, result, run, i;
    COMMIT;
  END LOOP;
END $$;

SELECT n, left(sql, 40) AS sql, state, result FROM command
 WHERE state = 'succeeded' ORDER BY n;
SELECT n, left(sql, 40) AS sql, error_code, error_message
  FROM command JOIN workflow.runs USING (run_id)
 WHERE command.state = 'failed' ORDER BY n;
SELECT count(*) FROM command WHERE state NOT IN ('succeeded', 'failed');
-- detail and hint of some
\a\t
SELECT regexp_replace(workflow.why(run_id), ' at [^ ]* [^ ]* ', ' ') FROM command
 WHERE sql IN ('SELECT generate_series(1, 2)', 'SELECT 1; SELECT 2', 'COMMIT', 'COPY stock TO STDOUT',
               'SELECT repeat(''x'', 20 * 1024 * 1024)')
 ORDER BY n;
\a\t
SELECT * FROM stock ORDER BY sku;

SET client_min_messages = error;
SELECT workflow.drop_workflow('t_one_step', force => true);
DROP SCHEMA t_steps CASCADE;
