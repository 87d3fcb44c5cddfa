--
-- Every argument and every column can be named without quotes
--
CREATE SCHEMA argument_names;
SET search_path = argument_names;

-- all arguments of a routine up to a VARIADIC one, by what the catalog says
CREATE VIEW argument AS
SELECT p.oid, p.prokind, a.ordinality, a.name, a.mode,
       format_type(CASE WHEN p.proallargtypes IS NULL
                        THEN p.proargtypes[a.ordinality - 1]
                        ELSE p.proallargtypes[a.ordinality] END, NULL) AS type
  FROM pg_proc p,
       unnest(p.proargnames, p.proargmodes) WITH ORDINALITY a (name, mode, ordinality)
 WHERE p.pronamespace = 'workflow'::regnamespace;

-- an argument has a name, and a name is that of an argument
SELECT p.oid::regprocedure AS without_names
  FROM pg_proc p
 WHERE p.pronamespace = 'workflow'::regnamespace
   AND p.pronargs > coalesce(cardinality(array_remove(p.proargnames, '')), 0);

-- no name is a keyword that may not name a function or type
SELECT DISTINCT a.name, k.catdesc
  FROM argument a
  JOIN pg_get_keywords() k ON k.word = a.name
 WHERE k.catcode NOT IN ('U', 'T');
SELECT DISTINCT name FROM argument WHERE name !~ '^[a-z][a-z_]*$';

-- columns of views: no keyword that needs quotes where it stands alone
SELECT c.relname, a.attname, k.catdesc
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
  LEFT JOIN pg_get_keywords() k ON k.word = a.attname AND k.catcode NOT IN ('U', 'C')
 WHERE c.relnamespace = 'workflow'::regnamespace
   AND (k.word IS NOT NULL OR a.attname !~ '^[a-z][a-z_]*$');

-- Each call is parsed with all its names.  A function is explained and not
-- called; a procedure is called without what it must have.
CREATE FUNCTION try_call(routine oid, kind "char", arguments text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	call text := format('%s(%s)', (SELECT format('workflow.%I', proname) FROM pg_proc WHERE oid = routine), arguments);
BEGIN
	EXECUTE CASE kind WHEN 'p' THEN 'CALL ' ELSE 'EXPLAIN SELECT ' END || call;
	RETURN 'parsed';
EXCEPTION
	WHEN null_value_not_allowed OR invalid_parameter_value OR invalid_transaction_termination OR active_sql_transaction THEN
		RETURN 'parsed';
	WHEN OTHERS THEN
		RETURN SQLSTATE || ' ' || SQLERRM || ': ' || call;
END $$;
CREATE VIEW call AS
SELECT p.oid, p.prokind,
       coalesce(string_agg(a.name || ' => NULL::' || a.type, ', ' ORDER BY a.ordinality)
                FILTER (WHERE coalesce(a.mode, 'i') IN ('i', 'b')), '') AS arguments
  FROM pg_proc p
  LEFT JOIN argument a ON a.oid = p.oid
 WHERE p.pronamespace = 'workflow'::regnamespace
 GROUP BY p.oid;
SELECT arguments FROM call WHERE oid IN ('workflow.sleep_until'::regproc, 'workflow.wait_for_messages'::regproc) ORDER BY 1;
SELECT count(*) > 70 AS many, count(*) = count(t) FILTER (WHERE t = 'parsed') AS all_parsed
  FROM call, try_call(oid, prokind, arguments) t;
SELECT t FROM call, try_call(oid, prokind, arguments) t WHERE t <> 'parsed';

-- what the check would say of a name that needs quotes
CREATE FUNCTION workflow.argument_names_bad("time" timestamptz) RETURNS void LANGUAGE sql AS '';
SELECT t FROM call, try_call(oid, prokind, arguments) t WHERE t <> 'parsed';
DROP FUNCTION workflow.argument_names_bad;

\set VERBOSITY terse
DROP SCHEMA argument_names CASCADE;
