/*
 * sight.c
 *		Who may see what.
 *
 * The views filter their rows with _workflow.sees() and their columns with
 * _workflow.reads(), once or more for each row.  Whether somebody is a monitor
 * takes SQL to find out, so each call site in a query asks once, and only when
 * it meets a row that is not the user's own.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"

#include "api/arguments.h"
#include "api/runs.h"
#include "api/sight.h"
#include "base/compat.h"
#include "base/spi.h"
#include "store/monitor.h"

PG_FUNCTION_INFO_V1(workflow_reads);
PG_FUNCTION_INFO_V1(workflow_sees);

/* ---- monitors ---- */

bool
wf_sight_of_all(void)
{
	Oid user = GetUserId();
	Oid schema = get_namespace_oid("workflow", true);
	WfWindow window;
	bool covered;

	if (!OidIsValid(schema) ||
		wf_namespace_aclcheck(schema, user, ACL_USAGE) != ACLCHECK_OK)
		return false;
	if (has_privs_of_role(user, ROLE_PG_MONITOR))
		return true;
	wf_window_open(&window);
	covered = wf_monitor_covers(user);
	wf_window_close(&window);
	return covered;
}

/* What a call site knows: the same query can go on as another user. */
typedef struct Known
{
	Oid user;
	bool all;
} Known;

static bool
sees_all(FmgrInfo *call)
{
	Known *known = call->fn_extra;

	if (known == NULL)
	{
		known = MemoryContextAllocZero(call->fn_mcxt, sizeof(Known));
		call->fn_extra = known;
	}
	if (known->user != GetUserId())
	{
		known->all = wf_sight_of_all();
		known->user = GetUserId();
	}
	return known->all;
}

/* ---- rows ---- */

/*
 * Both oid and name of an owner must match: in a restored database the oid may
 * be somebody else's.
 */
static bool
may_read(Oid owner, const text *owner_name)
{
	char *present;
	bool same;

	if (superuser())
		return true;
	if (!has_privs_of_role(GetUserId(), owner))
		return false;
	present = GetUserNameFromId(owner, true);
	if (present == NULL)
		return false;
	same = strlen(present) == VARSIZE_ANY_EXHDR(owner_name) &&
		   memcmp(present, VARDATA_ANY(owner_name), strlen(present)) == 0;
	pfree(present);
	return same;
}

/* reads(owner, owner_name): the contents too */
Datum
workflow_reads(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(superuser());
	PG_RETURN_BOOL(may_read(PG_GETARG_OID(0), PG_GETARG_TEXT_PP(1)));
}

/* sees(owner, owner_name): that the row is there */
Datum
workflow_sees(PG_FUNCTION_ARGS)
{
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1) &&
		may_read(PG_GETARG_OID(0), PG_GETARG_TEXT_PP(1)))
		PG_RETURN_BOOL(true);
	PG_RETURN_BOOL(sees_all(fcinfo->flinfo));
}

/* ---- one run ---- */

void
wf_sight_hide(WfError *error)
{
	error->message = error->detail = error->hint = error->context = NULL;
}

bool
wf_sight_of_run(const pg_uuid_t *run_id, WfRunView *out)
{
	wf_run_find(run_id, out);
	if (wf_is_owner(out->owner, out->owner_name))
		return true;
	if (!wf_sight_of_all())
		wf_run_require_owner(out);
	wf_sight_hide(&out->error);
	out->result = NULL;
	return false;
}
