# Sessions that put runs and messages into groups of one at a time, and receivers,
# all of which go on when the server or their connection has gone.
#
# A session writes a line for each item whose commit it has issued, as those of
# CommitOrder.pm do; `returned` is "inf" where it never heard of the end.  Each
# start is a row of the table "start", written by what starts: in a group nothing
# else can start before that is committed, so they are numbered in their order.
package OrderLoop;

use strict;
use warnings;

use Exporter 'import';
use POSIX ();
use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use CrashLoop;
use IntervalChecker;
use WorkflowTest;

our @EXPORT = qw(
  order_setup
  put_item
  start_loops
  stop_loops
  read_ledger_lines
);

my @loops;

# Queue "ordered", workflow "load", and the procedure that receives.
sub order_setup
{
	my ($node, $db) = @_;
	create_extension($node, $db);
	$node->safe_psql(
		$db, q{
CREATE TABLE start (n bigserial, id text);
CREATE FUNCTION load(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.step('only', 'INSERT INTO start (id) VALUES (workflow.run_id()::text)',
		workflow.policy(max_attempts => NULL));
END $$;
SELECT workflow.create_queue('ordered', group_max_active => 1,
	policy => workflow.policy(max_attempts => NULL, initial_delay => '1 ms', max_delay => '10 ms'));
SELECT workflow.create_workflow('load', queue => 'ordered');

-- some of them only at the second time
CREATE PROCEDURE take(many int) LANGUAGE plpgsql AS $$
DECLARE
	m record;
BEGIN
	FOR i IN 1 .. many LOOP
		SELECT * INTO m FROM workflow.receive('ordered');
		EXIT WHEN m.receipt IS NULL;
		IF random() < 0.05 THEN
			ROLLBACK;
			CONTINUE;
		END IF;
		INSERT INTO start (id) VALUES (m.message_id::text);
		PERFORM workflow.ack(m.receipt);
		COMMIT;
	END LOOP;
	COMMIT;
END $$;
});
	return;
}

# A statement that puts a run or a message into a group, and tells of it.
sub put_item
{
	my ($group) = @_;
	return rand() < 0.5
	  ? "SELECT 'ITEM', $group, workflow.enqueue_workflow('load', group_key => 'g$group');"
	  : "SELECT 'ITEM', $group, workflow.send('ordered', '{}', group_key => 'g$group');";
}

# Its kind, the statements up to the commit, and the commit itself.
sub make_transaction
{
	my ($groups, $name) = @_;
	my $group = int(rand($groups));
	my $r = rand();

	return ('plain', 'BEGIN;' . put_item($group), 'COMMIT;') if $r < 0.6;
	return ('savepoint', 'BEGIN; SAVEPOINT a;' . put_item($group)
		  . 'ROLLBACK TO a; SAVEPOINT b;' . put_item(($group + 1) % $groups)
		  . 'RELEASE b;' . put_item($group), 'COMMIT;')
	  if $r < 0.8;
	return ('many', 'BEGIN;' . join('', map { put_item($group) } 1 .. 12), 'COMMIT;')
	  if $r < 0.82;
	return ('prepared', 'BEGIN;' . put_item($group) . "PREPARE TRANSACTION '$name';",
		"COMMIT PREPARED '$name';");
}

# ---- a connection ----

# Sends statements to psql; the lines that they print, or nothing when it went.
sub talk
{
	my ($session, $sql) = @_;
	my @lines;

	if (!$session->{pid})
	{
		@{$session}{qw(in out pid)} = CrashLoop::open_psql($session->{node}, $session->{db});
	}
	print { $session->{in} } "$sql\n\\echo MARK\n";
	while (my $line = readline $session->{out})
	{
		chomp $line;
		return [@lines] if $line eq 'MARK';
		push @lines, $line;
	}
	hang_up($session);
	usleep(50_000);
	return;
}

sub hang_up
{
	my ($session) = @_;
	return unless $session->{pid};
	close($session->{in});
	close($session->{out});
	waitpid($session->{pid}, 0);
	$session->{pid} = 0;
	return;
}

# ---- loops ----

# Prepared, and then the connection was lost: was it committed?
sub commit_again
{
	my ($session, $commit) = @_;
	while (1)
	{
		my ($rc, $out, $err) = ask($session->{node}, $session->{db}, $commit);
		return 1 if $rc == 0;
		return 0 if $err =~ /does not exist/;
		usleep(100_000);
	}
}

sub session_main
{
	my ($session, $number, %params) = @_;
	my $serial = 0;
	open(my $ledger, '>', "$params{dir}/session.$number") or die "could not open ledger: $!";
	$ledger->autoflush(1);

	srand($params{seed} + $number);
	while (!$session->{stop})
	{
		my ($kind, $before, $commit) =
		  make_transaction($params{groups}, "p-$number-" . $serial++);
		my $lines = talk($session, $before) or next;
		my @items = map { /^ITEM (\S+) (\S+)/ ? [ $1, $2 ] : () } @$lines;

		usleep(rand() < 0.1 ? rand(100_000) : rand(10_000));
		my $issued = ledger_now();
		my $returned = talk($session, $commit) ? ledger_now() : 'inf';
		# of these the end was told by nobody
		$kind = 'doubtful' if $kind eq 'prepared' && $returned eq 'inf'
		  && !commit_again($session, $commit);
		printf $ledger "%s %s %.6f %s %s\n", @$_, $issued, $returned, $kind foreach @items;
	}
	close($ledger) or die "could not write ledger: $!";
	return;
}

sub receiver_main
{
	my ($session) = @_;
	while (!$session->{stop})
	{
		talk($session, 'CALL take(50);') or next;
		talk($session, "CALL workflow.wait_for_messages('ordered', '200 ms') \\g /dev/null");
	}
	return;
}

sub start_loop
{
	my ($main, $number, %params) = @_;
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		my $session = { node => $params{node}, db => $params{db}, pid => 0, stop => 0 };
		local $SIG{TERM} = sub { $session->{stop} = 1 };
		local $SIG{PIPE} = 'IGNORE';
		# nothing of the parent's may run in the child's END blocks
		eval { $main->($session, $number, %params); hang_up($session); 1 }
		  or print STDERR "loop $number: $@";
		POSIX::_exit($@ ? 1 : 0);
	}
	return $pid;
}

# start_loops('session' or 'receiver', how many, node, db, dir, seed and groups by
# name)
sub start_loops
{
	my ($what, $many, %params) = @_;
	my $main = $what eq 'session' ? \&session_main : \&receiver_main;
	push @loops, [ $what, start_loop($main, $_, %params) ] foreach 1 .. $many;
	return;
}

# Ends those; how many did not end in order.
sub stop_loops
{
	my ($what) = @_;
	my $failed = 0;
	my @pids = map { $_->[1] } grep { $_->[0] eq $what } @loops;

	kill 'TERM', @pids;
	foreach my $pid (@pids)
	{
		waitpid($pid, 0);
		$failed++ if $? != 0;
	}
	@loops = grep { $_->[0] ne $what } @loops;
	return $failed;
}

# read_ledger_lines(dir): what sessions have committed, or may have.
sub read_ledger_lines
{
	my ($dir) = @_;
	my @commits;
	foreach my $line (map { split /\n/, slurp_file($_) } glob "$dir/session.*")
	{
		my %commit;
		@commit{qw(group id issued returned kind)} = split / /, $line;
		$commit{returned} = 9**9**9 if $commit{returned} eq 'inf';
		push @commits, \%commit if defined $commit{kind};
	}
	return @commits;
}

1;
