# Workers that end, or are overtaken by something, between their registration
# and the moment when they are of use: none of them is waited for in vain.
#
# The stop points are in src/worker/attach.c.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use WorkflowTest;

my $node = new_node('main',
	'max_worker_processes = 8', "workflow.executor_idle_timeout = '200 ms'");

create_extension($node, 'shop');
$node->safe_psql(
	'shop', q{
	CREATE FUNCTION echo(input jsonb) RETURNS jsonb LANGUAGE sql
	  AS 'SELECT input';
	SELECT workflow.create_workflow('echo');
});
wait_for_worker($node, 'scheduler', 'shop');

sub stop_at
{
	my ($stop) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET workflow.test_stop = '$stop'");
	$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
	# every process that is there has read it: a new one certainly has
	$node->safe_psql('postgres',
			'SELECT pg_sleep(0.01)'
		  . " WHERE current_setting('workflow.test_stop') <> '$stop'");
	usleep(100_000);
	return;
}

my $log_at = 0;

# waits until a process is at the stop point; its pid
sub stopped_at
{
	my ($stop) = @_;

	for (1 .. 600)
	{
		my $log = slurp_file($node->logfile, $log_at);

		if ($log =~ /\[(\d+)\] [^\n]*waiting at stop point "$stop"/)
		{
			$log_at = -s $node->logfile;
			return $1;
		}
		usleep(50_000);
	}
	die "nobody came to stop point $stop";
}

sub executors_are_gone
{
	ok( poll_until(
			$node, 'postgres',
			'SELECT count(*) FROM pg_stat_activity'
			  . " WHERE backend_type = 'workflow executor'",
			'0'),
		'no executor is left');
	return;
}

sub runs_are_done
{
	my ($name) = @_;

	ok( poll_until(
			$node, 'shop',
			"SELECT count(*) FROM workflow.runs WHERE state <> 'succeeded'",
			'0'),
		$name);
	return;
}

my $enqueue = "SELECT workflow.enqueue_workflow('echo')";

# ---- a scheduler ends before it attaches ----

stop_at('scheduler-attach=wait');
my $old = kill_worker($node, 'scheduler', 'shop', 'TERM');
my $waiting = stopped_at('scheduler-attach');
kill 'TERM', $waiting;
isnt(stopped_at('scheduler-attach'), $waiting, 'another one is started');

# ---- the launcher ends first, which would have been told of its end ----

my $launcher = kill_worker($node, 'launcher', undef, 'TERM');
wait_for_worker($node, 'launcher', undef, $launcher);
stop_at('');
ok(wait_for_worker($node, 'scheduler', 'shop'), 'it comes all the same');

stop_at('scheduler-attach=wait');
$old = kill_worker($node, 'scheduler', 'shop', 'TERM');
$waiting = stopped_at('scheduler-attach');
$launcher = kill_worker($node, 'launcher', undef, 'TERM');
wait_for_worker($node, 'launcher', undef, $launcher);
kill 'TERM', $waiting;
isnt(stopped_at('scheduler-attach'),
	$waiting, 'an end that nobody is told of is found');
stop_at('');
wait_for_worker($node, 'scheduler', 'shop');

stop_at('scheduler-attach=wait');
$old = kill_worker($node, 'scheduler', 'shop', 'TERM');
$waiting = stopped_at('scheduler-attach');
kill 'STOP', $waiting;
$launcher = kill_worker($node, 'launcher', undef, 'TERM');
wait_for_worker($node, 'launcher', undef, $launcher);
my $next = stopped_at('scheduler-attach');
isnt($next, $waiting, 'one that is not heard of is given up');
stop_at('');
is(wait_for_worker($node, 'scheduler', 'shop'), $next, 'for another one');
kill 'CONT', $waiting;
for (1 .. 200)
{
	last if !kill 0, $waiting;
	usleep(50_000);
}
ok(!kill(0, $waiting), 'when it comes at last it leaves again');
is(worker_pid($node, 'scheduler', 'shop'), $next, 'the other one stays');

# ---- likewise an executor, before and after it attached ----

for my $stop ('executor-attach', 'executor-attached')
{
	executors_are_gone();
	stop_at("$stop=wait");
	$node->safe_psql('shop', $enqueue);
	for my $round (1 .. 3)
	{
		kill 'TERM', stopped_at($stop);
	}
	stop_at('');
	runs_are_done("a run whose executors ended at $stop");

	executors_are_gone();
	stop_at("$stop=wait");
	$node->safe_psql('shop', $enqueue);
	$waiting = stopped_at($stop);
	kill 'STOP', $waiting;
	$launcher = kill_worker($node, 'launcher', undef, 'TERM');
	wait_for_worker($node, 'launcher', undef, $launcher);
	stop_at('');
	kill 'CONT', $waiting;
	runs_are_done("a run whose launcher ended with its executor at $stop");
}

# ---- a hold that meets them ----

for my $stop ('scheduler-attach', 'executor-attach', 'executor-attached')
{
	executors_are_gone();
	stop_at("$stop=wait");
	if ($stop eq 'scheduler-attach')
	{
		kill_worker($node, 'scheduler', 'shop', 'TERM');
	}
	$node->safe_psql('shop', $enqueue);
	stopped_at($stop);
	my ($rc, $out, $err) =
	  ask($node, 'postgres', 'CREATE DATABASE copy TEMPLATE shop');
	is($err, '', "CREATE DATABASE with a worker at $stop");
	stop_at('');
	runs_are_done('and the run is done afterwards');
	($rc, $out, $err) = ask($node, 'postgres', 'DROP DATABASE copy');
	is($err, '', 'DROP DATABASE');
}

# ---- told of an extension while a scheduler finds none ----

stop_at('scheduler-no-extension=wait');
$node->safe_psql('postgres', 'CREATE DATABASE late');
stopped_at('scheduler-no-extension');
$node->safe_psql('late', 'CREATE EXTENSION workflow');
stop_at('');
ok(wait_for_worker($node, 'scheduler', 'late'), 'another one looks again');
$node->safe_psql('postgres', 'DROP DATABASE late');

# ---- executors that cannot connect ----

executors_are_gone();
my $session = $node->background_psql('shop');
$node->safe_psql('postgres',
	"UPDATE pg_database SET datallowconn = false WHERE datname = 'shop'");
$log_at = -s $node->logfile;
$session->query_safe($enqueue);
ok( poll_until(
		$node, 'postgres',
		q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop'
		   AND backend_type = 'workflow executor'},
		'0'),
	'no executor is started where nobody may connect');
unlike(slurp_file($node->logfile, $log_at),
	qr/not currently accepting connections/, '... and nothing is tried');
$node->safe_psql('postgres',
	"UPDATE pg_database SET datallowconn = true WHERE datname = 'shop'");
$session->quit;
runs_are_done('and when they can, the run is done');

# ---- a database that was closed for a while ----

$node->safe_psql('shop', 'SELECT workflow.enqueue_workflow(\'echo\', delay => \'1 s\')');
$node->safe_psql('postgres', q{
	ALTER DATABASE shop ALLOW_CONNECTIONS false;
	SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop'});
ok( poll_until($node, 'postgres',
		q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop'}, '0'),
	'all are gone from a database that is closed');
$node->safe_psql('postgres', 'ALTER DATABASE shop ALLOW_CONNECTIONS true');
runs_are_done('a database that is opened again has a scheduler by itself');

$node->safe_psql('shop', 'SELECT workflow.enqueue_workflow(\'echo\', delay => \'1 s\')');
$node->safe_psql('postgres',
	"UPDATE pg_database SET datallowconn = false WHERE datname = 'shop'");
$node->restart;
$node->safe_psql('postgres',
	"UPDATE pg_database SET datallowconn = true WHERE datname = 'shop'");
runs_are_done('... also when the server was started meanwhile, and the catalog changed by hand');

# ---- none of that has cost a slot ----

executors_are_gone();
$node->safe_psql('postgres', 'ALTER SYSTEM SET workflow.executors = 6');
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
$node->safe_psql(
	'shop', q{
	CREATE FUNCTION nap(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.step('nap', 'SELECT pg_sleep(600)');
	  RETURN input;
	END $$;
	SELECT workflow.create_workflow('nap');
	SELECT workflow.enqueue_workflow('nap') FROM generate_series(1, 5);
});
ok( poll_until(
		$node, 'postgres',
		'SELECT count(*) FROM pg_stat_activity'
		  . " WHERE backend_type = 'workflow executor'"
		  . " AND wait_event = 'PgSleep'",
		'5'),
	'all slots can be used');

scan_log($node);
$node->stop;
done_testing();
