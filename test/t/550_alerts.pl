# Alerts of queues: a function that is called as the role that set it, and a
# NOTIFY, once per episode.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $db = 'alerts';
my $node = new_node('alerts', 'workflow.executors = 3');

create_extension($node, $db);
$node->safe_psql(
	$db, q{
CREATE ROLE alice LOGIN;
CREATE ROLE bob LOGIN;
GRANT CREATE ON DATABASE alerts TO alice;
SELECT workflow.grant_usage(r) FROM unnest('{alice,bob}'::text[]) r;
SET SESSION AUTHORIZATION alice;
CREATE SCHEMA mine;
CREATE TABLE mine.told (n serial, alert jsonb, told_as text);
CREATE FUNCTION mine.tell(alert jsonb) RETURNS void LANGUAGE sql AS
	'INSERT INTO mine.told (alert, told_as) VALUES ($1, current_user)';
CREATE FUNCTION mine.body(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM workflow.step('one', 'SELECT pg_sleep(0)');
	IF input ? 'fail' THEN
		PERFORM workflow.fail('no');
	END IF;
	RETURN NULL;
END $$;
SET search_path TO mine;
SELECT workflow.create_queue('work', alert => 'tell', notify_channel => 'Work',
	alert_depth => 5, alert_age => '1 s', alert_dead_letters => 3);
SELECT workflow.create_workflow('body', queue => 'work');
});

sub alice
{
	my ($sql) = @_;
	return $node->safe_psql($db, "SET SESSION AUTHORIZATION alice; $sql");
}

# told(event, many, name, what, expected): waits until the event was told so
# many times, and compares what was told of it.
sub told
{
	my ($event, $many, $name, $what, $expected) = @_;
	my $of = "FROM mine.told WHERE alert->>'event' = '$event'";

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	poll_until($node, $db, "SELECT count(*) $of", $many, 30);
	return is($node->safe_psql($db, "SELECT $what $of"), $expected, $name);
}

# ---- dead letters ----

my $run = alice(q{SELECT workflow.enqueue_workflow('body', '{"fail": true}')});
told('dead_letter', 1, 'a run that failed is told, as who set the alert',
	q{concat_ws(' ', told_as, alert->'run_ids', alert->'message_ids', alert->>'count', alert->>'queue')},
	qq{alice ["$run"] [] 1 work});
alice(q{SELECT count(workflow.enqueue_workflow('body', '{"fail": true}')) FROM generate_series(1, 3)});
told('dead_letters', 1, 'too many are told once', q{alert->>'alert_dead_letters'}, '3');
alice(q{SELECT count(workflow.enqueue_workflow('body', '{"fail": true}')) FROM generate_series(1, 3)});
poll_until($node, $db, q{SELECT sum((alert->>'count')::int) FROM mine.told
	WHERE alert->>'event' = 'dead_letter'}, '7', 30);
told('dead_letters', 1, '... in one episode', q{alert->>'alert_dead_letters'}, '3');

# ---- depth and age ----

alice('SELECT workflow.pause_queue($$work$$); SELECT count(workflow.enqueue_workflow($$body$$)) FROM generate_series(1, 5)');
told('age', 1, 'old ones are told', 'told_as', 'alice');
told('depth', 0, 'few are not told', 'count(*)', '0');
alice('SELECT count(workflow.enqueue_workflow($$body$$)) FROM generate_series(1, 5)');
told('depth', 1, 'many are told', q{concat_ws(' ', alert->>'ready', alert->>'alert_depth')}, '10 5');
alice('SELECT count(workflow.enqueue_workflow($$body$$)) FROM generate_series(1, 5)');
told('depth', 1, '... once', 'told_as', 'alice');
alice('SELECT workflow.resume_queue($$work$$); CALL workflow.wait_until_idle()');
alice('SELECT workflow.pause_queue($$work$$); SELECT count(workflow.enqueue_workflow($$body$$)) FROM generate_series(1, 6)');
told('depth', 2, 'and again in another episode', 'count(*)', '2');
told('age', 2, 'so are old ones', 'count(*)', '2');
alice('SELECT workflow.resume_queue($$work$$); CALL workflow.wait_until_idle()');

# ---- NOTIFY ----

my $listener = $node->background_psql($db);
$listener->query_safe('LISTEN "Work"');
alice(q{SELECT workflow.alter_queue('work', alert_depth => 100, alert_dead_letters => 100);
	SELECT workflow.enqueue_workflow('body', '{"fail": true}')});
ok( poll_until($node, $db, q{SELECT sum((alert->>'count')::int) FROM mine.told
	WHERE alert->>'event' = 'dead_letter'}, '8', 30), 'one more is told');
my $heard = '';
for (1 .. 100)
{
	$heard .= $listener->query('SELECT 1');
	last if $heard =~ /notification/;
	$node->safe_psql($db, 'SELECT pg_sleep(0.05)');
}
like($heard, qr/notification "Work" with payload "\{"queue": "work", "event": "dead_letter"/,
	'a NOTIFY tells it, too');
$listener->quit;

# ---- messages ----

# What the listener hears within some seconds that looks like this.
sub heard
{
	my ($session, $regex) = @_;
	my $out = '';
	for (1 .. 100)
	{
		$out .= $session->query('SELECT 1');
		last if $out =~ $regex;
		$node->safe_psql($db, 'SELECT pg_sleep(0.05)');
	}
	return $out;
}

alice(q{SELECT workflow.create_queue('post', notify_channel => 'Post', alert => 'mine.tell')});
my $ready = qr/payload "\{"queue": "post", "event": "ready"/;
$listener = $node->background_psql($db);
$listener->query_safe('LISTEN "Post"');
alice(q{SELECT count(workflow.send('post', '1')) FROM generate_series(1, 3)});
like(heard($listener, $ready), $ready, 'messages that nobody waits for are told');
$node->safe_psql($db, q{SELECT workflow.send('post', '2'); SELECT pg_sleep(1.2)});
unlike($listener->query('SELECT 1'), $ready, '... once');
alice(q{SELECT count(workflow.ack(receipt)) FROM workflow.receive('post', 100)});
$node->safe_psql($db, q{SELECT workflow.send('post', '3')});
like(heard($listener, $ready), $ready, '... and again when all had been received');
alice(q{SELECT count(workflow.ack(receipt)) FROM workflow.receive('post', 100)});

my $waiter = $node->background_psql($db);
$waiter->query_until(qr/waits/, "\\echo waits\nCALL workflow.wait_for_messages('post', '60 s');\n");
ok( poll_until($node, $db, q{SELECT count(*) FROM pg_stat_activity
	WHERE query LIKE 'CALL workflow.wait_for%' AND wait_event IS NOT NULL}, '1'), 'somebody waits');
$node->safe_psql($db, q{SELECT pg_sleep(1.1); SELECT workflow.send('post', '4')});
$waiter->query_safe(q{SELECT count(workflow.ack(receipt)) FROM workflow.receive('post', 100)});
unlike($listener->query('SELECT 1'), $ready, 'messages that somebody waits for are not told');
$waiter->quit;

alice(q{SELECT workflow.send('post', '5')});
my $message = alice(q{SELECT message_id FROM workflow.messages WHERE queue = 'post'});
alice(q{SELECT workflow.nack(receipt, 'no good', final => true) FROM workflow.receive('post')});
ok( poll_until($node, $db, q{SELECT alert->'message_ids' FROM mine.told WHERE alert->>'queue' = 'post'},
		"[$message]", 30), 'a message that died is told');
$listener->quit;
$node->safe_psql($db, q{DELETE FROM mine.told WHERE alert->>'queue' = 'post'});

# ---- functions that cannot be called ----

is( $node->safe_psql($db, q{SELECT count(*) FROM workflow.runs WHERE workflow = 'alert' AND state <> 'succeeded'}),
	'0', 'alerts are runs');
is( $node->safe_psql($db, 'SELECT count(*) FROM workflow.workflows'), '1', 'of a workflow that nobody sees');
alice(q{ALTER FUNCTION mine.tell(jsonb) RENAME TO gone; SELECT workflow.enqueue_workflow('body', '{"fail": true}')});
ok( poll_until($node, $db, q{SELECT count(*) FROM workflow.dead_letters
	WHERE workflow = 'alert' AND owner = 'alice' AND error_code = '42883'}, '1', 30),
	'a function that has gone makes a dead letter');
alice(q{ALTER FUNCTION mine.gone(jsonb) RENAME TO tell; REVOKE EXECUTE ON FUNCTION mine.tell(jsonb) FROM PUBLIC, alice;
	SELECT workflow.enqueue_workflow('body', '{"fail": true}')});
ok( poll_until($node, $db, q{SELECT count(*) FROM workflow.dead_letters
	WHERE workflow = 'alert' AND owner = 'alice' AND error_code = '42501'}, '1', 30),
	'so does a missing right');
alice(q{GRANT EXECUTE ON FUNCTION mine.tell(jsonb) TO alice});
alice(q{SELECT count(workflow.retry_run(run_id)) FROM workflow.dead_letters WHERE workflow = 'alert'});
ok( poll_until($node, $db, q{SELECT sum((alert->>'count')::int) FROM mine.told
	WHERE alert->>'event' = 'dead_letter'}, '10', 30), 'after repair both are told');

# of the queue "default": an alert that fails raises no other one
$node->safe_psql($db, q{
CREATE FUNCTION broken(alert jsonb) RETURNS void LANGUAGE plpgsql AS
	$$ BEGIN RAISE 'broken' USING ERRCODE = '22000'; END $$;
SELECT workflow.alter_queue('default', alert => 'broken');
CREATE FUNCTION fails(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN PERFORM workflow.step('one', 'SELECT 1/0'); RETURN NULL; END $$;
SELECT workflow.create_workflow('fails');
SELECT workflow.enqueue_workflow('fails');
CALL workflow.wait_until_idle();
});
ok( poll_until($node, $db, q{SELECT count(*) FROM workflow.dead_letters
	WHERE workflow = 'alert' AND owner = 'postgres' AND error_code = '22000'}, '1', 30), 'a broken alert fails');
$node->safe_psql($db, 'CALL workflow.wait_until_idle()');
is( $node->safe_psql($db, q{SELECT count(*) FROM workflow.runs WHERE workflow = 'alert' AND owner = 'postgres'}),
	'1', '... and raises no other');

# a restart repeats no dead letter
my $before = $node->safe_psql($db, 'SELECT count(*) FROM mine.told');
$node->restart;
$node->safe_psql($db, 'CALL workflow.wait_until_idle()');
is($node->safe_psql($db, 'SELECT count(*) FROM mine.told'), $before,
	'nothing is told again after a restart');

scan_log($node);
done_testing();
