--
-- What each verb of an operator answers, by the state of the run
--
CREATE SCHEMA verbs;
SET search_path = verbs;
\set ON_ERROR_STOP 0
\set VERBOSITY terse
CREATE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	how text := input->>'how';
BEGIN
	PERFORM workflow.step('first', 'SELECT 1');
	IF how LIKE 'undo%' THEN
		PERFORM workflow.compensate('undo', CASE WHEN how = 'undo retries' THEN 'SELECT 1 / 0' WHEN how = 'undo parks' THEN 'SELECT 1 / 0' ELSE 'SELECT 1' END,
		                            workflow.policy(retry_on => CASE WHEN how = 'undo retries' THEN '{22}'::text[] END, initial_delay => '1 hour'));
		IF how = 'undo waits' THEN
			PERFORM workflow.compensate_task('task', 'verbs_q');
		END IF;
		PERFORM workflow.fail('no');
	END IF;
	RETURN CASE how
	       WHEN 'succeeds' THEN workflow.step('s', 'SELECT 2')
	       WHEN 'fails' THEN workflow.step('s', 'SELECT 1 / 0')
	       WHEN 'retries' THEN workflow.step('s', 'SELECT 1 / 0', workflow.policy(retry_on => '{22}', initial_delay => '1 hour'))
	       WHEN 'runs' THEN workflow.step('s', 'SELECT 1 FROM pg_sleep(600)')
	       WHEN 'timer' THEN workflow.step('s', 'SELECT 1') || coalesce(to_jsonb(workflow.sleep('1 hour')::text), '1')
	       WHEN 'signal' THEN workflow.wait_for_signal('s', '1 hour')
	       WHEN 'child' THEN workflow.child('c', 'verbs', '{"how": "timer"}')
	       WHEN 'task' THEN workflow.task('t', 'verbs_q')
	       WHEN 'map' THEN workflow.map_child('m', 'verbs', '[{"how": "timer"}]')
	       WHEN 'several' THEN workflow.await_all(ARRAY[workflow.start_child('c', 'verbs', '{"how": "timer"}')])
	       END;
END $$;
CREATE FUNCTION gone(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
SELECT workflow.create_workflow('verbs', 'body'), workflow.create_workflow('verbs_park', 'body', on_failure => 'park'),
       workflow.create_workflow('verbs_gone', 'gone'), workflow.create_queue('verbs_q'), workflow.create_queue('verbs_held');
SELECT workflow.pause_queue('verbs_held');

-- a run in each state; "calls" is how many of its calls have an outcome
CREATE TABLE subject (n serial, state text, run_id uuid, calls integer);
CREATE FUNCTION put(state text, how text, calls integer, workflow text DEFAULT 'verbs', queue text DEFAULT NULL, delay interval DEFAULT NULL)
	RETURNS void LANGUAGE sql AS $$
	INSERT INTO verbs.subject (state, calls, run_id)
	VALUES (state, calls, workflow.enqueue_workflow(workflow, jsonb_build_object('how', how), queue => queue, delay => delay)) $$;
SELECT count(put(state, how, calls, workflow, queue, delay::interval)::text) FROM (VALUES
	('queued',                'succeeds',     0, 'verbs',      'verbs_held', NULL),
	('delayed',               'succeeds',     0, 'verbs',      NULL,         '1 hour'),
	('in back-off',           'retries',      1, 'verbs',      NULL,         NULL),
	('waiting: timer',        'timer',        2, 'verbs',      NULL,         NULL),
	('waiting: signal',       'signal',       1, 'verbs',      NULL,         NULL),
	('waiting: child',        'child',        1, 'verbs',      NULL,         NULL),
	('waiting: task',         'task',         1, 'verbs',      NULL,         NULL),
	('waiting: map',          'map',          1, 'verbs',      NULL,         NULL),
	('waiting: several',      'several',      1, 'verbs',      NULL,         NULL),
	('parked',                'fails',        2, 'verbs_park', NULL,         NULL),
	('parked, not begun',     'gone',         0, 'verbs_gone', 'verbs_held', NULL),
	('parked in its undo',    'undo parks',   0, 'verbs',      NULL,         NULL),
	('undo in back-off',      'undo retries', 0, 'verbs',      NULL,         NULL),
	('compensating',          'undo waits',   0, 'verbs',      NULL,         NULL),
	('paused: queued',        'succeeds',     0, 'verbs',      'verbs_held', NULL),
	('paused: in back-off',   'retries',      1, 'verbs',      NULL,         NULL),
	('paused: timer',         'timer',        2, 'verbs',      NULL,         NULL),
	('paused: signal',        'signal',       1, 'verbs',      NULL,         NULL),
	('paused: parked',        'fails',        2, 'verbs_park', NULL,         NULL),
	('succeeded',             'succeeds',     2, 'verbs',      NULL,         NULL),
	('failed',                'fails',        2, 'verbs',      NULL,         NULL),
	('failed after its undo', 'undo',         0, 'verbs',      NULL,         NULL),
	('cancelled',             'timer',        2, 'verbs',      NULL,         NULL),
	('of another origin',     'succeeds',     0, 'verbs',      'verbs_held', NULL),
	('of another origin, paused', 'succeeds', 0, 'verbs',      'verbs_held', NULL),
	('of another origin, ended', 'succeeds',  2, 'verbs',      NULL,         NULL)
) AS v (state, how, calls, workflow, queue, delay);
DROP FUNCTION gone;
SELECT bool_or(workflow.alter_run(run_id, queue => 'default')) FROM subject WHERE state = 'parked, not begun';
CREATE PROCEDURE settle() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..600 LOOP
		EXIT WHEN (SELECT count(*) FROM verbs.subject s JOIN workflow.runs r USING (run_id)
		            WHERE r.state <> CASE regexp_replace(s.state, ':.*', '')
		                             WHEN 'delayed' THEN 'queued' WHEN 'in back-off' THEN 'queued' WHEN 'parked, not begun' THEN 'parked'
		                             WHEN 'parked in its undo' THEN 'parked' WHEN 'undo in back-off' THEN 'compensating'
		                             WHEN 'failed after its undo' THEN 'failed' WHEN 'cancelled' THEN r.state
		                             WHEN 'of another origin' THEN 'queued' WHEN 'of another origin, ended' THEN 'succeeded'
		                             WHEN 'of another origin, paused' THEN r.state WHEN 'paused' THEN r.state
		                             ELSE regexp_replace(s.state, ':.*', '') END
		               OR r.state = 'queued' AND r.waiting_for = 'executor'
		               OR s.state = 'cancelled' AND r.state NOT IN ('waiting', 'cancelled')) = 0;
		PERFORM pg_sleep(0.1);
		COMMIT;
	END LOOP;
END $$;
CALL settle();
-- last, as it keeps an executor from all others
SELECT put('running', 'runs', 1);
CALL settle();
SELECT bool_and(workflow.pause_run(run_id)) FROM subject WHERE state LIKE '%paused%';
SELECT workflow.cancel_run(run_id) FROM subject WHERE state = 'cancelled';
CREATE FUNCTION settled() RETURNS boolean LANGUAGE sql AS $$
	SELECT count(*) FILTER (WHERE paused_at IS NOT NULL AND s.state LIKE '%paused%') = 6 AND bool_or(r.state = 'cancelled')
	  FROM verbs.subject s JOIN workflow.runs r USING (run_id) $$;
DO $$
BEGIN
	FOR i IN 1..600 LOOP
		EXIT WHEN verbs.settled();
		PERFORM pg_sleep(0.1);
		COMMIT;
	END LOOP;
END $$;
SELECT settled();
UPDATE _workflow.run SET origin = origin + 1 WHERE run_id IN (SELECT run_id FROM subject WHERE state LIKE 'of another origin%');
CREATE FUNCTION gone(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';

-- the answer of a verb, which is taken back: T, F, or a SQLSTATE
CREATE FUNCTION ask(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE 'SELECT ' || call INTO answer;
	RAISE EXCEPTION '%', CASE answer WHEN 'true' THEN 'T' WHEN 'false' THEN 'F' ELSE 'T' END USING ERRCODE = 'ZZ999';
EXCEPTION
	WHEN SQLSTATE 'ZZ999' THEN
		RETURN SQLERRM;
	WHEN OTHERS THEN
		RETURN SQLSTATE;
END $$;
CREATE FUNCTION ask(verb text, run_id uuid, arguments text DEFAULT '') RETURNS text LANGUAGE sql AS
	$$ SELECT verbs.ask(format('workflow.%s(%L%s)', verb, run_id, ', ' || nullif(arguments, ''))) $$;
SELECT s.state,
       ask('cancel_run', run_id) AS cancel,
       ask('cancel_run', run_id, 'compensate => false') AS no_undo,
       ask('pause_run', run_id) AS pause, ask('resume_run', run_id) AS resume, ask('retry_run', run_id) AS retry,
       ask('fork_run', run_id, '1') AS fork,
       ask('fork_run', run_id, (calls + 1)::text) AS below, ask('fork_run', run_id, (calls + 2)::text) AS beyond,
       ask('wake_run', run_id) AS wake, ask('signal_run', run_id, '''s''') AS signal, ask('delete_run', run_id) AS delete,
       ask('alter_run', run_id, 'group_key => ''g''') AS alter, ask('alter_run', run_id, 'priority => 1') AS priority,
       ask('set_step_result', run_id, coalesce((SELECT r.failed_step FROM _workflow.run r WHERE r.run_id = s.run_id), 1) || ', ''1''') AS result,
       ask('set_step_result', run_id, '77, ''1''') AS other
  FROM subject s ORDER BY n;
-- nothing of that was kept
SELECT count(*) FROM _workflow.request;
UPDATE _workflow.run SET origin = origin - 1 WHERE run_id IN (SELECT run_id FROM subject WHERE state LIKE 'of another origin%');

SELECT workflow.cancel_run(run_id) FROM subject WHERE state = 'running';

-- a cancel takes a pause off, so that the undo is done; other verbs keep it
CREATE TABLE undone (what text);
CREATE FUNCTION undoes(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.compensate('undo', 'INSERT INTO verbs.undone VALUES (''undone'')');
	RETURN workflow.wait_for_signal('s');
END $$;
SELECT workflow.create_workflow('verbs_undoes', 'undoes');
SELECT workflow.enqueue_workflow('verbs_undoes') AS id \gset
CALL workflow.wait_until_idle();
SELECT workflow.pause_run(:'id');
CALL workflow.wait_until_idle();
SELECT workflow.signal_run(:'id', 's', '1'), workflow.alter_run(:'id', priority => 3);
CALL workflow.wait_until_idle();
SELECT state, paused_at IS NOT NULL AS paused, priority FROM workflow.runs WHERE run_id = :'id';
SELECT workflow.cancel_run(:'id');
CALL workflow.wait_for_run(:'id');
SELECT state, paused_at IS NOT NULL AS paused FROM workflow.runs WHERE run_id = :'id';
TABLE undone;

SELECT workflow.drop_workflow('verbs', force => true), workflow.drop_workflow('verbs_park', force => true),
       workflow.drop_workflow('verbs_gone', force => true), workflow.drop_workflow('verbs_undoes', force => true);
SELECT workflow.drop_queue('verbs_q', force => true), workflow.drop_queue('verbs_held', force => true);
DROP SCHEMA verbs CASCADE;
