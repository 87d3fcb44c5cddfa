# Order in groups of one: 64 senders and 16 receivers at once, with rollbacks on
# both sides and messages that are given back.  What a sender has sent
# into a group is received in that order, and never two of a group at a time.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $senders = 64;
my $receivers = 16;
my $each = 25;
my $node = new_node('order', 'max_connections = 120');
create_extension($node);

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

sub session
{
	return IPC::Run::start(
		[ $node->installed_command('psql'), '-XAtq', '-d', $node->connstr('postgres'),
			'-v', 'ON_ERROR_STOP=1', '-c', $_[0] ],
		'<', '/dev/null', '>', \my $out, '2>', \my $err);
}

sql(q{
	SELECT workflow.create_queue('ordered', group_max_active => 1,
		policy => workflow.policy(max_attempts => NULL));
	CREATE TABLE log (at serial, message_id bigint, grp text, sender int, serial int);
	-- one row for each group that somebody works on
	CREATE TABLE busy (grp text PRIMARY KEY);

	CREATE PROCEDURE send_all(sender int, n int) LANGUAGE plpgsql AS $$
	DECLARE
		i int := 1;
	BEGIN
		WHILE i <= n LOOP
			PERFORM workflow.send('ordered', jsonb_build_object('sender', sender, 'serial', i),
				group_key => 'g' || (random() * 7)::int);
			IF random() < 0.1 THEN
				ROLLBACK;
				CONTINUE;
			END IF;
			COMMIT;
			i := i + 1;
		END LOOP;
	END $$;

	CREATE PROCEDURE receive_all(total int) LANGUAGE plpgsql AS $$
	DECLARE
		m record;
		ready boolean;
	BEGIN
		WHILE (SELECT count(*) FROM log) < total LOOP
			SELECT * INTO m FROM workflow.receive('ordered', 1, '60 s');
			IF NOT FOUND THEN
				COMMIT;
				CALL workflow.wait_for_messages('ordered', '100 ms', ready);
				CONTINUE;
			END IF;
			IF random() < 0.1 THEN
				ROLLBACK;
				CONTINUE;
			END IF;
			INSERT INTO busy VALUES (m.group_key);
			COMMIT;
			DELETE FROM busy WHERE grp = m.group_key;
			IF random() < 0.1 THEN
				PERFORM workflow.nack(m.receipt, delay => '10 ms');
			ELSE
				INSERT INTO log (message_id, grp, sender, serial)
				VALUES (m.message_id, m.group_key, (m.payload->>'sender')::int, (m.payload->>'serial')::int);
				PERFORM workflow.ack(m.receipt);
			END IF;
			COMMIT;
		END LOOP;
	END $$;
});

my $total = $senders * $each;
my @sessions = ((map { session("CALL send_all($_, $each)") } 1 .. $senders),
	(map { session("CALL receive_all($total)") } 1 .. $receivers));
my $failed = 0;
foreach (@sessions)
{
	IPC::Run::finish($_) or $failed++;
}

is($failed, 0, 'never two of a group at a time');
is(sql('SELECT count(*), count(DISTINCT message_id) FROM log'), "$total|$total", 'each message was done once');
is(sql(q{SELECT count(*) FROM (SELECT serial < lag(serial) OVER (PARTITION BY grp, sender ORDER BY at) AS wrong FROM log) l WHERE wrong}),
	'0', 'all of a group in the order in which they were sent');
is(sql(q{SELECT count(*) FROM workflow.messages WHERE queue = 'ordered'}), '0', 'nothing is left');

scan_log($node);
$node->stop;
done_testing();
