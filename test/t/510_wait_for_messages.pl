# wait_for_messages(): one is woken for each message, in order, and passes on
# what it does not take; while they wait they hold no snapshot.
use strict;
use warnings;

use IPC::Run;
use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $waiters = 50;
my $node = new_node('waiters', 'max_connections = 80');
create_extension($node);

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

# A psql that runs these commands one after the other.
sub session
{
	my (@commands) = @_;
	my ($out, $err) = ('', '');
	my $run = IPC::Run::start(
		[ $node->installed_command('psql'), '-XAtq', '-d', $node->connstr('postgres'),
			map { ('-c', $_) } @commands ],
		'<', '/dev/null', '>', \$out, '2>', \$err);
	return { run => $run, out => \$out, err => \$err };
}

sub end_of
{
	my ($session) = @_;
	IPC::Run::finish($session->{run});
	chomp(my $out = ${ $session->{out} } . ${ $session->{err} });
	return $out;
}

my $waiting = q{FROM pg_stat_activity WHERE wait_event_type = 'Extension'
	AND backend_type = 'client backend' AND query LIKE 'CALL %'};

sub wait_until_waiting
{
	my ($n) = @_;
	return poll_until($node, 'postgres', "SELECT count(*) $waiting", $n);
}

sql(q{SELECT workflow.create_queue('w'); SELECT workflow.create_queue('v'); SELECT workflow.create_queue('one', group_max_active => 1)});

# ---- many wait ----

# Waits until it has got one; who was woken late may find that it was passed on.
sql(q{
	CREATE TABLE woken (pid int);
	CREATE TABLE got (payload int);
	CREATE PROCEDURE work() LANGUAGE plpgsql AS $$
	DECLARE
		m record;
		ready boolean;
		took boolean;
	BEGIN
		LOOP
			CALL workflow.wait_for_messages('w', '120 s', ready);
			INSERT INTO woken VALUES (pg_backend_pid());
			SELECT * INTO m FROM workflow.receive('w');
			took := FOUND;
			IF took THEN
				PERFORM workflow.ack(m.receipt);
				INSERT INTO got VALUES (m.payload::int);
			END IF;
			COMMIT;
			EXIT WHEN took OR NOT ready;
		END LOOP;
	END $$});

sub messages
{
	my ($from, $to) = @_;
	sql("SELECT workflow.send('w', to_jsonb(i)) FROM generate_series($from, $to) i");
	return;
}

my @sessions = map { session('CALL work()') } 1 .. $waiters;
ok(wait_until_waiting($waiters), "$waiters sessions wait");
is(sql("SELECT count(*) $waiting AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)"), '0', '... without a snapshot');
messages(1, 1);
ok(wait_until_waiting($waiters - 1), 'one message is enough for one of them');
usleep(300_000);
cmp_ok(sql('SELECT count(*) FROM woken'), '<', 5, '... and the others are not woken for it');
sql(q{TRUNCATE woken; SELECT count(*) FROM workflow.send_batch('v', array_fill('1'::jsonb, ARRAY[5]))});
usleep(100_000);
is(sql('SELECT count(*) FROM woken'), '0', '... nor for those of another queue');

# a scheduler that comes later finds them
my $old = kill_worker($node, 'scheduler', 'postgres', 'TERM');
wait_for_worker($node, 'scheduler', 'postgres', $old);
messages(2, 10);
ok(wait_until_waiting($waiters - 10), 'nine messages are enough for nine, also by the next scheduler');
messages(11, $waiters);
is(join('', map { end_of($_) } @sessions), '', 'the others get theirs');
is(sql('SELECT string_agg(payload::text, $$ $$ ORDER BY payload) FROM got'), join(' ', 1 .. $waiters), 'each got one message');
is(sql(q{SELECT count(*) FROM workflow.messages WHERE queue = 'w'}), '0', '... and acknowledged it');

# ---- passing on ----

my $lazy = session(q{CALL workflow.wait_for_messages('w', '30 s')}, 'SELECT pg_sleep(2)');
wait_until_waiting(1);
my $eager = session(q{CALL workflow.wait_for_messages('w', '30 s')}, q{SELECT payload FROM workflow.receive('w')});
wait_until_waiting(2);
my $begin = time();
sql(q{SELECT workflow.send('w', '"passed on"')});
is(end_of($eager), "t\n\"passed on\"", 'who is woken and does not receive passes it on');
cmp_ok(time() - $begin, '<', 1.5, '... soon');
is(end_of($lazy), "t\n", '... having been the first');

# ---- what else ends a wait, or does not begin one ----

sql(q{SELECT workflow.send('one', '1', group_key => 'g'), workflow.send('one', '2', group_key => 'g')});
is(sql(q{CALL workflow.wait_for_messages('one', '0 s')}), 't', 'what is there already ends it at once');
my $receipt = sql(q{SELECT receipt FROM workflow.receive('one', 10)});
is(sql(q{CALL workflow.wait_for_messages('one', '200 ms')}), 'f', 'what a group holds up does not');
my $session = session(q{CALL workflow.wait_for_messages('one', '30 s')});
wait_until_waiting(1);
sql("SELECT workflow.ack('$receipt')");
is(end_of($session), 't', '... until its turn has come');

sql(q{SELECT count(*) FROM workflow.receive('one', 10, '300 ms')});
is(sql(q{CALL workflow.wait_for_messages('one')}), 't', 'the end of a lease');
sql(q{SELECT workflow.send('w', '1', delay => '300 ms')});
is(sql(q{CALL workflow.wait_for_messages('w')}), 't', 'the end of a delay');
sql(q{SELECT workflow.purge_queue('w')});
$session = session(q{CALL workflow.wait_for_messages('w', NULL)});
wait_until_waiting(1);
sql("SELECT pg_cancel_backend(pid) $waiting");
like(end_of($session), qr/canceling statement/, 'a cancel');
is(sql(q{BEGIN; CALL workflow.wait_for_messages('w', '10 ms'); COMMIT}), 'f', 'in a transaction block');
my ($rc, $out, $err) = ask($node, 'postgres',
	q{BEGIN ISOLATION LEVEL REPEATABLE READ; CALL workflow.wait_for_messages('w', '10 ms')});
like($err, qr/cannot wait here/, '... but not in one with a snapshot');
($rc, $out, $err) = ask($node, 'postgres',
	q{BEGIN; SELECT workflow.send('w', '1'); CALL workflow.wait_for_messages('w', '10 ms')});
like($err, qr/cannot wait here/, '... nor in one that has written');
is(sql(q{CALL workflow.wait_for_messages('w', '10 ms')}), 'f', 'the end of the time');

scan_log($node);
$node->stop;
done_testing();
