# Roles share the executors of a database: none takes the last one while it has
# all the others, so that the next who comes starts at once; with one executor
# they take turns by run; and workflow.executors_per_role is a limit.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('share', 'workflow.executors = 4');
create_extension($node, 'shop');
$node->safe_psql(
	'shop', q{
	CREATE ROLE ann LOGIN;
	CREATE ROLE bob LOGIN;
	SELECT workflow.grant_usage('ann'), workflow.grant_usage('bob');
	CREATE FUNCTION public.nap(input jsonb) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT workflow.step('nap', 'SELECT pg_sleep($1)', (input->>0)::float8) $$;
	SELECT workflow.create_workflow('nap');
	SELECT workflow.create_queue('shared');
	SELECT workflow.create_queue('limited', max_running => 4);
});

sub enqueue
{
	my ($role, $n, $seconds, $queue) = @_;
	$queue //= 'default';
	$node->safe_psql('shop', qq{
		SET ROLE $role;
		SELECT count(workflow.enqueue_workflow('nap', '[$seconds]', queue => '$queue'))
		  FROM generate_series(1, $n)});
	return;
}

# how many executors of a role are at work, and are there
sub executors
{
	my ($role) = @_;
	return $node->safe_psql('shop',
		"SELECT count(*) FILTER (WHERE state = 'running') || ' of ' || count(*)"
		  . " FROM workflow.stat_executors WHERE role = '$role'");
}

sub executors_are
{
	my ($role, $what, $name) = @_;
	ok( poll_until(
			$node, 'shop',
			"SELECT count(*) FILTER (WHERE state = 'running') || ' of ' || count(*)"
			  . " FROM workflow.stat_executors WHERE role = '$role'",
			$what),
		$name);
	return;
}

sub unfinished_are
{
	my ($role, $n, $name) = @_;
	ok( poll_until(
			$node, 'shop',
			'SELECT count(*) FROM workflow.runs'
			  . " WHERE owner = '$role' AND finished_at IS NULL",
			$n),
		$name);
	return;
}

sub cancel_all
{
	$node->safe_psql('shop',
		'SELECT workflow.cancel_run(run_id) FROM workflow.runs WHERE finished_at IS NULL');
	ok( poll_until(
			$node, 'shop',
			'SELECT count(*) FROM workflow.runs WHERE finished_at IS NULL', '0'),
		'all is cancelled');
	return;
}

sub set
{
	my ($setting, $value) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET $setting = $value");
	$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
	ok(poll_until($node, 'postgres', "SHOW $setting", $value),
		"$setting = $value");
	return;
}

# ---- the last executor is for somebody else ----

# more than executors have in hand: what is behind them in the queue is not hidden
for my $queue ('default', 'shared', 'limited')
{
	enqueue('ann', 60, 600, $queue);
	executors_are('ann', '3 of 3', "ann has three of four ($queue)");
	enqueue('bob', 3, 0, $queue);
	unfinished_are('bob', 0, 'the runs of bob are done');
	is(executors('ann'), '3 of 3', 'while those of ann go on');
	is($node->safe_psql('shop',
			q{SELECT count(*) FROM workflow.runs WHERE owner = 'ann'
			   AND state = 'running'}),
		'3', 'in as many executors');
	cancel_all();
}

# ---- a limit for each ----

set('workflow.executors_per_role', 2);
enqueue('ann', 10, 600);
executors_are('ann', '2 of 2', 'ann may have two');
enqueue('bob', 10, 600);
executors_are('bob', '2 of 2', 'and bob as well');
is(executors('ann'), '2 of 2', 'at the same time');
cancel_all();

# ---- lowered while they are at work: nothing is interrupted ----

set('workflow.executors_per_role', -1);
enqueue('ann', 2, 3);
executors_are('ann', '2 of 2', 'ann has two of hers at work');
set('workflow.executors_per_role', 1);
enqueue('ann', 5, 0.5);
unfinished_are('ann', 0, 'all her runs are done');
is( $node->safe_psql('shop',
		q{SELECT count(*) FROM workflow.runs WHERE owner = 'ann' AND state <> 'succeeded' AND state <> 'cancelled'}),
	'0', 'and none was lost');
executors_are('ann', '0 of 1', 'one executor stays');

# ---- one executor: turns by run ----

set('workflow.executors_per_role', -1);
set('workflow.executors',          1);
enqueue('ann', 1000, 0.1);
ok( poll_until(
		$node, 'shop',
		q{SELECT count(*) > 3 FROM workflow.runs
		   WHERE owner = 'ann' AND state = 'succeeded'
		     AND input = '[0.1]'}),
	'ann is at work');
enqueue('bob', 5, 0.1);
unfinished_are('bob', 0, 'the runs of bob are done');
is( $node->safe_psql('shop', q{
		WITH turns AS (
		  SELECT owner, lag(owner) OVER (ORDER BY started_at) AS before
		    FROM workflow.runs
		   WHERE input = '[0.1]' AND started_at IS NOT NULL)
		SELECT string_agg(DISTINCT before, ',') FROM turns
		 WHERE owner = 'bob'}),
	'ann', 'each after one of ann');
cmp_ok(
	$node->safe_psql('shop', q{
		SELECT count(*) FROM workflow.runs a
		 WHERE a.owner = 'ann' AND a.input = '[0.1]'
		   AND a.started_at BETWEEN
		     (SELECT min(started_at) FROM workflow.runs WHERE owner = 'bob' AND input = '[0.1]')
		 AND (SELECT max(started_at) FROM workflow.runs WHERE owner = 'bob' AND input = '[0.1]')}),
	'<=', 8, 'and ann has not many more');

scan_log($node);
$node->stop;
done_testing();
