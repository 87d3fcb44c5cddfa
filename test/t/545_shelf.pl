# Messages that are laid out for whoever comes: they are received in the same
# order, and as exactly once, as if each had been asked for.  That the order is
# not kept by chance, nor the shelf never used, is shown by a build that takes
# from it whatever has happened meanwhile.
use strict;
use warnings;

use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

# Each makes the shelf be used, by receiving fast, and then does something after
# which another message has to come than the one that is laid out first.
my @kinds = qw(priority rollback nack delete pause batch limit purge lock);
my $times = 20;

sub setup
{
	my ($node) = @_;
	create_extension($node);
	$node->safe_psql('postgres', q{
	CREATE EXTENSION dblink;
	CREATE TABLE wrong (kind text, detail text);
	CREATE TABLE acked (message_id bigint PRIMARY KEY, at bigserial);

	-- the messages are sent in the order of their ids, and none is in doubt
	CREATE FUNCTION first_of(q text, n int) RETURNS bigint[] LANGUAGE sql AS $$
		SELECT array_agg(message_id ORDER BY message_id)
		  FROM (SELECT message_id FROM workflow.messages WHERE queue = q AND state = 'queued'
				 ORDER BY message_id LIMIT n) m $$;

	CREATE PROCEDURE expect(kind text, q text, expected bigint[]) LANGUAGE plpgsql AS $$
	DECLARE
		got bigint[];
		receipts text[];
	BEGIN
		SELECT array_agg(message_id), array_agg(receipt) INTO got, receipts
		  FROM workflow.receive(q, greatest(cardinality(expected), 1));
		IF got IS DISTINCT FROM nullif(expected, '{}') THEN
			INSERT INTO wrong VALUES (kind, format('%s, not %s', got, expected));
		END IF;
		PERFORM workflow.ack_batch(coalesce(receipts, '{}'));
		COMMIT;
	END $$;

	CREATE PROCEDURE try(kind text, times int) LANGUAGE plpgsql AS $$
	DECLARE
		q text := 'of_' || kind;
		next bigint[];
		m record;
		id bigint;
	BEGIN
		PERFORM workflow.create_queue(q, policy => workflow.policy(max_attempts => NULL));
		COMMIT;
		FOR i IN 1 .. times LOOP
			PERFORM workflow.send_batch(q, array_fill('1'::jsonb, ARRAY[200]));
			COMMIT;
			next := first_of(q, 60);
			FOR j IN 1 .. 40 LOOP
				SELECT * INTO m FROM workflow.receive(q);
				PERFORM workflow.ack(m.receipt) WHERE m.receipt IS NOT NULL;
				COMMIT;
				IF m.message_id IS DISTINCT FROM next[j] THEN
					INSERT INTO wrong VALUES (kind, format('%s received, not %s', m.message_id, next[j]));
				END IF;
			END LOOP;
			next := next[41:];
			CASE kind
			WHEN 'priority' THEN
				id := workflow.send(q, '2', priority => 1);
				COMMIT;
				CALL expect(kind, q, ARRAY[id]);
			WHEN 'rollback' THEN
				PERFORM workflow.receive(q);
				ROLLBACK;
				CALL expect(kind, q, next[1:1]);
			WHEN 'nack' THEN
				PERFORM workflow.nack(receipt, delay => '0 s') FROM workflow.receive(q);
				COMMIT;
				CALL expect(kind, q, next[1:1]);
			WHEN 'delete' THEN
				PERFORM workflow.delete_message(next[1]);
				COMMIT;
				CALL expect(kind, q, next[2:2]);
			WHEN 'pause' THEN
				PERFORM workflow.pause_queue(q);
				COMMIT;
				CALL expect(kind, q, '{}');
				PERFORM workflow.resume_queue(q);
				COMMIT;
				CALL expect(kind, q, next[1:1]);
			WHEN 'batch' THEN
				CALL expect(kind, q, next[1:10]);
				CALL expect(kind, q, next[11:11]);
			WHEN 'limit' THEN
				PERFORM workflow.alter_queue(q, max_running => 1);
				COMMIT;
				SELECT * INTO m FROM workflow.receive(q);
				COMMIT;
				CALL expect(kind, q, '{}');
				PERFORM workflow.ack(m.receipt) WHERE m.receipt IS NOT NULL;
				COMMIT;
				PERFORM workflow.alter_queue(q, reset => ARRAY['max_running']);
				COMMIT;
			WHEN 'purge' THEN
				PERFORM workflow.purge_queue(q);
				COMMIT;
				CALL expect(kind, q, '{}');
			WHEN 'lock' THEN
				-- somebody else has the row of the first, and does not change it
				PERFORM dblink_exec('other', 'BEGIN');
				PERFORM * FROM dblink('other', format('SELECT 1 FROM _workflow.message WHERE message_id = %s FOR UPDATE', next[1])) t (x int);
				COMMIT;
				CALL expect(kind, q, next[2:2]);
				PERFORM dblink_exec('other', 'ROLLBACK');
				COMMIT;
			END CASE;
			PERFORM workflow.purge_queue(q);
			COMMIT;
		END LOOP;
	END $$;
	});
	return;
}

sub try_all
{
	my ($node) = @_;
	$node->safe_psql('postgres', join('',
		"SELECT dblink_connect('other', format('dbname=%L host=%L port=%L', current_database(),"
		  . " current_setting('unix_socket_directories'), current_setting('port')));\n",
		map { "CALL try('$_', $times);\n" } @kinds));
	return map { split /\|/ }
	  split /\n/, $node->safe_psql('postgres', 'SELECT kind, count(*) FROM wrong GROUP BY kind');
}

# ---- the order of one session ----

my $node = new_node('shelf', 'max_connections = 40');
setup($node);
my %wrong = try_all($node);
foreach my $kind (@kinds)
{
	is($wrong{$kind} // 0, 0, "what comes next is right: $kind")
	  or diag $node->safe_psql('postgres',
		"SELECT detail FROM wrong WHERE kind = '$kind' LIMIT 5");
}

# ---- many at a time, errors, rollbacks, schedulers that end ----

my $clients = 8;
my $total = 20_000;
$node->safe_psql('postgres', qq{
	SELECT workflow.create_queue('busy', policy => workflow.policy(max_attempts => NULL));
	SELECT count(*) FROM workflow.send_batch('busy', array_fill('1'::jsonb, ARRAY[$total]));

	CREATE PROCEDURE take(q text) LANGUAGE plpgsql AS \$\$
	DECLARE
		m record;
		vain int := 0;
	BEGIN
		WHILE vain < 50 LOOP
			BEGIN
				SELECT * INTO m FROM workflow.receive(q);
			EXCEPTION WHEN internal_error THEN
				INSERT INTO wrong VALUES ('stop point', SQLERRM);
				CONTINUE;
			END;
			IF m IS NULL THEN
				vain := vain + 1;
				COMMIT;
				PERFORM pg_sleep(0.02);
			ELSIF random() < 0.02 THEN
				ROLLBACK;
			ELSE
				vain := 0;
				PERFORM workflow.ack(m.receipt);
				INSERT INTO acked VALUES (m.message_id);
				COMMIT;
			END IF;
		END LOOP;
	END \$\$;
});
$node->safe_psql('postgres', "ALTER SYSTEM SET workflow.test_stop = 'receive-taken=error:2'");
$node->reload;
my @sessions;
foreach (1 .. $clients)
{
	push @sessions, IPC::Run::start(
		[ $node->installed_command('psql'), '-XAtq', '-d', $node->connstr('postgres'),
			'-v', 'ON_ERROR_STOP=1', '-c', "CALL take('busy')" ], '>', '/dev/null');
}
my $ended = 0;
my $end = time() + 120;
while (time() < $end && $node->safe_psql('postgres', 'SELECT count(*) FROM acked') < $total)
{
	my $pid = worker_pid($node, 'scheduler', 'postgres');
	$ended += kill 'TERM', $pid if $pid ne '' && $ended < 5;
	usleep(100_000);
}
my $failed = grep { !$_->finish } @sessions;
is($failed, 0, 'all receivers came to the end');
cmp_ok($ended, '>=', 2, 'while the scheduler was ended');
ok(poll_until($node, 'postgres', "SELECT count(*) FROM workflow.messages WHERE queue = 'busy'", '0'),
	'nothing is left')
  or diag $node->safe_psql('postgres', "SELECT state, count(*) FROM workflow.messages WHERE queue = 'busy' GROUP BY 1");
is($node->safe_psql('postgres', 'SELECT count(*) FROM acked'), $total, 'each was acknowledged once');

cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM wrong WHERE kind = 'stop point'"),
	'>', 0, '... although errors hit some who had just taken one');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET workflow.test_stop');
$node->reload;

# ---- more news than there is room for ----

# The scheduler stands still, with messages laid out: these can be received, and
# thousands of others acknowledged, of which it hears nothing.
$node->safe_psql('postgres', q{
	TRUNCATE acked;
	SELECT workflow.create_queue('held');
	SELECT workflow.create_queue('deaf');
	SELECT count(*) FROM workflow.send_batch('held', array_fill('1'::jsonb, ARRAY[6000]));
	SELECT count(*) FROM workflow.send_batch('deaf', array_fill('1'::jsonb, ARRAY[5000]));
	CREATE TABLE receipts AS SELECT receipt FROM workflow.receive('held', 6000, '1 hour');

	CREATE EXTENSION plperlu;
	CREATE FUNCTION send_signal(name text) RETURNS void LANGUAGE plperlu AS $$
		kill $_[0], spi_exec_query(
			"SELECT pid FROM pg_stat_activity WHERE backend_type = 'workflow scheduler'")->{rows}[0]{pid};
	$$;
	CREATE PROCEDURE deafen() LANGUAGE plpgsql AS $$
	DECLARE
		m record;
	BEGIN
		PERFORM send_signal('CONT');
		FOR i IN 1 .. 60 LOOP
			SELECT * INTO m FROM workflow.receive('deaf');
			PERFORM workflow.ack(m.receipt);
			INSERT INTO acked VALUES (m.message_id);
			COMMIT;
		END LOOP;
		PERFORM send_signal('STOP');
	END $$;
});
my $taken = 0;
my $receive = "SET statement_timeout = '2s'; SELECT message_id FROM workflow.receive('deaf', 1, '1 hour')";
foreach (1 .. 30)
{
	$node->safe_psql('postgres', 'CALL deafen()');
	# slow machines may have it cleared before it stands still
	$taken++ while $taken < 20 && (ask($node, 'postgres', $receive))[1] ne '';
	last if $taken > 0;
	$node->safe_psql('postgres', "SELECT send_signal('CONT')");
}
cmp_ok($taken, '>', 0, 'messages are received while the scheduler stands still');
$node->safe_psql('postgres', q{
	SELECT workflow.ack_batch((SELECT array_agg(receipt) FROM receipts));
	SELECT send_signal('CONT');
	CALL take('deaf');
});
is($node->safe_psql('postgres', 'SELECT count(*) FROM acked'), 5000 - $taken, 'all others are received as well');
ok(poll_until($node, 'postgres', q{SELECT queued, running FROM workflow.queues WHERE queue = 'deaf'}, "0|$taken"),
	'and none that somebody has');

$node->stop;
scan_log($node, allowed => ['terminating background worker "workflow scheduler']);

# ---- a broken build ----

my $broken = new_node('broken', "workflow.test_break = 'heedless-shelf'");
setup($broken);
%wrong = try_all($broken);
# a slow machine may have the shelf cleared each time, but not in all of them
my $found = grep { ($wrong{$_} // 0) > 0 } qw(priority rollback nack pause limit);
cmp_ok($found, '>', 0, 'a build that heeds nothing is found');
note "by $found kinds of 5";
$broken->stop('immediate');

done_testing();
