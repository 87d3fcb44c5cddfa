--
-- What create_workflow says of a body's source
--
CREATE SCHEMA lint;
SET search_path = lint;

CREATE FUNCTION bad(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	a timestamptz := now();
	b timestamptz := CURRENT_TIMESTAMP;
BEGIN
	a := pg_catalog.clock_timestamp ();
	b := statement_timestamp();
	RETURN to_jsonb(random()) || to_jsonb(gen_random_uuid()) || to_jsonb(now());
END $$;
SELECT workflow.create_workflow('bad');

-- none of this is a call that differs
CREATE FUNCTION good(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $body$
DECLARE
	now timestamptz := workflow.now();	-- now() in a comment
	/* random() in a /* nested */ gen_random_uuid() */
	"current_timestamp" text := 'it''s now()';
	x text := E'\'now()';
	t record;
BEGIN
	PERFORM workflow.step('one', 'SELECT now(), random()');
	PERFORM workflow.step('two', $q$SELECT clock_timestamp()$q$);
	PERFORM workflow . random (), "workflow".uuid(), known_now(), random_1;
	RETURN to_jsonb(now) || to_jsonb(t.current_timestamp);
END $body$;
SELECT workflow.create_workflow('good');

-- a body without source text
CREATE FUNCTION atomic(input jsonb) RETURNS jsonb
BEGIN ATOMIC
	SELECT to_jsonb(now());
END;
SELECT workflow.create_workflow('atomic');

-- when altered, too
SELECT workflow.alter_workflow('good', body => 'bad');

SELECT workflow.drop_workflow(w)
  FROM unnest('{bad,good,atomic}'::text[]) w;
\set VERBOSITY terse
DROP SCHEMA lint CASCADE;
