--
-- Roles of grant_monitor() see that all is there, and not what is in it
--
CREATE SCHEMA mon;
CREATE ROLE regress_mon_alice LOGIN;
CREATE ROLE regress_mon_watch;
CREATE ROLE regress_mon_member IN ROLE regress_mon_watch;
CREATE ROLE regress_mon_stranger;
CREATE ROLE regress_mon_pg IN ROLE pg_monitor;
GRANT USAGE, CREATE ON SCHEMA mon TO regress_mon_alice;
SELECT workflow.grant_usage('regress_mon_alice');
SELECT workflow.grant_usage('regress_mon_stranger');
SELECT workflow.grant_monitor('regress_mon_watch');

-- something of each kind
SET ROLE regress_mon_alice;
SET search_path = mon;
CREATE FUNCTION mon_fails(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.set_progress('"secret progress"');
	PERFORM workflow.step('ok', $c$SELECT 'secret result'$c$);
	PERFORM workflow.step('fails', $c$DO 'BEGIN RAISE EXCEPTION ''secret error'' USING DETAIL = ''secret detail'', HINT = ''secret hint''; END'$c$, workflow.policy(max_attempts => 1));
	RETURN '"secret"';
END $$;
CREATE FUNCTION mon_waits(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN workflow.wait_for_signal('never'); END $$;
CREATE FUNCTION mon_done(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"secret"'::jsonb $$;
SELECT workflow.create_queue('mon', closed => true, keep_acked => '1 day');
SELECT workflow.create_workflow('mon_fails'), workflow.create_workflow('mon_waits'), workflow.create_workflow('mon_done', queue => 'mon');
SELECT workflow.enqueue_workflow('mon_fails', '"secret input"', attributes => '{"a": "secret"}') AS fails,
       workflow.enqueue_workflow('mon_done') AS done,
       workflow.enqueue_workflow('mon_waits') AS waits \gset
SELECT workflow.signal_run(:'waits', 'other', '"secret payload"');
SELECT workflow.send('mon', '"secret payload"', '{"h": "secret"}') IS NOT NULL AS sent;
CALL workflow.wait_for_run(:'fails');
CALL workflow.wait_for_run(:'done');
SELECT workflow.extend(receipt, progress => '"secret progress"') IS NOT NULL AS extended,
       workflow.nack(receipt, 'secret error', final => true, detail => 'secret detail')
  FROM workflow.receive('mon');
SELECT workflow.pause_run(:'waits', 'the reason is told');
SELECT workflow.check_workflow('mon_waits') > 0 AS checked;
CALL workflow.wait_until_idle();
RESET ROLE;
RESET search_path;

-- how many rows of each view somebody sees, and which columns are not empty
CREATE FUNCTION mon.look() RETURNS TABLE (view text, n bigint, filled text[]) LANGUAGE plpgsql AS $$
BEGIN
	FOR view IN SELECT relname FROM pg_class WHERE relnamespace = 'workflow'::regnamespace AND relkind = 'v' ORDER BY relname COLLATE "C"
	LOOP
		EXECUTE format('SELECT count(*) FROM workflow.%I v WHERE to_jsonb(v) ->> ''owner'' = ''regress_mon_alice''
		    OR (to_jsonb(v) ->> ''run_id'')::uuid IN (SELECT run_id FROM workflow.runs WHERE owner = ''regress_mon_alice'')', view) INTO n;
		EXECUTE format('SELECT array_agg(DISTINCT k.key ORDER BY k.key) FROM workflow.%I v, jsonb_each(to_jsonb(v)) k
		    WHERE k.value <> ''null'' AND k.key = ANY (''{input,payload,result,headers,progress,attributes,error_message,error_detail,error_hint,command}'')
		      AND (to_jsonb(v) ->> ''owner'' = ''regress_mon_alice''
		    OR (to_jsonb(v) ->> ''run_id'')::uuid IN (SELECT run_id FROM workflow.runs WHERE owner = ''regress_mon_alice''))', view) INTO filled;
		RETURN NEXT;
	END LOOP;
END $$;
GRANT USAGE ON SCHEMA mon TO PUBLIC;
CREATE TABLE mon.owners AS SELECT * FROM mon.look() WITH NO DATA;
GRANT INSERT, SELECT ON mon.owners TO PUBLIC;
SET ROLE regress_mon_alice;
INSERT INTO mon.owners SELECT * FROM mon.look();
SELECT view, filled FROM mon.owners WHERE filled IS NOT NULL;
SELECT view AS not_tested FROM mon.owners WHERE n = 0 AND view NOT IN ('status', 'stat_executors');

-- monitors, their members and pg_monitor see as many, and nothing in them
CREATE FUNCTION mon.differences() RETURNS TABLE (view text, n bigint, filled text[]) LANGUAGE sql AS $$
SELECT l.view, l.n, l.filled FROM mon.look() l JOIN mon.owners o USING (view)
 WHERE (l.n <> o.n AND l.view <> 'stat_executors') OR l.filled IS NOT NULL $$;
SET ROLE regress_mon_watch;
SELECT * FROM mon.differences();
SET ROLE regress_mon_member;
SELECT * FROM mon.differences();
CREATE FUNCTION pg_temp.tell(run_id uuid) RETURNS TABLE (why boolean, timeline boolean, describe boolean) LANGUAGE sql AS $$
SELECT workflow.why($1) ~ 'secret', (SELECT bool_or(t::text ~ 'secret') FROM workflow.timeline($1) t), workflow.describe($1) ~ 'secret' $$;
SELECT * FROM pg_temp.tell(:'fails');
SELECT regexp_replace(workflow.why(:'fails'), 'at \d.* at step', 'at ... at step') AS why;
SELECT event, ordinal, name, detail FROM workflow.timeline(:'fails');
SELECT regexp_replace(workflow.why(:'waits'), 'since .*: ', 'since ...: ') AS why;
SELECT workflow.cancel_run(:'waits');
SELECT workflow.send('default', '{}');
SET ROLE regress_mon_alice;
SELECT * FROM pg_temp.tell(:'fails');

-- a stranger sees none of it
SET ROLE regress_mon_stranger;
SELECT sum(n), count(filled) FROM mon.look();
\set VERBOSITY sqlstate
SELECT workflow.why(:'fails') AS why;
SELECT workflow.timeline(:'fails') AS timeline;
SELECT workflow.describe(:'fails') AS describe;
\set VERBOSITY default

-- pg_monitor alone has no USAGE; with it, it sees as monitors do
SET ROLE regress_mon_pg;
SELECT count(*) FROM workflow.runs;
RESET ROLE;
SELECT workflow.grant_usage('regress_mon_pg');
SET ROLE regress_mon_pg;
SELECT * FROM mon.differences();
SELECT * FROM pg_temp.tell(:'fails');

-- also in a parallel worker
RESET ROLE;
SELECT count(set_config(name, 'on', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SET ROLE regress_mon_watch;
SELECT count(*) FROM workflow.signals WHERE run_id = :'waits';
RESET ROLE;
SELECT count(set_config(name, 'off', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');

-- it ends with revoke_monitor(), and with the role
SELECT workflow.revoke_monitor('regress_mon_watch');
SET ROLE regress_mon_watch;
SELECT count(*) FROM workflow.runs;
RESET ROLE;
SELECT workflow.grant_usage('regress_mon_watch');
SET ROLE regress_mon_watch;
SELECT sum(n) FROM mon.look();
\set VERBOSITY sqlstate
SELECT workflow.why(:'fails') AS why;
\set VERBOSITY default
RESET ROLE;
SELECT workflow.revoke_usage('regress_mon_watch');
SELECT workflow.grant_monitor('regress_mon_watch');
\set VERBOSITY terse
DROP OWNED BY regress_mon_watch;
DROP ROLE regress_mon_watch;
CREATE ROLE regress_mon_watch;
SELECT workflow.grant_usage('regress_mon_watch');
UPDATE _workflow.monitor SET role = 'regress_mon_stranger'::regrole;
SET ROLE regress_mon_watch;
SELECT sum(n) FROM mon.look();
SET ROLE regress_mon_stranger;
SELECT sum(n) FROM mon.look();
RESET ROLE;
SELECT workflow.revoke_monitor('regress_mon_watch');
SELECT count(*) FROM _workflow.monitor;

SELECT count(workflow.drop_workflow(w, force => true)) FROM unnest('{mon_fails,mon_waits,mon_done}'::text[]) w;
SELECT workflow.drop_queue('mon', force => true);
CALL workflow.wait_until_idle();
SELECT count(workflow.revoke_usage(r)) FROM unnest('{regress_mon_alice,regress_mon_stranger,regress_mon_pg,regress_mon_watch}'::text[]) r;
DROP SCHEMA mon CASCADE;
DROP FUNCTION pg_temp.tell;
DROP ROLE regress_mon_alice, regress_mon_watch, regress_mon_member, regress_mon_stranger, regress_mon_pg;
