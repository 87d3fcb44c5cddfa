# Continuous load, random kills, and a checker that trusts nothing the server
# says of itself.
#
# Each enqueuing client keeps two ledgers outside of the database, flushed line
# by line: `attempted` before it sends a transaction, with every token the
# transaction enqueues, and `acknowledged` after the commit was reported, with
# the run ids it got.  Rolled back on purpose: `undone`.  A run carries its
# token, the number of its steps and what should become of it in its input, so
# the checker can tell from ledgers and tables alone
#
#	lost		an acknowledged run that has not ended, or ended wrongly
#	nowhere		a run that nobody attempted, or that was rolled back
#	effects		a step whose row is not there exactly once
#	prefix		checkpoints that are no contiguous prefix 1..n
#	running		a run shown as running, or waiting, after the drain
#	dead		a dead letter that the workflow did not ask for
#
# and of runs that wait what TalkLoop.pm tells.
#
# Kills take turns by a seeded random generator.  An executor killed in the
# middle of a step is charged a strike, and two at one step make a dead letter;
# so before the next executor dies, every run that has a strike has to end.
package CrashLoop;

use strict;
use warnings;

use Exporter 'import';
use IO::Handle;
use POSIX ();
use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use TalkLoop;
use Test::More;
use WorkflowTest;

our @EXPORT = qw(
  loop_seed
  loop_setup
  start_clients
  stop_clients
  kill_postmaster
  random_kill
  wait_accepting
  drain
  check_ledgers
);

my @clients;

# loop_seed(): from WF_SEED or the clock; printed, so that it can be repeated.
sub loop_seed
{
	my $seed = $ENV{WF_SEED} // int(time() * 1000) % 1_000_000;
	srand($seed);
	note "seed $seed: WF_SEED=$seed repeats the choice of kills";
	return $seed;
}

# Tables and workflows of the load.  The effects have no unique constraint, so
# that a step that was done twice is seen and not prevented.
sub loop_setup
{
	my ($node, $db) = @_;
	create_extension($node, $db);
	$node->safe_psql(
		$db, q{
CREATE TABLE effect (run_id uuid, ordinal int);
CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL);
INSERT INTO counter SELECT i, 0 FROM generate_series(0, 9) i;

-- mode: plain, flaky (fails half of the time) or fatal (the last one fails)
CREATE FUNCTION work(ordinal int, mode text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effect VALUES (workflow.run_id(), ordinal);
	UPDATE counter SET n = n + 1 WHERE id = ordinal;
	IF random() < 0.2 THEN
		PERFORM pg_sleep(random() * 0.005);
	END IF;
	IF mode = 'flaky' AND random() < 0.5 THEN
		RAISE lock_not_available;
	ELSIF mode = 'fatal' THEN
		RAISE EXCEPTION 'as told';
	END IF;
	RETURN ordinal * 10;
END $$;
CREATE FUNCTION load(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	total int := 0;
BEGIN
	FOR i IN 1 .. (input->>'steps')::int LOOP
		total := total + workflow.step('work ' || i, 'SELECT work($1, $2)',
			workflow.policy(max_attempts => NULL, initial_delay => '5 ms', max_delay => '50 ms'),
			i, CASE WHEN input->>'mode' = 'flaky' THEN 'flaky'
					WHEN input->>'mode' = 'fatal' AND i = (input->>'steps')::int THEN 'fatal'
					ELSE 'plain' END)::int;
	END LOOP;
	RETURN to_jsonb(total);
END $$;
SELECT workflow.create_workflow('load');
});
	talk_setup($node, $db);
	return;
}

# ---- clients ----

sub append_line
{
	my ($handle, $line) = @_;
	print $handle "$line\n" or die "could not write to ledger: $!";
	$handle->flush;
	$handle->sync or die "could not flush ledger: $!";
	return;
}

sub open_ledger
{
	my ($dir, $name, $number) = @_;
	open(my $handle, '>>', "$dir/$name.$number")
	  or die "could not open ledger: $!";
	return $handle;
}

sub random_input
{
	my ($token) = @_;
	my $steps = 1 + int(rand(5));
	my $r = rand();
	my $mode = $r < 0.75 ? 'plain' : $r < 0.9 ? 'flaky' : 'fatal';
	return qq({"token": "$token", "steps": $steps, "mode": "$mode"});
}

# A transaction of some kind: its kind, tokens that stay and go, and its SQL.
# Each enqueue prints "<token> <run id>".
sub make_transaction
{
	my ($number, $serial) = @_;
	my $r = rand();
	my $kind =
	    $r < 0.6  ? 'single'
	  : $r < 0.8  ? 'batch'
	  : $r < 0.87 ? 'undo'
	  : $r < 0.94 ? 'savepoint'
	  :             'prepare';
	return talk_of("$number-" . $$serial++) if rand() < 0.15;
	my $many = $kind eq 'single' ? 1 : 1 + int(rand(12));
	my (@stay, @gone, @sql);

	push @sql, 'BEGIN;' if $kind ne 'single';
	foreach my $i (1 .. $many)
	{
		my $token = "$number-$$serial";
		my $input = random_input($token);
		my $undo = $kind eq 'undo' || ($kind eq 'savepoint' && rand() < 0.5);
		my $key = rand() < 0.2 ? ", dedup_key => '$token'" : '';
		my $call = "SELECT '$token', workflow.enqueue_workflow('load', '$input'$key);";

		$$serial++;
		$call = "SAVEPOINT a; $call ROLLBACK TO a;"
		  if $undo && $kind eq 'savepoint';
		push @sql, $call;
		push @{ $undo ? \@gone : \@stay }, $token;
	}
	push @sql,
	    $kind eq 'undo' ? 'ROLLBACK;'
	  : $kind eq 'prepare' ? "PREPARE TRANSACTION 'p-$number-$$serial'; COMMIT PREPARED 'p-$number-$$serial';"
	  : $kind eq 'single' ? ''
	  :                     'COMMIT;';
	return (\@stay, \@gone, join(' ', @sql));
}

# One run that waits, instead.
sub talk_of
{
	my ($token) = @_;
	return ([$token], [], talk_transaction($token));
}

# Enqueues until told to end; a lost connection is made anew.
sub client_main
{
	my ($node, $db, $dir, $number, $pause) = @_;
	my ($attempted, $acknowledged, $undone) =
	  map { open_ledger($dir, $_, $number) } qw(attempted acknowledged undone);
	my $serial = 1;
	my $stop = 0;
	my $parent = getppid();

	local $SIG{TERM} = sub { $stop = 1 };
	local $SIG{PIPE} = 'IGNORE';
	srand($number * 7919 + $$);
	while (!$stop && getppid() == $parent)
	{
		my ($in, $out, $pid) = open_psql($node, $db);
		while (!$stop)
		{
			my ($stay, $gone, $sql) = make_transaction($number, \$serial);
			append_line($undone, join("\n", @$gone)) if @$gone;
			append_line($attempted, join("\n", @$stay)) if @$stay;
			print $in "$sql\n\\echo ACK\n" or last;
			my %ids = read_answer($out) or last;
			append_line($acknowledged,
				join("\n", map { "$_ $ids{$_}" } @$stay))
			  if @$stay;
			usleep(rand($pause));
		}
		close($in);
		close($out);
		waitpid($pid, 0);
		usleep(50_000);
	}
	return;
}

sub open_psql
{
	my ($node, $db) = @_;
	pipe(my $child_in, my $in) or die "pipe: $!";
	pipe(my $out, my $child_out) or die "pipe: $!";
	my $pid = fork() // die "fork: $!";

	if ($pid == 0)
	{
		open(STDIN, '<&', $child_in) or POSIX::_exit(1);
		open(STDOUT, '>&', $child_out) or POSIX::_exit(1);
		open(STDERR, '>', '/dev/null') or POSIX::_exit(1);
		close($_) foreach ($in, $out, $child_in, $child_out);
		exec($node->installed_command('psql'),
			'-XAtq', '-F', ' ', '-v', 'ON_ERROR_STOP=1', '-d',
			$node->connstr($db) . ' application_name=loader')
		  or POSIX::_exit(1);
	}
	close($child_in);
	close($child_out);
	$in->autoflush(1);
	return ($in, $out, $pid);
}

# token => run id, up to the acknowledgement; nothing if that does not come.
sub read_answer
{
	my ($out) = @_;
	my %ids = ('' => '');
	while (my $line = <$out>)
	{
		chomp $line;
		return %ids if $line eq 'ACK';
		my ($token, $id) = split / /, $line;
		$ids{$token} = $id;
	}
	return;
}

# start_clients(node, db, dir, how many, longest pause in us)
sub start_clients
{
	my ($node, $db, $dir, $many, $pause) = @_;
	foreach my $number (1 .. $many)
	{
		my $pid = fork() // die "fork: $!";
		if ($pid == 0)
		{
			# nothing of the parent's may run in the child's END blocks
			eval { client_main($node, $db, $dir, $number, $pause); 1 }
			  or print STDERR "client $number: $@";
			POSIX::_exit($@ ? 1 : 0);
		}
		push @clients, $pid;
	}
	return;
}

# Ends the clients; true if each of them ended in order.
sub stop_clients
{
	my $good = 1;
	kill 'TERM', @clients;
	foreach my $pid (@clients)
	{
		waitpid($pid, 0);
		$good = 0 if $? != 0;
	}
	@clients = ();
	return $good;
}

# ---- kills ----

# True once the server answers; the time that took is added to the notes.
sub wait_accepting
{
	my ($node, $db, $timeout) = @_;
	return poll_until($node, $db, 'SELECT 1', '1', $timeout // 60);
}

sub pids_of
{
	my ($node, $where) = @_;
	my ($rc, $out) = $node->psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE $where AND pid <> pg_backend_pid()");
	return $rc == 0 ? split /\n/, $out : ();
}

# kill_postmaster(node): kill -9, and a new one as soon as that is possible.
# The old one is in the way until it has been reaped, its children until they
# have noticed.
sub kill_postmaster
{
	my ($node) = @_;
	my $pid = $node->{_pid};

	$node->kill9;
	for (my $i = 0; $i < 1000 && kill(0, $pid); $i++)
	{
		usleep(5_000);
	}
	start_again($node);
	return;
}

sub start_again
{
	my ($node) = @_;
	foreach (1 .. 100)
	{
		$node->{_pid} = undef;
		return 1 if $node->start(fail_ok => 1);
		usleep(100_000);
	}
	die 'the server does not start again';
}

my %kills = (
	executor => [ 30, "backend_type = 'workflow executor'" ],
	scheduler => [ 12, "backend_type = 'workflow scheduler'" ],
	launcher => [ 10, "backend_type = 'workflow launcher'" ],
	backend => [ 12, "application_name = 'loader'" ],
	checkpointer => [ 12, "backend_type = 'checkpointer'" ],
	postmaster => [ 12, undef ],
	immediate => [ 12, undef ]);

sub random_kind
{
	my $total = 0;
	$total += $_->[0] foreach values %kills;
	my $r = rand($total);
	foreach my $kind (sort keys %kills)
	{
		return $kind if ($r -= $kills{$kind}[0]) < 0;
	}
	return 'executor';
}

# Lets every run that an earlier kill charged come to its end.
sub forgive
{
	my ($node, $db) = @_;
	return poll_until($node, $db,
		'SELECT count(*) FROM _workflow.run WHERE crashes > 0 AND finished_at IS NULL',
		'0', 60);
}

# random_kill(node, db): one kill, and the server accepts connections again.
# Returns what was killed, or '' when there was nothing of that kind.
sub random_kill
{
	my ($node, $db, $kind) = @_;
	$kind //= random_kind();

	if ($kind eq 'postmaster')
	{
		kill_postmaster($node);
	}
	elsif ($kind eq 'immediate')
	{
		$node->stop('immediate');
		start_again($node);
	}
	else
	{
		forgive($node, $db) or return '' if $kind eq 'executor';
		my @pids = pids_of($node, $kills{$kind}[1]);
		return '' unless @pids;
		my $pid = $pids[ int(rand(@pids)) ];
		return '' unless kill 'KILL', $pid;
		# until the postmaster has noticed, it may still answer
		foreach (1 .. 200)
		{
			last unless kill 0, $pid;
			usleep(5_000);
		}
	}
	wait_accepting($node, $db) or die "no connection after killing $kind";
	return $kind;
}

# ---- the checker ----

# drain(node, db, timeout): everything enqueued has ended, by the tables.
sub drain
{
	my ($node, $db, $timeout) = @_;

	# a client that died between PREPARE and COMMIT PREPARED
	my $prepared =
	  $node->safe_psql($db, 'SELECT gid FROM pg_prepared_xacts ORDER BY 1');
	$node->safe_psql($db, "COMMIT PREPARED '$_'") foreach split /\n/, $prepared;
	talk_again($node, $db);
	return poll_until($node, $db,
		'SELECT count(*) FROM _workflow.run WHERE finished_at IS NULL',
		'0', $timeout);
}

sub read_ledger
{
	my ($dir, $name) = @_;
	my @lines;
	foreach my $file (glob "$dir/$name.*")
	{
		open(my $in, '<', $file) or die "could not open $file: $!";
		chomp(my @more = <$in>);
		push @lines, @more;
	}
	return @lines;
}

sub query_rows
{
	my ($node, $db, $sql) = @_;
	return map { [ split /\|/, $_, -1 ] } split /\n/, $node->safe_psql($db, $sql);
}

# The runs of the tables, by id.
sub read_runs
{
	my ($node, $db) = @_;
	my %runs;
	foreach my $row (
		query_rows(
			$node, $db, q{
SELECT run_id, input->>'token', input->>'steps', input->>'mode', state,
	   coalesce(reason, ''), steps_done, crashes
  FROM _workflow.run}))
	{
		my %run;
		@run{qw(id token steps mode state reason steps_done crashes)} = @$row;
		$runs{ $run{id} } = \%run;
	}
	return %runs;
}

# "<run id>" => "1,2,3" of a query that gives run and list
sub read_lists
{
	my ($node, $db, $sql) = @_;
	return map { $_->[0] => $_->[1] } query_rows($node, $db, $sql);
}

sub check_run
{
	my ($run, $effects, $steps) = @_;
	my $good = $run->{mode} eq 'fatal' ? $run->{steps} - 1 : $run->{steps};
	my $expected = join(',', 1 .. $good);
	my @wrong;

	push @wrong, "lost: run $run->{id} ($run->{mode}) is in state $run->{state}"
	  if $run->{state} ne ($run->{mode} eq 'fatal' ? 'f' : 's');
	push @wrong, "dead: run $run->{id} has reason $run->{reason}"
	  if $run->{reason} ne ($run->{mode} eq 'fatal' ? 'error' : '');
	push @wrong, "effects: run $run->{id} has '$effects', not '$expected'"
	  if $effects ne $expected;
	$expected .= ($good ? ',' : '') . "$run->{steps}f" if $run->{mode} eq 'fatal';
	push @wrong, "prefix: run $run->{id} has steps '$steps', not '$expected'"
	  if $steps ne $expected;
	return @wrong;
}

sub check_known
{
	my ($dir, $runs) = @_;
	my %attempted = map { $_ => 1 } read_ledger($dir, 'attempted');
	my %undone = map { $_ => 1 } read_ledger($dir, 'undone');
	my (%seen, @wrong);

	foreach my $run (values %$runs)
	{
		my $token = $run->{token};
		push @wrong, "nowhere: run $run->{id} has unknown token $token"
		  unless $attempted{$token};
		push @wrong, "nowhere: run $run->{id} was rolled back"
		  if $undone{$token};
		push @wrong, "nowhere: token $token has two runs" if $seen{$token}++;
	}
	foreach my $line (read_ledger($dir, 'acknowledged'))
	{
		my ($token, $id) = split / /, $line;
		push @wrong, "lost: run $id of token $token is not there"
		  unless $runs->{$id} && $runs->{$id}{token} eq $token;
	}
	return @wrong;
}

sub check_views
{
	my ($node, $db) = @_;
	my @wrong;
	my $running = $node->safe_psql($db,
		"SELECT count(*) FROM workflow.runs WHERE state IN ('running', 'waiting', 'queued', 'parked')");
	my $busy = $node->safe_psql($db,
		'SELECT count(*) FROM workflow.stat_executors WHERE run_id IS NOT NULL');
	my $sums = $node->safe_psql($db,
		'SELECT (SELECT sum(n) FROM counter) = (SELECT count(*) FROM effect)');

	push @wrong, "running: $running runs are shown as unfinished" if $running;
	push @wrong, "running: $busy executors are shown as busy" if $busy;
	push @wrong, 'effects: the counters differ from the rows' if $sums ne 't';
	return @wrong;
}

# check_ledgers(node, db, dir): a list of what is wrong, and how many runs.
sub check_ledgers
{
	my ($node, $db, $dir) = @_;
	my %runs = read_runs($node, $db);
	my %effects = read_lists($node, $db,
		q{SELECT run_id, string_agg(ordinal::text, ',' ORDER BY ordinal) FROM effect GROUP BY 1});
	my %steps = read_lists(
		$node, $db, q{
SELECT run_id, string_agg(ordinal || CASE state WHEN 'd' THEN '' ELSE state::text END,
						  ',' ORDER BY ordinal)
  FROM _workflow.step GROUP BY 1});
	my @wrong = check_known($dir, \%runs);

	foreach my $id (sort keys %runs)
	{
		next if $runs{$id}{mode} eq 'talk';
		push @wrong,
		  check_run($runs{$id}, $effects{$id} // '', $steps{$id} // '');
	}
	foreach my $id (keys %effects, keys %steps)
	{
		push @wrong, "nowhere: effects or steps of unknown run $id"
		  unless $runs{$id};
	}
	push @wrong, check_talks($node, $db);
	push @wrong, check_views($node, $db);
	return (\@wrong, scalar keys %runs);
}

1;
