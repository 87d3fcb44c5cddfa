# When there are too few background workers, work slows down but goes on, in
# every database; the log says so without a storm, and says when it is over.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use WorkflowTest;

# launcher, logical replication launcher, and five for us; a role has one
# executor less than there may be
my $node = new_node(
	'main',
	'max_worker_processes = 7',
	'max_parallel_workers = 0',
	'workflow.executors = 5',
	"workflow.executor_idle_timeout = '10 min'");

my $short = qr/WARNING:  out of background worker slots for workflow/;
my $over = qr/LOG:  workflow has enough background worker slots again/;

sub make_database
{
	my ($db) = @_;

	create_extension($node, $db);
	$node->safe_psql(
		$db, q{
		CREATE FUNCTION nap(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
		BEGIN
		  PERFORM workflow.step('nap', 'SELECT pg_sleep($1)', input::float8);
		  RETURN input;
		END $$;
		SELECT workflow.create_workflow('nap');
	});
	return;
}

sub enqueue
{
	my ($db, $seconds, $n) = @_;

	$node->safe_psql($db,
		"SELECT count(workflow.enqueue_workflow('nap', '$seconds'))"
		  . " FROM generate_series(1, $n)");
	return;
}

sub all_done
{
	my ($db, $name) = @_;

	ok( poll_until(
			$node, $db,
			'SELECT count(*) FROM workflow.runs'
			  . " WHERE state NOT IN ('succeeded', 'cancelled')",
			'0',
			60),
		$name);
	return;
}

sub count_in_log
{
	my ($what, $from) = @_;
	my $log = slurp_file($node->logfile, $from);

	return scalar(() = $log =~ /$what/g);
}

sub executors
{
	my ($db) = @_;

	return $node->safe_psql('postgres',
			"SELECT count(*) FROM pg_stat_activity WHERE datname = '$db'"
		  . " AND backend_type = 'workflow executor'");
}

# ---- one database takes all there is, then idles; another comes ----

make_database('one');
enqueue('one', 0.01, 40);
all_done('one', 'work of one database');
is(executors('one'), '4', 'four executors, idle now');

my $log_at = -s $node->logfile;
make_database('two');
wait_for_worker($node, 'scheduler', 'two');
enqueue('two', 0.01, 10);
all_done('two', 'an idle executor makes room for a second database');
is(count_in_log($short, $log_at), 0, 'without a warning');

# ---- both always have work: each gets its share ----

enqueue('one', 0.02, 300);
usleep(200_000);
enqueue('two', 0.02, 30);
all_done('two', 'the second is not starved by a backlog of the first');
cmp_ok(
	$node->safe_psql('one',
		"SELECT count(*) FROM workflow.runs WHERE state <> 'succeeded'"),
	'>', 0, 'which is not done yet');
all_done('one', 'and is worked off in the end');

# ---- a third database: three schedulers, two executors ----

make_database('three');
wait_for_worker($node, 'scheduler', 'three');
enqueue($_, 0.02, 40) for 'one', 'two', 'three';
all_done($_, "work of $_ goes on") for 'one', 'two', 'three';

# ---- relief ----

$node->safe_psql('postgres', "DROP DATABASE $_") for 'two', 'three';
$log_at = -s $node->logfile;
enqueue('one', 0.02, 40);
all_done('one', 'work of the one that is left');
ok(!count_in_log($short, $log_at), 'nothing is short any more');

# ---- fewer than it takes: launchers and one scheduler, no executor ----

$node->append_conf('postgresql.conf', 'max_worker_processes = 3');
$node->restart;
$log_at = -s $node->logfile;
wait_for_worker($node, 'scheduler', 'one');
enqueue('one', 0.01, 3);
ok( poll_until(
		$node, 'one',
		'SELECT shortage_since IS NOT NULL FROM workflow.status'),
	'status says that slots are short');
usleep(4_000_000);
is(count_in_log($short, $log_at), 1, 'one warning while it lasts');
is( $node->safe_psql('one',
		"SELECT count(*) FROM workflow.runs WHERE state = 'queued'"),
	'3',
	'runs wait');
$node->safe_psql('one',
	"SELECT workflow.cancel_run(run_id) FROM workflow.runs"
	  . " WHERE state = 'queued'");
ok( poll_until(
		$node, 'one',
		"SELECT count(*) FROM workflow.runs WHERE state = 'cancelled'", '3'),
	'and can be cancelled');

$node->append_conf('postgresql.conf', 'max_worker_processes = 5');
enqueue('one', 0.01, 3);
$node->restart;
ok( poll_until(
		$node, 'one',
		"SELECT count(*) FROM workflow.runs WHERE state = 'queued'", '0'),
	'after a restart with more they run');

# what is wanted no more is not waited for
enqueue('one', 600, 4);
ok( poll_until(
		$node, 'one', 'SELECT shortage_since IS NOT NULL FROM workflow.status'),
	'two of four have to wait');
$node->safe_psql('one',
	"SELECT workflow.cancel_run(run_id) FROM workflow.runs"
	  . " WHERE state IN ('queued', 'running')");
ok( poll_until(
		$node, 'one', 'SELECT shortage_since IS NULL FROM workflow.status'),
	'until all are cancelled');

# ---- workflow.max_executors: over all databases, and fair as well ----

$node->append_conf('postgresql.conf',
	"max_worker_processes = 12\nworkflow.max_executors = 2");
$node->restart;
make_database('two');
wait_for_worker($node, 'scheduler', $_) for 'one', 'two';
$log_at = -s $node->logfile;
enqueue('one', 0.02, 150);
usleep(200_000);
enqueue('two', 0.02, 20);
my $most = 0;
for (1 .. 20)
{
	my $n = $node->safe_psql('postgres',
		'SELECT count(*) FROM pg_stat_activity'
		  . " WHERE backend_type = 'workflow executor'");
	$most = $n if $n > $most;
	usleep(20_000);
}
cmp_ok($most, '<=', 2, 'never more than workflow.max_executors');
cmp_ok($most, '>', 0, 'but some');
all_done('two', 'the second is not starved by the limit');
all_done('one', 'nor the first');
is(count_in_log($short, $log_at), 0, 'and that is no shortage');

# ---- more databases than entries ----

$node->append_conf('postgresql.conf', 'workflow.max_databases = 2');
$node->restart;
wait_for_worker($node, 'scheduler', $_) for 'one', 'two';
$log_at = -s $node->logfile;
create_extension($node, 'three');
usleep(500_000);
is(worker_pid($node, 'scheduler', 'three'), '', 'no entry for a third one');
is(count_in_log(qr/WARNING:  workflows do not run in some databases/, $log_at),
	1, 'which the log says');
$node->safe_psql('one', 'DROP EXTENSION workflow');
ok(wait_for_worker($node, 'scheduler', 'three'),
	'it gets the one that becomes free');

scan_log($node);
$node->stop;
done_testing();
