# Helpers of the TAP tests: nodes with the extension's settings, polling, and
# the look into the server's log at the end.
package WorkflowTest;

use strict;
use warnings;

use Exporter 'import';
use File::Basename;
use IPC::Run;
use Time::HiRes qw(usleep);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  new_node
  create_extension
  ask
  poll_until
  worker_pid
  wait_for_worker
  kill_worker
  scan_log
);

my $test_dir = dirname(__FILE__) . '/..';

# Everything connects as the same superuser, whoever runs the tests.
$ENV{PGUSER} = 'postgres';

# new_node(name, conf lines..., {options}): a running node.  Options: fsync => 1
# to make it durable, start => 0 to leave it stopped, streaming => 1 to allow
# standbys, init => [initdb options].
sub new_node
{
	my ($name, @conf) = @_;
	my $options = @conf && ref $conf[-1] eq 'HASH' ? pop @conf : {};
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(
		allows_streaming => $options->{streaming} // 0,
		extra            => [
			'--username=postgres', '--encoding=UTF8',
			'--locale=C.UTF-8',    @{ $options->{init} // [] }
		]);
	# Cluster.pm's own settings come first, so these win.
	$node->append_conf('postgresql.conf', slurp_file("$test_dir/workflow.conf"));
	$node->append_conf('postgresql.conf', 'fsync = on') if $options->{fsync};
	$node->append_conf('postgresql.conf', join("\n", @conf)) if @conf;
	$node->start if $options->{start} // 1;
	return $node;
}

# create_extension(node, db = 'postgres'): creates the database too if needed.
sub create_extension
{
	my ($node, $db) = @_;
	$db //= 'postgres';
	my $exists = $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_database WHERE datname = '$db'");
	$node->safe_psql('postgres', "CREATE DATABASE \"$db\"") unless $exists;
	$node->safe_psql($db, 'CREATE EXTENSION workflow');
	return;
}

# ask(node, db, sql): exit status of psql, output, error output.  Unlike the
# node's psql() it never dies, also when the server goes away under it.
sub ask
{
	my ($node, $db, $sql) = @_;
	my ($out, $err) = ('', '');
	my @command = (
		$node->installed_command('psql'),
		'-XAtq', '-d', $node->connstr($db), '-c', $sql);

	IPC::Run::run(\@command, '<', '/dev/null', '>', \$out, '2>', \$err);
	my $rc = $?;
	chomp($out, $err);
	return ($rc, $out, $err);
}

# poll_until(node, db, sql, expected = 't', timeout in seconds): true once the
# query gives what is expected.  Errors count as "not yet", so that it can be
# used while a server restarts; at the time-out the last answer is shown.
sub poll_until
{
	my ($node, $db, $sql, $expected, $timeout) = @_;
	$expected //= 't';
	$timeout  //= $PostgreSQL::Test::Utils::timeout_default;
	my $end = time() + $timeout;
	my ($rc, $out, $err);

	while (1)
	{
		($rc, $out, $err) = ask($node, $db, $sql);
		return 1 if $rc == 0 && $out eq $expected;
		last if time() >= $end;
		usleep(50_000);
	}
	diag("timed out after $timeout s waiting for \"$expected\": $sql\n"
		  . "last answer: \"$out\" $err");
	return 0;
}

# worker_pid(node, type, db): the pid of one "workflow <type>" (launcher,
# scheduler, executor), of that database if given, or '' if there is none.
sub worker_pid
{
	my ($node, $type, $db) = @_;
	my $sql = 'SELECT pid FROM pg_stat_activity'
	  . " WHERE backend_type = 'workflow $type'";
	$sql .= " AND datname = '$db'" if defined $db;
	my ($rc, $out) = ask($node, 'postgres', "$sql ORDER BY pid LIMIT 1");
	return $rc == 0 ? $out : '';
}

# wait_for_worker(node, type, db, not pid): waits for such a worker, another
# than the one with that pid if given, and returns its pid.
sub wait_for_worker
{
	my ($node, $type, $db, $old_pid) = @_;
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;

	while (time() < $end)
	{
		my $pid = worker_pid($node, $type, $db);
		return $pid if $pid ne '' && $pid ne ($old_pid // '');
		usleep(20_000);
	}
	die "no workflow $type came up";
}

# kill_worker(node, type, db, signal = 'KILL'): returns the pid it had.
sub kill_worker
{
	my ($node, $type, $db, $signal) = @_;
	my $pid = wait_for_worker($node, $type, $db);
	kill($signal // 'KILL', $pid) or die "could not signal $pid: $!";
	return $pid;
}

# scan_log(node, allowed => [regular expressions]): one test that fails on
# crashes, failed assertions, internal errors and leaks in the node's log.
# The expressions are POSIX extended ones; see test/scan-log.
sub scan_log
{
	my ($node, %params) = @_;
	my @command =
	  ("$test_dir/scan-log", $node->logfile, @{ $params{allowed} // [] });
	my ($out, $err);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	IPC::Run::run(\@command, '>', \$out, '2>', \$err);
	return is($out . $err, '', 'log of node "' . $node->name . '" is clean');
}

1;
