# Who took the server down: the run whose executor died by itself is charged,
# its neighbours and everybody else are not.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use WorkflowTest;

my $node = new_node('main', "workflow.executors = 6");

create_extension($node, 'shop');
create_extension($node, 'other');
for my $db ('shop', 'other')
{
	$node->safe_psql(
		$db, q{
		CREATE TABLE gate (open boolean);
		CREATE FUNCTION pass() RETURNS boolean LANGUAGE plpgsql AS $$
		BEGIN
		  WHILE NOT EXISTS (SELECT FROM gate) LOOP
		    PERFORM pg_sleep(0.02);
		  END LOOP;
		  RETURN true;
		END $$;
		CREATE FUNCTION wait(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
		BEGIN
		  PERFORM workflow.step('wait', 'SELECT pass()');
		  RETURN input;
		END $$;
		SELECT workflow.create_workflow('wait');
	});
}

# waits until that many executors are in a step
sub steps
{
	my ($db, $n) = @_;

	ok( poll_until(
			$node, $db,
			'SELECT count(*) FROM workflow.stat_executors'
			  . " WHERE step = 'wait'",
			$n),
		"$n steps in $db");
	return;
}

# charges of all runs of a database, in the order of their ids
sub charges
{
	my ($db) = @_;

	return $node->safe_psql($db,
			"SELECT string_agg(coalesce(crashes, 0)::text, ' ' ORDER BY run_id)"
		  . ' FROM _workflow.run');
}

sub server_is_back
{
	my ($old_launcher) = @_;

	ok(wait_for_worker($node, 'launcher', undef, $old_launcher),
		'the server is back');
	wait_for_worker($node, 'scheduler', $_) for 'shop', 'other';
	return;
}

# ends a process of the server the hard way, and waits for its restart
sub crash
{
	my ($pid) = @_;
	my $launcher = wait_for_worker($node, 'launcher');

	kill('KILL', $pid) or die "could not signal $pid: $!";
	server_is_back($launcher);
	return;
}

sub executor_of
{
	my ($db, $run) = @_;

	return $node->safe_psql($db,
		"SELECT executor_pid FROM workflow.runs WHERE run_id = '$run'");
}

my @runs = split /\n/,
  $node->safe_psql('shop',
	"SELECT workflow.enqueue_workflow('wait') FROM generate_series(1, 3)");
$node->safe_psql('other', "SELECT workflow.enqueue_workflow('wait')");
steps('shop', 3);
steps('other', 1);

# ---- somebody else dies: nobody is charged ----

crash(worker_pid($node, 'scheduler', 'shop'));
steps('shop', 3);
steps('other', 1);
is(charges('shop') . ', ' . charges('other'),
	'0 0 0, 0', 'a scheduler died: no run is charged');

my $backend = $node->background_psql('postgres');
crash($backend->query_safe('SELECT pg_backend_pid()'));
steps('shop', 3);
steps('other', 1);
is(charges('shop') . ', ' . charges('other'),
	'0 0 0, 0', 'a client backend died: no run is charged');
$backend->{run}->kill_kill;

$node->stop('immediate');
$node->start;
server_is_back();
steps('shop', 3);
is(charges('shop'), '0 0 0', 'an immediate stop: no run is charged');

# ---- one of the executors dies in its step ----

crash(executor_of('shop', $runs[1]));
steps('shop', 3);
steps('other', 1);
is(charges('shop') . ', ' . charges('other'),
	'0 1 0, 0', 'the run of the one that died is charged');

# ---- ended in an orderly way: not a crash ----

$node->safe_psql('postgres',
	'SELECT pg_terminate_backend(' . executor_of('shop', $runs[0]) . ')');
crash(worker_pid($node, 'scheduler', 'shop'));
steps('shop', 3);
is(charges('shop'), '0 1 0', 'an executor that was terminated is not charged');

# ---- the second crash is the last ----

crash(executor_of('shop', $runs[1]));
ok( poll_until(
		$node, 'shop',
		"SELECT reason FROM workflow.dead_letters WHERE run_id = '$runs[1]'",
		'crash'),
	'dead letter with reason crash');
steps('shop', 2);
steps('other', 1);

# ---- the postmaster dies: nothing is known ----

my $postmaster = $node->{_pid};
kill 'KILL', $postmaster;
# all of its children see that and end
for (1 .. 200)
{
	last if !-e "/proc/$postmaster" && $node->{_pid} && !orphans($postmaster);
	usleep(50_000);
}
unlink $node->data_dir . '/postmaster.pid';
$node->_update_pid(-1);
$node->start;
server_is_back();
$node->safe_psql($_, 'INSERT INTO gate VALUES (true)') for 'shop', 'other';
for my $db ('shop', 'other')
{
	ok( poll_until(
			$node, $db,
			"SELECT count(*) FROM workflow.runs"
			  . " WHERE state NOT IN ('succeeded', 'failed')",
			'0'),
		"all others of $db are done");
}

# processes that still work in the data directory
sub orphans
{
	my $dir = $node->data_dir;

	return scalar grep { (readlink($_) // '') eq $dir } glob '/proc/[0-9]*/cwd';
}

scan_log($node,
	allowed => [
		'was terminated by signal 9',
		'all server processes terminated; reinitializing'
	]);
$node->stop;
done_testing();
