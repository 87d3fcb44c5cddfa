# The part of the crash loop's load that waits: runs which take signals, one
# after another, and sleep in between.
#
# A client starts a run with its first signal, and sends the others in
# transactions of their own, with a dedup_key each.  What it did not come to is
# sent again at the end, so every run gets the words 1, 2, ... in this order,
# and the checker can tell from the tables alone
#
#	talk		a run that has not succeeded, or heard anything but its words, in
#				order and each once
#	signal		one that was not taken by exactly one call
#	timer		a sleep that was over too early, or more than once
package TalkLoop;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(
  talk_setup
  talk_transaction
  talk_again
  check_talks
);

sub talk_setup
{
	my ($node, $db) = @_;
	$node->safe_psql(
		$db, q{
CREATE TABLE heard (run_id uuid, ordinal int, word int);
CREATE TABLE woke (run_id uuid, ordinal int, at timestamptz);
CREATE FUNCTION talk(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	word jsonb;
BEGIN
	FOR i IN 1 .. (input->>'steps')::int LOOP
		word := workflow.wait_for_signal('word');
		PERFORM workflow.step('hear', 'INSERT INTO heard VALUES (workflow.run_id(), $1, $2)',
			4 * i - 3, word::int);
		PERFORM workflow.sleep(workflow.random() * interval '100 ms');
		PERFORM workflow.step('wake', 'INSERT INTO woke VALUES (workflow.run_id(), $1, clock_timestamp())',
			4 * i - 1);
	END LOOP;
	RETURN input->'steps';
END $$;
SELECT workflow.create_workflow('talk');
});
	return;
}

# SQL that starts a run and sends its words; prints "<token> <run id>".
sub talk_transaction
{
	my ($token) = @_;
	my $words = 1 + int(rand(4));
	my $input = qq({"token": "$token", "steps": $words, "mode": "talk"});

	return "SELECT workflow.enqueue_workflow('talk', '$input', "
	  . "signal => 'word', signal_payload => '1') AS id \\gset\n"
	  . "\\echo $token :id\n"
	  . join(
		'',
		map { "SELECT FROM workflow.signal_run(:'id', 'word', '$_', dedup_key => '$_');\n" }
		  2 .. $words);
}

# Sends what clients that were cut off have not; the rest is there already.
sub talk_again
{
	my ($node, $db) = @_;
	$node->safe_psql(
		$db, q{
DO $$
DECLARE
	run record;
BEGIN
	FOR run IN SELECT run_id, (input->>'steps')::int AS words FROM workflow.runs
				WHERE workflow = 'talk' AND finished_at IS NULL LOOP
		FOR i IN 2 .. run.words LOOP
			BEGIN
				PERFORM workflow.signal_run(run.run_id, 'word', to_jsonb(i), dedup_key => i::text);
			EXCEPTION WHEN object_not_in_prerequisite_state THEN
				-- it has ended, and so it has heard them all
				EXIT;
			END;
		END LOOP;
	END LOOP;
END $$});
	return;
}

# A list of what is wrong.
sub check_talks
{
	my ($node, $db) = @_;
	return split /\n/, $node->safe_psql(
		$db, q{
WITH run AS (
	SELECT run_id, state, (input->>'steps')::int AS words
	  FROM _workflow.run WHERE input->>'mode' = 'talk')
SELECT format('talk: run %s is in state %s and heard %s of %s words', run_id, state, heard, words)
  FROM run, LATERAL (SELECT string_agg(word::text, ',' ORDER BY ordinal) AS heard
					   FROM heard h WHERE h.run_id = run.run_id) AS h,
	   LATERAL (SELECT string_agg(i::text, ',' ORDER BY i) AS expected
				  FROM generate_series(1, words) i) AS e
 WHERE state <> 's' OR heard IS DISTINCT FROM expected
UNION ALL
SELECT format('signal: run %s took %s of %s signals in %s calls', run_id,
			  count(taken_at), count(*), count(DISTINCT ordinal))
  FROM run JOIN _workflow.signal s USING (run_id)
 GROUP BY run_id, words
HAVING count(taken_at) <> words OR count(*) <> words OR count(DISTINCT ordinal) <> words
UNION ALL
SELECT format('timer: run %s was due at %s and woke at %s', run_id, s.due_at, w.at)
  FROM woke w JOIN _workflow.step s USING (run_id, ordinal)
 WHERE w.at < s.due_at OR s.finished_at < s.due_at
UNION ALL
SELECT format('timer: run %s woke %s times from %s sleeps', run_id, count(w.at), words)
  FROM run LEFT JOIN woke w USING (run_id)
 GROUP BY run_id, words
HAVING count(w.at) <> words OR count(DISTINCT w.ordinal) <> words});
}

1;
