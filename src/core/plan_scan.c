/*
 * plan_scan.c
 *		Walks over the tables that are under way, or have yet to begin.
 *
 * The first one is at work: a chunk of it is read at a time, so that other
 * things go on meanwhile.
 */
#include "postgres.h"

#include "core/plan_parts.h"

static bool
is_zero(const WfWorkId *id)
{
	static const WfWorkId zero = {0};

	return memcmp(id, &zero, UUID_LEN) == 0;
}

WfScan *
wf_scan_add(WfPlan *plan, const WfWorkId *first, const WfWorkId *last)
{
	WfScan *scan;

	if (plan->nscans == plan->scans_allocated)
	{
		plan->scans_allocated = Max(2 * plan->scans_allocated, 8);
		plan->scans = wf_memory_grow(
			&plan->memory, plan->scans, plan->nscans * sizeof(WfScan),
			(Size) plan->scans_allocated * sizeof(WfScan));
	}
	scan = &plan->scans[plan->nscans++];
	memset(scan, 0, sizeof(*scan));
	if (first != NULL && !is_zero(first))
		scan->after = wf_workid_before(first);
	if (last != NULL)
		scan->upto = *last;
	else
	{
		scan->kind = WF_SCAN_ALL;
		scan->after_queue = PG_INT32_MIN;
	}
	return scan;
}

void
wf_scan_remove(WfPlan *plan)
{
	plan->nscans--;
	memmove(plan->scans, plan->scans + 1, plan->nscans * sizeof(WfScan));
}

bool
wf_scan_is_reading(const WfPlan *plan)
{
	const WfScan *scan = plan->scans;

	if (plan->nscans == 0)
		return false;
	return scan->kind == WF_SCAN_ALL ||
		   (scan->kind == WF_SCAN_RANGE && !scan->single);
}

bool
wf_scan_may_bring(const WfPlan *plan, int32 queue_id)
{
	for (int i = 0; i < plan->nscans; i++)
	{
		const WfScan *scan = &plan->scans[i];

		switch (scan->kind)
		{
			case WF_SCAN_RANGE:
				if (scan->strict)
					return true;
				break;
			case WF_SCAN_ALL:
				if (plan->loading && scan->after_queue <= queue_id)
					return true;
				break;
			case WF_SCAN_QUEUE:
				if (scan->after_queue == queue_id)
					return true;
				break;
			case WF_SCAN_TIMERS:
				break;
		}
	}
	return false;
}

WfScan *
wf_plan_scan(WfPlan *plan)
{
	return plan->nscans > 0 ? plan->scans : NULL;
}

void
wf_plan_load(WfPlan *plan, TimestampTz now)
{
	plan->now = now;
	plan->loading = true;
	(void) wf_scan_add(plan, NULL, NULL);
}

void
wf_plan_rescan(WfPlan *plan, TimestampTz now)
{
	plan->now = now;
	(void) wf_scan_add(plan, NULL, NULL);
}

bool
wf_plan_is_loading(const WfPlan *plan)
{
	return plan->loading;
}
