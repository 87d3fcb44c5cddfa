/*
 * queue_send.c
 *		Who may put work into which queue.
 *
 * In a restored database an oid may be somebody else's: a role counts only
 * where its name is the one that was written down with it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/spi.h"
#include "store/definition.h"
#include "store/queue_definition.h"
#include "store/queue_send.h"

const char *const wf_key_scopes[3] = {"window", "unfinished", "queued"};

WfKeyScope
wf_key_scope_of(const char *word)
{
	for (int i = 0; i < lengthof(wf_key_scopes); i++)
	{
		if (strcmp(word, wf_key_scopes[i]) == 0)
			return (WfKeyScope) i;
	}
	return WF_KEY_WINDOW;
}

/* as the install script has it, for "default" without a row */
#define DEFAULT_WINDOW (5 * USECS_PER_MINUTE)

static WfStmt find_queue = {
	"SELECT q.queue_id, q.name, q.closed,"
	"       " WF_OWNS_QUEUE
	"       OR EXISTS (SELECT FROM _workflow.queue_grant g"
	"                    LEFT JOIN pg_catalog.pg_roles o"
	"                      ON o.oid = g.role AND o.rolname = g.role_name"
	"                   WHERE g.queue_id = q.queue_id AND g.privilege = 'send'"
	"                     AND (g.role_name = 'public'"
	"                          OR pg_catalog.pg_has_role($3, o.oid, 'USAGE'))),"
	"       (extract(epoch FROM q.dedup_window) * 1000000)::pg_catalog.int8,"
	"       q.group_max_active = 1, q.dedup_scope, q.group_by_owner"
	"  FROM _workflow.queue q"
	" WHERE q.name = $1 OR ($1 IS NULL AND q.queue_id = $2)",
	3,
	{TEXTOID, INT4OID, OIDOID},
	NULL};

bool
wf_queue_send_load(const char *name, int32 queue_id, Oid user,
				   WfQueueSend *out)
{
	char nulls[] = "   ";
	Datum values[3] = {(Datum) 0, Int32GetDatum(queue_id),
					   ObjectIdGetDatum(user)};

	if (name != NULL)
		values[0] = CStringGetTextDatum(name);
	else
		nulls[0] = 'n';
	if (wf_spi_run(&find_queue, values, nulls, true, 1) > 0)
	{
		out->queue_id = wf_spi_get_int32(0, 1, 0);
		out->name = wf_spi_copy_text(0, 2, CurrentMemoryContext);
		out->closed = wf_spi_get_bool(0, 3, false);
		out->may_send = !out->closed || wf_spi_get_bool(0, 4, false);
		out->dedup_window = wf_spi_get_int64(0, 5, DEFAULT_WINDOW);
		out->strict = wf_spi_get_bool(0, 6, false);
		out->dedup_scope =
			wf_key_scope_of(wf_spi_copy_text(0, 7, CurrentMemoryContext));
		out->group_by_owner = wf_spi_get_bool(0, 8, false);
		return true;
	}

	/* it has no row while it is as it was made */
	if (name != NULL ? strcmp(name, WF_DEFAULT_QUEUE_NAME) != 0
					 : queue_id != WF_DEFAULT_QUEUE)
		return false;
	out->queue_id = WF_DEFAULT_QUEUE;
	out->name = pstrdup(WF_DEFAULT_QUEUE_NAME);
	out->closed = false;
	out->may_send = true;
	out->strict = false;
	out->dedup_window = DEFAULT_WINDOW;
	out->group_by_owner = false;
	out->dedup_scope = WF_KEY_WINDOW;
	return true;
}
