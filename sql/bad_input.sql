--
-- What bad input gets: nothing is written, and the message says what to do
--
CREATE SCHEMA bad;
SET search_path = bad;

-- bodies
CREATE FUNCTION ok(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input $$;
CREATE FUNCTION no_argument() RETURNS jsonb LANGUAGE sql AS $$ SELECT '1'::jsonb $$;
CREATE FUNCTION takes_json(input json) RETURNS jsonb LANGUAGE sql AS $$ SELECT input::jsonb $$;
CREATE FUNCTION returns_text(input jsonb) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
CREATE FUNCTION returns_set(input jsonb) RETURNS SETOF jsonb LANGUAGE sql AS $$ SELECT input $$;
CREATE FUNCTION definer(input jsonb) RETURNS jsonb LANGUAGE sql SECURITY DEFINER AS $$ SELECT input $$;
CREATE PROCEDURE proc(input jsonb) LANGUAGE sql AS $$ SELECT 1 $$;
CREATE FUNCTION merge(a jsonb, b jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT a || b $$;
CREATE AGGREGATE agg(jsonb) (SFUNC = merge, STYPE = jsonb);
SELECT workflow.create_workflow('missing');
SELECT workflow.create_workflow('w', 'nowhere.f');
SELECT workflow.create_workflow('w', 'no_argument');
SELECT workflow.create_workflow('w', 'takes_json');
SELECT workflow.create_workflow('w', 'ok(json)');
SELECT workflow.create_workflow('w', 'returns_text');
SELECT workflow.create_workflow('w', 'returns_set');
SELECT workflow.create_workflow('w', 'definer');
SELECT workflow.create_workflow('w', 'proc');
SELECT workflow.create_workflow('w', 'agg');
SELECT workflow.create_workflow('w', '');
SELECT workflow.create_workflow('w', 'a.b.c.d');

-- names
SELECT workflow.create_workflow(NULL);
SELECT workflow.create_workflow('');
SELECT workflow.create_workflow(repeat('é', 201), 'ok');

-- properties
SELECT workflow.create_workflow('w', 'ok', queue => 'fast');
SELECT workflow.create_workflow('w', 'ok', run_timeout => '0');
SELECT workflow.create_workflow('w', 'ok', run_timeout => '1000 years');
SELECT workflow.create_workflow('w', 'ok', on_failure => 'retry');
SELECT workflow.create_workflow('w', 'ok', run_as => 'nobody at all');
SELECT workflow.create_workflow('w', 'ok', keep_succeeded => '-1 day');
SELECT workflow.create_workflow('w', 'ok', search_path => 'a,,b');
SELECT count(*) FROM workflow.workflows WHERE workflow = 'w';

-- enqueue
SELECT workflow.create_workflow('w', 'ok');
SELECT workflow.enqueue_workflow(NULL);
SELECT workflow.enqueue_workflow('missing');
SELECT workflow.enqueue_workflow('');
SELECT workflow.enqueue_workflow('w', queue => 'fast');
SELECT workflow.enqueue_workflow('w', delay => '-1 s');
SELECT workflow.enqueue_workflow('w', delay => '1 s', run_at => '2030-01-01');
SELECT workflow.enqueue_workflow('w', run_at => 'infinity');
SELECT workflow.enqueue_workflow('w', run_timeout => '-1 s');
SELECT workflow.enqueue_workflow('w', attributes => '[1]');
ALTER SYSTEM SET workflow.max_payload = '2kB';
SELECT pg_reload_conf();
\c -
SET search_path = bad;
SELECT workflow.enqueue_workflow('w', to_jsonb(repeat('x', 3000)));
SELECT workflow.enqueue_workflow('w', attributes => jsonb_build_object('a', repeat('x', 3000)));
ALTER SYSTEM RESET workflow.max_payload;
SELECT pg_reload_conf();
\c -
SET search_path = bad;
-- the body was changed or dropped since
ALTER FUNCTION ok SECURITY DEFINER;
SELECT workflow.enqueue_workflow('w');
DROP FUNCTION ok;
SELECT workflow.enqueue_workflow('w');
SELECT count(*) FROM workflow.runs WHERE workflow = 'w';

-- runs that are not there
SELECT workflow.cancel_run('00000000-0000-0000-0000-000000000000');
SELECT workflow.retry_run('00000000-0000-0000-0000-000000000000');
SELECT workflow.retry_run('00000000-0000-0000-0000-000000000000', delay => '-1 s');
SELECT workflow.why('00000000-0000-0000-0000-000000000000');
CALL workflow.wait_for_run('00000000-0000-0000-0000-000000000000');
SELECT workflow.cancel_run(NULL);
SELECT workflow.retry_run(NULL);
SELECT workflow.why(NULL);
CALL workflow.wait_for_run(NULL);
CALL workflow.wait_until_idle('-1 s');

-- words of a body outside a run
SELECT workflow.step('one', 'SELECT 1');
SELECT workflow.step('one', 'SELECT $1', 1);
SELECT workflow.step_text('one', 'SELECT 1');
SELECT workflow.fail('no');
SELECT workflow.now();
SELECT workflow.random();
SELECT workflow.uuid();
SELECT workflow.run_id();
SELECT workflow.attempt();
SELECT workflow.idempotency_key();

-- a body must not write, a step may
CREATE FUNCTION writes(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN to_jsonb(workflow.enqueue_workflow('writes')); END $$;
SELECT workflow.create_workflow('writes');
SELECT workflow.enqueue_workflow('writes') AS id \gset
CALL workflow.wait_for_run(:'id');
SELECT regexp_replace(workflow.why(:'id'), '^.* Error', 'Error') AS why;
SELECT count(*) FROM workflow.runs WHERE workflow = 'writes';
SELECT workflow.drop_workflow('writes');

-- roles
SELECT workflow.grant_usage(NULL);
SELECT workflow.grant_usage('public');
SELECT workflow.revoke_usage('nobody at all');

SELECT workflow.drop_workflow('w');
\set VERBOSITY terse
DROP SCHEMA bad CASCADE;
