# The parts of test/bench/run that measure messages.
#
# What they are compared with is done on the same server in the same round, on
# a table with the columns and the primary key of the table of messages: single
# INSERTs, INSERTs of 1,000 rows, and what a hand-made queue does, a DELETE of
# 100 rows found with SKIP LOCKED.
package Messages;

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(max);
use Time::HiRes qw(sleep time);

use Bench;

our @EXPORT = qw(round_messages report_messages);

my $raw;    # the text of an INSERT of rows equal to a message

# ---- preparing ----

# report_messages(): after all rounds.
sub report_messages
{
	my $r = seen('raw message');
	report('R: inserts of rows equal to a message, 16 clients', 'tx/s', $r);
	report('send, 16 clients', 'tx/s', seen('send'), $r, '>= 0.8');
	report('send_batch of 1,000', 'rows/s', seen('send_batch'), seen('raw messages'), '>= 0.4');
	report('receive and ack one by one, 16 clients', 'pairs/s', seen('one by one'), $r, '>= 0.4');
	report('receive(100) and ack_batch, 2 clients', 'rows/s', seen('by hundreds'), seen('delete'), '>= 0.4');
	return;
}

# A queue of the role that measures, and the table to compare with.
sub prepare
{
	admin(
		q{SELECT workflow.create_queue('m', owner => 'bench')},
		q{CREATE TABLE bench.raw_message (LIKE _workflow.message)},
		q{ALTER TABLE bench.raw_message ADD PRIMARY KEY (message_id)},
		q{CREATE SEQUENCE bench.raw_id CACHE 100},
		q{GRANT ALL ON bench.raw_message, bench.raw_id TO bench});
	my $id = user(q{SELECT workflow.send('m', '{"order": 42, "sku": "A1"}')});
	$raw = admin(qq{
SELECT format('INSERT INTO bench.raw_message (%s) SELECT %s',
	string_agg(quote_ident(attname), ', ' ORDER BY attnum),
	string_agg(CASE attname
		WHEN 'message_id' THEN 'nextval(''bench.raw_id'')'
		ELSE format('%L::%s', value, format_type(atttypid, atttypmod))
		END, ', ' ORDER BY attnum))
  FROM _workflow.message AS m, jsonb_each_text(to_jsonb(m)) AS field (name, value)
  JOIN pg_attribute ON attrelid = '_workflow.message'::regclass AND attname = name
 WHERE m.message_id = $id AND value IS NOT NULL AND attnum > 0});
	user(q{SELECT count(*) FROM workflow.receive('m')});
	return;
}

# So many messages that wait, and as many rows.
sub fill
{
	my ($count) = @_;
	my $batch = 1000;
	for (my $n = 0; $n < $count; $n += $batch)
	{
		user(qq{SELECT count(*) FROM workflow.send_batch('m',
			array_fill('{"order": 42, "sku": "A1"}'::jsonb, ARRAY[$batch]))});
	}
	return;
}

# ---- parts ----

my $one_by_one = q{SELECT receipt FROM workflow.receive('m') \gset
SELECT workflow.ack(:receipt);
};
my $by_hundreds = q{SELECT array_agg(receipt) AS receipts FROM workflow.receive('m', 100) \gset
SELECT workflow.ack_batch(:receipts);
};
my $delete = q{DELETE FROM bench.raw_message WHERE message_id = ANY (ARRAY(
	SELECT message_id FROM bench.raw_message ORDER BY message_id
	   FOR UPDATE SKIP LOCKED LIMIT 100))
RETURNING message_id, payload;
};

# round_messages(seconds of a run, factor of all numbers)
sub round_messages
{
	my ($seconds, $scale) = @_;
	my $backlog = max(2000, int(40_000 * $seconds * $scale));

	prepare();
	note('raw message', pgbench(write_file('raw_message.sql', "$raw;\n"), 16, $seconds));
	note('send', pgbench(write_file('send.sql',
			q{SELECT workflow.send('m', '{"order": 42, "sku": "A1"}');}), 16, $seconds));
	note('raw messages', 1000 * pgbench(write_file('raw_messages.sql',
			"$raw FROM generate_series(1, 1000);\n"), 1, $seconds));
	note('send_batch', 1000 * pgbench(write_file('send_batch.sql',
			q{SELECT count(*) FROM workflow.send_batch('m',
				array_fill('{"order": 42, "sku": "A1"}'::jsonb, ARRAY[1000]));}), 1, $seconds));
	note('raw message', pgbench("$work/raw_message.sql", 16, $seconds));

	fill($backlog);
	note('one by one', pgbench(write_file('one_by_one.sql', $one_by_one), 16, $seconds));
	note('by hundreds', 100 * pgbench(write_file('by_hundreds.sql', $by_hundreds), 2, $seconds));
	user("$raw FROM generate_series(1, 10 * $backlog)");
	note('delete', 100 * pgbench(write_file('delete.sql', $delete), 2, $seconds));
	return;
}

1;
