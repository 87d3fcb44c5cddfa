/*
 * control.c
 *		stop(), start(), grant_usage() and revoke_usage().
 *
 * All are for the owner of the extension and superusers, even where somebody
 * was granted EXECUTE on them.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "api/arguments.h"
#include "api/definition_cache.h"
#include "base/spi.h"
#include "ipc/wakeup.h"
#include "store/control.h"
#include "store/grants.h"

PG_FUNCTION_INFO_V1(workflow_stop);
PG_FUNCTION_INFO_V1(workflow_start);
PG_FUNCTION_INFO_V1(workflow_grant_usage);
PG_FUNCTION_INFO_V1(workflow_revoke_usage);

static void
check(const char *function)
{
	wf_require_preloaded();
	wf_require_extension_owner(function);
	wf_require_writable(function);
}

Datum
workflow_stop(PG_FUNCTION_ARGS)
{
	char *by = GetUserNameFromId(GetUserId(), false);
	char *reason = wf_arg_text(fcinfo, 0);
	WfWindow window;

	check("stop");
	wf_window_open(&window);
	wf_control_stop(by, reason);
	wf_window_close(&window);
	wf_note_events(WF_EVENT_CONTROL);
	PG_RETURN_VOID();
}

Datum
workflow_start(PG_FUNCTION_ARGS)
{
	WfWindow window;
	int64 adopted;

	check("start");
	wf_window_open(&window);
	wf_control_start();
	adopted = wf_adopt_rows();
	wf_window_close(&window);
	/* the owners in definitions may have changed as well */
	wf_definition_changed();
	wf_note_events(WF_EVENT_CONTROL | WF_EVENT_RESCAN);
	if (adopted > 0)
		ereport(NOTICE,
				(errmsg_plural("" INT64_FORMAT " unfinished run or message of another database was taken over",
							   "" INT64_FORMAT " unfinished runs and messages of another database were taken over",
							   (unsigned long) adopted, adopted)));
	PG_RETURN_VOID();
}

/* The role's name as it is, having made sure that there is such a role. */
static char *
role_argument(FunctionCallInfo fcinfo)
{
	char *role;

	wf_arg_require(fcinfo, 0, "role");
	role = wf_arg_text(fcinfo, 0);
	if (!OidIsValid(get_role_oid(role, true)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", role),
				 errdetail("It was passed as role; nothing can be granted to PUBLIC."),
				 errhint("Pass the name of a role exactly as it is written in pg_roles.")));
	return role;
}

Datum
workflow_grant_usage(PG_FUNCTION_ARGS)
{
	WfWindow window;
	char *role;

	check("grant_usage");
	role = role_argument(fcinfo);
	wf_window_open(&window);
	wf_grant_usage(role, true);
	wf_window_close(&window);
	PG_RETURN_VOID();
}

Datum
workflow_revoke_usage(PG_FUNCTION_ARGS)
{
	WfWindow window;
	char *role;

	check("revoke_usage");
	role = role_argument(fcinfo);
	wf_window_open(&window);
	wf_grant_usage(role, false);
	wf_window_close(&window);
	PG_RETURN_VOID();
}
