/*
 * requests.c
 *		cancel_run() and retry_run().
 *
 * Both insert a request and return true, or return false when the run has
 * moved on, so that they can be called on whole sets of runs.  The scheduler
 * sees the request at commit.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/runs.h"
#include "base/clock.h"
#include "base/spi.h"
#include "core/state.h"
#include "worker/wakeup.h"

PG_FUNCTION_INFO_V1(workflow_cancel_run);
PG_FUNCTION_INFO_V1(workflow_retry_run);

void
wf_run_look(const pg_uuid_t *run_id, WfRunView *out)
{
	MemoryContext cxt = CurrentMemoryContext;
	WfWindow window;
	bool found;
	char *id;

	wf_window_open(&window);
	found = wf_run_view(run_id, cxt, out);
	wf_window_close(&window);

	id = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(run_id)));
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("run %s does not exist", id),
				 errdetail("It was never enqueued, its transaction has not committed, or it was deleted."),
				 errhint("The view workflow.runs lists the runs there are.")));
	wf_require_owner(out->owner, out->owner_name, "run", id);
	pfree(id);
}

bool
wf_run_find_slot(const pg_uuid_t *run_id, WfSlot *out)
{
	if (wf_shared == NULL)
		return false;
	for (int i = 0; i < wf_shared->nslots; i++)
	{
		if (wf_slot_read(&wf_slots[i], out) && out->database == MyDatabaseId &&
			memcmp(&out->run_id, run_id, sizeof(pg_uuid_t)) == 0)
			return true;
	}
	return false;
}

const char *
wf_run_state_word(const WfRunView *run)
{
	WfSlot slot;

	switch (run->state)
	{
		case WF_RUN_SUCCEEDED:
			return "succeeded";
		case WF_RUN_FAILED:
			return "failed";
		case WF_RUN_CANCELLED:
			return "cancelled";
		case WF_RUN_PARKED:
			return "parked";
		case WF_RUN_COMPENSATING:
			return "compensating";
		default:
			break;
	}
	if (wf_run_find_slot(&run->run_id, &slot))
		return "running";
	return run->state == WF_RUN_WAITING ? "waiting" : "queued";
}

static void
insert_request(const pg_uuid_t *run_id, char kind, TimestampTz due_at,
			   bool no_undo, const char *reason)
{
	char *by = GetUserNameFromId(GetUserId(), false);
	WfWindow window;

	wf_window_open(&window);
	wf_request_insert(run_id, kind, due_at, no_undo, by, reason);
	wf_window_close(&window);
	wf_note_events(WF_EVENT_REQUEST);
}

Datum
workflow_cancel_run(PG_FUNCTION_ARGS)
{
	pg_uuid_t *run_id;
	bool no_undo = !PG_ARGISNULL(1) && !PG_GETARG_BOOL(1);
	WfRunView run;

	wf_require_preloaded();
	wf_require_writable("cancel_run");
	run_id = wf_arg_run_id(fcinfo, 0);
	wf_run_look(run_id, &run);
	if (wf_run_is_final(run.state) || run.state == WF_RUN_COMPENSATING)
		PG_RETURN_BOOL(false);
	/* what could not be undone is undone by repair, or left */
	if (run.end_state != '\0' && !no_undo)
		PG_RETURN_BOOL(false);
	insert_request(run_id, WF_REQUEST_CANCEL, 0, no_undo,
				   wf_arg_text(fcinfo, 2));
	PG_RETURN_BOOL(true);
}

Datum
workflow_retry_run(PG_FUNCTION_ARGS)
{
	pg_uuid_t *run_id;
	WfRunView run;
	Interval *delay;
	TimestampTz due_at = 0;

	wf_require_preloaded();
	wf_require_writable("retry_run");
	run_id = wf_arg_run_id(fcinfo, 0);
	delay = wf_arg_interval(fcinfo, 1, "delay", false);
	wf_run_look(run_id, &run);
	/* a restored run goes on no sooner than start() has taken it over */
	if (run.origin != wf_origin())
		PG_RETURN_BOOL(false);
	if (run.state == WF_RUN_FAILED && run.end_state != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("run %s has been compensated",
						DatumGetCString(DirectFunctionCall1(
							uuid_out, UUIDPGetDatum(run_id)))),
				 errdetail("What it had done is undone, so it cannot go on from the step that failed."),
				 errhint("Start anew with workflow.fork_run() or workflow.enqueue_workflow().")));
	if (run.state != WF_RUN_FAILED && run.state != WF_RUN_PARKED &&
		run.waiting_for != WF_WAIT_RETRY)
		PG_RETURN_BOOL(false);

	if (delay)
		due_at = DatumGetTimestampTz(DirectFunctionCall2(
			timestamptz_pl_interval, TimestampTzGetDatum(wf_clock_now()),
			IntervalPGetDatum(delay)));
	insert_request(run_id, WF_REQUEST_RETRY, due_at, false,
				   wf_arg_text(fcinfo, 2));
	PG_RETURN_BOOL(true);
}
