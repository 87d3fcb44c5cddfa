# No worker on a standby; all of them after its promotion.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $primary = new_node('primary', { streaming => 1 });
create_extension($primary, 'shop');
wait_for_worker($primary, 'scheduler', 'shop');

$primary->backup('base');
my $backup = $primary->backup_dir . '/base';
ok(!-e "$backup/pg_stat_tmp/workflow.marks",
	'a base backup leaves out who was in user code');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

sub workers
{
	my ($node) = @_;

	return $node->safe_psql('postgres',
			"SELECT count(*) FROM pg_stat_activity"
		  . " WHERE backend_type LIKE 'workflow%'");
}

# ---- standby ----

is(workers($standby), '0', 'no worker on a standby');
my ($rc, $out, $err) = ask($standby, 'shop', 'DROP EXTENSION workflow');
like($err, qr/read-only transaction/, 'read only');
($rc, $out, $err) = ask($standby, 'postgres', 'CREATE DATABASE other');
like($err, qr/read-only transaction|recovery/, 'no CREATE DATABASE in recovery');

# what the primary does with databases arrives there
$primary->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE shop');
wait_for_worker($primary, 'scheduler', 'copy');
$primary->safe_psql('postgres', 'ALTER DATABASE shop RENAME TO store');
wait_for_worker($primary, 'scheduler', 'store');
$primary->safe_psql('postgres', 'DROP DATABASE copy');
$primary->wait_for_catchup($standby);
is( $standby->safe_psql('postgres',
		"SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database"
		  . " WHERE datname IN ('shop', 'store', 'copy')"),
	'store',
	'databases as on the primary');
$standby->restart;
is(workers($standby), '0', 'still none after a restart');

# ---- promotion ----

$primary->stop('immediate');
$standby->promote;
ok(wait_for_worker($standby, 'launcher'), 'a launcher after promotion');
ok(wait_for_worker($standby, 'scheduler', 'store'), 'and a scheduler');
$standby->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE store');
ok(wait_for_worker($standby, 'scheduler', 'copy'), 'in a new one too');
$standby->safe_psql('postgres', 'DROP DATABASE copy');

# ---- pg_upgrade's mode ----

$standby->stop('fast');
command_ok(
	[
		'pg_ctl', '-w', '-D', $standby->data_dir, '-l', $standby->logfile,
		'-o', '-b', 'start'
	],
	'started in binary upgrade mode');
is( $standby->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity"
		  . " WHERE backend_type LIKE 'workflow%'"),
	'0',
	'no worker in binary upgrade');
command_ok([ 'pg_ctl', '-w', '-D', $standby->data_dir, 'stop' ], 'stopped');

scan_log($primary);
scan_log($standby);
done_testing();
