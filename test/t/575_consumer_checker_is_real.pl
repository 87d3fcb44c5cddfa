# The checker of the crash loop with consumers finds what it is there to find:
# three deliberate defects of the test build must make it fail.
use strict;
use warnings;

use Time::HiRes qw(usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;
use CrashLoop;
use ConsumerLoop;

my $seed = loop_seed();

# Load with a few faults; what the checker finds, as one text.
sub run_broken
{
	my ($name, @conf) = @_;
	my $node = new_node($name, 'max_connections = 60', @conf);
	my $db = 'broken';

	consumer_setup($node, $db);
	start_traffic(
		node => $node,
		db => $db,
		dir => PostgreSQL::Test::Utils::tempdir,
		seed => $seed,
		producers => 1,
		consumers => 6,
		pause => 50_000,
		slow => 0.2);
	foreach my $kind (qw(consumer scheduler consumer immediate consumer))
	{
		usleep(700_000);
		random_fault($kind);
	}
	usleep(2_500_000);
	stop_producers();
	drain_messages(@conf ? 5 : 60);
	stop_consumers();
	my ($wrong) = check_messages();
	$node->stop('immediate');
	return join("\n", @$wrong);
}

# A sound build, so that a failure below is not the load's.
is(run_broken('sound'), '', 'a sound build passes');

like(run_broken('lose_ack', "workflow.test_break = 'lose-ack'"),
	qr/^back: /m, 'an acknowledgement that is not written is found');
like(run_broken('any_receipt', "workflow.test_break = 'stale-receipts'"),
	qr/^stale: /m, 'a stale receipt that is accepted is found');
like(run_broken('short_lease', "workflow.test_break = 'short-lease'"),
	qr/^held: /m, 'a lease that ends too early is found');

done_testing();
