# When another database has the last worker process, status says so, and work
# goes on as soon as there is one.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use Episode;
use WorkflowTest;

# Two launchers, two schedulers, one executor.
my $node = new_node(
	'main',
	'max_worker_processes = 5',
	'max_parallel_workers = 0',
	'workflow.executors = 4');
foreach my $db ('shop', 'other')
{
	create_extension($node, $db);
	create_work($node, $db);
	wait_for_worker($node, 'scheduler', $db);
}
$node->safe_psql(
	'other', q{
	CREATE FUNCTION nap(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.step('nap', 'SELECT pg_sleep(600)');
	  RETURN input;
	END $$;
	SELECT workflow.create_workflow('nap');
	SELECT workflow.enqueue_workflow('nap');
});
ok( poll_until(
		$node, 'other',
		q{SELECT count(*) FROM workflow.runs WHERE state = 'running'}, '1'),
	'another database has the only executor');

my $log_at = -s $node->logfile;
my $began = time();
start_work($node, 'shop', 1, 200);
short_of($node, 'shop', 'workers');
usleep(4_000_000);
is($node->safe_psql('shop', 'SELECT shortage FROM workflow.status'),
	'workers', 'as long as it lasts');
like(
	$node->safe_psql(
		'shop', q{SELECT workflow.why(run_id) FROM workflow.runs
		WHERE state = 'queued' LIMIT 1}),
	qr/short of worker processes since/,
	'why() tells of it');

$node->safe_psql('other',
	q{SELECT workflow.cancel_run(run_id) FROM workflow.runs});
healthy($node, 'shop', 'no worker process');
all_done_once($node, 'shop', 200);
calm_log($node, $log_at, $began);

scan_log($node);
$node->stop;
done_testing();
