# Whoever wrote the body, owns the workflow or owned a role before tries to act
# as somebody else through a run.  Every test is an attack that must have
# gained nothing.

use strict;
use warnings;

use Attack;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = attack_node('workflow.executors = 2',
	"workflow.executor_idle_timeout = '1 s'");

# ---- who is who ----

$node->safe_psql(
	'shop', q{
	CREATE ROLE rich LOGIN;
	SELECT workflow.grant_usage('rich');
	CREATE SCHEMA rich AUTHORIZATION rich;
	GRANT USAGE ON SCHEMA rich TO PUBLIC;
});
equip();
as( 'rich', q{
	CREATE TABLE rich.money (paid_to text);
	CREATE FUNCTION rich.pay(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  IF workflow.step_text('allowed', 'SELECT (1 / 0)::text') = 'yes' THEN
	    PERFORM workflow.step('pay', 'INSERT INTO rich.money VALUES ($1)',
	                          current_user::text);
	  END IF;
	  RETURN to_jsonb(current_user);
	END $$;
	SELECT workflow.create_workflow('pay', 'rich.pay', on_failure => 'park');
});
as( 'mallory', q{
	CREATE FUNCTION mallory.who(input jsonb) RETURNS jsonb LANGUAGE sql AS
	  $$ SELECT workflow.step('who', 'SELECT current_user') $$;
	CREATE FUNCTION mallory.nap(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.wait_for_signal('go');
	  RETURN workflow.step('who', 'SELECT current_user');
	END $$;
	SELECT workflow.create_workflow('nap', 'mallory.nap');
	SELECT workflow.create_workflow('who', 'mallory.who');
});

my $started = as('boss', 'SELECT pg_postmaster_start_time()');

sub runs_of
{
	my ($role) = @_;

	return as('boss',
		"SELECT count(*) FROM workflow.runs WHERE owner = '$role'");
}

# ---- a fork that belongs to somebody else ----

sub parked_run
{
	my $run = as('mallory', "SELECT workflow.enqueue_workflow('pay')");

	wait_for_state($run, 'parked') or die 'the run is not parked';
	return $run;
}

my $forged = parked_run();
my $replaced = parked_run();

as('rich', "SELECT workflow.alter_workflow('pay', run_as => 'rich')");
is( as( 'mallory',
		"SELECT workflow.set_step_result('$forged', 1, '\"yes\"')"),
	't', 'mallory forges a result of her own run');
ok(poll_until($node, 'shop', "SELECT state IN ('parked', 'failed', 'succeeded')"
	  . " AND EXISTS (SELECT FROM workflow.steps s WHERE s.run_id = r.run_id"
	  . "              AND result = '\"yes\"')"
	  . " FROM workflow.runs r WHERE run_id = '$forged'", 't', 60),
	'which is hers');
refused('mallory', '42501', "SELECT workflow.fork_run('$forged', 2)",
	'a forged result is not carried into a run of another role');
is( as( 'mallory',
		"SELECT workflow.retry_run('$replaced', body => 'mallory.who')"),
	't', 'mallory gives her run another body');
ok(poll_until($node, 'shop',
		"SELECT body FROM workflow.runs WHERE run_id = '$replaced'",
		'mallory.who(jsonb)', 60),
	'which is hers');
refused('mallory', '42501', "SELECT workflow.fork_run('$replaced', 1)",
	'a body of mallory\'s is not carried into a run of another role');
refused('boss', '42501', "SELECT workflow.fork_run('$replaced', 1)",
	'a superuser does not fork it into a run of his own');
as('boss', 'GRANT mallory TO alice');
as('rich', "SELECT workflow.alter_workflow('pay', reset => '{run_as}')");
refused('alice', '42501', "SELECT workflow.fork_run('$replaced', 1)",
	'nor does a member of mallory');
as('boss', 'REVOKE mallory FROM alice');
is(runs_of('rich'), '0', 'rich has no run');
is(as('rich', "SELECT count(*) FROM rich.money WHERE paid_to <> 'mallory'"),
	'0', 'nothing was paid by rich');
like(as('mallory', "SELECT workflow.fork_run('$replaced', 1)"),
	qr/^[0-9a-f-]{36}$/, 'mallory forks her run into another of hers');

# ---- rights that were taken away meanwhile ----

# A run of alice's that waits, then what is done, then the signal: the state
# it comes to, and why.
sub after
{
	my ($workflow, $before, $do, $undo) = @_;

	as('boss', $before) if $before;
	my $run = as('alice', "SELECT workflow.enqueue_workflow('$workflow')");
	wait_for_state($run, 'waiting') or return 'not waiting';
	as('boss', $do);
	as('boss', "SELECT workflow.signal_run('$run', 'go')");
	poll_until($node, 'shop',
		"SELECT state IN ('parked', 'succeeded', 'failed')"
		  . " FROM workflow.runs WHERE run_id = '$run'", 't', 60);
	my $answer = as('boss',
		"SELECT v.state || ' ' || r.reason || ' ' || coalesce(r.result::text, '-')"
		  . ' FROM _workflow.run r JOIN workflow.runs v USING (run_id)'
		  . " WHERE run_id = '$run'");
	as('boss', $undo);
	as('boss', "SELECT workflow.cancel_run('$run')");
	return $answer;
}

is( after('nap', '', 'REVOKE EXECUTE ON FUNCTION mallory.nap FROM PUBLIC',
		'GRANT EXECUTE ON FUNCTION mallory.nap TO PUBLIC'),
	'parked body -', 'EXECUTE on the body revoked while the run waits');
is( after('nap', '', 'REVOKE USAGE ON SCHEMA mallory FROM PUBLIC',
		'GRANT USAGE ON SCHEMA mallory TO PUBLIC'),
	'parked body -', 'USAGE on its schema revoked');
SKIP:
{
	skip 'roles need no LOGIN', 1 if $node->pg_version >= 17;
	is( after('nap', '', 'ALTER ROLE alice NOLOGIN', 'ALTER ROLE alice LOGIN'),
		'parked owner -', 'LOGIN taken from the owner');
}
is( after('nap', 'REVOKE CONNECT ON DATABASE shop FROM PUBLIC;'
		  . 'GRANT CONNECT ON DATABASE shop TO alice, mallory, rich',
		'REVOKE CONNECT ON DATABASE shop FROM alice',
		'GRANT CONNECT ON DATABASE shop TO PUBLIC'),
	'parked owner -', 'CONNECT revoked');
is( after('nap', '', "SELECT workflow.revoke_usage('alice')",
		"SELECT workflow.grant_usage('alice')"),
	'parked owner -', 'what grant_usage() gave is revoked');

# a role that a workflow runs as, which its owner is no member of any more
as('boss', 'GRANT rich TO mallory');
as( 'mallory',
	"SELECT workflow.create_workflow('rich nap', 'mallory.nap', run_as => 'rich')"
);
my $as_rich = as('mallory', "SELECT workflow.enqueue_workflow('rich nap')");
ok(wait_for_state($as_rich, 'waiting'), 'a run waits as rich');
as('boss', 'REVOKE rich FROM mallory');
as( 'mallory', q{
	CREATE OR REPLACE FUNCTION mallory.nap(input jsonb) RETURNS jsonb
	LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.wait_for_signal('go');
	  RETURN workflow.step('steal',
	    'INSERT INTO rich.money VALUES (current_user) RETURNING paid_to');
	END $$;
});
as('boss', "SELECT workflow.signal_run('$as_rich', 'go')");
ok(wait_for_state($as_rich, 'parked'),
	'it is parked once mallory is no member of rich');
is( as('boss', "SELECT reason FROM _workflow.run WHERE run_id = '$as_rich'"),
	'owner', 'because of its owner');
is(as('rich', "SELECT count(*) FROM rich.money WHERE paid_to = 'rich'"),
	'0', 'a body replaced after that took nothing of rich\'s');
refused('mallory', '42501', "SELECT workflow.enqueue_workflow('rich nap')",
	'and no other run is made');

# ---- the owner of the workflow, who does not own the run ----

as( 'mallory', q{
	CREATE OR REPLACE FUNCTION mallory.nap(input jsonb) RETURNS jsonb
	LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.wait_for_signal('go');
	  RETURN input;
	END $$;
	SELECT workflow.create_queue('hers');
	SELECT workflow.alter_workflow('nap', queue => 'hers');
});
my $hers = as('alice',
	q{SELECT workflow.enqueue_workflow('nap', '"secret-input"')});
ok(wait_for_state($hers, 'waiting'), 'a run of alice\'s in a workflow of mallory\'s');
for my $call (
	"cancel_run('$hers')",     "retry_run('$hers')",
	"retry_run('$hers', body => 'mallory.who')",
	"pause_run('$hers')",      "resume_run('$hers')",
	"wake_run('$hers')",       "set_step_result('$hers', 1, '1')",
	"fork_run('$hers', 1)",    "delete_run('$hers')",
	"signal_run('$hers', 'go')", "why('$hers')",
	"timeline('$hers')",       "describe('$hers')")
{
	refused('mallory', '42501', "SELECT workflow.$call",
		"the owner of workflow and queue: $call");
}
refused('mallory', '42501', "CALL workflow.wait_for_run('$hers', '1 s')",
	'the owner of workflow and queue: wait_for_run()');
for my $view ('runs', 'steps', 'signals', 'audit_log', 'dead_letters', 'checks')
{
	is( as('mallory', "SELECT * FROM workflow.$view v WHERE v::text ~ '$hers'"),
		'', "workflow.$view does not show it to her");
}
is( as( 'mallory', q{
		SELECT count(*) FROM workflow.checks
		 WHERE check_id = workflow.check_workflow('nap', 'mallory.who')}),
	'0', 'check_workflow() checks none of alice\'s runs for her');
is(state_of($hers), 'waiting', 'the run still waits');
is(as('alice', "SELECT input FROM workflow.runs WHERE run_id = '$hers'"),
	'"secret-input"', 'as it was enqueued');
is(as('alice', "SELECT count(*) FROM workflow.audit_log WHERE run_id = '$hers'"),
	'0', 'and nothing was asked of it');
as('alice', "SELECT workflow.cancel_run('$hers')");

# ---- functions of the extension in places that they were not made for ----

is( not_refused('mallory', '42501',
		"SELECT workflow.create_workflow('w', '_workflow.check_run')",
		"SELECT workflow.create_workflow('w', '_workflow.run_alert')",
		"SELECT _workflow.check_run('{}')",
		"SELECT _workflow.run_alert('{}')"),
	'', 'the bodies of the extension\'s own runs are granted to nobody');
as( 'mallory', q{
	CREATE FUNCTION mallory.swallow(input jsonb) RETURNS jsonb LANGUAGE plpgsql
	AS $$ BEGIN
	  FOR i IN 1..300 LOOP
	    BEGIN
	      PERFORM workflow.step('x', 'SELECT 1');
	    EXCEPTION WHEN query_canceled THEN NULL;
	    END;
	  END LOOP;
	  RETURN '1';
	END $$;
	CREATE FUNCTION mallory.check(input jsonb) RETURNS jsonb LANGUAGE plpgsql
	AS 'BEGIN RETURN _workflow.check_run(input); END';
	SELECT workflow.create_workflow('swallow', 'mallory.swallow');
	SELECT workflow.create_workflow('check', 'mallory.check');
});
my $swallow = as('mallory',
	"SELECT workflow.enqueue_workflow('swallow', delay => '1 day')");
as( 'mallory', qq{
	SELECT count(*) FROM generate_series(1, 300) b, LATERAL workflow.try_workflow(
	  'check', jsonb_build_object('run_id', '$swallow', 'body_id', b::text))});
is(as('boss', 'SELECT pg_postmaster_start_time()'),
	$started, 'check_run() in a trial takes nothing down');
like(run_as('mallory', 'check', qq({"run_id": "$swallow", "body_id": "1"})),
	qr/^(failed|parked)\|/, 'nor does it work in a run');
as('mallory', "SELECT workflow.cancel_run('$swallow')");
# the superuser may call everything, and gains no more by it
as( 'boss', q{
	SELECT workflow.create_workflow('alert', '_workflow.run_alert');
	SELECT workflow.create_workflow('checked', '_workflow.check_run');
});
for my $input ('{"function": 12345678901234567890, "alert": {}}',
	'{"function": "f", "alert": 1}', '[]', '1', 'null', '{}')
{
	like(as('boss', "SELECT error FROM workflow.try_workflow('alert', '$input')"),
		qr/^42501: /, "run_alert($input) in a trial");
}
# retried, as this error may pass
my $alert = as('boss', q{SELECT workflow.enqueue_workflow('alert',
  '{"function": 12345678901234567890, "alert": {}}')});
ok( poll_until($node, 'shop',
		"SELECT body_attempts > 0 OR finished_at IS NOT NULL OR state = 'p'"
		  . " FROM _workflow.run WHERE run_id = '$alert'", 't', 60),
	'run_alert() in a run');
as('boss', "SELECT workflow.cancel_run('$alert')");
is(as('boss', 'SELECT pg_postmaster_start_time()'),
	$started, 'the server was not taken down');

# ---- trials ----

as( 'mallory', q{
	CREATE FUNCTION mallory.try_helper() RETURNS text LANGUAGE plpgsql
	SECURITY DEFINER AS $$
	BEGIN
	  RETURN (SELECT string_agg(error, ',') FROM workflow.try_workflow('who'));
	EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE;
	END $$;
	CREATE MATERIALIZED VIEW mallory.trial AS SELECT 1 AS a;
});
as('rich', "SELECT workflow.create_workflow('as rich', 'mallory.who', run_as => 'rich')");
is( as( 'mallory', "SELECT result FROM workflow.try_workflow('as rich') WHERE kind = 'result'"),
	'"mallory"', 'a trial of a workflow that runs as rich is mallory\'s own');
is(as('boss', 'SELECT mallory.try_helper()'),
	'42501', 'no trial inside a SECURITY DEFINER function');
like(as('boss', "SELECT error FROM workflow.try_workflow('who')"),
	qr/42501/, 'a superuser tries no body of mallory\'s');
as('boss', 'REVOKE EXECUTE ON FUNCTION mallory.who FROM PUBLIC');
like(as('alice', "SELECT error FROM workflow.try_workflow('who')"),
	qr/42501/, 'nor does alice without EXECUTE on it');
as('boss', 'GRANT EXECUTE ON FUNCTION mallory.who TO PUBLIC');

# ---- settings of the body and of roles ----

as( 'mallory', q{
	CREATE FUNCTION mallory.set_role(input jsonb) RETURNS jsonb LANGUAGE plpgsql
	SET role = 'mallory' AS $$
	BEGIN RETURN workflow.step('who', 'SELECT current_user'); END $$;
	SELECT workflow.create_workflow('set role', 'mallory.set_role');
});
as('mallory', q{ALTER FUNCTION mallory.set_role(jsonb) SET role = 'rich'});
like(run_as('mallory', 'set role'), qr/^(failed|parked)\|\|/,
	'a body set to a role that mallory is no member of does not run');
as('mallory', q{ALTER FUNCTION mallory.set_role(jsonb) SET role = 'mallory'});
like(run_as('alice', 'set role'), qr/^(failed|parked)\|\|/,
	'one that sets another role makes no step of alice\'s');
as('mallory', 'ALTER ROLE mallory SET role = rich');
like(run_as('mallory', 'who'), qr/^succeeded\|"mallory"\|/,
	'a role that her sessions would begin as has no effect on her runs');
as('boss', 'ALTER ROLE mallory RESET role');
for my $setting ("statement_timeout = '1 ms'", "lock_timeout = '1 ms'",
	'default_transaction_read_only = on',
	"default_transaction_isolation = 'serializable'",
	"idle_in_transaction_session_timeout = '1 ms'",
	"search_path = 'mallory, pg_temp'", 'standard_conforming_strings = off',
	'quote_all_identifiers = on', 'array_nulls = off', 'row_security = off')
{
	as('boss', "ALTER ROLE mallory SET $setting");
	# what an executor has is read when it starts
	poll_until($node, 'shop', 'SELECT count(*) FROM workflow.stat_executors'
		  . " WHERE role = 'mallory'", '0', 60);
	like(run_as('alice', 'who'), qr/^succeeded\|"alice"\|$/,
		"mallory's setting does not reach runs of alice's: $setting");
	as('boss', 'ALTER ROLE mallory RESET ALL');
}

# ---- files, programs, languages ----

my $refused = '"42501"';
like(
	run_as( 'mallory', 'steps',
		q(["COPY mallory.trial TO PROGRAM ''id''", "COPY mallory.trial TO ''/tmp/x''",
		   "SELECT pg_read_file(''PG_VERSION'')", "SELECT lo_import(''/etc/passwd'')",
		   "SELECT mallory.try(''CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION mallory.fire()'')",
		   "ALTER SYSTEM SET work_mem = 1",
		   "CREATE FUNCTION mallory.c() RETURNS int LANGUAGE internal AS ''pg_backend_pid''"])
	),
	qr/^succeeded\|\[($refused, ){4}"42[0-9A-Z]{3}", "(42501|25001)", $refused, /,
	'steps have no files, programs or languages that mallory has not');

# ---- views of hers ----

$hers = as('alice', q{SELECT workflow.enqueue_workflow('nap', '"secret-input"')});
as( 'mallory', q{
	CREATE MATERIALIZED VIEW mallory.copy AS
	  SELECT run_id, input FROM workflow.runs WITH NO DATA;
	CREATE VIEW mallory.shown AS SELECT run_id, input FROM workflow.runs;
	CREATE FUNCTION mallory.shown() RETURNS bigint LANGUAGE sql SECURITY DEFINER
	  AS 'SELECT count(*) FROM workflow.runs WHERE owner = ''alice''';
	GRANT SELECT ON mallory.copy, mallory.shown TO PUBLIC;
});
as('boss', 'REFRESH MATERIALIZED VIEW mallory.copy');
is( as('mallory', 'SELECT count(*) FROM mallory.copy WHERE input::text ~ \'secret\''),
	'0', 'a materialized view that a superuser refreshes has nothing of alice\'s');
is(as('mallory', 'SELECT count(*) FROM mallory.shown'
		  . ' WHERE input::text ~ \'secret\''),
	'0', 'nor has a view');
is(as('boss', 'SELECT mallory.shown()'),
	'0', 'nor a SECURITY DEFINER function that a superuser calls');
is( not_refused(
		'mallory', '42501',
		'CREATE OPERATOR mallory.= (FUNCTION = mallory.eq, LEFTARG = workflow.policy, RIGHTARG = workflow.policy)'
	) =~ s/.*ERROR:  (42883|42704)$//r,
	'', 'no operator on the extension\'s type');
refused('mallory', '42501', 'CREATE TABLE mallory.p (p workflow.policy)',
	'nor a table with it');
as('alice', "SELECT workflow.cancel_run('$hers')");

# ---- roles that come and go ----

as( 'boss', q{
	CREATE ROLE temp LOGIN;
	SELECT workflow.grant_usage('temp');
	SELECT workflow.create_queue('closed', closed => true);
	SELECT workflow.grant_queue('closed', 'temp', 'send');
	SELECT workflow.grant_queue('closed', 'temp', 'receive');
});
my $old = as('temp',
	q{SELECT workflow.enqueue_workflow('nap', '"secret-input"', dedup_key => 'k')});
as('temp', q{SELECT workflow.send('closed', '"secret"')});
as( 'boss', q{
	SELECT workflow.revoke_usage('temp');
	DROP ROLE temp;
	CREATE ROLE temp LOGIN;
	SELECT workflow.grant_usage('temp');
});
is(as('temp', 'SELECT count(*) FROM workflow.runs'),
	'0', 'a new role of the same name sees no run of the old one');
is( not_refused('temp', '42501|42704', "SELECT workflow.cancel_run('$old')",
		"SELECT workflow.signal_run('$old', 'go')",
		"SELECT workflow.receive('closed')", "SELECT workflow.send('closed', '1')"),
	'', 'and has none of its rights');
is(as('temp', "SELECT workflow.find_run('nap', 'k')"),
	'', 'a key of the old role is not met');
as('boss', "SELECT workflow.cancel_run('$old')");
is( not_refused('mallory', '42501',
		'ALTER FUNCTION mallory.who(jsonb) OWNER TO rich',
		'ALTER FUNCTION rich.pay(jsonb) OWNER TO mallory',
		'REASSIGN OWNED BY rich TO mallory', 'DROP OWNED BY rich',
		'ALTER ROLE rich RENAME TO poor',
		"SELECT workflow.create_queue('q', owner => 'rich')"),
	'', 'mallory gives nothing away, and takes nothing');

# ---- alerts ----

as( 'mallory', q{
	CREATE TABLE mallory.told (who text);
	GRANT ALL ON mallory.told TO PUBLIC;
	CREATE FUNCTION mallory.tell(alert jsonb) RETURNS void LANGUAGE sql
	  AS 'INSERT INTO mallory.told VALUES (current_user)';
	SELECT workflow.create_queue('watched', alert => 'mallory.tell',
	                             alert_depth => 1);
});
refused('boss', '42501',
	q{SELECT workflow.alter_queue('watched', alert => 'mallory.tell')},
	'a superuser does not set a function of mallory\'s as alert');
as('boss', q{SELECT workflow.alter_queue('watched', description => 'seen')});
is( as('boss', q{SELECT alert_role FROM workflow.queues WHERE queue = 'watched'}),
	'mallory', 'what a superuser changes of the queue leaves the alert hers');
as('alice', q{SELECT workflow.send('watched', '1') FROM generate_series(1, 3)});
ok( poll_until($node, 'shop', 'SELECT count(*) > 0 FROM mallory.told', 't', 60),
	'the alert is told');
is(as('boss', "SELECT string_agg(DISTINCT who, ',') FROM mallory.told"),
	'mallory', 'as mallory');

is( as('boss', q{SELECT string_agg(rolname::text, ',' ORDER BY rolname) FROM pg_roles
		WHERE rolsuper}),
	'boss,postgres', 'nobody has become a superuser');
is(as('boss', 'SELECT pg_postmaster_start_time()'),
	$started, 'and the server has not been restarted');
scan_log($node);
done_testing();
