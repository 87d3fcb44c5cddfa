-- try_workflow(): a workflow seen at work in one's own transaction
SET client_min_messages = warning;
CREATE SCHEMA try;
SET search_path TO try;
CREATE TABLE ledger (what text, at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION note(what text) RETURNS text LANGUAGE sql AS
	$$ INSERT INTO ledger (what) VALUES ($1) RETURNING upper(what) $$;

CREATE FUNCTION order_flow(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	charge text := workflow.step_text('charge', 'SELECT note($1)', input->>'card');
	asked timestamptz := workflow.now();
	answer jsonb;
BEGIN
	PERFORM workflow.sleep('2 days');
	answer := workflow.wait_for_signal('approve', '1 hour');
	IF answer IS NULL THEN
		PERFORM workflow.step('refund', 'INSERT INTO ledger VALUES ($1)', 'refund');
		PERFORM workflow.fail('nobody answered', 'after ' || (workflow.now() - asked > '2 days 1 hour'));
	END IF;
	RETURN jsonb_build_object('charge', charge, 'by', answer->>'by',
		'days', extract(day FROM workflow.now() - asked));
END $$;
SELECT workflow.create_workflow('order_flow');

-- both ways to go; steps have their effects, and nothing of ours is written
BEGIN;
SELECT * FROM workflow.try_workflow('order_flow', '{"card": "visa"}',
	'{"approve": {"by": "ann"}}');
SELECT * FROM workflow.try_workflow('order_flow', '{"card": "amex"}');
SELECT what FROM ledger;
SELECT count(*) FROM workflow.runs WHERE workflow = 'order_flow';
ROLLBACK;
TABLE ledger;

-- signals: one after another, of several names, and none that is needed
CREATE FUNCTION talks(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	heard jsonb := '[]';
	one jsonb;
BEGIN
	LOOP
		one := workflow.wait_for_signals('{a,b}', '1 s');
		EXIT WHEN one IS NULL;
		heard := heard || one;
	END LOOP;
	RETURN heard || jsonb_build_array(workflow.wait_for_signal('c'));
END $$;
SELECT workflow.create_workflow('talks');
SELECT ordinal, kind, name, result FROM
	workflow.try_workflow('talks', answers => '{"b": [1, "two", [3]], "a": {"x": null}, "c": null}');
SELECT * FROM workflow.try_workflow('talks') OFFSET 1;
SELECT * FROM workflow.try_workflow('talks', answers => '{"c": []}') OFFSET 1;

-- failures: retried at once, undone, caught by the body or not
CREATE SEQUENCE tries;
CREATE FUNCTION shaky(good int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM note('try ' || workflow.attempt() || ' of ' || split_part(workflow.idempotency_key(), '/', 2));
	IF workflow.attempt() < good THEN
		RAISE lock_not_available USING MESSAGE = 'locked', DETAIL = 'by somebody', HINT = 'wait';
	END IF;
	RETURN 'after ' || nextval('tries');
END $$;
CREATE FUNCTION gives_up(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('shaky', 'SELECT shaky(3)');
	BEGIN
		PERFORM workflow.step('stubborn', 'SELECT shaky(99)');
	EXCEPTION WHEN lock_not_available THEN
		PERFORM workflow.step('other way', 'SELECT note($1)', SQLERRM);
	END;
	PERFORM workflow.step('broken', 'SELECT 1/0');
	RETURN NULL;
END $$;
SELECT workflow.create_workflow('gives_up');
BEGIN;
SELECT * FROM workflow.try_workflow('gives_up');
SELECT what FROM ledger;
ROLLBACK;
SELECT workflow.alter_workflow('gives_up', on_failure => 'park');
SELECT * FROM workflow.try_workflow('gives_up');
TRUNCATE ledger;

-- tasks: answered each time, or in order, also with errors
CREATE FUNCTION asks_others(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	done jsonb := '[]';
BEGIN
	FOR i IN 1..2 LOOP
		done := done || workflow.task('make', 'no queue', to_jsonb(i));
	END LOOP;
	BEGIN
		PERFORM workflow.task('send', 'no queue');
		PERFORM workflow.task('send', 'no queue');
	EXCEPTION WHEN SQLSTATE 'WF004' THEN
		done := done || to_jsonb(SQLERRM);
	END;
	PERFORM workflow.task('send', 'no queue');
	RETURN done;
END $$;
SELECT workflow.create_workflow('asks_others');
SELECT * FROM workflow.try_workflow('asks_others', answers => '{"make": {"n": 1},
	"send": [true, {"$error": {"message": "no stamps", "detail": "sold out"}}, {"$error": {"code": "P0001"}}]}');
SELECT * FROM workflow.try_workflow('asks_others', answers => '{"make": [1]}');
SELECT * FROM workflow.try_workflow('asks_others', answers => '{"make": {"$error": {"code": "what"}}}');

-- several at a time, and children: played in place, or as answered
CREATE FUNCTION family(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	a int := workflow.start_step('a', 'SELECT note($1)', workflow.policy(max_attempts => 1), 'a');
	b int := workflow.start_step('b', 'SELECT 1/0');
	c int := workflow.start_child('kid', 'order_flow', '{"card": "jcb"}');
	d jsonb;
BEGIN
	d := workflow.map('d', 'SELECT 10 / ($1)::int', '[1, 0, 5]', on_error => 'collect');
	RETURN jsonb_build_array(workflow.await(a), d, workflow.await_any(ARRAY[c, b]),
		workflow.await(c), workflow.map_child('e', 'talks', '[1, 2]'), workflow.child('f', 'family'));
END $$;
SELECT workflow.create_workflow('family');
BEGIN;
SELECT * FROM workflow.try_workflow('family', answers => '{"approve": {"by": "bob"}, "a": [1], "c": ["x", "y"],
	"f": {"$error": {"message": "no more"}}}');
SELECT what FROM ledger;
SELECT ordinal, name, result, left(error, 5) FROM workflow.try_workflow('family', answers => '{"kid": [7], "e": [1, {"$error": {}}]}') OFFSET 2;
ROLLBACK;

-- a child that goes on as a new run is played on; tasks of a map are answered at once
CREATE FUNCTION counts_down(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF input->>'n' <> '0' THEN
		PERFORM workflow.continue_as_new(jsonb_build_object('n', (input->>'n')::int - 1));
	END IF;
	RETURN '"done"';
END $$;
SELECT workflow.create_workflow('counts_down');
CREATE FUNCTION has_counted(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.compensate('nothing', 'SELECT 1');
	RETURN workflow.child('count', 'counts_down', input) || workflow.map_task('each', 'elsewhere', '[1, 2]');
END $$;
SELECT workflow.create_workflow('has_counted');
SELECT * FROM workflow.try_workflow('has_counted', '{"n": 3}', answers => '{"each": [[10, 20]]}');
SELECT * FROM workflow.try_workflow('counts_down', '{"n": 3}');
SELECT * FROM workflow.try_workflow('has_counted', '{"n": 100}');

-- the rules of a body hold
CREATE FUNCTION rules(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	CASE input->>'how'
		WHEN 'write' THEN INSERT INTO ledger VALUES ('no');
		WHEN 'enqueue' THEN PERFORM workflow.enqueue_workflow('rules');
		WHEN 'differ' THEN PERFORM workflow.step('s' || count(*), 'INSERT INTO ledger VALUES ($1)', 'x') FROM ledger;
		WHEN 'nested' THEN PERFORM workflow.step('s', $s$SELECT count(*) FROM workflow.try_workflow('rules')$s$);
		WHEN 'nothing' THEN RETURN NULL;
	END CASE;
	RETURN to_jsonb(1);
END $$;
SELECT workflow.create_workflow('rules');
SELECT how, t.* FROM unnest('{write,enqueue,differ,nested,nothing,other}'::text[]) how,
	LATERAL workflow.try_workflow('rules', jsonb_build_object('how', how)) t;

-- the session is left as it was: settings, cursors, statements, locks
SET search_path TO pg_catalog;
PREPARE kept AS SELECT 1;
BEGIN;
SELECT pg_advisory_lock(1);
DECLARE c CURSOR FOR SELECT 1;
SELECT count(*) FROM workflow.try_workflow('talks', answers => '{"c": 1}');
SHOW search_path;
FETCH c;
EXECUTE kept;
SELECT pg_advisory_unlock(1);
COMMIT;
SET search_path TO try;

-- what may be asked, and by whom
SELECT * FROM workflow.try_workflow('nothing of the kind');
SELECT * FROM workflow.try_workflow(NULL);
-- a step is answered by its name, so that it need not be done; what is not used is a mistake
CREATE FUNCTION t_pays(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('pay', 'SELECT 1/0');
EXCEPTION WHEN raise_exception THEN
	RETURN to_jsonb(SQLERRM);
END $$;
SELECT workflow.create_workflow('t_pays');
SELECT * FROM workflow.try_workflow('t_pays', answers => '{"pay": {"paid": true}}');
SELECT * FROM workflow.try_workflow('t_pays', answers => '{"pay": {"$error": {"message": "no money"}}}');
SELECT * FROM workflow.try_workflow('t_pays', answers => '{"pay": 1, "pya": 1, "other": 2}');
SELECT left(error, 30) FROM workflow.try_workflow('t_pays', answers => '{"other": 2}');
-- a child that fails says what it says in a run
CREATE FUNCTION t_parent(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.child('c', 't_pays');
EXCEPTION WHEN SQLSTATE 'WF005' THEN
	RETURN to_jsonb(SQLERRM);
END $$;
SELECT workflow.create_workflow('t_parent');
SELECT name, result, error FROM workflow.try_workflow('t_parent');
SELECT workflow.enqueue_workflow('t_parent') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT workflow.drop_workflow(w) FROM unnest('{t_pays,t_parent}'::text[]) w;
DROP FUNCTION t_pays, t_parent;

SELECT * FROM workflow.try_workflow('talks', answers => '[]');
SELECT * FROM workflow.try_workflow('talks', answers => '{"a": {"$error": {}}}');
CREATE ROLE regress_wf_try;
SELECT workflow.grant_usage('regress_wf_try');
GRANT USAGE ON SCHEMA try TO regress_wf_try;
GRANT SELECT ON ledger TO regress_wf_try;
REVOKE EXECUTE ON FUNCTION rules(jsonb) FROM PUBLIC;
SET ROLE regress_wf_try;
SELECT * FROM workflow.try_workflow('rules');
SELECT * FROM workflow.try_workflow('order_flow', '{"card": "visa"}');
RESET ROLE;
CREATE FUNCTION definer() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS
	$$ SELECT count(*) FROM workflow.try_workflow('talks') $$;
SELECT definer();
DROP FUNCTION definer();
SELECT workflow.revoke_usage('regress_wf_try');
REVOKE ALL ON SCHEMA try FROM regress_wf_try;
REVOKE ALL ON ledger FROM regress_wf_try;
DROP ROLE regress_wf_try;
SET statement_timeout = '50 ms';
CREATE FUNCTION dawdles(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
	$$ BEGIN RETURN workflow.step('s', 'SELECT pg_sleep(60)'); END $$;
SELECT workflow.create_workflow('dawdles');
SELECT * FROM workflow.try_workflow('dawdles');
RESET statement_timeout;
