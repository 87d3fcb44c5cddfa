# Leases of some milliseconds, workers that take about as long, and others that
# roll back: whoever acknowledges is the last that the message was given to, and
# no message is lost.  That the checker would notice is shown by a build that
# accepts any receipt.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $workers = 10;
my $messages = 12_000;
my $races = 20_000;    # receipts issued, of which some come too late
my $node = new_node('races', 'max_connections = 40');
create_extension($node);

$node->safe_psql('postgres', q{
	CREATE TABLE issued (message_id bigint, attempt int);
	CREATE TABLE acked (message_id bigint, attempt int);
	CREATE TABLE refused (message_id bigint, attempt int);

	-- Receives, works and acknowledges until the queue stays empty.
	CREATE PROCEDURE work_on(q text, lease_ms float) LANGUAGE plpgsql AS $$
	DECLARE
		m record;
		idle int := 0;
	BEGIN
		WHILE idle < 100 LOOP
			SELECT * INTO m FROM workflow.receive(q, 1, make_interval(secs => (0.5 + random()) * lease_ms / 1000));
			IF m IS NULL THEN
				COMMIT;
				idle := idle + 1;
				PERFORM pg_sleep(0.005);
				CONTINUE;
			END IF;
			idle := 0;
			IF random() < 0.05 THEN
				ROLLBACK;
				CONTINUE;
			END IF;
			INSERT INTO issued VALUES (m.message_id, m.attempt);
			COMMIT;
			PERFORM pg_sleep(random() * lease_ms / 600);
			BEGIN
				IF random() < 0.2 THEN
					PERFORM workflow.extend(m.receipt, make_interval(secs => lease_ms / 1000));
				END IF;
				IF random() < 0.3 THEN
					PERFORM workflow.nack(m.receipt, delay => '0 s');
				ELSE
					PERFORM workflow.ack(m.receipt);
					INSERT INTO acked VALUES (m.message_id, m.attempt);
				END IF;
			EXCEPTION WHEN SQLSTATE 'WF008' THEN
				INSERT INTO refused VALUES (m.message_id, m.attempt);
			END;
			COMMIT;
		END LOOP;
	END $$;
});

# Sends messages, lets workers have them, and says how often what was wrong.
sub race
{
	my ($queue, $messages) = @_;
	my @sessions;

	$node->safe_psql('postgres', qq{
		TRUNCATE issued, acked, refused;
		SELECT workflow.create_queue('$queue',
			policy => workflow.policy(max_attempts => NULL));
		SELECT count(*) FROM workflow.send_batch('$queue', array_fill('1'::jsonb, ARRAY[$messages]));
	});
	foreach (1 .. $workers)
	{
		push @sessions, IPC::Run::start(
			[ $node->installed_command('psql'), '-XAtq', '-d', $node->connstr('postgres'),
				'-v', 'ON_ERROR_STOP=1', '-c', "CALL work_on('$queue', 4)" ],
			'<', '/dev/null', '>', \my $out, '2>', \my $err);
	}
	my $failed = 0;
	foreach (@sessions)
	{
		IPC::Run::finish($_) or $failed++;
	}
	is($failed, 0, "$queue: all workers came to an end");

	# acknowledged twice, acknowledged by one that was not the last, lost
	return split /\|/, $node->safe_psql('postgres', qq{
		SELECT (SELECT count(*) FROM (SELECT FROM acked GROUP BY message_id HAVING count(*) > 1) a),
			(SELECT count(*) FROM acked a WHERE EXISTS (SELECT FROM issued i
				WHERE i.message_id = a.message_id AND i.attempt > a.attempt)),
			$messages - (SELECT count(DISTINCT message_id) FROM acked),
			(SELECT count(*) FROM workflow.messages WHERE queue = '$queue'),
			(SELECT count(*) FROM issued),
			(SELECT count(*) FROM refused)});
}

my ($twice, $stale, $lost, $left, $issued, $refused) =
  race('sound', $messages);
is($twice, 0, 'nothing was acknowledged twice');
is($stale, 0, 'nothing was acknowledged with a stale receipt');
is($lost, 0, 'nothing was lost');
is($left, 0, 'nothing was left');
note("$issued receipts, $refused of which were refused");
cmp_ok($issued, '>=', $races, 'there were enough receipts');
cmp_ok($refused, '>=', $races / 10, '... that came too late');

$node->append_conf('postgresql.conf', "workflow.test_break = 'stale-receipts'");
$node->reload;
($twice, $stale) = race('broken', 500);
cmp_ok($twice + $stale, '>', 0, 'the checker sees stale receipts');

scan_log($node);
$node->stop;
done_testing();
