# Bodies that sleep, or wait for a signal that does not come: never too early,
# by no more than a second too late, and once; over a restart and a crash of
# the server.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use WorkflowTest;

my $db = 'waits';
my $many = 2_000;
my $node = new_node('waits', 'workflow.executors = 4');

create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE TABLE woke (run_id uuid, ordinal int, what text, at timestamptz);
CREATE FUNCTION waits(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	pause interval := input->>'pause';
BEGIN
	FOR i IN 1 .. 2 LOOP
		IF (input->>'n')::int % 2 = i % 2 THEN
			PERFORM workflow.sleep(pause);
		ELSIF workflow.wait_for_signal('never', pause) IS NOT NULL THEN
			PERFORM workflow.fail('a signal from nowhere');
		END IF;
		PERFORM workflow.step('note',
			'INSERT INTO woke VALUES (workflow.run_id(), $1, $2, clock_timestamp())',
			2 * i - 1, input->>'what');
	END LOOP;
	RETURN NULL;
END $$;
SELECT workflow.create_workflow('waits');
});

# Starts them, each with two pauses of its own within so many seconds.
sub enqueue
{
	my ($what, $seconds) = @_;
	return $node->safe_psql($db, qq{
SELECT count(workflow.enqueue_workflow('waits', jsonb_build_object('what', '$what', 'n', i,
	'pause', (0.5 + random() * ($seconds / 2.0 - 0.5)) * interval '1 s')))
  FROM generate_series(1, $many) i});
}

sub ended
{
	my ($what, $name) = @_;
	return ok( poll_until($node, $db,
			"SELECT count(*) FROM workflow.runs WHERE state = 'succeeded' AND input->>'what' = '$what'",
			$many, 120),
		$name);
}

# Of the waits of these runs whose time was after the one given.
sub late
{
	my ($what, $condition, $after) = @_;
	return $node->safe_psql($db, qq{
SELECT count(*) FROM woke w JOIN _workflow.step s USING (run_id, ordinal)
 WHERE what = '$what' AND s.due_at > '$after' AND $condition});
}

sub check
{
	my ($what, $after) = @_;
	is(late($what, 'w.at < s.due_at', '-infinity'), '0', '... none too early');
	is(late($what, 's.finished_at < s.due_at', '-infinity'),
		'0', '... also as the record has it');
	note 'latest: ' . $node->safe_psql($db, qq{
SELECT max(w.at - s.due_at) FROM woke w JOIN _workflow.step s USING (run_id, ordinal)
 WHERE what = '$what' AND s.due_at > '$after'});
	is(late($what, q{w.at > s.due_at + '1 s'}, $after),
		'0', '... none more than a second too late');
	is( $node->safe_psql($db,
			"SELECT count(*), count(DISTINCT (run_id, ordinal)) FROM woke WHERE what = '$what'"),
		2 * $many . '|' . 2 * $many,
		'... each once');
	return;
}


# Waits until some have woken, and more have not.
sub in_the_middle
{
	my ($what) = @_;
	return poll_until($node, $db,
		"SELECT count(*) > $many / 10 FROM woke WHERE what = '$what'");
}

enqueue('plain', 8);
ended('plain', "$many runs wait twice");
check('plain', '-infinity');

enqueue('restart', 8);
in_the_middle('restart');
$node->restart;
# what was due meanwhile cannot be in time, nor what queues up behind it
my $up = $node->safe_psql($db, q{SELECT clock_timestamp() + '1 s'});
ended('restart', '... also over a restart');
check('restart', $up);

enqueue('crash', 8);
in_the_middle('crash');
kill_worker($node, 'scheduler', $db, 'KILL');
usleep(100_000);
poll_until($node, $db, 'SELECT true');
$up = $node->safe_psql($db, q{SELECT clock_timestamp() + '1 s'});
ended('crash', '... and over a crash of the server');
check('crash', $up);

enqueue('stop', 8);
in_the_middle('stop');
$node->stop('immediate');
$node->start;
$up = $node->safe_psql($db, q{SELECT clock_timestamp() + '1 s'});
ended('stop', '... and over one without a shutdown');
check('stop', $up);

is( $node->safe_psql($db,
		"SELECT count(*) FROM workflow.dead_letters"),
	'0', 'nothing of it failed');

$node->stop;
scan_log($node, allowed => [ 'terminated by signal 9', 'all server processes terminated' ]);
done_testing();
