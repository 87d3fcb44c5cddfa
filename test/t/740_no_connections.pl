# Sessions that fill max_connections are no matter to the engine's processes; a
# limit of the database or role is, until there is room again.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use Episode;
use WorkflowTest;

my $node = new_node(
	'main',
	'max_connections = 10',
	'workflow.executors = 4');
create_extension($node, 'shop');
create_work($node, 'shop');
$node->safe_psql(
	'shop', q{
	CREATE ROLE bob LOGIN;
	SELECT workflow.grant_usage('bob');
	GRANT ALL ON done TO bob;
});

# ---- max_connections ----

my $watcher = session($node, 'shop');
start_work($node, 'shop', 1, 100, '2 s');
my @sessions = map { session($node, 'shop') } 1 .. 9;
my ($rc, $out, $err) = ask($node, 'shop', 'SELECT 1');
like($err, qr/too many clients/, 'no connection is left');
ok(wait_in_session($watcher, 'SELECT count(*) FROM done', '100'),
	'work goes on all the same');
is(in_session($watcher, 'SELECT shortage IS NULL FROM workflow.status'),
	't', 'nothing is short');
$_->{psql}->kill_kill for @sessions, $watcher;
ok(poll_until($node, 'shop', 'SELECT true'), 'and others may connect');
all_done_once($node, 'shop', 100);

# ---- limits of the database, and of the role ----

my $bob = session($node, 'shop', 'bob');

sub start_of_bob
{
	my ($first, $last) = @_;

	return in_session($bob,
		"SELECT count(workflow.enqueue_workflow('work', to_jsonb(n)))"
		  . " FROM generate_series($first, $last) n");
}

$node->safe_psql('shop',
	'ALTER DATABASE shop CONNECTION LIMIT 0; ALTER ROLE bob CONNECTION LIMIT 0');
start_of_bob(101, 200);
all_done_once($node, 'shop', 200);
$node->safe_psql('shop',
	'ALTER DATABASE shop CONNECTION LIMIT -1; ALTER ROLE bob CONNECTION LIMIT -1');

# ---- a step that says so ----

# It may only pretend: it holds up its owner, and nobody else.
$node->safe_psql(
	'shop', q{
	CREATE TABLE pretends (yes boolean);
	INSERT INTO pretends VALUES (true);
	GRANT SELECT ON pretends TO bob;
	CREATE FUNCTION pretend() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
	  IF (SELECT yes FROM pretends) THEN
	    RAISE EXCEPTION 'too many connections' USING ERRCODE = '53300';
	  END IF;
	END $$;
	CREATE FUNCTION fool(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.step('pretend', 'SELECT pretend()',
	    workflow.policy(max_attempts => NULL, initial_delay => '0'));
	  RETURN input;
	END $$;
	SELECT workflow.create_workflow('fool');
});
my $log_at = -s $node->logfile;
my $began = time();
in_session($bob,
	"SELECT count(workflow.enqueue_workflow('fool')) FROM generate_series(1, 500)");
short_of($node, 'shop', 'connections');
like(
	$node->safe_psql(
		'shop', q{SELECT workflow.why(run_id) FROM workflow.runs
		WHERE workflow = 'fool' AND state = 'queued' LIMIT 1}),
	qr/short of connections since/,
	'why() tells of it');
start_work($node, 'shop', 201, 1200);
ok(poll_until($node, 'shop', 'SELECT count(*) FROM done', '1200'),
	'another role goes on');
my $attempts = $node->safe_psql('shop',
	'SELECT sum(attempt) FROM workflow.steps WHERE max_attempts IS NULL');
usleep(4_000_000);
is($node->safe_psql('shop', 'SELECT shortage FROM workflow.status'),
	'connections', 'as long as it lasts');
cmp_ok(
	$node->safe_psql('shop',
		'SELECT sum(attempt) FROM workflow.steps WHERE max_attempts IS NULL'
	) - $attempts, '<', 20, 'with few attempts');
$node->safe_psql('shop', 'UPDATE pretends SET yes = false');
healthy($node, 'shop');
all_done_once($node, 'shop', 1700, 1200);
calm_log($node, $log_at, $began);
$bob->{psql}->kill_kill;

scan_log($node);
$node->stop;
done_testing();
