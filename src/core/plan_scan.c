/*
 * plan_scan.c
 *		Walks over the tables that are under way, or have yet to begin.
 *
 * The first one is at work: a chunk of it is read at a time, so that other
 * things go on meanwhile.  Where everything is read, there is a walk for each
 * queue and kind of work, and these take turns: so what waits in one of them is
 * known soon, however much there is in another.
 *
 * The order of strict groups.  All rows are read in the order of their ids, and
 * no place is lower than the number in the id: so what is still in the table
 * has a higher place than the last id that was read, be it by a walk or
 * because the queue is spilled.  The lowest of these bounds is up to where a
 * queue is known. A strict group whose first entry is beyond it waits.  The
 * side reads the tables before it tells what was committed, so that whatever
 * was committed before a row that it has read is known, too.
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
	return scan->kind == WF_SCAN_TURN ||
		   (scan->kind == WF_SCAN_RANGE && !scan->single);
}

/* Every row that the walk has yet to read has a higher place than this. */
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
		else if (scan->kind == WF_SCAN_TURN && scan->loads &&
				 scan->after_queue == queue_id)
			known_to = Min(known_to, read_to(scan));
	}
	return known_to;
}

WfScan *
wf_plan_scan(WfPlan *plan)
{
	return plan->nscans > 0 ? plan->scans : NULL;
}

/* ---- all that there is, in turns ---- */

static void
add_turn(WfPlan *plan, int32 queue_id, int sides, bool loads)
{
	WfScan *scan = wf_scan_add(plan, NULL, NULL);

	scan->kind = WF_SCAN_TURN;
	scan->after_queue = queue_id;
	scan->sides = sides;
	scan->loads = loads;
	plan->nloading += loads;
}

static void
add_turns(WfPlan *plan, const WfPlanQueues *queues, bool loads)
{
	int nbefore = plan->nscans;

	for (int i = 0; i < queues->nruns; i++)
		add_turn(plan, queues->of_runs[i], WF_SCAN_RUNS, loads);
	for (int i = 0; i < queues->nmessages; i++)
		add_turn(plan, queues->of_messages[i], WF_SCAN_MESSAGES, loads);
	/* a load that finds nothing ends as any other */
	if (plan->nscans == nbefore)
		add_turn(plan, WF_DEFAULT_QUEUE, WF_SCAN_RUNS, loads);
}

/*
 * The walk at work, which has read a chunk, goes behind the others that take
 * turns with it; what comes after these stays where it is.
 */
void
wf_scan_end_turn(WfPlan *plan)
{
	WfScan scan = plan->scans[0];
	int n = 1;

	while (n < plan->nscans && plan->scans[n].kind == WF_SCAN_TURN)
		n++;
	memmove(plan->scans, plan->scans + 1, (n - 1) * sizeof(WfScan));
	plan->scans[n - 1] = scan;
}

void
wf_plan_load(WfPlan *plan, TimestampTz now, const WfPlanQueues *queues)
{
	plan->now = now;
	add_turns(plan, queues, true);
}

void
wf_plan_rescan(WfPlan *plan, TimestampTz now, const WfPlanQueues *queues)
{
	plan->now = now;
	add_turns(plan, queues, false);
}

bool
wf_plan_is_loading(const WfPlan *plan)
{
	return plan->nloading > 0;
}
