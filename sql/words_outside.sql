-- The words of a body where they do not belong: outside a run, in a step, and
-- under a SECURITY DEFINER function.
SET client_min_messages = warning;
CREATE SCHEMA t_words;
SET search_path = t_words, public;
\pset null '(null)'

SELECT workflow.step('a', 'SELECT 1');
SELECT workflow.step('a', 'SELECT $1', 1);
SELECT workflow.step_text('a', 'SELECT 1');
SELECT workflow.step_text('a', 'SELECT $1', 1);
SELECT workflow.fail('a');
SELECT workflow.now();
SELECT workflow.random();
SELECT workflow.uuid();
SELECT workflow.run_id();
SELECT workflow.attempt();
SELECT workflow.idempotency_key();
-- policy() is a value, and good everywhere
SELECT workflow.policy();
SELECT workflow.policy(max_attempts => 3, initial_delay => '2 s', retry_on => ARRAY['23505']);

-- in a step: no step, the others answer
CREATE FUNCTION nested(word text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  d text; h text; r text;
BEGIN
  EXECUTE format('SELECT %s', word) INTO r;
  RETURN CASE WHEN r IS NULL THEN 'null' ELSE 'answers' END;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
  RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(d, ''), nullif(h, ''));
END $$;
CREATE FUNCTION in_step(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN workflow.step('s', 'SELECT nested($1)', input->>'word');
END $$;
CREATE FUNCTION in_body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN to_jsonb(nested(input->>'word'));
END $$;
-- the same helper as another role's SECURITY DEFINER function
CREATE ROLE t_words_definer;
GRANT USAGE ON SCHEMA t_words, workflow TO t_words_definer;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA workflow TO t_words_definer;
CREATE FUNCTION helper(word text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  d text; h text; r text;
BEGIN
  EXECUTE format('SELECT %s', word) INTO r;
  RETURN CASE WHEN r IS NULL THEN 'null' ELSE 'answers' END;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
  RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(d, ''), nullif(h, ''));
END $$;
CREATE FUNCTION own_helper(word text) RETURNS text LANGUAGE sql SECURITY DEFINER AS
  'SELECT t_words.nested(word)';
ALTER FUNCTION helper OWNER TO t_words_definer;
CREATE FUNCTION in_definer(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN to_jsonb(helper(input->>'word'));
END $$;
CREATE FUNCTION in_own_definer(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN to_jsonb(own_helper(input->>'word'));
END $$;
CREATE FUNCTION in_set_role(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  SET LOCAL ROLE t_words_definer;
  RETURN to_jsonb(nested(input->>'word'));
END $$;
-- a SECURITY DEFINER function with no role change of its own, and SET clauses
CREATE FUNCTION in_set_clause(input jsonb) RETURNS jsonb LANGUAGE plpgsql
SET work_mem = '8MB' SET search_path = t_words, pg_catalog AS $$
BEGIN
  RETURN to_jsonb(nested(input->>'word'));
END $$;

SELECT workflow.create_workflow('t_words_' || f, f)
  FROM unnest(ARRAY['in_step', 'in_body', 'in_definer', 'in_own_definer',
                    'in_set_role', 'in_set_clause']) f;
SELECT count(workflow.enqueue_workflow('t_words_' || f, jsonb_build_object('word', w)))
  FROM unnest(ARRAY['in_step', 'in_body', 'in_definer', 'in_own_definer',
                    'in_set_role', 'in_set_clause']) f,
       unnest(ARRAY['workflow.step(''x'', ''SELECT 1'')',
                    'workflow.step_text(''x'', ''SELECT $1'', 1)',
                    'workflow.fail(''no'', ''why'')', 'workflow.now()',
                    'workflow.random()', 'workflow.uuid()', 'workflow.run_id()',
                    'workflow.attempt()', 'workflow.idempotency_key()']) w;
CALL workflow.wait_until_idle('60 s');
\a\t
SELECT substr(workflow, 9) AS body, input->>'word' AS word,
       coalesce(result #>> '{}', error_code || ': ' || error_message) AS outcome
  FROM workflow.runs WHERE workflow LIKE 't\_words\_in%' ORDER BY 1, 2;
\a\t

-- the body itself must not be SECURITY DEFINER: refused when defined, and
-- when it is made so later
CREATE FUNCTION definer_body(input jsonb) RETURNS jsonb LANGUAGE sql SECURITY DEFINER AS 'SELECT input';
SELECT workflow.create_workflow('t_words_definer', 'definer_body');
ALTER FUNCTION definer_body SECURITY INVOKER;
SELECT workflow.create_workflow('t_words_definer', 'definer_body');
SELECT workflow.stop('while the body is changed');
SELECT workflow.enqueue_workflow('t_words_definer') AS run \gset
ALTER FUNCTION definer_body SECURITY DEFINER;
SELECT workflow.enqueue_workflow('t_words_definer');
SELECT workflow.start();
CALL workflow.wait_for_run(:'run');
SELECT state, waiting_for, error_code FROM workflow.runs WHERE run_id = :'run';
ALTER FUNCTION definer_body SECURITY INVOKER;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');

SET client_min_messages = error;
SELECT count(workflow.drop_workflow(workflow, force => true))
  FROM (SELECT DISTINCT workflow FROM workflow.runs
         WHERE workflow LIKE 't\_words\_%') w;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA workflow FROM t_words_definer;
REVOKE ALL ON SCHEMA workflow FROM t_words_definer;
DROP SCHEMA t_words CASCADE;
DROP ROLE t_words_definer;
