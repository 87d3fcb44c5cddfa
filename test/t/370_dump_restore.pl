# A dump holds everything, and whatever way it is restored, nothing of it runs
# before workflow.start(); then all of it goes on, and no step is repeated.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('main');
$node->safe_psql('postgres',
	'CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE carol LOGIN');
create_extension($node, 'shop');

# ---- a shop whose gate is closed: runs get as far as that ----

$node->safe_psql(
	'shop', q{
	CREATE TABLE ledger (run uuid, step text);
	CREATE TABLE gate (open boolean);
	INSERT INTO gate VALUES (false);
	GRANT ALL ON ledger, gate TO PUBLIC;
	SELECT workflow.grant_usage(r) FROM unnest('{alice,bob,carol}'::text[]) r;

	CREATE FUNCTION enter(how text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
	  IF how = 'half' THEN
	    PERFORM pg_advisory_xact_lock_shared(1);
	  ELSIF NOT (SELECT open FROM gate) AND how = 'retry' THEN
	    RAISE 'closed' USING ERRCODE = '57P03';
	  ELSIF NOT (SELECT open FROM gate) AND how IN ('park', 'fail') THEN
	    RAISE 'closed' USING ERRCODE = '22023';
	  END IF;
	END $$;
	CREATE FUNCTION ship(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.step('one',
	    'INSERT INTO ledger VALUES ($1, $2)', workflow.run_id(), 'one');
	  PERFORM workflow.step('gate', 'SELECT enter($1)', input->>'how');
	  PERFORM workflow.step('two',
	    'INSERT INTO ledger VALUES ($1, $2)', workflow.run_id(), 'two');
	  RETURN input;
	END $$;

	SET ROLE alice;
	SELECT workflow.create_workflow('ship',
	  policy => workflow.policy(initial_delay => '1 hour',
	                            max_delay => '1 hour', max_attempts => 7),
	  run_timeout => '1 day', keep_succeeded => '3 days',
	  description => 'goods; "quoted"');
	SELECT workflow.create_workflow('repair', body => 'ship',
	  on_failure => 'park');
	SELECT workflow.create_workflow('closed', body => 'ship');
	SELECT workflow.pause_workflow('closed', reason => 'no goods');
});

# as(role, sql) before others: how that role asks
sub as
{
	my ($role, $sql) = @_;

	return "SET SESSION AUTHORIZATION $role; $sql";
}

# The way a run goes is its dedup_key; the same for both roles.
sub enqueue
{
	my ($how, $options) = @_;
	my $workflow = $how eq 'park' ? 'repair' : 'ship';

	return
		"SELECT workflow.enqueue_workflow('$workflow', '{\"how\": \"$how\"}',"
	  . " dedup_key => '$how'"
	  . ($options // '') . ')';
}

for my $role ('alice', 'bob')
{
	$node->safe_psql('shop', as($role, enqueue($_)))
	  for 'done', 'retry', 'park', 'fail';
}
ok( poll_until(
		$node, 'shop',
		"SELECT string_agg(DISTINCT concat_ws('-', dedup_key, state,"
		  . " waiting_for, steps_done), ' ') FROM workflow.runs",
		'done-succeeded-3 fail-failed-1 park-parked-repair-1'
		  . ' retry-queued-retry-1'),
	'runs ended, failed, parked and in back-off');

my $holder = $node->background_psql('shop');
$holder->query_safe('SELECT pg_advisory_lock(1)');
$node->safe_psql('shop', as($_, enqueue('half'))) for 'alice', 'bob';
ok( poll_until(
		$node, 'shop',
		"SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'",
		'2'),
	'two are in the middle');
$node->safe_psql('shop', "SELECT workflow.stop('a dump')");
for my $role ('alice', 'bob')
{
	$node->safe_psql('shop', as($role, enqueue('queued')));
	$node->safe_psql('shop',
		as($role, enqueue('due', ", delay => '1 second'")));
	$node->safe_psql('shop',
		as($role, enqueue('later', ", delay => '1 day'")));
}
$node->safe_psql('shop', as('carol', enqueue('queued')));
# a cancelled run shows that the scheduler knows of the stop
$node->safe_psql('shop',
	as('alice', enqueue('cancelled'))
	  . '; SELECT workflow.cancel_run(run_id) FROM workflow.runs'
	  . " WHERE dedup_key = 'cancelled'");
ok( poll_until(
		$node, 'shop',
		"SELECT state FROM workflow.runs WHERE dedup_key = 'cancelled'",
		'cancelled'),
	'stopped');
$holder->query_safe('SELECT pg_advisory_unlock(1)');
$holder->quit;
ok( poll_until(
		$node, 'shop',
		'SELECT count(*) FROM workflow.stat_executors'
		  . " WHERE state = 'running'",
		'0'),
	'and nothing runs');

# messages: one waits, one is leased, one is dead, one is acknowledged
$node->safe_psql('shop',
	as('alice', q{
	SELECT workflow.create_queue('post', dedup_window => '1 day',
	  keep_acked => '1 day', notify_channel => 'Post',
	  policy => workflow.policy(max_attempts => 3));
	SELECT workflow.send('post', to_jsonb(n), dedup_key => 'k' || n, group_key => 'g' || n)
	  FROM generate_series(1, 4) n}));
$node->safe_psql('shop', q{
	UPDATE _workflow.message SET state = 'l', attempt = 1, receipt = 1,
	       lease_until = now() + interval '1 s' WHERE payload = '2';
	UPDATE _workflow.message SET state = 'd', attempt = 3, finished_at = now(),
	       reason = 'attempts', error_code = 'WF004' WHERE payload = '3';
	UPDATE _workflow.message SET state = 'a', attempt = 1, finished_at = now(),
	       result = '"fine"' WHERE payload = '4'});

my $messages =
	'SELECT message_id, queue, owner, state, dedup_key, group_key, attempt,'
  . ' max_attempts, payload, result, reason, error_code, enqueued_at'
  . ' FROM workflow.messages ORDER BY 1';
my $states =
	'SELECT run_id, workflow, body, owner, state, dedup_key, input, result,'
  . ' error_code, failed_step, steps_done, attempts, enqueued_at, run_at,'
  . ' finished_at FROM workflow.runs'
  . " WHERE dedup_key NOT LIKE 'new%' OR dedup_key IS NULL ORDER BY 1";
my $steps = 'SELECT * FROM workflow.steps WHERE run_id IN (SELECT run_id'
  . " FROM workflow.runs WHERE dedup_key NOT LIKE 'new%') ORDER BY 1, 2";
my $definitions = "SELECT * FROM workflow.workflows"
  . " WHERE workflow NOT LIKE 'new%' ORDER BY workflow";
# not what could be retried: nothing can, before start() is called
my $dead = 'SELECT kind, run_id, message_id, workflow, queue, owner, failed_step,'
  . ' reason, error_code, error_message, attempts, died_at'
  . ' FROM workflow.dead_letters ORDER BY run_id';
my %source = map { $_ => $node->safe_psql('shop', $_) } $states, $steps,
  $definitions, $dead, $messages;
is( $node->safe_psql('shop',
		"SELECT string_agg(concat_ws('-', dedup_key, state, steps_done), ' '"
		  . " ORDER BY dedup_key) FROM workflow.runs WHERE owner = 'alice'"),
	'cancelled-cancelled-0 done-succeeded-3 due-queued-0 fail-failed-1'
	  . ' half-queued-2 later-queued-0 park-parked-1 queued-queued-0'
	  . ' retry-queued-1',
	'what is dumped');

# ---- what holds for every restored database ----

sub enqueue_new
{
	my ($to, $db, $role, $key, $name) = @_;
	my ($rc, $id, $err) = ask($to, $db,
		as( $role,
			"SELECT workflow.enqueue_workflow('ship', dedup_key => '$key')"));

	is($err, '', "$name: $role enqueues");
	ok( poll_until(
			$to,
			$db,
			"SELECT state FROM workflow.runs WHERE run_id = '$id'",
			'succeeded',
			30),
		"$name: what is new runs");
	return $id;
}

# every step of every run that ended well is in the ledger once
sub ledger_is_right
{
	my ($to, $db, $name) = @_;

	is( $to->safe_psql(
			$db, q{
			SELECT count(*) FROM
			  (SELECT run_id, s FROM workflow.runs, unnest('{one,two}'::text[]) s
			    WHERE state = 'succeeded') a
			  FULL JOIN (SELECT run, step, count(*) FROM ledger GROUP BY 1, 2) b
			    ON run_id = run AND s = step
			 WHERE run_id IS NULL AND run NOT IN
			         (SELECT run_id FROM workflow.runs WHERE state <> 'succeeded')
			    OR run IS NULL OR count <> 1}),
		'0',
		"$name: each step was done once");
	return;
}

# nothing that came with the dump has moved
sub nothing_has_run
{
	my ($to, $db, $name) = @_;

	for my $sql ($states, $steps, $dead, $definitions, $messages)
	{
		my ($view) = $sql =~ /FROM (workflow\.\w+)/;
		is($to->safe_psql($db, $sql), $source{$sql}, "$name: $view as dumped");
	}
	return;
}

# check_restored(node, db, name, {missing => roles that are not there})
sub check_restored
{
	my ($to, $db, $name, $params) = @_;
	my $missing = $params->{missing} // 0;
	my $log_at = -s $to->logfile;
	my $scheduler = wait_for_worker($to, 'scheduler', $db);
	nothing_has_run($to, $db, $name);

	# what is new runs, also while the old does not; identity goes by the
	# owner's name
	my $last = $to->safe_psql($db,
		'SELECT run_id FROM _workflow.run ORDER BY 1 DESC LIMIT 1');
	my $id = enqueue_new($to, $db, 'alice', 'new', $name);
	cmp_ok($id, 'gt', $last, "$name: ids go on");
	enqueue_new($to, $db, 'bob', 'new', $name);
	for my $role ('alice', 'bob')
	{
		for my $how ('queued', 'done')
		{
			my $old = $to->safe_psql($db,
				'SELECT run_id FROM workflow.runs'
				  . " WHERE owner = '$role' AND dedup_key = '$how'");
			is((ask($to, $db, as($role, enqueue($how))))[1],
				$old, "$name: the key \"$how\" of $role is taken");
			is( $to->safe_psql($db,
					"SELECT workflow.find_run('ship', '$how', '$role')"),
				$old,
				"$name: and found");
		}
	}

	# a paused workflow is paused for what is new as well
	$to->safe_psql($db,
		as('alice',
			"SELECT workflow.enqueue_workflow('closed', dedup_key => 'new')"));
	enqueue_new($to, $db, 'alice', 'new2', $name);
	is( $to->safe_psql($db,
			'SELECT state, waiting_for FROM workflow.runs'
			  . " WHERE workflow = 'closed'"),
		'queued|pause',
		"$name: paused is paused");

	# neither does a new scheduler start the old
	kill_worker($to, 'scheduler', $db, 'TERM');
	wait_for_worker($to, 'scheduler', $db, $scheduler);
	$to->safe_psql($db, "CALL workflow.wait_until_idle('30 s')");
	nothing_has_run($to, $db, $name);
	# eleven runs, for parked and ended ones wait for nothing, and two messages
	like(
		slurp_file($to->logfile, $log_at),
		qr/LOG:  13 workflow runs and messages of another database are not started/,
		"$name: the log tells of them");
	like(
		$to->safe_psql($db,
			'SELECT workflow.why(run_id) FROM workflow.runs'
			  . " WHERE dedup_key = 'queued' AND owner = 'bob'"),
		qr/another database.*workflow\.start\(\)/s,
		"$name: why");

	# what was retried would run
	is( $to->safe_psql($db,
			'SELECT DISTINCT workflow.retry_run(run_id) FROM workflow.runs'
			  . " WHERE dedup_key IN ('fail', 'park', 'retry')"),
		'f',
		"$name: no retry");
	like(
		$to->safe_psql($db,
			'SELECT workflow.why(run_id) FROM workflow.runs'
			  . " WHERE dedup_key = 'park' AND owner = 'bob'"),
		qr/another database.*workflow\.start\(\)/s,
		"$name: and why");

	# a cancelled one is cancelled before it ever runs
	$to->safe_psql($db,
		'SELECT workflow.cancel_run(run_id) FROM workflow.runs'
		  . " WHERE dedup_key = 'later' AND owner = 'bob'");
	ok( poll_until(
			$to, $db,
			'SELECT state FROM workflow.runs'
			  . " WHERE dedup_key = 'later' AND owner = 'bob'",
			'cancelled', 30),
		"$name: cancel works");

	# messages are there, their keys as well, but nobody gets them
	is( $to->safe_psql($db, "SELECT count(*) FROM workflow.receive('post', 10)"),
		'0',
		"$name: no message is received");
	my $kept = $to->safe_psql($db,
		as('alice', "SELECT workflow.send('post', '9', dedup_key => 'k1')"));
	is( $to->safe_psql($db,
			'SELECT dedup_key FROM workflow.messages'
			  . " WHERE message_id = $kept"),
		'k1',
		"$name: the key of a message is taken");

	# ---- start() ----

	$to->safe_psql($db, 'UPDATE gate SET open = true');
	my ($rc, $out, $err) = ask($to, $db, 'SELECT workflow.start()');
	is($rc, 0, "$name: start()") or diag($err);
	like($err, qr/^NOTICE: .*taken over$/, "$name: tells how many");
	ok( poll_until(
			$to, $db,
			"SELECT string_agg(concat_ws('-', dedup_key, state, waiting_for,"
			  . " steps_done), ' ' ORDER BY dedup_key) FROM workflow.runs"
			  . " WHERE owner = 'alice' AND dedup_key NOT LIKE 'new%'",
			'cancelled-cancelled-0 done-succeeded-3 due-succeeded-3'
			  . ' fail-failed-1 half-succeeded-3 later-queued-start time-0'
			  . ' park-parked-repair-1 queued-succeeded-3'
			  . ' retry-queued-retry-1',
			30),
		"$name: what is ready runs, the rest waits as it did");
	ok( poll_until(
			$to, $db,
			q{SELECT count(*) FROM workflow.messages WHERE state = 'queued'},
			'2', 30),
		"$name: a lease of the past is over");
	is( $to->safe_psql(
			$db,
			as( 'alice',
				q{SELECT string_agg(payload::text, ' ' ORDER BY message_id)
				FROM workflow.receive('post', 10)})),
		'1 2',
		"$name: messages are received");
	$to->safe_psql($db,
		'SELECT workflow.retry_run(run_id) FROM workflow.runs'
		  . " WHERE dedup_key IN ('fail', 'park', 'retry')");
	$to->safe_psql($db,
		as( 'alice',
			'SELECT workflow.cancel_run(run_id) FROM workflow.runs'
			  . " WHERE dedup_key = 'later'"));
	$to->safe_psql($db,
		as('alice', "SELECT workflow.resume_workflow('closed')"));
	ok( poll_until(
			$to, $db,
			'SELECT count(*) FROM workflow.runs'
			  . " WHERE finished_at IS NULL AND owner <> 'carol'",
			'0', 30),
		"$name: all ended");
	is( $to->safe_psql(
			$db,
			"SELECT string_agg(DISTINCT concat_ws('-', dedup_key, state,"
			  . " steps_done), ' ') FROM workflow.runs"
			  . " WHERE owner <> 'carol' AND dedup_key NOT LIKE 'new%'"),
		'cancelled-cancelled-0 done-succeeded-3 due-succeeded-3'
		  . ' fail-succeeded-3 half-succeeded-3 later-cancelled-0'
		  . ' park-succeeded-3 queued-succeeded-3 retry-succeeded-3',
		"$name: and all well");
	ok( poll_until(
			$to,
			$db,
			"SELECT concat_ws('-', r.state, t.reason) FROM workflow.runs r"
			  . ' JOIN _workflow.run t USING (run_id)'
			  . " WHERE r.owner = 'carol'",
			$missing ? 'parked-owner' : 'succeeded',
			30),
		"$name: carol's run");
	ledger_is_right($to, $db, $name);

	# ---- sequences ----

	($rc, $out, $err) = ask($to, $db, as('bob',
			"SELECT workflow.create_workflow('new', body => 'ship')"));
	is($err, '', "$name: a definition without a clash");
	($rc, $out, $err) = ask($to, $db, as('alice',
			"SELECT workflow.create_workflow('ship', body => 'enter_not',"
			  . ' or_replace => true)'));
	like($err, qr/enter_not/, "$name: the definition is still alice's");
	is( $to->safe_psql($db,
			'SELECT count(*), count(DISTINCT workflow_id)'
			  . ' FROM _workflow.workflow WHERE workflow_id > 0'),
		'4|4',
		"$name: four definitions");
	return;
}

# ---- plain ----

my $dump = $node->basedir . '/dump.sql';
my $custom = $node->basedir . '/dump.custom';
my $schema = $node->basedir . '/schema.sql';
my @pg_dump = ('pg_dump', '-d', $node->connstr('shop'));

command_ok([ @pg_dump, '-f', $dump ], 'pg_dump, plain');
command_ok([ @pg_dump, '-Fc', '-f', $custom ], 'pg_dump -Fc');
command_ok([ @pg_dump, '--schema-only', '-f', $schema ],
	'pg_dump --schema-only');

sub psql_file
{
	my ($to, $db, $file) = @_;

	command_ok(
		[
			'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $to->connstr($db),
			'-f', $file
		],
		"psql -f in $db");
	return;
}

sub pg_restore
{
	my ($to, $db, @options) = @_;

	command_ok([ 'pg_restore', '-d', $to->connstr($db), @options, $custom ],
		"pg_restore @options in $db");
	return;
}

$node->safe_psql('postgres', 'CREATE DATABASE plain');
psql_file($node, 'plain', $dump);
check_restored($node, 'plain', 'plain');

# ---- custom, in parallel ----

$node->safe_psql('postgres', 'CREATE DATABASE custom');
pg_restore($node, 'custom', '-j4');
check_restored($node, 'custom', '-j4');

# ---- the data alone, into an extension that is there ----

$node->safe_psql('postgres', 'CREATE DATABASE data');
psql_file($node, 'data', $schema);
wait_for_worker($node, 'scheduler', 'data');
pg_restore($node, 'data', '--data-only', '-j4');
check_restored($node, 'data', '--data-only');

# ---- another cluster, whose roles have other oids, and one is missing ----

my $other = new_node('other');
$other->safe_psql('postgres', 'CREATE ROLE bob LOGIN; CREATE ROLE alice LOGIN');
my $oids = 'SELECT string_agg(rolname, NULL ORDER BY oid) FROM pg_roles'
  . " WHERE rolname IN ('alice', 'bob')";
is( $node->safe_psql('postgres', "SELECT 'alice'::regrole::oid"),
	$other->safe_psql('postgres', "SELECT 'bob'::regrole::oid"),
	'the oid of alice is that of bob there');
$other->safe_psql('postgres', 'CREATE DATABASE shop');
pg_restore($other, 'shop', '--no-owner', '--no-acl');
$other->safe_psql(
	'shop', q{
	GRANT ALL ON ledger, gate TO PUBLIC;
	SELECT workflow.grant_usage(r) FROM unnest('{alice,bob}'::text[]) r;
});
check_restored($other, 'shop', '--no-owner', { missing => 1 });

# carol comes, and gets what is hers
$other->safe_psql('shop',
	"CREATE ROLE carol LOGIN; SELECT workflow.grant_usage('carol');"
	  . ' SELECT workflow.start(); SELECT workflow.retry_run(run_id)'
	  . " FROM workflow.runs WHERE owner = 'carol'");
ok( poll_until(
		$other,   'shop',
		"SELECT state FROM workflow.runs WHERE owner = 'carol'",
		'succeeded', 30),
	'a role that comes later gets its runs');

# ---- the same database: another extension, though nothing else differs ----

$node->safe_psql('shop',
	'DROP EXTENSION workflow CASCADE; CREATE EXTENSION workflow');
$node->safe_psql('shop',
	"SELECT workflow.grant_usage(r) FROM unnest('{alice,bob,carol}'::text[]) r"
);
wait_for_worker($node, 'scheduler', 'shop');
pg_restore($node, 'shop', '--data-only', '--schema=_workflow');
check_restored($node, 'shop', 'same database');

pg_restore($node, 'shop', '--clean', '--if-exists');
check_restored($node, 'shop', '--clean');

scan_log($node);
scan_log($other);
$node->stop;
$other->stop;
done_testing();
