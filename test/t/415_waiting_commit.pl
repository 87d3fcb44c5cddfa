# A commit that waits for a synchronous standby holds up nobody else: neither
# another group, nor its own, where what was committed since goes first.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('waiting', 'synchronous_commit = local', { streaming => 1 });
create_extension($node);
$node->safe_psql(
	'postgres', q{
CREATE TABLE start (n int GENERATED ALWAYS AS IDENTITY, what text);
CREATE FUNCTION load(input jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT workflow.step('note', 'INSERT INTO start (what) VALUES ($1)', input->>'what')
$$;
SELECT workflow.create_queue('strict', group_max_active => 1);
SELECT workflow.create_workflow('load', queue => 'strict');
ALTER SYSTEM SET synchronous_standby_names = 'absent';
SELECT pg_reload_conf();});

sub enqueue
{
	my ($what, $group) = @_;
	return qq{SELECT workflow.enqueue_workflow('load', '{"what": "$what"}', group_key => '$group');};
}

sub started
{
	my ($what) = @_;
	return poll_until($node, 'postgres',
		"SELECT count(*) FROM start WHERE what = '$what'", '1');
}

ok( poll_until($node, 'postgres', 'SHOW synchronous_standby_names', 'absent'),
	'a standby is waited for that is not there');
my $client = IPC::Run::start(
	[
		'psql', '-XqAt', '-d', $node->connstr('postgres'),
		'-c', 'SET synchronous_commit = on', '-c', enqueue('first', 'g')
	],
	'<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
ok( poll_until($node, 'postgres', q{
SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'}, '1'),
	'a commit waits for it');

$node->safe_psql('postgres', enqueue('other', 'h'));
ok(started('other'), 'a run of another group starts');
$node->safe_psql('postgres', enqueue('later', 'g'));
ok(started('later'), 'and one of the same group that was committed meanwhile');
is( $node->safe_psql('postgres',
		q{SELECT count(*) FROM start WHERE what = 'first'}),
	'0', 'the one whose commit waits does not');

$node->safe_psql('postgres',
	'ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()');
ok(started('first'), 'it starts when its commit is done');
$client->finish;

$node->stop;
scan_log($node);
done_testing();
