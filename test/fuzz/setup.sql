-- What the fuzzer's calls meet: roles, bodies, workflows and queues.
CREATE ROLE fuzz_boss SUPERUSER LOGIN;
CREATE ROLE fuzz_user LOGIN;
CREATE ROLE fuzz_other LOGIN;
CREATE ROLE fuzz_none LOGIN;
CREATE ROLE "fuzz ""odd's%n" LOGIN;
GRANT fuzz_other TO fuzz_user;
SELECT workflow.grant_usage(r) FROM unnest('{fuzz_user,fuzz_other}'::text[]) r;
CREATE SCHEMA fuzz AUTHORIZATION fuzz_boss;
GRANT ALL ON SCHEMA fuzz TO PUBLIC;
-- errors are what most calls end with, and their texts are long
ALTER ROLE fuzz_user SET log_min_error_statement = 'panic';
ALTER ROLE fuzz_other SET log_min_error_statement = 'panic';
ALTER ROLE fuzz_none SET log_min_error_statement = 'panic';
ALTER ROLE fuzz_boss SET log_min_error_statement = 'panic';
SET ROLE fuzz_boss;
SET search_path = fuzz, public;

CREATE TABLE note (a text);
GRANT ALL ON note TO PUBLIC;

-- A body that does what it is told, stopping at the first error or not.
CREATE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  command text;
  failed text[];
BEGIN
  FOR command IN SELECT jsonb_array_elements_text(input->'calls') LOOP
    IF input->>'catch' = 'true' THEN
      BEGIN
        EXECUTE command;
      EXCEPTION WHEN OTHERS THEN
        failed := failed || SQLSTATE;
      END;
    ELSE
      EXECUTE command;
    END IF;
  END LOOP;
  RETURN to_jsonb(failed);
END $$;

CREATE FUNCTION plain(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('a', 'INSERT INTO fuzz.note VALUES ($1::text)', 'x'::text);
  RETURN workflow.wait_for_signal('a', '1 minute');
END $$;

CREATE FUNCTION parked(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.compensate('undo a', 'DELETE FROM fuzz.note');
  RETURN workflow.step('fails', 'SELECT 1/0');
END $$;

-- The same in another language, if there is one.
DO $do$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'plpython3u') THEN
    CREATE FUNCTION python(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
    RETURN;
  END IF;
  CREATE EXTENSION plpython3u;
  EXECUTE $f$
CREATE FUNCTION python(input jsonb) RETURNS jsonb LANGUAGE plpython3u AS $$
import json
for call in (json.loads(input) or {}).get("calls") or []:
    try:
        with plpy.subtransaction():
            plpy.execute(call)
    except plpy.SPIError:
        pass
return "{}"
$$ $f$;
END $do$;

CREATE FUNCTION "sql"(input jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT workflow.step('a', 'SELECT 1') FROM generate_series(1, 3);
  SELECT to_jsonb(workflow.random());
$$;

CREATE FUNCTION dropped(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';

CREATE FUNCTION alert(alert jsonb) RETURNS void LANGUAGE sql AS
  'INSERT INTO fuzz.note VALUES (alert::text)';

CREATE FUNCTION fails(code text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'told to fail' USING ERRCODE = code;
END $$;

CREATE FUNCTION does(command text) RETURNS void LANGUAGE plpgsql AS
  'BEGIN EXECUTE command; END';
CREATE FUNCTION does_as_definer(command text) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER AS 'BEGIN EXECUTE command; END';
CREATE FUNCTION does_in_sql(command text) RETURNS void LANGUAGE sql AS
  'SELECT fuzz.does(command)';
-- whoever may do so with a superuser's rights must be one
REVOKE ALL ON FUNCTION does_as_definer(text) FROM PUBLIC;
CREATE PROCEDURE nothing() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';

SELECT workflow.create_workflow('fuzz body', 'fuzz.body',
         policy => workflow.policy(max_attempts => 2, initial_delay => '5 ms', timeout => '2 s')),
       workflow.create_workflow('fuzz plain', 'fuzz.plain'),
       workflow.create_workflow('fuzz python', 'fuzz.python', run_timeout => '1 minute'),
       workflow.create_workflow('fuzz sql', 'fuzz."sql"'),
       workflow.create_workflow('fuzz parked', 'fuzz.parked', on_failure => 'park',
         policy => workflow.policy(max_attempts => 1)),
       workflow.create_workflow('dropped', 'fuzz.dropped'),
       workflow.create_queue('dropped'),
       workflow.create_queue('fq0', max_running => 2, group_max_active => 1),
       workflow.create_queue('fq1', fair => true, group_weights => '{"g1": 3}', owner => 'fuzz_user'),
       workflow.create_queue('fq2', rate_limit => 100, lease => '50 ms', owner => 'fuzz_other',
         policy => workflow.policy(max_attempts => 2, initial_delay => '5 ms'));
SELECT workflow.drop_workflow('dropped'), workflow.drop_queue('dropped');
DROP FUNCTION dropped(jsonb);
