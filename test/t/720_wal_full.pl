# When WAL cannot be written, PostgreSQL ends all of its processes, again and
# again.  No run is charged for that, and with room for WAL all goes on.

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

my $runs = 3000;
my $disk = PostgreSQL::Test::Utils::tempdir_short() . '/disk';
mount_disk($disk, 40);

my $node = new_node(
	'main',
	'workflow.executors = 4',
	'max_wal_size = 8MB',
	'min_wal_size = 2MB',
	'wal_recycle = off',
	'checkpoint_timeout = 1h',
	{   fsync     => 1,
		streaming => 1,
		init      => [ "--waldir=$disk/wal", '--wal-segsize=1' ] });
create_extension($node, 'shop');
create_work($node, 'shop');

sub panics
{
	my $log = slurp_file($node->logfile);

	return scalar(() = $log =~ /PANIC: .*No space left on device/g);
}

# psql's own poll_until would wait for a server that is not there
sub wait_for(&)
{
	my ($true) = @_;

	for (1 .. 1200)
	{
		return 1 if $true->();
		usleep(50_000);
	}
	return 0;
}

# A slot keeps all WAL from now on.
$node->safe_psql('shop', "SELECT workflow.pause_workflow('work')");
start_work($node, 'shop', 1, $runs);
$node->safe_psql('shop', 'CHECKPOINT');
$node->safe_psql('shop',
	"SELECT pg_create_physical_replication_slot('keep', true)");
fill_disk("$disk/wal", 300);
ask($node, 'shop', "SELECT workflow.resume_workflow('work')");
ok(wait_for { panics() > 0 }, 'PostgreSQL cannot write WAL');

# As long as it lasts the server comes up again and again, or not at all.
usleep(5_000_000);
note(panics() . ' times');
free_disk("$disk/wal");
my $freed = time();

# The postmaster itself ends when it fails in recovery.
my $there = wait_for
{
	my ($rc) = ask($node, 'shop', 'SELECT 1');

	$rc == 0 || !-e $node->data_dir . '/postmaster.pid';
};
ok($there, 'it comes up, or has ended');
if (!-e $node->data_dir . '/postmaster.pid')
{
	note('started by hand');
	system('pg_ctl', '-w', '-D', $node->data_dir, '-l', $node->logfile,
		'start') == 0
	  or die 'could not start';
}
healthy($node, 'shop', 'WAL disk full', $freed);
all_done_once($node, 'shop', $runs);
is($node->safe_psql('shop', 'SELECT count(*) FROM workflow.dead_letters'),
	'0', 'no run was charged');
scan_log($node, allowed => [ 'PANIC: ', 'terminated by signal 6', 'reinitializing' ]);
$node->_update_pid(1);
$node->stop;
done_testing();
