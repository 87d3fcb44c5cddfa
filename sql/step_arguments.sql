-- Arguments of a step: bound, never pasted; literals are left to be inferred.
SET client_min_messages = warning;
CREATE SCHEMA t_args;
SET search_path = t_args, public;
\pset null '(null)'

CREATE TABLE item (id int PRIMARY KEY, name text, price numeric, tags text[],
                   doc jsonb, at date);

CREATE FUNCTION typed(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  id   int := 1;
  tags text[] := ARRAY['a', 'b,c'];
BEGIN
  PERFORM workflow.step('insert', 'INSERT INTO item VALUES ($1, $2, $3, $4, $5, $6)',
                        id, 'x''); DROP TABLE item; --'::text, 9.5::numeric,
                        tags, '{"k": 1}'::jsonb, '2020-02-29'::date);
  RETURN workflow.step('read', 'SELECT * FROM item WHERE id = $1', id);
END $$;

-- no casts at all
CREATE FUNCTION untyped(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('insert', 'INSERT INTO item VALUES ($1, $2, $3, $4, $5, $6)',
                        '2', 'name', '1.25', '{x,y}', '[1]', '2021-01-01');
  PERFORM workflow.step('null', 'UPDATE item SET name = $1 WHERE id = $2', NULL, '2');
  RETURN workflow.step('read', 'SELECT item, $2 AS as_text FROM item WHERE id = $1',
                       '2', 'plain');
END $$;

CREATE FUNCTION variadics(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r jsonb := '[]';
BEGIN
  r := r || workflow.step('array', 'SELECT $1 + $2 + $3', VARIADIC ARRAY[1, 2, 3]);
  r := r || workflow.step('empty', 'SELECT 4', VARIADIC ARRAY[]::int[]);
  r := r || workflow.step('null', 'SELECT 5', VARIADIC NULL::int[]);
  r := r || workflow.step('one array', 'SELECT cardinality($1)', ARRAY[1, 2, 3]);
  r := r || workflow.step('policy', 'SELECT 6', workflow.policy(max_attempts => 2));
  r := r || workflow.step('policy and more', 'SELECT 7 + $1',
                          workflow.policy(max_attempts => 3), 1);
  r := r || workflow.step('null policy', 'SELECT 9 + $1', NULL::workflow.policy, 1);
  -- a policy further on is a value like any other
  r := r || workflow.step('value', 'SELECT $1 + ($2).max_attempts', 1,
                          workflow.policy(max_attempts => 10));
  RETURN r;
END $$;

CREATE FUNCTION texts(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN jsonb_build_object(
    'text', workflow.step_text('text', 'SELECT ''plain "text"'''),
    'number', workflow.step_text('number', 'SELECT 1.50'),
    'bool', workflow.step_text('bool', 'SELECT true'),
    'array', workflow.step_text('array', 'SELECT ARRAY[1,2]'),
    'object', workflow.step_text('object', 'SELECT 1 AS a, $1 AS b', 'x'),
    'json null', workflow.step_text('json null', 'SELECT ''null''::jsonb'),
    'nothing', workflow.step_text('nothing', 'SELECT 1 WHERE false'),
    'with policy', workflow.step_text('with policy', 'SELECT $1::int + 1',
                                      workflow.policy(max_attempts => 2), 1));
END $$;

-- what is wrong with a call
CREATE FUNCTION wrong(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r jsonb := '[]';
BEGIN
  BEGIN PERFORM workflow.step(NULL, 'SELECT 1');
  EXCEPTION WHEN OTHERS THEN r := r || to_jsonb(SQLSTATE || ' ' || SQLERRM); END;
  BEGIN PERFORM workflow.step('a', NULL);
  EXCEPTION WHEN OTHERS THEN r := r || to_jsonb(SQLSTATE || ' ' || SQLERRM); END;
  BEGIN PERFORM workflow.step('', 'SELECT 1');
  EXCEPTION WHEN OTHERS THEN r := r || to_jsonb(SQLSTATE || ' ' || SQLERRM); END;
  BEGIN PERFORM workflow.step(repeat('x', 201), 'SELECT 1');
  EXCEPTION WHEN OTHERS THEN r := r || to_jsonb(SQLSTATE || ' ' || SQLERRM); END;
  BEGIN PERFORM workflow.step('p', 'SELECT 1', workflow.policy(max_attempts => 0));
  EXCEPTION WHEN OTHERS THEN r := r || to_jsonb(SQLSTATE || ' ' || SQLERRM); END;
  BEGIN PERFORM workflow.step(repeat('x', 200), 'SELECT $1 + $2', 1);
  EXCEPTION WHEN OTHERS THEN r := r || to_jsonb(SQLSTATE || ' ' || SQLERRM); END;
  BEGIN PERFORM workflow.step('too many', 'SELECT $1', 1, 2);
  EXCEPTION WHEN OTHERS THEN r := r || to_jsonb(SQLSTATE || ' ' || SQLERRM); END;
  BEGIN PERFORM workflow.step('bad literal', 'SELECT $1 + 1', 'one');
  EXCEPTION WHEN OTHERS THEN r := r || to_jsonb(SQLSTATE || ' ' || SQLERRM); END;
  RETURN r;
END $$;

SELECT workflow.create_workflow('t_args_' || f, f)
  FROM unnest(ARRAY['typed', 'untyped', 'variadics', 'texts', 'wrong']) f;
SELECT count(workflow.enqueue_workflow('t_args_' || f))
  FROM unnest(ARRAY['typed', 'untyped', 'variadics', 'texts', 'wrong']) f;
CALL workflow.wait_until_idle('60 s');

SELECT workflow, state, jsonb_pretty(result) AS result, error_code,
       error_message
  FROM workflow.runs WHERE workflow LIKE 't\_args\_%' ORDER BY workflow;
SELECT name, max_attempts, result, command FROM workflow.steps
 WHERE run_id IN (SELECT run_id FROM workflow.runs WHERE workflow = 't_args_variadics')
 ORDER BY ordinal;
SELECT id, name FROM item ORDER BY id;

SET client_min_messages = error;
SELECT workflow.drop_workflow('t_args_' || f, force => true)
  FROM unnest(ARRAY['typed', 'untyped', 'variadics', 'texts', 'wrong']) f;
DROP SCHEMA t_args CASCADE;
