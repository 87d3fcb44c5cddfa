--
-- set_step_result(), and retry_run() with another body
--
CREATE SCHEMA answer;
SET search_path = answer;
CREATE FUNCTION ask(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	answer jsonb;
BEGIN
	PERFORM workflow.step('first', 'SELECT 1');
	answer := workflow.step('ask', 'SELECT 1 / $1', (input->>'by')::int);
	RETURN jsonb_build_object('answer', answer);
END $$;
SELECT workflow.create_workflow('ask', on_failure => 'park');

-- a human's answer to the step at which the run is parked
SELECT workflow.enqueue_workflow('ask', '{"by": 0}') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT workflow.set_step_result(:'id', 1, '1') AS other, workflow.set_step_result(:'id', 3, '1') AS none;
SELECT workflow.set_step_result(:'id', 2, '{"by": "hand"}', 'asked the customer');
CALL workflow.wait_for_run(:'id');
SELECT state, result, failed_step, error_code, steps_done FROM workflow.runs WHERE run_id = :'id';
SELECT ordinal, name, state, attempt, result, error_code FROM workflow.steps WHERE run_id = :'id' ORDER BY 1;
SELECT workflow.set_step_result(:'id', 2, '1') AS ended;

-- NULL is an answer; two answers at a time are one
SELECT workflow.enqueue_workflow('ask', '{"by": 0}') AS id \gset
CALL workflow.wait_for_run(:'id');
BEGIN;
SELECT workflow.set_step_result(:'id', 2, NULL), workflow.set_step_result(:'id', 2, '2');
COMMIT;
CALL workflow.wait_for_run(:'id');
CALL workflow.wait_until_idle();
SELECT count(*) FROM _workflow.request;

-- a run that is not parked there
SELECT workflow.enqueue_workflow('ask', '{"by": 1}', delay => '1 hour') AS id \gset
SELECT workflow.set_step_result(:'id', 1, '1');
SELECT workflow.cancel_run(:'id', compensate => false);
CALL workflow.wait_for_run(:'id');
SELECT workflow.set_step_result(:'id', NULL, '1');
SELECT workflow.set_step_result(NULL, 1, '1');
SELECT workflow.set_step_result('00000000-0000-0000-0000-000000000000', 1, '1');

-- another body: the run goes on with it, new ones have the old one
CREATE FUNCTION ask_repaired(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('first', 'SELECT 1');
	RETURN workflow.step('ask', 'SELECT 1 / $1', (input->>'by')::int);
EXCEPTION WHEN division_by_zero THEN
	RETURN '"repaired"';
END $$;
CREATE FUNCTION no_body(input text) RETURNS text LANGUAGE sql AS $$ SELECT input $$;
SELECT workflow.create_workflow('failing', 'ask');
SELECT workflow.enqueue_workflow('failing', '{"by": 0}') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT workflow.retry_run(:'id', body => 'no_body');
SELECT workflow.retry_run(:'id', body => 'nowhere');
SELECT workflow.retry_run(:'id', body => 'ask_repaired', reason => 'catches it');
CALL workflow.wait_for_run(:'id');
SELECT body FROM workflow.runs WHERE run_id = :'id';
SELECT body FROM workflow.workflows WHERE workflow = 'failing';
SELECT ordinal, name, state, attempt FROM workflow.steps WHERE run_id = :'id' ORDER BY 1;
SELECT workflow.retry_run(:'id', body => 'ask_repaired');
-- the version of the body is made once
SELECT workflow.enqueue_workflow('failing', '{"by": 0}') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT workflow.retry_run(:'id', body => 'answer.ask_repaired(jsonb)');
CALL workflow.wait_for_run(:'id');
SELECT function, count(*) FROM _workflow.body WHERE function LIKE 'answer%' GROUP BY 1 ORDER BY 1;
-- the run's owner must be able to call it
CREATE ROLE regress_answer LOGIN;
SELECT workflow.grant_usage('regress_answer');
GRANT USAGE ON SCHEMA answer TO regress_answer;
SET ROLE regress_answer;
SELECT workflow.enqueue_workflow('failing', '{"by": 0}') AS id \gset
CALL workflow.wait_for_run(:'id');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION ask_repaired FROM PUBLIC;
SELECT workflow.retry_run(:'id', body => 'ask_repaired');

SELECT workflow.drop_workflow('ask'), workflow.drop_workflow('failing');
SELECT workflow.revoke_usage('regress_answer');
\set VERBOSITY terse
DROP SCHEMA answer CASCADE;
DROP ROLE regress_answer;
