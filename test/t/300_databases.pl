# Commands on databases find our workers out of the way, and only those who may
# run such a command can end our workers by it.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use WorkflowTest;

my $node = new_node('main', 'allow_in_place_tablespaces = on',
	'max_worker_processes = 24');

# runs a command that must succeed, and fast; the test's name is the command
sub quick
{
	my ($sql, $db) = @_;
	my $start = time();
	my ($rc, $out, $err) = ask($node, $db // 'postgres', $sql);
	my $took = time() - $start;

	is($err, '', $sql);
	cmp_ok($took, '<', 4, 'took less than the 5 s that it would wait');
	return;
}

sub refused
{
	my ($sql, $like, $db) = @_;
	my ($rc, $out, $err) = ask($node, $db // 'postgres', $sql);

	like($err, $like, "refused: $sql");
	return;
}

# holds and entries leave nothing behind: a scheduler is where it belongs
sub scheduler_is_back
{
	my ($db) = @_;
	my $pid = wait_for_worker($node, 'scheduler', $db);

	ok($pid, "scheduler in $db");
	return $pid;
}

# waits until executors are inside of that many steps in the database
sub steps_are_running
{
	my ($db, $n) = @_;

	ok( poll_until(
			$node, 'postgres',
			"SELECT count(*) FROM pg_stat_activity WHERE datname = '$db'"
			  . " AND backend_type = 'workflow executor'"
			  . " AND wait_event = 'PgSleep'",
			$n),
		"$n steps are running in $db");
	return;
}

# ---- with a scheduler, and executors in the middle of a step ----

create_extension($node, 'shop');
wait_for_worker($node, 'scheduler', 'shop');
$node->safe_psql(
	'shop', q{
	CREATE FUNCTION nap(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.step('nap', 'SELECT pg_sleep($1)', input::float8);
	  RETURN input;
	END $$;
	SELECT workflow.create_workflow('nap');
	SELECT workflow.enqueue_workflow('nap', '600') FROM generate_series(1, 3);
});
steps_are_running('shop', 3);

quick('ALTER DATABASE shop RENAME TO store');
my $pid = scheduler_is_back('store');
steps_are_running('store', 3);

quick('CREATE DATABASE copy TEMPLATE store');
scheduler_is_back('copy');
steps_are_running('store', 3);
is( $node->safe_psql('copy',
		"SELECT count(*) FILTER (WHERE state = 'running'), count(*)"
		  . ' FROM workflow.runs'),
	'0|3',
	'nothing runs in the copy');

$node->safe_psql('postgres', "CREATE TABLESPACE space LOCATION ''");
quick('ALTER DATABASE copy SET TABLESPACE space');
scheduler_is_back('copy');

quick('DROP DATABASE copy');
is(worker_pid($node, 'scheduler', 'copy'), '', 'no scheduler in copy');
quick('CREATE DATABASE copy TEMPLATE store');
scheduler_is_back('copy');
quick('DROP DATABASE copy WITH (FORCE)');

# again and again, with the scheduler at any point of its start
for my $round (1 .. 15)
{
	my ($rc, $out, $err) =
	  ask($node, 'postgres', 'CREATE DATABASE again TEMPLATE store');
	is($err, '', "created, round $round");
	($rc, $out, $err) = ask($node, 'postgres', 'DROP DATABASE again');
	is($err, '', "dropped, round $round");
}

# ---- several at a time, from the template that everybody uses ----

$node->safe_psql('template1', 'CREATE EXTENSION workflow');
wait_for_worker($node, 'scheduler', 'template1');
my @handles;
for my $i (1 .. 6)
{
	push @handles,
	  IPC::Run::start(
		[
			$node->installed_command('psql'), '-XAtq',
			'-d', $node->connstr('postgres'),
			'-c', "CREATE DATABASE par$i",
			'-c', "ALTER DATABASE par$i RENAME TO pal$i"
		],
		'<', '/dev/null', '>', \my $out, '2>', \my $err);
}
is(scalar(grep { $_->finish } @handles), 6, 'six CREATE DATABASE at a time');
scheduler_is_back('template1');
scheduler_is_back("pal$_") for 1 .. 6;
quick("DROP DATABASE pal$_") for 1 .. 6;
quick('DROP EXTENSION workflow', 'template1');
is(worker_pid($node, 'scheduler', 'template1'), '',
	'no scheduler in template1');
quick('CREATE DATABASE plain');
quick('DROP DATABASE plain');
refused('DROP DATABASE IF EXISTS missing', qr/^NOTICE.*skipping$/);

# ---- nor is DROP EXTENSION kept waiting by a step ----

steps_are_running('store', 3);
quick('DROP EXTENSION workflow', 'store');
is(worker_pid($node, 'executor', 'store'), '', 'no executor in store');
quick('CREATE EXTENSION workflow', 'store');

# ---- those without the right end nobody ----

$node->safe_psql('postgres',
	'CREATE ROLE bob LOGIN; CREATE ROLE carol LOGIN CREATEDB;'
	  . ' CREATE DATABASE bobs OWNER bob');
$pid = scheduler_is_back('store');
for my $role ('bob', 'carol')
{
	my $set = "SET SESSION AUTHORIZATION $role";

	for my $sql (
		'DROP DATABASE store',
		'DROP DATABASE IF EXISTS store WITH (FORCE)',
		'ALTER DATABASE store RENAME TO loot',
		'ALTER DATABASE store SET TABLESPACE space',
		'CREATE DATABASE loot TEMPLATE store')
	{
		my ($rc, $out, $err) = $node->psql('postgres', "$set;\n$sql;\n");
		like($err, qr/must be owner|permission denied/, "$role: $sql");
	}
	my ($rc, $out, $err) =
	  $node->psql('store', "$set;\nDROP EXTENSION workflow;\n");
	like($err, qr/must be owner/, "$role: DROP EXTENSION workflow");
}
refused('DROP DATABASE store', qr/currently open database/, 'store');
refused('BEGIN; DROP DATABASE store', qr/transaction block/);
refused('BEGIN; CREATE DATABASE loot TEMPLATE store', qr/transaction block/);
refused('DROP DATABASE missing', qr/does not exist/);
refused('CREATE DATABASE loot TEMPLATE missing', qr/does not exist/);
is(worker_pid($node, 'scheduler', 'store'), $pid, 'the same scheduler still');

# ---- a command that fails lets our workers back ----

my $other = $node->background_psql('store');
refused('DROP DATABASE store', qr/being accessed by other users/);
scheduler_is_back('store');

# ---- nor does a hold outlive its backend ----

my $backend = $other->query_safe('SELECT pg_backend_pid()');
$other->query_safe('BEGIN; DROP EXTENSION workflow');
is(worker_pid($node, 'scheduler', 'store'), '', 'no scheduler while held');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($backend)");
scheduler_is_back('store');
$other->{run}->kill_kill;

# ---- an interrupted DROP DATABASE leaves a database nobody can enter ----

$node->safe_psql('postgres', 'CREATE DATABASE broken TEMPLATE store');
scheduler_is_back('broken');
$node->safe_psql('postgres',
	"UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'broken'");
my $log_at = -s $node->logfile;
$node->safe_psql('postgres',
	"SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
	  . " WHERE datname = 'broken'");
# two more rounds of the launcher
$node->safe_psql('postgres', 'CREATE DATABASE one; ');
$node->safe_psql('postgres', 'DROP DATABASE one');
$node->stop;
$node->start;
scheduler_is_back('store');
is(worker_pid($node, 'scheduler', 'broken'), '', 'none in a broken one');
my $log = slurp_file($node->logfile, $log_at);
my $lines = () = $log =~ /cannot connect to invalid database|broken/g;
cmp_ok($lines, '<', 20, 'and no storm in the log');
quick('DROP DATABASE broken');

scan_log($node);
$node->stop;
done_testing();
