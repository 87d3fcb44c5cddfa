/*
 * plan_flow.c
 *		What views show of queues.
 */
#include "postgres.h"

#include "core/plan_parts.h"
#include "core/state.h"


static WfFlow *
flow_of(WfPlan *plan, const WfEntry *entry)
{
	WfFlow *flow = entry->queue != NULL ? &entry->queue->flow : &plan->flow;

	flow->changed = true;
	return flow;
}

void
wf_flow_delayed(WfPlan *plan, const WfEntry *entry, int delta)
{
	flow_of(plan, entry)->ndelayed += delta;
}

void
wf_flow_cell(WfPlan *plan, const WfEntry *entry, int delta)
{
	flow_of(plan, entry)->ncells += delta;
}

/* The present part of the minute, those in between being empty. */
static int
part_of(WfPlan *plan, WfFlow *flow)
{
	int64 present = wf_minute_part(plan->now);

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
wf_flow_started(WfPlan *plan, const WfEntry *entry)
{
	WfFlow *flow = flow_of(plan, entry);

	if (entry->queue_id == WF_QUEUE_ITEMS)
		return;
	flow->counts.started++;
	flow->started[part_of(plan, flow)]++;
}

void
wf_flow_ended(WfPlan *plan, const WfEntry *entry)
{
	WfFlow *flow = flow_of(plan, entry);

	if (entry->queue_id == WF_QUEUE_ITEMS)
		return;
	flow->ended[part_of(plan, flow)]++;
	plan->nended++;
}

void
wf_flow_message_ended(WfPlan *plan, const WfEntry *entry, bool acked)
{
	WfFlow *flow = flow_of(plan, entry);

	wf_flow_ended(plan, entry);
	if (acked)
		flow->counts.succeeded++;
	else
		flow->counts.failed++;
}
