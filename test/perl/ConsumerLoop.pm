# Producers and consumers of messages outside of the database, random kills, and
# a checker that trusts nothing the server says of itself.
#
# Each process keeps a ledger of its own, a file that is flushed to disk line by
# line.  Producers note a token before they send it, after the commit was
# reported, and when they roll it back.  A consumer notes
#
#	got			a receipt it was given, with the times before and after receive()
#	had			the same in a transaction that has not committed
#	did			the effect of the work, before it says anything
#	extended	that the lease was made longer, with the time before extend()
#	saying		what it is about to say of the message
#	said		that the server confirmed it
#
# with times of the monotonic clock.  From ledgers and tables follows
#
#	lost	a token whose commit was confirmed has no message; or a message has
#			not ended, or not as its producer wanted; or ended without effect
#	back	a message was given out after its acknowledgement was confirmed, or
#			two acknowledgements of it were confirmed
#	held	a message was given out while somebody held it by a lease that had not
#			ended, without having been asked to give it back
#	stale	something said with a receipt was accepted, after somebody else had been
#			given the message
#	nowhere	a message that nobody attempted to send, that was rolled back, or a
#			second one of one token; an effect of a message nobody knows
package ConsumerLoop;

use strict;
use warnings;

use Exporter 'import';
use POSIX ();
use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;
use CrashLoop;
use IntervalChecker;

our @EXPORT = qw(
  consumer_setup
  start_traffic
  stop_producers
  stop_consumers
  random_fault
  drain_messages
  check_messages
);

my $lease = 2;    # seconds
my (%producers, %consumers, $next_consumer);
my %traffic;

# A queue whose messages live until they are acknowledged, whatever dies.
sub consumer_setup
{
	my ($node, $db) = @_;
	create_extension($node, $db);
	$node->safe_psql(
		$db, qq{
SELECT workflow.create_queue('work', lease => '$lease s', keep_acked => '1 day',
	policy => workflow.policy(max_attempts => NULL, initial_delay => '5 ms', max_delay => '50 ms'));
});
	return;
}

# ---- sessions ----

sub note_line
{
	my ($ledger, @fields) = @_;
	print $ledger "@fields\n" or die "could not write to ledger: $!";
	$ledger->flush;
	$ledger->sync or die "could not flush ledger: $!";
	return;
}

# talk(session, sql): the lines printed, or nothing when the connection is lost,
# which is made anew for the next one.  An error of a statement is a lost
# connection too, as psql ends with it.
sub talk
{
	my ($session, $sql) = @_;
	my @lines;

	@$session{qw(in out pid)} = CrashLoop::open_psql($traffic{node}, $traffic{db})
	  unless $session->{pid};
	if (print { $session->{in} } "$sql\n\\echo MARK\n")
	{
		while (my $line = readline $session->{out})
		{
			chomp $line;
			return (\@lines) if $line eq 'MARK';
			push @lines, $line;
		}
	}
	hang_up($session);
	usleep(50_000);
	return;
}

sub hang_up
{
	my ($session) = @_;
	my $pid = delete $session->{pid} or return;
	close(delete $session->{$_}) foreach qw(in out);
	waitpid($pid, 0);
	return;
}

# Runs main(number, ledger, stopped) in a process of its own, until it is told to
# end or the parent is gone.
sub start_process
{
	my ($kind, $number, $main) = @_;
	my $parent = $$;
	my $pid = fork() // die "fork: $!";
	return $pid if $pid != 0;

	# nothing of the parent's may run in the child's END blocks
	my $good = eval {
		my $stop = 0;
		local $SIG{TERM} = sub { $stop = 1 };
		local $SIG{PIPE} = 'IGNORE';
		srand($traffic{seed} + 1000 * $number + ord($kind));
		my $file = "$traffic{dir}/$kind.$number";
		open(my $ledger, '>', $file) or die "could not open $file: $!";
		$main->($number, $ledger, sub { $stop || getppid() != $parent });
		1;
	};
	print STDERR "$kind $number: $@" unless $good;
	POSIX::_exit($good ? 0 : 1);
}

# ---- producers ----

sub send_sql
{
	my ($token) = @_;
	my $r = rand();
	my $mode = $r < 0.75 ? 'plain' : $r < 0.9 ? 'flaky' : 'fatal';
	my $group = $r < 0.5 ? "'g" . int(rand(5)) . "'" : 'NULL';
	return ($mode, qq{SELECT workflow.send('work', '{"token": "$token", "mode": "$mode"}', group_key => $group);});
}

# One transaction: single, batch, rolled back, or prepared.
sub produce
{
	my ($session, $ledger, $number, $serial) = @_;
	my $r = rand();
	my $undo = $r > 0.9;
	my (@tokens, @sql);

	foreach (1 .. ($r < 0.5 ? 1 : 1 + int(rand(8))))
	{
		my $token = "$number-" . ++$$serial;
		my ($mode, $sql) = send_sql($token);
		note_line($ledger, $undo ? 'undone' : 'attempted', $token, $mode);
		push @tokens, $token;
		push @sql, $sql;
	}
	my $name = "'m-$number-$$serial'";
	my $end =
	    $undo ? 'ROLLBACK;'
	  : $r > 0.85 ? "PREPARE TRANSACTION $name; COMMIT PREPARED $name;"
	  : 'COMMIT;';
	my $answer = talk($session, join(' ', 'BEGIN;', @sql, $end));
	return unless $answer && !$undo;
	note_line($ledger, 'acknowledged', $_) foreach @tokens;
	return;
}

sub producer_main
{
	my ($number, $ledger, $stopped) = @_;
	my ($session, $serial) = ({}, 0);
	until ($stopped->())
	{
		produce($session, $ledger, $number, \$serial);
		usleep(rand($traffic{pause}));
	}
	hang_up($session);
	return;
}

# ---- consumers ----

# What to say of a message: a word, and the call.
sub choose_words
{
	my ($mode) = @_;
	return ('final', "nack(%s, 'as told', final => true)") if $mode eq 'fatal';
	return ('again', "nack(%s, 'flaky')") if $mode eq 'flaky' && rand() < 0.5;
	return ('snooze', "nack(%s, 'later', delay => '10 ms', counts => false)") if rand() < 0.05;
	return ('ack', 'ack(%s)');
}

sub say_of
{
	my ($session, $ledger, $message) = @_;
	my ($word, $call) = choose_words($message->{mode});
	my @line = ($message->{id}, $message->{receipt}, $word);
	my $quoted = sprintf($call, "'$message->{receipt}'");

	note_line($ledger, 'saying', @line, ledger_now());
	my $answer = talk($session, "SELECT 'SAID' FROM workflow.$quoted;");
	note_line($ledger, 'said', @line, ledger_now()) if $answer;
	return;
}

# Receives with what stands before it: the messages, each of them noted.
sub receive_some
{
	my ($session, $ledger, $many, $before) = @_;
	my $issued = ledger_now();
	my $answer = talk($session, qq{$before
SELECT 'MSG', message_id, receipt, attempt, payload->>'token', payload->>'mode'
  FROM workflow.receive('work', $many);}) or return;
	my @messages;

	foreach my $line (grep { /^MSG / } @$answer)
	{
		my %message;
		(undef, @message{qw(id receipt attempt token mode)}) = split / /, $line;
		note_line($ledger, $before ? 'had' : 'got',
			@message{qw(id receipt attempt)}, $issued, ledger_now());
		push @messages, \%message;
	}
	return @messages;
}

# Longer than the lease: in time, as it was extended, or too late.
sub work_long
{
	my ($session, $ledger, $message) = @_;
	if (rand() < 0.5)
	{
		my $issued = ledger_now();
		my $answer = talk($session,
			"SELECT 'SAID' FROM workflow.extend('$message->{receipt}', '@{[ 2 * $lease ]} s');");
		note_line($ledger, 'extended', @$message{qw(id receipt)}, $issued) if $answer;
	}
	usleep(1_000_000 * $lease * (1 + rand(0.9)));
	return;
}

# Receives, and speaks of each message by itself.
sub consume_apart
{
	my ($session, $ledger) = @_;
	foreach my $message (receive_some($session, $ledger, 1 + int(rand(4)), ''))
	{
		work_long($session, $ledger, $message) if rand() < $traffic{slow};
		note_line($ledger, 'did', @$message{qw(id token)});
		say_of($session, $ledger, $message);
	}
	return;
}

# Receives, works and acknowledges in one transaction, or rolls it back.
sub consume_together
{
	my ($session, $ledger) = @_;
	my @messages = receive_some($session, $ledger, 1 + int(rand(3)), 'BEGIN;');
	my $undo = rand() < 0.3;
	my (@sql, @lines);

	foreach my $message (@messages)
	{
		my ($word, $call) =
		  $message->{mode} eq 'fatal'
		  ? ('final', "nack('$message->{receipt}', 'as told', final => true)")
		  : ('ack', "ack('$message->{receipt}')");
		push @sql, "SELECT FROM workflow.$call;";
		push @lines, [ @$message{qw(id receipt)}, $word ];
		note_line($ledger, 'did', @$message{qw(id token)});
	}
	my $answer = talk($session, join(' ', @sql, $undo ? 'ROLLBACK;' : 'COMMIT;'));
	return unless $answer && !$undo;
	note_line($ledger, 'said', @$_, ledger_now()) foreach @lines;
	return;
}

sub consumer_main
{
	my ($number, $ledger, $stopped) = @_;
	my $session = {};
	until ($stopped->())
	{
		talk($session, "CALL workflow.wait_for_messages('work', '500 ms') \\g /dev/null") or next;
		rand() < 0.8 ? consume_apart($session, $ledger) : consume_together($session, $ledger);
	}
	hang_up($session);
	return;
}

sub start_consumer
{
	my $number = ++$next_consumer;
	$consumers{ start_process('consumer', $number, \&consumer_main) } = $number;
	return;
}

# start_traffic(node, db, dir, seed, producers, consumers, pause in us, slow, all by
# name).  Slow is how often work takes longer than the lease.
sub start_traffic
{
	%traffic = @_;
	(%producers, %consumers) = ();
	$next_consumer = 0;
	$producers{ start_process('producer', $_, \&producer_main) } = $_
	  foreach 1 .. $traffic{producers};
	start_consumer() foreach 1 .. $traffic{consumers};
	return;
}

# True if each of them ended in order.
sub stop_processes
{
	my ($processes) = @_;
	my $good = 1;
	kill 'TERM', keys %$processes;
	foreach my $pid (keys %$processes)
	{
		waitpid($pid, 0);
		$good = 0 if $? != 0;
	}
	%$processes = ();
	return $good;
}

sub stop_producers { return stop_processes(\%producers); }
sub stop_consumers { return stop_processes(\%consumers); }

# ---- faults ----

# random_fault(): a consumer or something of the server is killed, and another
# consumer begins, or the server is there again.  Returns what it was, or ''.
sub random_fault
{
	my @kinds = (
		('consumer') x 6, ('scheduler') x 4, ('backend') x 2,
		('launcher', 'checkpointer', 'postmaster', 'immediate') x 2);
	my $kind = shift // $kinds[ int(rand(@kinds)) ];

	return random_kill($traffic{node}, $traffic{db}, $kind) if $kind ne 'consumer';
	my @pids = sort keys %consumers;
	my $pid = $pids[ int(rand(@pids)) ];
	kill 'KILL', $pid or return '';
	waitpid($pid, 0);
	delete $consumers{$pid};
	start_consumer();
	return $kind;
}

# ---- the checker ----

# drain_messages(timeout): every message has ended, by the table.
sub drain_messages
{
	my ($timeout) = @_;
	my ($node, $db) = @traffic{qw(node db)};

	# a producer that lost its connection between PREPARE and COMMIT PREPARED
	my $prepared =
	  $node->safe_psql($db, 'SELECT gid FROM pg_prepared_xacts ORDER BY 1');
	$node->safe_psql($db, "COMMIT PREPARED '$_'") foreach split /\n/, $prepared;
	return poll_until($node, $db,
		'SELECT count(*) FROM _workflow.message WHERE finished_at IS NULL', '0', $timeout);
}

# Lines of the ledgers of one kind of process, as lists of their fields, in the
# order in which each process wrote them.
sub read_ledgers
{
	my ($kind) = @_;
	my @lines;
	foreach my $file (glob "$traffic{dir}/$kind.*")
	{
		# a killed process may leave the last line unfinished
		push @lines, map { [split / /] } slurp_file($file) =~ /^(.*)\n/mg;
	}
	return @lines;
}

sub read_messages
{
	my %messages;
	foreach my $line (split /\n/, $traffic{node}->safe_psql($traffic{db}, q{
SELECT message_id, payload->>'token', payload->>'mode', state, attempt FROM _workflow.message}))
	{
		my %message;
		@message{qw(id token mode state attempt)} = split /\|/, $line;
		$messages{ $message{id} } = \%message;
	}
	return \%messages;
}

sub check_tokens
{
	my ($messages) = @_;
	my (%said, %of_token, @wrong);

	push @{ $said{ $_->[0] } }, $_ foreach read_ledgers('producer');
	my %attempted = map { $_->[1] => 1 } @{ $said{attempted} // [] };
	my %undone = map { $_->[1] => 1 } @{ $said{undone} // [] };
	foreach my $message (values %$messages)
	{
		my $token = $message->{token};
		push @wrong, "nowhere: message $message->{id} was rolled back" if $undone{$token};
		push @wrong, "nowhere: message $message->{id} has unknown token $token"
		  unless $attempted{$token} || $undone{$token};
		push @wrong, "nowhere: token $token has two messages" if $of_token{$token}++;
	}
	foreach my $line (@{ $said{acknowledged} // [] })
	{
		push @wrong, "lost: token $line->[1] has no message" unless $of_token{ $line->[1] };
	}
	return @wrong;
}

sub check_ends
{
	my ($messages, $lines) = @_;
	my (%effect, @wrong);

	foreach my $line (grep { $_->[0] eq 'did' } @$lines)
	{
		my (undef, $id, $token) = @$line;
		$effect{$id}++;
		push @wrong, "nowhere: effect of unknown message $id"
		  unless $messages->{$id} && $messages->{$id}{token} eq $token;
	}
	foreach my $message (values %$messages)
	{
		my $expected = $message->{mode} eq 'fatal' ? 'd' : 'a';
		push @wrong, "lost: message $message->{id} ($message->{mode}) is in state $message->{state}"
		  if $message->{state} ne $expected;
		push @wrong, "lost: message $message->{id} ended without effect"
		  unless $effect{ $message->{id} };
	}
	return @wrong;
}

# What is known of each message: the receipts, and the ends that were confirmed.
sub histories_of
{
	my ($lines) = @_;
	my (%histories, %receipts);

	foreach my $line (@$lines)
	{
		my ($kind, $id, $receipt, @rest) = @$line;
		my $history = $histories{$id} //= { got => [], ends => [] };
		if ($kind eq 'got' || $kind eq 'had')
		{
			my %got = (receipt => $receipt);
			@got{qw(attempt issued returned)} = @rest;
			$got{held} = $kind eq 'got' ? $got{issued} + $lease : 0;
			push @{ $history->{got} }, \%got;
			$receipts{$receipt} = \%got;
		}
		$receipts{$receipt}{held} = $rest[0] + 2 * $lease if $kind eq 'extended';
		$receipts{$receipt}{saying} = $rest[1] if $kind eq 'saying';
		next unless $kind eq 'said';
		push @{ $history->{ends} }, $rest[1] if $rest[0] =~ /^(ack|final)$/;
		$receipts{$receipt}{accepted} = 1;
	}
	return \%histories;
}

# A lease began after its receive() was issued; so until that time plus the lease
# nobody else may have the message, unless its holder wanted to give it back.
sub check_history
{
	my ($id, $history) = @_;
	my @got = sort { $a->{attempt} <=> $b->{attempt} || $a->{returned} <=> $b->{returned} }
	  @{ $history->{got} };
	my @ends = @{ $history->{ends} };
	my @wrong;

	push @wrong, "back: message $id was ended " . @ends . ' times' if @ends > 1;
	foreach my $i (0 .. $#got)
	{
		my ($before, $got) = ($i > 0 ? $got[ $i - 1 ] : undef, $got[$i]);
		push @wrong, "back: message $id was given out after its end was confirmed"
		  if @ends && $got->{issued} > $ends[0];
		next unless $before;
		push @wrong, "stale: $before->{receipt} was accepted after $got->{receipt} had been given out"
		  if $before->{accepted} && $before->{saying} && $before->{saying} > $got->{returned};
		next unless $got->{returned} < $before->{held};
		next if $before->{saying} && $before->{saying} < $got->{returned};
		push @wrong, "held: message $id was given out while $before->{receipt} held it";
	}
	return @wrong;
}

# check_messages(): a list of what is wrong, how many messages, and how many
# effects of them there were.
sub check_messages
{
	my $messages = read_messages();
	my @lines = read_ledgers('consumer');
	my $histories = histories_of(\@lines);
	my @wrong = (check_tokens($messages), check_ends($messages, \@lines));

	push @wrong, check_history($_, $histories->{$_}) foreach sort keys %$histories;
	return (\@wrong, scalar keys %$messages, scalar grep { $_->[0] eq 'did' } @lines);
}

1;
