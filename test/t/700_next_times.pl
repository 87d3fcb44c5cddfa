# next_times() agrees with another implementation, over the changes of a year in
# zones whose clocks change in unusual ways.
#
# The other one (test/oracle/cron.py) is Python's zoneinfo and knows nothing of
# ours; both read the zone files that the server uses.  CRON_SEED
# makes other cases, CRON_PATTERNS more patterns.
use strict;
use warnings;

use File::Basename;
use lib dirname(__FILE__) . '/../perl';
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $oracle   = dirname(__FILE__) . '/../oracle';
my $seed     = $ENV{CRON_SEED}     // 20_260_308;
my $patterns = $ENV{CRON_PATTERNS} // 200;
my @zones    = qw(America/New_York Europe/Dublin Australia/Lord_Howe
  Africa/Casablanca Antarctica/Troll);
my $node = new_node('main');

note("seed $seed");

# Where the server's zone files are; its own, or the system's.
my ($system) = $node->safe_psql('postgres',
	q{SELECT setting FROM pg_config WHERE name = 'CONFIGURE'}) =~
  /'--with-system-tzdata=([^']+)'/;
my $share = $node->safe_psql('postgres',
	q{SELECT setting FROM pg_config WHERE name = 'SHAREDIR'});
local $ENV{PYTHONTZPATH} = $system // "$share/timezone";

my ($self_test, $ignored);
ok( IPC::Run::run([ 'python3', "$oracle/cron.py", '--self-test' ],
		'>', \$self_test, '2>', \$ignored),
	'both ways of the oracle agree')
  or diag($self_test, $ignored);

my $cases = PostgreSQL::Test::Utils::tempdir() . '/cases';
my $year  = 2026;
ok( IPC::Run::run(
		[ 'python3', "$oracle/cron_cases.py", $seed, $patterns, $year, @zones ],
		'>', $cases, '2>', \$ignored),
	'cases are made')
  or diag($ignored);

# Two weeks of a pattern that is due each minute are more than one call gives.
$node->safe_psql('postgres', qq{
	CREATE EXTENSION workflow;
	CREATE TABLE cases (id int GENERATED ALWAYS AS IDENTITY, pattern text,
		zone text, begins timestamptz, ends timestamptz, on_gap text,
		on_fold text, expected timestamptz[]);
	\\copy cases (pattern, zone, begins, ends, on_gap, on_fold, expected) FROM '$cases'
	CREATE FUNCTION answer(c cases) RETURNS timestamptz[] LANGUAGE sql AS \$\$
		SELECT coalesce(array_agg(t ORDER BY t), '{}')
		  FROM generate_series(c.begins, c.ends - interval '1 s', '5 days') AS part,
		       workflow.next_times(c.pattern, timezone => c.zone,
			       from_time => part - interval '1 s',
			       ends_at => least(part + interval '5 days', c.ends) - interval '1 s',
			       n => 10000, on_gap => c.on_gap, on_fold => c.on_fold) AS t
	\$\$;
	CREATE TABLE wrong AS SELECT c.*, answer(c) AS got
	  FROM cases c WHERE answer(c) IS DISTINCT FROM c.expected});

cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM cases'),
	'>=', $patterns * @zones, 'there are cases');
cmp_ok($node->safe_psql('postgres', 'SELECT count(DISTINCT expected) FROM cases'),
	'>=', $patterns / 2, 'they differ');
is($node->safe_psql('postgres', 'SELECT count(*) FROM wrong'),
	'0', 'none is answered in another way')
  or diag($node->safe_psql('postgres', q{
	SELECT pattern, zone, begins, on_gap, on_fold,
	       ARRAY(SELECT unnest(got) EXCEPT SELECT unnest(expected) LIMIT 3) AS extra,
	       ARRAY(SELECT unnest(expected) EXCEPT SELECT unnest(got) LIMIT 3) AS missing
	  FROM wrong ORDER BY id LIMIT 10}));

# A search that ends in the middle of what is known of a zone goes on right.
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM (
			SELECT t, workflow.next_times('30 2 * * 0', timezone => 'America/New_York',
				from_time => t, n => 1) AS next, lead(t) OVER () AS expected
			  FROM workflow.next_times('30 2 * * 0', timezone => 'America/New_York',
				from_time => '2020-01-01', n => 2000) t) s
		 WHERE next <> expected}),
	'0', 'one call after the other gives what one call gives');

$node->stop;
scan_log($node);
done_testing();
