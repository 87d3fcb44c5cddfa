/*
 * plan_look.c
 *		Rows of messages that may have changed: asked for, and what they say.
 *
 * An answer tells how a row was when it was read.  Where the entry has moved
 * since, the row may have changed as well, and is read again.
 */
#include "postgres.h"

#include "core/plan_parts.h"

static void
ask_for(WfPlan *plan, int64 message_id)
{
	WfPlanRequest request = {.kind = WF_PLAN_LOOK};
	WfEntry *entry;

	wf_workid_of_message(message_id, &request.id);
	entry = wf_ready_find(plan, &request.id);
	request.epoch = entry != NULL ? entry->epoch : 0;
	wf_request_add(plan, &request);
}

void
wf_plan_look(WfPlan *plan, int64 message_id)
{
	ask_for(plan, message_id);
}

static void
look_if_purged(WfPlan *plan, WfEntry *entry, void *queue_id)
{
	if (entry->message && entry->queue_id == *(int32 *) queue_id &&
		entry->place != WF_PLACE_HELD && entry->place != WF_PLACE_LEASED)
		ask_for(plan, wf_workid_message(&entry->id));
}

void
wf_plan_look_purged(WfPlan *plan, int32 queue_id)
{
	wf_ready_foreach(plan, look_if_purged, &queue_id);
}

static void
look_if_in_hand(WfPlan *plan, WfEntry *entry, void *arg)
{
	if (entry->place == WF_PLACE_HELD || entry->place == WF_PLACE_LEASED ||
		entry->place == WF_PLACE_SHELF)
		ask_for(plan, wf_workid_message(&entry->id));
}

void
wf_plan_lost_news(WfPlan *plan, TimestampTz now)
{
	plan->now = now;
	/* of what was laid out, only what was taken is left there */
	wf_shelf_clear(plan);
	wf_ready_foreach(plan, look_if_in_hand, NULL);
}

/* ---- the answer ---- */

/* A dead one was queued again; it keeps the place that it had in its group. */
static void
revive(WfPlan *plan, WfEntry *entry, const WfWork *work)
{
	wf_ready_forget(plan, entry);
	entry = wf_ready_make(plan, work);
	wf_gate_keep(plan, entry);
	wf_ready_place(plan, entry);
}

/* Has alter_message() given the message another place? */
static bool
has_moved(const WfEntry *entry, const WfWork *work)
{
	return entry->queue_id != work->queue_id ||
		   entry->priority != work->priority ||
		   entry->group_hash != work->group;
}

static void
apply_row(WfPlan *plan, WfEntry *entry, const WfWork *work)
{
	entry->tid = work->tid;
	entry->lsn = work->lsn;
	if (work->flags & WF_ASSIGN_DEAD)
		wf_message_died(plan, entry);
	else if (work->flags & WF_ASSIGN_LEASED)
	{
		wf_ready_take(plan, entry);
		wf_message_hold(plan, entry, Max(work->due_at, plan->now));
	}
	else if (work->flags & WF_ASSIGN_LOCKED)
	{
		entry->uncounted = entry->place == WF_PLACE_HELD;
		wf_message_look_later(plan, entry);
	}
	else if (entry->place == WF_PLACE_KEPT)
		revive(plan, entry, work);
	else if (has_moved(entry, work))
	{
		wf_ready_forget(plan, entry);
		wf_learn_of(plan, work, NULL);
	}
	else if ((entry->place == WF_PLACE_HELD ||
			  wf_shelf_was_taken(plan, entry)) &&
			 !wf_plan_is_broken(plan, WF_BREAK_LOOK))
		/* who was handed it may have yet to take its row */
		wf_message_look_later(plan, entry);
	else if (entry->place != WF_PLACE_GATE || work->due_at > plan->now)
	{
		if (work->flags & WF_ASSIGN_BEGUN)
			entry->begun = true;
		wf_message_give_back(plan, entry, work->due_at);
	}
}

void
wf_plan_looked(WfPlan *plan, TimestampTz now, const WfWorkId *id, uint32 epoch,
			   const WfWork *work)
{
	WfEntry *entry = wf_ready_find(plan, id);

	plan->now = now;
	if (entry != NULL && entry->epoch != epoch)
		ask_for(plan, wf_workid_message(id));
	else if (entry != NULL && work == NULL)
		wf_ready_forget(plan, entry);
	else if (entry != NULL)
		apply_row(plan, entry, work);
	else if (work != NULL && !(work->flags & WF_ASSIGN_DEAD))
		wf_learn_of(plan, work, NULL);
}
