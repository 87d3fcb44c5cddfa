# What a run may do is asked anew at each of its turns: a right that is taken
# away stops it before its next step, whatever kind of step that is, and it goes
# on from there when the right is back.  A state that no machine has brought a
# run to is parked and never executed.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('rights', 'workflow.executors = 4');
my $db = 'shop';
create_extension($node, $db);

sub as_role
{
	my ($role, $sql) = @_;
	my ($rc, $out, $err) =
	  $node->psql($db, $sql, extra_params => [ '-U', $role ], on_error_stop => 0);
	return $err ? $out . $err : $out;
}

sub admin { return $node->safe_psql($db, shift); }

# What became of a run: state, reason and steps done.
sub parked_as
{
	my ($run, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(
		poll_until(
			$node, $db,
			"SELECT state || ' ' || coalesce((SELECT reason FROM _workflow.run p WHERE p.run_id = r.run_id), '-')"
			  . " FROM workflow.runs r WHERE run_id = '$run'", $expected, 60),
		$name)
	  || diag(admin("SELECT state, reason, error_code, error_message FROM _workflow.run WHERE run_id = '$run'"));
}

sub ran { return admin("SELECT string_agg(what, ' ' ORDER BY id) FROM public.done WHERE run = '$_[0]'"); }
sub begun { return poll_until($node, $db, "SELECT count(*) FROM public.at_gate WHERE gate = '$_[0]'", $_[1] // '1', 60); }
sub open_gate { return admin("INSERT INTO public.opened VALUES ('$_[0]')"); }

admin(q{
CREATE ROLE rich LOGIN;
CREATE ROLE poor LOGIN IN ROLE rich;
CREATE ROLE clerk LOGIN;
SELECT count(workflow.grant_usage(r)) FROM unnest('{rich,poor,clerk}'::text[]) r;
CREATE TABLE public.done (id int GENERATED ALWAYS AS IDENTITY, run text, what text);
CREATE TABLE public.opened (gate text);
CREATE TABLE public.at_gate (gate text);
GRANT ALL ON public.done, public.opened, public.at_gate TO PUBLIC;
CREATE SCHEMA lib;
GRANT USAGE ON SCHEMA lib TO rich, poor, clerk;
GRANT CREATE ON SCHEMA lib TO poor;
-- a step that tells that it has begun, waits until its gate is open, and was there
CREATE FUNCTION public.pass(run text, what text, gate text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF gate IS NOT NULL THEN
		PERFORM public.tell(gate);
		WHILE NOT EXISTS (SELECT FROM public.opened o WHERE o.gate = pass.gate) LOOP
			PERFORM pg_sleep(0.02);
		END LOOP;
	END IF;
	INSERT INTO public.done (run, what) VALUES (run, what || '/' || current_user);
	RETURN what;
END $$;
CREATE EXTENSION dblink;
-- in a transaction of its own
CREATE FUNCTION public.tell(gate text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	PERFORM dblink_exec('dbname=' || current_database() || ' user=postgres host=' || split_part(current_setting('unix_socket_directories'), ',', 1)
		|| ' port=' || current_setting('port'), format('INSERT INTO public.at_gate VALUES (%L)', gate));
END $$;
CREATE FUNCTION lib.three(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step(w, 'SELECT public.pass($1, $2, $3)', workflow.run_id()::text, w,
	                      CASE WHEN w = 'one' THEN input->>'gate' END)
	   FROM unnest('{one,two,three}'::text[]) w;
	RETURN '"all"';
END $$;
CREATE FUNCTION lib.undoes(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.compensate('undo two', 'SELECT public.pass($1, ''undo two'', NULL)', workflow.run_id()::text);
	PERFORM workflow.compensate('undo one', 'SELECT public.pass($1, ''undo one'', $2)', workflow.run_id()::text, input->>'gate');
	PERFORM workflow.step('fails', 'SELECT 1 / 0');
	RETURN NULL;
END $$;
CREATE FUNCTION lib.maps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.map('m', 'SELECT public.pass($1->>0, $1->>1, $1->>2)',
		jsonb_build_array(jsonb_build_array(workflow.run_id(), 'one', input->>'gate'),
		                  jsonb_build_array(workflow.run_id(), 'two', NULL)), max_parallel => 1);
END $$;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA lib FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA lib TO clerk;
SELECT workflow.create_workflow('three', 'lib.three'), workflow.create_workflow('undoes', 'lib.undoes'), workflow.create_workflow('maps', 'lib.maps');
});

# ---- a right is taken away while a step runs, in a warm executor ----

my @rights = (
	[ 'EXECUTE on the body', 'body',
		'REVOKE EXECUTE ON FUNCTION lib.three(jsonb) FROM clerk', 'GRANT EXECUTE ON FUNCTION lib.three(jsonb) TO clerk' ],
	[ 'USAGE on its schema', 'body', 'REVOKE USAGE ON SCHEMA lib FROM clerk', 'GRANT USAGE ON SCHEMA lib TO clerk' ],
	[ 'grant_usage()', 'owner', "SELECT workflow.revoke_usage('clerk')", "SELECT workflow.grant_usage('clerk')" ],
	[ 'CONNECT', 'owner', 'REVOKE CONNECT ON DATABASE shop FROM PUBLIC', 'GRANT CONNECT ON DATABASE shop TO PUBLIC' ]);
push @rights, [ 'LOGIN', 'owner', 'ALTER ROLE clerk NOLOGIN', 'ALTER ROLE clerk LOGIN' ]
  if admin("SELECT current_setting('server_version_num')::int < 170000") eq 't';

foreach my $right (@rights)
{
	my ($what, $reason, $take, $give) = @$right;
	my $run = as_role('clerk', qq{SELECT workflow.enqueue_workflow('three', '{"gate": "$what"}')});

	ok(begun($what), "$what: the first step has begun");
	admin($take);
	open_gate($what);
	parked_as($run, "parked $reason", "$what: parked before the second step");
	is(ran($run), 'one/clerk', '... with the first step done');
	admin($give);
	admin("SELECT workflow.retry_run('$run')");
	parked_as($run, 'succeeded -', '... and goes on when it is given back');
	is(ran($run), 'one/clerk two/clerk three/clerk', '... each step once');
}

# ---- what is being undone, and parts of a map, are no exception ----

my $run = as_role('clerk', q{SELECT workflow.enqueue_workflow('undoes', '{"gate": "undo"}')});
ok(begun('undo'), 'a run is being compensated');
admin('REVOKE EXECUTE ON FUNCTION lib.undoes(jsonb) FROM clerk');
open_gate('undo');
parked_as($run, 'parked body', '... and parked between two undos');
is(ran($run), 'undo one/clerk', '... with the first of them done');
admin("GRANT EXECUTE ON FUNCTION lib.undoes(jsonb) TO clerk; SELECT workflow.retry_run('$run')");
parked_as($run, 'failed error', '... and undone to its end later');
is(ran($run), 'undo one/clerk undo two/clerk', '... each once');

$run = as_role('clerk', q{SELECT workflow.enqueue_workflow('maps', '{"gate": "map"}')});
ok(begun('map'), 'an item of a map is under way');
admin('REVOKE EXECUTE ON FUNCTION lib.maps(jsonb) FROM clerk');
open_gate('map');
parked_as($run, 'parked body', '... and the run is parked when it may not go on');
is(ran($run), 'one/clerk', '... before the next item');
admin('GRANT EXECUTE ON FUNCTION lib.maps(jsonb) TO clerk');

# a superuser's run uses what superusers own, to its end
$run = admin(q{SELECT workflow.enqueue_workflow('undoes', '{"gate": "super"}')});
ok(begun('super'), 'a run of a superuser is being compensated');
admin('GRANT CREATE ON SCHEMA lib TO clerk; ALTER FUNCTION lib.undoes(jsonb) OWNER TO clerk');
open_gate('super');
parked_as($run, 'parked body', '... and parked when its body is no longer a superuser\'s');
is(ran($run), 'undo one/postgres', '... between two undos');
admin("ALTER FUNCTION lib.undoes(jsonb) OWNER TO postgres; SELECT workflow.retry_run('$run')");
parked_as($run, 'failed error', '... and goes on when it is again');

# ---- run_as ----

as_role('poor', q{
CREATE FUNCTION lib.naps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.wait_for_signal('go');
	RETURN workflow.step('s', 'SELECT public.pass($1, $2, NULL)', workflow.run_id()::text, coalesce(input->>'what', 'slept'));
END $$;
CREATE FUNCTION lib.starts(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('beside', 'SELECT workflow.enqueue_workflow(''plain naps'', ''{"what": "beside"}'')');
	RETURN workflow.child('c', 'plain naps', '{"what": "child"}');
END $$;
SELECT workflow.create_workflow('naps as rich', 'lib.naps', run_as => 'rich'), workflow.create_workflow('plain naps', 'lib.naps'),
       workflow.create_workflow('starts as rich', 'lib.starts', run_as => 'rich');
});
my $slept = as_role('poor', q{SELECT workflow.enqueue_workflow('naps as rich')});
my $own = as_role('rich', q{SELECT workflow.enqueue_workflow('naps as rich', '{"what": "own"}')});
my $starts = as_role('poor', q{SELECT workflow.enqueue_workflow('starts as rich')});
ok(poll_until($node, $db, q{SELECT count(*) FROM workflow.runs WHERE waiting_for = 'signal' AND owner = 'rich'}, '4', 60),
	'runs as another role are under way');
my ($beside, $child) = split /\n/, admin(q{SELECT run_id FROM workflow.runs WHERE workflow = 'plain naps' ORDER BY parent_run_id NULLS FIRST});
my $fork = as_role('poor', "SELECT workflow.fork_run('$slept', 1)");
ok(poll_until($node, $db, "SELECT count(*) FROM workflow.runs WHERE run_id = '$fork' AND waiting_for = 'signal'", '1', 60), 'and a fork of one');
admin('REVOKE rich FROM poor');
as_role('poor', q{
CREATE OR REPLACE FUNCTION lib.naps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.wait_for_signal('go');
	RETURN workflow.step('s', 'SELECT public.pass($1, ''stolen'', NULL)', workflow.run_id()::text);
END $$});
admin("SELECT workflow.signal_run(run, 'go') FROM unnest('{$slept,$own,$beside,$child,$fork}'::uuid[]) run");
parked_as($slept, 'parked owner', 'run_as: parked when the workflow\'s owner is no longer a member');
parked_as($child, 'parked owner', '... so is a child of such a run');
parked_as($beside, 'parked owner', '... a run that a step of it has enqueued');
parked_as($fork, 'parked owner', '... and a fork');
is(ran($_), '', 'nothing of it has run') foreach $slept, $child, $beside, $fork;
parked_as($own, 'succeeded -', 'what the role has enqueued itself goes on');
like(admin("SELECT error_message || ' ' || error_detail FROM _workflow.run WHERE run_id = '$slept'"),
	qr/permission denied to have the run go on as "rich" It runs so by run_as of a workflow of "poor"/, 'and the error says why');
admin("GRANT rich TO poor; SELECT workflow.retry_run('$slept')");
parked_as($slept, 'succeeded -', '... until he is again');

# ---- no executor can be started at all ----

admin('CREATE ROLE gone LOGIN; SELECT workflow.grant_usage(\'gone\'); GRANT USAGE ON SCHEMA lib TO gone;'
	  . ' GRANT EXECUTE ON FUNCTION lib.three(jsonb) TO gone; GRANT EXECUTE ON FUNCTION public.pass(text, text, text) TO gone');
admin("SELECT workflow.pause_workflow('three')");
my $cold = as_role('gone', q{SELECT workflow.enqueue_workflow('three')});
admin("REVOKE CONNECT ON DATABASE shop FROM PUBLIC; SELECT workflow.resume_workflow('three')");
parked_as($cold, 'parked owner', 'without CONNECT the scheduler parks');
admin("GRANT CONNECT ON DATABASE shop TO PUBLIC; SELECT workflow.pause_workflow('three')");
admin("SELECT workflow.retry_run('$cold')");
admin("SELECT workflow.revoke_usage('gone'); DROP OWNED BY gone; DROP ROLE gone; SELECT workflow.resume_workflow('three')");
parked_as($cold, 'parked owner', 'so it does where the role is dropped');

# a cancel needs no right
admin("SELECT workflow.cancel_run('$cold'), workflow.cancel_run('$child')");
parked_as($cold, 'cancelled -', 'a run without an owner can be cancelled');

# ---- states that no machine has brought about ----

my @row = (
	[ 'compensating without an end', "state = 'k', started_at = now()" ],
	[ 'compensating with nothing registered', "state = 'k', end_state = 'f', started_at = now()" ],
	[ 'compensating, never begun', "state = 'k', end_state = 'c', started_at = NULL" ],
	[ 'an end that is none', "state = 'k', end_state = 's', started_at = now()" ],
	[ 'queued with an end', "end_state = 'f'" ],
	[ 'waiting for nothing', "state = 'w'" ],
	[ 'waiting for what is not known', "state = 'w', waiting_for = '?'" ],
	[ 'a state that is not known', "state = '?'" ],
	[ 'ended without an end', "state = 's'" ]);
# kind, state, ordinal, more columns
my @steps = (
	[ 'a kind that is not known', "'?', 'd', 1, 'SELECT 1', NULL" ],
	[ 'a call in no known state', "'s', '?', 1, 'SELECT 1', NULL" ],
	[ 'a gap', "'s', 'd', 2, 'SELECT 1', NULL" ],
	[ 'an undo of a run that is not undone', "'U', 'd', 1, 'SELECT 1', NULL" ],
	[ 'failed without an error', "'s', 'f', 1, 'SELECT 1', NULL" ],
	[ 'an undo with no compensation', "'U', 'r', 1, 'ALTER ROLE clerk SUPERUSER', NULL", "state = 'k', end_state = 'f', started_at = now()" ],
	[ 'a compensation without a command', "'u', 'd', 1, NULL, NULL", "state = 'k', end_state = 'f', started_at = now()" ]);
admin("SELECT workflow.stop('to write rows')");
my %forged;
foreach my $case (@row, @steps)
{
	my ($name, $step, $set) = @$case;
	my $id = admin(q{SELECT workflow.enqueue_workflow('three')});
	if ($step =~ /^'/)
	{
		admin("INSERT INTO _workflow.step (run_id, fingerprint, started_at, finished_at, attempt, name, kind, state, ordinal, command, result)"
			  . " SELECT '$id', 0, now(), now(), 1, 'one', v.* FROM (VALUES (${step}::jsonb)) v");
		$step = $set;
	}
	admin("UPDATE _workflow.run SET $step WHERE run_id = '$id'") if $step;
	$forged{$name} = $id;
}
# what a scheduler reads is looked at whole; what it was just told of is fresh
$node->restart;
admin('SELECT workflow.start()');
foreach my $name (map { $_->[0] } @row, @steps)
{
	parked_as($forged{$name}, 'parked state', "$name: parked");
	is(ran($forged{$name}), '', '... and not executed');
}
my $last = as_role('clerk', q{SELECT workflow.enqueue_workflow('three')});
parked_as($last, 'succeeded -', 'others go on');
is(admin("SELECT count(*) FROM pg_roles WHERE rolname = 'clerk' AND rolsuper"), '0', 'nobody became anything');
is(admin("SELECT workflow.why('$forged{'a gap'}') LIKE '%is in a state that%'"), 't', 'why() says so');
admin("SELECT workflow.cancel_run('$_', compensate => false)") foreach values %forged;
ok(poll_until($node, $db, q{SELECT count(*) FROM workflow.runs WHERE state = 'parked' AND workflow = 'three'}, '0', 60),
	'they can be cancelled');

$node->stop;
scan_log($node);
done_testing();
