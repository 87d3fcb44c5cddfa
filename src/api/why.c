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
#include "api/served.h"
#include "api/sight.h"
#include "base/clock.h"
#include "base/guc.h"
#include "base/spi.h"
#include "core/state.h"
#include "ipc/queue_stats.h"
#include "ipc/shortage.h"
#include "play/calls.h"
#include "store/child.h"
#include "store/control.h"
#include "store/queue_wait.h"

PG_FUNCTION_INFO_V1(workflow_why);

/* All that is known of a run that is not in an executor. */
typedef struct Known
{
	WfRunView run;
	WfStep step;
	bool has_step;	/* "step" is one that failed, is tried again, or waits */
	WfMapState map; /* ... for children, if it is a map */
	WfControl control;
	WfRunQueue queue;
	WfGroupState group;
} Known;

static void
add_error(StringInfo out, const WfError *error)
{
	if (error->code[0] == '\0')
		return;
	if (error->message == NULL)
	{
		/* the reader may not see it */
		appendStringInfo(out, " Error %s.", error->code);
		return;
	}
	appendStringInfo(out, " Error %s: %s.", error->code, error->message);
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
	if (strcmp(reason, WF_REASON_UNKNOWN) == 0)
		return "It was started at most once, and nobody knows how far it came.";
	if (strcmp(reason, WF_REASON_REPLAY) == 0)
		return "Its replay asked for something else than what was recorded.";
	if (strcmp(reason, WF_REASON_BODY) == 0)
		return "Its body is missing, has changed, or may not be called.";
	if (strcmp(reason, WF_REASON_OWNER) == 0)
		return "Its owner is missing, or lacks a right.";
	if (strcmp(reason, WF_REASON_STATE) == 0)
		return "Its row or its record is in a state that the engine does not bring about.";
	if (strcmp(reason, WF_REASON_UNDO) == 0)
		return "What it has done could not be undone, but for what was registered later.";
	if (strcmp(reason, WF_REASON_TERMINATED) == 0)
		return "Its executor was ended again and again.";
	return "Waiting cannot heal the error.";
}

static void
say_stopped(StringInfo out, const Known *k)
{
	const WfRunView *run = &k->run;
	const char *why = reason_words(run->reason);

	appendStringInfo(out, run->state == WF_RUN_PARKED ? "The run is parked"
													  : "The run failed");
	if (run->state == WF_RUN_FAILED)
		appendStringInfo(out, " at %s", timestamptz_to_str(run->finished_at));
	add_place(out, run->failed_step, &k->step, k->has_step);
	appendStringInfoChar(out, '.');
	if (why)
		appendStringInfo(out, " %s", why);
	add_error(out, &run->error);
	if (run->origin != wf_origin())
		appendStringInfoString(
			out,
			" It comes from another database: call workflow.start() first.");
	if (run->state == WF_RUN_FAILED && run->end_state != '\0')
		appendStringInfoString(
			out,
			" What it had done is undone. To start anew, call workflow.fork_run.");
	else if (strcmp(run->error.code, "WF002") == 0)
		appendStringInfo(
			out,
			" Find out what came of it, and tell with workflow.set_step_result; workflow.retry_run repeats it only with repeat_unknown => true.");
	else
		appendStringInfoString(
			out,
			" After repair, call workflow.retry_run to go on from there.");
	if (run->state == WF_RUN_PARKED && run->held_at != 0)
		appendStringInfoString(
			out, " It is paused as well: call workflow.resume_run.");
	if (run->state == WF_RUN_FAILED && run->waiting_for == WF_WAIT_REPAIR &&
		k->queue.blocks && k->queue.group != NULL)
		appendStringInfo(out,
						 " Group \"%s\" of queue \"%s\" is closed until then.",
						 k->queue.group, k->queue.name);
}

static void
say_compensating(StringInfo out, const WfRunView *run)
{
	appendStringInfo(out, "The run %s, and what it has done is being undone.",
					 run->end_state == WF_RUN_CANCELLED ? "was cancelled"
														: "failed");
	add_error(out, &run->error);
	appendStringInfoChar(out, ' ');
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

/* ---- what its queue says ---- */

/* "run <id>", or only that there is one, to whom may not know of it. */
static void
add_holder(StringInfo out, const WfHolder *holder)
{
	if (wf_is_owner(holder->owner, holder->owner_name) || wf_sight_of_all())
		appendStringInfo(out, "run %s",
						 DatumGetCString(DirectFunctionCall1(
							 uuid_out, UUIDPGetDatum(&holder->run_id))));
	else
		appendStringInfoString(out, "a run of another owner");
}

static const char *
holder_state(const WfHolder *holder)
{
	WfRunView run = {.run_id = holder->run_id, .state = holder->state};

	return wf_run_state_word(&run);
}

/* False when nothing of its group holds the run. */
static bool
say_group(StringInfo out, const Known *k)
{
	const WfRunQueue *queue = &k->queue;
	const WfGroupState *group = &k->group;

	if (queue->group == NULL || queue->begun)
		return false;
	switch (wf_group_wait(group, queue->group_max_active, &k->run.run_id))
	{
		case WF_GROUP_OPEN:
			return false;
		case WF_GROUP_BLOCKED:
			appendStringInfo(
				out, "Group \"%s\" of queue \"%s\" is blocked by failed ",
				queue->group, queue->name);
			add_holder(out, &group->blocker);
			appendStringInfoString(
				out, ". After repair, call workflow.retry_run for that one.");
			break;
		case WF_GROUP_FULL:
			appendStringInfo(out, "Group \"%s\" of queue \"%s\" is held by ",
							 queue->group, queue->name);
			add_holder(out, &group->oldest);
			appendStringInfo(out, " (%s)", holder_state(&group->oldest));
			if (group->nbegun > 1)
				appendStringInfo(out, " and %d more", group->nbegun - 1);
			appendStringInfo(out, "; its group_max_active is %d.",
							 queue->group_max_active);
			break;
		case WF_GROUP_BEHIND:
			appendStringInfo(out, "In group \"%s\" of queue \"%s\", ",
							 queue->group, queue->name);
			add_holder(out, &group->first);
			appendStringInfoString(out,
								   " goes first; its group_max_active is 1.");
			break;
	}
	return true;
}

/* False when no limit of the queue holds the run. */
static bool
say_limit(StringInfo out, const WfRunQueue *queue)
{
	WfQueueGauges g;

	if (queue->name == NULL)
		return false;
	(void) wf_queue_gauges(MyDatabaseId, queue->queue_id, &g);
	if (queue->max_running >= 0 && g.running >= queue->max_running)
		appendStringInfo(
			out, "Queue \"%s\" runs at most %d at a time, and %u are running.",
			queue->name, queue->max_running, g.running);
	else if (!queue->begun && queue->max_active >= 0 &&
			 g.active >= queue->max_active)
		appendStringInfo(
			out,
			"Queue \"%s\" has at most %d active at a time, and %u have started and not ended.",
			queue->name, queue->max_active, g.active);
	else if (!queue->begun && g.rate_free_at > wf_clock_now())
	{
		appendStringInfo(out, "Queue \"%s\" ", queue->name);
		if (queue->rate_limit > 0)
			appendStringInfo(out, "starts at most %d per %s",
							 queue->rate_limit, queue->rate_period);
		else
			appendStringInfoString(out, "limits the rate of starts");
		appendStringInfo(out, "; the next may start at %s.",
						 timestamptz_to_str(g.rate_free_at));
	}
	else
		return false;
	return true;
}

static void
say_held(StringInfo out, const WfRunView *run)
{
	appendStringInfo(
		out, "The run is paused by %s since %s%s%s. Call workflow.resume_run.",
		run->held_by ? run->held_by : "somebody",
		timestamptz_to_str(run->held_at), run->hold_reason ? ": " : "",
		run->hold_reason ? run->hold_reason : "");
}

static void
say_paused(StringInfo out, const WfRunQueue *queue)
{
	appendStringInfo(
		out,
		"Queue \"%s\" is paused by %s since %s%s%s. Call workflow.resume_queue.",
		queue->name, queue->paused_by ? queue->paused_by : "somebody",
		timestamptz_to_str(queue->paused_at), queue->pause_reason ? ": " : "",
		queue->pause_reason ? queue->pause_reason : "");
}

/* ---- what else ---- */

/* What a run does that needs the outcome of the call that has not ended. */
static void
say_call(StringInfo out, const Known *k)
{
	const WfCallKind *kind = wf_calls_waiting(k->run.waiting_for);
	const WfCallKind *call =
		k->has_step ? wf_calls_find(k->step.match.kind) : NULL;

	if (kind != NULL && kind->waits != NULL)
		appendStringInfoString(out, kind->waits);
	else if (call != NULL && call->explain != NULL)
		call->explain(out, &k->step, &k->map);
	else
		appendStringInfoString(out, "The run waits for a child");
}

/* A run whose body waits; the step is the call that has not ended. */
static void
say_asleep(StringInfo out, const Known *k)
{
	const WfRunView *run = &k->run;

	if (run->waiting_for == WF_WAIT_HELD)
		appendStringInfoString(
			out,
			"The run waits until another child of the same map has ended");
	else
		say_call(out, k);
	if (k->has_step)
		add_place(out, k->step.ordinal, &k->step, true);
	if (run->due_at != 0)
		appendStringInfo(out, ", until %s", timestamptz_to_str(run->due_at));
	appendStringInfoChar(out, '.');
}

/* Says what the database is short of, where that may be the reason. */
static void
say_shortage(StringInfo out, const WfDatabase *db)
{
	TimestampTz since;
	WfShortage kind = wf_shortage_shown(db, &since);

	if (kind == WF_SHORTAGE_NONE)
		return;
	appendStringInfo(out, " The server is short of %s since %s",
					 wf_shortage_kind_noun(kind), timestamptz_to_str(since));
	if (kind == WF_SHORTAGE_WORKERS)
		appendStringInfoString(out, "; raise max_worker_processes.");
	else if (kind == WF_SHORTAGE_STANDBY)
		appendStringInfoString(out, ", for which commits wait.");
	else
		appendStringInfoString(
			out, "; until that is over, one run at a time is tried.");
}

/* A run that an executor has may wait in its commit. */
static void
say_no_standby(StringInfo out)
{
	const WfDatabase *db = wf_database_find(MyDatabaseId);

	if (db != NULL && db->shortage == WF_SHORTAGE_STANDBY)
		say_shortage(out, db);
}

/* A run that could start by itself, and waits for a process. */
static void
say_ready(StringInfo out, const WfDatabase *db, const WfRunQueue *queue)
{
	int executors = 0;
	WfQueueGauges g;

	/* or the scheduler has no room for it in memory, see core/plan_spill.c */
	if (db->ready == 0 && queue->name != NULL)
	{
		(void) wf_queue_gauges(MyDatabaseId, queue->queue_id, &g);
		appendStringInfo(
			out,
			"The run is ready and the scheduler has yet to take it up: %u wait in queue \"%s\".",
			g.ready, queue->name);
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
	if (wf_executors > 1 && executors == wf_executors - 1)
		appendStringInfoString(
			out,
			" The last one is for another role than the one that has all others.");
	if (wf_executors_per_role >= 0)
		appendStringInfo(out, " workflow.executors_per_role is %d.",
						 wf_executors_per_role);
	say_shortage(out, db);
}

/* A run that is due and that nobody has paused. */
static void
say_due(StringInfo out, const Known *k)
{
	WfDatabase *db = wf_database_find(MyDatabaseId);

	if (db == NULL || !wf_served_by_scheduler())
		appendStringInfoString(
			out,
			"The run waits for the scheduler of this database, which is not running.");
	else if (!say_group(out, k) && !say_limit(out, &k->queue))
		say_ready(out, db, &k->queue);
}

/* False when the run is due: it waits neither for its body nor for a time. */
static bool
say_asleep_or_early(StringInfo out, const Known *k, TimestampTz now)
{
	const WfRunView *run = &k->run;

	if ((run->state == WF_RUN_WAITING &&
		 (run->due_at == 0 || run->due_at > now)) ||
		(run->state == WF_RUN_COMPENSATING &&
		 run->waiting_for == WF_WAIT_TASK))
		say_asleep(out, k);
	else if (run->waiting_for == WF_WAIT_RETRY && run->due_at > now)
	{
		say_retry(out, run, &k->step, k->has_step);
		say_shortage(out, wf_database_find(MyDatabaseId));
	}
	else if (Max(run->due_at, run->run_at) > now)
		appendStringInfo(out, "The run waits for its start time, %s.",
						 timestamptz_to_str(Max(run->due_at, run->run_at)));
	else
		return false;
	/* whatever it waits for, nobody would see it come */
	if (!wf_served_by_scheduler())
		appendStringInfoString(
			out, " The scheduler of this database is not running.");
	return true;
}

/* A run that has not ended, is not parked and is in no executor. */
static void
say_waiting(StringInfo out, const Known *k)
{
	TimestampTz now = wf_clock_now();
	const WfRunView *run = &k->run;
	const WfControl *control = &k->control;

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
	else if (run->held_at != 0 && run->to_hold != WF_REQUEST_RESUME)
		say_held(out, run);
	else if (run->paused)
		appendStringInfo(
			out,
			"Workflow \"%s\" was paused by %s%s%s. Call workflow.resume_workflow.",
			run->workflow, run->paused_by ? run->paused_by : "somebody",
			run->pause_reason ? ": " : "",
			run->pause_reason ? run->pause_reason : "");
	else if (k->queue.paused)
		say_paused(out, &k->queue);
	else if (!say_asleep_or_early(out, k, now))
		say_due(out, k);
}

/* Everything that takes SQL, in one window. */
static void
look(const pg_uuid_t *run_id, Known *k)
{
	MemoryContext cxt = CurrentMemoryContext;
	WfWindow window;
	const WfCallKind *kind;
	bool contents;

	memset(k, 0, sizeof(*k));
	contents = wf_sight_of_run(run_id, &k->run);
	wf_window_open(&window);
	k->has_step = wf_step_view(run_id, cxt, &k->step);
	if (k->has_step && !contents)
		wf_sight_hide(&k->step.error);
	kind = k->has_step ? wf_calls_find(k->step.match.kind) : NULL;
	if (kind != NULL && kind->runs == WF_CALL_MANY_RUNS)
		wf_map_look(run_id, k->step.ordinal, &k->map);
	wf_control_read(false, &k->control);
	wf_run_queue(run_id, cxt, &k->queue);
	if (k->run.state == WF_RUN_QUEUED && k->queue.group != NULL)
		wf_group_look(k->queue.queue_id, k->queue.group, k->queue.group_owner,
					  k->queue.group_max_active, k->queue.blocks,
					  wf_clock_now(), cxt, &k->group);
	wf_window_close(&window);
}

char *
wf_run_why(const pg_uuid_t *run_id)
{
	Known k;
	WfSlot slot;
	StringInfoData out;

	look(run_id, &k);

	initStringInfo(&out);
	if (k.run.state == WF_RUN_COMPENSATING)
		say_compensating(&out, &k.run);
	if (k.run.state == WF_RUN_SUCCEEDED)
		appendStringInfo(&out, "The run succeeded at %s, after %d step%s.",
						 timestamptz_to_str(k.run.finished_at),
						 k.run.steps_done, k.run.steps_done == 1 ? "" : "s");
	else if (k.run.state == WF_RUN_CANCELLED)
		appendStringInfo(&out, "The run was cancelled at %s.",
						 timestamptz_to_str(k.run.finished_at));
	else if (k.run.state == WF_RUN_FAILED || k.run.state == WF_RUN_PARKED)
		say_stopped(&out, &k);
	else if (wf_run_find_slot(run_id, &slot))
	{
		say_running(&out, &slot);
		say_no_standby(&out);
		if (k.run.to_hold == WF_REQUEST_PAUSE)
			appendStringInfoString(
				&out, " It is to be paused when this step has ended.");
	}
	else
		say_waiting(&out, &k);
	if (k.run.continued)
		appendStringInfo(&out, " It goes on as run %s.",
						 DatumGetCString(DirectFunctionCall1(
							 uuid_out, UUIDPGetDatum(&k.run.continued_as))));
	return out.data;
}

Datum
workflow_why(PG_FUNCTION_ARGS)
{
	wf_require_preloaded();
	PG_RETURN_TEXT_P(cstring_to_text(wf_run_why(wf_arg_run_id(fcinfo, 0))));
}
