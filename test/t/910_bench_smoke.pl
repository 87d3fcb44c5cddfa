# The benchmark runs from end to end and writes a complete report.  It is far
# too short for its numbers to mean anything, and nothing is said of them.
use strict;
use warnings;

use File::Basename;
use lib dirname(__FILE__) . '/../perl';
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $test_dir = dirname(__FILE__) . '/..';
my $node = new_node('bench');
my $output = PostgreSQL::Test::Utils::tempdir() . '/bench.json';
my ($out, $err);

$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGDATA} = $node->data_dir;
$ENV{WF_LOG} = $node->logfile;
$ENV{BENCH_SCALE} = '0.001';
$ENV{BENCH_OUTPUT} = $output;

ok( IPC::Run::run([ "$test_dir/bench/run" ], '>', \$out, '2>', \$err),
	'benchmark runs')
  or diag($err);
$node->_update_pid(1);

my $report = eval { decode_json(slurp_file($output)) } // [];
is(ref $report, 'ARRAY', 'report is an array');
is(scalar @$report, 55, 'report is complete');
foreach my $line (@$report)
{
	is_deeply(
		[ sort keys %$line ],
		[qw(goal name ratio reference unit value)],
		"$line->{name}: all fields");
	like($line->{value}, qr{^-?[0-9.]+(e[-+]?[0-9]+)?$}, "$line->{name}: a number");
	like($line->{goal} // '= 0', qr/^(>=|<=|<|=) [0-9.]+$/, "$line->{name}: goal");
	like($out, qr/^\Q$line->{name}\E /m, "$line->{name}: in the table");
}
cmp_ok(scalar(grep { defined $_->{goal} } @$report), '>=', 20, 'goals are set');

$node->stop;
scan_log($node);
done_testing();
