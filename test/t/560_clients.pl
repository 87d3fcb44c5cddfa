# The workers of docs/clients/ do what its README says, each of them connected to
# the server and through PgBouncer in transaction mode: every kind of message,
# leases longer than asked for at first, a server that is killed and started
# under them, and an orderly end, busy and idle.
#
# The effect of a message is a line that its worker prints: "sent", message id,
# address, attempt.
use strict;
use warnings;

use File::Basename;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(time usleep);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;
use CrashLoop;

my $clients = dirname(__FILE__) . '/../../docs/clients';
my $db = 'clients';
my $lease = 2;
my $dir = PostgreSQL::Test::Utils::tempdir;

# language => command, and exit status after SIGTERM
my %languages = (
	bash => [ [ 'bash', "$clients/worker.sh" ], 0 ],
	python => [ [ '/usr/bin/python3', "$clients/worker.py" ], 0 ],
	node => [ [ 'node', "$clients/worker.js" ], 0 ],
	java => [ [ 'java', "$clients/Worker.java" ], 128 + POSIX::SIGTERM ]);

$ENV{NODE_PATH} = '/usr/share/nodejs:/usr/local/share/nodejs';
$ENV{CLASSPATH} = '/usr/share/java/postgresql.jar';
# the compiler in it needs little, and there are two of it
$ENV{JDK_JAVA_OPTIONS} = '-Xmx128m -XX:TieredStopAtLevel=1';

# ---- what has to be there ----

my %needed = (
	'pgbouncer' => '/usr/sbin/pgbouncer --version',
	'python3-psycopg' => "/usr/bin/python3 -c 'import psycopg'",
	'nodejs node-pg' => q{node -e 'require("pg")'},
	'default-jdk-headless' => 'java --list-modules | grep jdk.compiler',
	'libpostgresql-jdbc-java' => "test -e $ENV{CLASSPATH}");
my @missing = grep { system("$needed{$_} >/dev/null 2>&1") != 0 } sort keys %needed;
die "missing packages, install them as root: @missing\n" if @missing;

# ---- PgBouncer ----

my $bouncer;

sub start_bouncer
{
	my ($node) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();

	append_to_file("$dir/users", qq("postman" ""\n));
	append_to_file(
		"$dir/pgbouncer.ini", qq(
[databases]
* = host=127.0.0.1 port=@{[ $node->port ]}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
default_pool_size = 20
server_login_retry = 1
ignore_startup_parameters = extra_float_digits
logfile = $dir/pgbouncer.log
));
	$bouncer = start_process("$dir/pgbouncer.out", {},
		'/usr/sbin/pgbouncer', '-q', "$dir/pgbouncer.ini");
	return $port;
}

# ---- workers ----

# A process whose output is appended to a file, with variables in its environment.
sub start_process
{
	my ($file, $variables, @command) = @_;
	my $pid = fork() // die "fork: $!";

	return $pid if $pid != 0;
	open(STDIN, '<', '/dev/null') or POSIX::_exit(1);
	open(STDOUT, '>>', $file) or POSIX::_exit(1);
	open(STDERR, '>>', "$file.errors") or POSIX::_exit(1);
	$ENV{$_} = $variables->{$_} foreach keys %$variables;
	exec(@command) or POSIX::_exit(1);
}

sub start_worker
{
	my ($worker) = @_;
	my $port = $worker->{port};

	$worker->{pid} = start_process(
		"$dir/$worker->{queue}",
		{
			QUEUE => $worker->{queue},
			LEASE => $lease,
			PGHOST => '127.0.0.1',
			PGPORT => $port,
			PGUSER => 'postman',
			PGDATABASE => $db,
			JDBC_URL => "jdbc:postgresql://127.0.0.1:$port/$db?user=postman&prepareThreshold=0"
		},
		@{ $languages{ $worker->{language} }[0] });
	return;
}

# Seconds until the process has ended, and its exit status; undef if it does not.
sub wait_for_end
{
	my ($pid, $timeout) = @_;
	my $begin = time();
	while (time() < $begin + $timeout)
	{
		return (time() - $begin, $? >> 8) if waitpid($pid, WNOHANG) == $pid;
		usleep(20_000);
	}
	return;
}

# Stops all; true if each ended in time and with its status.
sub stop_workers
{
	my ($name, $timeout, @workers) = @_;
	my @wrong;

	kill 'TERM', map { $_->{pid} } @workers;
	foreach my $worker (@workers)
	{
		my ($took, $status) = wait_for_end($worker->{pid}, $timeout);
		my $expected = $languages{ $worker->{language} }[1];
		push @wrong, "$worker->{queue} " . ($status // 'does not end')
		  unless defined $status && $status == $expected;
	}
	return is("@wrong", '', $name) || show_errors(@workers);
}

sub show_errors
{
	foreach my $worker (@_)
	{
		diag("$worker->{queue}:\n" . slurp_file("$dir/$worker->{queue}.errors"));
	}
	return;
}

# message id => [attempts that had an effect]
sub effects
{
	my %effects;
	foreach my $worker (@_)
	{
		my $file = "$dir/$worker->{queue}";
		foreach my $line (split /\n/, -e $file ? slurp_file($file) : '')
		{
			my ($sent, $id, $to, $attempt) = split / /, $line;
			push @{ $effects{$id} }, $attempt if $sent eq 'sent';
		}
	}
	return \%effects;
}

# Short enough to be read at once.
foreach my $language (sort keys %languages)
{
	my $file = $languages{$language}[0][-1];
	my $lines = () = slurp_file($file) =~ /\n/g;
	cmp_ok($lines, '<=', 60, basename($file) . ' has 60 lines or less');
}

# ---- messages ----

my $node = new_node('clients', "listen_addresses = '127.0.0.1'", 'max_connections = 60');
create_extension($node, $db);

my %ports = (direct => $node->port, pooled => start_bouncer($node));
my @workers;
foreach my $language (sort keys %languages)
{
	push @workers,
	  map { +{ language => $language, queue => "$language-$_", port => $ports{$_} } }
	  sort keys %ports;
}

# send_all([payloads]): all of them to each queue, in order.
sub send_all
{
	my $values = join ', ', map { "'$_'" } @_;
	return $node->safe_psql($db, join '', map
		{ "SELECT workflow.send_batch('$_->{queue}', ARRAY[$values]::jsonb[]);" } @workers);
}

# Waits until a query on messages gives what is expected.
sub wait_for_messages
{
	my ($what, $sql, $expected) = @_;
	return ok(poll_until($node, $db, $sql, $expected, 90), $what)
	  || show_errors(@workers);
}

sub wait_until_done
{
	return wait_for_messages($_[0],
		"SELECT count(*) FROM workflow.messages WHERE state IN ('queued', 'leased')", '0');
}

sub acked
{
	return split /\n/, $node->safe_psql($db,
		"SELECT message_id FROM workflow.messages WHERE state = 'acked' ORDER BY 1");
}

# How messages of one address ended, in all queues: distinct lines, and how many.
sub ends_of
{
	my ($to, $columns) = @_;
	return $node->safe_psql($db,
		"SELECT count(*), $columns FROM workflow.messages WHERE payload->>'to' = '$to'"
		  . " GROUP BY $columns ORDER BY $columns");
}

# The workers have no rights but what it takes.
$node->safe_psql($db, "CREATE ROLE postman LOGIN; SELECT workflow.grant_usage('postman');");
$node->safe_psql($db,
	"SELECT workflow.create_queue('$_->{queue}', keep_acked => '1 day',"
	  . " policy => workflow.policy(initial_delay => '200 ms', jitter => 0));"
	  . " SELECT workflow.grant_queue('$_->{queue}', 'postman', 'receive');")
  foreach @workers;
my $many = @workers;

# 1. Every kind of message.
send_all('{"to": "ann@here"}', '{"to": "busy@here"}', '{"to": "nowhere"}',
	qq({"to": "slow\@here", "seconds": @{[ 2.5 * $lease ]}}));
start_worker($_) foreach @workers;
wait_until_done('every message came to its end');
is(ends_of('ann@here', 'state, attempt'), "$many|acked|1", 'work was acknowledged');
is(ends_of('busy@here', 'state, attempt'), "$many|acked|2", 'an error that heals was retried');
is(ends_of('slow@here', 'state, attempt'), "$many|acked|1", 'a lease was extended while busy');
is(ends_of('ann@here', "result->>'delivered'"), "$many|ann\@here", 'results were kept');
is( $node->safe_psql($db, q{
SELECT count(*), count(DISTINCT queue), reason, error_message, attempts
  FROM workflow.dead_letters GROUP BY 3, 4, 5}),
	"$many|$many|error|no address: nowhere|1",
	'an error that does not heal was a dead letter at once');

# 2. A server that is killed while each of them works, and another one.
send_all(map { qq({"to": "again$_\@here", "seconds": 1}) } 1 .. 3);
wait_for_messages('all of them are at work',
	"SELECT count(DISTINCT queue) FROM workflow.messages WHERE state = 'leased'", $many);
my @acked_before = acked();
my $before = effects(@workers);
kill_postmaster($node);
send_all('{"to": "later@here"}');
wait_until_done('all of it was done after a crash of the server');
$node->restart;
send_all('{"to": "latest@here"}');
wait_until_done('and after a restart');

my $after = effects(@workers);
my @acked = acked();
is(scalar @acked, 8 * $many, 'all of it was acknowledged');
is_deeply([ grep { !$after->{$_} } @acked ], [], 'whatever was acknowledged had its effect');
is_deeply([ grep { @{ $after->{$_} } != @{ $before->{$_} // [] } } @acked_before ],
	[], 'what had been acknowledged was not done again');
is_deeply([ grep { kill(0, $_->{pid}) != 1 } @workers ], [], 'the workers lived through it');

# 3. Stopped while busy: it finishes what it holds, and takes no more.
send_all('{"to": "last@here", "seconds": 3}', '{"to": "left@here"}');
wait_for_messages('all of them are at work again',
	"SELECT count(DISTINCT queue) FROM workflow.messages WHERE state = 'leased'", $many);
stop_workers('busy workers end in order', 30, @workers);
is(ends_of('last@here', 'state, attempt'), "$many|acked|1", 'what they held was acknowledged');
is(ends_of('left@here', 'state, attempt'), "$many|queued|0", 'they took nothing more');
is_deeply([ grep { @{ effects(@workers)->{$_} } != @{ $after->{$_} } } @acked ],
	[], 'and did nothing again');

# 4. Stopped while idle: at once, not when the wait is over.
$node->safe_psql($db, "SELECT workflow.purge_queue('$_->{queue}')") foreach @workers;
start_worker($_) foreach @workers;
my $waiting = q{
FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CALL workflow.wait_for_messages%'};
wait_for_messages('all of them wait', "SELECT count(*) $waiting", $many);
is($node->safe_psql($db, "SELECT count(backend_xmin) $waiting"),
	'0', 'no waiting worker holds a snapshot');
stop_workers('idle workers end in order, at once', 10, @workers);

kill 'INT', $bouncer;
ok(defined wait_for_end($bouncer, 10), 'PgBouncer has ended');
$node->stop;
scan_log($node);
done_testing();

END
{
	my $status = $?;
	kill 'KILL', grep { $_ && kill 0, $_ } $bouncer, map { $_->{pid} } @workers;
	$? = $status;
}
