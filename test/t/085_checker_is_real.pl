# The checker of the crash loop finds what it is there to find: deliberate
# defects of the test build must make it fail.
use strict;
use warnings;

use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;
use CrashLoop;

loop_seed();

# Load with a few kills; what the checker finds, as one text.
sub run_broken
{
	my ($name, @conf) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir;
	my $node = new_node($name, @conf);
	my $db = 'broken';

	loop_setup($node, $db);
	start_clients($node, $db, $dir, 2, 20_000);
	foreach my $kind (qw(executor checkpointer immediate executor postmaster))
	{
		usleep(700_000);
		random_kill($node, $db, $kind);
	}
	usleep(300_000);
	stop_clients();
	drain($node, $db, 20);
	my ($wrong) = check_ledgers($node, $db, $dir);
	$node->stop('immediate');
	return join("\n", @$wrong);
}

# A sound build, so that a failure below is not the load's.
is(run_broken('sound'), '', 'a sound build passes');

# The effects commit apart from the checkpoint: a kill in between doubles them.
like(
	run_broken(
		'apart',
		"workflow.test_break = 'commit-step-apart'",
		"workflow.test_stop = 'exec-before-checkpoint=sleep:3'"),
	qr/^effects: /m,
	'a step that commits apart from its checkpoint is found');

# The checkpoint is not written at all: every step is done again at a restart.
like(
	run_broken('lose', "workflow.test_break = 'lose-checkpoint'"),
	qr/^prefix: /m,
	'a lost checkpoint is found');

# A signal is not marked as taken, and a timer fires before its time.
like(run_broken('again', "workflow.test_break = 'forget-taken'"),
	qr/^signal: /m, 'a signal that is taken twice is found');
like(run_broken('early', "workflow.test_break = 'fire-early'"),
	qr/^timer: /m, 'a timer that fires early is found');

done_testing();
