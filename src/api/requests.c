/*
 * requests.c
 *		cancel_run(), retry_run(), pause_run(), resume_run(), wake_run(),
 *		set_step_result() and delete_run().
 *
 * Each inserts a request and an entry of the audit and returns true, or
 * returns false when the run has moved on, so that it can be called on whole
 * sets of runs.  The scheduler sees the request at commit.  None of them
 * touches the run's row, so none waits for a step that is about to finish, or
 * makes one wait.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/runs.h"
#include "base/clock.h"
#include "base/spi.h"
#include "core/state.h"
#include "ipc/wakeup.h"
#include "store/body.h"
#include "store/definition.h"

PG_FUNCTION_INFO_V1(workflow_cancel_run);
PG_FUNCTION_INFO_V1(workflow_retry_run);
PG_FUNCTION_INFO_V1(workflow_pause_run);
PG_FUNCTION_INFO_V1(workflow_resume_run);
PG_FUNCTION_INFO_V1(workflow_wake_run);
PG_FUNCTION_INFO_V1(workflow_set_step_result);
PG_FUNCTION_INFO_V1(workflow_delete_run);

static char *
id_text(const pg_uuid_t *run_id)
{
	return DatumGetCString(
		DirectFunctionCall1(uuid_out, UUIDPGetDatum(run_id)));
}

void
wf_run_find(const pg_uuid_t *run_id, WfRunView *out)
{
	MemoryContext cxt = CurrentMemoryContext;
	WfWindow window;
	bool found;

	wf_window_open(&window);
	found = wf_run_view(run_id, cxt, out);
	wf_window_close(&window);
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("run %s does not exist", id_text(run_id)),
				 errdetail("It was never enqueued, its transaction has not committed, or it was deleted."),
				 errhint("The view workflow.runs lists the runs there are.")));
}

void
wf_run_require_owner(const WfRunView *run)
{
	if (!wf_is_owner(run->owner, run->owner_name))
		wf_require_owner(run->owner, run->owner_name, "run",
						 id_text(&run->run_id));
}

void
wf_run_look(const pg_uuid_t *run_id, WfRunView *out)
{
	wf_run_find(run_id, out);
	wf_run_require_owner(out);
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

/*
 * The run that is argument 0, looked up for the current user.  "function" is
 * the one that was called.
 */
static pg_uuid_t *
open_run(FunctionCallInfo fcinfo, const char *function, WfRunView *run)
{
	pg_uuid_t *run_id;

	wf_require_preloaded();
	wf_require_writable(function);
	run_id = wf_arg_run_id(fcinfo, 0);
	wf_run_look(run_id, run);
	return run_id;
}

/* "detail" is the text of a JSON object, or NULL. */
static void
send_request(const pg_uuid_t *run_id, const char *function,
			 const WfNewRequest *request, const char *detail)
{
	char *by = GetUserNameFromId(GetUserId(), false);
	WfWindow window;

	wf_window_open(&window);
	wf_request_insert(run_id, request, by);
	wf_audit_insert(run_id, function, by, request->reason, detail);
	wf_window_close(&window);
	wf_note_events(WF_EVENT_REQUEST);
}

/* ---- ends ---- */

Datum
workflow_cancel_run(PG_FUNCTION_ARGS)
{
	WfNewRequest request = {.kind = WF_REQUEST_CANCEL,
							.no_undo = !PG_ARGISNULL(1) && !PG_GETARG_BOOL(1),
							.reason = wf_arg_note(fcinfo, 2, "reason")};
	WfRunView run;
	pg_uuid_t *run_id = open_run(fcinfo, "cancel_run", &run);

	if (wf_run_is_final(run.state) || run.state == WF_RUN_COMPENSATING)
		PG_RETURN_BOOL(false);
	/* what could not be undone is undone by repair, or left */
	if (run.end_state != '\0' && !request.no_undo)
		PG_RETURN_BOOL(false);
	send_request(run_id, "cancel_run", &request,
				 request.no_undo ? "{\"compensate\": false}" : NULL);
	PG_RETURN_BOOL(true);
}

/* The audit of a run goes with it; the scheduler tells the server log. */
Datum
workflow_delete_run(PG_FUNCTION_ARGS)
{
	WfNewRequest request = {.kind = WF_REQUEST_DELETE};
	WfRunView run;
	pg_uuid_t *run_id = open_run(fcinfo, "delete_run", &run);

	if (!wf_run_is_final(run.state) || run.retrying)
		PG_RETURN_BOOL(false);
	request.due_at = run.finished_at;
	send_request(run_id, "delete_run", &request, NULL);
	PG_RETURN_BOOL(true);
}

/* ---- going on ---- */

/*
 * The body version that the run is moved to.  Its search_path is the
 * function's own, or else stays what it was, as the run's other steps have
 * been found by it.
 */
static int32
take_body(const WfRunView *run, const char *name)
{
	Oid function = wf_body_resolve(name);
	char *signature = wf_body_signature(function);
	char *search_path;
	MemoryContext cxt = CurrentMemoryContext;
	WfBodyRow row;
	WfWindow window;
	int32 body_id;

	wf_body_check(function, signature);
	if (!wf_body_callable(function, run->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for body \"%s\"", signature),
				 errdetail("The run's owner \"%s\" lacks EXECUTE on the function or USAGE on its schema.",
						   run->owner_name),
				 errhint("Grant both to that role.")));
	search_path = wf_body_own_search_path(function);

	wf_window_open(&window);
	if (!wf_body_load(run->body_id, run->queue_id, cxt, &row))
		elog(ERROR, "definition %d of the run's body is missing",
			 run->body_id);
	body_id = wf_body_version(row.workflow_id, signature,
							  search_path ? search_path : row.search_path,
							  wf_clock_now());
	wf_window_close(&window);
	wf_body_lint(function, signature);
	return body_id;
}

/* Has it stopped for good, and can go on from there? */
static bool
has_stopped(const WfRunView *run)
{
	/* a restored run goes on no sooner than start() has taken it over */
	if (run->origin != wf_origin())
		return false;
	return run->state == WF_RUN_PARKED ||
		   (run->state == WF_RUN_FAILED && run->end_state == '\0');
}

/* ... or waits for its next attempt, which its row says also while it runs? */
static bool
can_be_retried(const WfRunView *run)
{
	if (run->origin != wf_origin())
		return false;
	return has_stopped(run) ||
		   (!wf_run_is_final(run->state) &&
			run->waiting_for == WF_WAIT_RETRY && run->due_at > wf_clock_now());
}

/* Gives other arguments of a request, as the audit keeps them; NULL: none. */
static char *
describe_retry(const WfNewRequest *request, const char *body)
{
	StringInfoData detail;

	initStringInfo(&detail);
	if (request->due_at != 0)
		appendStringInfo(&detail, ", \"due_at\": \"%s\"",
						 timestamptz_to_str(request->due_at));
	if (body != NULL)
	{
		appendStringInfoString(&detail, ", \"body\": ");
		escape_json(&detail, body);
	}
	if (request->repeat_unknown)
		appendStringInfoString(&detail, ", \"repeat_unknown\": true");
	return detail.len == 0 ? NULL : psprintf("{%s}", detail.data + 2);
}

Datum
workflow_retry_run(PG_FUNCTION_ARGS)
{
	WfNewRequest request = {.kind = WF_REQUEST_RETRY,
							.reason = wf_arg_note(fcinfo, 3, "reason"),
							.repeat_unknown =
								!PG_ARGISNULL(4) && PG_GETARG_BOOL(4)};
	Interval *delay = wf_arg_interval(fcinfo, 1, "delay", false);
	char *body = wf_arg_note(fcinfo, 2, "body");
	WfRunView run;
	pg_uuid_t *run_id = open_run(fcinfo, "retry_run", &run);

	if (!can_be_retried(&run))
		PG_RETURN_BOOL(false);
	if (delay)
		request.due_at = wf_time_after(wf_clock_now(), delay);
	if (body)
		request.body_id = take_body(&run, body);
	send_request(run_id, "retry_run", &request,
				 describe_retry(&request, body));
	PG_RETURN_BOOL(true);
}

Datum
workflow_wake_run(PG_FUNCTION_ARGS)
{
	WfNewRequest request = {.kind = WF_REQUEST_WAKE,
							.reason = wf_arg_note(fcinfo, 1, "reason")};
	WfRunView run;
	pg_uuid_t *run_id = open_run(fcinfo, "wake_run", &run);
	TimestampTz now = wf_clock_now();

	/* one that has yet to start does not sleep: its now() is its start time */
	if (wf_run_is_final(run.state) || run.state == WF_RUN_PARKED ||
		run.due_at <= now || run.run_at > now ||
		(run.waiting_for != WF_WAIT_NONE && run.waiting_for != WF_WAIT_RETRY &&
		 run.waiting_for != WF_WAIT_TIMER) ||
		run.origin != wf_origin())
		PG_RETURN_BOOL(false);
	send_request(run_id, "wake_run", &request, NULL);
	PG_RETURN_BOOL(true);
}

Datum
workflow_set_step_result(PG_FUNCTION_ARGS)
{
	WfNewRequest request = {.kind = WF_REQUEST_RESULT,
							.reason = wf_arg_note(fcinfo, 3, "reason")};
	WfRunView run;
	pg_uuid_t *run_id = open_run(fcinfo, "set_step_result", &run);

	wf_arg_require(fcinfo, 1, "ordinal");
	request.ordinal = PG_GETARG_INT32(1);
	if (!PG_ARGISNULL(2))
	{
		request.value = PG_GETARG_DATUM(2);
		wf_check_payload(request.value, "result");
	}
	if (!has_stopped(&run) || run.failed_step == 0 ||
		run.failed_step != request.ordinal)
		PG_RETURN_BOOL(false);
	send_request(run_id, "set_step_result", &request,
				 psprintf("{\"ordinal\": %d}", request.ordinal));
	PG_RETURN_BOOL(true);
}

/* ---- pausing ---- */

/* Paused, once what was asked for before is carried out. */
static bool
will_be_paused(const WfRunView *run)
{
	if (run->to_hold != '\0')
		return run->to_hold == WF_REQUEST_PAUSE;
	return run->held_at != 0;
}

Datum
workflow_pause_run(PG_FUNCTION_ARGS)
{
	WfNewRequest request = {.kind = WF_REQUEST_PAUSE,
							.reason = wf_arg_note(fcinfo, 1, "reason")};
	WfRunView run;
	pg_uuid_t *run_id = open_run(fcinfo, "pause_run", &run);

	if (wf_run_is_final(run.state) || will_be_paused(&run))
		PG_RETURN_BOOL(false);
	send_request(run_id, "pause_run", &request, NULL);
	PG_RETURN_BOOL(true);
}

Datum
workflow_resume_run(PG_FUNCTION_ARGS)
{
	WfNewRequest request = {.kind = WF_REQUEST_RESUME,
							.reason = wf_arg_note(fcinfo, 1, "reason")};
	WfRunView run;
	pg_uuid_t *run_id = open_run(fcinfo, "resume_run", &run);

	if (wf_run_is_final(run.state) || !will_be_paused(&run))
		PG_RETURN_BOOL(false);
	send_request(run_id, "resume_run", &request, NULL);
	PG_RETURN_BOOL(true);
}
