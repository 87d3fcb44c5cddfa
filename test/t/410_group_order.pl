# Order in groups of one: whenever a commit had returned before another one of
# the same group was issued, the first of the two starts first.  Many sessions
# at once, whose transactions stay open for a random time.
use strict;
use warnings;

use Time::HiRes qw(usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;
use CommitOrder;
use CrashLoop;
use IntervalChecker;

my $db = 'order';
my $groups = 8;
my $sessions = 64;
my $transactions = 12;    # of each session
my $bulk = 5000;
my $seed = loop_seed();
my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_node('order', 'workflow.executors = 8',
	'max_connections = 100', 'max_prepared_transactions = 70');

sub enqueue
{
	my ($group) = @_;
	return "SELECT 'ITEM', $group, workflow.enqueue_workflow('load',"
	  . " queue => 'ordered', group_key => 'g$group');";
}

# So many in one transaction do not fit into the ring.
sub enqueue_bulk
{
	my $issued = ledger_now();
	my $runs = $node->safe_psql(
		$db, qq{
SELECT 'g' || i % $groups, workflow.enqueue_workflow('quick',
	queue => 'ordered', group_key => 'g' || i % $groups)
  FROM generate_series(1, $bulk) i});
	my $returned = ledger_now();
	return map {
		my ($group, $run) = split /\|/;
		{
			group => substr($group, 1),
			id => $run,
			issued => $issued,
			returned => $returned,
			kind => 'bulk'
		}
	} split /\n/, $runs;
}

# ---- the test ----

test_check_order();
create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE SEQUENCE place;
CREATE TABLE start (place bigint, run_id uuid);
CREATE FUNCTION load(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('only',
		$c$INSERT INTO start VALUES (nextval('place'), workflow.run_id())$c$);
END $$;
CREATE FUNCTION quick(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT load(input)';
SELECT workflow.create_workflow('load');
SELECT workflow.create_workflow('quick');
SELECT workflow.create_queue('ordered', group_max_active => 1);
});

my @pids = start_sessions(
	node => $node,
	db => $db,
	dir => $dir,
	seed => $seed,
	sessions => $sessions,
	transactions => $transactions,
	groups => $groups,
	make_item => \&enqueue);
usleep(500_000);
my @commits = enqueue_bulk();
is(wait_for_sessions(@pids), 0, "$sessions sessions ended in order");
ok( poll_until($node, $db,
		'SELECT count(*) FROM _workflow.run WHERE finished_at IS NULL',
		'0', 120),
	'everything ended');

my %places = map { reverse split /\|/ } split /\n/,
  $node->safe_psql($db, 'SELECT place, run_id FROM start');
push @commits, read_commits($dir, \%places);
is(scalar @commits, scalar keys %places, 'every start is of a known run');
is( $node->safe_psql($db, 'SELECT count(*), count(DISTINCT run_id) FROM start'),
	@commits . '|' . @commits, 'each of them started once');
cmp_ok(scalar @commits, '>', $bulk + $sessions * $transactions - 1,
	'none is missing');

my @wrong = check_order(\@commits, \%places);
is(scalar @wrong, 0, 'starts follow commits')
  or diag join("\n", "seed $seed", @wrong[ 0 .. ($#wrong < 20 ? $#wrong : 20) ]);

# Within one transaction it is the order of the calls.
is( $node->safe_psql(
		$db, q{
SELECT count(*)
  FROM (SELECT s.place, lag(s.place) OVER (PARTITION BY r.group_key ORDER BY r.run_id) AS before
		  FROM start s JOIN _workflow.run r USING (run_id)
		  JOIN _workflow.workflow w USING (workflow_id)
		 WHERE w.name = 'quick') o
 WHERE before > place}),
	'0',
	'a bulk starts in the order of its calls');

$node->stop;
scan_log($node);
done_testing();
