# Copies of files: a base backup started under another workflow.site, one that
# takes its original's place, a database made from a template, and a server
# whose identifier has changed.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use WorkflowTest;

my $main = new_node('main', "workflow.executors = 5", "workflow.site = 'production'",
	{ streaming => 1 });
create_extension($main, 'shop');
$main->safe_psql(
	'shop', q{
	CREATE TABLE ledger (run uuid, step text);
	CREATE FUNCTION ship(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.step('one',
	    'INSERT INTO ledger VALUES ($1, $2)', workflow.run_id(), 'one');
	  PERFORM workflow.step('gate',
	    'SELECT pg_advisory_xact_lock_shared($1)', (input->>'lock')::bigint);
	  PERFORM workflow.step('two',
	    'INSERT INTO ledger VALUES ($1, $2)', workflow.run_id(), 'two');
	  RETURN input;
	END $$;
	SELECT workflow.create_workflow('ship');
});

my $enqueue = "SELECT workflow.enqueue_workflow('ship', '{\"lock\": 1}')";
my $states = "SELECT string_agg(concat(state, ' ', n), ' ' ORDER BY state)"
  . ' FROM (SELECT state, count(*) AS n FROM workflow.runs GROUP BY 1) s';
my $ledger = 'SELECT count(*), count(DISTINCT (run, step)) FROM ledger';

# three runs in the middle, two of them behind the gate, held by the result
sub hold_runs
{
	my $holder = $main->background_psql('shop');

	$holder->query_safe('SELECT pg_advisory_lock(1)');
	$main->safe_psql('shop', "$enqueue FROM generate_series(1, 3)");
	ok( poll_until(
			$main,
			'shop',
			'SELECT count(*) FROM pg_stat_activity'
			  . " WHERE wait_event = 'advisory' AND datname = 'shop'",
			'3'),
		'three runs are in the middle');
	return $holder;
}

sub log_has
{
	my ($node, $pattern, $offset, $name) = @_;

	like(slurp_file($node->logfile, $offset), $pattern, $name);
	return;
}

# the database stays as it is: executors, states and ledger
sub stopped
{
	my ($node, $db, $states_then, $ledger_then, $name) = @_;

	wait_for_worker($node, 'scheduler', $db);
	is( $node->safe_psql(
			$db, 'SELECT stopped, stopped_at FROM workflow.status'),
		't|',
		"$name: the status says so");
	like(
		$node->safe_psql($db, 'SELECT stop_reason FROM workflow.status'),
		qr/workflow\.start\(\)/,
		"$name: and what to do");

	# enqueue and cancel work; the cancelled one shows that it is looked at
	my $new = $node->safe_psql($db, $enqueue);
	my $id = $node->safe_psql($db, $enqueue);
	like($node->safe_psql($db, "SELECT workflow.why('$id')"),
		qr/Nothing is started.*workflow\.start\(\)/, "$name: why");
	is( $node->safe_psql(
			$db,
			'SELECT state, waiting_for FROM workflow.runs'
			  . " WHERE run_id = '$id'"),
		'queued|pause',
		"$name: enqueue works");
	$node->safe_psql($db, "SELECT workflow.cancel_run('$id')");
	ok( poll_until(
			$node, $db,
			"SELECT state FROM workflow.runs WHERE run_id = '$id'",
			'cancelled', 30),
		"$name: cancel works");
	my $old = $node->safe_psql($db,
		"SELECT run_id FROM workflow.runs WHERE state = 'queued'"
		  . ' ORDER BY run_id LIMIT 1');
	$node->safe_psql($db, "SELECT workflow.cancel_run('$old')");
	ok( poll_until(
			$node, $db,
			"SELECT state FROM workflow.runs WHERE run_id = '$old'",
			'cancelled', 30),
		"$name: of one that came along too");
	usleep(500_000);
	is( $node->safe_psql($db,
			'SELECT executors, (SELECT count(*) FROM workflow.stat_executors)'
			  . ' FROM workflow.status'),
		'0|0',
		"$name: no executor");
	is($node->safe_psql($db, $states), $states_then, "$name: states");
	is($node->safe_psql($db, $ledger), $ledger_then, "$name: ledger");
	return;
}

# after start(): everything ends, each step was done once
sub goes_on
{
	my ($node, $db, $states_then, $ledger_then, $name) = @_;

	ok(poll_until($node, $db, $states, $states_then, 30), "$name: all end");
	is($node->safe_psql($db, $ledger), $ledger_then, "$name: no step twice");
	is($node->safe_psql($db, 'SELECT stopped FROM workflow.status'),
		'f', "$name: the status says so");
	return;
}

# ---- a base backup in the middle of everything ----

my $holder = hold_runs();
$main->backup('base');
$main->safe_psql('shop', 'CREATE TABLE after_backup ()');

my $clone = PostgreSQL::Test::Cluster->new('clone');
$clone->init_from_backup($main, 'base');
$clone->append_conf('postgresql.conf', "workflow.site = 'staging'");
$clone->start;
wait_for_worker($clone, 'scheduler', 'shop');
stopped($clone, 'shop', 'cancelled 2 queued 3', '3|3', 'another site');
log_has(
	$clone,
	qr/LOG: .*workflows of database "shop" are not started\n.*"staging".*"production"\.\n.*HINT: .*workflow\.start\(\)/,
	0,
	'the log tells which');
my $log_at = -s $clone->logfile;
$clone->restart;
wait_for_worker($clone, 'scheduler', 'shop');
is($clone->safe_psql('shop', $states),
	'cancelled 2 queued 3', 'a restart changes nothing');

# a change of the setting alone
$clone->append_conf('postgresql.conf', "workflow.site = 'production'");
$clone->reload;
goes_on($clone, 'shop', 'cancelled 2 succeeded 3', '7|7', 'the right site');
log_has($clone, qr/are started again/, $log_at, 'the log tells this too');
$log_at = -s $clone->logfile;
$clone->append_conf('postgresql.conf', "workflow.site = 'staging'");
$clone->reload;
ok( poll_until(
		$clone, 'shop', 'SELECT stopped FROM workflow.status', 't', 30),
	'stopped by a reload');
$clone->safe_psql('shop', $enqueue);
ok(poll_until($clone, 'shop', $states, 'cancelled 2 queued 1 succeeded 3', 30),
	'what is enqueued waits');
my ($rc, $out, $err) = ask($clone, 'shop', 'SELECT workflow.start()');
is($err, '', 'start() has nothing to take over');
goes_on($clone, 'shop', 'cancelled 2 succeeded 4', '9|9', 'start()');
$clone->restart;
$clone->safe_psql('shop', $enqueue);
goes_on($clone, 'shop', 'cancelled 2 succeeded 5', '11|11',
	'it belongs to the new site');
$clone->stop;

# ---- from the same backup: start() at once ----

my $second = PostgreSQL::Test::Cluster->new('second');
$second->init_from_backup($main, 'base');
$second->append_conf('postgresql.conf', "workflow.site = 'test'");
$second->start;
$second->safe_psql('shop', 'SELECT workflow.start()');
goes_on($second, 'shop', 'succeeded 3', '6|6', 'start() at once');
$second->stop;

# ---- the original knows nothing of it ----

is($main->safe_psql('shop', $states), 'running 3', 'the original still runs');
$holder->query_safe('SELECT pg_advisory_unlock(1)');
goes_on($main, 'shop', 'succeeded 3', '6|6', 'the original');

# ---- a template copy ----

$holder->query_safe('SELECT pg_advisory_lock(1)');
$main->safe_psql('shop', "$enqueue FROM generate_series(1, 4)");
ok( poll_until(
		$main,
		'shop',
		'SELECT count(*) FROM pg_stat_activity'
		  . " WHERE wait_event = 'advisory' AND datname = 'shop'",
		'4'),
	'four are in the middle');
$main->safe_psql('shop', "SELECT workflow.stop('to be copied')");
# one that is cancelled shows that the scheduler knows of the stop
my $id = $main->safe_psql('shop', $enqueue);
$main->safe_psql('shop', "SELECT workflow.cancel_run('$id')");
ok( poll_until(
		$main, 'shop',
		"SELECT state FROM workflow.runs WHERE run_id = '$id'",
		'cancelled', 30),
	'stopped');
$holder->quit;
ok( poll_until(
		$main, 'shop', $states, 'cancelled 1 queued 4 succeeded 3', 30),
	'they end their steps and no more');
is($main->safe_psql('shop', $ledger), '10|10', 'four are half done');

$main->safe_psql('shop', $enqueue);
$main->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE shop');
wait_for_worker($main, 'scheduler', 'copy');
is( $main->safe_psql('copy', 'SELECT stopped FROM workflow.status'),
	't', 'a stopped copy is stopped');
$main->safe_psql('shop', 'SELECT workflow.start()');
ok( poll_until(
		$main, 'shop',
		'SELECT count(*) FROM workflow.runs WHERE finished_at IS NULL',
		'0', 30),
	'the original goes on');
is($main->safe_psql('shop', $ledger), '16|16', 'no step twice');
is( $main->safe_psql('copy', $states),
	'cancelled 1 queued 5 succeeded 3',
	'nothing of it is seen in the copy');
$main->safe_psql('copy', 'SELECT workflow.start()');
goes_on($main, 'copy', 'cancelled 1 succeeded 8', '16|16', 'half done');
is($main->safe_psql('shop', $ledger), '16|16', 'each in its own database');
$main->safe_psql('postgres', 'DROP DATABASE copy');

# one that runs: the copy is taken between two steps, with runs delayed
my $later = "SELECT workflow.enqueue_workflow('ship', '{\"lock\": 1}',"
  . " delay => '2 seconds')";
$main->safe_psql('shop', "$later FROM generate_series(1, 5)");
$log_at = -s $main->logfile;
$main->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE shop');
wait_for_worker($main, 'scheduler', 'copy');
goes_on($main, 'shop', 'cancelled 1 succeeded 13', '26|26', 'original of a copy');
is( $main->safe_psql('copy', $states),
	'cancelled 1 queued 5 succeeded 8',
	'their time has come, but not in the copy');
log_has($main, qr/database "copy" are not started\n.*copy of another/,
	$log_at, 'the log tells why');
stopped($main, 'copy', 'cancelled 3 queued 5 succeeded 8', '16|16', 'copy');
($rc, $out, $err) = ask($main, 'copy', 'SELECT workflow.start()');
like($err, qr/^NOTICE:  4 unfinished runs .* taken over$/,
	'start() takes over four');
goes_on($main, 'copy', 'cancelled 3 succeeded 13', '26|26', 'copy');
is($main->safe_psql('shop', $states), 'cancelled 1 succeeded 13',
	'the original as it was');
is($main->safe_psql('shop', $ledger), '26|26', 'its ledger too');
$main->safe_psql('postgres', 'DROP DATABASE copy');

# ---- the same site: a replacement goes on where the original was ----

$main->safe_psql('shop', "$later FROM generate_series(1, 3)");
$main->backup('replacement');
$main->stop('immediate');
my $replacement = PostgreSQL::Test::Cluster->new('replacement');
$replacement->init_from_backup($main, 'replacement');
$replacement->start;
goes_on($replacement, 'shop', 'cancelled 1 succeeded 16', '32|32', 'same site');

# ---- another system identifier, as after pg_upgrade ----

$replacement->safe_psql('shop', "$later FROM generate_series(1, 2)");
$replacement->stop;
my $control = $replacement->data_dir . '/global/pg_control';
open my $file, '+<:raw', $control or die "could not open $control: $!";
read($file, my $identifier, 8) == 8 or die "could not read $control: $!";
seek($file, 0, 0);
print $file pack('Q', unpack('Q', $identifier) + 1);
close $file or die "could not write $control: $!";
command_ok([ 'pg_resetwal', '-f', '-D', $replacement->data_dir ],
	'pg_resetwal');
$log_at = -s $replacement->logfile;
$replacement->start;
wait_for_worker($replacement, 'scheduler', 'shop');
stopped($replacement, 'shop', 'cancelled 3 queued 2 succeeded 16',
	'32|32', 'another identifier');
$replacement->safe_psql('shop', 'SELECT workflow.start()');
goes_on($replacement, 'shop', 'cancelled 3 succeeded 18', '36|36',
	'another identifier');

scan_log($_) for $main, $clone, $second, $replacement;
$replacement->stop;
done_testing();
