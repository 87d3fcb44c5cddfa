# Helpers of test/bench/run: the server, timing, and the report.
package Bench;

use strict;
use warnings;

use Exporter 'import';
use File::Basename;
use File::Temp qw(tempdir);
use IO::Handle;
use JSON::PP;
use List::Util qw(max min sum0);
use POSIX qw(ceil);

our @EXPORT = qw(
  $here $work
  admin user psql
  cpu_seconds
  median
  note
  output_of
  percentile
  pgbench
  print_report
  progress
  report
  seconds_of
  seen
  write_file
);

our $here = dirname(__FILE__);
our $work = tempdir('/tmp/wf-bench.XXXXXX', CLEANUP => 1);

my %seen;      # name => [values], one of each round
my @report;    # what goes into the table and the file, in order

# Everything is done as an ordinary role, in a schema of its own.
$ENV{PGOPTIONS} = '-c search_path=bench,public -c client_min_messages=warning';
STDOUT->autoflush(1);

# ---- programs and statements ----

sub progress
{
	print STDERR @_, "\n";
	return;
}

# Runs a program and returns what it printed.
sub output_of
{
	my @command = @_;
	open(my $pipe, '-|', @command) or die "could not run $command[0]: $!\n";
	my $out = do { local $/; <$pipe> } // '';
	close $pipe or die "failed: @command\n$out";
	chomp $out;
	return $out;
}

sub write_file
{
	my ($name, $text) = @_;
	open(my $file, '>', "$work/$name") or die "could not write $name: $!\n";
	print $file $text;
	close $file;
	return "$work/$name";
}

sub psql
{
	my ($role, @args) = @_;
	return output_of('psql', '-XqAt', '-v', 'ON_ERROR_STOP=1',
		'-U', $role, @args);
}

sub admin { return psql('postgres', map { ('-c', $_) } @_) }
sub user  { return psql('bench',    map { ('-c', $_) } @_) }

# How many seconds the role's statements took together, as psql saw it.
sub seconds_of
{
	my ($role, @statements) = @_;
	my $out = psql($role, '-c', '\timing on', '-c', '\o /dev/null',
		map { ('-c', $_) } @statements);
	return sum0($out =~ /^Time: ([0-9.]+) ms/mg) / 1000;
}

# Transactions per second of a script; more options of pgbench may follow.
sub pgbench
{
	my ($file, $clients, $seconds, @more) = @_;
	my $out = output_of(
		'sh',  '-c', 'exec "$@" 2>&1', 'sh', 'pgbench', '-n',
		'-U',  'bench', '-M', 'prepared',
		'-c',  $clients,
		'-j',  min($clients, 2),
		'-T',  $seconds,
		'-f',  $file, @more);
	die "pgbench failed:\n$out\n" if $out =~ /ERROR|aborted/;
	$out =~ /^tps = ([0-9.]+)/m or die "pgbench failed:\n$out\n";
	return $1;
}

# ---- the processes of the server ----

# Seconds of CPU that a process used: itself, and its children that ended.
sub process_seconds
{
	my ($pid) = @_;
	open(my $file, '<', "/proc/$pid/stat") or return 0;
	my $line = <$file> // return 0;
	$line =~ s/^.*\) //;
	my @field = split / /, $line;
	return sum0(@field[ 11 .. 14 ]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# Seconds of CPU of the server: the postmaster and all its children, living or
# not; and of those of them that belong to the extension.
sub cpu_seconds
{
	my $postmaster = output_of('head', '-n', 1, "$ENV{PGDATA}/postmaster.pid");
	my ($all, $ours) = (process_seconds($postmaster), 0);

	open(my $file, '<', "/proc/$postmaster/task/$postmaster/children")
	  or die "could not list the server's processes: $!\n";
	foreach my $pid (split / /, <$file> // '')
	{
		my $seconds = process_seconds($pid);
		$all += $seconds;
		open(my $title, '<', "/proc/$pid/cmdline") or next;
		$ours += $seconds if (<$title> // '') =~ /^postgres: workflow/;
	}
	return ($all, $ours);
}

# ---- numbers ----

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	return undef unless @sorted;
	return ($sorted[ $#sorted / 2 ] + $sorted[ @sorted / 2 ]) / 2;
}

sub percentile
{
	my ($part, @values) = @_;
	my @sorted = sort { $a <=> $b } @values;
	return $sorted[ max(0, ceil($part * @sorted) - 1) ];
}

# A value of this round.
sub note
{
	my ($name, $value) = @_;
	push @{ $seen{$name} }, $value;
	progress(sprintf('    %-44s %12.5g', $name, $value));
	return;
}

# The median of all rounds, or undef where nothing was measured.
sub seen
{
	my ($name) = @_;
	return scalar median(@{ $seen{$name} // [] });
}

# ---- the report ----

# A line of the report.  Nothing is reported of what was not measured.
sub report
{
	my ($name, $unit, $value, $reference, $goal) = @_;
	return unless defined $value;
	push @report,
	  {
		name      => $name,
		value     => 0 + sprintf('%.4g', $value),
		unit      => $unit,
		reference => defined $reference ? 0 + sprintf('%.4g', $reference) : undef,
		ratio => $reference ? 0 + sprintf('%.3f', $value / $reference) : undef,
		goal  => $goal,
	  };
	return;
}

sub met
{
	my ($line) = @_;
	return '' unless defined $line->{goal};
	my ($sign, $limit) = $line->{goal} =~ /^(>=|<=|<|=) ([0-9.]+)$/
	  or die "no goal: $line->{goal}\n";
	my $figure = $line->{ratio} // $line->{value};
	my $is_met =
	    $sign eq '>=' ? $figure >= $limit
	  : $sign eq '<=' ? $figure <= $limit
	  : $sign eq '<'  ? $figure < $limit
	  :                 $figure == $limit;
	return $is_met ? 'met' : 'missed';
}

# Thousands apart, and no more digits than say something.
sub shown
{
	my ($number) = @_;
	return '' unless defined $number;
	my $text = abs($number) >= 100 ? sprintf('%.0f', $number) : $number;
	1 while $text =~ s/^(-?[0-9]+)([0-9]{3})/$1,$2/;
	return $text;
}

sub print_report
{
	my ($output) = @_;
	my $format = "%-46s %10s %-7s %10s %7s  %-8s %s\n";

	printf $format, qw(measured value unit reference ratio goal), '';
	foreach my $line (@report)
	{
		printf $format, $line->{name}, shown($line->{value}), $line->{unit},
		  shown($line->{reference}), $line->{ratio} // '', $line->{goal} // '',
		  met($line);
	}

	open(my $file, '>', $output) or die "could not write $output: $!\n";
	print $file JSON::PP->new->pretty->canonical->encode(\@report);
	close $file;
	return;
}

1;
