# A step declared at_most_once is never started twice, whatever happens to its
# process; where its outcome is not known, the body gets WF002.
use strict;
use warnings;

use Time::HiRes qw(usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;
use CrashLoop qw(kill_postmaster);

my $node = new_node('at_most_once', 'workflow.executors = 2');
my $db = 'shop';
my $dir = PostgreSQL::Test::Utils::tempdir;
create_extension($node, $db);

# Effects outside: a line in a file for each start.
$node->safe_psql(
	$db, qq{
CREATE EXTENSION plpython3u;
CREATE TABLE inside (what text);
CREATE FUNCTION start_of(what text) RETURNS void LANGUAGE plpython3u AS
	\$\$open('$dir/' + what, 'a').write('started\\n')\$\$;
} . q{
CREATE FUNCTION pay(what text, how text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM start_of(what);
	INSERT INTO inside VALUES (what);
	IF how = 'wait' THEN
		PERFORM pg_sleep(600);
	ELSIF how <> 'pay' THEN
		RAISE EXCEPTION USING ERRCODE = how, MESSAGE = 'as told';
	END IF;
	RETURN 'paid';
END $$;
CREATE FUNCTION payment(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	r jsonb;
BEGIN
	r := workflow.step('pay', 'SELECT pay($1, $2)',
		workflow.policy(at_most_once => true, timeout => (input->>'timeout')::interval),
		input->>'what', input->>'how');
	RETURN r || workflow.step('after', 'SELECT ''after''::text');
EXCEPTION WHEN OTHERS THEN
	IF input ? 'catch' THEN
		RETURN to_jsonb(SQLSTATE || ' ' || SQLERRM) || workflow.step('ask', 'SELECT ''asked the bank''::text');
	END IF;
	RAISE;
END $$;
SELECT workflow.create_workflow('payment');
SELECT workflow.create_workflow('parking payment', 'payment', on_failure => 'park');
});

sub enqueue
{
	my ($what, $how, $more, $workflow) = @_;
	$more //= '';
	$workflow //= 'payment';
	return $node->safe_psql($db,
		qq{SELECT workflow.enqueue_workflow('$workflow', '{"what": "$what", "how": "$how"$more}')});
}

sub starts
{
	my ($what) = @_;
	return -e "$dir/$what" ? scalar(() = slurp_file("$dir/$what") =~ /started/g) : 0;
}

sub outcome
{
	my ($run) = @_;
	poll_until($node, $db,
		"SELECT state NOT IN ('queued', 'running') FROM workflow.runs WHERE run_id = '$run'");
	return $node->safe_psql($db,
		"SELECT state, coalesce(result::text, error_code || ' ' || error_message) FROM workflow.runs WHERE run_id = '$run'");
}

sub wait_started
{
	my ($what) = @_;
	for (my $i = 0; $i < 2000 && starts($what) == 0; $i++)
	{
		usleep(10_000);
	}
	# in the sleep, so that the kill cannot come before the start's record
	return poll_until($node, $db,
		"SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND backend_type = 'workflow executor'", '1');
}

# ---- nothing happens ----

is(outcome(enqueue('plain', 'pay')), 'succeeded|["paid", "after"]', 'done at once');
is(starts('plain'), 1, 'started once');

# ---- an error is an outcome, and is not retried ----

foreach my $code (qw(55P03 40001 P0001))
{
	is(outcome(enqueue("error$code", $code, ', "catch": 1')),
		qq{succeeded|["$code as told", "asked the bank"]}, "error $code reaches the body");
	is(starts("error$code"), 1, "error $code: started once");
}
is(outcome(enqueue('slow', 'wait', ', "catch": 1, "timeout": "100 ms"')),
	'succeeded|["WF003 step timed out", "asked the bank"]', 'a time-out as well');
is(starts('slow'), 1, 'time-out: started once');

# ---- its process ends: the outcome is unknown ----

my $unknown = 'WF002 outcome of the step is unknown';
my %ends = (
	'executor killed' => sub { kill_worker($node, 'executor', $db) },
	'executor terminated' => sub { kill_worker($node, 'executor', $db, 'TERM') },
	'checkpointer killed' => sub {
		my $pid = $node->safe_psql('postgres',
			q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'});
		kill 'KILL', $pid;
	},
	'fast stop' => sub { $node->restart },
	'immediate stop' => sub { $node->stop('immediate'); $node->start },
	'postmaster killed' => sub { kill_postmaster($node) });

my $n = 0;
foreach my $end (sort keys %ends)
{
	foreach my $catch ('', ', "catch": 1')
	{
		my $what = 'unknown' . $n++;
		# only the executor that has it
		$node->safe_psql($db, "CALL workflow.wait_until_idle('60 s')");
		$node->safe_psql('postgres',
			q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'workflow executor'});
		my $run = enqueue($what, 'wait', $catch);
		ok(wait_started($what), "$end: started");
		is( $node->safe_psql($db,
				"SELECT state, attempt FROM workflow.steps WHERE run_id = '$run'"),
			'running|1',
			"$end: shown as running");
		$ends{$end}->();
		is(outcome($run),
			$catch ? qq{succeeded|["$unknown", "asked the bank"]} : "failed|$unknown",
			"$end: WF002" . ($catch ? ', handled' : ''));
		is(starts($what), 1, "$end: not started again");
	}
}
is( $node->safe_psql($db,
		q{SELECT count(*) FROM inside WHERE what LIKE 'unknown%' OR what LIKE 'error%'}),
	'0',
	'what they wrote inside is undone');

# ---- between the record of the start and the start ----

my $offset = -s $node->logfile;
$node->safe_psql('postgres', q{ALTER SYSTEM SET workflow.test_stop = 'exec-started=wait'});
$node->reload;
poll_until($node, $db, 'SHOW workflow.test_stop', 'exec-started=wait');
my $run = enqueue('never', 'pay');
$node->wait_for_log(qr/waiting at stop point "exec-started"/, $offset);
slurp_file($node->logfile, $offset) =~ /\[(\d+)\] [^\n]*waiting at stop point "exec-started"/;
my $pid = $1;
$node->safe_psql('postgres', q{ALTER SYSTEM RESET workflow.test_stop});
kill 'KILL', $pid;
for (my $i = 0; $i < 1000 && kill(0, $pid); $i++)
{
	usleep(5_000);
}
$node->reload;
poll_until($node, $db, 'SELECT 1', '1');
is(outcome($run), "failed|$unknown", 'recorded as started, killed before: WF002');
is(starts('never'), 0, 'it never started');

# retry_run() starts it again only where it is told to in so many words.
$node->safe_psql($db, "SELECT workflow.retry_run('$run')");
is(outcome($run), "failed|$unknown", 'retry_run gives the body WF002 again');
is(starts('never'), 0, 'and starts nothing');
$node->safe_psql($db,
	"SELECT workflow.retry_run('$run', repeat_unknown => true)");
ok( poll_until($node, $db, "SELECT state FROM workflow.runs WHERE run_id = '$run'", 'succeeded'),
	'retry_run starts it after all');
is(starts('never'), 1, 'once');

# ---- on_failure => 'park' stops at the step ----

$run = enqueue('parked', 'wait', '', 'parking payment');
ok(wait_started('parked'), 'started');
kill_worker($node, 'executor', $db);
is(outcome($run), "parked|$unknown", 'an unknown outcome parks the run');
is(starts('parked'), 1, 'started once');

$node->stop;
scan_log($node, allowed => [
	'was terminated by signal 9',
	'all server processes terminated; reinitializing',
	'server process .* exited with exit code' ]);
done_testing();
