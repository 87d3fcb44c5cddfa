# What was handed out stays with who has it, whatever process ends meanwhile;
# and all of it comes back that is not acknowledged.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('restart', { fsync => 1 });
create_extension($node);

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

sub receive_all
{
	my ($lease) = @_;
	return sql("SELECT count(*) FROM workflow.receive('work', 1000, '$lease')");
}

# A session with an open transaction that has received some.
sub open_receive
{
	my ($max) = @_;
	my ($in, $out, $err) = ('', '', '');
	my $session = IPC::Run::start(
		[ $node->installed_command('psql'), '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$in, '>', \$out, '2>', \$err);

	$in .= "BEGIN; SELECT 'got ' || count(*) FROM workflow.receive('work', $max);\n";
	pump $session until $out =~ /got \d+/ || !$session->pumpable;
	like($out, qr/got $max$/m, "an open transaction has received $max");
	return ($session, \$in);
}

sub close_session
{
	my ($session, $in, $command) = @_;
	$$in .= "$command;\n\\q\n";
	IPC::Run::finish($session);
	return;
}

sub states
{
	return sql(q{SELECT string_agg(state || ' ' || n, ', ' ORDER BY state)
		FROM (SELECT state, count(*) n FROM workflow.messages GROUP BY state) s});
}

sql(q{
	SELECT workflow.create_queue('work');
	CREATE TABLE held (receipt text);
	SELECT count(*) FROM workflow.send_batch('work', array_fill('1'::jsonb, ARRAY[300]));
	INSERT INTO held SELECT receipt FROM workflow.receive('work', 100, '1 hour')});
my ($session, $in) = open_receive(50);
my ($other, $other_in) = open_receive(20);

# ---- the scheduler is another one ----

my $old = kill_worker($node, 'scheduler', 'postgres', 'TERM');
wait_for_worker($node, 'scheduler', 'postgres', $old);
is(receive_all('1 hour'), '130', 'a new scheduler hands out only what nobody has');
is(receive_all('1 hour'), '0', '... once');
close_session($session, $in, 'ROLLBACK');
ok(poll_until($node, 'postgres', q{SELECT count(*) FROM workflow.messages WHERE state = 'leased'}, '230'),
	'what an open transaction had is not leased after its rollback');
is(sql(q{CALL workflow.wait_for_messages('work', '5 s')}), 't', '... but comes back');
ok(poll_until($node, 'postgres', q{SELECT queued FROM workflow.queues WHERE queue = 'work'}, '50'), '... all of it');
is(receive_all('1 hour'), '50', '... and is handed out again');
close_session($other, $other_in, 'COMMIT');
is(states(), 'leased 300', '... while another has committed');
is(receive_all('1 hour'), '0', '... and so has it');

# ---- the server crashes ----

$node->stop('immediate');
$node->start;
is(receive_all('1 hour'), '0', 'a crash gives nothing of it to anybody else');
is(sql(q{SELECT workflow.ack_batch(array_agg(receipt)) FROM held}), '100', '... and its receipts hold');
is(states(), 'leased 200', '... once');

# ---- leases that end while the server is down, and after it ----

sql(q{
	TRUNCATE held;
	SELECT count(*) FROM workflow.send_batch('work', array_fill('2'::jsonb, ARRAY[60]));
	INSERT INTO held SELECT receipt FROM workflow.receive('work', 30, '1 s');
	INSERT INTO held SELECT receipt FROM workflow.receive('work', 30, '6 s')});
$node->stop('fast');
sleep 1;
$node->start;
is(sql(q{CALL workflow.wait_for_messages('work', '5 s')}), 't', 'leases end while the server is down');
ok(poll_until($node, 'postgres', q{SELECT queued FROM workflow.queues WHERE queue = 'work'}, '30', 4), '... those that are over');
is(receive_all('1 hour'), '30', '... so they come back');
ok(poll_until($node, 'postgres', q{SELECT queued FROM workflow.queues WHERE queue = 'work'}, '30'), '... and the others when their time has come');
is(receive_all('1 hour'), '30', '... exactly once');
my ($rc, $out, $err) = ask($node, 'postgres', 'SELECT workflow.ack(min(receipt)) FROM held');
like($err, qr/does not hold any more/, '... and the old receipts do not hold');
is(sql('SELECT workflow.ack_batch(array_agg(receipt), skip_stale => true) FROM held'), '0', '... none of them');

# ---- more news than the scheduler's ring has room for ----

is(sql(q{
	SELECT workflow.create_queue('many', max_active => 9000);
	SELECT count(*) FROM workflow.send_batch('many', array_fill('3'::jsonb, ARRAY[9000]))}), "\n9000", 'many messages');
is(sql(q{SELECT workflow.ack_batch(array_agg(receipt)) FROM workflow.receive('many', 9000)}), '9000', '... are acknowledged by one commit');
ok(poll_until($node, 'postgres', q{SELECT queued + delayed + running + active FROM workflow.queues WHERE queue = 'many'}, '0'),
	'... and the scheduler sees it, though not by news of each');

# ---- a killed worker process ----

kill_worker($node, 'scheduler', 'postgres');
ok(poll_until($node, 'postgres', q{SELECT count(*) FROM workflow.receive('work', 1000)}, '0'), 'a killed scheduler takes the server down, and no lease');
is(states(), 'leased 260', '... of any message');

scan_log($node, allowed => [ 'terminated by signal 9', 'terminating any other active server processes',
	'all server processes terminated', 'was not properly shut down' ]);
$node->stop;
done_testing();
