/*
 * plan_learn.c
 *		How the plan learns of work.
 *
 * At its start: what executors have in their cells, then a scan of all that is
 * unfinished.  Later: news of commits, and scans of ranges that were too long
 * for these.
 *
 * Whatever is learnt twice is known already: there is one entry per run.  A
 * scan may bring back a run that has just ended (its snapshot is newer than
 * the last look at the cells, so only where its ring entry came late); the
 * executor finds its row final and that is all.
 *
 * A run is FRESH, which spares the executor a look for its steps, only when it
 * comes from the ring, alone or in a range, and no scan has seen it before.
 * Should it have steps all the same, the executor's first insert fails on the
 * primary key, and it loads them.
 */
#include "postgres.h"

#include "core/plan_parts.h"

static bool
is_suspect(WfPlan *plan, const WfWorkId *run_id)
{
	for (int i = 0; i < plan->nsuspects; i++)
	{
		if (memcmp(&plan->suspects[i], run_id, UUID_LEN) == 0)
			return true;
	}
	return false;
}

/* ---- one run ---- */

/* what is known of a run came again, and not from a scan */
static void
recheck(WfPlan *plan, WfEntry *entry, const WfWork *work)
{
	if (work->flags & WF_ASSIGN_WAKE)
		wf_rest_wake(plan, entry);
	else if (entry->place == WF_PLACE_CELL)
		entry->recheck = true;
	else if (entry->place == WF_PLACE_TIMER && work->due_at < entry->due_at)
	{
		wf_ready_take(plan, entry);
		entry->due_at = work->due_at;
		wf_ready_place(plan, entry);
	}
}

/* Its row has been read; it may have left its cell since. */
static void
complete(WfPlan *plan, WfEntry *entry, const WfWork *work)
{
	wf_ready_complete(plan, entry, work);
	if (entry->place != WF_PLACE_KEPT)
		return;
	wf_ready_take(plan, entry);
	wf_gate_not_begun(plan, entry);
	if (work->flags & WF_ASSIGN_ASLEEP)
		wf_rest_sleeps(plan, entry, work->due_at);
	else
		wf_ready_place(plan, entry);
}

/* Is there no room for this work, which has no entry, in memory? */
static bool
is_left(WfPlan *plan, const WfWork *work, const WfScan *from_scan)
{
	bool begun = (work->flags & (WF_ASSIGN_BEGUN | WF_ASSIGN_LOCKED)) != 0;
	bool due = work->due_at <= plan->now;
	bool again = from_scan != NULL && from_scan->kind == WF_SCAN_TURN &&
				 !from_scan->loads;
	WfMeeting meeting = WF_MEETS_NONE;

	if (!begun && due)
		meeting = wf_refill_meets(plan, work, !again);
	if (meeting != WF_MEETS_NONE)
		return meeting == WF_MEETS_LEFT;
	if (begun && !(work->flags & WF_ASSIGN_ASLEEP))
		return false;
	/* a scan for what was left has room for it */
	if (from_scan != NULL && (from_scan->kind == WF_SCAN_TIMERS ||
							  ((from_scan->kind == WF_SCAN_QUEUE ||
								from_scan->kind == WF_SCAN_GROUP) &&
							   due)))
		return false;
	return wf_spill_leaves(plan, work);
}

void
wf_learn_of(WfPlan *plan, const WfWork *work, const WfScan *from_scan)
{
	WfEntry *entry = wf_ready_find(plan, &work->id);
	WfScan *scan;

	if (entry == NULL && !from_scan && (work->flags & WF_ASSIGN_REREAD))
	{
		scan = wf_scan_add(plan, &work->id, &work->id);
		scan->single = true;
		scan->woken = (work->flags & WF_ASSIGN_WAKE) != 0;
		return;
	}
	if (entry != NULL)
	{
		if (entry->partial && !(work->flags & WF_ASSIGN_REREAD))
			complete(plan, entry, work);
		else if (!from_scan && !entry->message)
			recheck(plan, entry, work);
		else if (!entry->message && (work->flags & WF_ASSIGN_BEGUN) &&
				 !(work->flags & WF_ASSIGN_ASLEEP))
			wf_rest_wake(plan, entry);
		return;
	}

	/* nobody counts it (see wf_learn_started(plan)), and whatever comes will wake it */
	if ((work->flags & WF_ASSIGN_ASLEEP) && work->due_at == 0)
		return;

	if (is_left(plan, work, from_scan))
		return;
	if (wf_workid_is_message(&work->id))
	{
		wf_message_learn(plan, work);
		return;
	}
	entry = wf_ready_make(plan, work);
	if (wf_workid_cmp(&work->id, &plan->scanned_to) <= 0)
		entry->flags &= ~WF_ASSIGN_FRESH;
	if (plan->nsuspects > 0 && is_suspect(plan, &work->id))
		entry->solo = true;
	wf_ready_place(plan, entry);
}

/* A run that was started before its queue counted it. */
void
wf_learn_started(WfPlan *plan, const WfStarted *started)
{
	WfEntry *entry = wf_ready_find(plan, &started->work.id);
	bool waits;

	if (entry == NULL && !started->failed &&
		wf_workid_is_message(&started->work.id))
	{
		wf_message_learn(plan, &started->work);
		return;
	}
	if (entry == NULL)
	{
		entry = wf_ready_make(plan, &started->work);
		if (plan->nsuspects > 0 && is_suspect(plan, &entry->id))
			entry->solo = true;
	}
	if ((entry->active && entry->place != WF_PLACE_NONE) ||
		entry->queue == NULL)
		return;
	waits = entry->place == WF_PLACE_READY || entry->place == WF_PLACE_GATE;
	if (waits)
		wf_ready_take(plan, entry);
	wf_gate_activate(plan, entry);
	if (started->failed)
		wf_gate_block(plan, entry);
	if (started->stopped)
	{
		wf_ready_drop_deadline(plan, entry);
		if (entry->place == WF_PLACE_NONE)
			wf_ready_hold(plan, entry, WF_PLACE_KEPT);
	}
	else if (entry->place == WF_PLACE_NONE &&
			 (started->work.flags & WF_ASSIGN_ASLEEP))
		wf_rest_sleeps(plan, entry, started->work.due_at);
	else if (entry->place == WF_PLACE_NONE)
		wf_ready_place(plan, entry);
}

/* ---- news of commits ---- */

void
wf_plan_heard(WfPlan *plan, TimestampTz now, const WfWork *work, int n)
{
	plan->now = now;
	for (int i = 0; i < n; i++)
	{
		WfScan *scan;

		if (wf_workid_cmp(&work[i].id, &work[i].last_id) == 0)
		{
			wf_learn_of(plan, &work[i], NULL);
			continue;
		}
		scan = wf_scan_add(plan, &work[i].id, &work[i].last_id);
		scan->fresh = true;
		scan->place = work[i].place;
	}
}

void
wf_plan_missed(WfPlan *plan, TimestampTz now, const WfWorkId *first,
			   const WfWorkId *last)
{
	plan->now = now;
	/* no place is lower than the number in the id */
	wf_scan_add(plan, first, last)->place = wf_workid_place(first, 0);
}

void
wf_plan_wake(WfPlan *plan, TimestampTz now, const WfWorkId *id)
{
	plan->now = now;
	wf_rest_wake_id(plan, id);
}

void
wf_plan_suspect(WfPlan *plan, WfWorkId *ids, int n)
{
	plan->suspects = ids;
	plan->nsuspects = n;
}

/* ---- rows that were read ---- */

/* Its row was not there, or is not ours: it has ended, or is parked. */
static void
forget_unread(WfPlan *plan, const WfWorkId *run_id)
{
	WfEntry *entry = wf_ready_find(plan, run_id);

	if (entry != NULL && entry->partial && entry->place == WF_PLACE_KEPT)
		wf_ready_forget(plan, entry);
}

/* The rest of this queue stays in the table. */
static void
skip_spilled(WfPlan *plan, WfScan *scan)
{
	WfPlanRequest request = {.kind = WF_PLAN_COUNT,
							 .queue_id = scan->after_queue};

	if (scan->done || !wf_spill_is_past(plan, scan->after_queue, &scan->after))
		return;
	request.id = *wf_spill_upto(plan, scan->after_queue);
	wf_request_add(plan, &request);
	scan->done = true;
}

static void
scan_done(WfPlan *plan, int n)
{
	WfScan *scan = plan->scans;

	if (scan->reread)
		forget_unread(plan, &scan->upto);
	plan->nloading -= scan->loads;
	if (scan->woken && n == 0)
	{
		WfPlanRequest request = {.kind = WF_PLAN_FORWARD, .id = scan->upto};

		wf_request_add(plan, &request);
	}
	wf_scan_remove(plan);
}

void
wf_plan_read(WfPlan *plan, TimestampTz now, const WfScan *at, WfWork *rows,
			 int n)
{
	WfScan scan = *at;

	plan->now = now;
	for (int i = 0; i < n; i++)
	{
		if (scan.fresh)
			rows[i].flags |= WF_ASSIGN_FRESH;
		wf_learn_of(plan, &rows[i], &scan);
		if (wf_workid_cmp(&rows[i].id, &plan->scanned_to) > 0)
			plan->scanned_to = rows[i].id;
	}
	if (scan.kind == WF_SCAN_QUEUE || scan.kind == WF_SCAN_TIMERS)
	{
		/* a chunk is all that there was room for */
		wf_spill_read(plan, &scan, n);
		scan.done = true;
	}
	else if (scan.kind == WF_SCAN_TURN && n > 0)
		skip_spilled(plan, &scan);

	/* what was learnt may have asked for more scans, behind this one */
	plan->scans[0] = scan;
	if (scan.done)
		scan_done(plan, n);
	else if (scan.kind == WF_SCAN_TURN)
		wf_scan_end_turn(plan);
}

/* ---- more of a group ---- */

void
wf_plan_refilled(WfPlan *plan, TimestampTz now, const WfPlanRequest *request,
				 WfRefill how, const WfSpot *to, WfWork *rows, int n)
{
	WfQueue *queue = wf_group_queue(plan, request->queue_id, false);
	WfGroup *group =
		queue != NULL ? wf_group_find(queue, request->group) : NULL;
	WfScan scan = {.kind = WF_SCAN_GROUP};
	WfGroupWindow *window;

	plan->now = now;
	plan->more = true;
	if (group == NULL || !group->window.asked ||
		group->window.epoch != request->epoch)
		return;
	window = &group->window;
	wf_window_answered(plan, group);
	wf_window_note(plan, group);
	if (!window->on || wf_window_before(&window->known_to, &request->after) ||
		wf_window_before(&request->after, &window->known_to))
		return; /* it is asked for again */
	if (how == WF_REFILL_LOST)
	{
		wf_window_give_up(plan, group);
		wf_group_release(plan, group);
		return;
	}
	wf_window_raise(group, request, how, to);
	if (!wf_window_is_part(window))
		wf_window_count(group, -(int64) window->nleft);
	for (int i = 0; i < n; i++)
	{
		wf_window_count(group,
						wf_ready_find(plan, &rows[i].id) == NULL ? -1 : 0);
		wf_learn_of(plan, &rows[i], &scan);
	}
	wf_group_release(plan, group);
}
