/*
 * plan_message.c
 *		Messages: who has them, and when they come back.
 *
 * A message that was handed out is HELD until the receiver's transaction ends,
 * and then LEASED until its lease is over or it is told to be done.  LEASED is
 * also any other that is not to be handed out now: its row is locked by
 * somebody, or a rolled-back receive has yet to be counted.  When the time of
 * one has come its row is read, and that alone decides: so it does no harm when
 * news of it come late, twice or never.
 */
#include "postgres.h"

#include "core/plan_parts.h"

/* when a row is looked at again that somebody has locked */
#define LOCKED_USEC USECS_PER_SEC

/* ---- places ---- */

void
wf_message_hold(WfPlan *plan, WfEntry *entry, TimestampTz until)
{
	wf_gate_recount(plan, entry, false);
	entry->begun = true;
	wf_ready_lease(plan, entry, until);
}

/* Before the gate again, or until a time. */
void
wf_message_give_back(WfPlan *plan, WfEntry *entry, TimestampTz due_at)
{
	wf_ready_take(plan, entry);
	wf_gate_leave(plan, entry);
	entry->uncounted = false;
	entry->due_at = due_at;
	wf_ready_place(plan, entry);
}

void
wf_message_look_later(WfPlan *plan, WfEntry *entry)
{
	wf_ready_take(plan, entry);
	wf_message_hold(plan, entry, plan->now + LOCKED_USEC);
}

void
wf_message_died(WfPlan *plan, WfEntry *entry)
{
	if (entry->blocking)
		return; /* known already */
	wf_flow_message_ended(plan, entry, false);
	wf_request_died(plan, entry);
	wf_ready_take(plan, entry);
	wf_rest_stopped(plan, entry, true);
}

void
wf_message_learn(WfPlan *plan, const WfWork *work)
{
	WfEntry *entry;

	if (work->queue_id == WF_DEFAULT_QUEUE)
		wf_rebuild_default(plan);
	entry = wf_ready_make(plan, work);

	entry->begun = (work->flags & WF_ASSIGN_BEGUN) != 0;
	if (work->flags & WF_ASSIGN_LEASED)
		wf_message_hold(plan, entry, Max(work->due_at, plan->now));
	else if (work->flags & WF_ASSIGN_LOCKED)
	{
		/* a receive that is older than we are: if it fails, that counts */
		entry->uncounted = true;
		wf_message_hold(plan, entry, plan->now + LOCKED_USEC);
	}
	else
	{
		if (entry->begun)
			wf_gate_activate(plan, entry);
		wf_ready_place(plan, entry);
	}
}

WfEntry *
wf_message_entry(WfPlan *plan, int64 message_id)
{
	WfWorkId id;

	wf_workid_of_message(message_id, &id);
	return wf_ready_find(plan, &id);
}

/* ---- news ---- */

void
wf_plan_done(WfPlan *plan, TimestampTz now, int64 message_id)
{
	WfEntry *entry = wf_message_entry(plan, message_id);

	plan->now = now;
	if (entry == NULL)
		return;
	wf_flow_message_ended(plan, entry, true);
	wf_ready_forget(plan, entry);
}

void
wf_plan_locked(WfPlan *plan, TimestampTz now, int receiver, uint32 ask,
			   int64 message_id)
{
	WfEntry *entry = wf_message_entry(plan, message_id);

	plan->now = now;
	if (entry != NULL && entry->place == WF_PLACE_HELD &&
		entry->receiver == receiver && entry->ask == ask)
		wf_message_look_later(plan, entry);
}

/* All that a receiver was handed with one ask. */
void
wf_plan_ask_over(WfPlan *plan, TimestampTz now, int receiver, uint32 ask,
				 WfAskEnd how, TimestampTz until)
{
	dlist_mutable_iter iter;

	plan->now = now;
	if (plan->asks[receiver] == NULL)
		return;
	dlist_foreach_modify (iter, &plan->asks[receiver]->held)
	{
		WfEntry *entry = dlist_container(WfEntry, link.node, iter.cur);

		if (entry->ask != ask)
			continue;
		/* its row has a new version, or will have one */
		ItemPointerSetInvalid(&entry->tid);
		if (how == WF_ASK_UNUSED)
		{
			wf_message_give_back(plan, entry, 0);
			continue;
		}
		wf_ready_take(plan, entry);
		entry->uncounted = how == WF_ASK_RETURNED;
		wf_ready_lease(plan, entry, entry->uncounted ? now : until);
	}
}

/* ---- leases that are over ---- */

/* In a copy the rows are none of our business before start(). */
void
wf_message_expire(WfPlan *plan)
{
	WfEntry *entry;

	if (plan->foreign)
		return;
	while ((entry = wf_ready_next_lease(plan)) != NULL)
	{
		wf_ready_take(plan, entry);
		wf_ready_hold(plan, entry, WF_PLACE_ROW);
		wf_request_about(plan, WF_PLAN_LEASE, entry);
	}
}

void
wf_plan_lease_ended(WfPlan *plan, TimestampTz now, const WfLeaseEnd *end)
{
	WfEntry *entry = wf_ready_find(plan, &end->id);

	plan->now = now;
	if (entry == NULL || entry->epoch != end->epoch)
		return;
	if (end->counted)
		entry->uncounted = false;
	switch (end->fate)
	{
		case WF_FATE_BACK:
			entry->tid = end->tid;
			entry->lsn = 0; /* who hands it out flushes what we have written */
			wf_message_give_back(plan, entry, end->at);
			break;
		case WF_FATE_LATER:
			wf_ready_take(plan, entry);
			wf_message_hold(plan, entry, end->at);
			break;
		case WF_FATE_DONE:
			wf_flow_message_ended(plan, entry, true);
			wf_ready_forget(plan, entry);
			break;
		case WF_FATE_DIED:
			wf_message_died(plan, entry);
			break;
		case WF_FATE_GONE:
			wf_flow_message_ended(plan, entry, false);
			wf_ready_forget(plan, entry);
			break;
		case WF_FATE_FOREIGN:
			wf_ready_forget(plan, entry);
			break;
	}
}
