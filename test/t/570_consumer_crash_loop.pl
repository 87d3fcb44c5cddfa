# Random kills of consumers and of the server's processes, while producers send
# and consumers outside of the database do what has its effect in a file.  What
# was acknowledged may not be lost or come back; everything else has to come at
# least once.  WF_SEED repeats a sequence of kills, WF_KILLS makes it longer.
use strict;
use warnings;

use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;
use CrashLoop;
use ConsumerLoop;

my $seed = loop_seed();
my $kills = $ENV{WF_KILLS} // 25;
my $db = 'consumers';
my $node = new_node(
	'consumer_crash_loop', 'max_connections = 60', 'checkpoint_timeout = 30s');
consumer_setup($node, $db);

my $begin = time();
my (%count, $done);
start_traffic(
	node => $node,
	db => $db,
	dir => PostgreSQL::Test::Utils::tempdir,
	seed => $seed,
	producers => 3,
	consumers => 6,
	pause => 60_000,
	slow => 0.006);
for ($done = 0; $done < $kills && time() - $begin < 120;)
{
	usleep(200_000 + rand(1_500_000));
	my $kind = random_fault() or next;
	$count{$kind}++;
	$done++;
}
usleep(500_000);
ok(stop_producers(), 'producers ended in order');
note sprintf('%d kills in %.0f s: %s', $done, time() - $begin,
	join(', ', map { "$_ $count{$_}" } sort keys %count));
cmp_ok($done, '>=', 20, 'enough kills') or diag "seed $seed";

ok(drain_messages(60), 'everything ended') or diag "seed $seed";
ok(stop_consumers(), 'consumers ended in order');
my ($wrong, $messages, $effects) = check_messages();
is(scalar @$wrong, 0, "all $messages messages, with $effects effects, are as the ledgers say")
  or diag join("\n", "seed $seed", @$wrong[ 0 .. ($#$wrong < 30 ? $#$wrong : 30) ]);
cmp_ok($messages, '>', 500, 'there was load');

$node->stop;
scan_log($node, allowed => [
	'was terminated by signal 9',
	'all server processes terminated; reinitializing',
	'server process .* exited with exit code' ]);
done_testing();
