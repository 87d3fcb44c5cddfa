# The part of test/bench/run that measures messages while an old snapshot is
# held: no row version that has gone since can be removed.
#
# What is sent and received is measured, then measured again after a time of
# steady load with the snapshot held all the while.  Each figure stands next to
# inserts into a plain table made at the same time, so that a machine that has
# become slower is not taken for us.
package Messages;

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(max);

use Bench;

our @EXPORT = qw(part_message_snapshot report_message_snapshot);

my $payload = q{'{"order": 42, "sku": "A1"}'};
my %script = (
	'send'       => "SELECT workflow.send('fill', $payload)",
	'send_batch' => "SELECT count(*) FROM workflow.send_batch('fill',"
	  . " array_fill($payload\::jsonb, ARRAY[1000]))",
	'receive and ack one by one' =>
	  q{SELECT receipt AS r FROM workflow.receive('drain') \gset}
	  . "\nSELECT workflow.ack(:r)",
	'receive(100) and ack_batch' =>
	  q{SELECT coalesce(array_agg(receipt), '{}') AS r FROM workflow.receive('drain', 100) \gset}
	  . "\nSELECT workflow.ack_batch(:r)");
my %clients = (
	'send' => 16, 'send_batch' => 2,
	'receive and ack one by one' => 16, 'receive(100) and ack_batch' => 2);

sub report_message_snapshot
{
	foreach my $kind (sort keys %script)
	{
		report("$kind, snapshot held: after to before", '',
			seen("$kind, held"), undef, '>= 0.95');
	}
	return;
}

sub fill
{
	my ($queue, $thousands) = @_;
	user("SELECT count(*) FROM (SELECT workflow.send_batch('$queue',"
		  . " array_fill($payload\::jsonb, ARRAY[1000]))"
		  . " FROM generate_series(1, $thousands)) s");
	return;
}

# Every kind of work, in transactions per one insert made at the same time.  Of
# many turns of a second the median counts, as the machine is not the same in
# each.
sub measure
{
	my ($turns, $insert) = @_;
	my %rates;

	foreach (1 .. $turns)
	{
		my $raw = pgbench($insert, 16, 1);
		foreach my $kind (sort keys %script)
		{
			my $tps = pgbench(write_file('held.sql', "$script{$kind};\n"),
				$clients{$kind}, 1);
			my $next = pgbench($insert, 16, 1);
			push @{ $rates{$kind} }, 2 * $tps / ($raw + $next);
			$raw = $next;
		}
	}
	return map { $_ => median(@{ $rates{$_} }) } keys %rates;
}

# part_message_snapshot(seconds that it is held, of one run, how to hold it)
sub part_message_snapshot
{
	my ($hold, $seconds, $hold_snapshot, $let_go) = @_;
	my $turns = $seconds > 1 ? 2 * $seconds : 1;

	admin(
		"SELECT workflow.create_queue('fill', owner => 'bench')",
		"SELECT workflow.create_queue('drain', owner => 'bench')",
		"SELECT workflow.create_queue('steady', owner => 'bench')");
	my $id = user("SELECT workflow.send('drain', $payload)");
	my $insert = write_file('raw_message.sql',
		psql('postgres', '-v', "message_id=$id", '-f', "$here/message.sql") . ";\n");
	fill('drain', max(5, 240 * $turns));
	my $holder = $hold_snapshot->();
	my %before = measure($turns, $insert);

	# about a thousand a second come and go
	my $steady = write_file('steady.sql',
		"SELECT workflow.send('steady', $payload);\n"
		  . "SELECT count(workflow.ack(receipt)) FROM workflow.receive('steady', 2);\n");
	pgbench($steady, 4, $hold, '-R', 1000);

	fill('drain', max(5, 240 * $turns));
	my %after = measure($turns, $insert);
	$let_go->($holder);
	note("$_, held", $after{$_} / $before{$_}) foreach sort keys %script;
	return;
}

1;
