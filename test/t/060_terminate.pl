# pg_terminate_backend(), pg_cancel_backend() and plain signals at every kind of
# worker, again and again under load: the cluster never restarts, the workers
# come back, every run finishes and no step happens twice.
use strict;
use warnings;

use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('terminate', 'workflow.executors = 4');
my $db = 'shop';
create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE ROLE signaller LOGIN IN ROLE pg_signal_backend;
CREATE TABLE effect (run_id uuid, ordinal int);
CREATE FUNCTION note() RETURNS int LANGUAGE sql AS $$
	INSERT INTO effect SELECT workflow.run_id(), split_part(workflow.idempotency_key(), '/', 2)::int
	  FROM pg_sleep(random() * 0.01) RETURNING ordinal
$$;
CREATE FUNCTION three(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	r jsonb := '[]';
BEGIN
	FOR i IN 1..3 LOOP
		r := r || workflow.step('note', 'SELECT note()', workflow.policy(initial_delay => '1 ms', max_delay => '10 ms'));
	END LOOP;
	RETURN r;
END $$;
SELECT workflow.create_workflow('three');
});
my $started = $node->safe_psql($db, 'SELECT pg_postmaster_start_time()');
my $total = 0;

sub enqueue
{
	my ($many) = @_;
	$total += $many;
	$node->safe_psql($db, "SELECT workflow.enqueue_workflow('three') FROM generate_series(1, $many)");
	return;
}

# Everything enqueued so far ended well, each step once.
sub check_all
{
	my ($what) = @_;
	my $begin = time();

	ok( poll_until($node, $db,
			q{SELECT count(*) FROM workflow.runs WHERE state = 'succeeded' AND result = '[1, 2, 3]'},
			$total, 60),
		"$what: all runs succeeded");
	note sprintf('%s: drained in %.3f s', $what, time() - $begin);
	is( $node->safe_psql($db,
			'SELECT count(*), count(DISTINCT (run_id, ordinal)) FROM effect'),
		3 * $total . '|' . 3 * $total,
		"$what: each step happened once");
	return;
}

sub signal_all
{
	my ($function, $type) = @_;
	$node->safe_psql('postgres',
		"SELECT count($function(pid)) FROM pg_stat_activity WHERE backend_type = 'workflow $type'");
	return;
}

foreach my $type (qw(executor scheduler launcher))
{
	foreach my $function (qw(pg_cancel_backend pg_terminate_backend))
	{
		foreach my $i (1 .. 10)
		{
			enqueue(10);
			signal_all($function, $type);
			usleep(rand(50_000));
		}
		check_all("$function($type)");
	}
}

# All of them at once.
foreach my $i (1 .. 10)
{
	enqueue(10);
	signal_all('pg_terminate_backend', $_) foreach qw(launcher scheduler executor);
	usleep(rand(100_000));
}
check_all('all at once');

# Each kind is back soon, by itself, though there is nothing to do.
foreach my $type (qw(launcher scheduler))
{
	my $old = worker_pid($node, $type);
	my $begin = time();
	signal_all('pg_terminate_backend', $type);
	my $new = wait_for_worker($node, $type, undef, $old);
	my $took = time() - $begin;
	note sprintf('%s is back after %.3f s', $type, $took);
	cmp_ok($took, '<', 10, "$type is back");
}

# One run whose executor is terminated over and over is not failed for it.
$node->safe_psql($db, q{
CREATE FUNCTION long(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('long', 'SELECT count(*) FROM pg_sleep(3)', workflow.policy(max_attempts => 1));
END $$;
SELECT workflow.create_workflow('long');
SELECT workflow.enqueue_workflow('long');
});
my $pid = 0;
foreach my $i (1 .. 2)
{
	ok( poll_until($node, $db,
			"SELECT count(*) FROM workflow.stat_executors WHERE step = 'long' AND executor_pid <> $pid", '1'),
		'the long step runs');
	$pid = $node->safe_psql($db, q{SELECT executor_pid FROM workflow.stat_executors WHERE step = 'long'});
	$node->safe_psql($db, "SELECT pg_terminate_backend($pid)");
}
ok( poll_until($node, $db,
		q{SELECT state || attempts FROM workflow.runs WHERE workflow = 'long'}, 'succeeded3', 60),
	'it succeeds with its one attempt, and those that were lost are shown');

# A role with pg_signal_backend may end what superusers own no more than any
# other backend of theirs.
my $launcher = worker_pid($node, 'launcher');
my ($rc, $out, $err) = $node->psql($db, "SELECT pg_terminate_backend($launcher)",
	extra_params => [ '-U', 'signaller' ]);
like($err, qr/must be a superuser|permission denied/, 'the launcher is a superuser\'s to other roles');

is($node->safe_psql($db, 'SELECT pg_postmaster_start_time()'),
	$started, 'the postmaster is the same');
unlike(slurp_file($node->logfile),
	qr/reinitializing/, 'the cluster never restarted');
is($node->safe_psql($db, 'SELECT count(*) FROM workflow.dead_letters'),
	'0', 'no dead letters');

$node->stop;
scan_log($node);
done_testing();
