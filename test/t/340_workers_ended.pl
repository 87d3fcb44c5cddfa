# Workers of every kind ended at any moment, while databases and extensions
# come and go and runs are enqueued: nothing is lost, done twice, or left over.
#
# WF_SEED repeats a run as far as chance allows, WF_CHAOS_SECONDS prolongs it.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use WorkflowTest;

my $seed = $ENV{WF_SEED} // int(rand(1_000_000));
my $seconds = $ENV{WF_CHAOS_SECONDS} // 15;
srand($seed);
note "WF_SEED=$seed";

# launcher, logical replication launcher, ten for us: a slot that leaks is
# missed soon
my $node = new_node(
	'main',
	'max_worker_processes = 12',
	'max_parallel_workers = 0',
	"workflow.executor_idle_timeout = '300 ms'");

create_extension($node, 'work');
$node->safe_psql(
	'work', q{
	CREATE TABLE ledger (run_id uuid, n int, UNIQUE (run_id, n));
	CREATE FUNCTION three(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  FOR n IN 1..3 LOOP
	    PERFORM workflow.step('write ' || n,
	      'INSERT INTO ledger SELECT $1, $2 FROM pg_sleep(0.01)',
	      workflow.run_id(), n);
	  END LOOP;
	  RETURN input;
	END $$;
	SELECT workflow.create_workflow('three');
});
create_extension($node, 'other');
$node->safe_psql('postgres', 'CREATE DATABASE target');

my $ledger = 0;

sub end_one
{
	my ($signal) = @_;
	my $type = (qw(launcher scheduler executor executor))[ rand 4 ];
	my ($rc, $pids) = ask($node, 'postgres',
			'SELECT pid FROM pg_stat_activity'
		  . " WHERE backend_type = 'workflow $type'");
	my @pids = split /\n/, $pids;

	kill $signal, $pids[ rand @pids ] if $rc == 0 && @pids;
	return;
}

my @actions = (
	sub {
		my ($rc, $out) = ask($node, 'work',
			"SELECT count(workflow.enqueue_workflow('three'))"
			  . ' FROM generate_series(1, 10)');
		$ledger += $out if $rc == 0;
	},
	sub { end_one('TERM') },
	sub { end_one('TERM') },
	sub { end_one('INT') },
	sub { ask($node, 'target', 'CREATE EXTENSION workflow') },
	sub { ask($node, 'target', 'DROP EXTENSION workflow') },
	sub { ask($node, 'target', 'BEGIN; DROP EXTENSION workflow; ROLLBACK') },
	sub { ask($node, 'postgres', 'CREATE DATABASE copy TEMPLATE work') },
	sub { ask($node, 'postgres', 'DROP DATABASE copy') },
	sub { ask($node, 'postgres', 'ALTER DATABASE other RENAME TO another') },
	sub { ask($node, 'postgres', 'ALTER DATABASE another RENAME TO other') });

my $end = time() + $seconds;
my $crash_at = time() + $seconds / 3;
while (time() < $end)
{
	$actions[ rand @actions ]->();
	usleep(rand 30_000);
	next if time() < $crash_at;
	$crash_at += $seconds / 3;
	end_one('KILL');
	poll_until($node, 'postgres', 'SELECT true')
	  or die 'no server after a crash';
}

# ---- all that was acknowledged is done, once ----

ok( poll_until(
		$node, 'work',
		"SELECT count(*) FROM workflow.runs WHERE state <> 'succeeded'", '0'),
	'all runs succeeded');
my $runs = $node->safe_psql('work', 'SELECT count(*) FROM workflow.runs');
cmp_ok($runs, '>=', $ledger, "of $ledger acknowledged none is missing");
is( $node->safe_psql('work', 'SELECT count(*) FROM ledger'),
	3 * $runs,
	'every step was done once');

# ---- nothing is left over: no executor, no slot, no entry ----

ok( poll_until(
		$node, 'postgres',
		'SELECT count(*) FROM pg_stat_activity'
		  . " WHERE backend_type = 'workflow executor'",
		'0'),
	'no executor is left');
ask($node, 'postgres', 'ALTER DATABASE another RENAME TO other');
for my $db ('copy', 'target')
{
	ask($node, 'postgres', "DROP DATABASE $db");
}
is( $node->safe_psql('postgres',
		"SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database"
		  . " WHERE datname IN ('copy', 'target', 'another')"),
	'',
	'databases can be dropped');
ok( poll_until(
		$node, 'postgres',
		"SELECT string_agg(datname, ' ' ORDER BY datname)"
		  . ' FROM pg_stat_activity'
		  . " WHERE backend_type = 'workflow scheduler'",
		'other work'),
	'a scheduler where there is the extension, and nowhere else');

# ten workers less two schedulers; one executor more would be for another role
my $slots = $node->safe_psql('work', 'SHOW max_worker_processes') - 4;
$node->safe_psql('postgres',
	'ALTER SYSTEM SET workflow.executors = ' . ($slots + 1));
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
$node->safe_psql(
	'work', qq{
	CREATE FUNCTION nap(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$\$
	BEGIN
	  PERFORM workflow.step('nap', 'SELECT pg_sleep(600)');
	  RETURN input;
	END \$\$;
	SELECT workflow.create_workflow('nap');
	SELECT workflow.enqueue_workflow('nap') FROM generate_series(1, $slots);
});
ok( poll_until(
		$node, 'postgres',
		'SELECT count(*) FROM pg_stat_activity'
		  . " WHERE backend_type = 'workflow executor'"
		  . " AND wait_event = 'PgSleep'",
		$slots),
	"all of $slots slots can be used");

# the test ends processes itself, with SIGKILL too
scan_log($node,
	allowed => [
		'was terminated by signal 9',
		'all server processes terminated; reinitializing'
	]);
$node->stop;
done_testing();
