# Schedulers come and go with the extension, in whatever way it is created and
# dropped, and come back after every kind of restart.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use WorkflowTest;

my $node = new_node('main');

sub no_scheduler
{
	my ($db, $name) = @_;

	ok( poll_until(
			$node, 'postgres',
			"SELECT count(*) FROM pg_stat_activity WHERE datname = '$db'"
			  . " AND backend_type LIKE 'workflow%'",
			'0'),
		$name // "no worker in $db");
	return;
}

sub scheduler
{
	my ($db, $name) = @_;
	my $pid = wait_for_worker($node, 'scheduler', $db);

	ok($pid, $name // "scheduler in $db");
	return $pid;
}

# ---- created and dropped, also faster than a scheduler starts ----

$node->safe_psql('postgres', 'CREATE DATABASE shop');
no_scheduler('shop', 'none before the extension');
for my $round (1 .. 20)
{
	my ($rc, $out, $err) = ask($node, 'shop', 'CREATE EXTENSION workflow');
	is($err, '', "created, round $round");
	usleep($round * 2000);
	($rc, $out, $err) = ask($node, 'shop', 'DROP EXTENSION workflow');
	is($err, '', "dropped, round $round");
}
no_scheduler('shop');

$node->safe_psql('shop',
	'BEGIN; CREATE EXTENSION workflow; DROP EXTENSION workflow;'
	  . ' CREATE EXTENSION workflow; COMMIT');
scheduler('shop', 'created twice in one transaction');
$node->safe_psql('shop',
	'BEGIN; DROP EXTENSION workflow; CREATE EXTENSION workflow; COMMIT');
scheduler('shop', 'replaced in one transaction');

# ---- rolled back ----

$node->safe_psql('shop', 'BEGIN; DROP EXTENSION workflow; ROLLBACK');
scheduler('shop', 'drop rolled back');
$node->safe_psql('shop',
	'BEGIN; SAVEPOINT s; DROP EXTENSION workflow; ROLLBACK TO s; COMMIT');
scheduler('shop', 'drop rolled back to a savepoint');
$node->safe_psql('shop', 'DROP EXTENSION workflow');
no_scheduler('shop');
$node->safe_psql('shop', 'BEGIN; CREATE EXTENSION workflow; ROLLBACK');
no_scheduler('shop', 'create rolled back');

# ---- by way of others ----

$node->safe_psql(
	'shop', q{
	CREATE ROLE owner SUPERUSER;
	SET ROLE owner;
	CREATE EXTENSION workflow;
});
scheduler('shop');
$node->safe_psql('shop', 'DROP OWNED BY owner CASCADE; DROP ROLE owner');
no_scheduler('shop', 'gone after DROP OWNED');

$node->safe_psql('shop',
	"DO \$\$ BEGIN EXECUTE 'CREATE EXTENSION workflow'; END \$\$");
scheduler('shop', 'created in a DO block');
$node->safe_psql('shop',
	"DO \$\$ BEGIN EXECUTE 'DROP EXTENSION workflow'; END \$\$");
no_scheduler('shop', 'dropped in a DO block');

$node->safe_psql('shop',
	"BEGIN; CREATE EXTENSION workflow; PREPARE TRANSACTION 'create'");
no_scheduler('shop', 'none while prepared');
$node->safe_psql('shop', "COMMIT PREPARED 'create'");
scheduler('shop', 'created by COMMIT PREPARED');
$node->safe_psql('shop',
	"BEGIN; DROP EXTENSION workflow; PREPARE TRANSACTION 'drop'");
$node->safe_psql('shop', "COMMIT PREPARED 'drop'");
no_scheduler('shop', 'dropped by COMMIT PREPARED');
$node->safe_psql('shop', 'CREATE EXTENSION workflow');
$node->safe_psql('shop',
	"BEGIN; DROP EXTENSION workflow; PREPARE TRANSACTION 'drop'");
$node->safe_psql('shop', "ROLLBACK PREPARED 'drop'");
scheduler('shop', 'back after ROLLBACK PREPARED');

# ---- a launcher alone is ended: nobody else is ----

create_extension($node, 'second');
scheduler('second');
my @schedulers = (scheduler('shop'), scheduler('second'));
my $start = time();
my $launcher = kill_worker($node, 'launcher', undef, 'TERM');
ok(wait_for_worker($node, 'launcher', undef, $launcher), 'another launcher');
cmp_ok(time() - $start, '<', 5, 'after a second or two');
is_deeply([ scheduler('shop'), scheduler('second') ],
	\@schedulers, 'the same schedulers');

# a new one starts what ends, and what was asked for while there was none
kill_worker($node, 'launcher', undef, 'TERM');
kill_worker($node, 'scheduler', 'shop', 'TERM');
$node->safe_psql('postgres', 'CREATE DATABASE third');
$node->safe_psql('third', 'CREATE EXTENSION workflow');
ok(wait_for_worker($node, 'scheduler', 'shop', $schedulers[0]),
	'another scheduler in shop');
scheduler('third');

# any number of times, at any moment of a scheduler's start
for my $round (1 .. 4)
{
	my $old = worker_pid($node, 'scheduler', 'shop');
	kill_worker($node, 'scheduler', 'shop', 'TERM');
	usleep($round * 500);
	$launcher = kill_worker($node, 'launcher', undef, 'TERM');
	wait_for_worker($node, 'launcher', undef, $launcher);
	ok(wait_for_worker($node, 'scheduler', 'shop', $old),
		"launcher and scheduler ended, round $round");
}

# a scheduler that has lived comes back at once
usleep(5_500_000);
my $old = worker_pid($node, 'scheduler', 'shop');
$start = time();
kill('TERM', $old);
wait_for_worker($node, 'scheduler', 'shop', $old);
cmp_ok(time() - $start, '<', 1, 'a scheduler is replaced within a second');

# ---- crash: all of them are back ----

$launcher = kill_worker($node, 'launcher', undef, 'KILL');
ok( poll_until($node, 'postgres',
		"SELECT count(*) FROM pg_stat_activity"
		  . " WHERE backend_type = 'workflow launcher' AND pid <> $launcher",
		'1'),
	'launcher back after a crash');
scheduler($_) for 'shop', 'second', 'third';
kill_worker($node, 'scheduler', 'shop', 'KILL');
ok( poll_until(
		$node, 'postgres',
		"SELECT count(*) FROM pg_stat_activity"
		  . " WHERE backend_type = 'workflow scheduler'",
		'3'),
	'schedulers back after a crash');

# ---- restarts; the hint file is only a hint ----

my $hints = $node->data_dir . '/pg_stat_tmp/workflow.databases';
is(scalar(split /\n/, slurp_file($hints)), 3, 'three databases in the file');
$node->restart;
scheduler($_) for 'shop', 'second', 'third';
$node->stop('immediate');
unlink $hints or die;
$node->start;
scheduler($_) for 'shop', 'second', 'third';
$node->stop;
append_to_file($hints, "nonsense\n99999999\n");
$node->start;
scheduler($_) for 'shop', 'second', 'third';

# ---- loaded without shared_preload_libraries ----

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is(worker_pid($node, 'launcher'), '', 'no launcher');
my ($rc, $out, $err) = ask($node, 'shop', "LOAD 'workflow'");
is($err, '', 'the library can be loaded');
($rc, $out, $err) = ask($node, 'shop', 'DROP EXTENSION workflow');
is($err, '', 'and the extension dropped');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'workflow'");
$node->restart;
scheduler($_) for 'second', 'third';
no_scheduler('shop');

# the test ends processes with SIGKILL itself
scan_log($node,
	allowed => [
		'was terminated by signal 9',
		'all server processes terminated; reinitializing'
	]);
$node->stop;
done_testing();
