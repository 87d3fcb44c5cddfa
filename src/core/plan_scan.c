/*
 * plan_scan.c
 *		Walks over the tables that are under way, or have yet to begin.
 *
 * The first one is at work: a chunk of it is read at a time, so that other
 * things go on meanwhile.  Where everything is read, there is a walk for each
 * queue and kind of work, and these take turns: so what waits in one of them is
 * known soon, however much there is in another.
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

/* Both sides of it have to be read in one order. */
static bool
has_strict_groups(WfPlan *plan, int32 queue_id)
{
	return wf_group_keeps_order(plan, queue_id, 1);
}

static bool
is_among(int32 queue_id, const int32 *queues, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (queues[i] == queue_id)
			return true;
	}
	return false;
}

static void
add_turns(WfPlan *plan, const WfPlanQueues *queues, bool loads)
{
	static const int both = WF_SCAN_RUNS | WF_SCAN_MESSAGES;
	int nbefore = plan->nscans;

	for (int i = 0; i < queues->nruns; i++)
	{
		int32 id = queues->of_runs[i];

		add_turn(plan, id, has_strict_groups(plan, id) ? both : WF_SCAN_RUNS,
				 loads);
	}
	for (int i = 0; i < queues->nmessages; i++)
	{
		int32 id = queues->of_messages[i];

		if (!has_strict_groups(plan, id))
			add_turn(plan, id, WF_SCAN_MESSAGES, loads);
		else if (!is_among(id, queues->of_runs, queues->nruns))
			add_turn(plan, id, both, loads);
	}
	/* a load that finds nothing ends as any other */
	if (plan->nscans == nbefore)
		add_turn(plan, WF_DEFAULT_QUEUE, both, loads);
}

/* The walk of the same queue among those behind i, or 0. */
static int
find_other_turn(const WfPlan *plan, int i)
{
	for (int j = i + 1; j < plan->nscans; j++)
	{
		if (plan->scans[j].kind == WF_SCAN_TURN &&
			plan->scans[j].after_queue == plan->scans[i].after_queue)
			return j;
	}
	return 0;
}

/*
 * The rules of queues have changed while walks take turns: where a queue keeps
 * the order of its groups from now on, one walk reads both of its sides.
 */
void
wf_scan_join_turns(WfPlan *plan)
{
	for (int i = 0; i < plan->nscans; i++)
	{
		WfScan *scan = &plan->scans[i];
		int other;

		if (scan->kind != WF_SCAN_TURN ||
			!has_strict_groups(plan, scan->after_queue))
			continue;
		scan->sides = WF_SCAN_RUNS | WF_SCAN_MESSAGES;
		other = find_other_turn(plan, i);
		if (other == 0)
			continue;
		if (wf_workid_cmp(&plan->scans[other].after, &scan->after) < 0)
			scan->after = plan->scans[other].after;
		plan->nloading -= scan->loads && plan->scans[other].loads;
		scan->loads |= plan->scans[other].loads;
		plan->nscans--;
		memmove(&plan->scans[other], &plan->scans[other + 1],
				(plan->nscans - other) * sizeof(WfScan));
	}
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
