# A command on a database that PostgreSQL refuses ends no step there, and those
# that wait for somebody else to leave end none before he has.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('main', 'allow_in_place_tablespaces = on',
	'max_worker_processes = 24', 'wal_level = logical');

sub refused
{
	my ($sql, $like) = @_;
	my ($rc, $out, $err) = ask($node, 'postgres', $sql);

	like($err, $like, "refused: $sql");
	return;
}

sub done
{
	my ($sql) = @_;
	my ($rc, $out, $err) = ask($node, 'postgres', $sql);

	is($err, '', $sql);
	return;
}

# the executor that is inside of the step, or ''
sub who_naps
{
	my ($db) = @_;
	my ($rc, $out) = ask($node, 'postgres',
		"SELECT pid FROM pg_stat_activity WHERE datname = '$db'"
		  . " AND backend_type = 'workflow executor'");
	return $out;
}

# ---- a step that must not be started twice, and ends when it is told ----

create_extension($node, 'shop');
wait_for_worker($node, 'scheduler', 'shop');
$node->safe_psql(
	'shop', q{
	CREATE TABLE go (a int);
	CREATE FUNCTION wait_for_go() RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
	  WHILE NOT EXISTS (SELECT FROM go) LOOP
	    PERFORM pg_sleep(0.1);
	  END LOOP;
	  RETURN 'went';
	END $$;
	CREATE FUNCTION nap(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  RETURN workflow.step('nap', 'SELECT wait_for_go()', workflow.policy(at_most_once => true));
	END $$;
	SELECT workflow.create_workflow('nap');
});
my $run = $node->safe_psql('shop', "SELECT workflow.enqueue_workflow('nap')");
ok( poll_until(
		$node, 'postgres',
		q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop'
		  AND backend_type = 'workflow executor' AND wait_event = 'PgSleep'},
		1),
	'the step is running');
my $scheduler = wait_for_worker($node, 'scheduler', 'shop');
my $napping   = $node->safe_psql('postgres',
	"SELECT pid FROM pg_stat_activity WHERE datname = 'shop'"
	  . " AND backend_type = 'workflow executor'");

# ---- whatever stands in the way can be known before ----

$node->safe_psql('postgres', "CREATE TABLESPACE space LOCATION ''");
refused('DROP DATABASE shop; SELECT 1', qr/transaction block/);
$node->safe_psql('postgres', 'ALTER ROLE postgres SET default_transaction_read_only = on');
refused('DROP DATABASE shop',                   qr/read-only transaction/);
refused('CREATE DATABASE copy TEMPLATE shop',   qr/read-only transaction/);
refused('ALTER DATABASE shop RENAME TO store',  qr/read-only transaction/);
refused('ALTER DATABASE shop SET TABLESPACE space', qr/read-only transaction/);
$node->safe_psql('postgres',
	'SET default_transaction_read_only = off; ALTER ROLE postgres RESET default_transaction_read_only');
refused('ALTER DATABASE shop RENAME TO postgres',        qr/already exists/);
refused('ALTER DATABASE shop SET TABLESPACE missing',    qr/does not exist/);
refused('ALTER DATABASE shop SET TABLESPACE pg_global',  qr/pg_global/);
refused('CREATE DATABASE postgres TEMPLATE shop',        qr/already exists/);
refused('CREATE DATABASE copy TEMPLATE shop OWNER missing', qr/does not exist/);
refused('CREATE DATABASE copy TEMPLATE shop TABLESPACE missing', qr/does not exist/);
refused('CREATE DATABASE copy TEMPLATE shop STRATEGY guess', qr/invalid create database strategy/);
refused("CREATE DATABASE copy TEMPLATE shop ENCODING 'SQL_ASCII'", qr/incompatible with the encoding/);
refused("CREATE DATABASE copy TEMPLATE shop LC_COLLATE 'nowhere'", qr/locale/);
refused("CREATE DATABASE copy TEMPLATE shop LOCALE 'C'", qr/incompatible with/);
done('ALTER DATABASE shop IS_TEMPLATE true');
refused('DROP DATABASE shop', qr/template database/);
refused('DROP DATABASE shop WITH (FORCE)', qr/template database/);
done('ALTER DATABASE shop IS_TEMPLATE false');
$node->safe_psql('shop',
	"CREATE SUBSCRIPTION s CONNECTION 'dbname=postgres' PUBLICATION p WITH (connect = false)");
refused('DROP DATABASE shop', qr/logical replication subscription/);
$node->safe_psql('shop',
	'ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s');
is(who_naps('shop'), $napping, 'the step goes on');

# ---- prepared transactions, and other clients ----

$node->safe_psql('shop', "BEGIN; CREATE TABLE other (a int); PREPARE TRANSACTION 'other'");
refused('DROP DATABASE shop WITH (FORCE)', qr/prepared transaction/);
refused('DROP DATABASE shop', qr/There is 1 prepared transaction using the database/);
$node->safe_psql('shop', "ROLLBACK PREPARED 'other'");
is(who_naps('shop'), $napping, 'the step goes on');

my $other = $node->background_psql('shop');
refused('DROP DATABASE shop',
	qr/"shop" is being accessed by other users.*There is 1 other session/s);
is(who_naps('shop'), $napping, 'the step goes on');
refused('CREATE DATABASE copy TEMPLATE shop',
	qr/source database "shop" is being accessed by other users/);
refused('ALTER DATABASE shop RENAME TO store', qr/accessed by other users/);
refused('ALTER DATABASE shop SET TABLESPACE space', qr/accessed by other users/);
is(who_naps('shop'), $napping, 'the step goes on');

# FORCE ends only whom the caller may end
$node->safe_psql('postgres', 'CREATE ROLE bob LOGIN; ALTER DATABASE shop OWNER TO bob');
my ($rc, $out, $err) = $node->psql('postgres',
	"SET SESSION AUTHORIZATION bob;\nDROP DATABASE shop WITH (FORCE);\n");
like($err, qr/must be a superuser|permission denied/, 'refused: FORCE, of a stranger');
is(who_naps('shop'), $napping, 'the step goes on');
is(worker_pid($node, 'scheduler', 'shop'), $scheduler, 'and the scheduler');

# ---- one that waits, and is cancelled ----

my $waiting = $node->background_psql('postgres', on_error_stop => 0);
my $pid     = $waiting->query_safe('SELECT pg_backend_pid()');
$waiting->query_until(qr/asked/, "\\echo asked\nDROP DATABASE shop;\n");
ok( poll_until(
		$node, 'postgres',
		"SELECT count(*) FROM pg_locks WHERE pid = $pid AND granted"
		  . " AND locktype = 'object' AND mode = 'AccessExclusiveLock'",
		1),
	'a DROP DATABASE waits for the other client');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
ok( poll_until(
		$node, 'postgres',
		"SELECT state FROM pg_stat_activity WHERE pid = $pid", 'idle'),
	'and is cancelled');
is(who_naps('shop'), $napping, 'the step goes on');

# ---- so the step comes to its end ----

$other->query_safe('INSERT INTO go VALUES (1)');
ok( poll_until(
		$node, 'shop',
		"SELECT state || ' ' || result::text FROM workflow.runs WHERE run_id = '$run'",
		'succeeded "went"'),
	'the step was never interrupted');

# ---- when the other client leaves, a waiting command goes on ----

$waiting->query_until(qr/asked/,
	"\\echo asked\nALTER DATABASE shop RENAME TO store;\n");
ok( poll_until(
		$node, 'postgres',
		"SELECT count(*) FROM pg_locks WHERE pid = $pid AND granted"
		  . " AND locktype = 'object' AND mode = 'AccessExclusiveLock'",
		1),
	'ALTER DATABASE waits for the other client');
$other->quit;
ok( poll_until(
		$node, 'postgres',
		"SELECT count(*) FROM pg_database WHERE datname = 'store'", 1),
	'and goes on when he has left');
$waiting->{run}->kill_kill;
ok(wait_for_worker($node, 'scheduler', 'store'), 'scheduler in store');
done('DROP DATABASE store');

# ---- nobody tries to enter a database that nobody can enter ----

sub log_of
{
	my ($at) = @_;
	return slurp_file($node->logfile, $at);
}

for my $change (
	"UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'shut'",
	'ALTER DATABASE shut ALLOW_CONNECTIONS false')
{
	create_extension($node, 'shut');
	my $old = wait_for_worker($node, 'scheduler', 'shut');
	my $at  = -s $node->logfile;
	$node->safe_psql('postgres', $change);
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($old)");
	ok( poll_until(
			$node, 'postgres',
			"SELECT count(*) FROM pg_stat_activity WHERE datname = 'shut'", 0),
		'its scheduler has ended');
	# two more rounds of the launcher, and those of a new server
	done('CREATE DATABASE one');
	done('DROP DATABASE one');
	$node->restart;
	create_extension($node, 'open');
	ok(wait_for_worker($node, 'scheduler', 'open'), 'scheduler elsewhere');
	is(worker_pid($node, 'scheduler', 'shut'), '', 'none there');
	unlike(log_of($at), qr/FATAL.*(invalid database|not currently accepting)/,
		"nobody tried: $change");
	done('DROP DATABASE shut');
	done('DROP DATABASE open');
}

scan_log($node);
$node->stop;
done_testing();
