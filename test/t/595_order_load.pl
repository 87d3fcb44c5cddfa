# Order in groups of one at a time while everything happens to the scheduler that
# may: whenever a commit had returned before another one of the same group was
# issued, the first of the two starts first, be they runs or messages.
#
# Sessions whose transactions stay open, prepared ones among them; pauses, changed
# limits, more work than the scheduler's memory holds, and kills of scheduler,
# executors and postmaster.  A pair may be wrong only where a session was killed
# between a COMMIT PREPARED and the places that it draws: these are counted.
#
# With WF_LONG, a hundred thousand pairs.
use strict;
use warnings;

use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;
use CommitOrder qw(check_order test_check_order);
use CrashLoop;
use IntervalChecker;
use OrderLoop;

my $db = 'order';
my $groups = 24;
my $wanted = $ENV{WF_LONG} ? 100_000 : 5_000;
my $bulk = 4_000;    # more than the scheduler's memory holds
my $seed = loop_seed();
my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_node('order_load', 'workflow.executors = 4',
	'workflow.scheduler_memory = 1MB', 'max_connections = 60',
	'max_prepared_transactions = 40');
my (%done, %left);

# As many as no ring and no memory has room for.
sub enqueue_bulk
{
	my $issued = ledger_now();
	my ($rc, $ids) = ask($node, $db, qq{
SELECT i % $groups, CASE WHEN i % 3 = 0
		THEN workflow.send('ordered', '{}', group_key => 'g' || i % $groups)::text
		ELSE workflow.enqueue_workflow('load', group_key => 'g' || i % $groups)::text END
  FROM generate_series(1, $bulk) i});
	my $returned = ledger_now();
	return $rc != 0 ? () : map {
		my ($group, $id) = split /\|/;
		{ group => $group, id => $id, issued => $issued, returned => $returned, kind => 'bulk' }
	} split /\n/, $ids;
}

# How much a queue has in the table alone.
sub note_spill
{
	my ($rc, $n) = ask($node, $db, q{
SELECT count(*) FROM (SELECT queue_id FROM _workflow.run WHERE finished_at IS NULL
					  UNION ALL SELECT queue_id FROM _workflow.message WHERE finished_at IS NULL) w});
	$left{most} = $n if $rc == 0 && $n > ($left{most} // 0);
	return;
}

my @bulk;
my %disturb = (
	pause => sub {
		ask($node, $db, q{SELECT workflow.pause_queue('ordered')});
		usleep(rand(700_000));
		note_spill();
		ask($node, $db, q{SELECT workflow.resume_queue('ordered')});
	},
	alter => sub {
		my $most = 1 + int(rand(20));
		ask($node, $db, rand() < 0.5
			? "SELECT workflow.alter_queue('ordered', max_running => $most)"
			: q{SELECT workflow.alter_queue('ordered', reset => '{max_running}')});
	},
	spill => sub {
		ask($node, $db, q{SELECT workflow.pause_queue('ordered')});
		push @bulk, enqueue_bulk();
		note_spill();
		ask($node, $db, q{SELECT workflow.resume_queue('ordered')});
	},
	scheduler => sub {
		kill 'TERM', worker_pid($node, 'scheduler', $db) || return;
	},
	executors => sub {
		my ($rc, $pids) = ask($node, $db,
			q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'workflow executor'});
		kill 'TERM', split /\n/, $pids if $rc == 0;
	},
	kill => sub {
		my @kinds = qw(scheduler executor postmaster);
		random_kill($node, $db, $kinds[ ($done{kill} // 0) % @kinds ]);
	});

sub disturb_until
{
	my ($enough) = @_;
	my @order = qw(spill alter scheduler pause kill executors kill alter kill);
	my $turn = 0;
	my $end = time() + 1800;

	while (time() < $end)
	{
		my $kind = $turn < @order ? $order[$turn] : (sort keys %disturb)[ rand(keys %disturb) ];
		# much of the time would go by with recoveries
		$kind = 'pause' if $turn >= @order && $kind =~ /kill|spill/ && rand() < 0.7;
		$turn++;
		$disturb{$kind}->();
		$done{$kind}++;
		usleep(200_000 + rand(600_000));
		return 1 if $turn > @order && read_ledger_lines($dir) >= $enough;
	}
	return 0;
}

# ---- the test ----

test_check_order();
order_setup($node, $db);
my %params = (node => $node, db => $db, dir => $dir, seed => $seed, groups => $groups);
start_loops('session', 12, %params);
start_loops('receiver', 4, %params);
# some of them are rolled back
ok(disturb_until($wanted * 1.2), 'there were enough commits');
is(stop_loops('session'), 0, 'sessions ended in order');
$node->safe_psql($db, "COMMIT PREPARED '$_'")
  foreach split /\n/, $node->safe_psql($db, 'SELECT gid FROM pg_prepared_xacts');
$node->safe_psql($db, q{
SELECT workflow.resume_queue('ordered');
SELECT workflow.alter_queue('ordered', reset => '{max_running}')});
ok( poll_until($node, $db, q{
SELECT (SELECT count(*) FROM _workflow.run WHERE finished_at IS NULL)
	 + (SELECT count(*) FROM _workflow.message WHERE finished_at IS NULL)}, '0', 600),
	'everything ended');
is(stop_loops('receiver'), 0, 'receivers ended in order');

my %places = map { reverse split /\|/ } split /\n/,
  $node->safe_psql($db, 'SELECT n, id FROM start');
my @commits = (@bulk, read_ledger_lines($dir));
my @lost = grep { $_->{returned} < 9**9**9 && !defined $places{ $_->{id} } && $_->{kind} ne 'savepoint' } @commits;
is(scalar @lost, 0, 'everything started whose commit returned');
is( $node->safe_psql($db, 'SELECT count(*) - count(DISTINCT id) FROM start'),
	'0', 'nothing started twice');
@commits = grep { defined $places{ $_->{id} } } @commits;
cmp_ok(scalar @commits, '>=', $wanted, 'enough of it started');
cmp_ok($left{most} // 0, '>', 3500, 'there was more than memory holds');

my @wrong = check_order(\@commits, \%places);
my $doubtful = grep { $_->{kind} eq 'doubtful' } @commits;
my @excused = grep { /doubtful/ } @wrong;
diag sprintf('%d pairs, %d wrong; %d prepared were cut off, %d pairs of these wrong; %s',
	scalar @commits, @wrong - @excused, $doubtful, scalar @excused,
	join(', ', map { "$_ $done{$_}" } sort keys %done));
is(scalar @wrong, scalar @excused, 'starts follow commits')
  or diag join("\n", "seed $seed", @wrong[ 0 .. ($#wrong < 20 ? $#wrong : 20) ]);

$node->stop;
scan_log($node, allowed => [ 'terminated by signal 9', 'all server processes terminated' ]);
done_testing();
