--
-- workflow.policy()
--
SELECT * FROM workflow.policy() \gx
SELECT * FROM workflow.policy(max_attempts => 3, initial_delay => '100 ms',
	backoff => 1.5, max_delay => '1 min', jitter => 0, timeout => '30 s',
	retry_on => '{22012,P0}', no_retry_on => '{23505}',
	at_most_once => true) \gx
-- no limits
SELECT * FROM workflow.policy(max_attempts => NULL, max_delay => NULL) \gx

-- out of range
SELECT workflow.policy(max_attempts => 0);
SELECT workflow.policy(initial_delay => '-1 s');
SELECT workflow.policy(initial_delay => '200 years');
SELECT workflow.policy(backoff => 0.5);
SELECT workflow.policy(backoff => 'NaN');
SELECT workflow.policy(max_delay => '-1 day');
SELECT workflow.policy(jitter => 1.5);
SELECT workflow.policy(jitter => '-Infinity');
SELECT workflow.policy(timeout => '0');
SELECT workflow.policy(timeout => '-1 month');
SELECT workflow.policy(retry_on => '{division_by_zero}');
SELECT workflow.policy(retry_on => '{22012,NULL}');
SELECT workflow.policy(no_retry_on => '{p0001}');
SELECT workflow.policy(no_retry_on => array_fill('22012'::text, '{17}'));

-- made by hand it is checked where it is used
CREATE FUNCTION policed(input jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT workflow.step('one', 'SELECT 1') $$;
SELECT workflow.create_workflow('policed',
	policy => ROW(0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::workflow.policy);
SELECT workflow.create_workflow('policed',
	policy => ROW(7, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::workflow.policy);
SELECT (policy).* FROM workflow.workflows WHERE workflow = 'policed' \gx
SELECT workflow.drop_workflow('policed');
DROP FUNCTION policed;
