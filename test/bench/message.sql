-- Makes from the message :message_id the text of an INSERT of equal rows: the
-- same columns are filled, with the same values.  Only the id is another.
SELECT format('INSERT INTO bench.raw_message (%s) SELECT %s',
	string_agg(quote_ident(attname), ', ' ORDER BY attnum),
	string_agg(CASE attname
		WHEN 'message_id' THEN $$nextval('bench.raw_message_id')$$
		WHEN 'enqueued_at' THEN 'statement_timestamp()'
		WHEN 'run_at' THEN 'statement_timestamp()'
		ELSE format('%L::%s', value, format_type(atttypid, atttypmod))
		END, ', ' ORDER BY attnum))
FROM _workflow.message AS message, jsonb_each_text(to_jsonb(message)) AS field (name, value)
JOIN pg_attribute ON attrelid = '_workflow.message'::regclass AND attname = name
WHERE message.message_id = :'message_id' AND value IS NOT NULL AND attnum > 0;
