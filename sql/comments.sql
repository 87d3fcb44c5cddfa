--
-- Everything has a comment, and nothing is for PUBLIC
--
SELECT p.oid::regprocedure AS "routine without a comment"
  FROM pg_proc p
 WHERE p.pronamespace IN ('workflow'::regnamespace, '_workflow'::regnamespace)
   AND obj_description(p.oid, 'pg_proc') IS NULL
 ORDER BY 1;
SELECT c.oid::regclass AS relation, a.attname AS "column without a comment"
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace IN ('workflow'::regnamespace, '_workflow'::regnamespace)
   AND c.relkind IN ('r', 'v', 'c', 'p') AND col_description(c.oid, a.attnum) IS NULL
   -- parts of views of workflow have their columns
   AND c.relname NOT IN ('recorded_step', 'running_step', 'dead_run', 'dead_message',
                         'message_queue')
 ORDER BY 1, a.attnum;
SELECT c.oid::regclass AS "relation without a comment"
  FROM pg_class c
 WHERE c.relnamespace IN ('workflow'::regnamespace, '_workflow'::regnamespace)
   AND c.relkind IN ('r', 'v', 'p') AND obj_description(c.oid, 'pg_class') IS NULL
 ORDER BY 1;
SELECT name AS "setting without a description"
  FROM pg_settings
 WHERE name LIKE 'workflow.%' AND coalesce(short_desc, '') = '';

SELECT p.oid::regprocedure AS "routine for PUBLIC"
  FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
 WHERE p.pronamespace IN ('workflow'::regnamespace, '_workflow'::regnamespace)
   AND a.grantee = 0
 ORDER BY 1;
SELECT c.oid::regclass AS "relation for others", a.grantee
  FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
 WHERE c.relnamespace IN ('workflow'::regnamespace, '_workflow'::regnamespace)
   AND c.relkind IN ('r', 'v', 'S') AND a.grantee <> c.relowner
 ORDER BY 1;
SELECT n.nspname AS "schema for others"
  FROM pg_namespace n, aclexplode(n.nspacl) a
 WHERE n.nspname IN ('workflow', '_workflow') AND a.grantee <> n.nspowner;

-- no function is SECURITY DEFINER or STRICT, or runs SQL of its own
SELECT p.oid::regprocedure
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE p.pronamespace IN ('workflow'::regnamespace, '_workflow'::regnamespace)
   AND (p.prosecdef OR p.proisstrict OR l.lanname <> 'c')
 ORDER BY 1;
-- views hide rows before a user's functions see them
SELECT c.oid::regclass
  FROM pg_class c
 WHERE c.relnamespace IN ('workflow'::regnamespace, '_workflow'::regnamespace) AND c.relkind = 'v'
   AND coalesce(c.reloptions, '{}') <> '{security_barrier=true}';
-- tables and their sequences are dumped, but for the control row
SELECT c.oid::regclass
  FROM pg_class c
 WHERE c.relnamespace = '_workflow'::regnamespace AND c.relkind IN ('r', 'S')
   AND NOT c.oid = ANY ((SELECT extconfig FROM pg_extension WHERE extname = 'workflow')::oid[])
 ORDER BY 1;
-- no column is of a type that pg_upgrade refuses
SELECT a.attrelid::regclass, a.attname
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relnamespace = '_workflow'::regnamespace AND c.relkind = 'r'
   AND a.atttypid IN ('regproc'::regtype, 'regprocedure'::regtype, 'regoper'::regtype,
                      'regoperator'::regtype, 'regconfig'::regtype, 'regdictionary'::regtype);
-- no constraint or index without a name of ours
SELECT conname FROM pg_constraint
 WHERE connamespace = '_workflow'::regnamespace AND conname ~ '_(check|excl|key1|fkey)\d*$';
