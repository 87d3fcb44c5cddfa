/*
 * plan_spill.c
 *		Runs and messages that stay in the table until there is room for them in
 *		memory.
 *
 * What is said of runs holds for messages too: of a queue both are left and
 * read again in one order.  Work that somebody has, or had, is never left.
 *
 * The scheduler keeps no more entries than the settings have room
 * for.  Beyond that a queue is *spilled*: its runs with ids above `upto` stay
 * in the table, and are read in the order of their ids when room is made.
 * Of each queue plan->settings.floor entries may wait in memory all the same, so that a
 * flood in one leaves the others their turn; and what has a priority is let in,
 * so that it does not wait behind what was spilled.  No more than these may
 * wait of a queue that is paused or has reached its max_active.
 *
 * Of a group that can be closed memory holds no more than a window
 * (plan_window.c), and what a window leaves counts here as known.
 *
 * Runs that wait for a time are spilled by that time: those due at timers_to
 * or later stay in the table until that time is near.
 *
 * While nothing that is known of a queue can start (its workflows are paused),
 * what can is looked for in the table, and memory may grow to some times the
 * limit.
 *
 * What has begun, or has been admitted, is never left; a run that is in the
 * table alone is changed there by whoever cancels it.  Its run_timeout is
 * noticed when it is read.
 *
 * Nothing is missed: what is left out comes by the ring or a scan after its
 * commit, so the next scan of what was left, with a newer snapshot, sees it;
 * and only a scan that finds no more ends the spill.
 */
#include "postgres.h"

#include "core/plan_parts.h"

#include "core/workid.h"

/*
 * What can start is looked for beyond the limit while nothing else can, up to
 * so many times as much.
 */
#define MAX_EXCESS 4

/* timers that are due within this time are in memory if there is any room */
#define HORIZON_USEC (60 * USECS_PER_SEC)

/* Its own limit is reached, so that all that waits in it can only wait. */
static bool
is_closed(const WfQueue *queue)
{
	const WfQueueRules *rules;

	if (queue == NULL)
		return false;
	rules = &queue->rules;
	return rules->paused || (!rules->fair && rules->max_active > 0 &&
							 queue->active >= rules->max_active);
}

static WfSpill *
spill_of(WfPlan *plan, int32 queue_id, uint32 *nwaiting)
{
	WfQueue *queue = wf_group_queue(plan, queue_id, false);

	if (queue != NULL)
	{
		*nwaiting = queue->nwaiting;
		return &queue->spill;
	}
	*nwaiting =
		queue_id == WF_DEFAULT_QUEUE ? plan->nplain - plan->flow.ndelayed : 0;
	return queue_id == WF_DEFAULT_QUEUE ? &plan->spill : NULL;
}

/* Its number of waiting runs is another one. */
static void
show(WfPlan *plan, int32 queue_id)
{
	WfQueue *queue = wf_group_queue(plan, queue_id, false);

	if (queue != NULL)
		queue->flow.changed = true;
	else
		plan->flow.changed = true;
}

/* ---- leaving ---- */

static bool
leaves_timer(WfPlan *plan, const WfWork *work)
{
	if (work->due_at == plan->timers_to)
	{
		/* a scan under way may be past it */
		if (plan->timers_reading)
			return false;
		memset(&plan->timers_after, 0, sizeof(WfWorkId));
	}
	else if (work->due_at < plan->timers_to &&
			 (wf_window_in_use(plan) < 2 * wf_window_capacity(plan) &&
			  (plan->ntimers < wf_window_capacity(plan) / 2 ||
			   work->due_at <= plan->now + HORIZON_USEC)))
		return false;
	if (work->due_at < plan->timers_to)
	{
		plan->timers_to = work->due_at;
		wf_plan_wake_at(plan, work->due_at - HORIZON_USEC / 2);
		memset(&plan->timers_after, 0, sizeof(WfWorkId));
	}
	return true;
}

/*
 * Up to where all of its queue is known, short of this: runs and messages may be
 * on their way by walks of their own.  What lies behind it and is known is read
 * again, and then known already.
 */
static WfWorkId
known_upto(WfPlan *plan, const WfWork *work)
{
	WfWorkId upto = wf_workid_before(&work->id);

	for (int i = 0; i < plan->nscans; i++)
	{
		const WfScan *scan = &plan->scans[i];

		if (scan->kind == WF_SCAN_TURN &&
			scan->after_queue == work->queue_id &&
			wf_workid_cmp(&scan->after, &upto) < 0)
			upto = scan->after;
	}
	return upto;
}

bool
wf_spill_leaves(WfPlan *plan, const WfWork *work)
{
	uint32 nwaiting;
	WfSpill *spill;

	if (work->due_at > plan->now)
		return leaves_timer(plan, work);
	spill = spill_of(plan, work->queue_id, &nwaiting);
	if (spill == NULL ||
		(work->priority > 0 &&
		 wf_window_in_use(plan) < 2 * wf_window_capacity(plan) &&
		 !wf_group_keeps_order(plan, work->queue_id, work->group)))
		return false;
	if (!spill->on)
	{
		if (nwaiting < plan->settings.floor ||
			(wf_window_in_use(plan) < wf_window_capacity(plan) &&
			 !is_closed(wf_group_queue(plan, work->queue_id, false))))
			return false;
		spill->on = true;
		spill->nleft = 0;
		spill->upto = known_upto(plan, work);
	}
	if (wf_workid_cmp(&work->id, &spill->upto) <= 0)
		return false;
	spill->nleft++;
	show(plan, work->queue_id);
	return true;
}

bool
wf_spill_is_past(WfPlan *plan, int32 queue_id, const WfWorkId *id)
{
	uint32 nwaiting;
	WfSpill *spill = spill_of(plan, queue_id, &nwaiting);

	return spill != NULL && spill->on && wf_workid_cmp(id, &spill->upto) >= 0;
}

const WfWorkId *
wf_spill_upto(WfPlan *plan, int32 queue_id)
{
	uint32 nwaiting;

	return &spill_of(plan, queue_id, &nwaiting)->upto;
}

void
wf_plan_left(WfPlan *plan, TimestampTz now, int32 queue_id, int64 left)
{
	uint32 nwaiting;
	WfSpill *spill = spill_of(plan, queue_id, &nwaiting);

	if (spill != NULL)
		spill->nleft = (uint32) Min(left, PG_UINT32_MAX);
}

uint32
wf_spill_left(const WfPlan *plan, const WfQueue *queue)
{
	const WfSpill *spill = queue != NULL ? &queue->spill : &plan->spill;

	return spill->on ? spill->nleft : 0;
}

/* ---- reading again ---- */

/*
 * Whatever memory has of the queue waits for something: paused workflows,
 * closed groups.  What could start may be in the table.
 */
static bool
is_stuck(WfPlan *plan, WfQueue *queue)
{
	if (queue == NULL)
		return plan->flow.ncells == 0 && plan->nready == 0;
	for (int i = 0; i < WF_SIDES; i++)
	{
		const WfSide *side = &queue->sides[i];

		if (side->resumed.n > 0 || side->held.n > 0 || side->plain.n > 0 ||
			side->nstanding > 0)
			return false;
	}
	return !is_closed(queue) && !queue->rate_short &&
		   (queue->rules.max_running == 0 ||
			queue->running < queue->rules.max_running);
}

/* queue NULL: "default" without rules */
static bool
has_room(WfPlan *plan, WfQueue *queue, uint32 nwaiting)
{
	if (nwaiting < plan->settings.floor / 2 ||
		(wf_window_in_use(plan) < wf_window_capacity(plan) / 8 * 7 &&
		 !is_closed(queue)))
		return true;
	return wf_window_in_use(plan) < MAX_EXCESS * wf_window_capacity(plan) &&
		   !plan->halted && is_stuck(plan, queue);
}

bool
wf_spill_will_read(WfPlan *plan, WfQueue *queue)
{
	return queue->spill.on &&
		   (queue->spill.reading || has_room(plan, queue, queue->nwaiting));
}

static void
refill_queue(WfPlan *plan, int32 queue_id, WfQueue *queue, WfSpill *spill,
			 uint32 nwaiting)
{
	WfScan *scan;

	if (!spill->on || spill->reading || !has_room(plan, queue, nwaiting) ||
		wf_plan_is_broken(plan, WF_BREAK_SPILL))
		return;
	spill->reading = true;
	scan = wf_scan_add(plan, NULL, NULL);
	scan->kind = WF_SCAN_QUEUE;
	scan->after_queue = queue_id;
	scan->after = spill->upto;
}

static void
refill_timers(WfPlan *plan)
{
	TimestampTz look_at = plan->timers_to - HORIZON_USEC / 2;
	WfScan *scan;

	if (plan->timers_to == DT_NOEND || plan->timers_reading)
		return;
	if (plan->now < look_at)
	{
		wf_plan_wake_at(plan, look_at);
		return;
	}
	if (wf_window_in_use(plan) >= 2 * wf_window_capacity(plan))
		return;
	plan->timers_reading = true;
	scan = wf_scan_add(plan, NULL, NULL);
	scan->kind = WF_SCAN_TIMERS;
	scan->after_due = scan->from_due = plan->timers_to;
	scan->after = plan->timers_after;
}

/* Groups that are kept for their rate limits alone take room as well. */
static void
sweep_groups(WfPlan *plan)
{
	dlist_iter iter;

	if (plan->ngroups <= 1024 || plan->now - plan->swept_at < USECS_PER_SEC)
		return;
	plan->swept_at = plan->now;
	dlist_foreach (iter, &plan->queues)
		wf_group_sweep(plan, dlist_container(WfQueue, node, iter.cur), false);
}

void
wf_spill_refill(WfPlan *plan)
{
	dlist_iter iter;

	sweep_groups(plan);
	refill_timers(plan);
	if (plan->plain == NULL)
		refill_queue(plan, WF_DEFAULT_QUEUE, NULL, &plan->spill,
					 plan->nplain - plan->flow.ndelayed);
	dlist_foreach (iter, &plan->queues)
	{
		WfQueue *queue = dlist_container(WfQueue, node, iter.cur);

		refill_queue(plan, queue->rules.queue_id, queue, &queue->spill,
					 queue->nwaiting);
	}
}

static void
read_queue(WfPlan *plan, const WfScan *scan, int n)
{
	uint32 nwaiting;
	WfSpill *spill = spill_of(plan, scan->after_queue, &nwaiting);

	if (spill == NULL)
		return;
	spill->reading = false;
	if (spill->again)
	{
		spill->again = false;
		return;
	}
	spill->on = !scan->done;
	spill->upto = scan->after;
	spill->nleft -= Min(spill->nleft, (uint32) n);
	show(plan, scan->after_queue);
}

/* What came meanwhile may have set an earlier time. */
static void
read_timers(WfPlan *plan, const WfScan *scan)
{
	plan->timers_reading = false;
	if (plan->timers_to < scan->from_due)
		return;
	plan->timers_to = scan->done ? DT_NOEND : scan->after_due;
	plan->timers_after = scan->after;
}

void
wf_spill_read(WfPlan *plan, const WfScan *scan, int n)
{
	if (scan->kind == WF_SCAN_QUEUE)
		read_queue(plan, scan, n);
	else if (scan->kind == WF_SCAN_TIMERS)
		read_timers(plan, scan);
	/* there may be room for more, whatever becomes of these */
	if (!scan->done)
		plan->refilled = true;
}
