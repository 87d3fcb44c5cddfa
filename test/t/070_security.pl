# Scripted attacks: mallory may use workflow and create things in a schema of
# her own; alice is another user; the extension belongs to postgres.  Whatever
# mallory's code is run as somebody else leaves a row in public.stolen.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('security', 'workflow.executors = 4');
my $db = 'shop';
my $attacks = 0;
create_extension($node, $db);

# As role, with psql; returns output and error as one text.
sub as_role
{
	my ($role, $sql, $database) = @_;
	my ($rc, $out, $err) = $node->psql($database // $db, $sql,
		extra_params => [ '-U', $role ], on_error_stop => 0);
	return $out . $err;
}

# An attack by mallory that must be refused with this error.
sub refused
{
	my ($name, $sql, $error, $role) = @_;
	$attacks++;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return like(as_role($role // 'mallory', $sql), $error // qr/ERROR:  permission denied/, $name);
}

# An attack that must have this result, which is nothing gained.
sub gives
{
	my ($name, $sql, $expected, $role) = @_;
	$attacks++;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(as_role($role // 'mallory', $sql), $expected, $name);
}

# Runs a workflow of the role to its end; "state|result|error".
sub run_of
{
	my ($role, $workflow, $input) = @_;
	my $run = as_role($role, "SELECT workflow.enqueue_workflow('$workflow', '" . ($input // '{}') . q{')});
	return $run if $run =~ /ERROR/;
	chomp $run;
	return as_role($role, "CALL workflow.wait_for_run('$run', '60 s')");
}

$node->safe_psql(
	$db, q{
CREATE ROLE alice LOGIN;
CREATE ROLE mallory LOGIN;
CREATE ROLE monitor LOGIN IN ROLE pg_monitor;
CREATE ROLE nobody_at_all LOGIN;
SELECT workflow.grant_usage(r) FROM unnest(ARRAY['alice', 'mallory', 'monitor']) r;
CREATE SCHEMA alice AUTHORIZATION alice;
CREATE SCHEMA mallory AUTHORIZATION mallory;
CREATE TABLE public.stolen (how text, who text DEFAULT current_user);
GRANT INSERT ON public.stolen TO PUBLIC;
CREATE TABLE public.secret (a text);
INSERT INTO public.secret VALUES ('of postgres');
});

# alice's things, with something to hide in each column
is( as_role(
		'alice', q{
CREATE FUNCTION alice.hidden(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('hidden', 'SELECT ''hidden result''::text', 'hidden argument'::text);
	IF input->>'fail' = 'yes' THEN
		PERFORM workflow.fail('hidden error');
	END IF;
	PERFORM workflow.step('wait', 'SELECT pg_sleep(0)');
	RETURN '"hidden result"';
END $$;
REVOKE EXECUTE ON FUNCTION alice.hidden FROM PUBLIC;
SELECT workflow.create_workflow('hidden', 'alice.hidden');}), '', 'alice has a workflow');
my $victim = as_role('alice', q{SELECT workflow.enqueue_workflow('hidden', '{"secret": "hidden input"}', delay => '1 hour')});
chomp $victim;
my $failed = as_role('alice', q{SELECT workflow.enqueue_workflow('hidden', '{"fail": "yes"}', dedup_key => 'hidden key')});
chomp $failed;
like(as_role('alice', "CALL workflow.wait_for_run('$failed')"), qr/failed\|\|hidden error/, 'and a failed run');

# ---- engine tables and internals ----

foreach my $table (qw(run step request workflow body control))
{
	refused("read _workflow.$table", "TABLE _workflow.$table");
}
refused('forge a run', q{INSERT INTO _workflow.run SELECT * FROM _workflow.run});
refused('change a run', q{UPDATE _workflow.run SET owner = 10});
refused('forge a step', q{INSERT INTO _workflow.step (run_id, ordinal) VALUES (gen_random_uuid(), 1)});
refused('forge a request', q{INSERT INTO _workflow.request (run_id, kind) VALUES (gen_random_uuid(), 'c')});
refused('change a body', q{UPDATE _workflow.body SET function = 'mallory.evil(jsonb)'});
refused('delete runs', q{DELETE FROM _workflow.run});
refused('truncate runs', q{TRUNCATE _workflow.run});
refused('lock runs', q{BEGIN; LOCK TABLE _workflow.run});
refused('a trigger on runs', q{CREATE TRIGGER t BEFORE INSERT ON _workflow.run FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()});
refused('a rule on runs', q{CREATE RULE r AS ON INSERT TO _workflow.run DO NOTHING});
refused('a policy on runs', q{CREATE POLICY p ON _workflow.run}, qr/ERROR:  (permission denied|must be owner)/);
refused('an index on runs', q{CREATE INDEX ON _workflow.run (run_id)}, qr/ERROR:  (permission denied|must be owner)/);
refused('a foreign key to runs', q{CREATE TABLE mallory.fk (r uuid REFERENCES _workflow.run)});
refused('inherit from runs', q{CREATE TABLE mallory.child () INHERITS (_workflow.run)}, qr/ERROR:  (permission denied|must be owner)/);
refused('an object in the schema', q{CREATE TABLE workflow.mine (a int)});
refused('a function in the schema', q{CREATE FUNCTION _workflow.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'});
refused('draw from a sequence', q{SELECT nextval('_workflow.request_request_id_seq')});
refused("an internal function: $_->[0]", "SELECT $_->[1]")
  foreach (
	[ 'reads', q{_workflow.reads(10, 'postgres')} ],
	[ 'live_slots', q{* FROM _workflow.live_slots()} ],
	[ 'counters', q{* FROM _workflow.counters(1)} ]);
refused("write to view $_", "DELETE FROM workflow.$_", qr/ERROR:  (permission denied|cannot delete from view)/)
  foreach qw(runs steps dead_letters workflows);
refused('without usage nothing: enqueue', q{SELECT workflow.enqueue_workflow('hidden')}, undef, 'nobody_at_all');
refused('without usage nothing: views', q{TABLE workflow.runs}, undef, 'nobody_at_all');
is( $node->safe_psql(
		$db, q{
SELECT count(*) FROM pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
 WHERE pronamespace IN ('workflow'::regnamespace, '_workflow'::regnamespace) AND a.grantee = 0}),
	'0', 'no function is PUBLIC\'s');
is( $node->safe_psql(
		$db, q{
SELECT string_agg(DISTINCT a.privilege_type, ', ') FROM pg_class c, aclexplode(c.relacl) a
 WHERE relnamespace IN ('workflow'::regnamespace, '_workflow'::regnamespace) AND a.grantee <> c.relowner}),
	'SELECT', 'no grant but SELECT on anything');

# ---- other people's runs and definitions ----

my $denied = qr/ERROR:  permission denied for (run|workflow)/;
refused('cancel a foreign run', "SELECT workflow.cancel_run('$victim')", $denied);
refused('retry a foreign run', "SELECT workflow.retry_run('$failed')", $denied);
refused('ask why of a foreign run', "SELECT workflow.why('$failed')", $denied);
refused('wait for a foreign run', "CALL workflow.wait_for_run('$failed')", $denied);
refused('find a foreign run', q{SELECT workflow.find_run('hidden', 'hidden key', 'alice')}, qr/ERROR:  permission denied/);
gives('find it as one\'s own', q{SELECT workflow.find_run('hidden', 'hidden key')}, '');
refused('alter a foreign workflow', q{SELECT workflow.alter_workflow('hidden', body => 'mallory.evil')}, $denied);
refused('replace a foreign workflow', q{SELECT workflow.create_workflow('hidden', 'alice.hidden', or_replace => true)}, qr/ERROR:  permission denied/);
refused('drop a foreign workflow', q{SELECT workflow.drop_workflow('hidden', force => true)}, $denied);
refused('pause a foreign workflow', q{SELECT workflow.pause_workflow('hidden')}, $denied);
refused('resume a foreign workflow', q{SELECT workflow.resume_workflow('hidden')}, $denied);
refused('enqueue without EXECUTE', q{SELECT workflow.enqueue_workflow('hidden')}, qr/ERROR:  permission denied/);
refused('stop the database', q{SELECT workflow.stop()}, qr/ERROR:  permission denied/);
refused('start the database', q{SELECT workflow.start()}, qr/ERROR:  permission denied/);
refused('grant usage', q{SELECT workflow.grant_usage('nobody_at_all')}, qr/ERROR:  permission denied/);
foreach my $view (qw(runs steps dead_letters workflows stat_workflows stat_executors))
{
	gives("see nothing in $view", "SELECT count(*) FROM workflow.$view", "0");
}
# a cheap function sees every row that a view without a barrier looks at
gives(
	'leak through a cheap function', q{
CREATE FUNCTION mallory.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
	$$BEGIN RAISE WARNING 'leaked %', $1; RETURN true; END$$;
SELECT count(*) FROM workflow.runs WHERE mallory.leak(input::text) AND mallory.leak(error_message);
SELECT count(*) FROM workflow.steps WHERE mallory.leak(command) AND mallory.leak(result::text);
SELECT count(*) FROM workflow.dead_letters WHERE mallory.leak(error_message);}, "0\n0\n0");
# pg_monitor sees that something is there, and no more
is( as_role('monitor', q{SELECT count(*), count(input), count(result), count(error_message) FROM workflow.runs}),
	"2|0|0|0", 'pg_monitor sees no payload of runs');
is( as_role('monitor', q{SELECT count(*) > 0, count(result), count(error_message), count(command) FROM workflow.steps}),
	"t|0|0|0", 'pg_monitor sees no payload of steps');
is( as_role('monitor', q{SELECT count(*), count(error_message) FROM workflow.dead_letters}),
	"1|0", 'pg_monitor sees no payload of dead letters');
refused('pg_monitor cannot cancel', "SELECT workflow.cancel_run('$victim')", $denied, 'monitor');
unlike(as_role('monitor', 'TABLE workflow.runs; TABLE workflow.steps; TABLE workflow.dead_letters; TABLE workflow.stat_executors'),
	qr/hidden (result|argument|error|input)/, 'nothing hidden in any column');

# ---- becoming somebody else ----

is( as_role(
		'mallory', q{
CREATE FUNCTION mallory.evil(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF input ? 'body' THEN
		EXECUTE input->>'body';
	END IF;
	RETURN workflow.step('evil', input->>'step', workflow.policy(max_attempts => 1));
END $$;
SELECT workflow.create_workflow('evil', 'mallory.evil', policy => workflow.policy(max_attempts => 1));}), '', 'mallory has a workflow');
refused('run_as postgres', q{SELECT workflow.create_workflow('as postgres', 'mallory.evil', run_as => 'postgres')}, qr/ERROR:  permission denied/);
refused('run_as alice', q{SELECT workflow.create_workflow('as alice', 'mallory.evil', run_as => 'alice')}, qr/ERROR:  permission denied/);
refused('alter to run_as alice', q{SELECT workflow.alter_workflow('evil', run_as => 'alice')}, qr/ERROR:  permission denied/);
$node->safe_psql($db, 'GRANT alice TO mallory');
is(as_role('mallory', q{SELECT workflow.create_workflow('was alice', 'mallory.evil', run_as => 'alice')}), '', 'run_as a role she is a member of');
$node->safe_psql($db, 'REVOKE alice FROM mallory');
refused('enqueue as alice after the membership', q{SELECT workflow.enqueue_workflow('was alice')}, qr/ERROR:  permission denied/);
$attacks++;
like($node->psql($db, q{SELECT workflow.enqueue_workflow('evil')}) && run_of('postgres', 'evil', '{"step": "SELECT 1"}'),
	qr/ERROR:  .*superuser/, 'a superuser does not enqueue what mallory owns');

foreach my $attack (
	[ 'RESET ROLE', 'RESET ROLE' ],
	[ 'RESET SESSION AUTHORIZATION', 'RESET SESSION AUTHORIZATION' ],
	[ 'SET SESSION AUTHORIZATION', 'SET SESSION AUTHORIZATION postgres' ],
	[ 'SET ROLE', 'SET ROLE postgres' ],
	[ 'set_config', q{SELECT set_config('role', 'postgres', false)} ],
	[ 'read a secret', 'TABLE public.secret' ],
	[ 'read a file', q{SELECT pg_read_file('PG_VERSION')} ],
	[ 'run a program', q{COPY (SELECT 1) TO PROGRAM 'true'} ],
	[ 'allow superuser runs', 'SET workflow.allow_superuser_runs = on' ],
	[ 'alter the system', q{ALTER SYSTEM SET workflow.allow_superuser_runs = on} ],
	[ 'write engine tables', 'UPDATE _workflow.run SET owner = 10' ],
	[ 'become superuser', 'ALTER ROLE mallory SUPERUSER' ])
{
	my ($name, $sql) = @$attack;
	(my $quoted = $sql) =~ s/'/''/g;
	foreach my $place (qw(step body))
	{
		my $step = $place eq 'step' ? $quoted : 'SELECT current_user';
		$attacks++;
		my $out = run_of('mallory', 'evil', qq({"$place": "$quoted", "step": "$step"}));
		# what is allowed to nobody fails, what resets to oneself is harmless
		like($out, qr/^(failed|succeeded)/, "$place: $name");
		unlike($out, qr/^succeeded.*(of postgres|^15)/, "$place: $name gains nothing");
	}
}
is( $node->safe_psql($db, q{SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'}), 'f', 'mallory is no superuser');

# Things left for the commit run as their owner, before it, or not at all.
is( as_role(
		'mallory', q{
CREATE FUNCTION mallory.note(how text) RETURNS int LANGUAGE sql VOLATILE AS
	$$INSERT INTO public.stolen (how) VALUES (how) RETURNING 1$$;
CREATE FUNCTION mallory.on_commit() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN PERFORM mallory.note('deferred trigger'); RETURN NULL; END$$;
CREATE TABLE mallory.trap (a int);
CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON mallory.trap DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION mallory.on_commit();
CREATE FUNCTION mallory.leave_traps() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	EXECUTE 'DECLARE hold CURSOR WITH HOLD FOR SELECT mallory.note(''cursor with hold'')';
	EXECUTE 'SET search_path = mallory, pg_catalog';
	EXECUTE 'PREPARE p AS SELECT mallory.note(''prepared'')';
	RETURN 1;
END $$;
CREATE FUNCTION mallory.leave_trigger() RETURNS int LANGUAGE sql AS
	'INSERT INTO mallory.trap VALUES (1) RETURNING 1';
GRANT USAGE ON SCHEMA mallory TO alice;}), '', 'traps are set');
is( $node->safe_psql(
		$db, q{
CREATE FUNCTION public.trapped(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF input ? 'body' THEN
		PERFORM mallory.leave_traps();
	END IF;
	PERFORM workflow.step('traps', 'SELECT mallory.leave_traps()');
	RETURN workflow.step('after', 'SELECT current_setting(''search_path'')');
END $$;
SELECT workflow.create_workflow('trapped', 'public.trapped', search_path => 'public');}), '', 'a victim calls them');
foreach my $role (qw(postgres alice))
{
	foreach my $input ('{}', '{"body": 1}')
	{
		$attacks++;
		is(run_of($role, 'trapped', $input), qq(succeeded|"public"|),
			"WITH HOLD cursor, search_path, PREPARE left in ${role}'s run $input");
	}
}
$attacks++;
is(run_of('mallory', 'evil', '{"step": "SELECT mallory.leave_trigger()"}'), "succeeded|1|", 'deferred trigger');
is( $node->safe_psql($db, q{SELECT DISTINCT how, who FROM public.stolen WHERE how ~ 'deferred|hold|prepared' ORDER BY 1}),
	'deferred trigger|mallory', 'nothing of them ran but as mallory');

# Words put into somebody else's mouth.
is( as_role(
		'mallory', q{
CREATE FUNCTION mallory.speak() RETURNS jsonb LANGUAGE sql SECURITY DEFINER AS
	$$SELECT workflow.step('spoken', 'INSERT INTO public.stolen VALUES (''spoken'')')$$;}), '', 'a helper that speaks');
$node->safe_psql(
	$db, q{
CREATE FUNCTION public.calls_helper(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT mallory.speak()';
SELECT workflow.create_workflow('calls helper', 'public.calls_helper')});
$attacks++;
like(run_of('postgres', 'calls helper'), qr/^failed\|\|workflow.step\(\) can only be called as the run's owner/, 'a SECURITY DEFINER helper cannot call step()');

# The body is swapped under a superuser's run.
$node->safe_psql(
	$db, q{
CREATE FUNCTION mallory.swapped(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
REVOKE ALL ON FUNCTION mallory.swapped FROM PUBLIC;
SELECT workflow.create_workflow('swapped', 'mallory.swapped');
SELECT workflow.stop()});
my $swapped = $node->safe_psql($db, q{SELECT workflow.enqueue_workflow('swapped')});
is( as_role(
		'mallory', q{
DROP FUNCTION mallory.swapped;
CREATE FUNCTION mallory.swapped(input jsonb) RETURNS jsonb LANGUAGE sql AS
	$$SELECT workflow.step('evil', 'INSERT INTO public.stolen VALUES (''swapped body'')')$$;}), '', 'who owns the schema can swap the body');
$node->safe_psql($db, 'SELECT workflow.start()');
$attacks++;
like($node->safe_psql($db, "CALL workflow.wait_for_run('$swapped', '60 s')"), qr/^parked/, 'a swapped body parks a superuser\'s run');

# ---- search_path ----

# Everything our SQL might use, in a schema that comes first, temporary too.
my $shadow = '';
foreach my $type (qw(uuid oid text name int4 int8 timestamptz jsonb "char" bool))
{
	foreach my $operator ('=', '<>', '<', '>', '<=', '>=', '+', '-', '||')
	{
		$shadow .= qq{
CREATE FUNCTION mallory."op $operator"(a $type, b $type) RETURNS boolean LANGUAGE plpgsql AS
	\$\$BEGIN PERFORM mallory.note('operator $operator of $type'); RETURN true; END\$\$;
CREATE OPERATOR mallory.$operator (leftarg = $type, rightarg = $type, function = mallory."op $operator");};
	}
}
$shadow =~ s/"op ([^"]*)"/'"op ' . $1 . '"'/ge;
foreach my $function ('now() RETURNS timestamptz', 'coalesce_(a text) RETURNS text', 'count(a text) RETURNS bigint',
	'greatest_(a int) RETURNS int', 'clock_timestamp() RETURNS timestamptz', 'sum(a int) RETURNS bigint',
	'format(a text, b text) RETURNS text', 'to_jsonb(a anyelement) RETURNS jsonb', 'current_user_() RETURNS name')
{
	$shadow .= "\nCREATE FUNCTION mallory.$function LANGUAGE plpgsql AS \$\$BEGIN PERFORM mallory.note('function'); RETURN NULL; END\$\$;";
}
$shadow .= "\nCREATE TABLE mallory.run (a int); CREATE TABLE mallory.step (a int); CREATE TABLE mallory.workflow (a int);"
  . "\nCREATE TABLE mallory.body (a int); CREATE TABLE mallory.request (a int); CREATE TABLE mallory.pg_roles (a int);"
  . "\nCREATE DOMAIN mallory.uuid AS text; CREATE DOMAIN mallory.text AS int; CREATE DOMAIN mallory.jsonb AS int; CREATE DOMAIN mallory.interval AS int;"
  . "\nGRANT USAGE ON SCHEMA mallory TO PUBLIC;";
is(as_role('mallory', $shadow), '', 'shadows are up');
$node->safe_psql($db, q{DELETE FROM public.stolen});

my $path = 'SET search_path = mallory, pg_temp, pg_catalog;';
my $temp = 'CREATE TEMP TABLE run (a int); CREATE TEMP TABLE workflow (a int); CREATE TEMP TABLE pg_roles (a int);';
foreach my $role (qw(alice postgres))
{
	my $mine = $role eq 'alice' ? 'hidden' : 'trapped';
	my $out = as_role($role, $path . $temp . qq{
SELECT workflow.enqueue_workflow('$mine', '{}', dedup_key => 'shadow') IS NULL;
SELECT workflow.find_run('$mine', 'shadow') IS NULL;
SELECT workflow.pause_workflow('$mine'), workflow.resume_workflow('$mine');
SELECT workflow.alter_workflow('$mine', description => 'x', policy => workflow.policy(max_attempts => 3));
SELECT workflow.cancel_run(workflow.find_run('$mine', 'shadow')) IS NULL;
SELECT workflow.retry_run(workflow.find_run('$mine', 'shadow')) IS NULL;
SELECT workflow.why(workflow.find_run('$mine', 'shadow')) IS NULL;
CALL workflow.wait_for_run(workflow.find_run('$mine', 'shadow'), '10 s'::pg_catalog.interval);
TABLE workflow.runs; TABLE workflow.steps; TABLE workflow.dead_letters; TABLE workflow.workflows;
TABLE workflow.status; TABLE workflow.stat_workflows; TABLE workflow.stat_executors;});
	$attacks += 15;
	unlike($out, qr/ERROR/, "$role under a hostile search_path");
}
# and where a run itself has that path, with temporary things made by a step
is( as_role(
		'alice', q{
CREATE FUNCTION alice.hostile(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('temp', 'CREATE TEMP TABLE step (a pg_catalog.int4)');
	BEGIN
		PERFORM workflow.step('fails', 'SELECT 1 OPERATOR(pg_catalog./) 0');
	EXCEPTION WHEN OTHERS THEN NULL;
	END;
	RETURN workflow.step('set', 'SET search_path = mallory, pg_temp, pg_catalog');
END $$;
SELECT workflow.create_workflow('hostile', 'alice.hostile', search_path => 'mallory, pg_temp, pg_catalog');}), '', 'a run under it');
$attacks++;
is(run_of('alice', 'hostile'), "succeeded||", 'a run under a hostile search_path');
is($node->safe_psql($db, 'SELECT * FROM public.stolen'), '', 'no shadow was used');

# ---- hostile names and values ----

$node->safe_psql($db, q{
CREATE ROLE "ma""l'lo$ry; --" LOGIN;
SELECT workflow.grant_usage('ma"l''lo$ry; --');
CREATE SCHEMA "s'; ""DROP" AUTHORIZATION "ma""l'lo$ry; --"});
$attacks++;
is( as_role(
		q{ma"l'lo$ry; --}, q{
SET search_path = "s'; ""DROP";
CREATE FUNCTION "f(jsonb); DROP"(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('%s%n$1''"', 'SELECT $1', '''; DROP TABLE public.secret; --'::text);
END $$;
SELECT workflow.create_workflow('w%s''; DROP', '"f(jsonb); DROP"', description => '%n''');}), '', 'hostile names');
like(run_of(q{ma"l'lo$ry; --}, q{w%s''; DROP}), qr/^succeeded\|"'; DROP TABLE public.secret; --"/, 'they run as any other');
refused('a statement as body', q{SELECT workflow.create_workflow('x', 'mallory.evil(jsonb); DROP TABLE a')}, qr/ERROR/);
refused('a statement as search_path', q{SELECT workflow.create_workflow('x', 'mallory.evil', search_path => 'a; DROP TABLE b')}, qr/ERROR/);
refused('a forged policy', q{SELECT workflow.create_workflow('x', 'mallory.evil', policy => ROW(-1, '-1 s', 'NaN', NULL, 7, NULL, NULL, NULL, NULL)::workflow.policy)}, qr/ERROR:  .*(must|range)/);
refused('too large an input', q{SELECT workflow.enqueue_workflow('evil', jsonb_build_object('a', repeat('x', 17 * 1024 * 1024)))}, qr/ERROR:  .*too large/);

# ---- settings of a role must not change the engine's own work ----

$node->safe_psql($db, q{
ALTER ROLE mallory SET default_transaction_read_only = on;
ALTER ROLE mallory SET default_transaction_isolation = 'serializable';
ALTER ROLE mallory SET lock_timeout = '1 ms';
ALTER ROLE mallory SET row_security = off;
ALTER ROLE mallory SET search_path = mallory;
ALTER ROLE mallory SET standard_conforming_strings = off;
ALTER ROLE mallory SET bytea_output = escape;
ALTER ROLE mallory SET enable_indexscan = off;
ALTER ROLE mallory SET timezone = 'Pacific/Kiritimati';
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'workflow executor'});
$attacks += 9;
$node->safe_psql($db, q{SET ROLE mallory; SELECT workflow.enqueue_workflow('evil', '{"step": "INSERT INTO mallory.trap VALUES (2) RETURNING a"}', dedup_key => 'odd')});
ok(poll_until($node, $db, q{SELECT state || result::text FROM workflow.runs WHERE dedup_key = 'odd'}, 'succeeded2'),
	'a run of a role with odd settings');
$node->safe_psql($db, 'ALTER ROLE mallory RESET ALL');

# ---- others' processes, and a false extension ----

is(run_of('alice', 'hidden'), qq(succeeded|"hidden result"|), 'alice still runs');
refused('end an executor of alice', 'SELECT pg_terminate_backend('
	. $node->safe_psql($db, q{SELECT executor_pid FROM workflow.stat_executors WHERE role = 'alice' LIMIT 1}) . ')',
	qr/ERROR:  (must be a member|permission denied to terminate)/);
$node->safe_psql('postgres', 'CREATE DATABASE feigned OWNER mallory');
is( as_role(
		'mallory', q{
CREATE SCHEMA _workflow; CREATE SCHEMA workflow;
CREATE TABLE _workflow.run (run_id uuid PRIMARY KEY, finished_at timestamptz, state "char", origin bigint, owner oid);
CREATE TABLE _workflow.control (singleton boolean, origin bigint, site text, stopped_at timestamptz);
CREATE FUNCTION _workflow.steal() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN CREATE TABLE public.stolen (a int); RETURN NULL; END$$;
CREATE TRIGGER t AFTER INSERT OR UPDATE ON _workflow.control EXECUTE FUNCTION _workflow.steal();}, 'feigned'),
	'', 'a false extension');
$node->restart;
wait_for_worker($node, 'scheduler', $db);
$attacks++;
is($node->safe_psql('feigned', q{SELECT to_regclass('public.stolen') IS NULL}), 't', 'nobody works for it');
is(worker_pid($node, 'scheduler', 'feigned'), '', 'it has no scheduler');

# ---- owners that are not who they were ----

$node->safe_psql($db, q{SELECT workflow.stop()});
my $renamed = as_role('alice', q{SELECT workflow.enqueue_workflow('hidden')});
chomp $renamed;
$node->safe_psql($db, q{ALTER ROLE alice RENAME TO was_alice; CREATE ROLE alice LOGIN; SELECT workflow.grant_usage('alice'); SELECT workflow.start()});
ok(poll_until($node, $db, "SELECT state FROM workflow.runs WHERE run_id = '$renamed'", 'parked'), 'a renamed owner\'s run is parked');
refused('a new role of the old name cancels', "SELECT workflow.cancel_run('$renamed')", $denied, 'alice');
gives('a new role of the old name sees nothing', q{SELECT count(*) FROM workflow.runs}, "0", 'alice');

is($node->safe_psql($db, 'SELECT a FROM public.secret'), 'of postgres', 'the secret is where it was');
is($node->safe_psql($db, q{SELECT count(*) FROM public.stolen WHERE who <> 'mallory'}), '0', 'nothing ran as anybody else');
cmp_ok($attacks, '>=', 25, "$attacks attacks");

$node->stop;
scan_log($node);
done_testing();
