--
-- dedup_key and on_duplicate
--
CREATE SCHEMA dedup;
SET search_path = dedup;
CREATE FUNCTION keyed(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN workflow.step('echo', 'SELECT $1', input); END $$;
SELECT workflow.create_workflow('keyed');
SELECT workflow.create_workflow('other', 'keyed');
SELECT workflow.stop('test of dedup');

-- the same key gives the same run, whatever the input
SELECT workflow.enqueue_workflow('keyed', '1', dedup_key => 'k') AS first \gset
SELECT workflow.enqueue_workflow('keyed', '2', dedup_key => 'k') = :'first' AS same;
SELECT workflow.enqueue_workflow('keyed', '2', dedup_key => 'k', on_duplicate => 'return') = :'first' AS same;
SELECT workflow.enqueue_workflow('keyed', '2', dedup_key => 'k', on_duplicate => 'skip') AS skipped;
SELECT workflow.find_run('keyed', 'k') = :'first' AS found;
SELECT workflow.find_run('keyed', 'no such key');
DO $$
DECLARE
	detail text;
	code text;
	hint text;
BEGIN
	PERFORM workflow.enqueue_workflow('keyed', dedup_key => 'k', on_duplicate => 'reject');
EXCEPTION WHEN unique_violation THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL,
		code = RETURNED_SQLSTATE, hint = PG_EXCEPTION_HINT;
	RAISE NOTICE '% % (%)', code,
		replace(detail, workflow.find_run('keyed', 'k')::text, '<first>'), hint;
END $$;
SELECT input, dedup_key FROM workflow.runs WHERE workflow = 'keyed';

-- another workflow or another key is another run
SELECT workflow.enqueue_workflow('other', dedup_key => 'k') <> :'first' AS other;
SELECT workflow.enqueue_workflow('keyed', dedup_key => 'l') <> :'first' AS other;

-- replace one that has not begun
SELECT workflow.enqueue_workflow('keyed', '3', dedup_key => 'k', on_duplicate => 'replace') AS second \gset
SELECT :'second' > :'first' AS newer;
SELECT input FROM workflow.runs WHERE dedup_key = 'k' AND workflow = 'keyed';
BEGIN;
SELECT workflow.enqueue_workflow('keyed', '4', dedup_key => 'k', on_duplicate => 'replace') <> :'second' AS new;
ROLLBACK;
SELECT workflow.find_run('keyed', 'k') = :'second' AS back;
-- twice in one transaction
BEGIN;
SELECT workflow.enqueue_workflow('keyed', '5', dedup_key => 'm', on_duplicate => 'replace') AS third \gset
SELECT workflow.enqueue_workflow('keyed', '6', dedup_key => 'm', on_duplicate => 'replace') > :'third' AS newer;
COMMIT;
SELECT input FROM workflow.runs WHERE dedup_key = 'm';

-- a run that has ended is kept, and cannot be replaced
SELECT workflow.start();
CALL workflow.wait_until_idle();
SELECT dedup_key, state, result FROM workflow.runs WHERE workflow = 'keyed' ORDER BY 1;
SELECT workflow.enqueue_workflow('keyed', '9', dedup_key => 'k', on_duplicate => 'replace') = :'second' AS same;
SELECT workflow.enqueue_workflow('keyed', '9', dedup_key => 'k') = :'second' AS same;

-- in one statement
SELECT count(DISTINCT workflow.enqueue_workflow('keyed', to_jsonb(n), dedup_key => 'n' || n % 10))
  FROM generate_series(1, 100) n;
CALL workflow.wait_until_idle();
SELECT count(*), count(DISTINCT dedup_key) FROM workflow.runs WHERE workflow = 'keyed' AND dedup_key LIKE 'n%';

-- keys belong to owners
CREATE ROLE regress_wf_a LOGIN;
SELECT workflow.grant_usage('regress_wf_a');
GRANT USAGE ON SCHEMA dedup TO regress_wf_a;
SET ROLE regress_wf_a;
SELECT workflow.find_run('keyed', 'k') IS NULL AS none;
SELECT workflow.enqueue_workflow('keyed', dedup_key => 'k', on_duplicate => 'reject') <> :'second' AS own;
SELECT workflow.find_run('keyed', 'k', owner => 'postgres');
SELECT workflow.find_run('keyed', 'k', owner => 'nobody at all');
RESET ROLE;
SELECT workflow.find_run('keyed', 'k', owner => 'regress_wf_a') <> :'second' AS found;
CALL workflow.wait_until_idle();

-- bad keys
SELECT workflow.enqueue_workflow('keyed', dedup_key => '');
SELECT workflow.enqueue_workflow('keyed', dedup_key => repeat('é', 501));
SELECT workflow.enqueue_workflow('keyed', dedup_key => repeat('é', 500)) IS NOT NULL AS longest;
SELECT workflow.enqueue_workflow('keyed', dedup_key => 'k', on_duplicate => 'ignore');
SELECT workflow.find_run('keyed', NULL);
SELECT workflow.find_run('nothing', 'k');
CALL workflow.wait_until_idle();

SELECT workflow.drop_workflow(w) FROM unnest('{keyed,other}'::text[]) w;
SELECT workflow.revoke_usage('regress_wf_a');
\set VERBOSITY terse
DROP SCHEMA dedup CASCADE;
DROP ROLE regress_wf_a;
