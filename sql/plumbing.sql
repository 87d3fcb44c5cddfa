--
-- Functions of the views' own, called by hand: anything may be passed
--
SELECT _workflow.waits_for(gen_random_uuid(), 0, 'g', false, -1, true, NULL, NULL);
SELECT _workflow.message_waits_for(-1, 0, 'g', false, -2147483648, true, NULL, NULL);
SELECT _workflow.waits_for(gen_random_uuid(), -1, '', false, NULL, true, NULL, NULL);

-- bodies of the engine's own, called by another body
CREATE FUNCTION calls(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  codes text[];
  argument jsonb;
BEGIN
  FOREACH argument IN ARRAY '{"{}","[]","null","\"x\"","[\"function\"]"}'::jsonb[] ||
    '{"run_id": null}'::jsonb || '{"run_id": "x"}'::jsonb || '{"function": 1}'::jsonb ||
    '{"function": [], "alert": {}}'::jsonb ||
    '{"run_id": "00000000-0000-0000-0000-000000000000", "body_id": 0.5}'::jsonb
  LOOP
    BEGIN
      PERFORM _workflow.check_run(argument);
    EXCEPTION WHEN OTHERS THEN
      codes := codes || SQLSTATE;
    END;
    BEGIN
      PERFORM _workflow.run_alert(argument);
    EXCEPTION WHEN OTHERS THEN
      codes := codes || SQLSTATE;
    END;
  END LOOP;
  RETURN to_jsonb(codes);
END $$;
SELECT workflow.create_workflow('calls');
SELECT workflow.enqueue_workflow('calls') AS run \gset
CALL workflow.wait_for_run(:'run');
SELECT workflow.drop_workflow('calls');
DROP FUNCTION calls(jsonb);
