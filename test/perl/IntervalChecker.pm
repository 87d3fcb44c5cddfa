# Proves limits from a ledger that the steps themselves keep: a file outside of
# the database, to which each attempt appends a line when it begins and one when
# it ends.  What is there survives whatever is killed.
#
#	B|S|E queue group run attempt pid time since
#
# Times are of the monotonic clock, in seconds.  They are taken inside the step,
# so what is recorded of an attempt is never longer than what really was: an
# overlap that is found did happen.  An attempt that was killed has no end; it
# lasted at least until the kill.  Others may begin after it, until the server
# has noticed; of those nothing is known but their beginning.
#
# The body notes (B) when it begins.  That may be long after the run was started,
# where its process had a language to load or had to wait for a processor; so
# `since`, the beginning of its transaction, tells when it was started at the
# earliest.  Starts that are nearer to each other than some period even if the
# first was made then, and the last only when it was noted, really were.
package IntervalChecker;

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(max min);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

our @EXPORT = qw(
  ledger_now
  ledger_setup
  parse_ledger
  attempts_of
  lives_of
  check_overlaps
  check_windows
);

sub ledger_now
{
	return clock_gettime(CLOCK_MONOTONIC);
}

# SQL of function note(kind, queue, group, run, attempt), which appends to the
# file.  One write to a file opened for appending is never mixed with others.
sub ledger_setup
{
	my ($file) = @_;
	return qq{
CREATE EXTENSION IF NOT EXISTS plperlu;
CREATE FUNCTION note(text, text, text, uuid, int) RETURNS void
	LANGUAGE plperlu VOLATILE AS \$perl\$
	use Fcntl;
	use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
	my (\$kind, \$queue, \$group, \$run, \$attempt) = \@_;
	my \$at = clock_gettime(CLOCK_MONOTONIC);
	my \$age = \$kind ne 'B' ? 0
	  : spi_exec_query('SELECT extract(epoch FROM clock_timestamp() - now()) AS age')
	  ->{rows}[0]{age};
	my \$line = sprintf("%s %s %s %s %d %d %.6f %.6f\\n", \$kind, \$queue,
		\$group // '-', \$run, \$attempt, \$\$, \$at, \$at - \$age);
	sysopen(my \$file, '$file', O_WRONLY | O_APPEND | O_CREAT)
	  or die "could not open the ledger: \$!";
	syswrite(\$file, \$line) == length(\$line)
	  or die "could not write to the ledger: \$!";
	return;
\$perl\$;
};
}

# parse_ledger(text): its lines, in the order of their times.
sub parse_ledger
{
	my ($text) = @_;
	my @lines;
	foreach my $line (split /\n/, $text)
	{
		my %line;
		@line{qw(kind queue group run attempt pid at since)} = split / /, $line;
		die "not a line of a ledger: $line\n" unless defined $line{at};
		push @lines, \%line;
	}
	return sort { $a->{at} <=> $b->{at} } @lines;
}

# attempts_of([lines], [kills]): a hash for each attempt, with `from` and `to`,
# and the line that its body noted first in the same process as `begun`; and a
# list of what cannot be.  A kill is [time before it, time when the server
# was there again].
sub attempts_of
{
	my ($lines, $kills) = @_;
	my (%begun, %open, @attempts, @wrong);

	foreach my $line (@$lines)
	{
		my $key = "$line->{run} $line->{pid}";
		if ($line->{kind} eq 'B')
		{
			$begun{$key} //= $line;
		}
		elsif ($line->{kind} eq 'S')
		{
			my %attempt = (%$line, from => $line->{at}, begun => $begun{$key});
			push @attempts, \%attempt;
			$open{$key} = \%attempt;
		}
		elsif (my $attempt = delete $open{$key})
		{
			$attempt->{to} = $line->{at};
		}
		else
		{
			push @wrong, "ledger: run $line->{run} ends and never began";
		}
	}
	foreach my $attempt (grep { !defined $_->{to} } @attempts)
	{
		my ($kill) = grep { $_->[1] > $attempt->{from} } @$kills;
		$attempt->{to} = max($attempt->{from}, $kill ? $kill->[0] : 0);
		push @wrong, "ledger: run $attempt->{run} began and never ended"
		  unless $kill;
	}
	return (\@attempts, \@wrong);
}

# lives_of([attempts]): from the first attempt of a run to the end of its last.
# Where an attempt was killed before anything of its run was on disk, nobody
# knows afterwards that the run had started, so its life begins anew.
sub lives_of
{
	my ($attempts) = @_;
	my (%last, @lives);

	foreach my $attempt (sort { $a->{from} <=> $b->{from} } @$attempts)
	{
		my $life = $last{ $attempt->{run} };
		if ($life && $attempt->{attempt} > 1)
		{
			$life->{to} = max($life->{to}, $attempt->{to});
			next;
		}
		$last{ $attempt->{run} } = {%$attempt};
		push @lives, $last{ $attempt->{run} };
	}
	return \@lives;
}

# The highest limit that may have been in force between two times.  Limits are
# a number, or a list of [time, limit], the first of them from ever; for some
# time after a change the old one may still be.
sub highest_limit
{
	my ($limits, $from, $to) = @_;
	my $grace = 1;
	my $highest;

	return $limits unless ref $limits;
	foreach my $i (0 .. $#$limits)
	{
		my $next = $limits->[ $i + 1 ];
		next if $i > 0 && $limits->[$i][0] > $to;
		next if $next && $next->[0] + $grace < $from;
		$highest = max($highest // 0, $limits->[$i][1]);
	}
	return $highest;
}

# check_overlaps(name, [intervals], limits): what is wrong.  The number rises
# at a beginning only, so that is where to look.
sub check_overlaps
{
	my ($name, $intervals, $limits) = @_;
	my (@running, @wrong);

	foreach my $new (sort { $a->{from} <=> $b->{from} } @$intervals)
	{
		my $limit = highest_limit($limits, $new->{from}, $new->{from});
		@running = ((grep { $_->{to} > $new->{from} } @running), $new);
		push @wrong,
		  sprintf('%s: %d at once, not %d, at %.6f: %s',
			$name, scalar @running, $limit, $new->{from},
			join(', ', map { $_->{run} } @running))
		  if @running > $limit;
	}
	return @wrong;
}

# check_windows(name, [lines], limits, period): what is wrong.  The lines are of
# kind B; see above for what is known of a start.
sub check_windows
{
	my ($name, $lines, $limits, $period) = @_;
	my (@recent, @wrong);

	foreach my $new (sort { $a->{at} <=> $b->{at} } @$lines)
	{
		@recent = ((grep { $new->{at} - $_->{since} < $period } @recent), $new);
		my $from = min(map { $_->{since} } @recent);
		my $limit = highest_limit($limits, $from, $new->{at});
		push @wrong,
		  sprintf('%s: %d starts in %.3f s, not %d, at %.6f',
			$name, scalar @recent, $new->{at} - $from, $limit, $new->{at})
		  if @recent > $limit;
	}
	return @wrong;
}

1;
