# Who waits holds no lock, so that others can do with our tables what they want,
# and is told when there is nothing to wait for any more.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('waiters');
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
		[ $node->installed_command('psql'), '-XAtq', '-v', 'VERBOSITY=verbose',
			'-d', $node->connstr('postgres'), map { ('-c', $_) } @commands ],
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
	AND backend_type = 'client backend' AND query ~ 'CALL workflow\.wait'};

sub wait_until_waiting
{
	my ($n) = @_;
	return ok(poll_until($node, 'postgres', "SELECT count(*) $waiting", $n), "$n wait");
}

sub no_locks
{
	my ($how) = @_;
	# each has its transaction's own virtual id, and nothing else
	is( sql("SELECT string_agg(DISTINCT concat_ws(' ', locktype, relation::regclass, mode), ', ')"
			  . " FROM pg_locks WHERE pid IN (SELECT pid $waiting) AND locktype <> 'virtualxid'"),
		'', "no locks: $how");
	is(sql("SELECT count(*) $waiting AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)"),
		0, "no snapshot, no transaction id: $how");
	return;
}

sql(q{
	CREATE ROLE bob LOGIN;
	SELECT workflow.grant_usage('bob');
	CREATE TABLE go (a int);
	CREATE FUNCTION wait_for_go() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
	  WHILE NOT EXISTS (SELECT FROM go) LOOP
	    PERFORM pg_sleep(0.1);
	  END LOOP;
	END $$;
	CREATE FUNCTION nap(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
	  PERFORM workflow.step('nap', 'SELECT wait_for_go()');
	  RETURN '"rested"';
	END $$;
	SELECT workflow.create_workflow('nap');
});

for my $block ([], ['BEGIN'])
{
	my $how = @$block ? 'in a transaction block' : 'alone';
	my @tables = map { "_workflow.$_" } qw(queue queue_grant run step request message workflow);

	sql("SELECT workflow.create_queue('$_') FROM (VALUES (1)) v") for 'w', 'd', 'r';
	sql("SELECT workflow.grant_queue('r', 'bob', 'receive')");
	my $run = sql("SELECT workflow.enqueue_workflow('nap', delay => '1 day')");
	my $message = session(@$block, "CALL workflow.wait_for_messages('w', '120 s')");
	my $dropped = session(@$block, "CALL workflow.wait_for_messages('d', '120 s')");
	my $revoked = session('SET ROLE bob', @$block, "CALL workflow.wait_for_messages('r', '120 s')");
	my $ended = session(@$block, "CALL workflow.wait_for_run('$run', '120 s')");

	wait_until_waiting(4);
	no_locks($how);
	for my $table (@tables)
	{
		my ($rc, $out, $err) = ask($node, 'postgres',
			"SET lock_timeout = '10 s'; LOCK TABLE $table");
		is($err, '', "LOCK TABLE $table: $how");
	}
	for my $table (@tables)
	{
		my ($rc, $out, $err) = $node->psql('postgres',
			"SET lock_timeout = '10 s';\nVACUUM FULL $table;\n");
		is($err, '', "VACUUM FULL $table: $how");
	}

	# changes that do not concern them are passed over
	sql("SELECT workflow.create_queue('x'); SELECT workflow.drop_queue('x')");
	wait_until_waiting(4);
	no_locks("after a change, $how");

	# he whose queue it was is told
	sql("SELECT workflow.drop_queue('d')");
	like(end_of($dropped), qr/ERROR:  42704: queue "d" does not exist/, "dropped: $how");
	sql("SELECT workflow.revoke_queue('r', 'bob', 'receive')");
	like(end_of($revoked), qr/ERROR:  42501: permission denied for messages of queue "r"/,
		"revoked: $how");
	wait_until_waiting(2);

	# and the others get what they wait for
	sql("SELECT workflow.send('w', '1')");
	is(end_of($message), 't', "a message: $how");
	sql("SELECT workflow.cancel_run('$run')");
	is(end_of($ended), 'cancelled||', "the end of a run: $how");

	# a step keeps the database from being idle, and locks of its own
	$run = sql("SELECT workflow.enqueue_workflow('nap')");
	my $idle = session(@$block, "CALL workflow.wait_until_idle('120 s')");
	wait_until_waiting(1);
	no_locks("until idle, $how");
	sql('INSERT INTO go VALUES (1)');
	is(end_of($idle), '', "idle: $how");
	sql('TRUNCATE go');
	sql("SELECT workflow.purge_queue('w')");
	sql("SELECT workflow.drop_queue('$_')") for 'w', 'r';
}

# ---- an error can be caught where it was called ----

sql("SELECT workflow.create_queue('w')");
my $catcher = session(
	q{DO $$
	DECLARE
	  ready boolean;
	BEGIN
	  BEGIN
	    CALL workflow.wait_for_messages('missing', '1 s', ready);
	  EXCEPTION WHEN undefined_object THEN
	    RAISE NOTICE 'caught';
	  END;
	  RAISE NOTICE 'goes on in %', (SELECT count(*) FROM go);
	END $$});
like(end_of($catcher), qr/caught.*goes on in 0/s, 'caught');

# ---- the extension can be dropped beside them ----

my $left = session("CALL workflow.wait_for_messages('w', '120 s')");
wait_until_waiting(1);
sql('DROP EXTENSION workflow CASCADE');
like(end_of($left), qr/ERROR:  42704: extension "workflow" does not exist/,
	'nothing to wait for without the extension');

scan_log($node);
$node->stop;
done_testing();
