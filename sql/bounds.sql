--
-- Bounds of what is kept: a little less passes, a little more does not
--
CREATE SCHEMA bounds;
SET search_path = bounds;
-- 'ok', or code and message
CREATE FUNCTION try(command text, VARIADIC args text[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command USING args;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

CREATE FUNCTION bounds_waits(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN workflow.wait_for_signal('go'); END $$;
CREATE FUNCTION bounds_ends(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF input ? 'progress' THEN
		PERFORM workflow.set_progress(input->'progress');
	ELSIF input ? 'error' THEN
		RAISE EXCEPTION '%', repeat(input->>'error', 20000) USING DETAIL = repeat('d', 20000), HINT = repeat('h', 20000);
	ELSIF input ? 'items' THEN
		PERFORM workflow.map('m', 'SELECT 1', (SELECT jsonb_agg(repeat('x', 200000)) FROM generate_series(1, 6)));
	ELSIF input ? 'command' THEN
		PERFORM workflow.step('c', 'SELECT 1 --' || repeat('x', (input->>'command')::int));
	END IF;
	RETURN '1';
END $$;
SELECT workflow.create_workflow('bounds_waits'), workflow.create_workflow('bounds_ends');
SELECT workflow.create_queue('bounds');
SELECT set_config('bounds.run', workflow.enqueue_workflow('bounds_waits')::text, false) IS NOT NULL AS set;
SELECT workflow.enqueue_workflow('bounds_ends', '{"error": "é"}') AS failed \gset
CALL workflow.wait_until_idle();

-- reasons and descriptions: 1 kB, in bytes
SELECT command, try(replace(replace(command, '$t', format('%L', repeat('x', 1024))), '$r', format('%L', current_setting('bounds.run')))) AS longest,
       try(replace(replace(command, '$t', format('%L', repeat('x', 1023) || 'é')), '$r', format('%L', current_setting('bounds.run')))) AS longer
  FROM unnest(ARRAY[
	'SELECT workflow.pause_run($r, $t)',
	'SELECT workflow.resume_run($r, $t)',
	'SELECT workflow.wake_run($r, $t)',
	'SELECT workflow.retry_run($r, reason => $t)',
	'SELECT workflow.set_step_result($r, 1, NULL, $t)',
	'SELECT workflow.fork_run($r, 1, reason => $t)',
	'SELECT workflow.pause_workflow(''bounds_waits'', $t)',
	'SELECT workflow.pause_queue(''bounds'', $t)',
	'SELECT workflow.alter_workflow(''bounds_waits'', description => $t)',
	'SELECT workflow.alter_queue(''bounds'', description => $t)',
	'SELECT workflow.create_queue(''bounds2'', description => $t)',
	'SELECT workflow.create_workflow(''bounds2'', ''bounds_waits'', description => $t)',
	'DO $d$ BEGIN PERFORM workflow.stop($t); PERFORM workflow.start(); END $d$',
	'SELECT workflow.cancel_run($r, reason => $t)']) WITH ORDINALITY AS c (command, n)
 ORDER BY n;
SELECT workflow.pause_run(current_setting('bounds.run')::uuid, repeat('x', 1025));
SELECT workflow.alter_workflow('bounds_waits', search_path => repeat('s, ', 3000) || 's');
SELECT workflow.resume_workflow('bounds_waits'), workflow.resume_queue('bounds');

-- progress: 1 kB of jsonb, of a run and of a message
SELECT workflow.send('bounds', '1') IS NOT NULL AS sent;
SELECT receipt FROM workflow.receive('bounds') \gset
SELECT try(format('SELECT workflow.extend(%L, progress => to_jsonb(repeat(''x'', 1000)))', :'receipt')) AS longest,
       try(format('SELECT workflow.extend(%L, progress => to_jsonb(repeat(''x'', 1020)))', :'receipt')) AS longer;
SELECT workflow.enqueue_workflow('bounds_ends', jsonb_build_object('progress', repeat('x', 1000))) AS longest,
       workflow.enqueue_workflow('bounds_ends', jsonb_build_object('progress', repeat('x', 1020))) AS longer \gset
CALL workflow.wait_until_idle();
SELECT state, error_code, error_message FROM workflow.runs WHERE run_id IN (:'longest', :'longer') ORDER BY state DESC;

-- errors are cut, between two characters
SELECT octet_length(error_message) AS message, length(error_message) AS characters, octet_length(error_detail) AS detail,
       octet_length(error_hint) AS hint, octet_length(error_context) <= 8192 AS context
  FROM _workflow.run WHERE run_id = :'failed';
SELECT workflow.nack(:'receipt', 'x' || repeat('é', 5000), final => true, detail => repeat('d', 9000));
SELECT octet_length(error_message) AS message, octet_length(error_detail) AS detail FROM _workflow.message
 WHERE queue_id = (SELECT queue_id FROM _workflow.queue WHERE name = 'bounds');

-- all that is JSON: workflow.max_payload
ALTER SYSTEM SET workflow.max_payload = '1MB';
SELECT pg_reload_conf();
\c -
SET search_path = bounds;
SELECT current_setting('workflow.max_payload') AS max_payload;
SELECT count(workflow.send('bounds', '1')) FROM generate_series(1, 2);
SELECT count(set_config('bounds.' || name, receipt, false))
  FROM (SELECT receipt, CASE row_number() OVER () WHEN 1 THEN 'a' ELSE 'b' END AS name FROM workflow.receive('bounds', 2)) r;
SELECT command, try(replace(command, '$j', 'jsonb_build_object(''a'', repeat(''x'', 1000000))')) AS longest,
       try(replace(command, '$j', 'jsonb_build_object(''a'', repeat(''x'', 1100000))')) AS longer
  FROM unnest(ARRAY[
	'SELECT workflow.enqueue_workflow(''bounds_ends'', $j)',
	'SELECT workflow.enqueue_workflow(''bounds_ends'', attributes => $j)',
	'SELECT workflow.enqueue_workflow(''bounds_waits'', dedup_key => ''k'', signal => ''s'', signal_payload => $j)',
	'SELECT workflow.send(''bounds'', $j)',
	'SELECT workflow.send(''bounds'', ''1'', $j)',
	'SELECT workflow.send_batch(''bounds'', ARRAY[$j])',
	'SELECT workflow.send_batch(''bounds'', ARRAY[''1''::jsonb], ARRAY[$j])',
	'SELECT workflow.ack(current_setting(''bounds.a''), $j)',
	'SELECT workflow.ack_batch(ARRAY[current_setting(''bounds.b'')], ARRAY[$j])',
	'SELECT workflow.signal_run(workflow.find_run(''bounds_waits'', ''k''), ''t'', $j)',
	'SELECT workflow.set_step_result(workflow.find_run(''bounds_waits'', ''k''), 1, $j)',
	'SELECT workflow.fork_run(workflow.find_run(''bounds_waits'', ''k''), 1, $j)']) WITH ORDINALITY AS c (command, n)
 ORDER BY n;
SELECT workflow.enqueue_workflow('bounds_ends', '{"items": 1}') AS items,
       workflow.enqueue_workflow('bounds_ends', '{"command": 1000000}') AS command,
       workflow.enqueue_workflow('bounds_ends', '{"command": 1100000}') AS command2 \gset
CALL workflow.wait_until_idle();
SELECT state, error_code, error_message FROM workflow.runs
 WHERE run_id IN (:'items', :'command', :'command2') ORDER BY run_id;
ALTER SYSTEM RESET workflow.max_payload;
SELECT pg_reload_conf();

SELECT count(workflow.drop_workflow(w, force => true, if_exists => true)) FROM unnest('{bounds_waits,bounds_ends,bounds2}'::text[]) w;
SELECT count(workflow.drop_queue(q, force => true)) FROM unnest('{bounds,bounds2}'::text[]) q;
CALL workflow.wait_until_idle();
\set VERBOSITY terse
DROP SCHEMA bounds CASCADE;
