# Arguments for the fuzzer: SQL expressions by type, and by what the name of an
# argument promises.
#
# How well the arguments of a call are meant is drawn once for the whole call
# (set_mildness): of calls that are wrong in every argument only the first check
# would ever be reached.  All random numbers come from the generator that
# seed_values() has set, and as many of them are drawn whatever the pools hold,
# so that the same seed and number give the same call.
package FuzzValues;

use strict;
use warnings;
use utf8;

use Exporter 'import';

our @EXPORT = qw(
  seed_values
  set_mildness
  set_pools
  chance
  one_of
  quote
  value_for
  rough_value
  known_name
  known_names
  plain_command
);

my $mildness = 1;
my %pools;

sub seed_values
{
	my ($seed, $number) = @_;
	my $mixed = ($seed * 2654435761 + $number * 40503) & 0xffffffff;

	$mixed = (($mixed ^ ($mixed >> 16)) * 2146121005) & 0xffffffff;
	srand($mixed ^ ($mixed >> 15));
	rand() foreach 1 .. 4;
	return;
}

sub set_mildness { ($mildness) = @_; return; }

# set_pools(runs, receipts, messages, handles): lists of what there is now
sub set_pools { %pools = @_; return; }

sub chance { return rand() < $_[0]; }

sub one_of { return $_[ int(rand(@_)) ]; }

sub quote
{
	my ($text) = @_;
	$text =~ s/'/''/g;
	return "'$text'";
}

# One of a pool, or what stands for it when the pool is empty.
sub from_pool
{
	my ($pool, $otherwise) = @_;
	my $position = rand();
	my $list = $pools{$pool} // [];

	return $otherwise unless @$list;
	return quote($list->[ int($position * @$list) ]);
}

# ---- texts ----

my @hostile_texts = (
	'',                         ' ',
	"it's",                     '"quoted"',
	'%s%s%s%n%n',               '%1$n %d %x %m %%',
	'back\\slash\\',            "new\nline\r\ttab",
	"\x01\x7f",                 "\N{U+2603} ünï \N{U+1D518}",
	"a\N{U+0301}\N{U+202E}bc",  "\N{U+FFFF}",
	'$1',                       '$$',
	'; DROP SCHEMA fuzz; --',   'NULL',
	'default',                  'DEFAULT',
	'pg_catalog',               '_workflow',
	'{}',                       '{1,2',
	'[]',                       '0',
	'-1',                       '1e400',
	'00000000-0000-0000-0000-000000000000',
	'not-a-uuid',               'x' x 63,
	'ü' x 32,                   'x' x 200,
	'x' x 201,                  'ü' x 200,
	'x' x 500,                  'x' x 501);

sub rough_text
{
	return 'NULL::text' if chance(0.15);
	return "repeat(" . quote(one_of('x', 'ü', '%s', "'", '\\', '{"')) . ", "
	  . one_of(1000, 8200, 100_000, 1_000_000) . ")"
	  if chance(0.02);
	return quote(one_of(@hostile_texts));
}

my %known_names = (
	queue => [
		(map { "fq$_" } 0 .. 5), 'default', "it's %s%n", '"q" \\', "\N{U+2603}",
		'dropped'
	],
	workflow => [
		'fuzz body', 'fuzz body', 'fuzz body', 'fuzz plain', 'fuzz python',
		'fuzz sql',  'fuzz parked', (map { "fw$_" } 0 .. 3), "it's %s%n",
		'dropped'
	],
	role => [ qw(fuzz_user fuzz_other fuzz_none fuzz_boss), 'fuzz "odd\'s%n' ],
	body => [
		'fuzz.body', 'fuzz.body(jsonb)', 'fuzz.plain', 'fuzz.python', 'fuzz.sql',
		'fuzz.dropped'
	],
	call    => [ 'a', 'b', 'c', "it's %s%n" ],
	group   => [ map { "g$_" } 0 .. 6 ],
	key     => [ map { "k$_" } 0 .. 20 ],
	code    => [ '40001', '22012', '23', 'WF001', '08', '57014', 'XX' ],
	channel => ['fuzz_channel'],
	alert   => [ 'fuzz.alert', 'fuzz.alert(jsonb)' ],
	path    => [ 'fuzz, public', '"$user", pg_catalog', 'nowhere', '' ],
);

sub known_name
{
	my ($kind) = @_;
	return one_of(@{ $known_names{$kind} });
}

sub known_names
{
	my ($kind) = @_;
	return @{ $known_names{$kind} };
}

# What a text argument of this name may be.
my %words = (
	on_failure       => [qw(fail park)],
	dedup_scope      => [qw(kept window unfinished queued)],
	on_duplicate     => [qw(return skip reject replace retry)],
	on_busy          => [qw(wait wait reject skip)],
	on_group_failure => [qw(continue block)],
	on_parent_close  => [qw(cancel abandon)],
	on_error         => [qw(raise collect)],
	privilege        => [qw(send receive)],
);

my %kinds = (
	workflow       => 'workflow',
	queue          => 'queue',
	role           => 'role',
	owner          => 'role',
	owner_name     => 'role',
	run_as         => 'role',
	body           => 'body',
	group_key      => 'group',
	dedup_key      => 'key',
	signal         => 'call',
	notify_channel => 'channel',
	alert          => 'alert',
	search_path    => 'path',
	id             => 'call',
);

sub mild_text
{
	my ($name, $function) = @_;
	return quote(one_of(@{ $words{$name} })) if $words{$name};
	return from_pool('receipts', quote('1.2')) if $name eq 'receipt';
	my $kind = $kinds{$name};
	if ($name eq 'name')
	{
		$kind = $function =~ /_queue$/ ? 'queue'
		  : $function =~ /_workflow$/ ? 'workflow'
		  : 'call';
	}
	return quote(known_name($kind)) if $kind;
	return quote(one_of('some text', 'because', "it's"));
}

# Commands that steps run or refuse, apart from calls of our own functions.
my @commands = (
	'SELECT 1',
	'SELECT $1',
	'SELECT $1::text, $2::text',
	'SELECT $3::int',
	'SELECT NULL',
	'SELECT 1 WHERE false',
	'SELECT 1/0',
	'SELECT generate_series(1, 3)',
	"SELECT repeat('x', 100000)",
	"SELECT 'NaN'::float8, 'infinity'::float8",
	"SELECT '{\"a\": [1, null]}'::jsonb",
	"SELECT '\\x00ff'::bytea, ARRAY[[1,2],[3,4]], ROW(1, 'x', NULL)",
	"SELECT r FROM fuzz.note r LIMIT 1",
	"SELECT workflow.policy()",
	'INSERT INTO fuzz.note VALUES ($1::text) RETURNING a',
	"INSERT INTO fuzz.note VALUES ('x')",
	'UPDATE fuzz.note SET a = a || 1 WHERE false',
	'DELETE FROM fuzz.note',
	'SELECT a FROM fuzz.note LIMIT 1 FOR UPDATE',
	'SELECT fuzz.fails($1::text)',
	"SELECT fuzz.fails('40001')",
	"SELECT fuzz.fails('57014')",
	'not SQL at all',
	'',
	';',
	'-- nothing',
	'SELECT 1; SELECT 2',
	'COMMIT',
	'ROLLBACK',
	'BEGIN',
	'SAVEPOINT s',
	'ROLLBACK TO s',
	"PREPARE TRANSACTION 'inside'",
	'SET ROLE fuzz_none',
	"SET search_path = nowhere",
	'SET LOCAL statement_timeout = 1',
	'RESET ALL',
	'DISCARD ALL',
	'DEALLOCATE ALL',
	'LISTEN fuzz_channel',
	"SELECT pg_notify('fuzz_channel', 'x')",
	'CREATE TEMP TABLE t (a int) ON COMMIT DROP',
	'CREATE TEMP TABLE IF NOT EXISTS t (a int)',
	'DROP TABLE IF EXISTS t',
	'TRUNCATE fuzz.note',
	'DECLARE c CURSOR WITH HOLD FOR SELECT 1',
	'PREPARE p AS SELECT 1',
	'EXPLAIN SELECT 1',
	'COPY (SELECT 1) TO STDOUT',
	'COPY fuzz.note FROM STDIN',
	'VACUUM fuzz.note',
	'SET CONSTRAINTS ALL IMMEDIATE',
	'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE',
	'LOCK TABLE fuzz.note',
	'CREATE TABLE fuzz.made (a int)',
	'DROP TABLE IF EXISTS fuzz.made',
	"DO \$\$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'WF001'; END \$\$",
	'SELECT set_config($1::text, $2::text, true)',
	'VALUES (1, 2), (3, 4)',
	'TABLE workflow.runs LIMIT 1',
	'SELECT count(*) FROM workflow.messages',
	'EXECUTE p',
	'FETCH c',
	'CALL fuzz.nothing()',
	'WITH x AS (INSERT INTO fuzz.note VALUES (\'y\') RETURNING a) SELECT * FROM x');

sub plain_command { return one_of(@commands); }

# ---- jsonb ----

my @documents = (
	'{}',     '[]',      'null',   'true', '0',    '-1e300', '"text"',
	'{"a": 1}', '[1, 2, 3]', '[null, {}, [], "x"]',
	'{"": {"": ""}}', '{"token": "x", "mode": "plain"}',
	'{"gold": 3, "g1": 2}', '{"g1": 0, "g2": 1e9}', '{"g1": "x"}',
	'{"a": {"$error": {"code": "22012", "message": "m"}}}',
	'{"a": [1, {"$error": {"code": 1}}], "b": {"$error": null}}',
	'{"$error": {"code": "00000"}}', '{"calls": null}', '{"calls": [null, 1]}',
	'"%s%n\\u2603\\\\"', '99999999999999999999999999999999999999999');

my @huge_documents = (
	"(repeat('[', 5000) || repeat(']', 5000))::jsonb",
	"(repeat('{\"a\":', 5000) || '1' || repeat('}', 5000))::jsonb",
	"(SELECT jsonb_object_agg('k' || i, i) FROM generate_series(1, 3000) i)",
	"(SELECT jsonb_agg(i) FROM generate_series(1, 2000) i)",
	"to_jsonb(repeat('x', 1000000))",
	"jsonb_build_object(repeat('k', 100000), 1)",
	"('1' || repeat('0', 100000))::jsonb");

sub rough_jsonb
{
	return 'NULL::jsonb' if chance(0.15);
	return one_of(@huge_documents) if chance(0.06);
	return quote(one_of(@documents)) . '::jsonb';
}

sub mild_jsonb
{
	my ($name) = @_;
	return quote(one_of('[1, 2, 3]', '[]', '["a"]', '[{"a": 1}, null]')) . '::jsonb'
	  if $name eq 'items';
	return quote(one_of('{"g1": 3}', '{"g1": 1, "g2": 1000}')) . '::jsonb'
	  if $name eq 'group_weights';
	return quote(one_of('{}', '{"a": 1}', '{"a": [1, 2], "b": 3}')) . '::jsonb';
}

# ---- the other types ----

my @intervals = (
	'0', '-1 second', '1 microsecond', '10 ms', '-1000 years', '178000000 years',
	'-178000000 years', '1 month', '-1 month 40 days', '1200 months', '100 years',
	'36500 days 1 us', '2147483647 days', '-2147483648 days', '2147483647 months',
	'2147483647:59:59', '1 year -365 days', 'infinity');

my @times = (
	'infinity', '-infinity', '0001-01-01 BC', '4713-01-01 BC',
	'294276-12-31 23:59:59.999999', '1970-01-01', '2000-01-01', 'now',
	'tomorrow', '2262-04-12', '9999-12-31');

my %rough = (
	text    => \&rough_text,
	name    => \&rough_text,
	jsonb   => \&rough_jsonb,
	boolean => sub { return one_of('true', 'false', 'NULL::boolean') },
	integer => sub {
		return one_of(-2147483648, 2147483647, -1, 0, 1, 2, 100, 1000, 1001,
			1_000_001, 'NULL::integer');
	},
	bigint => sub {
		return one_of("'-9223372036854775808'", "'9223372036854775807'", -1, 0, 1,
			"'4294967296'", 'NULL')
		  . '::bigint';
	},
	oid => sub {
		return one_of(0, 10, "'4294967295'", 1, "'fuzz_user'::regrole", 'NULL')
		  . '::oid';
	},
	'double precision' => sub {
		return quote(one_of(qw(NaN infinity -infinity 0 -0 -1 1 1e308 -1e308 1e-320 1000 1001)))
		  . '::float8';
	},
	# what one version of PostgreSQL does not know is an error of its own
	interval => sub {
		return chance(0.1) ? 'NULL::interval'
		  : quote(one_of(@intervals)) . '::interval';
	},
	'timestamp with time zone' => sub {
		return chance(0.1) ? 'NULL::timestamptz'
		  : quote(one_of(@times)) . '::timestamptz';
	},
	uuid => sub {
		return quote(one_of('00000000-0000-0000-0000-000000000000',
				'ffffffff-ffff-ffff-ffff-ffffffffffff',
				'018f0000-0000-7000-8000-000000000000', 'not a uuid', ''))
		  . '::uuid'
		  unless chance(0.2);
		return one_of('NULL::uuid', 'gen_random_uuid()');
	},
	'workflow.policy' => \&rough_policy,
);

# A composite made by hand, so that workflow.policy() has checked none of it.
sub rough_policy
{
	return 'NULL::workflow.policy' if chance(0.1);
	return 'ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::workflow.policy'
	  if chance(0.1);
	my @fields = map { chance(0.25) ? 'NULL' : rough_value($_) }
	  qw(integer interval), 'double precision', 'interval', 'double precision',
	  'interval', 'text[]', 'text[]', 'boolean';
	return 'ROW(' . join(', ', @fields) . ')::workflow.policy';
}

sub mild_policy
{
	return one_of(
		'NULL::workflow.policy',
		'workflow.policy()',
		"workflow.policy(max_attempts => 2, initial_delay => '5 ms')",
		"workflow.policy(max_attempts => NULL, initial_delay => '20 ms', timeout => '100 ms')",
		"workflow.policy(at_most_once => true)",
		"workflow.policy(max_attempts => 1, retry_on => '{22}', no_retry_on => '{23}')");
}

my %mild = (
	text    => \&mild_text,
	jsonb   => \&mild_jsonb,
	boolean => sub { return one_of('true', 'false') },
	integer => sub {
		my ($name) = @_;
		return one_of(1, 1, 2, 3) if $name =~ /handle|ordinal/;
		return one_of(1, 2, 3, 10, 100);
	},
	bigint => sub {
		my ($name) = @_;
		return from_pool('messages', 1) . '::bigint' if $name eq 'message_id';
		return one_of(1, 2, 3) . '::bigint';
	},
	'double precision' => sub { return one_of(0, 0.5, 1) },
	interval           => sub {
		return quote(one_of('0', '1 ms', '20 ms', '100 ms', '1 s', '1 day')) . '::interval';
	},
	'timestamp with time zone' => sub {
		return one_of('now()', "now() + interval '50 ms'", "now() - interval '1 day'",
			"now() + interval '1 hour'");
	},
	uuid => sub {
		return from_pool('runs', quote('018f0000-0000-7000-8000-000000000000')) . '::uuid';
	},
	'workflow.policy' => \&mild_policy,
);

# ---- arrays ----

# The elements' literals cannot be relied on to be constants, hence ARRAY[].
sub array_of
{
	my ($type, $element) = @_;
	my $r = rand();
	return "ARRAY[]::$type\[]" if $r < 0.08;
	return 'ARRAY[' . join(', ', map { $element->() } 1 .. 1 + int(rand(4))) . "]::$type\[]";
}

sub rough_array
{
	my ($type) = @_;
	my $element = sub { return rough_value($type) };
	my $r = rand();

	return "NULL::$type\[]" if $r < 0.1;
	return "ARRAY[NULL, NULL]::$type\[]" if $r < 0.2;
	return "ARRAY[[" . $element->() . ", NULL], [" . $element->() . ", NULL]]::$type\[]"
	  if $r < 0.3;
	return "array_fill(" . $element->() . "::$type, ARRAY[3], ARRAY[-5])" if $r < 0.4;
	return "array_fill(NULL::$type, ARRAY[2, 2, 2])" if $r < 0.45;
	return "array_fill(" . $element->() . "::$type, ARRAY[5000])" if $r < 0.48;
	return "('[2147483646:2147483646]={NULL}')::$type\[]" if $r < 0.5;
	return "array_remove(ARRAY[NULL]::$type\[], NULL)" if $r < 0.55;
	return array_of($type, $element);
}

my @properties = qw(queue policy run_timeout on_failure run_as keep_succeeded
  keep_failed search_path description max_running max_active group_max_active
  fair rate_limit rate_period lease keep_acked alert owner nothing);

sub mild_array
{
	my ($type, $name, $function) = @_;
	my %kind_of = (
		retry_on    => 'code',
		no_retry_on => 'code',
		names       => 'call',
		group_keys  => 'group',
		dedup_keys  => 'key');

	return array_of($type, sub { return from_pool('receipts', quote('1.2')) })
	  if $name eq 'receipts';
	return array_of($type, sub { return quote(one_of(@properties)) }) if $name eq 'reset';
	return array_of($type, sub { return quote(known_name($kind_of{$name})) })
	  if $kind_of{$name};
	return array_of($type, sub { return one_of(1, 2, 3) }) if $name eq 'handles';
	return array_of($type, sub { return mild_value($type, $name, $function) });
}

# ---- what a caller asks for ----

sub rough_value
{
	my ($type) = @_;
	return rough_array($1) if $type =~ /^(.*)\[\]$/;
	return $rough{$type}->() if $rough{$type};
	return 'NULL' if $type eq '"any"' || chance(0.3);
	return rough_text() . "::text::$type";
}

sub mild_value
{
	my ($type, $name, $function) = @_;
	return mild_array($1, $name, $function) if $type =~ /^(.*)\[\]$/;
	return ($mild{$type} // sub { return rough_value($type) })->($name, $function);
}

# value_for(type, name of the argument, name of the function)
sub value_for
{
	return chance($mildness) ? mild_value(@_) : rough_value($_[0]);
}

1;
