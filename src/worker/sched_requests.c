/*
 * sched_requests.c
 *		What clients, and the clock, ask of runs; stop and start; pausing.
 *
 * Whoever has a run writes its row: for a run in a TAKEN cell the wish is
 * passed to the executor through the cell; every other is dealt with here.  A
 * request row stays until the write that answers it, so none is lost with a
 * process.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/builtins.h"

#include "base/guc.h"
#include "base/stoppoint.h"
#include "core/state.h"
#include "store/message_task.h"
#include "store/signal.h"
#include "worker/attach.h"
#include "worker/queue_stats.h"
#include "worker/sched.h"
#include "worker/stats.h"
#include "worker/wakeup.h"

/* ---- runs that are in no cell ---- */

/* A run that is to go on, with what its row says now. */
static void
queue_again(const WfWork *info)
{
	WfEntry *entry = wf_ready_find(&wf_sched.ready, &info->id);
	bool active = false;
	bool begun = false;

	if (entry != NULL && entry->place == WF_PLACE_CELL)
		return;
	if (entry != NULL)
	{
		/* what keeps its place in the group still has it */
		active = entry->active && (!entry->admitted || entry->begun);
		begun = entry->begun;
		wf_ready_forget(&wf_sched.ready, entry);
	}
	entry = wf_ready_make(&wf_sched.ready, info);
	entry->begun |= begun;
	if (active && entry->queue != NULL)
		wf_gate_keep(entry);
	wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
}

typedef struct Ended
{
	pg_uuid_t run_id;
	WfEndedOf of;
	WfCounter counter;
	WfQueueCounter of_queue;
} Ended;

/* The parent of a run that has ended is told, its children are asked to end. */
static void
tell_relatives(const WfEndedOf *of, const WfEndedOf *before)
{
	if (of->has_parent &&
		(before == NULL || !before->has_parent ||
		 memcmp(&before->parent_id, &of->parent_id, UUID_LEN) != 0))
		wf_sched_wake(&of->parent_id);
	if (of->asks)
		wf_sched.events |= WF_EVENT_REQUEST;
}

/* After the commit: counters, whoever waits for the runs, our memory. */
static void
tell_ended(const Ended *ended, int n)
{
	for (int i = 0; i < n; i++)
	{
		WfEntry *entry;

		if (ended[i].of.undoes)
		{
			queue_again(&ended[i].of.info);
			tell_relatives(&ended[i].of, NULL);
			continue;
		}
		entry = wf_ready_find(&wf_sched.ready, &ended[i].run_id);
		if (entry != NULL && ended[i].counter == WF_COUNT_FAILED)
			wf_alerts_died(entry);
		if (entry != NULL && entry->place != WF_PLACE_CELL &&
			ended[i].of.workflow_id != 0 &&
			ended[i].counter != WF_COUNT_CANCELLED)
		{
			wf_ready_take(&wf_sched.ready, entry);
			wf_seat_stopped(entry, ended[i].counter == WF_COUNT_FAILED);
		}
		else if (entry != NULL && entry->place != WF_PLACE_CELL)
			wf_ready_forget(&wf_sched.ready, entry);
		if (ended[i].of.workflow_id == 0)
			continue;
		tell_relatives(&ended[i].of, i > 0 ? &ended[i - 1].of : NULL);
		if (ended[i].of.queue_id == WF_QUEUE_ITEMS)
			continue;
		wf_stats_add(MyDatabaseId, ended[i].of.workflow_id, ended[i].counter,
					 1);
		wf_queue_count(MyDatabaseId, ended[i].of.queue_id, ended[i].of_queue,
					   1);
		ConditionVariableBroadcast(wf_wait_channel(&ended[i].run_id));
	}
	wf_retention_touch();
}

void
wf_sched_withdraw(const pg_uuid_t *run_id)
{
	int64 *ids;
	int n = wf_task_withdraw(run_id, wf_sched.cycle_cxt, &ids);

	for (int i = 0; i < n; i++)
		wf_note_message(ids[i]);
}

void
wf_sched_park(WfEntry **entries, int n, const char *reason, const char *code,
			  const char *message, const char *hint)
{
	Ended *ended = palloc(mul_size(n, sizeof(Ended)));
	WfWindow w;

	wf_sched_begin(&w, "parking runs");
	for (int i = 0; i < n; i++)
	{
		ended[i].run_id = entries[i]->run_id;
		ended[i].of =
			wf_run_park(&ended[i].run_id, reason, code, message, hint);
		ended[i].counter = WF_COUNT_PARKED;
		ended[i].of_queue = WF_QCOUNT_PARKED;
	}
	WF_STOP("sched-park-commit");
	wf_sched_commit(&w);
	tell_ended(ended, n);
}

/* ---- requests ---- */

/* what is to be done in memory, once the answer in the table has committed */
typedef struct Effect
{
	const WfRequest *request;
	WfApplied applied;
	WfWork info;
	WfEndedOf of; /* cancelled: whose it was */
} Effect;

static uint32
bits_of(const WfRequest *request)
{
	if (request->kind == WF_REQUEST_PAUSE)
		return WF_REQ_YIELD | WF_REQ_AGAIN;
	return request->no_undo ? WF_REQ_CANCEL | WF_REQ_NO_UNDO : WF_REQ_CANCEL;
}

/*
 * Passes the request to the executor that has the run.  Returns true when
 * there is nothing left to do now: the request stays until the cell is given
 * back.  Else the entry may have left its cell, which nobody had begun.
 */
static bool
request_in_cell(WfEntry *entry, const WfRequest *request)
{
	switch (request->kind)
	{
		case WF_REQUEST_CANCEL:
		case WF_REQUEST_PAUSE:
			if (!wf_seat_take_back(entry))
			{
				wf_seat_request(entry, bits_of(request));
				return true;
			}
			wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
			return false;
		case WF_REQUEST_RESUME:
			/* behind the pause that waits for the end of the step */
			wf_seat_request(entry, WF_REQ_AGAIN);
			return true;
		case WF_REQUEST_DELETE:
			if (!wf_run_ended_at(&request->run_id, request->due_at))
				return false;
			break;
		default:
			if (!wf_run_has_stopped(&request->run_id))
				return false;
			break;
	}
	/* its executor has yet to give the cell back */
	wf_seat_request(entry, WF_REQ_AGAIN);
	return true;
}

/* In the transaction; false when there is nothing to do after it. */
static bool
apply_request(const WfRequest *request, Effect *effect)
{
	WfEntry *entry = wf_ready_find(&wf_sched.ready, &request->run_id);

	effect->request = request;
	effect->applied = WF_APPLIED_NOTHING;
	if (entry != NULL && entry->place == WF_PLACE_CELL &&
		request_in_cell(entry, request))
		return false;

	/* a run that is in a cell is on its way: there is nothing to repair */
	if (entry == NULL || entry->place != WF_PLACE_CELL)
	{
		effect->applied =
			wf_request_apply(request, &effect->info, &effect->of);
		if (effect->applied == WF_APPLIED_CANCELLED ||
			effect->applied == WF_APPLIED_UNDOES)
			wf_sched_withdraw(&request->run_id);
	}
	wf_request_delete(request->request_id);
	return effect->applied != WF_APPLIED_NOTHING;
}

/* One that was let go on stands where it was, and is held nowhere any more. */
static void
let_go_on(WfEntry *entry)
{
	entry->flags &= ~WF_ASSIGN_PAUSED;
	if (entry->place != WF_PLACE_PAUSED)
		return;
	wf_ready_take(&wf_sched.ready, entry);
	wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
}

/* The audit of a run goes with it; this remains. */
static void
log_deleted(const Effect *effects, int n)
{
	const WfRequest *first = NULL;
	int ndeleted = 0;

	for (int i = 0; i < n; i++)
	{
		if (effects[i].applied != WF_APPLIED_DELETED)
			continue;
		if (ndeleted++ == 0)
			first = effects[i].request;
	}
	if (ndeleted > 0)
		ereport(LOG,
				(errmsg_plural("%d workflow run was deleted",
							   "%d workflow runs were deleted",
							   ndeleted, ndeleted),
				 errdetail("The first is %s, deleted by role \"%s\".",
						   DatumGetCString(DirectFunctionCall1(uuid_out,
															   UUIDPGetDatum(&first->run_id))),
						   first->by)));
}

/* After the commit. */
static void
take_effect(const Effect *effect)
{
	WfEntry *entry = wf_ready_find(&wf_sched.ready, &effect->info.id);
	Ended ended = {.run_id = effect->info.id,
				   .of = effect->of,
				   .counter = WF_COUNT_CANCELLED,
				   .of_queue = WF_QCOUNT_CANCELLED};

	switch (effect->applied)
	{
		case WF_APPLIED_NOTHING:
			break;
		case WF_APPLIED_CANCELLED:
		case WF_APPLIED_UNDOES:
			tell_ended(&ended, 1);
			break;
		case WF_APPLIED_QUEUED:
			queue_again(&effect->info);
			break;
		case WF_APPLIED_WOKEN:
			/* it may have become due meanwhile */
			if (entry == NULL || entry->place == WF_PLACE_TIMER)
				queue_again(&effect->info);
			break;
		case WF_APPLIED_PAUSED:
			/* where it stands, until it is its turn: see wf_dispatch_next() */
			if (entry != NULL)
				entry->flags |= WF_ASSIGN_PAUSED;
			break;
		case WF_APPLIED_RESUMED:
			if (entry != NULL)
				let_go_on(entry);
			break;
		case WF_APPLIED_DELETED:
			if (entry != NULL && entry->place != WF_PLACE_CELL)
				wf_ready_forget(&wf_sched.ready, entry);
			break;
	}
}

/*
 * One batch of requests after *after; how many there were.  They take effect
 * in the order in which they were made.
 */
static int
request_batch(int64 *after)
{
	WfRequest *requests = palloc(WF_SCHED_BATCH * sizeof(WfRequest));
	Effect *effects = palloc(WF_SCHED_BATCH * sizeof(Effect));
	int neffects = 0;
	int n;
	WfWindow w;

	wf_sched_begin(&w, "reading requests");
	n = wf_request_read(*after, requests, WF_SCHED_BATCH);
	for (int i = 0; i < n; i++)
	{
		*after = requests[i].request_id;
		if (apply_request(&requests[i], &effects[neffects]))
			neffects++;
	}
	WF_STOP("sched-request-commit");
	wf_sched_commit(&w);

	for (int i = 0; i < neffects; i++)
		take_effect(&effects[i]);
	log_deleted(effects, neffects);
	if (neffects > 0)
		wf_alerts_recount(); /* a dead letter may be one no more */
	return n;
}

static void
read_requests(void)
{
	int64 after = PG_INT64_MIN;

	while (request_batch(&after) == WF_SCHED_BATCH)
		CHECK_FOR_INTERRUPTS();
}

/* ---- what was sent to runs ---- */

/* All that has not been taken: there were too many for the ring. */
static void
read_signals(void)
{
	pg_uuid_t *ids;
	WfWindow w;
	int n;

	wf_load_stranded();
	wf_sched_begin(&w, "looking for signals");
	n = wf_signal_receivers(wf_sched.cycle_cxt, &ids);
	wf_sched_commit(&w);
	for (int i = 0; i < n; i++)
		wf_sched_wake(&ids[i]);
}

/* ---- control ---- */

static int
compare_ids(const void *a, const void *b)
{
	int32 x = *(const int32 *) a;
	int32 y = *(const int32 *) b;

	return (x > y) - (x < y);
}

bool
wf_workflow_is_paused(int32 workflow_id)
{
	return bsearch(&workflow_id, wf_sched.paused, wf_sched.npaused,
				   sizeof(int32), compare_ids) != NULL;
}

/* Says once per episode that, and why, nothing is dispatched. */
static void
log_foreign(const WfControl *control)
{
	if (control->foreign &&
		(!wf_sched.control_known || !wf_sched.control.foreign))
		ereport(LOG,
				(errmsg("workflows of database \"%s\" are not started",
						get_database_name(MyDatabaseId)),
				 errdetail("Reason: %s.", control->why),
				 errhint("If this is where they should run from now on, use \"SELECT workflow.start()\" in that database.")));
	else if (!control->foreign && wf_sched.control_known &&
			 wf_sched.control.foreign)
		ereport(LOG,
				(errmsg("workflows of database \"%s\" are started again",
						get_database_name(MyDatabaseId))));
}

void
wf_control_refresh(void)
{
	WfControl control;

	wf_control_read(true, &control);
	log_foreign(&control);
	wf_sched.control = control;
	wf_sched.control_known = true;

	if (wf_sched.paused != NULL)
		pfree(wf_sched.paused);
	wf_sched.npaused = wf_workflow_paused(&wf_sched.paused, wf_sched.life_cxt);
	qsort(wf_sched.paused, wf_sched.npaused, sizeof(int32), compare_ids);
	wf_gates_read();
	wf_alerts_read();
}

/* Runs in cells that should not go on: back, or to stop after their step. */
static void
halt_cells(void)
{
	for (int i = 0; i < wf_sched.nused; i++)
	{
		WfSeat *seat = &wf_sched.seats[wf_sched.used[i]];

		for (int j = 0; j < WF_CELLS; j++)
		{
			WfEntry *entry = seat->entries[j];

			if (entry == NULL ||
				!(wf_sched.halted || wf_gate_is_paused(entry) ||
				  wf_workflow_is_paused(entry->workflow_id)))
				continue;
			if (wf_seat_take_back(entry))
				wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
			else
				wf_seat_request(entry, WF_REQ_YIELD);
		}
	}
}

void
wf_control_apply(void)
{
	wf_sched.halted =
		wf_sched.control.stopped || wf_sched.control.foreign || !wf_enabled;
	wf_gates_apply();
	wf_ready_release(&wf_sched.ready, WF_PLACE_PAUSED);
	halt_cells();
	wf_retention_restart();
}

static void
read_control(void)
{
	WfWindow w;

	wf_sched_begin(&w, "reading settings");
	wf_control_refresh();
	WF_STOP("sched-control-commit");
	wf_sched_commit(&w);
	wf_control_apply();
}

/* ---- the extension is gone ---- */

static void
leave_if_dropped(void)
{
	Oid extension;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	extension = get_extension_oid("workflow", true);
	CommitTransactionCommand();
	MemoryContextSwitchTo(wf_sched.cycle_cxt);
	if (extension == wf_sched.extension)
		return;

	ereport(LOG,
			(errmsg("workflow scheduler ends, because the extension was dropped")));
	for (int i = 0; i < wf_sched.nused; i++)
	{
		WfSeat *seat = &wf_sched.seats[wf_sched.used[i]];

		wf_seat_retire(seat);
		for (int j = 0; j < WF_CELLS; j++)
		{
			if (seat->entries[j] != NULL)
				wf_seat_request(seat->entries[j], WF_REQ_CANCEL);
		}
	}
	/* another extension may be there already: then the launcher starts anew */
	if (OidIsValid(extension))
		proc_exit(1);
	wf_scheduler_detach_no_extension();
	proc_exit(0);
}

void
wf_sched_events(void)
{
	uint32 events = wf_sched.events;

	if (events == 0)
		return;
	wf_sched.events = 0;
	if (events & WF_EVENT_EXIT)
		leave_if_dropped();
	if (events & WF_EVENT_CONTROL)
		read_control();
	if (events & WF_EVENT_RESCAN)
		wf_load_add_scan(NULL, NULL);
	if (events & WF_EVENT_REQUEST)
		read_requests();
	if (events & WF_EVENT_SIGNALS)
		read_signals();
	if (events & WF_EVENT_DEAD)
		wf_alerts_recount();
	if (events & WF_EVENT_KEPT)
		wf_retention_touch();
}

/* ---- deadlines ---- */

/* One batch of runs whose time is over; false when there are no more. */
static bool
expire_batch(void)
{
	Ended *ended = palloc(WF_SCHED_BATCH * sizeof(Ended));
	WfDeadline *deadline = NULL;
	int n = 0;
	WfWindow w;

	while (n < WF_SCHED_BATCH && (deadline = wf_ready_next_deadline(
									  &wf_sched.ready, wf_sched.now)) != NULL)
	{
		WfEntry *entry = deadline->entry;

		if (entry->place == WF_PLACE_CELL && !wf_seat_take_back(entry))
			wf_seat_request(entry, WF_REQ_TIMEOUT);
		else
		{
			wf_ready_take(&wf_sched.ready, entry);
			ended[n].run_id = entry->run_id;
			ended[n].counter = WF_COUNT_FAILED;
			ended[n++].of_queue = WF_QCOUNT_FAILED;
		}
	}
	if (n == 0)
		return false;

	wf_sched_begin(&w, "ending runs whose time is over");
	for (int i = 0; i < n; i++)
	{
		ended[i].of = wf_run_expire(&ended[i].run_id);
		wf_request_delete_for(&ended[i].run_id);
		wf_sched_withdraw(&ended[i].run_id);
	}
	WF_STOP("sched-expire-commit");
	wf_sched_commit(&w);
	tell_ended(ended, n);
	return deadline != NULL;
}

/* Not in a copy, where runs are none of our business before start(). */
void
wf_sched_deadlines(void)
{
	if (wf_sched.control.foreign)
		return;
	while (expire_batch())
		CHECK_FOR_INTERRUPTS();
}
