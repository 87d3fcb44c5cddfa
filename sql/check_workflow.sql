-- check_workflow(): which runs would break with another body.
SET client_min_messages = warning;
CREATE SCHEMA checked;
SET search_path = checked;
CREATE TABLE said (what text);
CREATE PROCEDURE wait_till(run uuid, wanted text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..2000 LOOP
		EXIT WHEN (SELECT concat_ws(' ', state, waiting_for) = wanted
		             FROM workflow.runs WHERE run_id = run);
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;
CREATE PROCEDURE wait_for_check(id bigint) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..2000 LOOP
		EXIT WHEN NOT EXISTS (SELECT FROM workflow.checks WHERE check_id = id AND ok IS NULL);
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;

-- runs that have come to different places; one that has recorded nothing
CREATE FUNCTION makes(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('buy', 'INSERT INTO said VALUES ($1)', 'buy');
	IF input->>'to' = 'first' THEN PERFORM workflow.wait_for_signal('go'); END IF;
	PERFORM workflow.step('cut', 'INSERT INTO said VALUES ($1)', 'cut');
	PERFORM workflow.wait_for_signal('go');
	RETURN '"made"';
END $$;
SELECT workflow.create_workflow('makes');
SELECT workflow.enqueue_workflow('makes', '{"to": "first"}', dedup_key => 'one') AS one \gset
SELECT workflow.enqueue_workflow('makes', '{"to": "second"}', dedup_key => 'two') AS two \gset
SELECT workflow.enqueue_workflow('makes', dedup_key => 'none', delay => '1 day') AS none \gset
CALL wait_till(:'one', 'waiting signal');
CALL wait_till(:'two', 'waiting signal');
CREATE VIEW verdict AS
SELECT dedup_key, c.body, ok, ordinal, c.error_code, c.error_message, error_detail, checked_at IS NOT NULL AS checked
  FROM workflow.checks c JOIN workflow.runs USING (run_id) ORDER BY check_id, run_id;

-- the present body fits all of them
SELECT workflow.check_workflow('makes') AS id \gset
CALL wait_for_check(:id);
SELECT * FROM verdict;

-- another second step, an error that is new, one that writes, one that is gone
CREATE FUNCTION makes2(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('buy', 'INSERT INTO said VALUES ($1)', 'buy');
	IF input->>'to' = 'first' THEN PERFORM workflow.wait_for_signal('go'); END IF;
	PERFORM workflow.step('saw', 'INSERT INTO said VALUES ($1)', 'saw');
	RETURN '"made"';
END $$;
CREATE FUNCTION makes3(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('buy', 'INSERT INTO said VALUES ($1)', 'buy');
	IF input->>'to' = 'first' THEN PERFORM workflow.fail('no'); END IF;
	INSERT INTO said VALUES ('in a check');
	RETURN '"made"';
END $$;
CREATE FUNCTION swallows(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		BEGIN
			PERFORM workflow.step('buy', 'INSERT INTO said VALUES ($1)', 'buy');
			PERFORM workflow.sleep('1 day');
		EXCEPTION WHEN query_canceled THEN NULL;
		END;
	END LOOP;
END $$;
CREATE FUNCTION gone(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input $$;
TRUNCATE said;
SELECT workflow.check_workflow('makes', 'makes2') AS id \gset
CALL wait_for_check(:id);
SELECT * FROM verdict WHERE body LIKE '%makes2%';
SELECT workflow.check_workflow('makes', 'makes3') AS id \gset
CALL wait_for_check(:id);
SELECT * FROM verdict WHERE body LIKE '%makes3%';
SELECT workflow.check_workflow('makes', 'swallows') AS id \gset
CALL wait_for_check(:id);
SELECT * FROM verdict WHERE body LIKE '%swallows%';
BEGIN;
SELECT workflow.check_workflow('makes', 'gone') AS id \gset
DROP FUNCTION gone;
COMMIT;
CALL wait_for_check(:id);
SELECT * FROM verdict WHERE body LIKE '%gone%';

-- nothing has come of it
TABLE said;
SELECT dedup_key, body, state, steps_done, attempts FROM workflow.runs WHERE workflow = 'makes' ORDER BY run_id;
SELECT workflow.signal_run(run, 'go') FROM unnest(ARRAY[:'one', :'one', :'two']::uuid[]) run;
CALL workflow.wait_for_run(:'one');
CALL workflow.wait_for_run(:'two');
SELECT workflow.cancel_run(:'none');
SELECT count(*) FROM workflow.workflows WHERE workflow = 'check_workflow';

-- only runs of roles that one is a member of; only by who may alter the workflow
CREATE ROLE checked_a LOGIN;
CREATE ROLE checked_b LOGIN;
GRANT USAGE, CREATE ON SCHEMA checked TO checked_a, checked_b;
GRANT SELECT ON verdict TO checked_a, checked_b;
SELECT workflow.grant_usage('checked_a'), workflow.grant_usage('checked_b');
SET ROLE checked_a;
CREATE FUNCTION naps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.sleep('1 day');
	RETURN NULL;
END $$;
SELECT workflow.create_workflow('naps checked', 'naps');
SELECT workflow.enqueue_workflow('naps checked', dedup_key => 'of a') AS a \gset
CALL wait_till(:'a', 'waiting timer');
SET ROLE checked_b;
SELECT workflow.enqueue_workflow('naps checked', dedup_key => 'of b') AS b \gset
CALL wait_till(:'b', 'waiting timer');
SELECT workflow.check_workflow('naps checked');
SET ROLE checked_a;
SELECT workflow.check_workflow('naps checked') AS id \gset
CALL wait_for_check(:id);
SELECT run_id = :'a' AS mine, ok FROM workflow.checks WHERE check_id = :id;
RESET ROLE;
SELECT workflow.check_workflow('naps checked') AS id \gset
CALL wait_for_check(:id);
SELECT owner, ok FROM workflow.checks WHERE check_id = :id ORDER BY owner;
SET ROLE checked_b;
SELECT workflow.check_workflow('nothing of this name');
RESET ROLE;
SELECT count(workflow.cancel_run(run)) FROM unnest(ARRAY[:'a', :'b']::uuid[]) run;
CALL workflow.wait_for_run(:'a');
CALL workflow.wait_for_run(:'b');
SELECT workflow.revoke_usage('checked_a'), workflow.revoke_usage('checked_b');
