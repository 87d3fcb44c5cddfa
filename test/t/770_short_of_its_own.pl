# A step that meets a shortage of its own making holds up its owner's runs, and
# nobody else's.

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
	'max_locks_per_transaction = 10',
	'max_connections = 12',
	'max_worker_processes = 12',
	'max_prepared_transactions = 0',
	'workflow.executors = 4');
create_extension($node, 'shop');
create_work($node, 'shop');
$node->safe_psql(
	'shop', q{
	CREATE ROLE bob LOGIN;
	SELECT workflow.grant_usage('bob');
	CREATE TABLE greedy (yes boolean);
	INSERT INTO greedy VALUES (true);
	GRANT SELECT ON greedy TO bob;
	CREATE FUNCTION take() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
	  IF (SELECT yes FROM greedy) THEN
	    PERFORM pg_advisory_xact_lock(n) FROM generate_series(1, 1000000) n;
	  END IF;
	END $$;
	CREATE FUNCTION fool(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.step('take', 'SELECT take()',
	    workflow.policy(max_attempts => NULL, initial_delay => '0'));
	  RETURN input;
	END $$;
	SELECT workflow.create_workflow('fool');
	CREATE FUNCTION pretend(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.step('take', 'DO $do$ BEGIN RAISE EXCEPTION USING ERRCODE = ''53100''; END $do$',
	    workflow.policy(max_attempts => 100, initial_delay => '0'));
	  RETURN input;
	END $$;
	SELECT workflow.create_workflow('pretend');
});

# ---- who only says so holds up nobody, himself included ----

$node->safe_psql('shop', q{
	SET ROLE bob;
	SELECT workflow.enqueue_workflow('pretend')});
ok( poll_until(
		$node, 'shop',
		q{SELECT attempts FROM workflow.dead_letters WHERE workflow = 'pretend'},
		'100'),
	'an error that is raised by hand is retried at once');

# ---- who takes all there is ----

my $log_at = -s $node->logfile;
my $began = time();
$node->safe_psql('shop', q{
	SET ROLE bob;
	SELECT count(workflow.enqueue_workflow('fool'))
	FROM generate_series(1, 200)});
short_of($node, 'shop', 'locks');
# what others meet meanwhile is soon over
usleep(3_000_000);
start_work($node, 'shop', 1, 1000);
ok(poll_until($node, 'shop', 'SELECT count(*) FROM done', '1000'),
	'another role goes on');
my $tries = q{SELECT sum(attempt) FROM workflow.steps WHERE name = 'take'
	AND state = 'retrying'};
my $before = $node->safe_psql('shop', $tries);
usleep(5_000_000);
is($node->safe_psql('shop', 'SELECT shortage FROM workflow.status'),
	'locks', 'as long as it lasts');
cmp_ok($node->safe_psql('shop', $tries) - $before,
	'<', 20, 'and few are tried');
$node->safe_psql('shop', 'UPDATE greedy SET yes = false');
healthy($node, 'shop', 'a role short of its own making');
all_done_once($node, 'shop', 1200, 1000);
calm_log($node, $log_at, $began);

scan_log($node);
$node->stop;
done_testing();
