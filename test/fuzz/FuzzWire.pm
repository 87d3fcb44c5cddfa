# A connection to PostgreSQL that needs no driver: the simple query protocol
# over a Unix socket.  It shows what psql hides or turns into text: the SQLSTATE
# of each error and warning, and whether the connection was lost.
package FuzzWire;

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;

# open_session(class, user, {setting => value}): connects, or dies.
sub open_session
{
	my ($class, $user, $settings) = @_;
	my $path = "$ENV{PGHOST}/.s.PGSQL.$ENV{PGPORT}";
	my $socket = IO::Socket::UNIX->new(Peer => $path)
	  or die "could not connect to $path: $!\n";
	my $options = join ' ', map { "-c $_=$settings->{$_}" } sort keys %$settings;
	my $self = bless {
		user     => $user,
		socket   => $socket,
		select   => IO::Select->new($socket),
		received => '',
		status   => 'I'
	}, $class;
	my $startup = pack('N', 196608)
	  . join("\0", 'user', $user, 'database', $ENV{PGDATABASE}, 'options',
		$options, '', '');

	$self->send_bytes(pack('N', 4 + length $startup) . $startup);
	my $answer = $self->read_answer(60);
	die "could not connect as $user: "
	  . ($answer->{errors}[0]{message} // 'connection lost') . "\n"
	  if $answer->{lost} || @{ $answer->{errors} };
	return $self;
}

sub send_bytes
{
	my ($self, $bytes) = @_;
	local $SIG{PIPE} = 'IGNORE';
	my $done = 0;
	while ($done < length $bytes)
	{
		my $n = syswrite($self->{socket}, $bytes, length($bytes) - $done, $done);
		return 0 unless $n;
		$done += $n;
	}
	return 1;
}

# query(sql, seconds): the answer, a hash
#	errors, warnings	[{code, severity, message}]
#	rows				up to 1000 rows, each a list of texts
#	lost				the connection is gone
#	late				no answer came in time
sub query
{
	my ($self, $sql, $seconds) = @_;
	utf8::encode($sql) if utf8::is_utf8($sql);
	return { lost => 1, errors => [], warnings => [], rows => [] }
	  unless $self->send_bytes('Q' . pack('N', 5 + length $sql) . $sql . "\0");
	return $self->read_answer($seconds);
}

# The next message: kind and body, or nothing when there is none to come.
sub read_message
{
	my ($self, $answer, $end) = @_;
	while (1)
	{
		if (length $self->{received} >= 5)
		{
			my ($kind, $length) = unpack('a N', $self->{received});
			if (length $self->{received} > $length)
			{
				my $body = substr($self->{received}, 5, $length - 4);
				substr($self->{received}, 0, $length + 1) = '';
				return ($kind, $body);
			}
		}
		if (!$self->{select}->can_read($end - time()))
		{
			next if $!{EINTR} && time() < $end;
			$answer->{late} = 1;
			return;
		}
		my $n = sysread($self->{socket}, $self->{received}, 262144,
			length $self->{received});
		next if !defined $n && $!{EINTR};
		$answer->{lost} = 1, return unless $n;
	}
}

sub read_answer
{
	my ($self, $seconds) = @_;
	my %answer = (errors => [], warnings => [], rows => []);
	my $end = time() + $seconds;

	while (my ($kind, $body) = $self->read_message(\%answer, $end))
	{
		if ($kind eq 'Z')
		{
			$self->{status} = $body;
			last;
		}
		push @{ $answer{errors} },   read_report($body) if $kind eq 'E';
		push @{ $answer{warnings} }, read_report($body) if $kind eq 'N';
		push @{ $answer{rows} },     read_row($body)
		  if $kind eq 'D' && @{ $answer{rows} } < 1000;
		$self->{pid} = unpack('N', $body) if $kind eq 'K';

		# nothing is ever copied in
		$self->send_bytes('f' . pack('N', 5) . "\0") if $kind eq 'G';
	}
	return \%answer;
}

sub read_report
{
	my ($body) = @_;
	my %fields = map { substr($_, 0, 1) => substr($_, 1) }
	  grep { length } split /\0/, $body;
	return {
		severity => $fields{V} // '',
		code     => $fields{C} // '',
		message  => $fields{M} // ''
	};
}

sub read_row
{
	my ($body) = @_;
	my $count = unpack('n', $body);
	my $offset = 2;
	my @row;

	foreach (1 .. $count)
	{
		my $length = unpack('N', substr($body, $offset, 4));
		$offset += 4;
		if ($length == 0xffffffff)
		{
			push @row, undef;
			next;
		}
		push @row, substr($body, $offset, $length);
		$offset += $length;
	}
	return \@row;
}

1;
