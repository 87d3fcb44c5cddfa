# A hostile role tries to disturb the workers, to change what statements and
# names of the engine mean, and to find what others have left behind.

use strict;
use warnings;
use utf8;

use Attack;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use WorkflowTest;

my $node = attack_node('workflow.executors = 1');

# ---- who is who ----

equip();
as( 'alice', q{
	CREATE FUNCTION alice.body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.step('secret-step', 'SELECT $1', 'secret-result'::text);
	  RETURN input;
	END $$;
	SELECT workflow.create_workflow('secret-workflow', 'alice.body');
});
as( 'boss', q{
	CREATE SCHEMA evil AUTHORIZATION mallory;
	GRANT USAGE ON SCHEMA evil TO PUBLIC;
	CREATE FUNCTION boss.calls(input jsonb) RETURNS jsonb LANGUAGE sql
	  AS 'SELECT input';
});
my $me = '"mallory mallory false"';

# ---- the workers ----

my $workers = workers();

like($workers, qr/^\d+,\d+$/, 'a launcher and a scheduler');
for my $command (
	'DROP DATABASE shop',
	'DROP DATABASE shop WITH (FORCE)',
	'ALTER DATABASE shop RENAME TO mine',
	'ALTER DATABASE shop SET TABLESPACE pg_default',
	'ALTER DATABASE shop OWNER TO mallory',
	'CREATE DATABASE mine TEMPLATE shop',
	'DROP EXTENSION workflow',
	'DROP EXTENSION workflow CASCADE',
	'ALTER EXTENSION workflow UPDATE')
{
	my $answer = as('mallory', $command);
	like($answer, qr/^(ERROR:  [0-9A-Z]{5})$/, "refused: $command");
}
is(workers(), $workers, 'no worker was ended');
is( not_refused(
		'mallory', '42501',
		map { ; "SELECT pg_terminate_backend($_)", "SELECT pg_cancel_backend($_)" }
		  split(',', $workers)),
	'', 'nor by a signal');
$node->safe_psql('postgres', 'GRANT pg_signal_backend TO mallory');
is( not_refused(
		'mallory', '42501',
		map { ; "SELECT pg_terminate_backend($_)", "SELECT pg_cancel_backend($_)" }
		  split(',', $workers)),
	'', 'nor as a member of pg_signal_backend');
$node->safe_psql('postgres', 'REVOKE pg_signal_backend FROM mallory');
is(workers(), $workers, 'no worker was ended');
is(run_as('alice', 'secret-workflow', '1'),
	'succeeded|1|', 'and they work');

# a step that ends its own process, again and again
my $suicide = as('mallory',
	q{SELECT workflow.enqueue_workflow('steps',
	  '["SELECT pg_terminate_backend(pg_backend_pid())"]')});
usleep(1_500_000);
is(run_as('alice', 'secret-workflow', '2'),
	'succeeded|2|', 'alice goes on while mallory\'s step ends its process');
like(
	as('boss', "SELECT state FROM workflow.runs WHERE run_id = '$suicide'"),
	qr/^(queued|waiting|running|parked|failed)$/,
	'mallory\'s run does not succeed');
as('mallory', "SELECT workflow.cancel_run('$suicide')");
ok( poll_until(
		$node, 'shop',
		"SELECT state FROM workflow.runs WHERE run_id = '$suicide'",
		'cancelled', 30),
	'and can be cancelled');
is(workers(), $workers, 'and nobody else was hurt');

# ---- shadows ----

as( 'mallory', q{
	SET search_path = pg_catalog;
	CREATE FUNCTION evil.hit() RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
	  RAISE EXCEPTION 'shadow' USING ERRCODE = 'SHADO';
	END $$;
	DO $do$
	DECLARE
	  t text;
	  op text;
	  f text;
	BEGIN
	  FOREACH t IN ARRAY '{uuid,text,oid,integer,bigint,timestamptz,jsonb,
	                       "\"char\"",name,boolean}'::text[] LOOP
	    EXECUTE format($f$CREATE FUNCTION evil.op(a %s, b %1$s) RETURNS boolean
	      LANGUAGE plpgsql AS 'BEGIN RETURN evil.hit(); END'$f$, t);
	    FOREACH op IN ARRAY '{=,<>,<,>,<=,>=}'::text[] LOOP
	      EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.op,
	        LEFTARG = %s, RIGHTARG = %2$s)', op, t);
	    END LOOP;
	  END LOOP;
	  FOREACH f IN ARRAY '{now(),clock_timestamp(),transaction_timestamp(),
	      "current_database()",to_jsonb(anyelement),count(anyelement),
	      max(uuid),unnest(anyarray),format(text),
	      "set_config(text,text,boolean)",current_setting(text),
	      "current_setting(text,boolean)",pg_backend_pid(),
	      "has_function_privilege(oid,text)","pg_has_role(oid,text)",
	      concat(text),length(text),lower(text),jsonb_typeof(jsonb)}'::text[] LOOP
	    EXECUTE format($f$CREATE FUNCTION evil.%s RETURNS boolean
	      LANGUAGE plpgsql AS 'BEGIN RETURN evil.hit(); END'$f$, f);
	  END LOOP;
	  FOREACH t IN ARRAY '{run,step,workflow,body,control,request,runs,steps,
	                       workflows,pg_class,pg_proc,pg_namespace,pg_roles,
	                       pg_authid}'::text[] LOOP
	    EXECUTE format('CREATE TABLE evil.%s (a int)', t);
	  END LOOP;
	  CREATE TYPE evil.policy AS (a int);
	  CREATE DOMAIN evil.jsonb AS text CHECK (evil.hit());
	  CREATE DOMAIN evil.uuid AS text CHECK (evil.hit());
	  CREATE DOMAIN evil.interval AS text CHECK (evil.hit());
	END $do$;
	GRANT ALL ON ALL TABLES IN SCHEMA evil TO PUBLIC;
	CREATE FUNCTION mallory.shadowed(input pg_catalog.jsonb)
	RETURNS pg_catalog.jsonb LANGUAGE plpgsql AS $$
	DECLARE
	  r pg_catalog.jsonb;
	BEGIN
	  r := workflow.step('a', 'SELECT $1', 1);
	  PERFORM workflow.now(), workflow.random(), workflow.uuid();
	  BEGIN
	    PERFORM workflow.step('b', 'SELECT evil.hit()',
	                          workflow.policy(max_attempts => 1));
	  EXCEPTION WHEN SQLSTATE 'SHADO' THEN NULL;
	  END;
	  RETURN r;
	END $$;
	SELECT workflow.create_workflow('shadowed', 'mallory.shadowed',
	  search_path => 'evil, pg_temp, pg_catalog');
	GRANT USAGE ON SCHEMA evil TO PUBLIC;
});
is(as('boss', q{
	SELECT count(*) FROM pg_operator WHERE oprnamespace = 'evil'::regnamespace}),
	'60', 'the shadows are there');
is( as('mallory', 'SET search_path = evil, pg_catalog; SELECT 1 = 1'),
	'ERROR:  SHADO', 'and work');

my $in_shadow = q{
	CREATE TEMP TABLE run (a int);
	CREATE TEMP TABLE step (a int);
	CREATE TEMP TABLE workflow (a int);
	CREATE TEMP TABLE pg_class (a int);
	SET search_path = pg_temp, evil, pg_catalog;
};

for my $role ('mallory', 'alice')
{
	is( as( $role, $in_shadow . q{
		SELECT workflow.enqueue_workflow('shadowed', dedup_key => 'k') AS r \gset
		CALL workflow.wait_for_run(:'r');
		SELECT workflow.find_run('shadowed', 'k') IS NULL;
		SELECT workflow.enqueue_workflow('shadowed', delay => '1 day') AS r \gset
		SELECT workflow.cancel_run(:'r');
		SELECT workflow.why(:'r') IS NULL;
		SELECT pg_catalog.count(*) IS NULL FROM workflow.runs;
		SELECT pg_catalog.count(*) IS NULL FROM workflow.steps;
		SELECT pg_catalog.count(*) IS NULL FROM workflow.dead_letters;
		SELECT pg_catalog.count(*) IS NULL FROM workflow.workflows;
		}),
		'succeeded|1| f t f f f f f', "shadows do not change what $role gets");
}
is( as( 'boss', $in_shadow . q{
	SELECT workflow.create_workflow('shadow of boss', 'boss.calls');
	SELECT workflow.pause_workflow('shadow of boss');
	SELECT workflow.resume_workflow('shadow of boss');
	SELECT workflow.drop_workflow('shadow of boss');
	SELECT workflow.stop('in the shadow');
	SELECT workflow.start();
	SELECT workflow.grant_usage('alice');
	CALL workflow.wait_until_idle();
	SELECT pg_catalog.count(*) IS NULL FROM workflow.status;
	SELECT pg_catalog.count(*) IS NULL FROM workflow.stat_workflows;
	SELECT pg_catalog.count(*) IS NULL FROM workflow.stat_executors;
	}) =~ s/\s+/ /gr,
	'f f f', 'nor a superuser');
as('boss', "ALTER ROLE alice SET search_path = evil, pg_catalog");
is(run_as('alice', 'secret-workflow', '3'),
	'succeeded|3|', 'nor as the path of a role');
as('boss', 'ALTER ROLE alice RESET search_path');
as('boss', 'ALTER DATABASE shop SET search_path = evil, pg_catalog');
my $scheduler = kill_worker($node, 'scheduler', 'shop', 'TERM');
wait_for_worker($node, 'scheduler', 'shop', $scheduler);
is(run_as('alice', 'secret-workflow', '4'),
	'succeeded|4|', 'nor as the path of the database');
as('boss', 'ALTER DATABASE shop RESET search_path');
$workers = workers();

# ---- hostile names ----

my $hostile = q{o'%s"\\\\;--☃$$%n};
for my $kind ('a', 'b')
{
	my $name = $hostile . $kind;
	is( as( 'boss', qq{
		SET client_encoding = 'UTF8';
		SELECT \$x\$$name\$x\$ AS n \\gset
		CREATE ROLE :"n" LOGIN;
		SELECT workflow.grant_usage(:'n');
		CREATE SCHEMA :"n" AUTHORIZATION :"n";
		SET ROLE :"n";
		SET search_path = :"n";
		SELECT format(\$x\$CREATE FUNCTION %I.%I(input jsonb) RETURNS jsonb
		  LANGUAGE plpgsql AS \$b\$BEGIN
		    RETURN workflow.step(%L, 'SELECT current_user || \$1', input->>'n');
		  END \$b\$\$x\$, :'n', :'n', :'n') \\gexec
		SELECT workflow.create_workflow(:'n', format('%I.%I', :'n', :'n'),
		  description => :'n');
		SELECT workflow.enqueue_workflow(:'n', jsonb_build_object('n', :'n'),
		  dedup_key => :'n', attributes => jsonb_build_object(:'n', :'n')) AS r \\gset
		CALL workflow.wait_for_run(:'r') \\gset
		SELECT :'state', :'result'::jsonb #>> '{}' = :'n' || :'n',
		       workflow.find_run(:'n', :'n') = :'r'::uuid,
		       workflow.enqueue_workflow(:'n', dedup_key => :'n') = :'r'::uuid;
		SELECT workflow = :'n', owner = :'n', dedup_key = :'n' FROM workflow.runs;
		SELECT name = :'n', state FROM workflow.steps;
		SELECT workflow.drop_workflow(:'n', force => true);
		}) =~ s/\s+/ /gr,
		'succeeded|t|t|t t|t|t t|done', 'a hostile name');
}
is(as('boss', 'SELECT count(*) > 0 FROM _workflow.run'), 't', 'all is there');

# ---- from one run to the next of the same process ----

as( 'mallory', q{
	CREATE FUNCTION mallory.dirty() RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM set_config('my.secret', 'left', false);
	  SET work_mem = '11MB';
	  CREATE TEMP TABLE left_table (a int);
	  EXECUTE 'PREPARE left_plan AS SELECT 1';
	  PERFORM pg_advisory_lock(815);
	  BEGIN
	    EXECUTE 'LISTEN left_channel';
	  EXCEPTION WHEN OTHERS THEN NULL;
	  END;
	  BEGIN
	    EXECUTE 'SET ROLE pg_monitor';
	  EXCEPTION WHEN OTHERS THEN NULL;
	  END;
	  RETURN pg_backend_pid();
	END $$;
	CREATE FUNCTION mallory.look() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', pg_backend_pid(),
	  coalesce(nullif(current_setting('my.secret', true), ''), 'none'),
	  current_setting('work_mem') = '11MB',
	  coalesce(to_regclass('pg_temp.left_table')::text, 'none'),
	  (SELECT count(*) FROM pg_prepared_statements),
	  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
	  (SELECT count(*) FROM pg_listening_channels()), current_user)
	$$;
});
my ($pid) = run_as('mallory', 'steps', '["SELECT mallory.dirty()"]') =~
  /^succeeded\|\[(\d+), $me/;
like(
	run_as('mallory', 'steps', '["SELECT mallory.look()"]'),
	qr/^succeeded\|\["$pid none f none 0 0 0 mallory", $me/,
	'nothing is left for the next run of the process');

# ---- payloads ----

as( 'mallory', q{
	CREATE FUNCTION mallory.slow(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.step('slow', 'SELECT pg_sleep(3), $1', input->>'p');
	  PERFORM workflow.step('bad', 'SELECT $1::int',
	                        workflow.policy(max_attempts => 2), input->>'p');
	  RETURN input;
	END $$;
	SELECT workflow.create_workflow('slow', 'mallory.slow');
});
my $slow = as('mallory',
	q{SELECT workflow.enqueue_workflow('slow', '{"p": "PAYLOAD-4711"}')});
ok( poll_until(
		$node, 'shop',
		q{SELECT count(*) > 0 FROM pg_stat_activity
		   WHERE backend_type LIKE 'workflow executor%' AND usename = 'mallory'
		     AND wait_event = 'PgSleep'}, 't', 20),
	'a step works with a payload');
is( as('boss', q{
	SELECT count(*) FROM pg_stat_activity a
	 WHERE a::text LIKE '%PAYLOAD-' || '4711%' AND backend_type LIKE 'workflow%'}),
	'0', 'pg_stat_activity does not show it');
is( as('alice', q{
	SELECT count(*) FROM pg_stat_activity
	 WHERE backend_type LIKE 'workflow%' AND query LIKE '%pg_sleep%'}),
	'0', 'nor the command to others');
ok( poll_until(
		$node, 'shop',
		"SELECT state FROM workflow.runs WHERE run_id = '$slow'", 'failed', 30),
	'the run fails by it');
like(
	as('mallory', "SELECT error_message FROM workflow.runs WHERE run_id = '$slow'"),
	qr/PAYLOAD-4711/, 'its owner sees why');

my $log = slurp_file($node->logfile);
is(scalar(() = $log =~ /PAYLOAD-4711/g), 0, 'the log does not have the payload');
is(scalar(() = $log =~ /secret-(?:input|result|error)/g), 0, 'nor another');

is(workers(), $workers, 'all workers are still those they were');
scan_log($node);
done_testing();
