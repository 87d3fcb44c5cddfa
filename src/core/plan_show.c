/*
 * plan_show.c
 *		What views show of queues, and of all of them together.
 */
#include "postgres.h"

#include "core/plan_parts.h"

typedef struct Showing
{
	WfFlowShow show;
	void *arg;
} Showing;

static void
show_flow(const Showing *showing, int32 queue_id, WfFlow *flow,
		  WfQueueGauges *g)
{
	g->delayed = flow->ndelayed;
	g->running = flow->ncells;
	g->part = flow->part;
	memcpy(g->started, flow->started, sizeof(g->started));
	memcpy(g->ended, flow->ended, sizeof(g->ended));
	showing->show(showing->arg, queue_id, g, &flow->counts);
	memset(&flow->counts, 0, sizeof(flow->counts));
	flow->changed = false;
}

/* Since when the oldest ready run waits; 0 when none is. */
static TimestampTz
oldest_ready(const WfPlan *plan)
{
	TimestampTz oldest = 0;
	dlist_iter iter;

	dlist_foreach (iter, unconstify(dlist_head *, &plan->active))
	{
		WfRole *role = dlist_container(WfRole, active, iter.cur);
		TimestampTz since = wf_line_since(wf_ready_first(role));

		if (oldest == 0 || since < oldest)
			oldest = since;
	}
	return oldest;
}

/* "default" without rules: whatever of all is in no other queue. */
static void
show_plain(WfPlan *plan, const Showing *showing, uint32 others)
{
	WfQueueGauges g = {0};

	g.ready = plan->nready - others + wf_spill_left(plan, NULL);
	g.active = plan->flow.ncells;
	g.oldest_ready = g.ready > 0 ? oldest_ready(plan) : 0;
	show_flow(showing, WF_DEFAULT_QUEUE, &plan->flow, &g);
}

static void
show_queue(WfPlan *plan, const Showing *showing, WfQueue *queue)
{
	WfQueueGauges g = {0};
	TimestampTz free_at;

	g.ready = queue->nwaiting + wf_shelf_count(plan, queue) + queue->running -
			  queue->flow.ncells + wf_spill_left(plan, queue) + queue->nleft;
	g.active = queue->active;
	g.oldest_ready = wf_admit_oldest(plan, queue);
	free_at = wf_limiter_free_at(plan, &queue->limiter);
	if (free_at > plan->now && free_at != DT_NOEND)
		g.rate_free_at = free_at;
	show_flow(showing, queue->rules.queue_id, &queue->flow, &g);
}

void
wf_plan_show(WfPlan *plan, WfFlowShow show, void *arg)
{
	Showing showing = {.show = show, .arg = arg};
	dlist_iter iter;
	uint32 others = 0;

	dlist_foreach (iter, &plan->queues)
	{
		WfQueue *queue = dlist_container(WfQueue, node, iter.cur);

		others += queue->running - queue->flow.ncells;
		if (queue->flow.changed)
			show_queue(plan, &showing, queue);
	}
	if (plan->plain == NULL && plan->flow.changed)
		show_plain(plan, &showing, others);
}

void
wf_plan_totals(const WfPlan *plan, WfPlanTotals *out)
{
	out->ready = plan->nready;
	out->timers = plan->ntimers;
	out->oldest_ready = oldest_ready(plan);
	out->ended = plan->nended;
}
