/*
 * plan_rules.c
 *		The rules of queues: what was told of them, and what follows.
 *
 * What was started and has not ended is counted whether or not a limit needs
 * it, but for what stopped for repair while no limit did.  So where a limit of
 * that kind is new, and at the start, such work is read from the table.
 */
#include "postgres.h"

#include "core/plan_parts.h"

/* ---- comparing ---- */

static bool
same_rules(const WfQueueRules *a, const WfQueueRules *b)
{
	return a->paused == b->paused && a->blocks == b->blocks &&
		   a->fair == b->fair && a->max_running == b->max_running &&
		   a->max_active == b->max_active &&
		   a->group_max_active == b->group_max_active &&
		   a->rate_limit == b->rate_limit &&
		   a->group_rate_limit == b->group_rate_limit &&
		   a->rate_period == b->rate_period &&
		   a->group_by_owner == b->group_by_owner &&
		   a->nweights == b->nweights &&
		   (a->nweights == 0 ||
			memcmp(a->weights, b->weights,
				   a->nweights * sizeof(WfGroupWeight)) == 0);
}

static bool
counts_started(const WfQueueRules *rules)
{
	return rules->max_active > 0 || rules->group_max_active > 0 ||
		   rules->blocks;
}

bool
wf_plan_counts_anew(WfPlan *plan, const WfQueueRules *rules)
{
	WfQueue *queue = wf_group_queue(plan, rules->queue_id, false);

	if (!plan->ruled || queue == NULL)
		return counts_started(rules);
	return (rules->max_active > 0 && queue->rules.max_active == 0) ||
		   (rules->group_max_active > 0 &&
			queue->rules.group_max_active == 0) ||
		   (rules->blocks && !queue->rules.blocks);
}

/* ---- applying ---- */

static bool
is_among(const WfPlanRules *rules, int32 queue_id)
{
	for (int i = 0; i < rules->nqueues; i++)
	{
		if (rules->queues[i].queue_id == queue_id)
			return true;
	}
	return false;
}

/* Queues whose row is gone: dropped, with nothing left but what is ending. */
static void
forget_dropped(WfPlan *plan, const WfPlanRules *rules)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &plan->queues)
	{
		WfQueue *queue = dlist_container(WfQueue, node, iter.cur);
		WfQueueRules none = {.queue_id = queue->rules.queue_id};

		if (is_among(rules, queue->rules.queue_id))
			continue;
		if (!same_rules(&queue->rules, &none))
			wf_rebuild_queue(plan, queue, &none);
		wf_group_forget_queue(plan, queue);
	}
}

static void
apply_queues(WfPlan *plan, const WfPlanRules *rules)
{
	for (int i = 0; i < rules->nqueues; i++)
	{
		const WfQueueRules *fresh = &rules->queues[i];
		bool known = wf_group_queue(plan, fresh->queue_id, false) != NULL;
		WfQueue *queue = wf_group_queue(plan, fresh->queue_id, true);

		if (!known || !same_rules(&queue->rules, fresh))
			wf_rebuild_queue(plan, queue, fresh);
	}
	forget_dropped(plan, rules);
	for (int i = 0; i < rules->nstarted; i++)
		wf_learn_started(plan, &rules->started[i]);
}

/*
 * What was reserved before us.  The groups exist by now only where something
 * waits in them; of the others a start that nobody waits behind is of no
 * consequence until something comes, so these are made as well, and go when
 * their starts count no more.
 */
static void
apply_used(WfPlan *plan, const WfRateUsed *used)
{
	WfQueue *queue = wf_group_queue(plan, used->queue_id, false);
	/* as late as it can have been */
	TimestampTz at = Min(used->reserved_at + WF_RATE_VALID_USEC, plan->now);
	WfGroup *group;

	if (queue == NULL || at + queue->rules.rate_period < plan->now)
		return;
	if (used->group == 0)
	{
		wf_limiter_used(&queue->limiter, at, used->starts);
		return;
	}
	group = wf_group_get(plan, queue, used->group);
	if (group == NULL)
		return;
	wf_limiter_used(&group->limiter, at, used->starts);
	wf_group_settle(plan, group);
}

/* Runs in cells that should not go on: back, or to stop after their step. */
static void
halt_cells(WfPlan *plan)
{
	for (int i = 0; i < plan->nused; i++)
	{
		WfSeat *seat = wf_plan_seat_of(plan, i);

		for (int j = 0; j < WF_CELLS; j++)
		{
			WfEntry *entry = seat->entries[j];

			if (entry == NULL ||
				!(plan->halted || wf_gate_is_paused(entry) ||
				  wf_dispatch_is_paused(plan, entry->workflow_id)))
				continue;
			if (wf_seat_take_back(plan, entry))
				wf_ready_place(plan, entry);
			else
				wf_seat_interrupt(plan, entry, WF_REQ_YIELD);
		}
	}
}

void
wf_plan_rules(WfPlan *plan, TimestampTz now, const WfPlanRules *rules)
{
	plan->now = now;
	plan->halted = rules->halted;
	plan->foreign = rules->foreign;
	plan->paused = rules->paused;
	plan->npaused = rules->npaused;
	wf_ask_give_back_all(plan);
	apply_queues(plan, rules);
	for (int i = 0; i < rules->nused; i++)
		apply_used(plan, &rules->used[i]);
	plan->ruled = true;
	wf_ready_release(plan, WF_PLACE_PAUSED);
	halt_cells(plan);
}
