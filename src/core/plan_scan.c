/*
 * plan_scan.c
 *		Walks over the tables that are under way, or have yet to begin.
 *
 * The first one is at work: a chunk of it is read at a time, so that other
 * things go on meanwhile.
 *
 * The order of strict groups.  All rows are read in the order of their ids, and
 * no place is lower than the number in the id: so what is still in the table has
 * a higher place than the last id that was read, be it by a walk or because the
 * queue is spilled.  The lowest of these bounds is up to where a queue is known.
 * A strict group whose first entry is beyond it waits.  The side reads the
 * tables before it tells what was committed, so that whatever was committed
 * before a row that it has read is known, too.
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
	scan->place = PG_INT64_MAX;
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

/* What it has yet to read has a higher place than this. */
static int64
read_to(const WfScan *scan)
{
	return wf_workid_place(&scan->after, 0);
}

int64
wf_scan_known_to(const WfPlan *plan, const WfQueue *queue, int64 *ranges_to)
{
	int32 queue_id = queue->rules.queue_id;
	int64 known_to = PG_INT64_MAX;

	*ranges_to = PG_INT64_MAX;

	if (queue->spill.on)
		known_to = wf_workid_place(&queue->spill.upto, 0);
	for (int i = 0; i < plan->nscans; i++)
	{
		const WfScan *scan = &plan->scans[i];

		if (scan->kind == WF_SCAN_RANGE && scan->place != PG_INT64_MAX)
			*ranges_to = Min(*ranges_to, Max(scan->place - 1, read_to(scan)));
		else if (scan->kind == WF_SCAN_ALL && plan->loading &&
				 scan->after_queue <= queue_id)
			known_to = scan->after_queue < queue_id
						   ? 0
						   : Min(known_to, read_to(scan));
	}
	return known_to;
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
