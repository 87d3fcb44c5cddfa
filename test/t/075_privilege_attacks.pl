# A hostile role tries to gain rights, or to see or touch what is not its own:
# as a tenant, and as the author of what others run.  Every test is an attack
# that must have gained nothing.

use strict;
use warnings;

use Attack;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = attack_node('workflow.executors = 1');

# ---- who is who ----

$node->safe_psql(
	'shop', q{
	CREATE ROLE monitor LOGIN IN ROLE pg_monitor;
	SELECT workflow.grant_usage('monitor');
});
equip();
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
});

# ---- what is left behind for the commit ----

$node->safe_psql(
	'shop', q{
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

scan_log($node);
done_testing();
