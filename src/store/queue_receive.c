/*
 * queue_receive.c
 *		Who may take messages out of which queue.
 *
 * As in queue_send.c, a role counts only where its name is the one that was
 * written down with it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/spi.h"
#include "store/definition.h"
#include "store/queue_definition.h"
#include "store/queue_receive.h"

/* as the install script has it, for "default" without a row */
#define DEFAULT_LEASE (30 * USECS_PER_SEC)

static WfStmt find_queue = {
	"SELECT q.queue_id, q.name, q.keep_acked IS NOT NULL,"
	"       q.on_group_failure = 'block',"
	"       (extract(epoch FROM q.lease) * 1000000)::pg_catalog.int8,"
	"       " WF_OWNS_QUEUE
	"       OR EXISTS (SELECT FROM _workflow.queue_grant g"
	"                    LEFT JOIN pg_catalog.pg_roles o"
	"                      ON o.oid = g.role AND o.rolname = g.role_name"
	"                   WHERE g.queue_id = q.queue_id"
	"                     AND g.privilege = 'receive'"
	"                     AND (g.role_name = 'public'"
	"                          OR pg_catalog.pg_has_role($3, o.oid, 'USAGE'))),"
	"       q.policy"
	"  FROM _workflow.queue q"
	" WHERE q.name = $1 OR ($1 IS NULL AND q.queue_id = $2)",
	3,
	{TEXTOID, INT4OID, OIDOID},
	NULL};

bool
wf_queue_receive_load(const char *name, int32 queue_id, Oid user,
					  WfQueueReceive *out)
{
	char nulls[] = "   ";
	Datum values[3] = {(Datum) 0, Int32GetDatum(queue_id),
					   ObjectIdGetDatum(user)};

	memset(out, 0, sizeof(*out));
	wf_policy_init(&out->policy);
	if (name != NULL)
		values[0] = CStringGetTextDatum(name);
	else
		nulls[0] = 'n';
	if (wf_spi_run(&find_queue, values, nulls, true, 1) > 0)
	{
		out->queue_id = wf_spi_get_int32(0, 1, 0);
		out->name = wf_spi_copy_text(0, 2, CurrentMemoryContext);
		out->keeps_acked = wf_spi_get_bool(0, 3, false);
		out->blocks = wf_spi_get_bool(0, 4, false);
		out->lease = wf_spi_get_int64(0, 5, DEFAULT_LEASE);
		out->may_receive = wf_spi_get_bool(0, 6, false);
		(void) wf_policy_read(7, CurrentMemoryContext, &out->policy, NULL);
		return true;
	}

	/* it has no row while it is as it was made */
	if (name != NULL ? strcmp(name, WF_DEFAULT_QUEUE_NAME) != 0
					 : queue_id != WF_DEFAULT_QUEUE)
		return false;
	out->queue_id = WF_DEFAULT_QUEUE;
	out->name = pstrdup(WF_DEFAULT_QUEUE_NAME);
	out->lease = DEFAULT_LEASE;
	/* in a window the current user is the owner of the extension */
	out->may_receive = has_privs_of_role(user, GetUserId());
	return true;
}
