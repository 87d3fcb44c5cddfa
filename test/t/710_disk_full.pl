# When the disk is full, one run at a time is tried; what is there to be done is
# done, once, when there is room again.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use SmallDisk;
BEGIN { enter_namespace() }

use Episode;
use WorkflowTest;

my $runs = 2000;
my $disk = PostgreSQL::Test::Utils::tempdir_short() . '/disk';
mount_disk($disk, 40);

my $node = new_node('main', 'workflow.executors = 4', 'checkpoint_timeout = 1h');
mkdir "$disk/space" or die $!;
$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$disk/space'");
$node->safe_psql('postgres', 'CREATE DATABASE shop TABLESPACE small');
create_extension($node, 'shop');
create_work($node, 'shop');

sub wal_written
{
	return $node->safe_psql('shop',
		"SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn");
}

# ---- it is filled while there is much to do ----

$node->safe_psql('shop', "SELECT workflow.pause_workflow('work')");
start_work($node, 'shop', 1, $runs);
my $log_at = -s $node->logfile;
fill_disk($disk, 200);
my $began = time();
my ($rc, $out, $err) = ask($node, 'shop', "SELECT workflow.resume_workflow('work')");
is($err, '', 'the workflow goes on');
short_of($node, 'shop', 'disk');

my $wal = wal_written();
my $ended = $node->safe_psql('shop',
	"SELECT count(*) FROM workflow.runs WHERE state = 'succeeded'");
cmp_ok($ended, '<', $runs, 'not all are done');
usleep(6_000_000);
is( $node->safe_psql('shop', 'SELECT shortage FROM workflow.status'),
	'disk', 'as long as it lasts');
cmp_ok(wal_written() - $wal, '<', 2_000_000, 'little WAL is written meanwhile');
like(
	$node->safe_psql(
		'shop', q{SELECT workflow.why(run_id) FROM workflow.runs
		WHERE state = 'queued' AND due_at IS NULL LIMIT 1}),
	qr/short of disk space since .*; until that is over, one run at a time/,
	'why() tells of it');

# ---- there is room again ----

free_disk($disk);
healthy($node, 'shop', 'disk full');
all_done_once($node, 'shop', $runs);
is($node->safe_psql('shop', 'SELECT count(*) FROM workflow.dead_letters'),
	'0', 'no dead letter');

calm_log($node, $log_at, $began);
my $log = slurp_file($node->logfile, $log_at);
like($log, qr/WARNING:  workflow is short of disk space since/, 'its begin');
like($log, qr/LOG:  workflow is not short of disk space any more/, 'its end');

scan_log($node);
$node->stop;
done_testing();
