# Roles that PostgreSQL gives special powers use them against workflows: what
# is PostgreSQL's own works, and gains no more than it says; all else is
# refused.  The table in docs/security.md has a line for each numbered part.

use strict;
use warnings;

use Attack;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = attack_node('workflow.executors = 2', 'autovacuum = off');
my $version = $node->pg_version;

# ---- who is who: one role for each power, with and without grant_usage() ----

my @powers = qw(pg_monitor pg_read_all_data pg_write_all_data
  pg_signal_backend pg_read_all_settings pg_read_all_stats);

push @powers, 'pg_maintain' if $version >= 17;
for my $power (@powers)
{
	(my $name = $power) =~ s/^pg_//;
	as( 'boss', qq{
		CREATE ROLE $name LOGIN IN ROLE $power;
		SELECT workflow.grant_usage('$name');
		CREATE ROLE bare_$name LOGIN IN ROLE $power;
		CREATE SCHEMA $name AUTHORIZATION $name;
	});
}
as( 'boss', q{
	CREATE ROLE creator LOGIN CREATEROLE;
	CREATE ROLE dbowner LOGIN;
	ALTER DATABASE shop OWNER TO dbowner;
});
as( 'alice', q{
	CREATE TABLE alice.done (run_id uuid);
	CREATE FUNCTION alice.slow() RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
	  INSERT INTO alice.done VALUES (workflow.run_id());
	  PERFORM pg_sleep(1);
	  RETURN 1;
	END $$;
	CREATE FUNCTION alice.body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.wait_for_signal('go');
	  RETURN workflow.step('secret-step', 'SELECT current_user || $1', input->>'s');
	END $$;
	CREATE FUNCTION alice.step(input jsonb) RETURNS jsonb LANGUAGE sql AS
	  $$ SELECT workflow.step('slow', 'SELECT alice.slow()') $$;
	SELECT workflow.create_workflow('waits', 'alice.body');
	SELECT workflow.create_workflow('slow', 'alice.step');
	SELECT workflow.create_queue('safe', closed => true);
});
my $run = as('alice', q{SELECT workflow.enqueue_workflow('waits',
  '{"s": "secret-input"}', attributes => '{"a": "secret-attribute"}')});
wait_for_state($run, 'waiting') or die 'no run waits';
my $message = as('alice', q{SELECT workflow.send('safe', '"secret-payload"')});
ok( poll_until($node, 'shop', "SELECT count(*) > 0 FROM workflow.messages"
		  . " WHERE message_id = $message AND state = 'queued'", 't', 60),
	'alice has a run and a message');
my $receipt = as('alice', q{SELECT receipt FROM workflow.receive('safe', lease => '1 day')});
my $workers = workers();

my @verbs = (
	"cancel_run('$run')",      "retry_run('$run')",
	"pause_run('$run')",       "wake_run('$run')",
	"set_step_result('$run', 1, '1')", "fork_run('$run', 1)",
	"delete_run('$run')",      "signal_run('$run', 'go')",
	"ack('$receipt')",         "nack('$receipt')",
	"extend('$receipt')",      "receive('safe')",
	"send('safe', '1')",       "delete_message($message)",
	"purge_queue('safe')",     "pause_queue('safe')",
	"alter_queue('safe', closed => false)", "drop_queue('safe', force => true)",
	"grant_queue('safe', 'creator', 'receive')",
	"pause_workflow('waits')", "drop_workflow('waits', force => true)",
	"alter_workflow('waits', body => 'alice.step')",
	'stop()', 'start()', "grant_usage('creator')", "revoke_usage('alice')");

# ---- 1. all of them: nothing that takes the rights of an owner ----

for my $power (@powers, 'creator', 'dbowner')
{
	(my $role = $power) =~ s/^pg_//;
	is(not_refused($role, '42501', map { "SELECT workflow.$_" } @verbs),
		'', "$power: no verb on what is another's, no stop(), no grant_usage()");
	is( not_refused($role, '42501',
			"SELECT workflow.create_workflow('w', 'alice.body', run_as => 'alice')",
			"SELECT workflow.create_workflow('w', 'alice.body', run_as => 'boss')",
			"SELECT workflow.create_queue('q', owner => 'alice')",
			'SET ROLE boss', 'SET SESSION AUTHORIZATION boss',
			'DROP EXTENSION workflow', 'DROP SCHEMA _workflow CASCADE',
			'ALTER TABLE _workflow.run DISABLE TRIGGER ALL',
			'CREATE TRIGGER t BEFORE INSERT ON _workflow.run FOR EACH ROW'
			  . ' EXECUTE FUNCTION suppress_redundant_updates_trigger()',
			'CREATE RULE r AS ON SELECT TO workflow.runs DO INSTEAD SELECT 1',
			'TRUNCATE _workflow.run',
			"ALTER FUNCTION workflow.now() SET search_path = 'public'"),
		'', "$power: not somebody else, nor owner of what is the extension's");
}

# what one has without the right to grant it is not granted either: 01007
like(as('write_all_data', 'GRANT ALL ON _workflow.run TO mallory'),
	qr/^(WARNING:  01007|ERROR:  42501)$/, 'pg_write_all_data grants nothing');
is( as('boss', q{SELECT count(*) FROM pg_class
		WHERE relnamespace = '_workflow'::regnamespace AND relacl::text ~ 'mallory'}),
	'0', 'so mallory has no right on a table');

# ---- 2. pg_monitor ----

is( as( 'monitor', qq{
		SELECT count(*), count(input), count(result), count(error_message),
		       count(progress)
		  FROM workflow.runs WHERE run_id = '$run'}),
	'1|0|0|0|0', 'pg_monitor sees that a run is there, and nothing that it has');
for my $view ('runs', 'steps', 'messages', 'signals', 'dead_letters',
	'audit_log', 'queues', 'workflows')
{
	unlike(as('monitor', "SELECT * FROM workflow.$view v"),
		qr/secret-(input|payload|attribute)|"secret/,
		"pg_monitor reads no contents in workflow.$view");
}
refused('bare_monitor', '42501', 'SELECT count(*) FROM workflow.runs',
	'pg_monitor without grant_usage() or grant_monitor() has no view');
as('boss', "SELECT workflow.grant_monitor('bare_monitor')");
is(as('bare_monitor', "SELECT count(*), count(input) FROM workflow.runs WHERE run_id = '$run'"),
	'1|0', 'grant_monitor() gives it sight of the rows alone');
like(as('bare_monitor', "SELECT workflow.why('$run')"),
	qr/^(?!ERROR).*signal/, 'and why()');
refused('bare_monitor', '42501', "SELECT workflow.enqueue_workflow('waits')",
	'but no run of its own');
refused('monitor', '42501', 'SELECT count(*) FROM _workflow.run',
	'pg_monitor reads no table of the extension');

# ---- 3. pg_read_all_data ----

like(as('bare_read_all_data', 'SELECT input FROM _workflow.run'),
	qr/secret-input/, 'pg_read_all_data reads inputs, as it reads all tables');
is( not_refused('read_all_data', '42501',
		'SELECT * FROM _workflow.run FOR UPDATE',
		'SELECT * FROM _workflow.run FOR SHARE',
		'UPDATE _workflow.run SET owner = 10', 'DELETE FROM _workflow.run',
		'BEGIN; LOCK TABLE _workflow.run IN ROW SHARE MODE',
		"SELECT setval('_workflow.workflow_workflow_id_seq', 1)",
		'COPY _workflow.run TO PROGRAM \'id\''),
	'', 'pg_read_all_data neither writes nor locks');
my $stolen = as('read_all_data',
	q{SELECT message_id || '-' || lpad(to_hex(receipt), 16, '0')
	    FROM _workflow.message WHERE receipt IS NOT NULL});
is($stolen, $receipt, 'pg_read_all_data can read a receipt');
refused('read_all_data', '42501', "SELECT workflow.ack('$stolen', '\"forged\"')",
	'and not use it');
is( as( 'read_all_data', q{
		SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
		 WHERE nspname = '_workflow' AND p.prorettype = 'jsonb'::regtype
		   AND has_function_privilege(p.oid, 'EXECUTE')}),
	'0', 'no body of the extension\'s own runs is for it');
is( not_refused('read_all_data', '42501',
		"SELECT workflow.create_workflow('w', '_workflow.run_alert')",
		"SELECT workflow.create_workflow('w', '_workflow.check_run')",
		"SELECT _workflow.run_alert('{}')", "SELECT _workflow.check_run('{}')"),
	'', 'nor made the body of another');
unlike(
	as( 'read_all_data', q{
		SELECT format('SELECT count(*) FROM %s(%s)', p.oid::regproc,
		              (SELECT string_agg('NULL::' || t::regtype, ',')
		                 FROM unnest(proargtypes) t))
		  FROM pg_proc p
		 WHERE pronamespace = '_workflow'::regnamespace
		   AND has_function_privilege(p.oid, 'EXECUTE') \gexec
	}),
	qr/server closed|XX000/, 'functions of the views take NULL from it');

# ---- 4. pg_write_all_data ----

my @tables = split ' ', as('boss', q{
	SELECT c.oid::regclass FROM pg_class c
	 WHERE relnamespace = '_workflow'::regnamespace AND relkind = 'r'});
cmp_ok(scalar @tables, '>=', 12, 'tables of the extension were found');
my $rows = as('boss', join(' UNION ALL ', map { "SELECT count(*) FROM $_" } @tables));
as('boss', 'GRANT pg_read_all_data TO write_all_data');
my @writes;
for my $table (@tables)
{
	my $column = as('boss', "SELECT attname FROM pg_attribute WHERE attnum = 1"
		  . " AND attrelid = '$table'::regclass");
	push @writes, "INSERT INTO $table DEFAULT VALUES", "DELETE FROM $table",
	  "UPDATE $table SET $column = $column", "SELECT * FROM $table FOR UPDATE",
	  "TRUNCATE $table", "COPY $table FROM STDIN;\n\\.\n",
	  "BEGIN; LOCK TABLE $table IN ACCESS EXCLUSIVE MODE",
	  "BEGIN; LOCK TABLE ONLY $table IN SHARE ROW EXCLUSIVE MODE";
	push @writes, "MERGE INTO $table t USING (SELECT 1) s ON false"
	  . ' WHEN NOT MATCHED THEN INSERT DEFAULT VALUES';
}
is(not_refused('write_all_data', '42501', @writes),
	'', 'pg_write_all_data writes and locks no table of the extension');
is( not_refused('write_all_data', '42501|55000|0A000',
		(map { ; "UPDATE workflow.$_ SET owner = 'boss'", "DELETE FROM workflow.$_",
			  "BEGIN; LOCK TABLE workflow.$_ IN ACCESS EXCLUSIVE MODE" }
			'runs', 'workflows', 'queues')),
	'', 'nor a view');
as( 'write_all_data', q{
	CREATE VIEW write_all_data.mine AS SELECT * FROM _workflow.run;
	CREATE VIEW write_all_data.nested AS
	  SELECT 1 AS a WHERE EXISTS (SELECT FROM write_all_data.mine);
	CREATE FUNCTION write_all_data.forge() RETURNS void LANGUAGE sql AS
	  $$ UPDATE _workflow.run SET owner = 10, owner_name = 'postgres' $$;
	CREATE FUNCTION write_all_data.definer() RETURNS void LANGUAGE sql
	SECURITY DEFINER AS
	  $$ UPDATE _workflow.run SET owner = 10, owner_name = 'postgres' $$;
	GRANT USAGE ON SCHEMA write_all_data TO PUBLIC;
	GRANT ALL ON write_all_data.mine TO PUBLIC;
});
is( not_refused('write_all_data', '42501',
		'UPDATE write_all_data.mine SET owner = 10',
		'DELETE FROM write_all_data.mine',
		'INSERT INTO write_all_data.mine (run_id) VALUES (NULL)',
		'BEGIN; LOCK TABLE write_all_data.mine IN ACCESS EXCLUSIVE MODE',
		'BEGIN; LOCK TABLE write_all_data.nested IN ACCESS EXCLUSIVE MODE',
		'SELECT write_all_data.forge()', 'SELECT write_all_data.definer()'),
	'', 'nor through a view or a function of its own');
is( not_refused('mallory', '42501', 'UPDATE write_all_data.mine SET owner = 10',
		'SELECT write_all_data.definer()'),
	'', 'nor does another role through those');
refused('boss', '42501', 'SELECT write_all_data.definer()',
	'nor when a superuser calls its SECURITY DEFINER function');
is( as('boss', join(' UNION ALL ', map { "SELECT count(*) FROM $_" } @tables)),
	$rows, 'no row came or went');
is(as('boss', "SELECT owner FROM workflow.runs WHERE run_id = '$run'"),
	'alice', 'and alice\'s run is hers');
is(as('write_all_data', "SELECT setval('_workflow.workflow_workflow_id_seq', 1000)"),
	'1000', 'pg_write_all_data moves sequences, as it moves all');
is(as('write_all_data', "SELECT setval('_workflow.workflow_workflow_id_seq', 1)"),
	'1', 'also back');
refused('alice', '23505', "SELECT workflow.create_workflow('late', 'alice.body')",
	'so that a definition is refused');
as('boss', q{SELECT setval('_workflow.workflow_workflow_id_seq',
  (SELECT max(workflow_id) FROM _workflow.workflow))});
is(as('alice', "SELECT workflow.create_workflow('late', 'alice.body')"),
	'', 'until the sequence is put right');

# ---- 5. pg_signal_backend ----

is( not_refused('signal_backend', '42501',
		map { ; "SELECT pg_terminate_backend($_)", "SELECT pg_cancel_backend($_)" }
		  split(',', $workers)),
	'', 'pg_signal_backend ends neither launcher nor scheduler');
is(workers(), $workers, 'they are still there');

sub executor_of
{
	my ($role) = @_;

	poll_until($node, 'shop', "SELECT count(*) > 0 FROM pg_stat_activity"
		  . " WHERE backend_type = 'workflow executor' AND usename = '$role'"
		  . " AND wait_event = 'PgSleep'", 't', 60);
	return as('boss', "SELECT pid FROM pg_stat_activity"
		  . " WHERE backend_type = 'workflow executor' AND usename = '$role'"
		  . " AND wait_event = 'PgSleep'");
}

my $slow = as('alice', "SELECT workflow.enqueue_workflow('slow')");
my $executor = executor_of('alice');
is(as('signal_backend', "SELECT pg_terminate_backend($executor)"),
	't', 'pg_signal_backend ends an executor of a plain role, as any process');
ok(wait_for_state($slow, 'succeeded'), 'the run goes on in another');
is(as('alice', "SELECT count(*) FROM alice.done WHERE run_id = '$slow'"),
	'1', 'and its step is done once');
as( 'boss', q{
	CREATE FUNCTION boss.body(input jsonb) RETURNS jsonb LANGUAGE sql AS
	  $$ SELECT workflow.step('slow', 'SELECT 1 FROM pg_sleep(5)') $$;
	SELECT workflow.create_workflow('boss', 'boss.body');
});
my $of_boss = as('boss', "SELECT workflow.enqueue_workflow('boss')");
$executor = executor_of('boss');
is( not_refused('signal_backend', '42501',
		"SELECT pg_terminate_backend($executor)",
		"SELECT pg_cancel_backend($executor)"),
	'', 'it does not end an executor of a superuser');
is(as('mallory', "SELECT pg_cancel_backend($executor)"),
	'ERROR:  42501', 'nor does a role without that power');
as('boss', "SELECT workflow.cancel_run('$of_boss')");

# ---- 6. pg_read_all_settings, pg_read_all_stats ----

for my $role ('read_all_settings', 'read_all_stats')
{
	is(as($role, "SELECT count(*) FROM workflow.runs WHERE run_id = '$run'"),
		'0', "pg_$role sees no run of alice's");
	refused($role, '42501', 'SELECT count(*) FROM _workflow.run',
		"pg_$role reads no table of the extension");
	unlike(as($role, 'SELECT * FROM pg_stat_activity'
			  . " WHERE backend_type LIKE 'workflow%'"),
		qr/secret/, "pg_$role finds no payload in what workers do");
}

my $talker = open_session('alice', "SELECT 'secret-in-a-statement';");
like(as('read_all_stats', "SELECT query FROM pg_stat_activity WHERE usename = 'alice'"),
	qr/secret-in-a-statement/,
	'pg_read_all_stats reads what sessions of others state');
close_session($talker);

# ---- 7. CREATEROLE ----

is( not_refused('creator', '42501',
		'ALTER ROLE boss PASSWORD \'x\'', 'GRANT boss TO creator',
		'ALTER ROLE creator SUPERUSER', 'CREATE ROLE other SUPERUSER',
		'ALTER ROLE boss RENAME TO x', 'DROP ROLE boss',
		"SELECT pg_terminate_backend(" . (split(',', $workers))[0] . ')'),
	'', 'CREATEROLE gets at no superuser');
refused('creator', '42501', "SELECT workflow.enqueue_workflow('waits')",
	'nor has it what grant_usage() gives');
if ($version < 16)
{
	is(as('creator', 'GRANT alice TO creator; SET ROLE alice;'
			  . " SELECT count(*) FROM workflow.runs WHERE run_id = '$run'"),
		'1', 'before PostgreSQL 16 CREATEROLE makes itself a member of any plain role');
	is(as('creator', 'GRANT pg_execute_server_program TO creator'),
		'', 'or of a role that is as good as a superuser');
	as('boss', 'REVOKE alice, pg_execute_server_program FROM creator');
}
else
{
	refused('creator', '42501', 'GRANT alice TO creator',
		'CREATEROLE makes itself no member of a role it was not given');
}
is(as('creator', "CREATE ROLE newcomer LOGIN"), '', 'CREATEROLE makes a role');
is( not_refused('newcomer', '42501', 'SELECT count(*) FROM workflow.runs',
		"SELECT workflow.enqueue_workflow('waits')"),
	'', 'which has nothing of workflows');

# ---- 8. the owner of the database ----

is( not_refused('dbowner', '42501',
		'SELECT count(*) FROM _workflow.run', 'SELECT count(*) FROM workflow.runs',
		'DELETE FROM _workflow.run', 'DROP SCHEMA workflow CASCADE',
		'ALTER EXTENSION workflow UPDATE',
		'ALTER SCHEMA _workflow OWNER TO dbowner',
		'BEGIN; LOCK TABLE _workflow.run IN ACCESS SHARE MODE',
		'CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION mallory.f()',
		'ALTER DATABASE shop SET session_replication_role = replica',
		'ALTER DATABASE shop SET workflow.allow_superuser_runs = on'
	) =~ s/.*: ERROR:  (55P02|42883)$//mgr =~ s/\n//gr,
	'', 'the owner of the database owns nothing of ours');
for my $setting ('role = mallory', "statement_timeout = '1 ms'",
	"lock_timeout = '1 ms'", 'default_transaction_read_only = on',
	"default_transaction_isolation = 'serializable'",
	"search_path = 'mallory, pg_temp'")
{
	unlike(as('dbowner', "ALTER DATABASE shop SET $setting", 'postgres'),
		qr/ERROR/, "the owner of the database: ALTER DATABASE SET $setting");
	my $pid = kill_worker($node, 'scheduler', 'shop', 'TERM');
	wait_for_worker($node, 'scheduler', 'shop', $pid);
	like(
		as( 'alice', q{
			SET statement_timeout = 0; SET lock_timeout = 0;
			SET default_transaction_read_only = off;
			SET default_transaction_isolation = 'read committed';
			SELECT workflow.enqueue_workflow('slow') AS r \gset
			CALL workflow.wait_for_run(:'r', '60 s');
		}),
		qr/^succeeded\|1\|/, 'and runs go on as before');
	as('dbowner', 'SET default_transaction_read_only = off;'
		  . 'ALTER DATABASE shop RESET ALL', 'postgres');
}
unlike(as('dbowner', 'VACUUM FULL'),
	qr/ERROR/, 'the owner of the database may vacuum it all');
is(run_as('alice', 'slow'), 'succeeded|1|', 'which runs live through');
is( as( 'boss', q{
		REVOKE CONNECT ON DATABASE shop FROM PUBLIC;
		GRANT CONNECT ON DATABASE shop TO mallory, dbowner}),
	'', '(so that CONNECT can be taken)');
as('boss', "SELECT workflow.signal_run('$run', 'go')");
ok(wait_for_state($run, 'parked'), 'a role without CONNECT has no step executed');
as('boss', 'GRANT CONNECT ON DATABASE shop TO PUBLIC');
is(as('alice', "SELECT workflow.retry_run('$run')"),
	't', 'it goes on once CONNECT is back');
ok(wait_for_state($run, 'succeeded'), 'from where it was');
is(as('alice', "SELECT result FROM workflow.runs WHERE run_id = '$run'"),
	'"alicesecret-input"', 'as alice');

# ---- 9. pg_maintain ----

SKIP:
{
	skip 'there is no pg_maintain', 2 if $version < 17;
	is(as('maintain', 'VACUUM _workflow.run; REINDEX TABLE _workflow.step'),
		'', 'pg_maintain maintains tables of the extension as all others');
	refused('maintain', '42501',
		'BEGIN; LOCK TABLE _workflow.run IN ACCESS EXCLUSIVE MODE',
		'and does not lock them');
}

is( as('boss', q{SELECT string_agg(rolname::text, ',' ORDER BY rolname)
		FROM pg_roles WHERE rolsuper}),
	'boss,postgres', 'nobody has become a superuser');
is( as('boss', q{SELECT state || ' ' || attempt FROM workflow.messages}),
	'leased 1', 'and alice\'s message is where it was');
scan_log($node);
done_testing();
