# What tests of shortages have in common: work that must be done exactly once,
# and how much our processes write to the log meanwhile.
package Episode;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use WorkflowTest;

our @EXPORT = qw(
  create_work
  pause_work
  start_work
  short_of
  healthy
  all_done_once
  lines_a_second
);

# create_work(node, db): workflow "work", each run of which writes one row.
sub create_work
{
	my ($node, $db) = @_;

	$node->safe_psql(
		$db, q{
		CREATE TABLE done (n integer, filling text);
		ALTER TABLE done ALTER COLUMN filling SET STORAGE EXTERNAL;
		CREATE FUNCTION work(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
		BEGIN
		  PERFORM workflow.step('first', 'SELECT 1');
		  PERFORM workflow.step('write',
		    'INSERT INTO done VALUES ($1, repeat(''x'', 500))', input::integer);
		  RETURN input;
		END $$;
		SELECT workflow.create_workflow('work');
	});
	return;
}

# start_work(node, db, first, last): runs that are numbered so.
sub start_work
{
	my ($node, $db, $first, $last) = @_;

	$node->safe_psql($db,
		"SELECT count(workflow.enqueue_workflow('work', to_jsonb(n)))"
		  . " FROM generate_series($first, $last) n");
	return;
}

# short_of(node, db, word): waits until status says so.
sub short_of
{
	my ($node, $db, $word) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(
		poll_until(
			$node, $db,
			'SELECT shortage FROM workflow.status'
			  . ' WHERE shortage_since <= clock_timestamp()',
			$word),
		"status names \"$word\"");
}

# healthy(node, db): waits until nothing is short, and notes how long that took.
sub healthy
{
	my ($node, $db) = @_;
	my $began = time();

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok( poll_until(
			$node, $db,
			'SELECT shortage IS NULL AND shortage_since IS NULL'
			  . ' FROM workflow.status'),
		'nothing is short any more');
	note(sprintf('healthy after %.1f s', time() - $began));
	return;
}

# all_done_once(node, db, number): each run succeeds, and has written one row.
sub all_done_once
{
	my ($node, $db, $n) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok( poll_until(
			$node, $db,
			"SELECT count(*) FROM workflow.runs WHERE state = 'succeeded'",
			$n, 120),
		'all runs succeed');
	is( $node->safe_psql(
			$db, 'SELECT count(*), count(DISTINCT n) FROM done'),
		"$n|$n",
		'nothing is lost, nothing doubled');
	return;
}

# lines_a_second(node, place in the log, least seconds): how many lines our
# processes have written there, by the second, at most and on the average.
sub lines_a_second
{
	my ($node, $from, $seconds) = @_;
	my $log = slurp_file($node->logfile, $from);
	my %count;
	my ($most, $all) = (0, 0);

	while ($log =~
		/^\S+ ([0-9:]{8})\.\d+ \S+ \[\d+\] workflow \w+ \w{5} (?:LOG|WARNING|ERROR|FATAL):/mg)
	{
		$all++;
		my $n = ++$count{$1};
		$most = $n if $n > $most;
	}
	note("$all lines of ours, at most $most in a second");
	return ($most, $all / $seconds);
}

1;
