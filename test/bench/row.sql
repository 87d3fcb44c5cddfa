-- Makes from the run :run_id, which is queued, the text of an INSERT of an equal row:
-- the same columns are filled, with the same values.  Only the id differs from
-- row to row; :id is an expression that makes one.
SELECT format('INSERT INTO bench.raw (%s) SELECT %s',
	string_agg(quote_ident(attname), ', ' ORDER BY attnum),
	string_agg(CASE attname
		WHEN 'run_id' THEN :'id'
		WHEN 'enqueued_at' THEN 'statement_timestamp()'
		WHEN 'run_at' THEN 'statement_timestamp()'
		ELSE format('%L::%s', value, format_type(atttypid, atttypmod))
		END, ', ' ORDER BY attnum))
FROM _workflow.run AS run, jsonb_each_text(to_jsonb(run)) AS field (name, value)
JOIN pg_attribute ON attrelid = '_workflow.run'::regclass AND attname = name
WHERE run.run_id = :'run_id' AND value IS NOT NULL AND attnum > 0;
