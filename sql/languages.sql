-- The same workflow in every language: steps in order, a failure handled, a
-- loop, and handlers around the steps that catch whatever they can.
SET client_min_messages = warning;
CREATE EXTENSION plpython3u;
CREATE EXTENSION plperlu;
CREATE SCHEMA t_languages;
SET search_path = t_languages, public;
\pset null '(null)'

CREATE TABLE effect (language text, what text);
CREATE FUNCTION note(language text, what text) RETURNS text LANGUAGE sql AS
  'INSERT INTO effect VALUES (language, what) RETURNING upper(what)';

CREATE FUNCTION in_plpgsql(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r jsonb := '[]';
BEGIN
  r := r || workflow.step('one', 'SELECT note($1, $2)', 'plpgsql', 'one');
  BEGIN
    r := r || workflow.step('two', 'SELECT 1 / 0');
  EXCEPTION WHEN OTHERS THEN
    r := r || to_jsonb(SQLSTATE);
  END;
  FOR i IN 3..5 LOOP
    r := r || workflow.step('more', 'SELECT note($1, $2)', 'plpgsql', i::text);
  END LOOP;
  RETURN r;
END $$;

-- SQL has no handlers and no loops
CREATE FUNCTION in_sql(input jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT workflow.step('one', 'SELECT note($1, $2)', 'sql', 'one') AS ignored;
  SELECT jsonb_agg(workflow.step('more', 'SELECT note($1, $2)', 'sql', i::text))
    FROM generate_series(3, 5) i;
$$;
CREATE FUNCTION in_sql_atomic(input jsonb) RETURNS jsonb LANGUAGE sql
BEGIN ATOMIC
  SELECT workflow.step('one', 'SELECT note($1, $2)', 'sql', 'one');
  SELECT workflow.step('two', 'SELECT note($1, $2)', 'sql', 'two');
END;

CREATE FUNCTION in_plpython(input jsonb) RETURNS jsonb LANGUAGE plpython3u AS $$
import json
step = plpy.prepare("SELECT workflow.step($1, $2) AS value", ["text", "text"])
note = plpy.prepare("SELECT workflow.step($1, 'SELECT note($1, $2)', 'plpython', $2) AS value",
                    ["text", "text"])
result = []

# catches everything, our unwinding included
def call(plan, args):
    try:
        return json.loads(plpy.execute(plan, args)[0]["value"])
    except:
        return None

result.append(call(note, ["one", "one"]))
try:
    plpy.execute(step, ["two", "SELECT 1 / 0"])
except plpy.SPIError as e:
    result.append(e.sqlstate)
for i in range(3, 6):
    result.append(call(note, ["more", str(i)]))
with_subtransaction = None
try:
    with plpy.subtransaction():
        with_subtransaction = call(note, ["last", "last"])
except:
    pass
result.append(with_subtransaction)
return json.dumps(result)
$$;

CREATE FUNCTION in_plperl(input jsonb) RETURNS jsonb LANGUAGE plperlu AS $$
use strict; use warnings;
my @result;
my $note = spi_prepare("SELECT workflow.step(\$1, 'SELECT note(\$1, \$2)', 'plperl', \$2) AS value",
                       'text', 'text');
sub call {
    my ($plan, @args) = @_;
    my $value = eval { spi_exec_prepared($plan, @args)->{rows}[0]{value} };
    return defined $value ? $value : 'null';
}
push @result, call($note, 'one', 'one');
eval { spi_exec_query("SELECT workflow.step('two', 'SELECT 1 / 0')") };
push @result, $@ =~ /division by zero/ ? '"22012"' : '"?"';
push @result, call($note, 'more', $_) for 3 .. 5;
return '[' . join(',', @result) . ']';
$$;

-- a body that never stops catching is parked, and its process goes on no more
CREATE FUNCTION swallows_python(input jsonb) RETURNS jsonb LANGUAGE plpython3u AS $$
while True:
    try:
        plpy.execute("SELECT workflow.step('a', 'SELECT 1')")
        return '"one step"'
    except:
        pass
$$;
CREATE FUNCTION swallows_perl(input jsonb) RETURNS jsonb LANGUAGE plperlu AS $$
while (1) {
    eval { spi_exec_query("SELECT workflow.step('a', 'SELECT 1')"); 1 } and return '"one step"';
}
$$;
-- handlers cannot write either
CREATE FUNCTION writes_python(input jsonb) RETURNS jsonb LANGUAGE plpython3u AS $$
try:
    plpy.execute("INSERT INTO effect VALUES ('plpython', 'must not be')")
except plpy.SPIError as e:
    return '"%s"' % e.sqlstate
$$;

SELECT workflow.create_workflow('t_languages_' || f, f)
  FROM unnest(ARRAY['in_plpgsql', 'in_sql', 'in_sql_atomic', 'in_plpython',
                    'in_plperl', 'swallows_python', 'swallows_perl',
                    'writes_python']) f;
SELECT count(workflow.enqueue_workflow('t_languages_' || f))
  FROM unnest(ARRAY['in_plpgsql', 'in_sql', 'in_sql_atomic', 'in_plpython',
                    'in_plperl', 'swallows_python', 'swallows_perl',
                    'writes_python']) f;
CALL workflow.wait_until_idle('60 s');

SELECT substr(workflow, 13) AS body, state, result, error_code, steps_done
  FROM workflow.runs WHERE workflow LIKE 't\_languages\_%' ORDER BY workflow;
SELECT language, what, count(*) FROM effect GROUP BY 1, 2 ORDER BY 1, 2;

-- repaired, it goes on
CREATE OR REPLACE FUNCTION swallows_python(input jsonb) RETURNS jsonb LANGUAGE plpython3u AS $$
plpy.execute("SELECT workflow.step('a', 'SELECT 1')")
return '"repaired"'
$$;
SELECT run_id AS run FROM workflow.runs WHERE workflow = 't_languages_swallows_python' \gset
\a\t
SELECT regexp_replace(workflow.why(:'run'), '[0-9a-f-]{36}', '<id>', 'g') AS why;
\a\t
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');

SET client_min_messages = error;
SELECT count(workflow.drop_workflow(workflow, force => true))
  FROM (SELECT DISTINCT workflow FROM workflow.runs
         WHERE workflow LIKE 't\_languages\_%') w;
DROP SCHEMA t_languages CASCADE;
DROP EXTENSION plpython3u, plperlu;
