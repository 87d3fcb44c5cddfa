/*
 * sched_flow.c
 *		What views show of queues.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "store/definition.h"
#include "worker/sched.h"
#include "worker/sched_gates.h"

static WfFlow *
flow_of(const WfEntry *entry)
{
	WfFlow *flow = entry->queue != NULL ? &entry->queue->flow : &wf_gates.flow;

	flow->changed = true;
	return flow;
}

void
wf_flow_delayed(const WfEntry *entry, int delta)
{
	flow_of(entry)->ndelayed += delta;
}

void
wf_flow_cell(const WfEntry *entry, int delta)
{
	flow_of(entry)->ncells += delta;
}

/* The present part of the minute, those in between being empty. */
static int
part_of(WfFlow *flow)
{
	int64 present = wf_minute_part(wf_sched.now);

	if (present - flow->part >= WF_MINUTE_PARTS)
		flow->part = present - WF_MINUTE_PARTS;
	while (flow->part < present)
	{
		flow->part++;
		flow->started[flow->part % WF_MINUTE_PARTS] = 0;
		flow->ended[flow->part % WF_MINUTE_PARTS] = 0;
	}
	return flow->part % WF_MINUTE_PARTS;
}

void
wf_flow_started(const WfEntry *entry)
{
	WfFlow *flow = flow_of(entry);

	if (entry->queue_id == WF_QUEUE_ITEMS)
		return;
	flow->nstarted++;
	flow->started[part_of(flow)]++;
}

void
wf_flow_ended(const WfEntry *entry)
{
	WfFlow *flow = flow_of(entry);

	if (entry->queue_id == WF_QUEUE_ITEMS)
		return;
	flow->ended[part_of(flow)]++;
	wf_retention_touch();
}

static void
publish(int32 queue_id, WfFlow *flow, WfQueueGauges *g)
{
	g->delayed = flow->ndelayed;
	g->running = flow->ncells;
	g->part = flow->part;
	memcpy(g->started, flow->started, sizeof(g->started));
	memcpy(g->ended, flow->ended, sizeof(g->ended));
	wf_queue_publish(MyDatabaseId, queue_id, g);
	wf_alerts_gauges(queue_id, g);
	if (flow->nstarted > 0)
		wf_queue_count(MyDatabaseId, queue_id, WF_QCOUNT_STARTED,
					   flow->nstarted);
	flow->nstarted = 0;
	flow->changed = false;
}

/* "default" without rules: whatever of all is in no other queue. */
static void
publish_plain(uint32 others)
{
	WfQueueGauges g = {0};

	g.ready = wf_sched.ready.nready - others + wf_spill_left(NULL);
	g.active = wf_gates.flow.ncells;
	g.oldest_ready = g.ready > 0 ? wf_ready_oldest(&wf_sched.ready) : 0;
	publish(WF_DEFAULT_QUEUE, &wf_gates.flow, &g);
}

static void
publish_queue(WfQueue *queue)
{
	WfQueueGauges g = {0};
	TimestampTz free_at;

	g.ready = queue->nwaiting + wf_shelf_count(queue) + queue->running -
			  queue->flow.ncells + wf_spill_left(queue);
	g.active = queue->active;
	g.oldest_ready = wf_gate_oldest(queue);
	free_at = wf_limiter_free_at(&queue->limiter);
	if (free_at > wf_sched.now && free_at != DT_NOEND)
		g.rate_free_at = free_at;
	publish(queue->rules.queue_id, &queue->flow, &g);
}

void
wf_flow_publish(void)
{
	dlist_iter iter;
	uint32 others = 0;

	dlist_foreach (iter, &wf_gates.queues)
	{
		WfQueue *queue = dlist_container(WfQueue, node, iter.cur);

		others += queue->running - queue->flow.ncells;
		if (queue->flow.changed)
			publish_queue(queue);
	}
	if (wf_gates.plain == NULL && wf_gates.flow.changed)
		publish_plain(others);
}
