# A good neighbour: a fast shutdown and a DROP DATABASE wait for no step, and
# a server whose workflows have nothing to do does nothing.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use WorkflowTest;

my $node = new_node(
	'main', 'autovacuum = off', 'wal_level = minimal', 'max_wal_senders = 0',
	'workflow.executors = 5');
create_extension($node, 'shop');

# Each kind of step is endless until the gate opens, as is one of the bodies.
$node->safe_psql(
	'shop', q{
	CREATE TABLE ledger (run uuid, step text);
	CREATE TABLE gate (open boolean);
	INSERT INTO gate VALUES (false);

	CREATE FUNCTION spin() RETURNS bigint LANGUAGE plpgsql AS $$
	DECLARE
	  n bigint := 0;
	BEGIN
	  WHILE NOT (SELECT open FROM gate) LOOP
	    FOR i IN 1 .. 100000 LOOP
	      n := n + 1;
	    END LOOP;
	  END LOOP;
	  RETURN n;
	END $$;
	CREATE FUNCTION catch() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
	  WHILE NOT (SELECT open FROM gate) LOOP
	    BEGIN
	      PERFORM sum(i) FROM generate_series(1, 1000) i;
	      RAISE EXCEPTION 'again';
	    EXCEPTION WHEN OTHERS THEN
	      NULL;
	    END;
	  END LOOP;
	END $$;

	CREATE FUNCTION work(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.step('one',
	    'INSERT INTO ledger VALUES ($1, $2)', workflow.run_id(), 'one');
	  IF input->>'command' = 'body' THEN
	    PERFORM spin();
	  ELSE
	    PERFORM workflow.step('busy', input->>'command');
	  END IF;
	  PERFORM workflow.step('two',
	    'INSERT INTO ledger VALUES ($1, $2)', workflow.run_id(), 'two');
	  RETURN input;
	END $$;
	SELECT workflow.create_workflow('work');
});

my @commands = (
	'SELECT count(*) FROM (SELECT generate_series(1,'
	  . ' CASE WHEN open THEN 1 ELSE 1000000000000 END) FROM gate) s',
	'SELECT spin()', 'SELECT catch()', 'body');

sub enqueue
{
	my ($command) = @_;

	$node->safe_psql('shop',
		"SELECT workflow.enqueue_workflow('work',"
		  . " jsonb_build_object('command', '$command'))");
	return;
}

my $states = "SELECT string_agg(concat(state, ' ', n), ' ' ORDER BY state)"
  . ' FROM (SELECT state, count(*) AS n FROM workflow.runs GROUP BY 1) s';

sub all_busy
{
	my ($name) = @_;

	ok( poll_until(
			$node, 'shop',
			'SELECT count(*) FROM workflow.runs r'
			  . " WHERE state = 'running' AND steps_done = 1",
			'4'),
		"$name: four are busy");
	return;
}

sub open_gate
{
	my ($open) = @_;

	$node->safe_psql('shop', "UPDATE gate SET open = $open");
	return;
}

# ---- pg_ctl stop -m fast ----

enqueue($_) for @commands;
all_busy('before');
for my $round (1 .. 2)
{
	my $start = time();
	command_ok(
		[ 'pg_ctl', '-D', $node->data_dir, '-m', 'fast', 'stop' ],
		"fast shutdown, round $round");
	my $took = time() - $start;
	cmp_ok($took, '<', 10, 'waits for no step');
	note(sprintf 'took %.2f s', $took);
	$node->_update_pid(0);
	$node->start;
	all_busy("after restart $round");
}

# ---- DROP DATABASE of another one, and what else waits for everybody ----

for my $sql (
	'CREATE DATABASE unrelated',
	'DROP DATABASE unrelated',
	'CREATE DATABASE unrelated STRATEGY file_copy',
	'ALTER DATABASE unrelated RENAME TO other',
	'DROP DATABASE other WITH (FORCE)')
{
	my $start = time();
	my ($rc, $out, $err) = ask($node, 'postgres', $sql);
	is($err, '', $sql);
	cmp_ok(time() - $start, '<', 10, 'waits for no step');
}
all_busy('they never stopped');

# ---- they go on, and end: the first kind does not look at the gate again ----

open_gate('true');
$node->restart;
ok(poll_until($node, 'shop', $states, 'succeeded 4'), 'all end');
is( $node->safe_psql('shop',
		'SELECT count(*), count(DISTINCT (run, step)) FROM ledger'),
	'8|8',
	'no step is lost or repeated');
is( $node->safe_psql('shop',
		"SELECT count(*) FROM workflow.steps WHERE state <> 'done'"),
	'0',
	'and none has failed');

# a shutdown that is no crash charges nobody
is( $node->safe_psql('shop',
		'SELECT count(*) FROM _workflow.run WHERE crashes IS NOT NULL'),
	'0',
	'no run was charged');

# ---- smart shutdown does not wait for workers ----

open_gate('false');
enqueue('SELECT spin()');
ok( poll_until(
		$node, 'shop',
		"SELECT count(*) FROM workflow.runs WHERE state = 'running'", '1'),
	'one is busy');
my $start = time();
command_ok([ 'pg_ctl', '-D', $node->data_dir, '-m', 'smart', 'stop' ],
	'smart shutdown');
cmp_ok(time() - $start, '<', 10, 'waits for no step either');
$node->_update_pid(0);
$node->start;
open_gate('true');
ok(poll_until($node, 'shop', $states, 'succeeded 5'), 'it goes on');

# ---- nothing to do ----

$node->safe_psql(
	'shop', q{
	CREATE FUNCTION fails(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  RETURN workflow.step('fails', 'SELECT 1/0');
	END $$;
	SELECT workflow.create_workflow('fails', on_failure => 'park');
	SELECT workflow.create_workflow('paused', body => 'work');
	SELECT workflow.pause_workflow('paused');
	SELECT workflow.enqueue_workflow('fails');
	SELECT workflow.enqueue_workflow('paused');
	SELECT workflow.enqueue_workflow('work', delay => '1 hour')
	  FROM generate_series(1, 100);
});
ok( poll_until(
		$node,
		'shop',
		$states,
		'parked 1 queued 101 succeeded 5'),
	'one is parked, one paused, many are delayed');
$node->safe_psql('shop', "CALL workflow.wait_until_idle('30 s')");
create_extension($node, 'second');
wait_for_worker($node, 'scheduler', 'second');

my $watcher = $node->background_psql('postgres');
my $holding =
	'SELECT count(*) FROM pg_stat_activity'
  . " WHERE backend_type LIKE 'workflow%' AND (backend_xmin IS NOT NULL"
  . ' OR backend_xid IS NOT NULL OR xact_start IS NOT NULL)';
# The scheduler looks once more for what is kept long enough, a second after the
# last change of a definition.
sub comes_to_rest
{
	my $quiet = 0;

	for (1 .. 600)
	{
		$quiet = $watcher->query_safe($holding) ? 0 : $quiet + 1;
		return 1 if $quiet == 20;
		usleep(100_000);
	}
	return 0;
}
ok(comes_to_rest(), 'all have come to rest');
$watcher->query_safe('CHECKPOINT');

my $position = 'SELECT pg_current_wal_insert_lsn()';
my $written = $watcher->query_safe($position);
my $seen = 0;
for (1 .. 50)
{
	$seen += $watcher->query_safe($holding);
	usleep(100_000);
}
is($watcher->query_safe($position), $written, 'no WAL in five seconds');
is($seen, 0, 'no worker has held a transaction or a snapshot');
cmp_ok(
	$watcher->query_safe(
		'SELECT count(*) FROM pg_stat_activity'
		  . " WHERE backend_type LIKE 'workflow%'"),
	'>=',
	4,
	'though they are there');
$watcher->quit;

# ---- nor does one that waits pin anything ----

my $waiter = $node->background_psql('shop');
my $pid = $waiter->query_safe('SELECT pg_backend_pid()');
my $id = $node->safe_psql('shop',
	"SELECT run_id FROM workflow.runs WHERE workflow = 'paused'");
$waiter->query_until(qr/start/,
	"\\echo start\nCALL workflow.wait_for_run('$id', '60 s');\n");
ok( poll_until(
		$node,
		'postgres',
		"SELECT state = 'active' AND wait_event_type IS NOT NULL"
		  . ' AND backend_xmin IS NULL AND backend_xid IS NULL'
		  . " FROM pg_stat_activity WHERE pid = $pid"),
	'a waiter has no snapshot');
$node->safe_psql('shop', "SELECT workflow.resume_workflow('paused')");
ok( poll_until(
		$node,
		'postgres',
		"SELECT state <> 'active' FROM pg_stat_activity WHERE pid = $pid"),
	'and is told');
$waiter->quit;

scan_log($node);
$node->stop;
done_testing();
