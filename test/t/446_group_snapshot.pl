# An old snapshot keeps the index entries of a group's finished members alive.
# After a restart of the scheduler these are walked over once, and not by each
# start.  Counted are the entries that scans of the index have met.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $finished = $ENV{WF_LONG} ? 240_000 : 24_000;
my $waiting = 5_000;

my $node = new_node('snapshot', 'workflow.executors = 1',
	'workflow.scheduler_memory = 1MB', 'autovacuum = off');
create_extension($node);

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

# of the index by which windows are filled
sub entries_met
{
	sql('SELECT pg_stat_force_next_flush()');
	return sql(q{SELECT sum(idx_tup_read) FROM pg_stat_all_indexes WHERE indexrelname IN ('run_group', 'message_group')});
}

sql(q{
	CREATE FUNCTION work(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
	CREATE FUNCTION hold(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT workflow.wait_for_signal('go') $$;
	SELECT workflow.create_workflow('work');
	SELECT workflow.create_workflow('hold');
	SELECT workflow.create_queue('q', group_max_active => 1);
	SELECT workflow.stop();
});
sql(qq{SELECT count(workflow.enqueue_workflow('work', queue => 'q', group_key => 'g')) FROM generate_series(1, $finished)});

my $old = $node->background_psql('postgres', on_error_die => 1);
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM _workflow.run;');

# As their executors would have left them, only faster.
sql(q{UPDATE _workflow.run SET state = 's', finished_at = now(), started_at = now()});
my $holder = sql(q{SELECT workflow.enqueue_workflow('hold', queue => 'q', group_key => 'g')});
sql('SELECT workflow.start()');
poll_until($node, 'postgres', "SELECT state FROM workflow.runs WHERE run_id = '$holder'", 'waiting', 60);
sql(qq{SELECT count(workflow.enqueue_workflow('work', queue => 'q', group_key => 'g')) FROM generate_series(1, $waiting)});

my $pid = kill_worker($node, 'scheduler', 'postgres', 'TERM');
wait_for_worker($node, 'scheduler', 'postgres', $pid);
my $other = sql(q{SELECT workflow.enqueue_workflow('work', queue => 'q', group_key => 'other')});
ok(poll_until($node, 'postgres', "SELECT state FROM workflow.runs WHERE run_id = '$other'", 'succeeded', 60),
	'another group starts after the restart');

my $before = entries_met();
sql(qq{SELECT workflow.signal_run('$holder', 'go', '1')});
ok(poll_until($node, 'postgres', q{SELECT count(*) FROM workflow.runs WHERE queue = 'q' AND state = 'succeeded'},
		$finished + $waiting + 2, 180), 'the group is done');
my $met = entries_met() - $before;

note("$met entries of the index met by $waiting starts, behind $finished finished ones");
cmp_ok($met, '<', 2 * $finished + 4 * $waiting, 'the finished ones are not walked over by each start, nor by each refill');

$old->quit;
scan_log($node);
$node->stop;
done_testing();
