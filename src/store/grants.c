/*
 * grants.c
 *		What a role may use of the extension's objects.
 *
 * Rights are data: RIGHTS says for whom each routine is, and all that is not
 * in it is for nobody but the owner.  The objects are read from the catalogs,
 * so that nothing that is added later can be forgotten.  A call compares what
 * a role has with what it is to have, and executes the difference: to repeat
 * it changes nothing.  GRANT takes no parameters, so its text is built by the
 * server's own quoting.
 *
 * An object is closed once, when it is made, whatever the default privileges
 * of its creator say.  The server remembers that in pg_init_privs, where an
 * object of an extension has a row once a script has said GRANT or REVOKE; so
 * closing in an update's script leaves alone what roles were granted since.
 *
 * Locking: SHARE ROW EXCLUSIVE on table monitor, as two that change privileges
 * of one object at a time fail.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "base/spi.h"
#include "store/grants.h"

/*
 * For whom a routine is: "client" for grant_usage(), "definer" for it with
 * definitions, "monitor" for grant_monitor() as well, "nobody" for the owner
 * alone.  The longest pattern that fits counts.
 */
#define RIGHTS                                                             \
	"(VALUES"                                                              \
	" ('workflow', '%', 'client'),"                                        \
	" ('workflow', 'create_%', 'definer'),"                                \
	" ('workflow', 'why', 'monitor'),"                                     \
	" ('workflow', 'timeline', 'monitor'),"                                \
	" ('workflow', 'describe', 'monitor'),"                                \
	" ('workflow', 'stop', 'nobody'),"                                     \
	" ('workflow', 'start', 'nobody'),"                                    \
	" ('workflow', 'grant_usage', 'nobody'),"                              \
	" ('workflow', 'revoke_usage', 'nobody'),"                             \
	" ('workflow', 'grant_monitor', 'nobody'),"                            \
	" ('workflow', 'revoke_monitor', 'nobody')," /* called by the views */ \
	" ('_workflow', '%', 'monitor'),"                                      \
	" ('_workflow', 'close_objects', 'nobody'),"                           \
	" ('_workflow', 'call_event', 'nobody')," /* the engine's bodies */    \
	" ('_workflow', 'check_run', 'nobody'),"                               \
	" ('_workflow', 'run_alert', 'nobody')"                                \
	") AS rights (schema, pattern, whose)"

/* routines, views, tables, sequences, types and schemas of the extension */
#define MEMBER                                                   \
	"(SELECT d.classid, d.objid"                                 \
	"   FROM pg_catalog.pg_depend d"                             \
	"   JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid"    \
	"  WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass" \
	"    AND d.deptype = 'e' AND e.extname = 'workflow') AS m"

#define ROUTINES                                                            \
	"SELECT m.classid, m.objid, 'ROUTINE ' || p.oid::regprocedure AS what," \
	"       'EXECUTE' AS privilege,"                                        \
	"       (SELECT whose FROM " RIGHTS                                     \
	"         WHERE schema = n.nspname AND p.proname LIKE pattern"          \
	"         ORDER BY length(pattern) DESC LIMIT 1) AS whose,"             \
	"       p.proowner AS owner,"                                           \
	"       coalesce(p.proacl, acldefault('f', p.proowner)) AS acl"         \
	"  FROM " MEMBER "  JOIN pg_catalog.pg_proc p ON p.oid = m.objid"       \
	"  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"            \
	" WHERE m.classid = 'pg_catalog.pg_proc'::regclass"

#define RELATIONS                                                               \
	"SELECT m.classid, m.objid,"                                                \
	"       CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END"         \
	"       || c.oid::regclass,"                                                \
	"       'SELECT',"                                                          \
	"       CASE WHEN n.nspname = 'workflow' AND c.relkind = 'v'"               \
	"            THEN 'monitor' ELSE 'nobody' END,"                             \
	"       c.relowner,"                                                        \
	"       coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'"     \
	"                                     ELSE 'r' END::\"char\", c.relowner))" \
	"  FROM " MEMBER "  JOIN pg_catalog.pg_class c ON c.oid = m.objid"          \
	"  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"                \
	" WHERE m.classid = 'pg_catalog.pg_class'::regclass"                        \
	"   AND c.relkind IN ('r', 'p', 'v', 'm', 'S')"

/* the row types of relations as well, which are no members themselves */
#define TYPES                                                                  \
	"SELECT 'pg_catalog.pg_type'::regclass, t.oid, 'TYPE ' || t.oid::regtype," \
	"       'USAGE', 'nobody', t.typowner,"                                    \
	"       coalesce(t.typacl, acldefault('T', t.typowner))"                   \
	"  FROM " MEMBER "  JOIN pg_catalog.pg_type t"                             \
	"    ON CASE m.classid"                                                    \
	"       WHEN 'pg_catalog.pg_type'::regclass THEN t.oid = m.objid"          \
	"       WHEN 'pg_catalog.pg_class'::regclass THEN t.typrelid = m.objid"    \
	"       END"                                                               \
	" WHERE t.typcategory <> 'A'"

#define SCHEMAS                                                               \
	"SELECT m.classid, m.objid, 'SCHEMA ' || n.oid::regnamespace, 'USAGE',"   \
	"       CASE n.nspname WHEN 'workflow' THEN 'monitor' ELSE 'nobody' END," \
	"       n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))"      \
	"  FROM " MEMBER "  JOIN pg_catalog.pg_namespace n ON n.oid = m.objid"    \
	" WHERE m.classid = 'pg_catalog.pg_namespace'::regclass"

#define OBJECTS                                              \
	"(" ROUTINES " UNION ALL " RELATIONS " UNION ALL " TYPES \
	" UNION ALL " SCHEMAS ") AS o"

/* ---- execution ---- */

/* Executes the commands that the last statement has returned. */
static void
execute_all(uint64 n)
{
	char **commands = palloc(Max(n, 1) * sizeof(char *));

	for (uint64 i = 0; i < n; i++)
		commands[i] = wf_spi_copy_text(i, 1, CurrentMemoryContext);
	for (uint64 i = 0; i < n; i++)
	{
		if (SPI_execute(commands[i], false, 0) != SPI_OK_UTILITY)
			elog(ERROR, "could not execute \"%s\"", commands[i]);
	}
}

static WfStmt lock = {
	"LOCK TABLE _workflow.monitor IN SHARE ROW EXCLUSIVE MODE", 0, {0}};

/*
 * $1 is the role, $2 what it is to have, $3 what it must not have of all else.
 * "held" says whether it has the one privilege that it could be given.
 */
static WfStmt differences = {
	"SELECT CASE WHEN o.whose = ANY ($2)"
	"       THEN format('GRANT %s ON %s TO %s', o.privilege, o.what,"
	"                   $1::regrole)"
	"       ELSE format('REVOKE ALL ON %s FROM %s', o.what, $1::regrole) END"
	"  FROM " OBJECTS ","
	"       LATERAL (SELECT count(*) > 0 AS has,"
	"                       count(*) FILTER (WHERE a.privilege_type"
	"                                              = o.privilege) > 0 AS held"
	"                  FROM aclexplode(o.acl) a"
	"                 WHERE a.grantee = $1) h"
	" WHERE o.owner <> $1"
	"   AND CASE WHEN o.whose = ANY ($2) THEN NOT h.held"
	"            ELSE o.whose = ANY ($3) AND h.has END",
	3,
	{OIDOID, TEXTARRAYOID, TEXTARRAYOID}};

/* "give" and "take" are arrays as text. */
static void
set_rights(Oid role, const char *give, const char *take)
{
	Datum values[3];

	values[0] = ObjectIdGetDatum(role);
	values[1] = OidInputFunctionCall(F_ARRAY_IN, pstrdup(give), TEXTOID, -1);
	values[2] = OidInputFunctionCall(F_ARRAY_IN, pstrdup(take), TEXTOID, -1);
	(void) wf_spi_run(&lock, NULL, NULL, false, 0);
	execute_all(wf_spi_run(&differences, values, NULL, false, 0));
}

/* ---- kinds of rights ---- */

#define ALL_OF_THEM "{client,definer,monitor,nobody}"

void
wf_grants_give_usage(Oid role, bool definitions)
{
	if (definitions)
		set_rights(role, "{client,monitor,definer}", "{}");
	else
		set_rights(role, "{client,monitor}", "{definer}");
}

void
wf_grants_take_usage(Oid role, bool monitors)
{
	set_rights(role, monitors ? "{monitor}" : "{}", ALL_OF_THEM);
}

void
wf_grants_give_monitor(Oid role)
{
	set_rights(role, "{monitor}", "{}");
}

static WfStmt is_client = {"SELECT FROM " OBJECTS ", aclexplode(o.acl) a"
						   " WHERE o.whose = 'client' AND a.grantee = $1"
						   " LIMIT 1",
						   1,
						   {OIDOID}};

void
wf_grants_take_monitor(Oid role)
{
	Datum values[1] = {ObjectIdGetDatum(role)};

	if (wf_spi_run(&is_client, values, NULL, true, 1) == 0)
		set_rights(role, "{}", "{monitor}");
}

/* ---- new objects ---- */

/* PUBLIC always, which leaves the row in pg_init_privs. */
static WfStmt closings = {
	"SELECT format('REVOKE ALL ON %s FROM %s', o.what,"
	"              CASE g.grantee WHEN 0 THEN 'PUBLIC'"
	"                             ELSE g.grantee::regrole::text END)"
	"  FROM " OBJECTS ","
	"       LATERAL (SELECT 0::oid AS grantee"
	"                 UNION "
	"                SELECT a.grantee FROM aclexplode(o.acl) a) g"
	" WHERE g.grantee <> o.owner"
	"   AND NOT EXISTS (SELECT FROM pg_catalog.pg_init_privs i"
	"                    WHERE i.classoid = o.classid"
	"                      AND i.objoid = o.objid AND i.objsubid = 0)",
	0,
	{0}};

void
wf_grants_close(void)
{
	execute_all(wf_spi_run(&closings, NULL, NULL, false, 0));
}
