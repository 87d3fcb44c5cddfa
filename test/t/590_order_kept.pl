# The order of commits in groups of one at a time outlives schedulers, servers and
# backups; COMMIT PREPARED that is interrupted loses nothing; and the place that
# keeps it costs receiving no index entry.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;
use CrashLoop qw(kill_postmaster wait_accepting);

my $node = new_node('order_kept', 'workflow.executors = 2');
my $db = 'shop';
create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE TABLE log (n bigserial, what text);
CREATE FUNCTION note(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('note', 'INSERT INTO log (what) VALUES ($1)', input #>> '{}');
END $$;
SELECT workflow.create_queue('ordered', group_max_active => 1);
SELECT workflow.create_workflow('note', queue => 'ordered');
SELECT workflow.create_queue('plain', lease => '1 s');
});

sub enqueue
{
	my ($what) = @_;
	return "SELECT workflow.enqueue_workflow('note', '\"$what\"', group_key => 'g');";
}

sub send_message
{
	my ($what) = @_;
	return "SELECT workflow.send('ordered', '\"$what\"', group_key => 'm');";
}

# "a" is called first and committed last, alone or prepared, between the others.
sub enqueue_crossed
{
	my ($name, $prepared) = @_;
	my $one = $node->background_psql($db, on_error_die => 1, timeout => 120);

	$one->query_safe('BEGIN;' . enqueue("$name a") . send_message("$name a"));
	$one->query_safe("PREPARE TRANSACTION 'a'") if $prepared;
	$node->safe_psql($db, 'BEGIN;' . enqueue("$name b") . send_message("$name b") . 'COMMIT;');
	$one->query_safe($prepared ? "COMMIT PREPARED 'a'" : 'COMMIT');
	$node->safe_psql($db, enqueue("$name c") . send_message("$name c"));
	$one->quit;
	return;
}

# What came in which order: runs, and messages.
sub log_of
{
	my ($name) = @_;
	poll_until($node, $db, "SELECT count(*) FROM log WHERE what LIKE '$name %'", '3');
	my $runs = $node->safe_psql($db,
		"SELECT string_agg(right(what, 1), '' ORDER BY n) FROM log WHERE what LIKE '$name %'");
	my $messages = '';
	foreach (1 .. 3)
	{
		# a scheduler that starts may have yet to read them
		poll_until($node, $db, q{
WITH m AS (SELECT * FROM workflow.receive('ordered')),
	 a AS (SELECT workflow.ack(receipt), payload FROM m),
	 l AS (INSERT INTO log (what) SELECT 'message ' || (payload #>> '{}') FROM a)
SELECT count(*) FROM a}, '1');
		$messages .= $node->safe_psql($db, 'SELECT right(what, 1) FROM log ORDER BY n DESC LIMIT 1');
	}
	return "$runs $messages";
}

sub terminate_scheduler
{
	my $pid = kill_worker($node, 'scheduler', $db, 'TERM');
	wait_for_worker($node, 'scheduler', $db, $pid);
	return;
}

sub set_stop
{
	my ($where) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET workflow.test_stop = '$where'");
	$node->reload;
	ok(poll_until($node, $db, 'SHOW workflow.test_stop', $where), "stop point \"$where\"");
	return;
}

my %between = (
	'altered' => sub { $node->safe_psql($db, "SELECT workflow.alter_queue('ordered', max_running => 5)"); },
	'scheduler' => \&terminate_scheduler,
	'restart' => sub { $node->restart; },
	'crash' => sub { kill_postmaster($node); });

foreach my $name (sort keys %between)
{
	foreach my $prepared (0, 1)
	{
		my $full = $name . ($prepared ? ' prepared' : '');
		$node->safe_psql($db, q{SELECT workflow.pause_queue('ordered')});
		enqueue_crossed($full, $prepared);
		$between{$name}->();
		ok(wait_accepting($node, $db), "$full: the server is there");
		$node->safe_psql($db, q{SELECT workflow.resume_queue('ordered')});
		is(log_of($full), 'bac bac', "$full: in the order of the commits");
	}
}

# The session is killed, or fails, after COMMIT PREPARED and before the places are
# written: the scheduler does it.
foreach my $how ('kill', 'error')
{
	$node->safe_psql($db, q{SELECT workflow.pause_queue('ordered')});
	$node->safe_psql($db, 'BEGIN;' . enqueue("$how a") . send_message("$how a") . "PREPARE TRANSACTION 'a'");
	$node->safe_psql($db, enqueue("$how b") . send_message("$how b"));
	is($node->safe_psql($db, 'SELECT count(*) FROM _workflow.prepared_work'), '0',
		'the list cannot be seen before');
	set_stop("prepared-committed=$how");
	my ($rc, $out, $err) = ask($node, $db, "COMMIT PREPARED 'a'");
	ok(wait_accepting($node, $db), "$how: the server is there");
	set_stop('');
	like($err, qr/order in groups was not kept for a prepared transaction/, 'the failure is told')
	  if $how eq 'error';
	ok(poll_until($node, $db, 'SELECT count(*) FROM _workflow.prepared_work', '0'),
		"$how: the list is dealt with");
	$node->safe_psql($db, enqueue("$how c") . send_message("$how c"));
	$node->safe_psql($db, q{SELECT workflow.resume_queue('ordered')});
	is(log_of($how), 'bac bac', "$how: in the order of the commits");
}

# A dump has the places.
$node->safe_psql($db, q{SELECT workflow.pause_queue('ordered')});
enqueue_crossed('dump', 0);
my $file = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $file, '-d', $node->connstr($db) ], 'dumped');
$node->safe_psql('postgres', "DROP DATABASE $db");
$node->safe_psql('postgres', "CREATE DATABASE $db");
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $file, '-d', $node->connstr($db) ], 'restored');
$node->safe_psql($db, 'SELECT workflow.start()');
$node->safe_psql($db, q{SELECT workflow.resume_queue('ordered')});
is(log_of('dump'), 'bac bac', 'restored: in the order of the commits');

# Receiving, extending and the end of a lease leave the row on its page.
my $updates = q{
SELECT pg_stat_get_tuples_updated(t) || ' ' || pg_stat_get_tuples_hot_updated(t)
  FROM CAST('_workflow.message'::regclass AS oid) t};
my $received = q{SELECT count(*) FROM workflow.receive('plain', 10)};
$node->safe_psql($db, q{
SELECT count(*) FROM workflow.send_batch('plain', array_fill('1'::jsonb, ARRAY[10]), group_keys => array_fill('g'::text, ARRAY[10]))});
my ($before) = split / /, $node->safe_psql($db, $updates);
ok(poll_until($node, $db, $received, '10'), 'received');
ok(poll_until($node, $db, q{SELECT count(*) FROM workflow.messages WHERE queue = 'plain' AND state = 'queued' AND attempt = 1}, '10'),
	'their leases have ended');
$node->safe_psql($db, q{
WITH m AS (SELECT receipt FROM workflow.receive('plain', 10, '1 hour'))
SELECT count(workflow.extend(receipt, '2 hours')) FROM m});
ok(poll_until($node, $db, "SELECT a >= $before + 40, a = b FROM (SELECT split_part(u, ' ', 1)::int AS a, split_part(u, ' ', 2)::int AS b FROM ($updates) x (u)) y", 't|t'),
	'all of it was written into the same pages');

$node->stop;
scan_log($node, allowed => [ 'terminated by signal 9', 'all server processes terminated', 'order in groups was not kept' ]);
done_testing();
