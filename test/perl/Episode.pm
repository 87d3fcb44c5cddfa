# What tests of shortages have in common: work that must be done exactly once,
# and how much our processes write to the log meanwhile.
package Episode;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use WorkflowTest;

our @EXPORT = qw(
  create_work
  start_work
  short_of
  healthy
  all_done_once
  lines_a_second
  calm_log
  session
  in_session
  wait_in_session
);

# create_work(node, db): workflow "work", each run of which writes one row, and
# "new", whose runs write none.
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
		CREATE FUNCTION new(input jsonb) RETURNS jsonb LANGUAGE sql AS
		  $$ SELECT workflow.step('new', 'SELECT 1') $$;
		SELECT workflow.create_workflow('new');
	});
	return;
}

# start_work(node, db, first, last, delay): runs that are numbered so.
sub start_work
{
	my ($node, $db, $first, $last, $delay) = @_;
	my $later = defined $delay ? ", delay => '$delay'" : '';

	$node->safe_psql($db,
		"SELECT count(workflow.enqueue_workflow('work', to_jsonb(n)$later))"
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

# healthy(node, db, name, when it ended = now): waits until nothing is short and
# new work is done, and notes how long that took since the shortage ended; also
# for make bench-recovery.
sub healthy
{
	my ($node, $db, $name, $ended) = @_;
	$ended //= time();

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok( poll_until(
			$node, $db,
			'SELECT shortage IS NULL AND shortage_since IS NULL'
			  . ' FROM workflow.status'),
		'nothing is short any more');
	$node->safe_psql($db, "SELECT workflow.enqueue_workflow('new')");
	ok( poll_until(
			$node, $db,
			"SELECT count(*) FROM workflow.runs WHERE workflow = 'new'"
			  . " AND state <> 'succeeded'",
			'0'),
		'and new work is done');
	my $seconds = sprintf('%.1f', time() - $ended);
	note("healthy after $seconds s");
	append_to_file($ENV{WF_RECOVERY}, "$name\t$seconds\n")
	  if $ENV{WF_RECOVERY};
	return;
}

# all_done_once(node, db, runs, rows = runs): each run succeeds, and each of
# "work" has written one row.
sub all_done_once
{
	my ($node, $db, $n, $rows) = @_;
	$rows //= $n;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok( poll_until(
			$node, $db,
			"SELECT count(*) FROM workflow.runs WHERE state = 'succeeded'"
			  . " AND workflow <> 'new'",
			$n, 120),
		'all runs succeed');
	is( $node->safe_psql(
			$db, 'SELECT count(*), count(DISTINCT n) FROM done'),
		"$rows|$rows",
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

# calm_log(node, place in the log, when that was): at most about one line of
# ours a second since.
sub calm_log
{
	my ($node, $from, $began) = @_;
	my ($most, $average) = lines_a_second($node, $from, time() - $began);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	cmp_ok($most, '<=', 3, 'few lines in the log within a second');
	cmp_ok($average, '<=', 1, 'and not one a second on the average');
	return;
}

# ---- sessions that stay open ----

# session(node, db, role = postgres)
sub session
{
	my ($node, $db, $role) = @_;
	my $self = { in => '', out => '' };
	my @command = (
		$node->installed_command('psql'), '-XqAt', '-d',
		$node->connstr($db), '-U', $role // 'postgres');

	$self->{psql} = IPC::Run::start(
		\@command,
		'<', \$self->{in}, '>', \$self->{out}, '2>&1',
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default * 3));
	in_session($self, 'SELECT 1');
	return $self;
}

# in_session(session, sql): what it prints, errors included.
sub in_session
{
	my ($self, $sql) = @_;

	$self->{out} = '';
	$self->{in} .= "$sql;\n\\echo =end=\n";
	$self->{psql}->pump until $self->{out} =~ /=end=\n/;
	$self->{out} =~ s/=end=\n//;
	chomp $self->{out};
	return $self->{out};
}

# wait_in_session(session, sql, expected)
sub wait_in_session
{
	my ($self, $sql, $expected) = @_;
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;
	my $last;

	while (time() < $end)
	{
		$last = in_session($self, $sql);
		return 1 if $last eq $expected;
		usleep(50_000);
	}
	diag("still \"$last\": $sql");
	return 0;
}

1;
