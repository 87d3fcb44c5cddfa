# Work behind a closed group takes no room from work that could go: one run
# keeps a group closed, as many wait behind it as memory has no room for, and
# what comes after them starts at once.  Runs and messages, one closed group and
# two, limits of groups and of queues, and a restart of the scheduler.  With
# WF_LONG as many as a million wait.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my @backlogs = (22_000, $ENV{WF_LONG} ? 1_000_000 : 100_000);

my $node = new_node('closed', 'workflow.executors = 2',
	'workflow.scheduler_memory = 1MB');
create_extension($node);

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

# Many statements of a size that a backend deals with well.
sub enqueue
{
	my ($queue, $group, $many) = @_;
	for (my $n = 0; $n < $many; $n += 100_000)
	{
		my $lot = $many - $n < 100_000 ? $many - $n : 100_000;
		sql(qq{SELECT count(workflow.enqueue_workflow('work', to_jsonb('$group'::text),
			queue => '$queue', group_key => '$group')) FROM generate_series(1, $lot)});
	}
	return;
}

sub post
{
	my ($queue, $group, $many) = @_;
	for (my $n = 0; $n < $many; $n += 100_000)
	{
		my $lot = $many - $n < 100_000 ? $many - $n : 100_000;
		sql(qq{SELECT count(workflow.send('$queue', '1', group_key => '$group')) FROM generate_series(1, $lot)});
	}
	return;
}

sub ends
{
	my ($id, $name) = @_;
	return ok(
		poll_until($node, 'postgres',
			"SELECT state FROM workflow.runs WHERE run_id = '$id'", 'succeeded', 60),
		$name);
}

sub free_run
{
	my ($queue) = @_;
	return sql(qq{SELECT workflow.enqueue_workflow('work', '"free"', queue => '$queue', group_key => 'free')});
}

sub restart
{
	my $old = kill_worker($node, 'scheduler', 'postgres', 'TERM');
	wait_for_worker($node, 'scheduler', 'postgres', $old);
	return;
}

sql(q{
	CREATE FUNCTION work(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
	CREATE FUNCTION hold(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		RETURN workflow.wait_for_signal('go');
	END $$;
	CREATE FUNCTION fail(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		RAISE EXCEPTION 'no';
	END $$;
	SELECT workflow.create_workflow('work');
	SELECT workflow.create_workflow('hold');
	SELECT workflow.create_workflow('fail', policy => workflow.policy(max_attempts => 1));
});

sub holder
{
	my ($queue, $group) = @_;
	my $id = sql(qq{SELECT workflow.enqueue_workflow('hold', queue => '$queue', group_key => '$group')});
	poll_until($node, 'postgres', "SELECT state FROM workflow.runs WHERE run_id = '$id'", 'waiting', 60)
	  or die 'no holder';
	return $id;
}

for my $n (@backlogs)
{
	my $queue = "runs$n";
	sql("SELECT workflow.create_queue('$queue', group_max_active => 1)");

	# one
	my $stuck = holder($queue, 'stuck');
	enqueue($queue, 'stuck', $n);
	ends(free_run($queue), "a run starts behind $n runs of a closed group");
	my $last = sql(qq{SELECT workflow.enqueue_workflow('work', queue => '$queue', group_key => 'stuck')});
	like(sql("SELECT workflow.why('$last')"), qr/Group "stuck" of queue "$queue" is held by run $stuck/,
		'... and why() tells who holds the last of them');

	# two, and a restart
	my $second = holder($queue, 'second');
	enqueue($queue, 'second', $n);
	ends(free_run($queue), "... behind $n of a second one");
	restart();
	ends(free_run($queue), '... and after a restart');

	# once all is read, what windows leave is counted to within their size
	my $waits = 2 * $n + 1;
	ok(poll_until($node, 'postgres',
			"SELECT abs(queued - $waits) < 1000 FROM workflow.queues WHERE queue = '$queue'"),
		'the queue is shown as long as it is');
	next if $n > 22_000;
	# they are all done in the end, one by one
	sql(qq{SELECT workflow.signal_run('$stuck', 'go', '1')});
	ok(poll_until($node, 'postgres',
			qq{SELECT count(*) FROM workflow.runs WHERE queue = '$queue' AND group_key = 'stuck' AND state = 'succeeded'},
			$n + 2, 180), 'the group is done when it opens');
	sql(qq{SELECT count(workflow.cancel_run(run_id)) FROM workflow.runs WHERE queue = '$queue' AND state IN ('queued', 'waiting')});
	ok(poll_until($node, 'postgres', qq{SELECT queued FROM workflow.queues WHERE queue = '$queue'}, 0, 180),
		'nothing is left of what was cancelled');
}

for my $n (@backlogs)
{
	my $queue = "post$n";
	sql("SELECT workflow.create_queue('$queue', group_max_active => 1)");
	post($queue, 'stuck', 1);
	is(sql(qq{SELECT count(*) FROM workflow.receive('$queue', 1, '1 hour')}), 1, 'a message is leased');
	post($queue, 'stuck', $n);
	post($queue, 'free', 1);
	is(sql(qq{SELECT group_key FROM workflow.receive('$queue', 10, '1 hour')}), 'free',
		"a message is received behind $n of a closed group");
	restart();
	post($queue, 'other', 1);
	is(sql(qq{SELECT group_key FROM workflow.receive('$queue', 10, '1 hour')}), 'other', '... and after a restart');
	is(sql(qq{SELECT count(*) FROM workflow.receive('$queue', 10, '1 hour')}), 0, '... and nothing of the closed one');
}

# A blocked group, and a rate.
my $n = $backlogs[0];
sql(q{
	SELECT workflow.create_queue('blocks', on_group_failure => 'block');
	SELECT workflow.create_queue('rated', group_rate_limit => 1, rate_period => '1 hour');
	SELECT workflow.create_queue('narrow', max_active => 1);
	SELECT workflow.create_queue('wide');
});
my $failed = sql(q{SELECT workflow.enqueue_workflow('fail', queue => 'blocks', group_key => 'stuck')});
poll_until($node, 'postgres', "SELECT state FROM workflow.runs WHERE run_id = '$failed'", 'failed', 60);
enqueue('blocks', 'stuck', $n);
ends(free_run('blocks'), "a run starts behind $n runs of a blocked group");
enqueue('rated', 'stuck', $n);
ends(free_run('rated'), "... of one that waits for its rate");

# The queue's own limit.
holder('narrow', 'a');
enqueue('narrow', 'b', $n);
enqueue('wide', 'c', 5000);
ends(free_run('wide'), "... and of a queue that has as many active as may be");

scan_log($node);
$node->stop;
done_testing();
