# Limits are exact, whatever dies and however they are changed meanwhile.  The
# steps keep a ledger outside of the database; see test/perl/IntervalChecker.pm.
# WF_SEED repeats the choice of kills.
use strict;
use warnings;

use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;
use CrashLoop;
use IntervalChecker;

my $db = 'limits';
my $groups = 8;
my $period = 0.5;    # of the rates

# ---- the checker itself ----

# A ledger of "run from to" with one attempt each
sub made_up
{
	my $pid = 100;
	my $text = '';
	foreach (@_)
	{
		my ($run, $from, $to) = split / /;
		$pid++;
		$text .= "S q g $run 1 $pid $from\n";
		$text .= "E q g $run 1 $pid $to\n" if defined $to;
	}
	return [ parse_ledger($text) ];
}

sub overlaps
{
	my ($ledger, $limits, @kills) = @_;
	my ($attempts, $wrong) = attempts_of($ledger, \@kills);
	return scalar(@$wrong) + check_overlaps('x', $attempts, $limits);
}

sub test_checker
{
	my $three = made_up('a 1 5', 'b 2 4', 'c 3 6');

	is(overlaps($three, 3), 0, 'checker: three at once are three');
	is(overlaps($three, 2), 1, 'checker: ... and not two');
	is(overlaps(made_up('a 1 2', 'b 2 3'), 1), 0, 'checker: one after the other');
	is(overlaps(made_up('a 1', 'b 2 3'), 1, [ 1.5, 1.6 ]), 0, 'checker: killed before');
	is(overlaps(made_up('a 1', 'b 2 3'), 1, [ 2.5, 2.6 ]), 1, 'checker: killed after');
	is(overlaps(made_up('a 1', 'b 2 3'), 1, [ 0.9, 1.1 ], [ 2.5, 2.6 ]),
		0, 'checker: began after the kill');
	is(overlaps(made_up('a 1'), 1), 1, 'checker: an end is missing');
	is(overlaps($three, [ [ 0, 2 ], [ 2.5, 3 ] ]), 0, 'checker: a limit raised');
	is(overlaps($three, [ [ 0, 3 ], [ 2.5, 2 ] ]), 0, 'checker: a limit lowered lately');
	is(overlaps($three, [ [ 0, 3 ], [ 1.5, 2 ] ]), 1, 'checker: ... and long ago');

	my $retried = join("\n",
		'S q g a 1 7 1', 'E q g a 1 7 2', 'S q g b 1 8 3',
		'E q g b 1 8 4', 'S q g a 2 7 5', 'E q g a 2 7 6');
	my ($attempts) = attempts_of([ parse_ledger($retried) ], []);
	is(scalar check_overlaps('x', $attempts, 1), 0, 'checker: attempts do not overlap');
	is(scalar check_overlaps('x', lives_of($attempts), 1), 1, 'checker: ... the runs do');

	my @starts = map { { at => $_, since => $_ } } (1, 2, 3, 4);
	is(scalar check_windows('x', \@starts, 2, 2), 0, 'checker: two in a window');
	$starts[2]{at} = $starts[2]{since} = 2.9;
	is(scalar check_windows('x', \@starts, 2, 2), 1, 'checker: ... not three');
	$starts[0]{since} = 0.8;
	is(scalar check_windows('x', \@starts, 2, 2), 0, 'checker: ... but noted late');

	($attempts) = attempts_of([ parse_ledger(join("\n",
		'B q g a 1 7 1 0.9', 'S q g a 1 7 1.1 0', 'B q g a 1 7 2 2',
		'S q g a 2 7 2.1 0', 'B q g a 1 8 3 3', 'S q g a 2 8 3.1 0')) ], []);
	is(join(' ', map { $_->{begun}{at} } @$attempts), '1 1 3', 'checker: begun');
	return;
}

# ---- the load ----

my %queues = (
	narrow => { options => 'max_running => 3', runs => 900 },
	active => { options => 'max_active => 4', runs => 400, flaky => 1 },
	one => { options => 'group_max_active => 1', runs => 700, flaky => 1 },
	two => { options => 'group_max_active => 2', runs => 700 },
	rated => {
		options => "rate_limit => 20, group_rate_limit => 6, rate_period => '500 ms'",
		runs => 600
	});
my %limits;    # "queue limit" => [[time, limit], ...]

sub setup
{
	my ($node, $file) = @_;
	create_extension($node, $db);
	$node->safe_psql($db, ledger_setup($file));
	$node->safe_psql($db,
		"SELECT workflow.create_queue('$_', $queues{$_}{options})")
	  foreach sort keys %queues;
	$node->safe_psql(
		$db, q{
CREATE FUNCTION work(queue text, grp text, flaky boolean) RETURNS void
	LANGUAGE plpgsql AS $$
DECLARE
	run uuid := workflow.run_id();
	attempt int := workflow.attempt();
BEGIN
	PERFORM note('S', queue, grp, run, attempt);
	PERFORM pg_sleep(0.002 + random() * 0.015);
	PERFORM note('E', queue, grp, run, attempt);
	IF flaky AND attempt < 3 AND random() < 0.5 THEN
		RAISE lock_not_available;
	END IF;
END $$;
CREATE FUNCTION load(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM note('B', input->>'queue', input->>'group', workflow.run_id(), 1);
	RETURN workflow.step('work', 'SELECT work($1, $2, $3)',
		workflow.policy(max_attempts => NULL, initial_delay => '30 ms', max_delay => '80 ms'),
		input->>'queue', input->>'group', (input->>'flaky')::boolean);
END $$;
SELECT workflow.create_workflow('load');
});
	%limits = (
		'narrow running' => [ [ 0, 3 ] ],
		'rated rate' => [ [ 0, 20 ] ],
		'active active' => [ [ 0, 4 ] ],
		'one group' => [ [ 0, 1 ] ],
		'two group' => [ [ 0, 2 ] ],
		'rated group rate' => [ [ 0, 6 ] ]);
	return;
}

# Some of each queue in turn, so that all of them are at work all the time.
sub enqueue
{
	my ($node, $part) = @_;
	my $total = 0;
	foreach my $queue (sort keys %queues)
	{
		my $runs = int($queues{$queue}{runs} * $part);
		my $flaky = $queues{$queue}{flaky} ? 'true' : 'false';
		$node->safe_psql($db, qq{
SELECT count(workflow.enqueue_workflow('load',
	jsonb_build_object('queue', '$queue', 'group', 'g' || i % $groups, 'flaky', $flaky),
	queue => '$queue', group_key => 'g' || i % $groups, priority => i % 3))
  FROM generate_series(1, $runs) i});
		$total += $runs;
	}
	return $total;
}

# A change that has come back holds, sooner or later; up counts from before it.
# One that may have been lost in a crash is made again.
sub change
{
	my ($node, $name, $option, $limit) = @_;
	my ($queue) = split / /, $name;
	my $list = $limits{$name};
	my $before = ledger_now();

	foreach (1 .. 100)
	{
		my ($rc) = ask($node, $db,
			"SELECT workflow.alter_queue('$queue', $option => $limit)");
		last if $rc == 0;
		wait_accepting($node, $db);
	}
	push @$list,
	  [ $limit > $list->[-1][1] ? $before : ledger_now(), $limit ];
	return;
}

sub unfinished
{
	my ($node) = @_;
	my ($rc, $out) = ask($node, $db,
		'SELECT count(*) FROM _workflow.run WHERE finished_at IS NULL');
	return $rc == 0 ? $out : 1;
}

# ---- what the ledger says ----

sub by_group
{
	my ($intervals) = @_;
	my %groups;
	push @{ $groups{ $_->{group} } }, $_ foreach @$intervals;
	return %groups;
}

sub starts_of
{
	my ($intervals) = @_;
	return [ map { $_->{begun} } @$intervals ];
}

sub check_ledger
{
	my ($file, $kills) = @_;
	my ($attempts, $wrong) =
	  attempts_of([ parse_ledger(slurp_file($file)) ], $kills);
	my @wrong = @$wrong;
	my (%attempts, %lives, %runs);

	push @{ $attempts{ $_->{queue} } }, $_ foreach @$attempts;
	push @{ $runs{ $_->{run} } }, $_ foreach @$attempts;
	$lives{$_} = lives_of($attempts{$_}) foreach keys %attempts;

	push @wrong, check_overlaps("run $_", $runs{$_}, 1) foreach keys %runs;
	push @wrong,
	  check_overlaps('max_running', $attempts{narrow}, $limits{'narrow running'});
	push @wrong,
	  check_overlaps('max_active', $lives{active}, $limits{'active active'});
	foreach my $queue (qw(one two))
	{
		my %groups = by_group($lives{$queue});
		push @wrong,
		  check_overlaps("group_max_active $queue $_", $groups{$_},
			$limits{"$queue group"})
		  foreach sort keys %groups;
	}

	push @wrong,
	  check_windows('rate_limit', starts_of($lives{rated}),
		$limits{'rated rate'}, $period);
	my %groups = by_group($lives{rated});
	push @wrong,
	  check_windows("group_rate_limit $_", starts_of($groups{$_}),
		$limits{'rated group rate'}, $period)
	  foreach sort keys %groups;
	return (\@wrong, $attempts);
}

test_checker();

# ---- a sound build, under fire ----

my $seed = loop_seed();
my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_node('limits', 'workflow.executors = 16');
setup($node, "$dir/ledger");
my $total = enqueue($node, 1);
my $end = time() + 40;
my @kills;
my ($terminated, $changes) = (0, 0);

for (my $i = 0; time() < $end && unfinished($node) > 0; $i++)
{
	usleep(300_000 + rand(900_000));
	change($node, 'narrow running', 'max_running', (5, 2, 3)[ $changes++ % 3 ]);
	change($node, 'rated rate', 'rate_limit', (30, 20)[ $changes % 2 ])
	  if $i % 3 == 2;
	if ($i % 2 == 0 && @kills < 8)
	{
		my @pids = split /\n/, (ask($node, $db,
			"SELECT pid FROM pg_stat_activity WHERE backend_type = 'workflow executor'"))[1];
		my $now = ledger_now();
		next unless @pids && kill 'KILL', $pids[ int(rand(@pids)) ];
		# until the postmaster has noticed, it may still answer
		usleep(100_000);
		wait_accepting($node, $db) or die 'no connection after a kill';
		push @kills, [ $now, ledger_now() ];
	}
	elsif ((my $pid = worker_pid($node, 'scheduler', $db)) ne '')
	{
		$terminated += kill 'TERM', $pid;
	}
}
ok( poll_until($node, $db,
		'SELECT count(*) FROM _workflow.run WHERE finished_at IS NULL',
		'0', 60),
	'everything ended')
  or diag "seed $seed";
note @kills . " executors killed, scheduler ended $terminated times";
cmp_ok(scalar @kills, '>=', 3, 'executors were killed');
cmp_ok($terminated, '>=', 2, 'the scheduler was ended');
is( $node->safe_psql($db,
		"SELECT count(*) FROM _workflow.run WHERE state = 's' OR reason = 'crash'"),
	$total,
	"all $total runs succeeded, but those that were killed twice");

my ($wrong, $attempts) = check_ledger("$dir/ledger", \@kills);
is(scalar @$wrong, 0, 'no limit was exceeded in ' . @$attempts . ' attempts')
  or diag join("\n", "seed $seed", @$wrong[ 0 .. ($#$wrong < 30 ? $#$wrong : 30) ]);

# A limit that is kept by doing one thing at a time would be no limit.
my %narrow = (most => 0);
my @running;
foreach my $new (grep { $_->{queue} eq 'narrow' } @$attempts)
{
	@running = ((grep { $_->{to} > $new->{from} } @running), $new);
	$narrow{most} = @running if @running > $narrow{most};
}
cmp_ok($narrow{most}, '>=', 3, 'and what they allow was used');

$node->stop;
scan_log($node, allowed => [
	'was terminated by signal 9',
	'all server processes terminated; reinitializing',
	'server process .* exited with exit code',
	'terminating background worker "workflow scheduler' ]);

# ---- a broken build ----

my $broken = new_node('broken', 'workflow.executors = 16',
	"workflow.test_break = 'ignore-limits'");
setup($broken, "$dir/broken");
enqueue($broken, 0.1);
poll_until($broken, $db,
	'SELECT count(*) FROM _workflow.run WHERE finished_at IS NULL', '0', 60);
($wrong) = check_ledger("$dir/broken", []);
my $found = join("\n", @$wrong);
like($found, qr/^$_: /m, "a build that ignores limits is found: $_")
  foreach qw(max_running rate_limit);
$broken->stop('immediate');

done_testing();
