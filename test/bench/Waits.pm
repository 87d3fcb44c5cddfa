# The parts of test/bench/run that measure runs which wait: timers that are due
# at the same time, signals, and what a million sleepers cost in memory.
package Waits;

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(max);
use Time::HiRes qw(sleep time);

use Bench;

our @EXPORT = qw(part_timers part_signal part_sleepers report_waits);

# report_waits(): after all parts.
sub report_waits
{
	report('timers due in one second: the last one started after', 's',
		seen('timers'), undef, '< 1.5');
	foreach my $goal ([ 50, '< 0.7' ], [ 99, undef ])
	{
		my ($p, $limit) = @$goal;
		report("signal sent to the body's next line, p$p", 'ms',
			seen("signal p$p"), undef, $limit);
	}
	report('sleeping runs: memory of the scheduler', 'MB',
		seen('sleepers scheduler'), undef, '< 96');
	report('sleeping runs: memory of the largest executor', 'MB',
		seen('sleepers executor'), undef, '< 32');
	return;
}

# Waits until so many runs are in a wait of this kind.
sub until_waiting
{
	my ($for, $count) = @_;
	sleep 0.1
	  until admin("SELECT count(*) FROM _workflow.run
		WHERE state = 'w' AND waiting_for = '$for'") >= $count;
	return;
}

# part_timers(how many): they are due one after another within one second.
sub part_timers
{
	my ($count) = @_;
	my $pause = 5 + $count / 1000;

	user(
		'TRUNCATE effect',
		q{CREATE OR REPLACE FUNCTION sleeps(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.sleep_until((input->>'until')::timestamptz);
	RETURN workflow.step('only', 'INSERT INTO effect VALUES (workflow.run_id(), clock_timestamp())');
END $$},
		q{SELECT workflow.create_workflow('sleeps', or_replace => true)},
		'\o /dev/null',
		qq{SELECT workflow.enqueue_workflow('sleeps', jsonb_build_object('until',
			statement_timestamp() + interval '$pause s' + i * interval '1 s' / $count))
		  FROM generate_series(1, $count) AS i});
	until_waiting('t', $count);
	sleep 0.1 until admin('SELECT count(*) FROM bench.effect') >= $count;
	note('timers', admin(q{
SELECT extract(epoch FROM max(e.at) - min(s.due_at))
  FROM bench.effect e JOIN _workflow.step s USING (run_id) WHERE s.kind = 'z'}));
	return;
}

# part_signal(how many): one after another, to runs that wait.
sub part_signal
{
	my ($count) = @_;
	my @delays;

	# it asks for the time in the body, which no other body should
	user(
		'SET client_min_messages = error',
		q{CREATE OR REPLACE FUNCTION asks(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.wait_for_signal('go');
	RETURN to_jsonb(clock_timestamp());
END $$},
		q{SELECT workflow.create_workflow('asks', or_replace => true)},
		'\o /dev/null',
		"SELECT workflow.enqueue_workflow('asks') FROM generate_series(1, $count)");
	until_waiting('g', $count);
	my @runs = split /\n/, admin(q{
SELECT run_id FROM workflow.runs WHERE workflow = 'asks' AND state = 'waiting'});
	user('\o /dev/null', map { ("SELECT workflow.signal_run('$_', 'go')", 'SELECT pg_sleep(0.02)') } @runs);
	admin(q{CALL workflow.wait_until_idle('1 min')});

	# from the time of the call, so that the commit is in it
	@delays = split /\n/, admin(q{
SELECT 1000 * extract(epoch FROM (r.result #>> '{}')::timestamptz - s.sent_at)
  FROM workflow.runs r JOIN workflow.signals s USING (run_id)
 WHERE r.workflow = 'asks' AND r.state = 'succeeded'});
	die "signals are missing\n" if @delays != @runs;
	note("signal p$_", percentile($_ / 100, @delays)) foreach (50, 99);
	return;
}

# Megabytes of the largest process of this type: its own, not what it shares.
sub memory
{
	my ($type) = @_;
	my @mb;
	foreach my $pid (split /\n/, admin("SELECT pid FROM pg_stat_activity WHERE backend_type = 'workflow $type'"))
	{
		open(my $file, '<', "/proc/$pid/status") or next;
		push @mb, map { /^RssAnon:\s+(\d+) kB/ ? $1 / 1024 : () } <$file>;
	}
	return max(0, @mb);
}

# part_sleepers(how many): they have all gone to sleep, for a year.
sub part_sleepers
{
	my ($count) = @_;
	my $batch = 100_000;
	my $began = time();

	user(
		q{CREATE OR REPLACE FUNCTION year(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
		$$ BEGIN PERFORM workflow.sleep('1 year'); RETURN NULL; END $$},
		q{SELECT workflow.create_workflow('year', or_replace => true)});
	for (my $left = $count; $left > 0; $left -= $batch)
	{
		my $n = $left < $batch ? $left : $batch;
		user('\o /dev/null',
			"SELECT workflow.enqueue_workflow('year') FROM generate_series(1, $n)");
	}
	until_waiting('t', $count);
	progress(sprintf('      %d asleep in %.0f s', $count, time() - $began));
	note('sleepers scheduler', memory('scheduler'));
	note('sleepers executor', memory('executor'));
	return;
}

1;
