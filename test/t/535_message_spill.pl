# More messages and runs than the scheduler's memory holds: all are found again,
# both kinds, and in order.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('spill', "workflow.scheduler_memory = '1MB'");
create_extension($node);

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

sub messages
{
	my ($from, $to, $more) = @_;
	sql("SELECT count(*) FROM (SELECT workflow.send('post', to_jsonb(i)"
		  . ($more // '') . ") FROM generate_series($from, $to) i) s");
	return;
}

sql(q{
	CREATE FUNCTION body(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
	SELECT workflow.create_workflow('body');
	SELECT workflow.create_queue('post');
	CREATE TABLE got (at serial, payload int);

	-- receives and acknowledges until there has been nothing for a while
	CREATE PROCEDURE take() LANGUAGE plpgsql AS $$
	DECLARE
		receipts text[];
		ready boolean;
	BEGIN
		LOOP
			WITH m AS MATERIALIZED (SELECT * FROM workflow.receive('post', 500)),
				 g AS (INSERT INTO got (payload) SELECT payload::int FROM m ORDER BY message_id)
			SELECT array_agg(receipt) INTO receipts FROM m;
			IF receipts IS NOT NULL THEN
				PERFORM workflow.ack_batch(receipts);
				COMMIT;
			ELSE
				COMMIT;
				CALL workflow.wait_for_messages('post', '5 s', ready);
				EXIT WHEN NOT ready;
			END IF;
		END LOOP;
	END $$;
});

messages(1, 12000);
sql(q{SELECT count(*) FROM (SELECT workflow.enqueue_workflow('body', queue => 'post') FROM generate_series(1, 3000)) s});
messages(12001, 16000);
messages(16001, 17000, q{, delay => '3 s'});
my $old = kill_worker($node, 'scheduler', 'postgres', 'TERM');
wait_for_worker($node, 'scheduler', 'postgres', $old);
sql('CALL take()');
is(sql('SELECT count(*), count(DISTINCT payload) FROM got'), '17000|17000', 'all messages are received, and once');
is(sql(q{SELECT count(*) FROM (SELECT payload < lag(payload) OVER (ORDER BY at) AS wrong FROM got WHERE payload <= 16000) g WHERE wrong}),
	'0', '... in order');
ok(poll_until($node, 'postgres', q{SELECT count(*) FROM workflow.runs WHERE state = 'succeeded'}, '3000'), 'the runs among them are done');
ok(poll_until($node, 'postgres', q{SELECT queued + delayed + running FROM workflow.queues WHERE queue = 'post'}, '0'), 'nothing is left');

# ---- nothing is nothing only where there is nothing ----

# Memory is full of what waits in another queue, so that only a few of this one
# are in it at a time; whoever takes these is not told that there are no more.
sql(q{
	SELECT workflow.create_queue('full');
	SELECT workflow.create_queue('mine');
	SELECT count(*) FROM (SELECT workflow.send_batch('full', array_fill('1'::jsonb, ARRAY[1000])) FROM generate_series(1, 10)) s;
	SELECT count(*) FROM (SELECT workflow.send_batch('mine', array_fill('1'::jsonb, ARRAY[1000])) FROM generate_series(1, 20)) s;

	-- receives and acknowledges until there is nothing, and returns how many
	CREATE FUNCTION count_received(queue text, lot int) RETURNS int LANGUAGE plpgsql AS $$
	DECLARE
		receipts text[];
		total int := 0;
	BEGIN
		LOOP
			SELECT array_agg(receipt) INTO receipts FROM workflow.receive(queue, lot);
			EXIT WHEN receipts IS NULL;
			PERFORM workflow.ack_batch(receipts);
			total := total + cardinality(receipts);
		END LOOP;
		RETURN total;
	END $$;
});
is(sql(q{SELECT count_received('mine', 3000)}), '20000', 'the first empty answer comes when all are received');

# What is leased takes memory, but not the place of what waits.
sql(q{
	SELECT count(*) FROM (SELECT workflow.send_batch('mine', array_fill('1'::jsonb, ARRAY[1000])) FROM generate_series(1, 12)) s;

	CREATE PROCEDURE hold(queue text, wanted int) LANGUAGE plpgsql AS $$
	DECLARE
		n int;
	BEGIN
		WHILE wanted > 0 LOOP
			SELECT count(*) INTO n FROM workflow.receive(queue, least(wanted, 500), '1 hour');
			EXIT WHEN n = 0;
			wanted := wanted - n;
			COMMIT;
		END LOOP;
	END $$;
	CALL hold('mine', 5000);
});
is(sql(q{SELECT count_received('mine', 3000)}), '7000', '... also while others hold many');
ok(poll_until($node, 'postgres', q{SELECT queued, running FROM workflow.queues WHERE queue = 'mine'}, '0|5000'), 'the rest is what they hold');

scan_log($node);
$node->stop;
done_testing();
