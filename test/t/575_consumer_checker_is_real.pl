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

# Load with a few faults; what the checker finds, as one text.  With a pattern it
# goes on, for some time, until that is among it.
sub run_load
{
	my ($name, $pattern, @conf) = @_;
	my $node = new_node($name, 'max_connections = 60', @conf);
	my $db = 'checked';
	my $found = '';
	my $find = sub {
		my ($wrong) = check_messages();
		return $found = join("\n", @$wrong);
	};

	consumer_setup($node, $db);
	start_traffic(
		node => $node,
		db => $db,
		dir => PostgreSQL::Test::Utils::tempdir,
		seed => $seed,
		producers => 1,
		consumers => 6,
		pause => 300_000,
		slow => 0.1);
	foreach my $kind (qw(consumer scheduler consumer immediate))
	{
		usleep(700_000);
		random_fault($kind);
	}
	for (my $i = 0; $pattern && $i < 60 && $find->() !~ $pattern; $i++)
	{
		usleep(1_000_000);
	}
	stop_producers();
	drain_messages(60) if !$pattern;
	stop_consumers();
	$find->() if !$pattern;
	$node->stop('immediate');
	return $found;
}

# A sound build, so that a failure below is not the load's.
is(run_load('sound'), '', 'a sound build passes');

my %defects = (
	'lose-ack' => [ qr/^back: /m, 'an acknowledgement that is not written' ],
	'stale-receipts' => [ qr/^stale: /m, 'a stale receipt that is accepted' ],
	'short-lease' => [ qr/^held: /m, 'a lease that ends too early' ]);
foreach my $defect (sort keys %defects)
{
	my ($pattern, $what) = @{ $defects{$defect} };
	like(run_load($defect =~ tr/-/_/r, $pattern, "workflow.test_break = '$defect'"),
		$pattern, "$what is found");
}

done_testing();
