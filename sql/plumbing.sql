--
-- Functions of the views' own, called by hand: anything may be passed
--
SELECT _workflow.waits_for(gen_random_uuid(), 0, 'g', false, -1, true, NULL, NULL);
SELECT _workflow.message_waits_for(-1, 0, 'g', false, -2147483648, true, NULL, NULL);
SELECT _workflow.waits_for(gen_random_uuid(), -1, '', false, NULL, true, NULL, NULL);
