-- What random() and uuid() of a body come from: random bytes of the run.
SET client_min_messages = warning;
CREATE SCHEMA t_seeds;
SET search_path = t_seeds, public;

CREATE FUNCTION draws(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  values jsonb := jsonb_build_array(workflow.uuid(), workflow.random());
BEGIN
  RETURN workflow.step('inside', 'SELECT jsonb_build_array(workflow.uuid(), workflow.random())') || values;
END $$;
SELECT workflow.create_workflow('t_seeds', 'draws');

-- each run has bytes of its own, drawn at its enqueue, which no view shows
SELECT count(workflow.enqueue_workflow('t_seeds', delay => '1 day')) FROM generate_series(1, 100);
SELECT count(workflow.enqueue_workflow('t_seeds', dedup_key => i::text, delay => '1 day')) FROM generate_series(1, 100) i;
SELECT count(*), count(DISTINCT seed), count(DISTINCT substr(seed::text, 1, 13)) AS first_halves,
       count(DISTINCT substr(seed::text, 20)) AS second_halves
  FROM _workflow.run WHERE workflow_id = (SELECT workflow_id FROM _workflow.workflow WHERE name = 't_seeds' AND dropped_at IS NULL);
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relnamespace = 'workflow'::regnamespace AND a.attname = 'seed';
SELECT count(workflow.cancel_run(run_id)) FROM workflow.runs WHERE workflow = 't_seeds';

-- they alone decide: two runs with the same bytes draw the same, others do not
SELECT workflow.pause_workflow('t_seeds');
SELECT workflow.enqueue_workflow('t_seeds') AS one \gset
SELECT workflow.enqueue_workflow('t_seeds', dedup_key => 'two') AS two \gset
SELECT workflow.enqueue_workflow('t_seeds') AS three \gset
UPDATE _workflow.run SET seed = '00010203-0405-0607-0809-0a0b0c0d0e0f' WHERE run_id IN (:'one', :'two');
SELECT workflow.resume_workflow('t_seeds');
CALL workflow.wait_until_idle('60 s');
SELECT a.result = b.result AS same, a.result ?| ARRAY[c.result->>0, c.result->>2] AS other,
       a.result->0 <> a.result->2 AS inside_differs
  FROM workflow.runs a, workflow.runs b, workflow.runs c
 WHERE a.run_id = :'one' AND b.run_id = :'two' AND c.run_id = :'three';

-- a fork takes them along
SELECT workflow.fork_run(:'one', 2) AS fork \gset
SELECT workflow.fork_run(:'one', 1) AS whole \gset
CALL workflow.wait_until_idle('60 s');
SELECT count(*), count(DISTINCT result) AS results FROM workflow.runs WHERE run_id IN (:'one', :'fork', :'whole');

-- a run that goes on as a new one draws nothing twice
CREATE FUNCTION goes_on(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  drawn jsonb := coalesce(input->'drawn', '[]') || jsonb_build_array(workflow.uuid(), workflow.random());
BEGIN
  IF jsonb_array_length(drawn) < 8 THEN
    PERFORM workflow.continue_as_new(jsonb_build_object('drawn', drawn));
  END IF;
  RETURN drawn;
END $$;
SELECT workflow.create_workflow('t_seeds_on', 'goes_on');
SELECT workflow.enqueue_workflow('t_seeds_on') AS first \gset
CALL workflow.wait_until_idle('60 s');
SELECT count(*), count(DISTINCT v) AS values
  FROM workflow.runs r, jsonb_array_elements(r.result) v WHERE r.workflow = 't_seeds_on';

-- nor do the items of a map, in one chunk or in several, nor steps beside the body
CREATE FUNCTION maps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  handles int[];
BEGIN
  handles := ARRAY[workflow.start_step('a', 'SELECT workflow.uuid()'), workflow.start_step('b', 'SELECT workflow.uuid()')];
  RETURN workflow.map('m', 'SELECT workflow.uuid(), $1 AS item', (SELECT jsonb_agg(i) FROM generate_series(1, 200) i))
         || workflow.await_all(handles) || jsonb_build_array(workflow.uuid());
END $$;
SELECT workflow.create_workflow('t_seeds_map', 'maps');
SELECT workflow.enqueue_workflow('t_seeds_map') AS run \gset
CALL workflow.wait_until_idle('60 s');
SELECT state, error_message, jsonb_array_length(result) FROM workflow.runs WHERE run_id = :'run';
SELECT count(DISTINCT coalesce(v->>'uuid', v#>>'{}'))
  FROM workflow.runs r, jsonb_array_elements(r.result) v WHERE r.run_id = :'run';

-- nor two trials
SELECT count(DISTINCT t.result) FROM generate_series(1, 2) i, LATERAL workflow.try_workflow('t_seeds', to_jsonb(i)) t WHERE t.kind = 'result';

SET client_min_messages = error;
SELECT count(workflow.drop_workflow(w, force => true)) FROM unnest('{t_seeds,t_seeds_on,t_seeds_map}'::text[]) w;
DROP SCHEMA t_seeds CASCADE;
