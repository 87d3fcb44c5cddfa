/*
 * rights.c
 *		grant_usage(), revoke_usage(), grant_monitor(), revoke_monitor() and
 *		close_objects().
 *
 * All are for the owner of the extension and superusers, even where somebody
 * was granted EXECUTE on them.  A role that was given both usage and
 * monitoring keeps the one when the other is taken.
 */
#include "postgres.h"

#include "utils/acl.h"
#include "utils/builtins.h"

#include "api/arguments.h"
#include "base/spi.h"
#include "store/grants.h"
#include "store/monitor.h"

PG_FUNCTION_INFO_V1(workflow_grant_usage);
PG_FUNCTION_INFO_V1(workflow_revoke_usage);
PG_FUNCTION_INFO_V1(workflow_grant_monitor);
PG_FUNCTION_INFO_V1(workflow_revoke_monitor);
PG_FUNCTION_INFO_V1(workflow_close_objects);

static void
check(const char *function)
{
	wf_require_preloaded();
	wf_require_extension_owner(function);
	wf_require_writable(function);
}

/* The role that is argument 0, and its name as it is. */
static Oid
role_argument(FunctionCallInfo fcinfo, char **name)
{
	Oid role;

	wf_arg_require(fcinfo, 0, "role");
	*name = wf_arg_text(fcinfo, 0);
	role = get_role_oid(*name, true);
	if (!OidIsValid(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", *name),
				 errdetail("It was passed as role; nothing can be granted to PUBLIC."),
				 errhint("Pass the name of a role exactly as it is written in pg_roles.")));
	return role;
}

Datum
workflow_grant_usage(PG_FUNCTION_ARGS)
{
	WfWindow window;
	char *name;
	Oid role;

	check("grant_usage");
	role = role_argument(fcinfo, &name);
	wf_window_open(&window);
	wf_grants_give_usage(role, PG_ARGISNULL(1) || PG_GETARG_BOOL(1));
	wf_window_close(&window);
	PG_RETURN_VOID();
}

Datum
workflow_revoke_usage(PG_FUNCTION_ARGS)
{
	WfWindow window;
	char *name;
	Oid role;

	check("revoke_usage");
	role = role_argument(fcinfo, &name);
	wf_window_open(&window);
	wf_grants_take_usage(role, wf_monitor_has(role));
	wf_window_close(&window);
	PG_RETURN_VOID();
}

Datum
workflow_grant_monitor(PG_FUNCTION_ARGS)
{
	WfWindow window;
	char *name;
	Oid role;

	check("grant_monitor");
	role = role_argument(fcinfo, &name);
	wf_window_open(&window);
	wf_grants_give_monitor(role);
	wf_monitor_insert(role, name);
	wf_window_close(&window);
	PG_RETURN_VOID();
}

Datum
workflow_revoke_monitor(PG_FUNCTION_ARGS)
{
	WfWindow window;
	char *name;
	Oid role;

	check("revoke_monitor");
	role = role_argument(fcinfo, &name);
	wf_window_open(&window);
	wf_grants_take_monitor(role);
	wf_monitor_delete(role, name);
	wf_window_close(&window);
	PG_RETURN_VOID();
}

/* Called by the extension's scripts, also where the library is not preloaded. */
Datum
workflow_close_objects(PG_FUNCTION_ARGS)
{
	WfWindow window;

	wf_require_extension_owner("close_objects");
	wf_window_open(&window);
	wf_grants_close();
	wf_window_close(&window);
	PG_RETURN_VOID();
}
