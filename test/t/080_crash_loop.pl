# Random kills under continuous load; then nothing may be lost, doubled or
# invented.  WF_SEED repeats a sequence of kills, WF_KILLS makes it longer.
use strict;
use warnings;

use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;
use CrashLoop;

my $seed = loop_seed();
my $kills = $ENV{WF_KILLS} // 45;
my $db = 'crash';
my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_node(
	'crash_loop',
	'max_connections = 40',
	'checkpoint_timeout = 30s');
loop_setup($node, $db);

my $begin = time();
my (%count, $done);
start_clients($node, $db, $dir, 3, 60_000);
for ($done = 0; $done < $kills && time() - $begin < 270;)
{
	usleep(200_000 + rand(1_500_000));
	my $kind = random_kill($node, $db) or next;
	$count{$kind}++;
	$done++;
}
usleep(500_000);
ok(stop_clients(), 'clients ended in order');
note sprintf('%d kills in %.0f s: %s', $done, time() - $begin,
	join(', ', map { "$_ $count{$_}" } sort keys %count));
cmp_ok($done, '>=', 40, 'enough kills') or diag "seed $seed";

ok(drain($node, $db, 60), 'everything ended') or diag "seed $seed";
my ($wrong, $runs) = check_ledgers($node, $db, $dir);
is(scalar @$wrong, 0, "all $runs runs are as the ledgers say")
  or diag join("\n", "seed $seed", @$wrong[ 0 .. ($#$wrong < 30 ? $#$wrong : 30) ]);
cmp_ok($runs, '>', 500, 'there was load');
is( $node->safe_psql($db,
		"SELECT count(*) FROM workflow.dead_letters WHERE reason <> 'error'"),
	'0',
	'no dead letter came from the kills');
is( $node->safe_psql($db,
		q{SELECT stopped_at IS NULL AND scheduler_pid IS NOT NULL FROM workflow.status}),
	't',
	'the scheduler is there');

$node->stop;
scan_log($node, allowed => [
	'was terminated by signal 9',
	'all server processes terminated; reinitializing',
	'server process .* exited with exit code' ]);
done_testing();
