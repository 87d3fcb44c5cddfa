# Calls of the extension's functions, and the places that they are made in.
#
# Every function and procedure of schemas workflow and _workflow is called, as
# read from the catalog.  A unit is what one number stands for: some calls in a
# place, such as a transaction with savepoints, the body of a run, a step, or a
# trial; make_unit() gives the role and the statements.
package FuzzCalls;

use strict;
use warnings;

use Exporter 'import';
use JSON::PP;
use FuzzValues;

our @EXPORT = qw(read_catalog make_unit);

# Calls that are known to do harm, by what they do.  What stands here is left
# out, so each entry is a defect, and nothing stays here for long.

# PostgreSQL itself fails an assertion where a subtransaction is rolled back by
# what a cursor WITH HOLD runs in COMMIT, also in PL/pgSQL.
my %excluded_in_commit = (try_workflow => 'rolls back a subtransaction');

# Functions that bodies are made of; outside of them they only raise 55000.
my %in_bodies = map { $_ => 1 } qw(step step_text sleep sleep_until
  wait_for_signal wait_for_signals task start_task child start_child start_step
  await await_all await_any map map_task map_child compensate compensate_task
  patched set_progress continue_as_new fail now random uuid run_id attempt
  idempotency_key);

# Those that wait are called rarely, or the clock is all that would be tested.
# Those that hold everybody else up are, too.
my %weights = (
	wait_for_run      => 0.1,
	wait_for_messages => 0.1,
	wait_until_idle   => 0.05,
	stop              => 0.2,
	start             => 0.2,
	grant_usage       => 0.2,
	revoke_usage      => 0.1,
	send              => 4,
	receive           => 3,
	enqueue_workflow  => 3,
	ack               => 2);

my (@functions, @views);
my $depth = 0;
my $in_trial = 0;

# The functions' names, kinds and arguments, and the views' names.
sub read_catalog
{
	my ($session) = @_;
	my $answer = $session->query(
		q{
SELECT json_build_object('schema', n.nspname, 'name', p.proname, 'kind', p.prokind,
       'set', p.proretset, 'variadic', p.provariadic <> 0,
       'defaults', p.pronargdefaults,
       'types', ARRAY(SELECT format_type(t, NULL)
                        FROM unnest(p.proargtypes) WITH ORDINALITY a (t, i) ORDER BY i),
       'names', ARRAY(SELECT a.name
                        FROM unnest(p.proargnames,
                                    coalesce(p.proargmodes, array_fill('i'::"char",
                                             ARRAY[p.pronargs::int])))
                             WITH ORDINALITY a (name, mode, i)
                       WHERE mode IN ('i', 'b', 'v') ORDER BY i))
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname IN ('workflow', '_workflow')
 ORDER BY p.oid::regprocedure::text}, 60);
	@functions = map { decode_json($_->[0]) } @{ $answer->{rows} };
	die "no functions\n" unless @functions > 50;

	$answer = $session->query(
		q{
SELECT oid::regclass FROM pg_class
 WHERE relnamespace = 'workflow'::regnamespace AND relkind = 'v' ORDER BY 1::text}, 60);
	@views = map { $_->[0] } @{ $answer->{rows} };
	return scalar @functions;
}

# ---- calls ----

sub pick_function
{
	my ($bodies) = @_;
	while (1)
	{
		my $function = one_of(@functions);
		my $weight = $weights{ $function->{name} } // 1;

		$weight *= 0.1 if $bodies xor $in_bodies{ $function->{name} };
		next unless chance($weight / 4);
		return $function;
	}
}

# An argument of which only this side knows what it is good for.
sub argument
{
	my ($function, $type, $name) = @_;

	return quote(make_command()) . ($type eq 'text' ? '' : "::$type")
	  if $name eq 'command' && chance(0.8);
	return quote(make_input()) . '::jsonb' if $name eq 'input' && chance(0.4);
	return value_for($type, $name, $function->{name});
}

# Arguments after the command: a policy, and those of any type.
sub variadic_arguments
{
	return 'VARIADIC ' . rough_value(one_of('text[]', 'integer[]', 'jsonb[]'))
	  if chance(0.2);
	my @types = ('integer', 'text', 'jsonb', 'uuid', 'interval', 'text[]',
		'workflow.policy', 'double precision', 'bigint', 'boolean');
	my @list = map { chance(0.1) ? 'NULL' : rough_value(one_of(@types)) }
	  1 .. (chance(0.02) ? 90 : 1 + int(rand(3)));
	unshift @list, value_for('workflow.policy', 'policy', '') if chance(0.3);
	return @list;
}

# make_arguments(function, by position): text between the parentheses
sub make_arguments
{
	my ($function, $by_position) = @_;
	my @types = @{ $function->{types} };
	my @names = @{ $function->{names} };
	my $variadic = $function->{variadic};
	my $required = @types - $function->{defaults} - ($variadic ? 1 : 0);
	my $given = chance(0.5) ? 0.1 : 0.6;
	my @arguments;

	$by_position ||= $variadic;
	foreach my $i (0 .. $#types - ($variadic ? 1 : 0))
	{
		my $text = argument($function, $types[$i], $names[$i] // '');
		if ($i >= $required && !chance($given))
		{
			last if $by_position;
			next;
		}
		push @arguments, ($by_position ? '' : "\"$names[$i]\" => ") . $text;
	}
	push @arguments, variadic_arguments() if $variadic;
	return join(', ', @arguments);
}

# A call as a statement; of_query: as one that gives rows and is no CALL.
sub make_call
{
	my ($function, $of_query) = @_;
	my $r = rand();
	my $trial = $function->{name} eq 'try_workflow';

	$in_trial += $trial;
	my $text = "$function->{schema}.$function->{name}("
	  . make_arguments($function, $r < 0.1) . ')';
	$in_trial -= $trial;

	return $of_query ? 'SELECT 1' : "CALL $text" if $function->{kind} eq 'p';
	return "SELECT * FROM $text" if $r < 0.4 || $function->{set} && $r < 0.7;
	return "SELECT $text LIMIT 1" if $r < 0.5;
	return "SELECT $text FROM generate_series(1, 3)" if $r < 0.55;
	return "SELECT 1 WHERE $text IS NULL" if $r < 0.6 && !$function->{set};
	return "SELECT count(*) FROM (SELECT $text) x" if $r < 0.65;
	return "SELECT $text";
}

# What stands inside of others gets ever smaller.
sub any_call
{
	my ($bodies) = @_;
	$depth++;
	my $text = make_call(pick_function($bodies));
	$depth--;
	return $text;
}

sub make_command
{
	return plain_command() if $depth > 2 || chance(0.6);
	return any_call(chance(0.3));
}

# Input of the bodies that do what they are told.
sub make_input
{
	return '{}' if $depth > 2;
	my @calls = map { any_call(1) } 1 .. 1 + int(rand(4));
	return JSON::PP->new->canonical->encode(
		{ calls => \@calls, catch => chance(0.5) ? JSON::PP::true : JSON::PP::false });
}

# ---- places ----

sub in_session { return (any_call(0)); }

sub in_transaction
{
	my @calls = map { any_call(0) } 1 .. 1 + int(rand(4));
	return ('BEGIN', @calls, one_of('COMMIT', 'COMMIT', 'ROLLBACK'));
}

sub in_savepoints
{
	my @statements = ('BEGIN', any_call(0));
	foreach my $name ('a', 'b')
	{
		push @statements, "SAVEPOINT $name", any_call(0);
		push @statements, one_of("ROLLBACK TO $name", "RELEASE $name",
			"ROLLBACK TO $name; RELEASE $name")
		  if chance(0.8);
		push @statements, any_call(0) if chance(0.3);
	}
	return (@statements, one_of('COMMIT', 'ROLLBACK'));
}

sub in_aborted
{
	return ('BEGIN', any_call(0), 'SELECT 1/0', any_call(0), any_call(0), 'COMMIT');
}

sub in_mode
{
	my $mode = one_of('READ ONLY', 'ISOLATION LEVEL REPEATABLE READ',
		'ISOLATION LEVEL SERIALIZABLE',
		'ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE',
		'ISOLATION LEVEL REPEATABLE READ READ ONLY');
	return ("BEGIN $mode", any_call(0), any_call(0), one_of('COMMIT', 'ROLLBACK'));
}

sub in_prepared
{
	my ($number) = @_;
	my $name = "'fuzz-$number'";
	return ('BEGIN', any_call(0), any_call(0), "PREPARE TRANSACTION $name",
		one_of('COMMIT', 'COMMIT', 'ROLLBACK') . " PREPARED $name");
}

sub in_exception
{
	my ($first, $second) = (any_call(0), any_call(0));
	my $code = 'BEGIN BEGIN EXECUTE ' . quote($first)
	  . '; EXECUTE ' . quote($second)
	  . "; EXCEPTION WHEN OTHERS THEN EXECUTE " . quote(any_call(0)) . '; END; END';
	return ('DO ' . quote($code));
}

sub in_cursor
{
	my $function = pick_function(0);
	my $query = make_call($function, 1);
	return ('BEGIN', "DECLARE c CURSOR FOR $query", 'FETCH c', any_call(0),
		one_of('CLOSE c', 'FETCH ALL c', 'SELECT 1'), one_of('COMMIT', 'ROLLBACK'))
	  if chance(0.7) || $excluded_in_commit{ $function->{name} };
	return ('BEGIN', "DECLARE h CURSOR WITH HOLD FOR $query", 'COMMIT', 'CLOSE h');
}

sub in_function
{
	return ('SELECT fuzz.' . one_of('does', 'does_as_definer', 'does_in_sql') . '('
		  . quote(any_call(chance(0.3))) . ')');
}

sub in_views
{
	my $view = one_of(@views);
	my $in = chance(0.5) ? ', LATERAL (SELECT ' . make_in_view() . ') x' : '';
	return ("SELECT * FROM $view v$in LIMIT 20");
}

# A function of one uuid, of what the view has, or of nothing
sub make_in_view
{
	return one_of('workflow.why(', 'workflow.describe(')
	  . value_for('uuid', 'run_id', '') . ')';
}

sub in_body
{
	my @more;
	push @more, "delay => " . value_for('interval', 'delay', '') if chance(0.2);
	push @more, "queue => " . value_for('text', 'queue', '') if chance(0.3);
	push @more, "group_key => " . value_for('text', 'group_key', '') if chance(0.3);
	my $workflow = quote(known_name('workflow'));
	return ("SELECT workflow.enqueue_workflow("
		  . join(', ', $workflow, quote(make_input()) . '::jsonb', @more) . ')');
}

# A step whose command is a call, with and without other calls around it
sub in_step
{
	my @words = ('step', 'step', 'step_text', 'start_step', 'compensate');
	my @calls =
	  map { "SELECT workflow." . one_of(@words) . '(' . quote(known_name('call')) . ', '
		  . quote(any_call(chance(0.2))) . ')' } 1 .. 1 + int(rand(2));
	push @calls, 'SELECT workflow.map(\'m\', ' . quote(any_call(0)) . ", '[1, 2]')"
	  if chance(0.1);
	my $input = JSON::PP->new->canonical->encode({ calls => \@calls,
			catch => chance(0.5) ? JSON::PP::true : JSON::PP::false });
	return ("SELECT workflow.enqueue_workflow('fuzz body', " . quote($input) . ')');
}

sub in_trial
{
	$in_trial++;
	my @answers = chance(0.5) ? (value_for('jsonb', 'answers', '')) : ();
	my $call = 'SELECT * FROM workflow.try_workflow('
	  . join(', ', quote(one_of('fuzz body', 'fuzz body', known_name('workflow'))),
		quote(make_input()) . '::jsonb', @answers)
	  . ')';
	return ($call) if chance(0.7);
	return ('BEGIN', $call, any_call(0), $call, one_of('COMMIT', 'ROLLBACK'));
}

# place, share
my @places = (
	[ \&in_session,     30 ],
	[ \&in_transaction, 10 ],
	[ \&in_savepoints,  8 ],
	[ \&in_aborted,     2 ],
	[ \&in_mode,        6 ],
	[ \&in_prepared,    4 ],
	[ \&in_exception,   6 ],
	[ \&in_cursor,      3 ],
	[ \&in_function,    4 ],
	[ \&in_views,       2 ],
	[ \&in_body,        12 ],
	[ \&in_step,        5 ],
	[ \&in_trial,       12 ]);
my $all_shares = 0;
$all_shares += $_->[1] foreach @places;

# The statements keep their order; a COMMIT in a transaction that has failed is
# a ROLLBACK, so each unit leaves the session outside of a transaction.  Where
# the calls of a unit are "guarded", each has a savepoint of its own to go back to
# when it fails, so that the next one means something.
sub make_unit
{
	my ($seed, $number) = @_;

	seed_values($seed, $number);
	set_mildness(one_of(1, 0.95, 0.95, 0.9, 0.7, 0.4, 0.1));
	($depth, $in_trial) = (0, 0);

	# trials of what has been enqueued are no different from those in a trial
	my $role = one_of(('fuzz_boss') x 8, ('fuzz_user') x 9, ('fuzz_other') x 2, 'fuzz_none');
	my $share = rand($all_shares);
	foreach my $place (@places)
	{
		$share -= $place->[1];
		next if $share >= 0;
		my @statements = $place->[0]->($number);
		return {
			role       => $role,
			statements => \@statements,
			guarded    => $statements[0] =~ /^BEGIN/
			  && $place->[0] != \&in_aborted
			  && chance(0.7)
		};
	}
	die 'not reached';
}

1;
