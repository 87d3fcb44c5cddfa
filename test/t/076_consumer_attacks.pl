# Whoever may only send to a queue, or only receive from another, tries to read,
# settle or disturb messages and tasks that are not for him.  Every test is an
# attack that must have gained nothing.

use strict;
use warnings;

use Attack;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = attack_node('workflow.executors = 1');

# ---- who is who: alice owns queues, bob works for one, mallory sends ----

$node->safe_psql(
	'shop', q{
	CREATE ROLE bob LOGIN;
	CREATE ROLE carol LOGIN;
	SELECT workflow.grant_usage(r) FROM unnest('{bob,carol}'::text[]) r;
});
equip();
as( 'alice', q{
	SELECT workflow.create_queue('mail', keep_acked => '1 day',
	                             dedup_window => '1 day');
	SELECT workflow.create_queue('safe', closed => true, keep_acked => '1 day');
	SELECT workflow.grant_queue('mail', 'bob', 'receive');
	SELECT workflow.grant_queue('mail', 'carol', 'receive');
	CREATE FUNCTION alice.ask(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  RETURN workflow.task('ask', input->>'queue', '"secret-task"');
	END $$;
	SELECT workflow.create_workflow('ask', 'alice.ask');
});

sub send_secret
{
	my ($queue) = @_;

	return as('alice', "SELECT workflow.send('$queue', '\"secret-payload\"',"
		  . " headers => '{\"h\": \"secret-header\"}', group_key => 'secret-group')");
}

# receives one message as a role: id and receipt
sub receive
{
	my ($role, $queue) = @_;

	poll_until($node, 'shop', 'SELECT count(*) > 0 FROM workflow.messages'
		  . " WHERE queue = '$queue' AND state = 'queued'", 't', 60);
	return split /\|/,
	  as($role, "SELECT message_id, receipt FROM workflow.receive('$queue')");
}

sub message_state
{
	my ($message) = @_;

	return as('boss',
		"SELECT state FROM workflow.messages WHERE message_id = $message");
}

my $waiting = send_secret('safe');
my $leased = send_secret('safe');
my (undef, $receipt) = receive('alice', 'safe');
my ($held) = $receipt =~ /^(\d+)-/;
my ($other) = grep { $_ ne $held } $waiting, $leased;
my $before = as('boss',
	"SELECT md5(string_agg(m::text, ',' ORDER BY message_id)) FROM workflow.messages m");

# ---- a stranger ----

for my $call (
	"send('safe', '1')",       "send_batch('safe', '{1}')",
	"receive('safe')",         "purge_queue('safe')",
	"delete_message($other)",  "retry_message($other)",
	"delete_message($held)",   "ack('$receipt')",
	"ack('$receipt', '\"forged\"')", "nack('$receipt')",
	"nack('$receipt', final => true)", "extend('$receipt', '1 hour')",
	"ack_batch('{$receipt}')", "pause_queue('safe')",
	"resume_queue('safe')",    "alter_queue('safe', closed => false)",
	"alter_queue('safe', owner => 'mallory')",
	"drop_queue('safe')",      "drop_queue('safe', force => true)",
	"grant_queue('safe', 'mallory', 'receive')",
	"revoke_queue('safe', 'alice')",
	"create_workflow('w', 'mallory.steps', queue => 'safe')",
	"enqueue_workflow('steps', queue => 'safe')",
	"pause_queue('default')",  "alter_queue('default', closed => true)",
	"grant_queue('default', 'mallory', 'receive')")
{
	refused('mallory', '42501', "SELECT workflow.$call", "a stranger: $call");
}
refused('mallory', '42501',
	"CALL workflow.wait_for_messages('safe', '1 s')",
	'a stranger: wait_for_messages()');
is( as('mallory', "SELECT workflow.ack_batch('{$receipt}', skip_stale => true)"),
	'ERROR:  42501', 'nor does a stolen receipt pass as a stale one');
for my $view ('messages', 'dead_letters', 'queues', 'stat_queues')
{
	is( as('mallory', "SELECT * FROM workflow.$view v WHERE v::text ~ 'secret|safe'"),
		'', "workflow.$view shows a stranger nothing of a closed queue");
}
as( 'mallory', q{
	CREATE FUNCTION mallory.peek(line text) RETURNS boolean LANGUAGE plpgsql
	COST 0.0000001 AS $$
	BEGIN
	  IF line ~ 'secret' THEN RAISE EXCEPTION 'seen'; END IF;
	  RETURN true;
	END $$;
});
for my $view ('messages', 'dead_letters')
{
	is( as('mallory',
			"SELECT count(*) FROM workflow.$view v WHERE mallory.peek(v::text)"),
		'0', "workflow.$view: not even to a leaky function");
}
is( as('boss',
		"SELECT md5(string_agg(m::text, ',' ORDER BY message_id)) FROM workflow.messages m"
	),
	$before, 'nothing of that changed a message');

# ---- guessed receipts ----

# the whole error, but for the number of the message
sub guess
{
	my ($role, $message) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run(
		[ $node->installed_command('psql'), '-XAtq', '-d',
			$node->connstr('shop') . " user=$role", '-c',
			"SELECT workflow.ack('$message-0123456789abcdef')" ],
		'>', \$out, '2>', \$err);
	$err =~ s/$message/N/g;
	return $err;
}

my $nothing = guess('mallory', 4711);
like($nothing, qr/does not hold any more/, 'a guessed receipt does not hold');
is(guess('mallory', $held), $nothing, 'it does not tell of a leased message');
is(guess('mallory', $other), $nothing, 'nor of one that waits');
isnt(guess('alice', $other), $nothing, '(whose owner is told more)');
refused('mallory', '22023', "SELECT workflow.ack('$held')",
	'a number alone is no receipt');

# ---- one that may send, and no more ----

my ($mail) = send_secret('mail');
my $mallory = as('mallory', q{SELECT workflow.send('mail', '"mine"')});
for my $call (
	"receive('mail')",     "purge_queue('mail')", "delete_message($mail)",
	"retry_message($mail)", "alter_queue('mail', max_running => 1)",
	"pause_queue('mail')", "drop_queue('mail', force => true)",
	"grant_queue('mail', 'mallory', 'receive')")
{
	refused('mallory', '42501', "SELECT workflow.$call", "a sender: $call");
}
is( as('mallory', "SELECT payload FROM workflow.messages WHERE queue = 'mail'"),
	'"mine"', 'a sender sees his own messages and no others');
for my $on ('return', 'skip', 'reject', 'replace')
{
	as('alice',
		"SELECT workflow.send('mail', '\"secret-payload\"', dedup_key => 'secret-$on')");
	like( as( 'mallory',
			"SELECT workflow.send('mail', '1', dedup_key => 'secret-$on', on_duplicate => '$on')"
		),
		qr/^\d+$/, "a key of alice's is not met ($on)");
}
is( as('boss', q{SELECT count(*) FROM workflow.messages
		WHERE dedup_key ~ 'secret' AND owner = 'alice' AND state = 'queued'}),
	'4', 'and alice\'s messages are all there');
is(as('mallory', "SELECT workflow.delete_message($mallory)"),
	'ERROR:  42501', 'a sender takes nothing back from whom it was sent to');

# ---- one that may receive, and no more ----

for my $call (
	"alter_queue('mail', lease => '1 day')", "pause_queue('mail')",
	"drop_queue('mail', force => true)",
	"grant_queue('mail', 'mallory', 'receive')",
	"revoke_queue('mail', 'carol', 'receive')",
	"receive('safe')", "delete_message($other)", "ack('$receipt')",
	"nack('$receipt')")
{
	refused('bob', '42501', "SELECT workflow.$call", "a receiver: $call");
}
is(as('bob', "SELECT count(*) FROM workflow.messages WHERE queue = 'safe'"),
	'0', 'a receiver sees no other queue');
as('alice', "SELECT workflow.purge_queue('mail')");
$mail = send_secret('mail');
my (undef, $of_bob) = receive('bob', 'mail');
is(message_state($mail), 'leased', 'bob has a message');
refused('mallory', '42501', "SELECT workflow.ack('$of_bob')",
	'his receipt is of no use to a stranger');
is(as('carol', "SELECT workflow.extend('$of_bob') > now()"),
	't', 'it is to another receiver, as it stands for the message');
my $session = open_session('bob', 'BEGIN;');
as('alice', "SELECT workflow.revoke_queue('mail', 'bob', 'receive')");
close_session($session);
refused('bob', '42501', "SELECT workflow.ack('$of_bob')",
	'a receipt is of no use once the right to receive is revoked');
refused('bob', '42501', "SELECT workflow.receive('mail')", 'nor is the queue');
is(message_state($mail), 'leased', 'the message is as it was');
as('carol', "SELECT workflow.nack('$of_bob', delay => '0')");
is(as('carol', "SELECT workflow.ack('$of_bob')"),
	'ERROR:  WF008', 'a receipt that was given back is worth nothing');
(undef, my $of_carol) = receive('carol', 'mail');
is(as('carol', "SELECT workflow.ack('$of_bob')"),
	'ERROR:  WF008', 'nor once somebody else has the message');
is(message_state($mail), 'leased', 'which is still leased');
is( as( 'carol', "SELECT workflow.nack('$of_carol', 'secret-error', final => true)"),
	'', 'carol gives it up');
for my $view ('messages', 'dead_letters')
{
	is( as('mallory', "SELECT * FROM workflow.$view v WHERE v::text ~ 'secret'"),
		'', "workflow.$view does not show her words to a stranger");
}
is(as('alice', "SELECT error_message FROM workflow.dead_letters"),
	'secret-error', 'but to whom the message belongs to');
refused('mallory', '42501', "SELECT workflow.retry_message($mail)",
	'a stranger does not retry it');

# ---- tasks of runs ----

my $run = as('alice',
	q{SELECT workflow.enqueue_workflow('ask', '{"queue": "mail"}')});
ok(wait_for_state($run, 'waiting'), 'a run of alice\'s waits for a worker');
my ($task, $of_task) = receive('carol', 'mail');
for my $call (
	"ack('$of_task', '\"forged\"')", "nack('$of_task', 'forged', final => true)",
	"delete_message($task)", "signal_run('$run', 'ask', '\"forged\"')",
	"set_step_result('$run', 1, '\"forged\"')")
{
	refused('mallory', '42501', "SELECT workflow.$call",
		"a stranger does not answer the task: $call");
}
for my $call (
	"cancel_run('$run')", "why('$run')", "timeline('$run')",
	"retry_run('$run')",  "signal_run('$run', 'ask')",
	"set_step_result('$run', 1, '1')", "fork_run('$run', 1)")
{
	refused('carol', '42501', "SELECT workflow.$call",
		"a worker has the task, and not the run: $call");
}
is(as('carol', 'SELECT count(*) FROM workflow.runs'),
	'0', 'nor does a worker see the run');
is(as('carol', "SELECT workflow.delete_message($task)"),
	'f', 'or delete the task that it waits for');
as('carol', "SELECT workflow.ack('$of_task', '\"answer\"')");
ok(wait_for_state($run, 'succeeded'), 'the run goes on with the answer');
is(as('alice', "SELECT result FROM workflow.runs WHERE run_id = '$run'"),
	'"answer"', 'of the worker');
$run = as('alice',
	q{SELECT workflow.enqueue_workflow('ask', '{"queue": "safe"}')});
ok(wait_for_state($run, 'waiting'), 'a task in a closed queue');
$run = as('mallory', q{SELECT workflow.enqueue_workflow('steps',
  '["SELECT workflow.send(''safe'', ''1'')"]') AS r \gset
  CALL workflow.wait_for_run(:'r')});
like($run, qr/^succeeded\|\["42501", /, 'no message to it from a step either');

# ---- what is told to all who listen ----

as('alice', q{SELECT workflow.create_queue('loud', notify_channel => 'ears',
                                           alert_depth => 1)});
$session = open_session('mallory', 'LISTEN ears;');
as('alice', q{SELECT workflow.send('loud', '"secret-payload"',
  headers => '{"h": "secret-header"}', group_key => 'secret-group',
  dedup_key => 'secret-key') FROM generate_series(1, 3)});
ok( poll_until($node, 'shop', q{SELECT count(*) > 0 FROM workflow.messages
		WHERE queue = 'loud' AND state = 'queued'}, 't', 60),
	'messages in a queue with a channel');
for (1 .. 600)
{
	last if $session->{out} =~ /ears/;
	$session->{in} .= "SELECT pg_sleep(0.1);\n";
	IPC::Run::pump_nb($session->{psql});
	select(undef, undef, undef, 0.1);
}
like($session->{out}, qr/ears/, 'the channel is heard by who listens');
unlike($session->{out}, qr/secret/, 'and tells nothing of what is in a message');
close_session($session);

# ---- transactions that stay open ----

as( 'mallory', q{
	SELECT workflow.create_queue('hers', rate_limit => 100);
	SELECT workflow.send('hers', '1', dedup_key => i::text)
	  FROM generate_series(1, 20) i;
	SELECT workflow.enqueue_workflow('steps', '[]', dedup_key => i::text,
	  delay => '1 day', queue => 'hers') FROM generate_series(1, 5) i;
});
for my $open (
	"SELECT workflow.create_queue('new')",
	"SELECT workflow.alter_queue('hers', rate_limit => 5)",
	"SELECT workflow.pause_queue('hers')",
	"SELECT workflow.grant_queue('hers', 'bob', 'receive')",
	"SELECT workflow.purge_queue('hers')",
	"SELECT workflow.drop_queue('hers', force => true)",
	"SELECT workflow.alter_workflow('steps', description => 'x')",
	"SELECT workflow.drop_workflow('steps', force => true)",
	"SELECT workflow.cancel_run(run_id) FROM workflow.runs",
	"SELECT workflow.ack(receipt) FROM workflow.receive('hers', 3)",
	"SELECT workflow.send('hers', '2', dedup_key => '1', on_duplicate => 'replace')",
	"SELECT workflow.enqueue_workflow('steps', dedup_key => '1', on_duplicate => 'replace')",
	"SELECT workflow.send('mail', '2', group_key => 'g')",
	"SELECT * FROM workflow.try_workflow('steps', '[]')",
	'LOCK TABLE workflow.runs IN ACCESS SHARE MODE',
	'SELECT pg_advisory_lock(k) FROM generate_series(0, 2000) k',
	'SELECT pg_advisory_xact_lock(oid::int, k) FROM pg_class, generate_series(0, 3) k'
	  . " WHERE relkind = 'r'")
{
	my $tx = open_session('mallory', "BEGIN; $open;");

	is( as( 'alice', q{
		SELECT workflow.send('mail', '"hello"', group_key => 'g2') AS m \gset
		CALL workflow.wait_for_messages('mail', '60 s');
		SELECT count(workflow.ack(receipt)) > 0
		  FROM workflow.receive('mail', 10);
		SELECT workflow.alter_queue('mail', description => 'd');
		}) =~ s/\s+/ /gr,
		't t', "an open transaction holds nobody up: $open");
	close_session($tx);
}

# ---- waiting ----

as('alice', "SELECT workflow.purge_queue('loud')");
my $in = "CALL workflow.wait_for_messages('loud', '120 s');\n";
my ($out, $err) = ('', '');
my $waiter = IPC::Run::start(
	[ $node->installed_command('psql'), '-XAtq', '-v', 'VERBOSITY=sqlstate',
		'-d', $node->connstr('shop') . ' user=alice' ],
	'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(180));
IPC::Run::pump($waiter) while length $in;
ok( poll_until($node, 'shop', q{SELECT count(*) FROM pg_stat_activity
		WHERE usename = 'alice' AND query ~ 'wait_for_messages'
		  AND state = 'active' AND wait_event_type = 'Extension'}, '1', 60),
	'alice waits for a message');
is( as('boss', q{SELECT count(*) FROM pg_locks l
		JOIN pg_stat_activity a USING (pid)
		WHERE a.usename = 'alice' AND l.locktype = 'relation'}),
	'0', 'who waits has no lock on a table');
as('boss', "SELECT workflow.drop_queue('loud', force => true)");
IPC::Run::finish($waiter);
like($err, qr/42704/, 'and is told when the queue is dropped');

scan_log($node);
done_testing();
