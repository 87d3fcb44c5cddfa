/*
 * plan_ask.c
 *		Who asks for messages, and who waits until there are some.
 *
 * An ask is answered in the decision in which it is seen, with what may be
 * handed out then, if need be with nothing; only while a scan of the table may
 * bring up something, or starts are being reserved, is it kept for a while, so
 * that nobody is told that there is nothing because memory had no room for it.
 *
 * Of those that wait as many are woken as messages can be received, in the
 * order in which they came.  One that was woken and does not ask within
 * PASS_ON_USEC is counted no more, so the next is woken in its place.
 */
#include "postgres.h"

#include "core/plan_parts.h"

/* how long one that was woken has to ask */
#define PASS_ON_USEC (50 * 1000)

/* how long an ask is kept while scans go on */
#define MAX_KEEP_USEC (5 * USECS_PER_SEC)

void
wf_ask_init(WfPlan *plan, int nreceivers)
{
	plan->asks = wf_memory_get_zeroed(&plan->memory, WF_MEMORY_ANY,
									  (Size) nreceivers * sizeof(WfAsk *));
	plan->nreceivers = nreceivers;
	dlist_init(&plan->asking);
	dlist_init(&plan->waiting);
	dlist_init(&plan->woken);
}

WfAsk *
wf_ask_of(WfPlan *plan, int receiver)
{
	WfAsk *ask = plan->asks[receiver];

	if (ask == NULL)
	{
		ask =
			wf_memory_get_zeroed(&plan->memory, WF_MEMORY_ANY, sizeof(WfAsk));
		ask->receiver = receiver;
		dlist_init(&ask->entries);
		dlist_init(&ask->held);
		plan->asks[receiver] = ask;
	}
	return ask;
}

/* As if nothing had been admitted. */
static void
give_back(WfPlan *plan, WfAsk *ask)
{
	/* the last one first, since each goes before all others of its group */
	while (!dlist_is_empty(&ask->entries))
	{
		WfEntry *entry = dlist_container(WfEntry, link.node,
										 dlist_tail_node(&ask->entries));

		wf_ready_take(plan, entry);
		wf_gate_leave(plan, entry);
		wf_ready_place(plan, entry);
	}
}

void
wf_ask_give_back_all(WfPlan *plan)
{
	for (int i = 0; i < plan->nreceivers; i++)
	{
		if (plan->asks[i] != NULL && plan->asks[i]->state == WF_ASK_ASKS)
			give_back(plan, plan->asks[i]);
	}
}

static void
leave(WfPlan *plan, WfAsk *ask)
{
	WfQueue *queue;

	switch (ask->state)
	{
		case WF_ASK_NONE:
			return;
		case WF_ASK_ANSWERED:
		case WF_ASK_WAKING:
			break;
		case WF_ASK_WOKEN:
			queue = wf_group_queue(plan, ask->queue_id, false);
			if (queue != NULL && queue->nwoken > 0)
				queue->nwoken--;
			dlist_delete(&ask->node);
			break;
		default:
			dlist_delete(&ask->node);
	}
	ask->state = WF_ASK_NONE;
}

void
wf_plan_asked(WfPlan *plan, TimestampTz now, int receiver, uint32 number,
			  int32 queue_id, int32 max, bool waits)
{
	WfAsk *ask = wf_ask_of(plan, receiver);

	plan->now = now;
	if (ask->ask == number && ask->state != WF_ASK_NONE &&
		ask->state != WF_ASK_WOKEN)
		return; /* told twice */
	leave(plan, ask);
	give_back(plan, ask);
	ask->ask = number;
	ask->queue_id = queue_id;
	ask->max = Min(max, WF_HANDED_MAX);
	ask->since = now;
	ask->seen = false;
	ask->state = waits ? WF_ASK_WAITS : WF_ASK_ASKS;
	dlist_push_tail(waits ? &plan->waiting : &plan->asking, &ask->node);
}

/* ---- asks ---- */

void
wf_ask_serve(WfPlan *plan)
{
	dlist_iter iter;

	dlist_foreach (iter, &plan->asking)
	{
		WfAsk *ask = dlist_container(WfAsk, node, iter.cur);
		WfQueue *queue = wf_group_queue(plan, ask->queue_id, false);
		WfEntry *entry;

		while (queue != NULL && queue->nreturning == 0 && ask->n < ask->max &&
			   (entry = wf_admit_message(plan, queue)) != NULL)
			wf_ready_answer(plan, entry, ask);
	}
}

/* One that was admitted, and is in no place. */
static void
hand_over(WfPlan *plan, WfEntry *entry, WfAsk *ask, uint32 number)
{
	if (!entry->begun)
		wf_flow_started(plan, entry);
	wf_gate_begun(plan, entry, plan->now);
	entry->ask = number;
	wf_ready_hand(plan, entry, ask);
}

void
wf_plan_taken(WfPlan *plan, TimestampTz now, int64 message_id, int receiver,
			  uint32 ask)
{
	WfEntry *entry = wf_message_entry(plan, message_id);

	plan->now = now;
	if (entry == NULL ||
		(entry->place != WF_PLACE_SHELF && entry->place != WF_PLACE_GATE))
		return;
	wf_ready_take(plan, entry);
	/* had its queue got a rate limit since, it would count as started */
	wf_gate_recount(plan, entry, true);
	hand_over(plan, entry, wf_ask_of(plan, receiver), ask);
}

void
wf_plan_answered(WfPlan *plan, TimestampTz now, int receiver, bool given)
{
	WfAsk *ask = wf_ask_of(plan, receiver);

	plan->now = now;
	if (ask->state == WF_ASK_ANSWERED)
		ask->state = WF_ASK_NONE;
	if (!given)
	{
		give_back(plan, ask);
		plan->more = true;
		return;
	}
	if (ask->n == 1 && ask->max == 1)
		wf_shelf_asked(
			plan,
			dlist_head_element(WfEntry, link.node, &ask->entries)->queue);
	while (!dlist_is_empty(&ask->entries))
	{
		WfEntry *entry = dlist_head_element(WfEntry, link.node, &ask->entries);

		wf_ready_take(plan, entry);
		hand_over(plan, entry, ask, ask->ask);
	}
}

const dlist_head *
wf_plan_answer(const WfPlan *plan, int receiver, uint32 *number, int *n)
{
	const WfAsk *ask = plan->asks[receiver];

	*number = ask->ask;
	*n = ask->n;
	return &ask->entries;
}

uint32
wf_plan_ask_of(const WfPlan *plan, int receiver)
{
	return plan->asks[receiver]->ask;
}

/* May something yet be found for it, or be allowed? */
static bool
may_find(WfPlan *plan, const WfAsk *ask)
{
	WfQueue *queue = wf_group_queue(plan, ask->queue_id, false);

	if (plan->halted || plan->now - ask->since >= MAX_KEEP_USEC)
		return false;
	/* what comes back goes before others */
	if (queue != NULL && queue->nreturning > 0)
		return true;
	/* the queue, or a group, has no start on disk yet */
	if (queue != NULL && queue->nwishes > 0 && ask->n < ask->max)
		return true;
	if (ask->n > 0)
		return false;
	if (plan->nloading > 0 || wf_scan_is_reading(plan) ||
		(queue != NULL && queue->nrefills > 0))
		return true;
	if (queue == NULL || !wf_admit_reads_messages(plan, queue))
		return false;
	plan->more = true;
	return true;
}

/* ---- waiting ---- */

/* Whoever was woken and has not asked lets the next one have a try. */
static void
pass_on(WfPlan *plan)
{
	while (!dlist_is_empty(&plan->woken))
	{
		WfAsk *ask = dlist_head_element(WfAsk, node, &plan->woken);

		/* not for longer where the clock was set back */
		if (ask->since + PASS_ON_USEC > plan->now && ask->since <= plan->now)
		{
			wf_plan_wake_at(plan, ask->since + PASS_ON_USEC);
			break;
		}
		leave(plan, ask);
	}
}

void
wf_plan_woke(WfPlan *plan, TimestampTz now, int receiver, bool woken)
{
	WfAsk *ask = wf_ask_of(plan, receiver);
	WfQueue *queue = wf_group_queue(plan, ask->queue_id, false);

	plan->now = now;
	if (ask->state != WF_ASK_WAKING)
		return;
	ask->state = WF_ASK_NONE;
	if (!woken)
	{
		plan->more = true;
		return;
	}
	ask->state = WF_ASK_WOKEN;
	ask->since = now;
	dlist_push_tail(&plan->woken, &ask->node);
	if (queue != NULL)
		queue->nwoken++;
}

static void
wake_waiting(WfPlan *plan)
{
	dlist_mutable_iter iter;

	plan->wake_look++;
	dlist_foreach_modify (iter, &plan->waiting)
	{
		WfAsk *ask = dlist_container(WfAsk, node, iter.cur);
		WfQueue *queue = wf_group_queue(plan, ask->queue_id, false);

		if (queue != NULL && queue->wake_look != plan->wake_look)
		{
			queue->wake_look = plan->wake_look;
			queue->receivable = wf_admit_receivable(plan, queue);
			queue->receivable -= Min(queue->receivable, queue->nwoken);
		}
		if (queue != NULL && queue->receivable > 0)
		{
			queue->receivable--;
			leave(plan, ask);
			ask->state = WF_ASK_WAKING;
			wf_request_act(plan, WF_ACTION_WAKE, ask->receiver, 0, ask->ask);
			wf_plan_wake_at(plan, plan->now + PASS_ON_USEC);
		}
		else if (!ask->seen && !may_find(plan, ask))
		{
			/* it may give up when it wants to */
			ask->seen = true;
			wf_request_act(plan, WF_ACTION_SEEN, ask->receiver, ask->max,
						   ask->ask);
		}
	}
}

void
wf_ask_answer(WfPlan *plan)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &plan->asking)
	{
		WfAsk *ask = dlist_container(WfAsk, node, iter.cur);

		if (may_find(plan, ask))
			continue;
		leave(plan, ask);
		ask->state = WF_ASK_ANSWERED;
		wf_request_act(plan, WF_ACTION_ANSWER, ask->receiver, 0, ask->ask);
	}
	pass_on(plan);
	if (!dlist_is_empty(&plan->waiting))
		wake_waiting(plan);
}

/* ---- what others want to know ---- */

bool
wf_plan_is_awaited(const WfPlan *plan)
{
	return !dlist_is_empty(unconstify(dlist_head *, &plan->waiting)) ||
		   !dlist_is_empty(unconstify(dlist_head *, &plan->woken));
}

bool
wf_plan_is_unattended(WfPlan *plan, TimestampTz now, int32 queue_id)
{
	WfQueue *queue = wf_group_queue(plan, queue_id, false);

	plan->now = now;
	return queue != NULL && wf_admit_receivable(plan, queue) > 0 &&
		   !wf_shelf_is_waited_for(plan, queue_id) &&
		   !wf_shelf_is_in(&plan->asking, queue_id);
}
