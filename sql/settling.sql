-- What a step leaves for its commit is run as part of the step, to the end:
-- deferred triggers that defer others, and cursors that are to be kept.
SET client_min_messages = warning;
CREATE SCHEMA t_settling;
CREATE ROLE t_settling LOGIN;
SELECT workflow.grant_usage('t_settling');
GRANT CREATE, USAGE ON SCHEMA t_settling TO t_settling;
SET ROLE t_settling;
SET search_path = t_settling, public;
\pset null '(null)'

CREATE TABLE process (pid int);
CREATE TABLE told (who text, in_turn int);
CREATE TABLE first (a int);
CREATE TABLE second (a int);

-- the first is fired by the end of the step, and defers the second
CREATE FUNCTION on_first() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO told VALUES (session_user || ' ' || current_user, 1);
  SET CONSTRAINTS ALL DEFERRED;
  INSERT INTO second VALUES (NEW.a);
  RETURN NULL;
END $$;
-- which leaves all it can in the process, in as many rounds as it is told
CREATE FUNCTION on_second() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO told VALUES (session_user || ' ' || current_user, 2);
  CREATE TEMP TABLE IF NOT EXISTS process (pid int) ON COMMIT DELETE ROWS;
  PERFORM set_config('my.setting', 'dirty', false), set_config('work_mem', '11MB', false);
  PERFORM pg_advisory_lock(4712);
  IF NOT EXISTS (SELECT FROM pg_prepared_statements) THEN
    EXECUTE 'PREPARE leftover AS SELECT 1';
    EXECUTE 'DECLARE leftover_hold CURSOR WITH HOLD FOR SELECT a FROM t_settling.first';
  END IF;
  SET CONSTRAINTS ALL DEFERRED;
  IF NEW.a > 1 THEN
    INSERT INTO second VALUES (NEW.a - 1);
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER fire AFTER INSERT ON first
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION on_first();
CREATE CONSTRAINT TRIGGER fire AFTER INSERT ON second
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION on_second();

CREATE FUNCTION look() RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object(
    'work_mem', current_setting('work_mem') <> '11MB',
    'setting', nullif(current_setting('my.setting', true), ''),
    'locks', (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
    'temp', to_regclass('pg_temp.process'),
    'prepared', (SELECT count(*) FROM pg_prepared_statements),
    'cursors', (SELECT count(*) FROM pg_cursors WHERE name LIKE 'leftover%'))
$$;
CREATE FUNCTION leaves(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('process', 'INSERT INTO t_settling.process VALUES (pg_backend_pid())');
  PERFORM workflow.step('leave', 'INSERT INTO first VALUES ($1)', input::int);
  -- this step finds a new transaction, and this body the same one
  RETURN jsonb_build_array(look(), workflow.step('look', 'SELECT look()'));
END $$;
CREATE FUNCTION looks(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('process', 'INSERT INTO process VALUES (pg_backend_pid())');
  RETURN jsonb_build_array(look(), workflow.step('look', 'SELECT look()'));
END $$;
SELECT workflow.create_workflow('t_settling_leaves', 'leaves'), workflow.create_workflow('t_settling_looks', 'looks');

SELECT workflow.enqueue_workflow('t_settling_leaves', '3') AS run \gset
CALL workflow.wait_for_run(:'run') \gset
\echo :state :error
SELECT DISTINCT jsonb_pretty(e) AS same_run FROM jsonb_array_elements(:'result') e;
SELECT workflow.enqueue_workflow('t_settling_looks') AS run \gset
CALL workflow.wait_for_run(:'run') \gset
\echo :state :error
SELECT DISTINCT jsonb_pretty(e) AS next_run FROM jsonb_array_elements(:'result') e;
SELECT count(DISTINCT pid) AS processes, count(*) AS times FROM process;
SELECT who, in_turn, count(*) FROM told GROUP BY 1, 2 ORDER BY 2;

-- an error in any of them is the step's
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE division_by_zero USING MESSAGE = 'the last of them failed';
END $$;
CREATE TABLE last (a int);
CREATE CONSTRAINT TRIGGER fire AFTER INSERT ON last
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail();
CREATE FUNCTION on_middle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SET CONSTRAINTS ALL DEFERRED;
  INSERT INTO last VALUES (1);
  RETURN NULL;
END $$;
CREATE TABLE middle (a int);
CREATE CONSTRAINT TRIGGER fire AFTER INSERT ON middle
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION on_middle();
CREATE FUNCTION fails(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('fail late', 'INSERT INTO middle VALUES (1)');
  RETURN '"not reached"';
EXCEPTION WHEN division_by_zero THEN
  RETURN to_jsonb(SQLERRM);
END $$;
SELECT workflow.create_workflow('t_settling_fails', 'fails');
SELECT workflow.enqueue_workflow('t_settling_fails') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT (SELECT count(*) FROM middle) AS middle, (SELECT count(*) FROM last) AS last;

-- triggers that go on for ever are ended by a time-out of the step or the run,
-- and by a cancel
CREATE FUNCTION forever(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('for ever', 'INSERT INTO second VALUES (2147483647)',
                        workflow.policy(timeout => (input->>'timeout')::interval, max_attempts => 1));
  RETURN '"not reached"';
END $$;
SELECT workflow.create_workflow('t_settling_forever', 'forever');
SELECT workflow.enqueue_workflow('t_settling_forever', '{"timeout": "100 ms"}') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT workflow.enqueue_workflow('t_settling_forever', '{"timeout": null}', run_timeout => '100 ms') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT workflow.enqueue_workflow('t_settling_forever', '{"timeout": null}') AS run \gset
DO $$
BEGIN
  FOR i IN 1..6000 LOOP
    EXIT WHEN EXISTS (SELECT FROM workflow.stat_executors WHERE step = 'for ever');
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;
SELECT workflow.cancel_run(:'run');
CALL workflow.wait_for_run(:'run');
SELECT count(*) FROM told WHERE in_turn = 2;

-- random() of the next run owes nothing to setseed() of this one
CREATE FUNCTION seeds(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('process', 'INSERT INTO process VALUES (pg_backend_pid())');
  RETURN workflow.step('seed', input #>> '{}');
END $$;
SELECT workflow.create_workflow('t_settling_seeds', 'seeds');
TRUNCATE process;
SELECT workflow.enqueue_workflow('t_settling_seeds', '"SELECT setseed(0.5)"') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT workflow.enqueue_workflow('t_settling_seeds', '"SELECT random()"') AS run \gset
CALL workflow.wait_for_run(:'run') \gset
SELECT setseed(0.5);
SELECT random() = (:'result')::float8 AS predicted;
SELECT count(DISTINCT pid) AS processes, count(*) AS times FROM process;

RESET ROLE;
SET client_min_messages = error;
SELECT count(workflow.drop_workflow(workflow, force => true))
  FROM (SELECT DISTINCT workflow FROM workflow.runs WHERE workflow LIKE 't\_settling\_%') w;
SELECT workflow.revoke_usage('t_settling');
DROP SCHEMA t_settling CASCADE;
DROP ROLE t_settling;
