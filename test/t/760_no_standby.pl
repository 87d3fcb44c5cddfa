# When no synchronous standby is there, commits wait, and status says so; when
# one is there, or none is asked for, all goes on.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use Episode;
use WorkflowTest;

my $node = new_node('main', 'workflow.executors = 4', { streaming => 1 });
create_extension($node, 'shop');
create_work($node, 'shop');
start_work($node, 'shop', 1, 100);
all_done_once($node, 'shop', 100);

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres',
	"ALTER SYSTEM SET synchronous_standby_names = 'standby'");
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok( poll_until(
		$node, 'postgres',
		q{SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'},
		'1'),
	'a standby is there');
start_work($node, 'shop', 101, 200);
all_done_once($node, 'shop', 200);
is($node->safe_psql('shop', 'SELECT shortage IS NULL FROM workflow.status'),
	't', 'nothing is short');

# ---- it goes away ----

my $log_at = -s $node->logfile;
my $began = time();
$standby->stop;
$node->safe_psql(
	'shop', q{
	SET synchronous_commit = local;
	SELECT count(workflow.enqueue_workflow('work', to_jsonb(n)))
	FROM generate_series(201, 300) n});
short_of($node, 'shop', 'standby');
usleep(3_000_000);
is($node->safe_psql('shop', 'SELECT shortage FROM workflow.status'),
	'standby', 'as long as it lasts');
like(
	$node->safe_psql(
		'shop', q{SELECT workflow.why(run_id) FROM workflow.runs
		WHERE state = 'running' LIMIT 1}),
	qr/short of synchronous standbys since .*, for which commits wait/,
	'why() tells of it');
$standby->start;
healthy($node, 'shop', 'no synchronous standby');
all_done_once($node, 'shop', 300);
calm_log($node, $log_at, $began);
my $log = slurp_file($node->logfile, $log_at);
like($log, qr/WARNING:  workflow is short of synchronous standbys since/, 'its begin');
like($log, qr/LOG:  workflow is not short of synchronous standbys any more/, 'its end');

scan_log($node);
$standby->stop;
$node->stop;
done_testing();
