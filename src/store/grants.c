/*
 * grants.c
 *		What a client may use.
 *
 * GRANT takes no parameters, so its text is built; all names in it are quoted
 * by the server.  What is granted is read from the catalogs, so that nothing
 * that is added later can be forgotten: every function and view of schema
 * workflow but a short list.  Schema _workflow itself is never granted.  Of its
 * functions those are that the views call, which tell a caller nothing more
 * than they do; the bodies of the engine's own runs need no grant, and a test
 * holds this list against the catalogs.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "store/grants.h"

/* "ROUTINE workflow.step(text, text)", "TABLE workflow.runs", ... */
static WfStmt grantable = {
	"SELECT pg_catalog.format('EXECUTE ON ROUTINE %s', p.oid::regprocedure)"
	"  FROM pg_catalog.pg_proc p"
	"  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
	" WHERE n.nspname = ANY ('{workflow,_workflow}')"
	"   AND (n.nspname, p.proname) NOT IN"
	"       (('workflow', 'stop'), ('workflow', 'start'),"
	"        ('workflow', 'grant_usage'), ('workflow', 'revoke_usage'),"
	"        ('_workflow', 'check_run'), ('_workflow', 'run_alert'))"
	" UNION ALL "
	"SELECT pg_catalog.format('SELECT ON TABLE %s', c.oid::regclass)"
	"  FROM pg_catalog.pg_class c"
	"  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
	" WHERE n.nspname = 'workflow' AND c.relkind = 'v'"
	" UNION ALL "
	"SELECT 'USAGE ON SCHEMA workflow'",
	0,
	{0}};

void
wf_grant_usage(const char *role, bool grant)
{
	uint64 n = wf_spi_run(&grantable, NULL, NULL, true, 0);
	char **what = palloc(n * sizeof(char *));
	const char *quoted = quote_identifier(role);

	for (uint64 i = 0; i < n; i++)
		what[i] = wf_spi_copy_text(i, 1, CurrentMemoryContext);
	for (uint64 i = 0; i < n; i++)
	{
		char *command = grant ? psprintf("GRANT %s TO %s", what[i], quoted)
							  : psprintf("REVOKE %s FROM %s", what[i], quoted);

		if (SPI_execute(command, false, 0) != SPI_OK_UTILITY)
			elog(ERROR, "could not execute \"%s\"", command);
	}
}
