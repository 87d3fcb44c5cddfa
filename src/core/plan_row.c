/*
 * plan_row.c
 *		Rows that are written by the tables' side.
 *
 * What is about to be ended or parked is in WF_PLACE_ROW from the request to
 * the answer.  A run whose row is about to be written because a client asked
 * for it is *claimed*: it stays where it is, as it may have a place in a line
 * to lose, but is held back where it would be offered.
 */
#include "postgres.h"

#include "core/plan_parts.h"

/* ---- what the plan asks for ---- */

void
wf_row_write(WfPlan *plan, WfEntry *entry, WfPlanRequestKind kind)
{
	wf_ready_take(plan, entry);
	wf_ready_hold(plan, entry, WF_PLACE_ROW);
	wf_request_about(plan, kind, entry);
}

/* Not in a copy, where runs are none of our business before start(). */
void
wf_row_expire(WfPlan *plan)
{
	WfDeadline *deadline;

	if (plan->foreign)
		return;
	while ((deadline = wf_ready_next_deadline(plan)) != NULL)
	{
		WfEntry *entry = deadline->entry;

		/* its row is being written already, be it to no avail: see below */
		if (entry->place == WF_PLACE_ROW)
			continue;
		if (entry->place == WF_PLACE_CELL && !wf_seat_take_back(plan, entry))
			wf_seat_interrupt(plan, entry, WF_REQ_TIMEOUT);
		else
			wf_row_write(plan, entry, WF_PLAN_EXPIRE);
	}
}

void
wf_plan_over(WfPlan *plan, TimestampTz now, const WfWorkId *id, WfOver over)
{
	WfEntry *entry = wf_ready_find(plan, id);

	plan->now = now;
	if (entry == NULL || entry->place == WF_PLACE_CELL)
		return;
	switch (over)
	{
		case WF_OVER_GONE:
			wf_ready_forget(plan, entry);
			break;
		case WF_OVER_FAILED:
			wf_request_died(plan, entry);
			wf_ready_take(plan, entry);
			wf_rest_stopped(plan, entry, true);
			break;
		case WF_OVER_PARKED:
			wf_ready_take(plan, entry);
			wf_rest_stopped(plan, entry, false);
			break;
		case WF_OVER_NOT:
			if (entry->place == WF_PLACE_ROW)
			{
				wf_ready_take(plan, entry);
				wf_ready_place(plan, entry);
			}
			break;
	}
}

/* ---- what clients ask for ---- */

static void
note_claim(WfPlan *plan, const WfWorkId *id)
{
	if (plan->nclaimed == plan->claimed_allocated)
	{
		plan->claimed_allocated = Max(2 * plan->claimed_allocated, 16);
		plan->claimed = wf_memory_grow(
			&plan->memory, plan->claimed, plan->nclaimed * sizeof(WfWorkId),
			(Size) plan->claimed_allocated * sizeof(WfWorkId));
	}
	plan->claimed[plan->nclaimed++] = *id;
}

bool
wf_plan_claim(WfPlan *plan, TimestampTz now, const WfWorkId *id, uint32 bits)
{
	WfEntry *entry = wf_ready_find(plan, id);

	plan->now = now;
	if (entry != NULL && entry->place == WF_PLACE_CELL)
	{
		if (!wf_seat_take_back(plan, entry))
		{
			wf_seat_interrupt(plan, entry, bits);
			return false;
		}
		wf_ready_place(plan, entry);
	}
	note_claim(plan, id);
	if (entry != NULL)
		entry->claims++;
	return true;
}

static void
let_go_on(WfPlan *plan, WfEntry *entry)
{
	if (entry->place != WF_PLACE_PAUSED ||
		wf_plan_is_broken(plan, WF_BREAK_RESUME))
		return;
	wf_ready_take(plan, entry);
	wf_ready_place(plan, entry);
}

void
wf_plan_release(WfPlan *plan, TimestampTz now, const WfWorkId *id)
{
	WfEntry *entry = wf_ready_find(plan, id);

	plan->now = now;
	for (int i = 0; i < plan->nclaimed; i++)
	{
		if (wf_workid_cmp(&plan->claimed[i], id) == 0)
		{
			plan->claimed[i] = plan->claimed[--plan->nclaimed];
			break;
		}
	}
	if (entry == NULL || entry->claims == 0)
		return;
	if (--entry->claims == 0)
		let_go_on(plan, entry);
}

bool
wf_plan_has_taken(WfPlan *plan, const WfWorkId *id)
{
	WfEntry *entry = wf_ready_find(plan, id);

	return entry != NULL && entry->place == WF_PLACE_CELL;
}

void
wf_plan_interrupt(WfPlan *plan, const WfWorkId *id, uint32 bits)
{
	WfEntry *entry = wf_ready_find(plan, id);

	if (entry != NULL && entry->place == WF_PLACE_CELL)
		wf_seat_interrupt(plan, entry, bits);
}

void
wf_plan_again(WfPlan *plan, TimestampTz now, const WfWork *work, bool early)
{
	WfEntry *entry = wf_ready_find(plan, &work->id);
	bool active = false;
	bool begun = false;

	plan->now = now;
	if (entry != NULL && (entry->place == WF_PLACE_CELL ||
						  /* it may have become due meanwhile */
						  (early && entry->place != WF_PLACE_TIMER)))
		return;
	if (entry != NULL)
	{
		/* what keeps its place in the group still has it */
		active = entry->active && (!entry->admitted || entry->begun);
		begun = entry->begun;
		wf_ready_forget(plan, entry);
	}
	entry = wf_ready_make(plan, work);
	entry->begun |= begun;
	if (active && entry->queue != NULL)
	{
		/* one that failed while it waited has no place among the active */
		if (entry->begun || wf_gate_has_room(entry))
			wf_gate_keep(plan, entry);
	}
	wf_ready_place(plan, entry);
}

/* Where it stands, until it is its turn: see wf_dispatch_next(). */
void
wf_plan_pause(WfPlan *plan, TimestampTz now, const WfWorkId *id, bool paused)
{
	WfEntry *entry = wf_ready_find(plan, id);

	plan->now = now;
	if (entry == NULL)
		return;
	if (paused)
		entry->flags |= WF_ASSIGN_PAUSED;
	else
	{
		entry->flags &= ~WF_ASSIGN_PAUSED;
		let_go_on(plan, entry);
	}
}
