/*
 * why.c
 *		why(): what a run is doing or waiting for, in words.
 *
 * Looks at the run's row, the executors' slots and the scheduler's entry, in
 * the order in which an operator would rule things out.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/runs.h"
#include "base/clock.h"
#include "base/guc.h"
#include "base/spi.h"
#include "core/state.h"
#include "store/control.h"

PG_FUNCTION_INFO_V1(workflow_why);

static void
add_error(StringInfo out, const WfError *error)
{
	if (error->code[0] == '\0')
		return;
	appendStringInfo(out, " Error %s: %s.", error->code,
					 error->message ? error->message : "");
	if (error->detail)
		appendStringInfo(out, " Detail: %s", error->detail);
	if (error->hint)
		appendStringInfo(out, " Hint: %s", error->hint);
}

/* Where a run stopped: "at step 2 ("charge card")" or "in its body". */
static void
add_place(StringInfo out, int32 ordinal, const WfStep *step, bool known)
{
	if (ordinal == 0)
		appendStringInfoString(out, " in its body");
	else if (known && step->ordinal == ordinal)
		appendStringInfo(out, " at step %d (\"%s\")", ordinal,
						 step->match.name);
	else
		appendStringInfo(out, " at step %d", ordinal);
}

/* The reason of a parked or failed run, as a sentence. */
static const char *
reason_words(const char *reason)
{
	if (reason == NULL)
		return NULL;
	if (strcmp(reason, WF_REASON_ATTEMPTS) == 0)
		return "All attempts are used up.";
	if (strcmp(reason, WF_REASON_TIMEOUT) == 0)
		return "It took longer than its run_timeout.";
	if (strcmp(reason, WF_REASON_CRASH) == 0)
		return "It took the server down.";
	if (strcmp(reason, WF_REASON_REPLAY) == 0)
		return "Its replay asked for something else than what was recorded.";
	if (strcmp(reason, WF_REASON_BODY) == 0)
		return "Its body is missing, has changed, or may not be called.";
	if (strcmp(reason, WF_REASON_OWNER) == 0)
		return "Its owner is missing, or lacks a right.";
	if (strcmp(reason, WF_REASON_TERMINATED) == 0)
		return "Its executor was ended again and again.";
	return "Waiting cannot heal the error.";
}

static void
say_stopped(StringInfo out, const WfRunView *run, const WfStep *step,
			bool known)
{
	const char *why = reason_words(run->reason);

	appendStringInfo(out, run->state == WF_RUN_PARKED ? "The run is parked"
													  : "The run failed");
	if (run->state == WF_RUN_FAILED)
		appendStringInfo(out, " at %s", timestamptz_to_str(run->finished_at));
	add_place(out, run->failed_step, step, known);
	appendStringInfoChar(out, '.');
	if (why)
		appendStringInfo(out, " %s", why);
	add_error(out, &run->error);
	if (run->origin != wf_origin())
		appendStringInfoString(
			out,
			" It comes from another database: call workflow.start() first.");
	appendStringInfoString(
		out, " After repair, call workflow.retry_run to go on from there.");
}

static void
say_retry(StringInfo out, const WfRunView *run, const WfStep *step, bool known)
{
	appendStringInfoString(out, "The run waits to try again");
	if (known)
	{
		add_place(out, step->ordinal, step, known);
		appendStringInfo(out, ", where attempt %d", step->attempt);
		if (step->max_attempts > 0)
			appendStringInfo(out, " of %d", step->max_attempts);
		appendStringInfoString(out, " failed");
	}
	else
		appendStringInfoString(out, " its body");
	appendStringInfo(out, ", at %s.", timestamptz_to_str(run->due_at));
	add_error(out, known ? &step->error : &run->error);
}

static void
say_running(StringInfo out, const WfSlot *slot)
{
	if (slot->ordinal > 0)
		appendStringInfo(
			out,
			"The run is running step %d (\"%s\"), attempt %d, since %s in executor %d.",
			slot->ordinal, slot->step_name, slot->attempt,
			timestamptz_to_str(slot->since), slot->pid);
	else
		appendStringInfo(out, "The run is running since %s in executor %d.",
						 timestamptz_to_str(slot->since), slot->pid);
}

/* What keeps a run waiting that could start by itself. */
static void
say_ready(StringInfo out)
{
	WfDatabase *db = wf_database_find(MyDatabaseId);
	int executors = 0;

	if (db == NULL || (db->state != WF_DB_LIVE && db->state != WF_DB_LOADING))
	{
		appendStringInfoString(
			out,
			"The run waits for the scheduler of this database, which is not running.");
		return;
	}
	for (int i = 0; i < wf_shared->nslots; i++)
	{
		WfSlot slot;

		if (wf_slot_read(&wf_slots[i], &slot) && slot.database == MyDatabaseId)
			executors++;
	}
	appendStringInfo(
		out,
		"The run is ready and waits for an executor: %u runs are ready, %d executors are there, workflow.executors is %d.",
		db->ready, executors, wf_executors);
	if (db->short_since != 0 || wf_shared->short_since != 0)
		appendStringInfoString(
			out,
			" The server is short of worker processes; raise max_worker_processes.");
}

/* A run that has not ended, is not parked and is in no executor. */
static void
say_waiting(StringInfo out, const WfRunView *run, const WfStep *step,
			bool known, const WfControl *control)
{
	TimestampTz now = wf_clock_now();

	if (run->cancelling)
		appendStringInfoString(out, "The run is about to be cancelled.");
	else if (control->foreign || run->origin != wf_origin())
		appendStringInfo(
			out,
			"Nothing is started: the run comes from another database%s%s. Call workflow.start() to run it here.",
			control->why[0] ? ", as " : "", control->why);
	else if (control->stopped)
		appendStringInfo(
			out,
			"Nothing is started in this database: %s. Call workflow.start().",
			control->why);
	else if (!wf_enabled)
		appendStringInfoString(
			out,
			"Nothing is started on this server: workflow.enabled is off.");
	else if (run->paused)
		appendStringInfo(
			out,
			"Workflow \"%s\" was paused by %s%s%s. Call workflow.resume_workflow.",
			run->workflow, run->paused_by ? run->paused_by : "somebody",
			run->pause_reason ? ": " : "",
			run->pause_reason ? run->pause_reason : "");
	else if (run->waiting_for == WF_WAIT_RETRY && run->due_at > now)
		say_retry(out, run, step, known);
	else if (Max(run->due_at, run->run_at) > now)
		appendStringInfo(out, "The run waits for its start time, %s.",
						 timestamptz_to_str(Max(run->due_at, run->run_at)));
	else
		say_ready(out);
}

Datum
workflow_why(PG_FUNCTION_ARGS)
{
	MemoryContext cxt = CurrentMemoryContext;
	pg_uuid_t *run_id;
	WfRunView run;
	WfStep step;
	WfControl control;
	WfWindow window;
	WfSlot slot;
	bool known;
	StringInfoData out;

	wf_require_preloaded();
	run_id = wf_arg_run_id(fcinfo, 0);
	wf_run_look(run_id, &run);
	wf_window_open(&window);
	known = wf_step_view(run_id, cxt, &step);
	wf_control_read(false, &control);
	wf_window_close(&window);

	initStringInfo(&out);
	if (run.state == WF_RUN_SUCCEEDED)
		appendStringInfo(&out, "The run succeeded at %s, after %d step%s.",
						 timestamptz_to_str(run.finished_at), run.steps_done,
						 run.steps_done == 1 ? "" : "s");
	else if (run.state == WF_RUN_CANCELLED)
		appendStringInfo(&out, "The run was cancelled at %s.",
						 timestamptz_to_str(run.finished_at));
	else if (run.state == WF_RUN_FAILED || run.state == WF_RUN_PARKED)
		say_stopped(&out, &run, &step, known);
	else if (wf_run_find_slot(run_id, &slot))
		say_running(&out, &slot);
	else
		say_waiting(&out, &run, &step, known, &control);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
