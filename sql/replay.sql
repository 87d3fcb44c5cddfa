-- Replay: recorded calls are not repeated, bodies are read-only, and a body
-- that does not repeat itself is parked.
SET client_min_messages = warning;
CREATE SCHEMA t_replay;
SET search_path = t_replay, public;
\pset null '(null)'

CREATE TABLE effect (workflow text, what text, n int GENERATED ALWAYS AS IDENTITY);
CREATE TABLE item (id int PRIMARY KEY, rank int, done boolean DEFAULT false);
INSERT INTO item SELECT i, i FROM generate_series(1, 4) i;
CREATE SEQUENCE counter;

-- ten steps: the first is called ten times by replays, and done once
CREATE FUNCTION ten(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  total int := 0;
BEGIN
  FOR i IN 1..10 LOOP
    total := total + workflow.step('add', 'WITH i AS (INSERT INTO effect VALUES (''ten'', $1) RETURNING 1) SELECT $2', i::text, i)::int;
  END LOOP;
  RETURN to_jsonb(total);
END $$;

-- cursor FOR loops, and a cursor that is still open in the step
CREATE FUNCTION cursors(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  c CURSOR FOR SELECT id FROM item ORDER BY id; r record;
  seen int[]; open_one refcursor;
BEGIN
  FOR r IN SELECT id FROM item ORDER BY id LOOP
    seen := seen || workflow.step('loop', 'SELECT $1 * 10', r.id)::int;
  END LOOP;
  FOR r IN c LOOP
    seen := seen || workflow.step('cursor', 'SELECT $1 * 100', r.id)::int;
  END LOOP;
  OPEN open_one FOR SELECT id FROM item ORDER BY id DESC;
  FETCH open_one INTO r;
  seen := seen || workflow.step('open', 'SELECT $1 * 1000', r.id)::int;
  FETCH open_one INTO r;
  seen := seen || r.id;
  RETURN to_jsonb(seen);
END $$;

-- EXCEPTION blocks around steps do not catch the unwinding
CREATE FUNCTION blocks(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r jsonb := '[]';
BEGIN
  FOR i IN 1..3 LOOP
    BEGIN
      BEGIN
        r := r || workflow.step('in a block', 'SELECT 6 / $1', i - 1);
      EXCEPTION WHEN OTHERS THEN
        r := r || to_jsonb(SQLSTATE);
        r := r || workflow.step('in a handler', 'SELECT ''repaired''::text');
      END;
    EXCEPTION WHEN division_by_zero THEN
      r := r || '"never"';
    END;
  END LOOP;
  RETURN r;
END $$;

-- one that catches even query_canceled in one place goes on all the same
CREATE FUNCTION catches_cancel(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  a jsonb;
BEGIN
  BEGIN
    a := workflow.step('a', 'SELECT 1');
  EXCEPTION WHEN OTHERS OR query_canceled THEN
    a := '"caught"';
  END;
  RETURN jsonb_build_array(a, workflow.step('b', 'SELECT 2'));
END $$;

-- ... but not for ever
CREATE FUNCTION swallows(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  LOOP
    BEGIN
      RETURN workflow.step('a', 'SELECT 1 FROM pg_backend_pid() WHERE 1 = 0/0');
    EXCEPTION WHEN OTHERS OR query_canceled THEN
      NULL;
    END;
  END LOOP;
END $$;

CREATE FUNCTION writes(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO effect VALUES ('writes', 'must not be');
  RETURN '1';
END $$;
CREATE FUNCTION draws(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN to_jsonb(nextval('counter'));
END $$;
CREATE FUNCTION unlocks(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  SET TRANSACTION READ WRITE;
  INSERT INTO effect VALUES ('unlocks', 'must not be');
  RETURN '1';
END $$;
-- a write before and after a step, with the error caught
CREATE FUNCTION tries_to_write(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r jsonb := '[]';
BEGIN
  FOR i IN 1..2 LOOP
    BEGIN
      DELETE FROM item;
    EXCEPTION WHEN OTHERS THEN
      r := r || to_jsonb(SQLSTATE);
    END;
    r := r || workflow.step('count', 'SELECT count(*) FROM item');
  END LOOP;
  RETURN r;
END $$;

-- the two silent cases, and a plain one
CREATE FUNCTION reorders(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r record;
BEGIN
  FOR r IN SELECT id FROM item ORDER BY rank LOOP
    PERFORM workflow.step('move back', 'UPDATE item SET rank = rank + 10 WHERE id = $1', r.id);
  END LOOP;
  RETURN '"done"';
END $$;
CREATE FUNCTION branches(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF NOT (SELECT done FROM item WHERE id = 1) THEN
    PERFORM workflow.step('do it', 'UPDATE item SET done = true WHERE id = 1');
  END IF;
  PERFORM workflow.step('report', 'SELECT 1');
  RETURN '"done"';
END $$;
-- nothing follows the branch: the recorded call is left over
CREATE FUNCTION leftover(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF NOT (SELECT done FROM item WHERE id = 2) THEN
    PERFORM workflow.step('do it', 'UPDATE item SET done = true WHERE id = 2');
  END IF;
  RETURN '"done"';
END $$;
CREATE FUNCTION leftover_raises(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF NOT (SELECT done FROM item WHERE id = 3) THEN
    PERFORM workflow.step('do it', 'UPDATE item SET done = true WHERE id = 3');
  END IF;
  RAISE EXCEPTION 'after a call that was not made';
END $$;

SELECT workflow.create_workflow('t_replay_' || f, f)
  FROM unnest(ARRAY['ten', 'cursors', 'blocks', 'catches_cancel', 'swallows',
                    'writes', 'draws', 'unlocks', 'tries_to_write', 'reorders',
                    'branches', 'leftover', 'leftover_raises']) f;
SELECT count(workflow.enqueue_workflow('t_replay_' || f))
  FROM unnest(ARRAY['ten', 'cursors', 'blocks', 'catches_cancel', 'swallows',
                    'writes', 'draws', 'unlocks', 'tries_to_write', 'reorders',
                    'branches', 'leftover', 'leftover_raises']) f;
CALL workflow.wait_until_idle('60 s');

SELECT substr(workflow, 10) AS workflow, state, result, error_code,
       error_message, steps_done
  FROM workflow.runs WHERE workflow LIKE 't\_replay\_%' ORDER BY workflow;
SELECT substr(r.workflow, 10) AS workflow, s.ordinal, s.name, s.state, s.result
  FROM workflow.runs r JOIN workflow.steps s USING (run_id)
 WHERE r.workflow IN ('t_replay_reorders', 't_replay_branches', 't_replay_blocks',
                      't_replay_leftover', 't_replay_leftover_raises')
 ORDER BY 1, 2;
SELECT workflow, count(*), count(DISTINCT what) FROM effect GROUP BY 1 ORDER BY 1;
SELECT last_value, is_called FROM counter;

-- what a parked run says of itself, and what to do
SELECT run_id AS run FROM workflow.runs WHERE workflow = 't_replay_branches' \gset
CALL workflow.wait_for_run(:'run');
\a\t
SELECT workflow.why(:'run') AS why;
SELECT workflow.why(run_id) AS why
  FROM workflow.runs WHERE workflow LIKE 't\_replay\_leftover%' ORDER BY workflow;
SELECT regexp_replace(workflow.why(run_id), ' at [^ ]* [^ ]* ', ' ') AS why
  FROM workflow.runs WHERE workflow = 't_replay_writes';
\a\t

-- repair: read the branch in a step that keeps its place
CREATE OR REPLACE FUNCTION branches(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM workflow.step('do it', 'UPDATE item SET done = true WHERE id = 1');
  PERFORM workflow.step('report', 'SELECT 1');
  RETURN '"repaired"';
END $$;
SELECT workflow.retry_run(:'run');
CALL workflow.wait_for_run(:'run');

SET client_min_messages = error;
SELECT count(workflow.drop_workflow(workflow, force => true))
  FROM (SELECT DISTINCT workflow FROM workflow.runs WHERE workflow LIKE 't\_replay\_%') w;
DROP SCHEMA t_replay CASCADE;
