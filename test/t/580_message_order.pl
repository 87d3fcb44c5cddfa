# Order of messages in groups of one, under 64 senders and 16 receivers: whenever
# a commit had returned before another one of the same group was issued, the
# first of the two is received first, and until it is acknowledged nobody gets
# the other one.  Some are received in a transaction that acknowledges, some in
# one that is rolled back, and some are given back for another attempt.
use strict;
use warnings;

use POSIX ();
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
my $receivers = 16;
my $transactions = 12;    # of each session
my $bulk = 2000;
my $seed = loop_seed();
my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_node('message_order', 'max_connections = 120',
	'max_prepared_transactions = 70');

sub send_item
{
	my ($group) = @_;
	return "SELECT 'ITEM', $group, workflow.send('ordered', '{}', group_key => 'g$group');";
}

# ---- receivers ----

# Sends statements; the lines that they print, up to the mark.
sub talk
{
	my ($in, $out, $sql) = @_;
	my @lines;
	print $in "$sql\n\\echo MARK\n";
	while (my $line = <$out>)
	{
		chomp $line;
		return @lines if $line eq 'MARK';
		push @lines, $line;
	}
	die 'the session ended';
}

# What becomes of a message: statements before it is received, and for each
# receipt and after.
sub choose_end
{
	my $r = rand();
	return ('', 'workflow.ack(%s)', '', 'acked') if $r < 0.6;
	return ('BEGIN;', 'workflow.ack(%s)', 'COMMIT;', 'acked') if $r < 0.8;
	return ('', "workflow.nack(%s, 'again', delay => '1 ms')", '', 'again') if $r < 0.9;
	return ('BEGIN;', '', 'ROLLBACK;', 'rolled back');
}

# Writes a line for each message in hand: message, group, from, to, its end.
# Both times are within what is promised: after receive() returned, and before
# its end is told.
sub receiver_main
{
	my ($number) = @_;
	my ($in, $out, $pid) = CrashLoop::open_psql($node, $db);
	my $stop = 0;

	open(my $ledger, '>', "$dir/receiver.$number") or die "could not open ledger: $!";
	local $SIG{TERM} = sub { $stop = 1 };
	srand($seed + 1000 + $number);
	while (!$stop)
	{
		my ($before, $call, $after, $end) = choose_end();
		my $many = 1 + int(rand(3));
		my @messages = map { [ split / / ] } talk($in, $out,
			"CALL workflow.wait_for_messages('ordered', '1 s') \\g /dev/null\n"
			  . "$before SELECT message_id, group_key, receipt FROM workflow.receive('ordered', $many);");
		my $from = ledger_now();
		usleep(rand(3000)) if rand() < 0.3;
		my $to = ledger_now();
		talk($in, $out, join('',
				map { $call ? 'SELECT ' . sprintf($call, "'$_->[2]'") . ';' : '' } @messages)
			  . $after);
		printf $ledger "%s %s %.6f %.6f %s\n", $_->[0], $_->[1], $from, $to, $end
		  foreach @messages;
		my %seen;
		print $ledger "two of $_->[1]\n" foreach grep { $seen{ $_->[1] }++ } @messages;
	}
	close($in);
	waitpid($pid, 0);
	close($ledger) or die "could not write ledger: $!";
	return;
}

sub start_receiver
{
	my ($number) = @_;
	my $pid = fork() // die "fork: $!";
	return $pid if $pid != 0;
	# nothing of the parent's may run in the child's END blocks
	eval { receiver_main($number); 1 } or print STDERR "receiver $number: $@";
	POSIX::_exit($@ ? 1 : 0);
}

# Times in hand, and a list of what is wrong by itself.
sub read_receivers
{
	my (@times, @wrong);
	foreach my $line (map { split /\n/, slurp_file($_) } glob "$dir/receiver.*")
	{
		my %time;
		push @wrong, "$line in one receive()" and next if $line =~ /^two of/;
		@time{qw(id group from to end)} = split / /, $line, 5;
		push @times, \%time;
	}
	return (\@times, \@wrong);
}

# check_in_hand([times in hand]): what is wrong.  In a group one message is in
# hand at a time, and the next one only after it was acknowledged.
sub check_in_hand
{
	my ($times) = @_;
	my (%last, @wrong);
	foreach my $time (sort { $a->{from} <=> $b->{from} } @$times)
	{
		my $last = $last{ $time->{group} };
		push @wrong, "group $time->{group}: $time->{id} came after $last->{id},"
		  . " which was not acknowledged but $last->{end}"
		  if $last && $last->{id} != $time->{id} && $last->{end} ne 'acked';
		push @wrong, "$time->{id} came again"
		  if $last && $last->{id} == $time->{id} && $last->{end} eq 'acked';
		push @wrong, "group $time->{group}: $time->{id} came while $last->{id} was in hand"
		  if $last && $last->{to} > $time->{from};
		$last{ $time->{group} } = $time;
	}
	return @wrong;
}

sub test_check_in_hand
{
	my $time = sub {
		my %time;
		@time{qw(id from to end group)} = (@_, 'g');
		return \%time;
	};
	is(scalar check_in_hand([ $time->(1, 1, 2, 'again'), $time->(1, 3, 4, 'acked'), $time->(2, 5, 6, 'acked') ]),
		0, 'checker: one after the other');
	is(scalar check_in_hand([ $time->(1, 1, 2, 'again'), $time->(2, 3, 4, 'acked') ]),
		1, 'checker: overtaken while it waits for another attempt');
	is(scalar check_in_hand([ $time->(1, 1, 4, 'acked'), $time->(2, 3, 5, 'acked') ]),
		1, 'checker: two in hand');
	is(scalar check_in_hand([ $time->(1, 1, 2, 'acked'), $time->(1, 3, 4, 'acked') ]),
		1, 'checker: one comes back');
	return;
}

# So many in one transaction.
sub send_bulk
{
	my $issued = ledger_now();
	my $messages = $node->safe_psql(
		$db, qq{
SELECT group_key || '|' || message_id
  FROM (SELECT array_agg('g' || i % $groups ORDER BY i) AS groups,
			   array_agg('{}'::jsonb) AS payloads
		  FROM generate_series(1, $bulk) i) all_of_it,
	   LATERAL unnest(groups, ARRAY(SELECT workflow.send_batch('ordered', payloads, group_keys => groups)))
		   AS sent(group_key, message_id)});
	my $returned = ledger_now();
	return map {
		my ($group, $id) = split /\|/;
		{
			group => substr($group, 1),
			id => $id,
			issued => $issued,
			returned => $returned,
			kind => 'bulk'
		}
	} split /\n/, $messages;
}

# ---- the test ----

test_check_order();
test_check_in_hand();
create_extension($node, $db);
$node->safe_psql(
	$db, q{
SELECT workflow.create_queue('ordered', group_max_active => 1, lease => '5 min',
	policy => workflow.policy(max_attempts => NULL), keep_acked => '1 day');
});

my @receivers = map { start_receiver($_) } 1 .. $receivers;
my @pids = start_sessions(
	node => $node,
	db => $db,
	dir => $dir,
	seed => $seed,
	sessions => $sessions,
	transactions => $transactions,
	groups => $groups,
	make_item => \&send_item);
usleep(500_000);
my @bulk = send_bulk();
is(wait_for_sessions(@pids), 0, "$sessions senders ended in order");
ok( poll_until($node, $db,
		"SELECT count(*) FROM workflow.messages WHERE state <> 'acked'", '0', 120),
	'everything was acknowledged');
kill 'TERM', @receivers;
is(wait_for_sessions(@receivers), 0, "$receivers receivers ended in order");

my ($times, $wrong) = read_receivers();
my %places;
foreach my $time (sort { $a->{from} <=> $b->{from} } @$times)
{
	$places{ $time->{id} } //= $time->{from};
}
my @commits = (@bulk, read_commits($dir, \%places));
is(scalar @commits, scalar keys %places, 'every message received is a known one');
is($node->safe_psql($db, 'SELECT count(*) FROM workflow.messages'),
	scalar @commits, 'each of them was received');
cmp_ok(scalar @commits, '>', $bulk + $sessions * $transactions - 1, 'none is missing');
cmp_ok(scalar(grep { $_->{end} ne 'acked' } @$times), '>', @commits / 20,
	'there were attempts without an acknowledgement');

push @$wrong, check_order(\@commits, \%places), check_in_hand($times);
is(scalar @$wrong, 0, 'messages are received in the order of commits, one at a time')
  or diag join("\n", "seed $seed", @$wrong[ 0 .. ($#$wrong < 20 ? $#$wrong : 20) ]);

# Within one transaction it is the order of the calls.
my (%last, $late);
foreach my $commit (sort { $a->{id} <=> $b->{id} } @bulk)
{
	my $place = $places{ $commit->{id} } // next;
	$late++ if $place < ($last{ $commit->{group} } // 0);
	$last{ $commit->{group} } = $place;
}
is($late, undef, 'a batch is received in the order of its payloads');

$node->stop;
scan_log($node);
done_testing();
