# try_workflow() in sessions of clients: bodies in other languages, one that
# cannot be left, and the settings under which tests run.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = new_node('try');
create_extension($node, 'postgres');
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION plpython3u;
CREATE TABLE effect (what text);
CREATE FUNCTION in_python(input jsonb) RETURNS jsonb LANGUAGE plpython3u AS $$
import json
plan = plpy.prepare("SELECT workflow.step('write', 'INSERT INTO effect VALUES ($1)', $1) AS n", ["text"])
wait = plpy.prepare("SELECT workflow.wait_for_signal('go', '1 day') AS heard")
n = plpy.execute(plan, [json.loads(input)["what"]])[0]["n"]
heard = plpy.execute(wait)[0]["heard"]
try:
    plpy.execute("SELECT workflow.step('fail', 'SELECT 1/0')")
except plpy.SPIError as e:
    return json.dumps([n, heard, e.sqlstate])
$$;
CREATE FUNCTION stubborn(input jsonb) RETURNS jsonb LANGUAGE plpython3u AS $$
while True:
    try:
        plpy.execute("SELECT workflow.step('never', 'INSERT INTO effect VALUES (''never'')')")
        plpy.execute("SELECT workflow.step('ever', 'SELECT 1')")
        plpy.execute("SELECT workflow.sleep('1 s')")
    except:
        pass
$$;
SELECT workflow.create_workflow('in_python'), workflow.create_workflow('stubborn');
});

my $try = q{SELECT ordinal, kind, result, left(error, 5) FROM workflow.try_workflow('in_python', '{"what": "x"}', '{"go": {"a": 1}}')};
my $expected = join "\n", '1|step|1|', '2|signal|{"a": 1}|', '3|step||22012',
  '|result|["1", "{\"a\": 1}", "22012"]|';
is($node->safe_psql('postgres', $try), $expected, 'a body in PL/Python');
is($node->safe_psql('postgres', "BEGIN ISOLATION LEVEL SERIALIZABLE; $try; COMMIT"),
	$expected, '... also in a transaction that is serializable');
is( $node->safe_psql('postgres', 'SELECT string_agg(what, \',\') FROM effect'),
	'x,x', '... whose effects stay when that commits');
$node->safe_psql('postgres', "BEGIN; SAVEPOINT a; $try; ROLLBACK TO a; COMMIT");
is($node->safe_psql('postgres', 'SELECT count(*) FROM effect'),
	'2', '... and go with it');
is( $node->safe_psql('postgres', qq{
SELECT workflow.stop();
$try;}),
	"\n$expected", 'it works while the database is stopped');
my ($rc, $out, $err) = ask($node, 'postgres', "BEGIN READ ONLY; $try");
is($out, "1|step||25006\n|error||25006", 'in a read-only transaction steps cannot write')
  or diag $err;

# It catches everything: the session has to end, and nothing else does.
($rc, $out, $err) = ask($node, 'postgres', q{SELECT * FROM workflow.try_workflow('stubborn')});
isnt($rc, 0, 'a body that cannot be left ends the session');
like($err, qr/FATAL: +body keeps catching the error that ends its replay/, '... which says why');
is($node->safe_psql('postgres', q{SELECT count(*) FROM effect}), '3', 'the server goes on');

$node->stop;
scan_log($node);
done_testing();
