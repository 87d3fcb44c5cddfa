# What tests of attacks have in common: scripts run as a role, told by what
# they print and by the SQLSTATEs of what is refused.  The database is "shop",
# and its superuser is "boss".
package Attack;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

our @EXPORT = qw(
  attack_node
  equip
  as
  run_as
  refused
  not_refused
  state_of
  wait_for_state
  workers
  open_session
  close_session
);

my $node;

# attack_node(conf lines...): a node with database "shop", the extension, the
# superuser boss and the roles mallory and alice, who own a schema each that
# all may use.
sub attack_node
{
	$node = new_node('main', 'log_min_messages = info', @_);
	create_extension($node, 'shop');
	$node->safe_psql(
		'shop', q{
		CREATE ROLE boss SUPERUSER LOGIN;
		CREATE ROLE mallory LOGIN;
		CREATE ROLE alice LOGIN;
		SELECT workflow.grant_usage(r) FROM unnest('{mallory,alice}'::text[]) r;
		CREATE SCHEMA boss AUTHORIZATION boss;
		CREATE SCHEMA mallory AUTHORIZATION mallory;
		CREATE SCHEMA alice AUTHORIZATION alice;
		GRANT USAGE ON SCHEMA alice, mallory TO PUBLIC;
	});
	return $node;
}

# equip(): mallory gets what attacks are made of: workflows "steps" and
# "inside", which run each command of their input as a step or in the body,
# and then tell who they are.
sub equip
{
	as( 'mallory', q{
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
	return;
}

sub command_of
{
	my ($role, $db) = @_;

	return [
		$node->installed_command('psql'),
		'-XAtq', '-v', 'VERBOSITY=sqlstate', '-d',
		$node->connstr($db // 'shop') . " user=$role" ];
}

# as(role, script): what psql printed, then its errors, shown only as
# SQLSTATEs, and all on one line.
sub as
{
	my ($role, $sql, $db) = @_;
	my ($out, $err) = ('', '');

	utf8::encode($sql);
	IPC::Run::run(command_of($role, $db), '<', \$sql, '>', \$out, '2>', \$err);
	$err =~ s/psql:<stdin>:\d+: //g;
	$out .= $err;
	$out =~ s/\s*\n/ /g;
	$out =~ s/^\s+|\s+$//g;
	return $out;
}

# run_as(role, workflow, input): enqueues and waits: state|result|error
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

# refused(role, codes, statement, name): a test that it fails with one of them
sub refused
{
	my ($role, $codes, $statement, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return like(as($role, $statement), qr/^ERROR:  ($codes)$/, $name);
}

# not_refused(role, codes, statements...): those that did not fail so
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

# state_of(run): its state, as the superuser sees it
sub state_of
{
	my ($run) = @_;

	return as('boss', "SELECT state FROM workflow.runs WHERE run_id = '$run'");
}

# wait_for_state(run, state): true once it has it
sub wait_for_state
{
	my ($run, $state) = @_;

	return poll_until($node, 'shop',
		"SELECT state FROM workflow.runs WHERE run_id = '$run'", $state, 60);
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

# open_session(role, script): a session that has run the script and stays;
# for close_session(), which ends it.
sub open_session
{
	my ($role, $sql) = @_;
	my $session = { in => "$sql\n\\echo ready\n", out => '', err => '' };

	$session->{psql} = IPC::Run::start(
		command_of($role),
		'<', \$session->{in},
		'>', \$session->{out},
		'2>', \$session->{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	IPC::Run::pump($session->{psql}) until $session->{out} =~ /^ready$/m;
	return $session;
}

sub close_session
{
	my ($session) = @_;

	$session->{in} .= "\\q\n";
	IPC::Run::finish($session->{psql});
	return;
}

1;
