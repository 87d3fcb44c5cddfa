# A signal on its way to a run that goes on as another, while the scheduler ends
# that should have passed it on: the next one does.  One that was sent again to
# the run that goes on, with the same dedup_key, comes once.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('signals');
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE FUNCTION sums(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	DECLARE
		sum int := (input->>'sum')::int + (workflow.wait_for_signal('add'))::int;
	BEGIN
		IF sum < 100 THEN
			PERFORM workflow.continue_as_new(jsonb_build_object('sum', sum));
		END IF;
		RETURN to_jsonb(sum);
	END $$;
	SELECT workflow.create_workflow('sums');
});

sub newest
{
	return "(SELECT max(run_id::text)::uuid FROM workflow.runs WHERE workflow = 'sums')";
}

sub wait_at
{
	my ($sum) = @_;
	return poll_until($node, 'postgres',
		"SELECT state, input->>'sum' FROM workflow.runs WHERE run_id = " . newest(), "waiting|$sum");
}

sub signal_newest
{
	my ($payload, $more) = @_;
	$node->safe_psql('postgres',
		'SELECT workflow.signal_run(' . newest() . ", 'add', '$payload'" . ($more // '') . ')');
	return;
}

$node->safe_psql('postgres', q{SELECT workflow.enqueue_workflow('sums', '{"sum": 0}')});
ok(wait_at(0), 'the run waits');

# in transactions that stay open while the run goes on, twice
my ($in, $out) = ('', '');
my $slow = IPC::Run::start(
	[ $node->installed_command('psql'), '-XAtq', '-d', $node->connstr('postgres') ],
	'<', \$in, '>', \$out, '2>&1');
$in = 'BEGIN; SELECT workflow.signal_run(' . newest() . ", 'add', '40', dedup_key => 'forty');\n"
  . 'SELECT workflow.signal_run(' . newest() . ", 'add', '60', dedup_key => 'sixty');\n\\echo sent\n";
$slow->pump until $out =~ /sent/;
signal_newest(1);
ok(wait_at(1), 'it goes on');
signal_newest(2);
ok(wait_at(3), 'and again');

# the scheduler hears of the commit, and ends before it can act
my $pid = worker_pid($node, 'scheduler', 'postgres');
kill 'STOP', $pid;
$in = "COMMIT;\n\\echo committed\n";
$slow->pump until $out =~ /committed/;
# ... and the same signal was sent to the run that goes on
signal_newest(40, ", dedup_key => 'forty'");
kill 'TERM', $pid;
kill 'CONT', $pid;
wait_for_worker($node, 'scheduler', 'postgres', $pid);
$in = "\\q\n";
$slow->finish;

ok(poll_until($node, 'postgres', 'SELECT state, result FROM workflow.runs WHERE run_id = ' . newest(),
		'succeeded|103'),
	'all signals were taken, each once');
is($node->safe_psql('postgres', 'SELECT count(*) FROM _workflow.signal WHERE taken_at IS NULL'), '0', 'none is left');

$node->stop;
scan_log($node, allowed => ['terminating background worker "workflow scheduler']);
done_testing();
