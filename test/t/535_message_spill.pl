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

scan_log($node);
$node->stop;
done_testing();
