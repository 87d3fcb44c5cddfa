# The demo: it ends well with few orders, and at once where something is wrong.
use strict;
use warnings;

use File::Copy;
use FindBin;
use lib "$FindBin::RealBin/../perl";
use WorkflowTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $demo = "$FindBin::RealBin/../demo";
my $node;

# run_demo(folder): exit status, all that it printed, seconds.
sub run_demo
{
	my ($folder) = @_;
	my ($out, $began) = ('', time());

	local $ENV{PGHOST}      = $node->host;
	local $ENV{PGPORT}      = $node->port;
	local $ENV{PGDATABASE}  = 'workflow';
	local $ENV{PGDATA}      = $node->data_dir;
	local $ENV{WF_LOG}      = $node->logfile;
	local $ENV{DEMO_ORDERS} = 40;
	# a pager would be started where a terminal is, and would leave this
	local $ENV{PSQL_PAGER} = 'touch ' . $node->basedir . '/paged; cat >';
	IPC::Run::run([ 'bash', "$folder/run" ], '<', '/dev/null', '>&', \$out);
	return ($? >> 8, $out, time() - $began);
}

$node = new_node('demo', 'restart_after_crash = on');
create_extension($node, 'workflow');
my ($rc, $out, $took) = run_demo($demo);
is($rc, 0, 'the demo ends well') or diag($out);
like($out, qr/Every order was fulfilled exactly once/, 'and says so');
like($out, qr/kill -9 \d+, the server itself/, 'having killed the server');
$node->stop('immediate');

# An order that fails is no line that broke: nobody tries it for ever.
my $broken = PostgreSQL::Test::Utils::tempdir;
copy($_, $broken) or die "could not copy $_: $!" foreach glob("$demo/*");
append_to_file("$broken/order.sql", "SELECT 1 / 0;\n");
$node = new_node('broken');
create_extension($node, 'workflow');
($rc, $out, $took) = run_demo($broken);
isnt($rc, 0, 'an error ends the demo');
like($out, qr/division by zero/, 'and is shown');
unlike($out, qr/nothing has happened/, 'long before patience ends');
$node->stop('immediate');

done_testing();
