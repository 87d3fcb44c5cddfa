# A hostile role tries to gain rights, to see or touch what is not its own, or
# to disturb others.  Every test is an attack that must have gained nothing.

use strict;
use warnings;
use utf8;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use WorkflowTest;

my $node = new_node('main', 'workflow.executors = 1',
	'log_min_messages = info');

create_extension($node, 'shop');

# Runs a psql script as a role: what it printed, then its errors, shown only
# as SQLSTATEs and all on one line.
sub as
{
	my ($role, $sql) = @_;
	my ($out, $err) = ('', '');
	my @command = (
		$node->installed_command('psql'),
		'-XAtq', '-v', 'VERBOSITY=sqlstate', '-d',
		$node->connstr('shop') . " user=$role");

	utf8::encode($sql);
	IPC::Run::run(\@command, '<', \$sql, '>', \$out, '2>', \$err);
	$err =~ s/psql:<stdin>:\d+: //g;
	$out .= $err;
	$out =~ s/\s*\n/ /g;
	$out =~ s/^\s+|\s+$//g;
	return $out;
}

# enqueues as a role and waits: state|result|error
sub run_as
{
	my ($role, $workflow, $input) = @_;

	$input //= '{}';
	return as(
		$role, qq{
		SELECT workflow.enqueue_workflow('$workflow', '$input') AS run \\gset
		CALL workflow.wait_for_run(:'run', '60 s');
	});
}

# the SQLSTATE of every statement, one by one, that did not fail with these
sub not_refused
{
	my ($role, $codes, @statements) = @_;
	my @wrong;

	for my $statement (@statements)
	{
		my $answer = as($role, $statement);
		push @wrong, "$statement: $answer"
		  unless $answer =~ /^ERROR:  ($codes)$/;
	}
	return join("\n", @wrong);
}

# pids of the launcher and the database's scheduler
sub workers
{
	return as('boss',
			"SELECT string_agg(pid::text, ',' ORDER BY pid)"
		  . '  FROM pg_stat_activity'
		  . " WHERE backend_type = 'workflow launcher'"
		  . "    OR backend_type = 'workflow scheduler' AND datname = 'shop'"
	);
}

# ---- who is who ----

$node->safe_psql(
	'shop', q{
	CREATE ROLE boss SUPERUSER LOGIN;
	CREATE ROLE mallory LOGIN;
	CREATE ROLE alice LOGIN;
	CREATE ROLE monitor LOGIN IN ROLE pg_monitor;
	SELECT workflow.grant_usage(r)
	  FROM unnest('{mallory,alice,monitor}'::text[]) r;
	CREATE SCHEMA mallory AUTHORIZATION mallory;
	CREATE SCHEMA evil AUTHORIZATION mallory;
	CREATE SCHEMA alice AUTHORIZATION alice;
	GRANT USAGE ON SCHEMA alice TO PUBLIC;
	GRANT USAGE ON SCHEMA mallory, evil TO PUBLIC;
});
is( as('alice', q{
	CREATE TABLE alice.book (what text);
	CREATE FUNCTION alice.body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.step('secret-step', 'SELECT $1', 'secret-result'::text);
	  IF input->>'fail' IS NOT NULL THEN
	    PERFORM workflow.fail('secret-error');
	  END IF;
	  RETURN input;
	END $$;
	SELECT workflow.create_workflow('secret-workflow', 'alice.body',
	                                description => 'secret-description');
	SELECT workflow.enqueue_workflow('secret-workflow', '"secret-input"') AS r \gset
	SELECT workflow.enqueue_workflow('secret-workflow', '{"fail": 1}') AS r \gset
	CALL workflow.wait_for_run(:'r');
	SELECT workflow.enqueue_workflow('secret-workflow', '"secret-later"',
	  dedup_key => 'secret-key', delay => '1 day') AS r \gset
	SELECT count(workflow.enqueue_workflow('secret-workflow', '"secret-later"',
	  dedup_key => 'secret-' || d, delay => '1 day')) AS r
	  FROM unnest('{return,skip,reject,replace}'::text[]) d \gset
	}),
	'failed||secret-error',
	'alice has runs');
my $later = as('boss',
	"SELECT run_id FROM workflow.runs WHERE dedup_key = 'secret-key'");
my $dead = as('boss', "SELECT run_id FROM workflow.runs WHERE state = 'failed'");
my $alice_before = as('boss',
	"SELECT md5(string_agg(r::text, ',' ORDER BY run_id))"
	  . " FROM workflow.runs r WHERE owner = 'alice'");

# what mallory has prepared
as( 'mallory', q{
	CREATE TABLE mallory.seen (via text, who text);
	GRANT ALL ON mallory.seen TO PUBLIC;
	CREATE FUNCTION mallory.note(via text) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
	  INSERT INTO mallory.seen VALUES (via, current_user);
	  RETURN current_user;
	END $$;
	CREATE FUNCTION mallory.fire() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM mallory.note('trigger');
	  RETURN NULL;
	END $$;
	CREATE TABLE mallory.trap (a int);
	CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON mallory.trap
	  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mallory.fire();
	CREATE FUNCTION mallory.leave_trap() RETURNS text LANGUAGE plpgsql
	SECURITY DEFINER AS $$
	BEGIN
	  INSERT INTO mallory.trap VALUES (1);
	  RETURN current_user;
	END $$;
	CREATE FUNCTION mallory.leave_cursor() RETURNS text LANGUAGE plpgsql
	SECURITY DEFINER AS $$
	BEGIN
	  EXECUTE 'DECLARE left_behind CURSOR WITH HOLD FOR
	           SELECT mallory.note(''cursor'') FROM generate_series(1, 3)';
	  RETURN current_user;
	END $$;
	CREATE FUNCTION mallory.try(command text) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
	  EXECUTE command;
	  RETURN 'done';
	EXCEPTION WHEN OTHERS THEN
	  RETURN SQLSTATE;
	END $$;
	CREATE FUNCTION mallory.me() RETURNS text LANGUAGE sql AS
	  'SELECT current_user || '' '' || session_user || '' '' ||
	          (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)';
	-- every command as a step, then who we are
	CREATE FUNCTION mallory.steps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	DECLARE
	  command text;
	  r jsonb := '[]';
	BEGIN
	  FOR command IN SELECT jsonb_array_elements_text(input) LOOP
	    BEGIN
	      r := r || coalesce(workflow.step('attack', command), 'null');
	    EXCEPTION WHEN OTHERS THEN
	      r := r || to_jsonb(SQLSTATE);
	    END;
	  END LOOP;
	  RETURN r || workflow.step('me', 'SELECT mallory.me()')
	           || to_jsonb(mallory.me());
	END $$;
	-- the same in the body itself
	CREATE FUNCTION mallory.inside(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	DECLARE
	  command text;
	  r jsonb := '[]';
	BEGIN
	  FOR command IN SELECT jsonb_array_elements_text(input) LOOP
	    r := r || to_jsonb(mallory.try(command));
	  END LOOP;
	  RETURN r || to_jsonb(mallory.me());
	END $$;
	SELECT workflow.create_workflow('steps', 'mallory.steps');
	SELECT workflow.create_workflow('inside', 'mallory.inside');
});

# ---- what is left behind for the commit ----

$node->safe_psql(
	'shop', q{
	CREATE SCHEMA boss AUTHORIZATION boss;
	SET ROLE boss;
	CREATE FUNCTION boss.calls(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  RETURN workflow.step('call', 'SELECT mallory.' || (input->>'f') || '()');
	END $$;
	SELECT workflow.create_workflow('boss calls', 'boss.calls');
});

# who ran something, of what a plain call or a run left behind
sub seen
{
	my ($via, $code) = @_;

	as('boss', 'DELETE FROM mallory.seen');
	$code->();
	return as('boss',
		"SELECT string_agg(DISTINCT who, ',') FROM mallory.seen WHERE via = '$via'"
	);
}

for my $attack ([ 'trap', 'trigger' ], [ 'cursor', 'cursor' ])
{
	my ($name, $via) = @$attack;
	my $plain =
	  seen($via, sub { as('boss', "SELECT mallory.leave_$name()") });
	my $answer;

	like($plain, qr/^(boss|mallory)$/, "a $via is run after a plain call");
	my $run = seen($via,
		sub { $answer = run_as('boss', 'boss calls', qq({"f": "leave_$name"})) }
	);

	is($answer, 'succeeded|"mallory"|', "the superuser's run left a $via");
	ok( $run eq '' || $run eq 'mallory' || $run eq $plain,
		"a $via left in a superuser's step has no more rights than plainly"
		  . " (\"$run\", plain \"$plain\")");
	$run = seen($via, sub {
		run_as('mallory', 'steps', qq(["SELECT mallory.leave_$name()"]));
	});
	ok($run eq '' || $run eq 'mallory', "in mallory's own, she is herself");
}
is(as('boss', 'SELECT count(*) FROM mallory.trap'), '3', 'all were set');

# ---- functions of mallory's under a superuser's body ----

as( 'mallory', q{
	CREATE FUNCTION mallory.helper() RETURNS text LANGUAGE plpgsql
	SECURITY DEFINER AS $$
	BEGIN
	  RETURN workflow.step('gain', 'ALTER ROLE mallory SUPERUSER');
	EXCEPTION WHEN OTHERS THEN
	  RETURN SQLSTATE;
	END $$;
	CREATE FUNCTION mallory.helper_text() RETURNS text LANGUAGE plpgsql
	SECURITY DEFINER AS $$
	BEGIN
	  RETURN workflow.step_text('gain', 'ALTER ROLE mallory SUPERUSER');
	EXCEPTION WHEN OTHERS THEN
	  RETURN SQLSTATE;
	END $$;
	CREATE FUNCTION mallory.helper_nested() RETURNS text LANGUAGE sql
	SECURITY DEFINER AS 'SELECT mallory.helper()';
	-- the harmless words are not for others either
	CREATE FUNCTION mallory.helper_fail() RETURNS text LANGUAGE plpgsql
	SECURITY DEFINER AS $$
	BEGIN
	  PERFORM workflow.fail('sabotage');
	  RETURN 'done';
	EXCEPTION WHEN OTHERS THEN
	  RETURN SQLSTATE;
	END $$;
});
$node->safe_psql(
	'shop', q{
	SET ROLE boss;
	CREATE FUNCTION boss.body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  RETURN jsonb_build_array(mallory.helper(), mallory.helper_text(),
	    mallory.helper_nested(), mallory.helper_fail());
	END $$;
	SELECT workflow.create_workflow('boss body', 'boss.body');
});
is( run_as('boss', 'boss body'),
	'succeeded|["42501", "42501", "42501", "42501"]|',
	'a SECURITY DEFINER helper cannot make a step of a superuser\'s run');

# ---- SECURITY DEFINER bodies ----

as( 'mallory', q{
	CREATE FUNCTION mallory.definer(input jsonb) RETURNS jsonb LANGUAGE plpgsql
	SECURITY DEFINER AS 'BEGIN RETURN to_jsonb(current_user); END';
	CREATE FUNCTION mallory.turned(input jsonb) RETURNS jsonb LANGUAGE plpgsql
	AS 'BEGIN RETURN to_jsonb(current_user); END';
	SELECT workflow.create_workflow('turned', 'mallory.turned');
});
like(as('mallory', "SELECT workflow.create_workflow('d', 'mallory.definer')"),
	qr/^ERROR:  [0-9A-Z]{5}$/, 'a SECURITY DEFINER body is refused');
is(as('boss', "SELECT count(*) FROM workflow.workflows WHERE workflow = 'd'"),
	'0', 'and not there');
as('boss', "SELECT workflow.stop('until the body is turned')");
my $turned =
  as('alice', "SELECT workflow.enqueue_workflow('turned')");
as('mallory', 'ALTER FUNCTION mallory.turned SECURITY DEFINER');
as('boss', 'SELECT workflow.start()');
ok( poll_until(
		$node, 'shop',
		"SELECT state FROM workflow.runs WHERE run_id = '$turned'", 'parked',
		30),
	'one turned into SECURITY DEFINER while it waits is parked');
like(as('alice', "SELECT workflow.enqueue_workflow('turned')"),
	qr/^ERROR:  [0-9A-Z]{5}$/, 'and not enqueued any more');
is(as('alice', "SELECT workflow.cancel_run('$turned')"), 't', 'cleared');
as('mallory', 'ALTER FUNCTION mallory.turned SECURITY INVOKER');

# ---- superusers and the bodies of others ----

is(as('boss', "SELECT workflow.enqueue_workflow('steps')"),
	'ERROR:  42501', 'a superuser does not enqueue the body of another');
like(
	as( 'mallory',
		q{SELECT workflow.create_workflow('up', 'mallory.steps', run_as => 'boss')}
	),
	qr/^ERROR:  42501$/,
	'mallory has nothing run as boss');
like(as('mallory', 'SET workflow.allow_superuser_runs = on'),
	qr/^ERROR:  (55P02|42501)$/, 'nor turns that rule off for herself');
like(
	as( 'mallory',
		'ALTER ROLE mallory SET workflow.allow_superuser_runs = on'),
	qr/^ERROR:  (55P02|42501)$/,
	'nor for her later sessions');
$node->append_conf('postgresql.conf', 'workflow.allow_superuser_runs = on');
$node->reload;
ok( poll_until(
		$node, 'shop', 'SHOW workflow.allow_superuser_runs', 'on', 10),
	'the setting is on');
is( run_as('boss', 'steps', '[]'),
	'succeeded|["boss boss true", "boss boss true"]|',
	'only with the setting it is allowed');
$node->append_conf('postgresql.conf', 'workflow.allow_superuser_runs = off');
$node->reload;
poll_until($node, 'shop', 'SHOW workflow.allow_superuser_runs', 'off', 10);
# a body that becomes another's after it was enqueued
as('boss', "SELECT workflow.stop('until the body has another owner')");
my $given = as('boss', "SELECT workflow.enqueue_workflow('boss body')");
as('boss', 'ALTER FUNCTION boss.body(jsonb) OWNER TO mallory');
as('boss', 'SELECT workflow.start(); CALL workflow.wait_until_idle()');
is(as('boss', "SELECT state FROM workflow.runs WHERE run_id = '$given'"),
	'parked', 'a body that became mallory\'s is not run as superuser');
as('boss', "SELECT workflow.cancel_run('$given')");

# ---- becoming somebody else ----

my @become = (
	'SET ROLE boss',                  'SET ROLE postgres',
	'SET SESSION AUTHORIZATION boss', 'SET SESSION AUTHORIZATION postgres',
	'RESET SESSION AUTHORIZATION',    'RESET ROLE',
	'SET ROLE NONE',                  'RESET ALL',
	'DISCARD ALL',                    'ALTER ROLE mallory SUPERUSER',
	'GRANT boss TO mallory');
my $become = '["' . join('", "', @become) . '"]';
my $me = '"mallory mallory false"';

like(run_as('mallory', 'steps', $become),
	qr/^succeeded\|.*, $me, $me\]\|$/, 'no other role by a step');
like(run_as('mallory', 'inside', $become),
	qr/^succeeded\|.*, $me\]\|$/, 'nor in a body');
for my $command (@become)
{
	my $in_one = "SELECT mallory.try(''$command'') || mallory.me()";
	like(run_as('mallory', 'steps', qq(["$in_one"])),
		qr/^succeeded\|\["(done|[0-9A-Z]{5})mallory mallory false", $me, $me\]\|$/,
		"nor in one step: $command");
}
like(
	run_as(
		'mallory', 'steps',
		q(["SELECT set_config(''role'', ''boss'', false)",
		   "SELECT set_config(''session_authorization'', ''boss'', false)",
		   "SELECT mallory.try(''SET is_superuser = on'')"])),
	qr/^succeeded\|\["[0-9A-Z]{5}", "[0-9A-Z]{5}", "[0-9A-Z]{5}", $me, $me\]\|$/,
	'nor by set_config()');
is(as('boss', "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'"),
	'f', 'mallory is no superuser');
# the engine turns a step's value to jsonb: a cast of the value's own type
as( 'mallory', q{
	CREATE TYPE mallory.spy AS (a int);
	CREATE FUNCTION mallory.spy_json(mallory.spy) RETURNS json LANGUAGE plpgsql
	AS 'BEGIN RETURN to_json(mallory.me()); END';
	CREATE CAST (mallory.spy AS json) WITH FUNCTION mallory.spy_json(mallory.spy);
});
like(run_as('mallory', 'steps', '["SELECT ROW(1)::mallory.spy"]'),
	qr/^succeeded\|\[(\{"a": 1\}|$me), $me, $me\]\|$/,
	'a cast to json of a step\'s value runs as mallory');

# ---- the engine's own objects ----

my @tables = split ' ', as('boss', q{
	SELECT c.oid::regclass FROM pg_class c
	 WHERE relnamespace = '_workflow'::regnamespace AND relkind IN ('r', 'v', 'S')});
my @direct;
for my $table (@tables)
{
	push @direct, "SELECT * FROM $table", "DELETE FROM $table",
	  "TRUNCATE $table", "INSERT INTO $table DEFAULT VALUES",
	  "COPY $table TO STDOUT", "DROP TABLE $table", "DO \$\$BEGIN LOCK TABLE $table; END\$\$",
	  "CREATE TRIGGER t BEFORE INSERT ON $table"
	  . ' FOR EACH ROW EXECUTE FUNCTION mallory.fire()',
	  "CREATE RULE r AS ON INSERT TO $table DO INSTEAD NOTHING",
	  "CREATE INDEX ON $table ((mallory.note('index')))",
	  "CREATE POLICY p ON $table USING (mallory.me() <> '')",
	  "CREATE TABLE mallory.child () INHERITS ($table)",
	  "ALTER TABLE $table OWNER TO mallory",
	  "GRANT ALL ON $table TO mallory";
}
cmp_ok(scalar @tables, '>=', 6, 'tables of the engine were found');
# some do not exist for views and sequences, which is as good
is(not_refused('mallory', '42501|42809|0A000|55000', @direct),
	'', 'mallory has no way to a table of the engine');
is( not_refused(
		'mallory', '42501',
		(map { "UPDATE _workflow.run SET $_" }
			"state = 's'", "owner = 10", "input = '{}'"),
		'UPDATE _workflow.step SET result = NULL',
		'UPDATE _workflow.control SET stopped_at = NULL',
		"UPDATE _workflow.body SET function = 'mallory.steps'"),
	'', 'nor updates one');
is( not_refused(
		'mallory',
		'42501|55000|42809',
		"INSERT INTO workflow.runs (workflow, owner) VALUES ('steps', 'boss')",
		"UPDATE workflow.runs SET owner = 'boss'",
		'DELETE FROM workflow.runs',
		'CREATE TABLE _workflow.mine ()',
		'CREATE TABLE workflow.mine ()',
		'CREATE FUNCTION workflow.step(text) RETURNS int LANGUAGE sql AS $$SELECT 1$$',
		'CREATE OR REPLACE VIEW workflow.runs AS SELECT 1',
		'CREATE RULE r AS ON SELECT TO workflow.runs DO INSTEAD SELECT 1',
		'CREATE TRIGGER t INSTEAD OF INSERT ON workflow.runs'
		  . ' FOR EACH ROW EXECUTE FUNCTION mallory.fire()',
		'ALTER FUNCTION workflow.now() OWNER TO mallory',
		'DROP EXTENSION workflow',
		'DROP SCHEMA _workflow CASCADE',
		'DROP SCHEMA workflow CASCADE'),
	'', 'nor forges a run by a view, nor adds to the schemas');
like(
	run_as(
		'mallory', 'steps',
		q(["INSERT INTO _workflow.run DEFAULT VALUES",
		   "DELETE FROM _workflow.step", "SELECT count(*) FROM _workflow.run",
		   "UPDATE _workflow.run SET owner = 10",
		   "SELECT mallory.try(''DELETE FROM _workflow.run'')"])),
	qr/^succeeded\|\["42501", "42501", "42501", "42501", "42501", $me, $me\]\|$/,
	'nor from within a step');
is( as('mallory', q{
	CREATE FUNCTION mallory.direct() RETURNS jsonb LANGUAGE c
	AS '$libdir/workflow', 'workflow_stop'}),
	'ERROR:  42501', 'nor makes a function of the library\'s');
is( as('boss', q{
	SELECT p.oid::regprocedure FROM pg_proc p
	 WHERE pronamespace IN ('workflow'::regnamespace, '_workflow'::regnamespace)
	   AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0))}),
	'', 'no function of both schemas is executable by PUBLIC');
is( as('boss', q{
	SELECT p.oid::regprocedure FROM pg_proc p
	 WHERE pronamespace = '_workflow'::regnamespace
	   AND has_function_privilege('mallory', p.oid, 'EXECUTE')
	   AND has_schema_privilege('mallory', '_workflow', 'USAGE')}),
	'', 'internal functions are not reachable by mallory');
is( not_refused(
		'mallory', '42501',
		'SELECT _workflow.origin()',
		"SELECT _workflow.sees(10::oid, 'boss')",
		'SELECT * FROM _workflow.live_slots()'),
	'', 'nor called by her');

# ---- what belongs to alice ----

for my $word ('cancel_run', 'retry_run', 'why')
{
	for my $run ($later, $dead)
	{
		like(as('mallory', "SELECT workflow.$word('$run')"),
			qr/^(ERROR:  (42501|42704))?$/, "$word of alice's run");
	}
}
like(as('mallory', "CALL workflow.wait_for_run('$dead', '1 s')"),
	qr/^(ERROR:  (42501|42704))$/, 'wait_for_run() on it');
like(
	as( 'mallory',
		"SELECT workflow.find_run('secret-workflow', 'secret-key', 'alice')"),
	qr/^(ERROR:  (42501|42704))?$/, 'find_run() on it');
is(as('mallory', "SELECT workflow.find_run('secret-workflow', 'secret-key')"),
	'', 'and it is not hers');
for my $on ('return', 'skip', 'reject', 'replace')
{
	is( as( 'mallory', qq{
		SELECT workflow.enqueue_workflow('secret-workflow',
		  dedup_key => 'secret-$on', on_duplicate => '$on',
		  delay => '1 day') AS r \\gset
		SELECT owner, workflow.cancel_run(run_id)
		  FROM workflow.runs WHERE run_id = :'r';
		}),
		'mallory|t', "a key of alice's is not met ($on)");
}
is( not_refused(
		'mallory', '42501|42704',
		"SELECT workflow.alter_workflow('secret-workflow', body => 'mallory.steps')",
		"SELECT workflow.create_workflow('secret-workflow', 'mallory.steps', or_replace => true)",
		"SELECT workflow.drop_workflow('secret-workflow')",
		"SELECT workflow.drop_workflow('secret-workflow', force => true)",
		"SELECT workflow.pause_workflow('secret-workflow')",
		"SELECT workflow.resume_workflow('secret-workflow')",
		"SELECT workflow.create_workflow('as', 'mallory.steps', run_as => 'alice')",
		'SELECT workflow.stop()',
		'SELECT workflow.start()',
		"SELECT workflow.grant_usage('mallory')",
		"SELECT workflow.revoke_usage('alice')"),
	'', 'mallory alters nothing of alice\'s, nor what is everybody\'s');

# ---- views ----

# tells of every row that it is shown and that has something of alice's
as( 'mallory', q{
	CREATE FUNCTION mallory.peek(line text) RETURNS boolean LANGUAGE plpgsql
	COST 0.0000001 AS $$
	BEGIN
	  IF line ~ 'secret-(input|later|step|result|error|desc)|,alice,' THEN
	    RAISE NOTICE '%', line;
	  END IF;
	  RETURN true;
	END $$;
});
for my $view ('runs', 'steps', 'dead_letters', 'workflows',
	'stat_workflows', 'stat_executors')
{
	is( as( 'mallory',
			"SELECT * FROM workflow.$view v WHERE v::text ~ ',alice,|$later|$dead'"
		),
		'', "workflow.$view shows nothing of alice's");
	is( as( 'mallory',
			"SELECT FROM workflow.$view v WHERE mallory.peek(v::text) AND false;"
			  . "SELECT count(*) >= 0 FROM workflow.$view v WHERE mallory.peek(v::text)"
		),
		't', 'not even to a leaky function');
	next if $view =~ /^stat/;
	like(
		as( 'boss',
			'SET log_min_messages = warning;'
			  . "SELECT FROM workflow.$view v WHERE mallory.peek(v::text)"),
		qr/NOTICE/,
		'(which does tell of what it sees)');
}
is( as('monitor', q{
	SELECT count(*), count(input), count(result), count(error_message)
	  FROM workflow.runs WHERE owner = 'alice' AND workflow = 'secret-workflow'}),
	'7|0|0|0', 'a monitor sees runs, but no text of theirs');
is( as('monitor', q{
	SELECT count(*) > 0, count(result), count(error_message)
	  FROM workflow.steps WHERE run_id IN
	       (SELECT run_id FROM workflow.runs WHERE owner = 'alice')}),
	't|0|0', 'and steps');
is( as('monitor', q{
	SELECT count(*), count(error_message) FROM workflow.dead_letters
	 WHERE owner = 'alice'}),
	'1|0', 'and dead letters');
unlike(as('monitor', 'SELECT * FROM workflow.runs r'),
	qr/secret-(input|result|error|later)/, 'in no column');
is(not_refused('monitor', '42501|42704', "SELECT workflow.cancel_run('$later')"),
	'', 'and cancels nothing');
is( as( 'boss',
		"SELECT md5(string_agg(r::text, ',' ORDER BY run_id))"
		  . " FROM workflow.runs r WHERE owner = 'alice' AND run_id <> '$turned'"
	),
	$alice_before, 'all that changed nothing of alice\'s');

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
