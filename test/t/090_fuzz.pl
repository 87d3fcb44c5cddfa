# Every function, called with anything, from anywhere: no call ends a process,
# and none fails with an internal error.  A build that heeds no NULL in an array
# must be found out, and the unit that is named must do it again by itself.
use strict;
use warnings;

use File::Basename;
use lib dirname(__FILE__) . '/../perl';
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $fuzz = dirname(__FILE__) . '/../fuzz/fuzz';

# exit status and output of the fuzzer
sub fuzz
{
	my ($node, @options) = @_;
	my $out = '';

	local %ENV = %ENV;
	$ENV{PGHOST}     = $node->host;
	$ENV{PGPORT}     = $node->port;
	$ENV{PGDATABASE} = 'postgres';
	$ENV{WF_LOG}     = $node->logfile;
	IPC::Run::run([ $fuzz, @options ], '<', '/dev/null', '>', \$out, '2>&1');
	return ($? >> 8, $out);
}

my $node = new_node('sound');
create_extension($node);
my ($status, $out) = fuzz($node, '--calls', 20_000);
is($status, 0, 'nothing is found in 20,000 units') or diag(substr($out, -20_000));
like($out, qr/^fuzz: --seed \d+ --from 1 --calls 20000$/m, 'the seed is told');
like($out, qr/^answers: 00000 \d{4,} /m, 'many calls succeed');
my ($again) = fuzz($node, '--seed', 1, '--from', 5, '--calls', 3, '--show');
is($again, 0, 'units are shown');
$node->stop;
scan_log($node);

my $broken = new_node('broken', "workflow.test_break = 'heedless-nulls'");
create_extension($broken);
($status, $out) = fuzz($broken, '--seed', 1, '--calls', 20_000);
is($status, 1, 'a defect is found');
like($out, qr/^process \d+: unit \d+$/m, 'and the unit that met it');
my ($number) = $out =~ /^process \d+: unit (\d+)$/m;
poll_until($broken, 'postgres', 'SELECT true');
($status, $out) = fuzz($broken, '--seed', 1, '--only', $number // 1);
is($status, 1, 'that unit by itself meets it again');
like($out, qr/ack_batch/, 'its call is shown');
$broken->stop('immediate');

done_testing();
