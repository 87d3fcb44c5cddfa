--
-- debounce: many calls, one start
--
CREATE SCHEMA deb;
SET search_path = deb;
CREATE FUNCTION echo(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input $$;
SELECT workflow.create_workflow('t_index', 'echo', dedup_scope => 'queued');
SELECT workflow.create_workflow('t_kept', 'echo');
SELECT workflow.create_queue('t_index', dedup_scope => 'queued');

-- each call writes what is to be done, and keeps the run's id
SELECT run_id AS run, created, state FROM workflow.enqueue_run('t_index', '1', dedup_key => 'k', debounce => '1 hour') \gset
SELECT :'created' AS created, :'state' AS state;
SELECT run_id = :'run' AS same, created, state
  FROM workflow.enqueue_run('t_index', '2', dedup_key => 'k', priority => 3, attributes => '{"a": 1}', debounce => '2 hours', run_timeout => NULL);
SELECT input, priority, attributes, state, waiting_for, run_at = due_at AS due,
       run_at - now() BETWEEN interval '119 min' AND interval '121 min' AS after_the_last
  FROM workflow.runs WHERE run_id = :'run';
SELECT workflow.enqueue_workflow('t_index', '3', dedup_key => 'k', debounce => '3 hours', debounce_max => '2.5 hours') = :'run' AS same;
SELECT run_at - enqueued_at AS after_the_first FROM workflow.runs WHERE run_id = :'run';
-- ... within one statement, and not where it is rolled back
BEGIN;
SELECT count(DISTINCT workflow.enqueue_workflow('t_index', to_jsonb(n), dedup_key => 'k', debounce => '1 hour')) FROM generate_series(1, 10) n;
SELECT input FROM workflow.runs WHERE run_id = :'run';
ROLLBACK;
SELECT input FROM workflow.runs WHERE run_id = :'run';
-- ... it starts when nobody has called for so long, once
SELECT workflow.enqueue_workflow('t_index', '4', dedup_key => 'k', debounce => '1 ms') = :'run' AS same;
CALL workflow.wait_for_run(:'run');
SELECT run_id AS next, created FROM workflow.enqueue_run('t_index', '5', dedup_key => 'k', debounce => '1 ms') \gset
SELECT :'next' <> :'run' AS another, :'created' AS created;
CALL workflow.wait_for_run(:'next');
SELECT result, state FROM workflow.runs WHERE workflow = 't_index' ORDER BY run_id;
-- ... put off, and brought forward
SELECT run_id AS run FROM workflow.enqueue_run('t_index', '6', dedup_key => 'later', debounce => '1 day') \gset
SELECT workflow.enqueue_workflow('t_index', '7', dedup_key => 'later', debounce => '1 day', debounce_max => '1 us') = :'run' AS same;
CALL workflow.wait_for_run(:'run');

-- messages likewise
SELECT workflow.send('t_index', '1', dedup_key => 'k', debounce => '1 hour') AS message \gset
SELECT workflow.send('t_index', '2', headers => '{"h": 1}', dedup_key => 'k', priority => 2, debounce => '2 hours') = :message AS same;
SELECT payload, headers, priority, state, due_at - now() BETWEEN interval '119 min' AND interval '121 min' AS after_the_last
  FROM workflow.messages WHERE queue = 't_index';
SELECT count(*) FROM workflow.receive('t_index');
SELECT workflow.send('t_index', '3', dedup_key => 'k', debounce => '1 us') = :message AS same;
CREATE TEMPORARY TABLE got AS SELECT * FROM workflow.receive('t_index') WITH NO DATA;
DO $$ BEGIN FOR i IN 1..6000 LOOP
	INSERT INTO got SELECT * FROM workflow.receive('t_index');
	EXIT WHEN FOUND; COMMIT; PERFORM pg_sleep(0.01); END LOOP; END $$;
SELECT message_id = :message AS same, payload FROM got;
SELECT workflow.send('t_index', '4', dedup_key => 'k', debounce => '1 hour') <> :message AS another;

-- what cannot be put off
SELECT workflow.enqueue_workflow('t_index', '1', dedup_key => 'n', group_key => 'g', run_timeout => '1 hour', signal => 's', debounce => '1 hour') AS run \gset
SELECT workflow.enqueue_workflow('t_index', '2', dedup_key => 'n', group_key => 'g', run_timeout => '1 hour', signal => 's', debounce => '1 hour') = :'run' AS same;
\set VERBOSITY terse
SELECT workflow.enqueue_workflow('t_index', '1', dedup_key => 'n', group_key => 'h', run_timeout => '1 hour', debounce => '1 hour');
SELECT workflow.enqueue_workflow('t_index', '1', dedup_key => 'n', group_key => 'g', run_timeout => '2 hours', debounce => '1 hour');
SELECT workflow.enqueue_workflow('t_index', '1', dedup_key => 'n', group_key => 'g', run_timeout => '1 hour', signal => 't', debounce => '1 hour');
SELECT workflow.send('t_index', '4', group_key => 'g', dedup_key => 'k', debounce => '1 hour');
\set VERBOSITY default
SELECT workflow.enqueue_workflow('t_index', debounce => '1 hour');
SELECT workflow.enqueue_workflow('t_index', dedup_key => 'k', debounce => '1 hour', delay => '1 s');
SELECT workflow.enqueue_workflow('t_index', dedup_key => 'k', debounce => '1 hour', on_duplicate => 'skip');
SELECT workflow.enqueue_workflow('t_index', dedup_key => 'k', debounce => '0');
SELECT workflow.enqueue_workflow('t_index', dedup_key => 'k', debounce_max => '1 hour');
SELECT workflow.enqueue_workflow('t_kept', dedup_key => 'k', debounce => '1 hour');
SELECT workflow.send('default', '1', dedup_key => 'k', debounce => '1 hour');

SELECT workflow.drop_workflow(w, force => true) FROM unnest('{t_index,t_kept}'::text[]) w;
CALL workflow.wait_until_idle();
SELECT workflow.drop_queue('t_index', force => true);
DROP TABLE got;
\set VERBOSITY terse
DROP SCHEMA deb CASCADE;
