# Sessions that fill max_connections are no matter to the engine's processes, nor
# are limits of the database or role.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use Episode;
use WorkflowTest;

my $node = new_node(
	'main',
	'max_connections = 10',
	'workflow.executors = 4');
create_extension($node, 'shop');
create_work($node, 'shop');
$node->safe_psql(
	'shop', q{
	CREATE ROLE bob LOGIN;
	SELECT workflow.grant_usage('bob');
	GRANT ALL ON done TO bob;
});

# ---- max_connections ----

my $watcher = session($node, 'shop');
start_work($node, 'shop', 1, 100, '2 s');
my @sessions = map { session($node, 'shop') } 1 .. 9;
my ($rc, $out, $err) = ask($node, 'shop', 'SELECT 1');
like($err, qr/too many clients/, 'no connection is left');
ok(wait_in_session($watcher, 'SELECT count(*) FROM done', '100'),
	'work goes on all the same');
my $ended = time();
is(in_session($watcher, 'SELECT shortage IS NULL FROM workflow.status'),
	't', 'nothing is short');
$_->{psql}->kill_kill for @sessions, $watcher;
ok(poll_until($node, 'shop', 'SELECT true'), 'and others may connect');
healthy($node, 'shop', 'no connection for clients', $ended);
all_done_once($node, 'shop', 100);

# ---- limits of the database, and of the role ----

my $bob = session($node, 'shop', 'bob');

sub start_of_bob
{
	my ($first, $last) = @_;

	return in_session($bob,
		"SELECT count(workflow.enqueue_workflow('work', to_jsonb(n)))"
		  . " FROM generate_series($first, $last) n");
}

$node->safe_psql('shop',
	'ALTER DATABASE shop CONNECTION LIMIT 0; ALTER ROLE bob CONNECTION LIMIT 0');
start_of_bob(101, 200);
all_done_once($node, 'shop', 200);
$node->safe_psql('shop',
	'ALTER DATABASE shop CONNECTION LIMIT -1; ALTER ROLE bob CONNECTION LIMIT -1');

$bob->{psql}->kill_kill;

scan_log($node);
$node->stop;
done_testing();
