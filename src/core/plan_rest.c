/*
 * plan_rest.c
 *		Runs that have left their cell, and wait for a time or for something to
 *		come.
 */
#include "postgres.h"

#include "core/plan_parts.h"

/* What was known of its row, when it went into its cell, is so no more. */
static void
note_stale(WfEntry *entry)
{
	entry->flags &= ~(WF_ASSIGN_FRESH | WF_ASSIGN_ASLEEP);
	entry->lsn = 0;
	ItemPointerSetInvalid(&entry->tid);
	entry->recheck = false;
}

/* It is counted until then. */
static void
read_first(WfPlan *plan, WfEntry *entry)
{
	wf_ready_hold(plan, entry, WF_PLACE_KEPT);
	wf_scan_add(plan, &entry->id, &entry->id)->reread = true;
}

/*
 * An entry, out of its cell, goes back to where it has to wait.  What was only
 * seen in a cell is not known well enough for that: it is read first.
 */
void
wf_rest_put_back(WfPlan *plan, WfEntry *entry, TimestampTz due_at)
{
	if (entry->queue != NULL && !entry->begun && due_at > plan->now &&
		wf_group_keeps_order(plan, entry->queue_id, entry->group_hash))
		wf_gate_keep(plan, entry); /* it is its turn, only somebody locks it */
	else if (entry->queue != NULL)
		wf_gate_leave(plan, entry);
	note_stale(entry);
	entry->due_at = due_at;
	if (entry->partial)
		read_first(plan, entry);
	else
		wf_ready_place(plan, entry);
}

/* It waits for a time that is far, and nobody counts it: left in the table. */
static bool
can_be_left(WfPlan *plan, const WfEntry *entry, TimestampTz due_at)
{
	WfWork work = {.id = entry->id,
				   .queue_id = entry->queue_id,
				   .group = entry->group_hash,
				   .due_at = due_at};

	return !entry->solo && due_at > plan->now && wf_spill_leaves(plan, &work);
}

void
wf_rest_sleeps(WfPlan *plan, WfEntry *entry, TimestampTz due_at)
{
	bool counted = wf_gate_keeps(entry, false);

	if (entry->queue != NULL)
		wf_gate_keep(plan, entry);
	note_stale(entry);
	entry->flags |= WF_ASSIGN_ASLEEP;
	entry->due_at = due_at;
	if (entry->partial)
		read_first(plan, entry);
	else if (!counted && (due_at == 0 || can_be_left(plan, entry, due_at)))
		wf_ready_forget(plan, entry);
	else if (due_at == 0)
		wf_ready_hold(plan, entry, WF_PLACE_KEPT);
	else
		wf_ready_place(plan, entry);
}

void
wf_rest_wake(WfPlan *plan, WfEntry *entry)
{
	if (entry->place == WF_PLACE_CELL)
		entry->recheck = true;
	else if ((entry->flags & WF_ASSIGN_ASLEEP) &&
			 (entry->place == WF_PLACE_TIMER || entry->place == WF_PLACE_KEPT))
	{
		wf_ready_take(plan, entry);
		entry->flags &= ~WF_ASSIGN_ASLEEP;
		entry->due_at = plan->now;
		wf_ready_place(plan, entry);
	}
}

void
wf_rest_wake_id(WfPlan *plan, const WfWorkId *run_id)
{
	WfEntry *entry = wf_ready_find(plan, run_id);

	if (entry != NULL)
		wf_rest_wake(plan, entry);
	else
	{
		WfScan *scan = wf_scan_add(plan, run_id, run_id);

		scan->single = scan->woken = true;
	}
}

/* A run that goes on only after repair, or not at all. */
void
wf_rest_stopped(WfPlan *plan, WfEntry *entry, bool failed)
{
	/* nothing that comes wakes it up any more */
	entry->flags &= ~WF_ASSIGN_ASLEEP;
	if (!wf_gate_keeps(entry, failed))
	{
		wf_ready_forget(plan, entry);
		return;
	}
	if (failed)
		wf_gate_block(plan, entry);
	else
		wf_gate_keep(plan, entry);
	wf_ready_drop_deadline(plan, entry);
	wf_ready_hold(plan, entry, WF_PLACE_KEPT);
}
