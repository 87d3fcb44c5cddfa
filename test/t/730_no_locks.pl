# When the lock table is full, nothing can be written and nobody can connect: one
# run at a time is tried, and with room for locks all goes on.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use Episode;
use WorkflowTest;

my $runs = 300;
my $node = new_node(
	'main',
	'max_locks_per_transaction = 10',
	'max_connections = 12',
	'max_worker_processes = 12',
	'max_prepared_transactions = 0',
	'workflow.executors = 4');
create_extension($node, 'shop');
create_work($node, 'shop');

# All locks there are, to the end of the session.
my $all_locks = 'SELECT count(pg_advisory_lock(n)) FROM generate_series(1, 1000000) n';

# In the episode nobody else can connect, and who has to look into a shared
# catalog cannot.
my $shortage = 'SELECT shortage FROM workflow.status';
my $watcher = session($node, 'shop');

sub episode
{
	my ($name, $first, $last) = @_;
	my $log_at = -s $node->logfile;
	my $began = time();
	my $holder = session($node, 'shop');

	in_session($watcher, $shortage);
	start_work($node, 'shop', $first, $last, '1 s');
	like(in_session($holder, $all_locks),
		qr/out of shared memory/, "$name: all locks are taken");
	ok(wait_in_session($watcher, $shortage, 'locks'), 'status names "locks"');
	usleep(5_000_000);
	is(in_session($watcher, $shortage), 'locks', 'as long as it lasts');
	in_session($holder, 'SELECT pg_advisory_unlock_all()');
	healthy($node, 'shop', "no locks, $name");
	all_done_once($node, 'shop', $last);
	calm_log($node, $log_at, $began);
	$holder->{psql}->kill_kill;
	return;
}

start_work($node, 'shop', 1, 1);
all_done_once($node, 'shop', 1);
episode('executors are there', 2, $runs);

$node->safe_psql('postgres',
	"ALTER SYSTEM SET workflow.executor_idle_timeout = '10 ms'");
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok(poll_until($node, 'shop', 'SELECT executors FROM workflow.status', '0'),
	'executors end');
episode('there are none', $runs + 1, 2 * $runs);
is($node->safe_psql('shop', 'SELECT count(*) FROM workflow.dead_letters'),
	'0', 'no dead letter');

scan_log($node);
$node->stop;
done_testing();
