/*
 * control.c
 *		stop() and start().
 *
 * Both are for the owner of the extension and superusers, even where somebody
 * was granted EXECUTE on them.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/arguments.h"
#include "api/definition_cache.h"
#include "base/spi.h"
#include "ipc/wakeup.h"
#include "store/control.h"

PG_FUNCTION_INFO_V1(workflow_stop);
PG_FUNCTION_INFO_V1(workflow_start);

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
	char *reason = wf_arg_note(fcinfo, 0, "reason");
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
