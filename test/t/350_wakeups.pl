# From a commit to the scheduler: whatever way a run was committed, it is found
# at once; what was rolled back is not.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use WorkflowTest;

my $node = new_node('main');

create_extension($node, 'shop');
$node->safe_psql(
	'shop', q{
	CREATE FUNCTION echo(input jsonb) RETURNS jsonb LANGUAGE sql
	  AS 'SELECT input';
	SELECT workflow.create_workflow('echo');
});

my $enqueue = "SELECT workflow.enqueue_workflow('echo')";
my $total = 0;

# all that were committed so far are done, within a few seconds
sub all_done
{
	my ($more, $name) = @_;

	$total += $more;
	ok( poll_until(
			$node,
			'shop',
			"SELECT count(*) FILTER (WHERE state = 'succeeded'), count(*)"
			  . ' FROM workflow.runs',
			"$total|$total",
			10),
		$name);
	return;
}

# ---- plain, savepoints, many ----

$node->safe_psql('shop', $enqueue);
all_done(1, 'one run');
$node->safe_psql('shop', "BEGIN; $enqueue; ROLLBACK");
all_done(0, 'one rolled back');
$node->safe_psql(
	'shop', qq{
	BEGIN;
	$enqueue;
	SAVEPOINT a;
	$enqueue;
	SAVEPOINT b;
	$enqueue;
	RELEASE b;
	ROLLBACK TO a;
	$enqueue;
	COMMIT;
});
all_done(2, 'a savepoint rolled back');
$node->safe_psql(
	'shop', q{
	DO $$
	BEGIN
	  FOR i IN 1..5 LOOP
	    BEGIN
	      PERFORM workflow.enqueue_workflow('echo');
	      IF i % 2 = 0 THEN
	        RAISE EXCEPTION 'no';
	      END IF;
	    EXCEPTION WHEN raise_exception THEN
	      NULL;
	    END;
	  END LOOP;
	END $$;
});
all_done(3, 'exception blocks');
$node->safe_psql('shop', "$enqueue FROM generate_series(1, 8)");
all_done(8, 'eight in a transaction: as single ones');
$node->safe_psql('shop', "$enqueue FROM generate_series(1, 9)");
all_done(9, 'nine: as a range');
$node->safe_psql(
	'shop', qq{
	BEGIN;
	SAVEPOINT a;
	$enqueue FROM generate_series(1, 20);
	ROLLBACK TO a;
	$enqueue;
	COMMIT;
});
all_done(1, 'a range with nothing in it');
$node->safe_psql('shop', "$enqueue FROM generate_series(1, 3000)");
all_done(3000, 'three thousand');

# ---- prepared transactions ----

sub prepare
{
	my ($name, $n) = @_;

	$node->safe_psql('shop',
		"BEGIN; $enqueue FROM generate_series(1, $n);"
		  . " PREPARE TRANSACTION '$name'");
	return;
}

prepare('a', 1);
prepare('b', 20);
prepare('c', 1);
all_done(0, 'nothing of what is only prepared');
$node->safe_psql('shop', "COMMIT PREPARED 'b'");
all_done(20, 'COMMIT PREPARED by another session');
$node->safe_psql('shop', "COMMIT PREPARED 'a'");
all_done(1, 'and of an older one');
$node->safe_psql('shop', "ROLLBACK PREPARED 'c'");
all_done(0, 'nothing by ROLLBACK PREPARED');
prepare('a', 1);
$node->safe_psql('shop', "COMMIT PREPARED 'a'");
all_done(1, 'prepared again');

prepare('a', 2);
$node->restart;
$node->safe_psql('shop', "COMMIT PREPARED 'a'");
all_done(2, 'prepared before a restart');
prepare('a', 2);
my $launcher = wait_for_worker($node, 'launcher');
kill_worker($node, 'scheduler', 'shop', 'KILL');
ok(wait_for_worker($node, 'launcher', undef, $launcher),
	'the server is back');
$node->safe_psql('shop', "COMMIT PREPARED 'a'");
all_done(2, 'prepared before a crash');
prepare('a', 2);
my $old = kill_worker($node, 'scheduler', 'shop', 'TERM');
$node->safe_psql('shop', "COMMIT PREPARED 'a'");
all_done(2, 'while there was no scheduler');

# ---- more than the ring holds, while nobody reads it ----

# starts clients that enqueue one run per transaction
sub start_clients
{
	my ($transactions) = @_;
	my $script = $node->basedir . '/enqueue.sql';
	my ($out, $err) = ('', '');

	unlink $script;
	append_to_file($script, "$enqueue;\n");
	return IPC::Run::start(
		[
			'pgbench', '-n', '-c', '2', '-t', $transactions / 2,
			'-f', $script, $node->connstr('shop')
		],
		'<', '/dev/null', '>', \$out, '2>', \$err);
}

my $scheduler = wait_for_worker($node, 'scheduler', 'shop', $old);
kill 'STOP', $scheduler or die;
ok(start_clients(800)->finish, 'eight hundred transactions');
$node->safe_psql('shop', "$enqueue FROM generate_series(1, 20)");
kill 'CONT', $scheduler or die;
all_done(820, 'what did not fit is found too');
is(worker_pid($node, 'scheduler', 'shop'),
	$scheduler, 'by the same scheduler');

# ---- schedulers come and go while runs are committed ----

my $clients = start_clients(2000);
for (1 .. 5)
{
	kill_worker($node, 'scheduler', 'shop', 'TERM');
	usleep(50_000);
}
ok($clients->finish, 'two thousand transactions');
all_done(2000, 'none is missed by a new scheduler');

scan_log($node,
	allowed => [
		'was terminated by signal 9',
		'all server processes terminated; reinitializing'
	]);
$node->stop;
done_testing();
