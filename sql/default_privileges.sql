--
-- Default privileges of whoever creates the extension open none of its objects
--
SELECT current_database() AS db \gset
CREATE ROLE regress_dp_stranger;
CREATE ROLE "regress_dp Odd ""one";
CREATE ROLE regress_dp_client;
CREATE DATABASE regress_dp;
\c regress_dp
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_dp_stranger, "regress_dp Odd ""one", PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO regress_dp_stranger, "regress_dp Odd ""one", PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO regress_dp_stranger, "regress_dp Odd ""one" WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO regress_dp_stranger, "regress_dp Odd ""one", PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO regress_dp_stranger, "regress_dp Odd ""one", PUBLIC;
CREATE EXTENSION workflow;

-- whatever the extension consists of, and types of its rows
CREATE VIEW object AS
SELECT d.classid::regclass AS catalog, pg_describe_object(d.classid, d.objid, 0) AS object,
       coalesce(p.proowner, c.relowner, t.typowner, n.nspowner) AS owner,
       CASE d.classid
            WHEN 'pg_proc'::regclass THEN coalesce(p.proacl, acldefault('f', p.proowner))
            WHEN 'pg_class'::regclass THEN coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
            WHEN 'pg_type'::regclass THEN coalesce(t.typacl, acldefault('T', t.typowner))
            WHEN 'pg_namespace'::regclass THEN coalesce(n.nspacl, acldefault('n', n.nspowner))
       END AS acl
  FROM (SELECT classid, objid FROM pg_depend
         WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
           AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'workflow')
         UNION
        SELECT 'pg_type'::regclass, t.oid
          FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid
         WHERE c.relnamespace::regnamespace::text IN ('workflow', '_workflow')) d
  LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
  LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
  LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
  LEFT JOIN pg_namespace n ON d.classid = 'pg_namespace'::regclass AND n.oid = d.objid;
SELECT catalog, count(*) > 0 AS some, count(acl) = count(*) AS known FROM object GROUP BY 1 ORDER BY 1::text;
CREATE VIEW foreign_entry AS
SELECT o.object, a.grantee::regrole, a.privilege_type, a.is_grantable
  FROM object o, aclexplode(o.acl) a
 WHERE a.grantee <> o.owner;
SELECT count(*) FROM foreign_entry;
SELECT count(*)
  FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid::regclass::text ~ '^_?workflow\.';

-- the default privileges were there, and are what this test is about
CREATE FUNCTION other() RETURNS void LANGUAGE sql AS '';
SELECT has_function_privilege('regress_dp_stranger', 'other()', 'EXECUTE');
DROP FUNCTION other;

-- what is new is closed by itself, and what was granted meanwhile stays
SELECT workflow.grant_usage('regress_dp_client');
SELECT count(*) AS given FROM foreign_entry \gset
CREATE FUNCTION _workflow.later() RETURNS void LANGUAGE sql AS '';
CREATE TABLE _workflow.later (a integer);
ALTER EXTENSION workflow ADD FUNCTION _workflow.later();
ALTER EXTENSION workflow ADD TABLE _workflow.later;
SELECT count(*) > 0 AS opened FROM foreign_entry WHERE object ~ 'later';
-- an object that the script of an update makes has no row here
DELETE FROM pg_init_privs WHERE objoid IN ('_workflow.later'::regproc, '_workflow.later'::regclass);
SELECT _workflow.close_objects();
SELECT * FROM foreign_entry WHERE object ~ 'later';
SELECT count(*) = :given AS as_before FROM foreign_entry;

-- grant_usage() gives what is listed, and no more
SELECT DISTINCT privilege_type, is_grantable, split_part(object, ' ', 1) AS kind, grantee
  FROM foreign_entry ORDER BY 1, 3;
SELECT object FROM object
 WHERE object ~ '(function|procedure|view) workflow\.' AND NOT EXISTS (SELECT FROM foreign_entry f WHERE f.object = object.object)
 ORDER BY object COLLATE "C";
SELECT object FROM foreign_entry WHERE object ~ '^(schema|table|type|sequence)';

SELECT workflow.revoke_usage('regress_dp_client');
SELECT count(*) FROM foreign_entry;

\c :db
DROP DATABASE regress_dp WITH (FORCE);
DROP ROLE regress_dp_stranger, "regress_dp Odd ""one", regress_dp_client;
