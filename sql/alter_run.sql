--
-- alter_run() and alter_message(): another place in another queue
--
CREATE SCHEMA alters;
SET search_path = alters;
\set ON_ERROR_STOP 0
\set VERBOSITY terse
CREATE TABLE done (id serial, what text);
CREATE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('note', 'INSERT INTO alters.done (what) VALUES ($1)', input->>'what');
	IF input ? 'sleeps' THEN
		PERFORM workflow.sleep('1 hour');
	END IF;
	RETURN NULL;
END $$;
CREATE FUNCTION put(what text, group_key text DEFAULT NULL, queue text DEFAULT 'a') RETURNS uuid LANGUAGE sql AS
	$$ SELECT workflow.enqueue_workflow('alters', jsonb_build_object('what', what), queue => queue, group_key => group_key) $$;
CREATE FUNCTION released() RETURNS text LANGUAGE sql AS
	$$ SELECT string_agg(what, ' ' ORDER BY id) FROM alters.done $$;
SELECT workflow.create_workflow('alters', 'body');
SELECT workflow.create_queue('a', max_running => 1), workflow.create_queue('b', max_running => 1, group_max_active => 1);
CREATE VIEW mine AS
	SELECT run_id, state, waiting_for, queue, group_key, priority, attributes, run_at > now() AS later FROM workflow.runs WHERE workflow = 'alters';

-- a higher priority goes first
SELECT workflow.pause_queue('a'), workflow.pause_queue('b');
SELECT put('one') AS one, put('two') AS two, put('three') AS three \gset
SELECT workflow.alter_run(:'three', priority => 5, reason => 'urgent');
SELECT workflow.resume_queue('a');
CALL workflow.wait_until_idle();
SELECT released();
SELECT action, reason, detail FROM workflow.audit_log WHERE run_id = :'three';
TRUNCATE done RESTART IDENTITY;

-- another queue: it stands there by its id, as if it had been sent there at first
SELECT workflow.pause_queue('a');
SELECT put('first') AS first, put('second', 'g', 'b') AS second, put('third', 'g', 'b') AS third \gset
SELECT workflow.alter_run(:'first', queue => 'b', group_key => 'g', attributes => '{"moved": 1}');
CALL workflow.wait_until_idle();
SELECT queue, group_key, priority, attributes, waiting_for FROM mine WHERE run_id = :'first';
SELECT workflow.resume_queue('b');
CALL workflow.wait_until_idle();
SELECT released();
TRUNCATE done RESTART IDENTITY;

-- a start that is put off, and one that is not any more
SELECT put('later', 'g') AS later, workflow.enqueue_workflow('alters', '{"what": "now"}', delay => '1 hour') AS sooner,
       workflow.enqueue_workflow('alters', '{"what": "reset"}', delay => '1 hour', attributes => '{"a": 1}') AS reset \gset
SELECT workflow.alter_run(:'later', run_at => now() + interval '1 hour', reset => '{group_key}');
SELECT workflow.alter_run(:'sooner', delay => '0'), workflow.alter_run(:'reset', reset => '{delay,attributes}');
CALL workflow.wait_for_run(:'sooner');
CALL workflow.wait_for_run(:'reset');
SELECT state, waiting_for, queue, group_key, later FROM mine WHERE run_id = :'later';
SELECT attributes FROM mine WHERE run_id = :'reset';
SELECT workflow.cancel_run(:'later');
CALL workflow.wait_for_run(:'later');

-- one that has begun: its priority, if that is all
SELECT workflow.enqueue_workflow('alters', '{"what": "s", "sleeps": 1}') AS id \gset
CALL workflow.wait_until_idle();
SELECT workflow.alter_run(:'id', queue => 'b'), workflow.alter_run(:'id', priority => 1, delay => '1 hour'),
       workflow.alter_run(:'id', priority => 7);
CALL workflow.wait_until_idle();
SELECT state, waiting_for, queue, priority, later FROM mine WHERE run_id = :'id';
SELECT workflow.wake_run(:'id');
CALL workflow.wait_for_run(:'id');
SELECT workflow.alter_run(:'id', priority => 8);

-- refused
SELECT put('x') AS x, workflow.pause_queue('a') \gset
\set VERBOSITY default
SELECT workflow.alter_run(:'x', queue => 'nowhere');
SELECT workflow.alter_run(:'x', delay => '1 s', run_at => now());
SELECT workflow.alter_run(:'x', reset => '{priority}');
SELECT workflow.alter_run(:'x', group_key => 'g', reset => '{group_key}');
SELECT workflow.alter_run(:'x', attributes => '[]');
SELECT workflow.alter_run('00000000-0000-0000-0000-000000000000', priority => 1);
\set VERBOSITY terse
CREATE ROLE regress_alters;
SELECT workflow.grant_usage('regress_alters');
SET ROLE regress_alters;
\set VERBOSITY sqlstate
SELECT workflow.alter_run(:'x', priority => 1);
RESET ROLE;
SELECT workflow.resume_queue('a');
CALL workflow.wait_until_idle();

-- messages
SELECT workflow.send('a', '"one"') AS one, workflow.send('a', '"two"') AS two, workflow.send('a', '"three"', delay => '1 hour') AS three \gset
SELECT workflow.alter_message(:two, priority => 1), workflow.alter_message(:three, queue => 'b', delay => '0', group_key => 'g');
SELECT message_id = :two AS two, receipt FROM workflow.receive('a') \gset
\echo :two
CALL workflow.wait_for_messages('b', '10 s');
SELECT payload, group_key FROM workflow.receive('b');
SELECT count(*) FROM workflow.receive('b');
SELECT workflow.alter_message(:three, queue => 'a'), workflow.alter_message(:three, priority => 3);
SELECT workflow.ack(:'receipt');
SELECT payload, workflow.ack(receipt) FROM workflow.receive('a');
SELECT queue, priority, group_key FROM workflow.messages ORDER BY message_id;
SELECT workflow.alter_message(:one, priority => 1);
\set VERBOSITY terse
SELECT workflow.alter_message(:three, reset => '{attributes}');
SET ROLE regress_alters;
SELECT workflow.alter_message(:three, priority => 1);
RESET ROLE;

SELECT workflow.revoke_usage('regress_alters');
DROP ROLE regress_alters;
SELECT workflow.drop_workflow('alters', force => true), workflow.drop_queue('a', force => true), workflow.drop_queue('b', force => true);
DROP SCHEMA alters CASCADE;
