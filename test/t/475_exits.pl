# The scheduler commits asynchronously, and what an answer rests on is on disk
# before the answer leaves: WAL that nobody has asked to be flushed is lost here,
# as the WAL writer stands still and the server is killed.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use WorkflowTest;

my $db = 'shop';

sub state_of
{
	my ($node, $run) = @_;

	return $node->safe_psql($db,
		"SELECT state FROM _workflow.run WHERE run_id = '$run'");
}

# What the table says of a run that was cancelled, and told to be, after a crash.
sub crash_after_answer
{
	my ($name, @conf) = @_;
	my $node = new_node($name, 'autovacuum = off', 'bgwriter_lru_maxpages = 0',
		'checkpoint_timeout = 1h', @conf);

	create_extension($node, $db);
	$node->safe_psql($db, q{
		CREATE FUNCTION nap(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
		BEGIN
		  PERFORM workflow.sleep('1 hour');
		  RETURN '1';
		END $$;
		SELECT workflow.create_workflow('nap');
	});
	my $run = $node->safe_psql($db,
		"SELECT workflow.enqueue_workflow('nap', delay => '1 day')");
	$node->safe_psql($db, "CALL workflow.wait_until_idle('60 s')");
	my $writer = $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'");
	kill('STOP', $writer) or die "could not stop $writer: $!";

	$node->safe_psql($db, "SELECT workflow.cancel_run('$run')");
	is( $node->safe_psql($db, "CALL workflow.wait_for_run('$run', '60 s')"),
		'cancelled||',
		"$name: the run is told to be cancelled");
	my $postmaster =
	  (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	$node->kill9;
	kill('KILL', $writer);
	usleep(20_000) while kill(0, $postmaster);

	# nobody is there to cancel it again
	$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
	poll_start($node);
	my $state = state_of($node, $run);
	$node->stop;
	return $state;
}

# The killed server's processes may still be on their way out.
sub poll_start
{
	my ($node) = @_;

	for (1 .. 600)
	{
		return if $node->start(fail_ok => 1);
		$node->_update_pid(0);
		usleep(100_000);
	}
	die "the server does not start";
}

is(crash_after_answer('sound'), 'c', 'and is, after a crash');
is(crash_after_answer('broken', "workflow.test_break = 'exit-unflushed'"),
	'q', 'which is not so where the exit is left out');

# ---- no synchronous standby ----

my $node = new_node(
	'lonely',
	'workflow.executors = 2',
	{ streaming => 1 });
create_extension($node, $db);
$node->safe_psql($db, q{
	CREATE ROLE local LOGIN;
	ALTER ROLE local SET synchronous_commit = local;
	GRANT ALL ON SCHEMA public TO local;
	SELECT workflow.grant_usage('local');
});

sub as_local
{
	my ($sql) = @_;

	local $ENV{PGUSER} = 'local';
	return $node->safe_psql($db, $sql);
}

as_local(q{
	CREATE FUNCTION quick(input jsonb) RETURNS jsonb LANGUAGE sql
	  AS $$ SELECT workflow.step('s', 'SELECT 1') $$;
	SELECT workflow.create_workflow('quick');
	SELECT workflow.create_queue('letters');
	SELECT workflow.create_queue('slow', rate_limit => 100, rate_period => '1 s');
});
$node->safe_psql('postgres',
	"ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
$node->reload;
$node->poll_query_until('postgres',
	"SELECT current_setting('synchronous_standby_names') = 'nobody'");

my $message = as_local("SELECT workflow.send('letters', '1')");
is(as_local("SELECT message_id FROM workflow.receive('letters')"),
	$message, 'a message is received');
my $run = as_local("SELECT workflow.enqueue_workflow('quick')");
is(as_local("CALL workflow.wait_for_run('$run', '60 s')"),
	'succeeded|1|', 'a run is done');
$run = as_local("SELECT workflow.enqueue_workflow('quick', queue => 'slow')");
is(as_local("CALL workflow.wait_for_run('$run', '60 s')"),
	'succeeded|1|', 'also one with a rate');
$run = as_local("SELECT workflow.enqueue_workflow('quick', delay => '1 day')");
as_local("SELECT workflow.cancel_run('$run')");
is(as_local("CALL workflow.wait_for_run('$run', '60 s')"),
	'cancelled||', 'and a cancel');

# Whoever wants to be sure of the standby waits for it, and can be cancelled.
{
	local $ENV{PGOPTIONS} = '-c statement_timeout=1s';
	my ($rc, $out, $err) = ask($node, $db, "CALL workflow.wait_for_run('$run', '60 s')");
	like($err, qr/canceling statement/,
		'a client with synchronous_commit = on is told nothing');
	like($err, qr/not been replicated/, 'and why');
}
$node->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_standby_names');
$node->reload;
is( $node->safe_psql($db, "CALL workflow.wait_for_run('$run', '60 s')"),
	'cancelled||',
	'until nobody asks for a standby');

scan_log($node);
$node->stop;
done_testing();
