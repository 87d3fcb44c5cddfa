# Bulk work holds nobody up: it is done in slices, between which the scheduler
# starts what is ready.  Counted are slices and statements, not seconds: each
# commit of a slice of requests waits at a stop point until it is let go on.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use WorkflowTest;

my $node = new_node('main', 'autovacuum = off', 'workflow.executors = 4');
my $db = 'shop';
create_extension($node, $db);
$node->safe_psql($db, q{
	CREATE ROLE alice LOGIN;
	CREATE ROLE bob LOGIN;
	GRANT ALL ON SCHEMA public TO alice, bob;
	SELECT workflow.grant_usage('alice'), workflow.grant_usage('bob');
});
as('alice', q{
	CREATE FUNCTION nap(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.sleep('1 hour');
	  RETURN '1';
	END $$;
	SELECT workflow.create_workflow('nap');
});
as('bob', q{
	CREATE FUNCTION quick(input jsonb) RETURNS jsonb LANGUAGE sql
	  AS $$ SELECT workflow.step('s', 'SELECT 1') $$;
	SELECT workflow.create_workflow('quick');
	SELECT workflow.enqueue_workflow('quick');
});
ok( poll_until(
		$node, $db,
		"SELECT state FROM workflow.runs WHERE workflow = 'quick'",
		'succeeded'),
	'bob has an executor');

sub as
{
	my ($role, $sql) = @_;

	local $ENV{PGUSER} = $role;
	return $node->safe_psql($db, $sql);
}

sub scheduler_stops_at
{
	my ($stop) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET workflow.test_stop = '$stop'");
	$node->reload;
	return;
}

# Requests that have yet to be dealt with.
sub left
{
	return $node->safe_psql($db, 'SELECT count(*) FROM _workflow.request');
}

# Lets go on what is stopped until SQL gives 't'; how many requests that took.
sub go_on_until
{
	my ($sql) = @_;
	my $before = left();
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;

	while ($node->safe_psql($db, $sql) ne 't')
	{
		return -1 if time() > $end;
		usleep(20_000);
	}
	return $before - left();
}

# ---- requests by the thousand ----

my %bulk = (
	'cancel' =>
	  q{SELECT count(workflow.cancel_run(run_id)) FROM workflow.runs
		WHERE workflow = 'nap' AND state <> 'cancelled'},
	'pause' =>
	  q{SELECT count(workflow.pause_run(run_id)) FROM workflow.runs
		WHERE workflow = 'nap' AND state <> 'cancelled'},
	'drop' => q{SELECT workflow.drop_workflow('nap', force => true)});

for my $name (qw(pause cancel drop))
{
	as('alice', q{
		SELECT workflow.create_workflow('nap')
		 WHERE NOT EXISTS (SELECT FROM workflow.workflows WHERE workflow = 'nap');
		SELECT count(workflow.enqueue_workflow('nap', delay => '1 day'))
		  FROM generate_series(1, 1500);
	});
	$node->safe_psql($db, "CALL workflow.wait_until_idle('60 s')");

	# a slice takes a second each, so thousands are left for a long time
	scheduler_stops_at('sched-request-commit=sleep');
	as('alice', $bulk{$name});
	ok( poll_until(
			$node, $db,
			'SELECT count(*) BETWEEN 1 AND 1450 FROM _workflow.request'),
		"$name: the first slice is done");
	my $run = as('bob', "SELECT workflow.enqueue_workflow('quick')");
	my $done = go_on_until(
		"SELECT state = 'succeeded' FROM workflow.runs WHERE run_id = '$run'");
	cmp_ok($done, '>=', 0, "$name: another role's run has ended");
	cmp_ok(left(), '>', 500, "$name: after a few slices");

	# what is asked now does not wait behind them either
	$run = as('bob',
		"SELECT workflow.enqueue_workflow('quick', delay => '1 day')");
	as('bob', "SELECT workflow.cancel_run('$run')");
	$done = go_on_until(
		"SELECT state = 'cancelled' FROM workflow.runs WHERE run_id = '$run'");
	cmp_ok($done, '>=', 0, "$name: what another role asks for is done");
	cmp_ok(left(), '>', 0, "$name: before the others");

	# nor does it overtake what was asked of the same run before
	my $paused = as('bob', q{
		SELECT workflow.enqueue_workflow('quick', delay => '1 day')});
	as('bob', "SELECT workflow.pause_run('$paused')");
	as('bob', "SELECT workflow.resume_run('$paused')");
	scheduler_stops_at('');
	ok(poll_until($node, $db, 'SELECT count(*) FROM _workflow.request', '0'),
		"$name: all is done in the end");
	is( $node->safe_psql($db,
			"SELECT paused_at IS NOT NULL FROM workflow.runs WHERE run_id = '$paused'"),
		'f',
		"$name: in the order in which it was asked");
}

# A run that is paused in the transaction that enqueued it does not start, with
# thousands of requests made at the same time.
as('alice', q{
	SELECT workflow.create_workflow('nap');
	SELECT count(workflow.enqueue_workflow('nap', delay => '1 day'))
	  FROM generate_series(1, 3000);
});
$node->safe_psql($db, "CALL workflow.wait_until_idle('60 s')");
as('alice', $bulk{cancel});
as('bob', q{
	SELECT count(workflow.pause_run(workflow.enqueue_workflow('quick')))
	  FROM generate_series(1, 500)});
ok(poll_until($node, $db, 'SELECT count(*) FROM _workflow.request', '0'),
	'both are done');
$node->safe_psql($db, "CALL workflow.wait_until_idle('60 s')");
is( $node->safe_psql($db,
		q{SELECT count(*) FROM workflow.runs WHERE workflow = 'quick' AND paused_at IS NOT NULL AND started_at IS NULL}),
	'500',
	'none has started');

# Nor does what was cancelled while nothing was started, however much it is.
$node->safe_psql($db, "SELECT workflow.stop('for a cancel')");
as('bob', q{
	SELECT count(workflow.enqueue_workflow('quick')) FROM generate_series(1, 2000)});
as('bob', q{
	SELECT count(workflow.cancel_run(run_id)) FROM workflow.runs
	 WHERE workflow = 'quick' AND state = 'queued' AND paused_at IS NULL});
$node->safe_psql($db, 'SELECT workflow.start()');
ok(poll_until($node, $db, 'SELECT count(*) FROM _workflow.request', '0'),
	'2,000 cancels are done');
$node->safe_psql($db, "CALL workflow.wait_until_idle('60 s')");
is( $node->safe_psql($db, q{
		SELECT count(*) FROM workflow.runs r
		  JOIN workflow.audit_log a USING (run_id)
		 WHERE r.workflow = 'quick' AND a.action = 'cancel_run'
		   AND r.state <> 'cancelled'}),
	'0',
	'and none of them has run');

# ---- nothing costs more than its number ----

# Index scans of a table so far.
sub scans
{
	my ($table) = @_;

	$node->safe_psql($db, 'SELECT pg_stat_force_next_flush()');
	return $node->safe_psql($db,
		"SELECT coalesce(sum(idx_scan) + sum(seq_scan), 0)"
		  . " FROM pg_stat_all_tables WHERE schemaname = '_workflow'"
		  . " AND relname = '$table'");
}

sub settled_scans
{
	my ($table) = @_;
	my ($before, $now) = (-1, scans($table));

	while ($before != $now)
	{
		usleep(1_200_000);
		($before, $now) = ($now, scans($table));
	}
	return $now;
}

as('alice', q{
	SELECT count(workflow.enqueue_workflow('nap', delay => '1 day'))
	  FROM generate_series(1, 5000);
});
$node->safe_psql($db, "CALL workflow.wait_until_idle('60 s')");
my $before = settled_scans('run');
as('alice', q{
	SELECT count(workflow.signal_run(
			 workflow.enqueue_workflow('nap', delay => '1 day'), 's',
			 to_jsonb(i)))
	  FROM generate_series(1, 1000) i;
});
$node->safe_psql($db, "CALL workflow.wait_until_idle('60 s')");
cmp_ok(settled_scans('run') - $before, '<', 10 * 1000,
	'signals cost by their number, whatever else waits');

$before = settled_scans('queue');
as('alice', q{
	SELECT count(workflow.create_queue('q' || i)) FROM generate_series(1, 500) i});
$node->safe_psql($db, "CALL workflow.wait_until_idle('60 s')");
cmp_ok(settled_scans('queue') - $before, '<', 20 * 500,
	'so do new queues');

# ---- a start: queues take turns ----

# A scheduler begins with thousands of messages in one queue, of which it reads
# a thousand a second here, and little in another one.
as('alice', q{
	SELECT workflow.create_queue('big');
	SELECT count(workflow.send('big', '1')) FROM generate_series(1, 20000);
});
as('bob', "SELECT workflow.create_queue('small')");
$node->safe_psql($db, "SELECT workflow.stop('for a restart')");
my $message = as('bob', "SELECT workflow.send('small', '1')");
my $ready = as('bob', "SELECT workflow.enqueue_workflow('quick', queue => 'small')");
scheduler_stops_at('sched-scan-commit=sleep');
$node->restart;
$node->safe_psql($db, 'SELECT workflow.start()');
ok( poll_until(
		$node, $db,
		"SELECT state FROM workflow.runs WHERE run_id = '$ready'", 'succeeded'),
	'a run of the one starts');
is(as('bob', "SELECT message_id FROM workflow.receive('small')"), $message,
	'and a message is received');
is( $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'workflow scheduler'"
		  . " AND query = 'reading runs'"),
	'1',
	'while the other is still being read');
scheduler_stops_at('');

scan_log($node);
$node->stop;
done_testing();
