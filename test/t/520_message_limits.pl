# Limits of a queue count messages and runs together.
use strict;
use warnings;

use Time::HiRes qw(time);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('limits');
create_extension($node);

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

# Takes messages; their payloads, and their receipts by payload in %receipts.
my %receipts;

sub receive
{
	my ($queue, $max, $lease) = @_;
	my $args = defined $lease ? ", '$lease'" : '';
	my @payloads;

	foreach (split /\n/, sql("SELECT payload, receipt FROM workflow.receive('$queue', $max$args)"))
	{
		my ($payload, $receipt) = split /\|/;
		$receipts{$payload} = $receipt;
		push @payloads, $payload;
	}
	return join ' ', @payloads;
}

sub send_to
{
	my ($queue, $group, @payloads) = @_;
	$group = defined $group ? "'$group'" : 'NULL';
	sql("SELECT workflow.send('$queue', '$_', group_key => $group)") foreach @payloads;
	return;
}

sub ack
{
	sql("SELECT workflow.ack('$receipts{$_}')") foreach @_;
	return;
}

# Waits until a run has got so far, as its queue is never idle here.
sub wait_for_run
{
	my ($key, $state, $name) = @_;
	ok(poll_until($node, 'postgres',
			"SELECT state FROM workflow.runs WHERE run_id = workflow.find_run('body', '$key')", $state),
		$name);
	return;
}

sql(q{
	CREATE TABLE log (at serial, what text);
	CREATE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		RETURN workflow.step('log', 'INSERT INTO log (what) VALUES ($1)', input #>> '{}');
	END $$;
	SELECT workflow.create_workflow('body');
});

# ---- max_running ----

sql(q{SELECT workflow.create_queue('narrow', max_running => 3)});
send_to('narrow', undef, 1 .. 6);
is(receive('narrow', 10), '1 2 3', 'max_running: no more than that');
is(receive('narrow', 10), '', '... at a time');
sql(q{SELECT workflow.enqueue_workflow('body', '"narrow"', queue => 'narrow', dedup_key => 'narrow')});
is(sql(q{SELECT state FROM workflow.runs WHERE queue = 'narrow'}), 'queued', '... a run waits for them');
ack(1);
wait_for_run('narrow', 'succeeded', '... and starts when one is done');
is(receive('narrow', 10), '4', '... then the next message');
sql(qq{SELECT workflow.nack('$receipts{2}', delay => '1 hour')});
is(receive('narrow', 10), '5', '... and one for that in back-off');
sql(q{BEGIN; SELECT workflow.ack_batch(ARRAY['} . join(q{','}, @receipts{ 3, 4, 5 }) . q{']);
	SELECT count(*) FROM workflow.receive('narrow', 10); ROLLBACK});
is(receive('narrow', 10), '', '... which a rollback does not change');
ack(3);
is(receive('narrow', 10), '6', '... and a commit does');

# ---- max_active ----

sql(q{SELECT workflow.create_queue('active', max_active => 2)});
send_to('active', undef, 11 .. 14);
is(receive('active', 10), '11 12', 'max_active');
sql(qq{SELECT workflow.nack('$receipts{11}', delay => '1 hour')});
is(receive('active', 10), '', '... counts one in back-off');
ack(12);
is(receive('active', 10), '13', '... but not one that is done');

# ---- groups, over both kinds ----

sql(q{SELECT workflow.create_queue('one', group_max_active => 1)});
send_to('one', 'a', 21, 22);
send_to('one', 'b', 23, 24);
send_to('one', undef, 25, 26);
is(receive('one', 10), '21 23 25 26', 'never two of one group');
is(receive('one', 10), '', '... while they are held');
ack(21);
is(receive('one', 10), '22', '... and in order');
ack(22 .. 23, 25 .. 26);
is(receive('one', 10), '24', '... each group for itself');
ack(24);

send_to('one', 'm', 31);
sql(q{SELECT workflow.enqueue_workflow('body', '"r1"', queue => 'one', group_key => 'm', dedup_key => 'r1')});
sql(q{SELECT workflow.enqueue_workflow('body', '"r2"', queue => 'one', group_key => 'm', dedup_key => 'r2')});
send_to('one', 'm', 32);
is(receive('one', 10), '31', 'strict order: the message comes first');
is(receive('one', 10), '', '... and alone');
is(sql('SELECT count(*) FROM log WHERE what LIKE $$r_$$'), '0', '... the runs behind it wait');
ack(31);
wait_for_run('r2', 'succeeded', '... until it is done');
is(sql('SELECT string_agg(what, $$ $$ ORDER BY at) FROM log WHERE what LIKE $$r_$$'), 'r1 r2', '... in their order');
is(receive('one', 10), '32', '... and then the last message');
sql(qq{SELECT workflow.nack('$receipts{32}', delay => '0 s')});
send_to('one', 'm', 33);
is(receive('one', 10), '32', 'one that was given back keeps its place');
ack(32);
is(receive('one', 10), '33', '... before the next');

# ---- a dead message that keeps its group closed ----

sql(q{SELECT workflow.create_queue('closing', group_max_active => 1, on_group_failure => 'block')});
send_to('closing', 'g', 41, 42);
send_to('closing', 'h', 43);
is(receive('closing', 10), '41 43', 'block: the first of each group');
sql(qq{SELECT workflow.nack('$receipts{41}', 'broken', final => true)});
is(receive('closing', 10), '', '... a dead one closes its group');
kill_worker($node, 'scheduler', 'postgres', 'TERM');
is(receive('closing', 10), '', '... also for the next scheduler');
is(sql(q{SELECT workflow.retry_message(message_id) FROM workflow.dead_letters WHERE queue = 'closing'}), 't', '... until it is retried');
is(receive('closing', 10), '41', '... and goes first');
ack(41);
is(receive('closing', 10), '42', '... before the rest');

# ---- rates ----

sql(q{SELECT workflow.create_queue('rated', rate_limit => 5, rate_period => '2 s')});
send_to('rated', undef, 51 .. 62);
my $begin = time();
is(receive('rated', 10), '51 52 53 54 55', 'rate_limit: as many as it lets');
is(receive('rated', 10), '', '... and no more');
is(sql(q{CALL workflow.wait_for_messages('rated')}), 't', '... waiting for it works');
cmp_ok(time() - $begin, '>=', 1.9, '... for the whole period');
like(receive('rated', 10), qr/^56/, '... and then goes on');
ack(51 .. 55);

# ---- messages that nobody receives do not hold up runs ----

sql(q{SELECT workflow.create_queue('both')});
send_to('both', undef, 70 .. 79);
sql(q{SELECT workflow.enqueue_workflow('body', '"both"', queue => 'both', dedup_key => 'both')});
wait_for_run('both', 'succeeded', 'runs pass messages that nobody wants');
send_to('default', undef, 80);
sql(q{SELECT workflow.enqueue_workflow('body', '"default"', dedup_key => 'default')});
wait_for_run('default', 'succeeded', '... also in "default"');
is(receive('default', 10), '80', '... which has its messages');

scan_log($node);
$node->stop;
done_testing();
