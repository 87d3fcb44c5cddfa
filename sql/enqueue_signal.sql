-- enqueue_workflow(signal => ...): a run and its first signal in one call
SET client_min_messages = warning;
CREATE FUNCTION cart(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	items jsonb := '[]';
	one jsonb;
BEGIN
	LOOP
		one := workflow.wait_for_signal('add');
		EXIT WHEN one = 'null';
		items := items || one;
	END LOOP;
	RETURN items;
END $$;
SELECT workflow.create_workflow('cart');
-- the first call starts the run, the next ones reach it, wherever it is
SELECT workflow.enqueue_workflow('cart', dedup_key => 'c1', signal => 'add',
	signal_payload => '"pear"') AS run \gset
SELECT workflow.enqueue_workflow('cart', dedup_key => 'c1', signal => 'add',
	signal_payload => '"fig"') = :'run' AS same;
BEGIN;
SELECT workflow.enqueue_workflow('cart', dedup_key => 'c1', signal => 'add',
	signal_payload => '"stone"') = :'run' AS same;
ROLLBACK;
SELECT count(workflow.enqueue_workflow('cart', dedup_key => 'c1', signal => 'add', signal_payload => to_jsonb(n)))
  FROM generate_series(1, 3) AS n;
-- without a payload it is JSON null
SELECT workflow.enqueue_workflow('cart', dedup_key => 'c1', signal => 'add') = :'run' AS same;
CALL workflow.wait_for_run(:'run');
SELECT name, payload, ordinal FROM workflow.signals WHERE run_id = :'run' ORDER BY signal_id;

-- a run that has ended takes none
\set VERBOSITY terse
DO $$
BEGIN
	PERFORM workflow.enqueue_workflow('cart', dedup_key => 'c1', signal => 'add');
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	RAISE WARNING '%', regexp_replace(SQLERRM, '[0-9a-f-]{36}', '<run>');
END $$;
\set VERBOSITY default

-- who is skipped sends nothing; who replaces takes over what was sent before
SELECT workflow.enqueue_workflow('cart', dedup_key => 'c1', on_duplicate => 'skip', signal => 'add');
SELECT workflow.enqueue_workflow('cart', dedup_key => 'c2', delay => '1 hour', signal => 'add',
	signal_payload => '"old"') AS old \gset
SELECT workflow.enqueue_workflow('cart', dedup_key => 'c2', on_duplicate => 'replace', signal => 'add',
	signal_payload => '"new"') AS run \gset
SELECT :'old' <> :'run' AS another;
SELECT workflow.signal_run(:'run', 'add');
CALL workflow.wait_for_run(:'run');
SELECT count(*) FROM _workflow.signal WHERE run_id = :'old';

-- many at a time, each with its own
SELECT count(workflow.enqueue_workflow('cart', signal => 'add')) FROM generate_series(1, 1000);
CALL workflow.wait_until_idle();
SELECT state, count(*) FROM workflow.runs WHERE workflow = 'cart' AND dedup_key IS NULL GROUP BY 1;

-- bad input
SELECT workflow.enqueue_workflow('cart', signal => '');
SELECT workflow.enqueue_workflow('cart', signal_payload => '1');
