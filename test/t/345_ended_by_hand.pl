# A scheduler or launcher that somebody ends is back at once, however often;
# one that fails by itself again and again takes its time.  While there is no
# scheduler, why(), status and receive() say so.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use WorkflowTest;

# as often as makes back-offs of 100 ms, 200 ms ... 10 s more than two minutes
my $often = 20;

my $node = new_node('ended');
create_extension($node, 'shop');
$node->safe_psql(
	'shop', q{
	CREATE FUNCTION echo(input jsonb) RETURNS jsonb LANGUAGE sql
	  AS 'SELECT input';
	SELECT workflow.create_workflow('echo');
	SELECT workflow.create_queue('post');
	SELECT workflow.send('post', '1');
});

# ---- ended by hand, each time as soon as it is there ----

sub end_often
{
	my ($type, $times, $db) = @_;
	my $began = time();
	my $pid   = wait_for_worker($node, $type, $db);

	for (1 .. $times)
	{
		ask($node, 'postgres', "SELECT pg_terminate_backend($pid)");
		$pid = wait_for_worker($node, $type, $db, $pid);
	}
	return time() - $began;
}

my $took = end_often('scheduler', $often, 'shop');
cmp_ok($took, '<', 100, "$often schedulers, one after the other");
end_often('launcher', 6);
ok( poll_until(
		$node, 'shop',
		"SELECT payload FROM workflow.receive('post', lease => '1 h')", '1'),
	'and it goes on');

# ---- the launcher that was about to start it is ended, too ----

sub stop_at
{
	my ($stop) = @_;

	$node->safe_psql('postgres',
		"ALTER SYSTEM SET workflow.test_stop = '$stop'");
	$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
	ok( poll_until(
			$node, 'postgres',
			"SELECT current_setting('workflow.test_stop') = '$stop'"),
		"stop point '$stop'");
	usleep(100_000);
	return;
}

stop_at('launcher-start=fatal');
my $scheduler = kill_worker($node, 'scheduler', 'shop', 'TERM');
ok( $node->wait_for_log(qr/FATAL:.*launcher-start/),
	'a launcher ends with a start in hand');
stop_at('');
wait_for_worker($node, 'scheduler', 'shop', $scheduler);

# ---- failing by itself ----

my $log_at = -s $node->logfile;
stop_at('scheduler-attached=fatal');
kill_worker($node, 'scheduler', 'shop', 'TERM');
my $failed = qr/FATAL:.*scheduler-attached/;
for (1 .. 1200)
{
	last if count_failed() >= 4;
	usleep(50_000);
}
cmp_ok(count_failed(), '>=', 4, 'a scheduler that fails is started again');
my $began = time();
my $before = count_failed();
usleep(5_000_000);
my $rate = (count_failed() - $before) / (time() - $began);
cmp_ok($rate, '<', 2, 'but ever more slowly');

sub count_failed
{
	my $log = slurp_file($node->logfile, $log_at);
	return scalar(() = $log =~ /$failed/g);
}

# ---- meanwhile it is said that there is none ----

my $run = $node->safe_psql('shop', "SELECT workflow.enqueue_workflow('echo')");
my $later = $node->safe_psql('shop',
	"SELECT workflow.enqueue_workflow('echo', delay => '1 h')");
like($node->safe_psql('shop', "SELECT workflow.why('$run')"),
	qr/scheduler of this database, which is not running/, 'why() says it');
like(
	$node->safe_psql('shop', "SELECT workflow.why('$later')"),
	qr/its start time.* The scheduler of this database is not running/,
	'... also of a run that waits for something else');
is( $node->safe_psql('shop', 'SELECT scheduler_pid FROM workflow.status'),
	'', 'status shows none');
is( $node->safe_psql('shop',
		"SELECT waiting_for FROM workflow.runs WHERE run_id = '$run'"),
	'executor', 'the run waits for an executor');
my (undef, $out, $err) = ask($node, 'shop',
	"SELECT FROM workflow.receive('post'); SELECT FROM workflow.receive('post')");
is( scalar(() = $err =~ /NOTICE/g), 1, 'receive() says it once');
like($err, qr/scheduler of this database is not running/, 'in these words');

stop_at('');
ok( poll_until(
		$node, 'shop',
		"SELECT state FROM workflow.runs WHERE run_id = '$run'", 'succeeded'),
	'afterwards the run is done');
(undef, $out, $err) = ask($node, 'shop', "SELECT FROM workflow.receive('post')");
is($err, '', 'and receive() has nothing to say');

scan_log($node, allowed => ['stop point "(launcher-start|scheduler-attached)"']);
$node->stop;
done_testing();
