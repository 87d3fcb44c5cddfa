/*
 * plan_admit.c
 *		Admission: what of all that waits may start now.
 *
 * In each queue, as long as its limits let: first what is active already, then
 * the group whose turn it is, or whatever comes first by age and priority.
 */
#include "postgres.h"

#include "core/plan_parts.h"


/* how long scans may keep a fair queue closed */
#define MAX_READING_USEC (2 * USECS_PER_SEC)

static bool
may_run_more(WfPlan *plan, WfQueue *queue, WfSideOf side)
{
	const WfQueueRules *rules = &queue->rules;

	if (rules->paused)
		return false;
	if (rules->max_running > 0 && queue->running >= rules->max_running &&
		!wf_plan_is_broken(plan, WF_BREAK_LIMITS))
		return false;
	return side != WF_SIDE_RUNS || wf_door_any_open(plan, queue);
}

/* Groups whose rate limit lets them start again, or that are known now. */
static void
wake_groups(WfPlan *plan, WfQueue *queue, WfSideOf side)
{
	WfHeap *waits = &queue->sides[side].rate_waits;
	WfHeap *behind = &queue->sides[side].behind;

	queue->known_to = wf_scan_known_to(plan, queue, &queue->ranges_to);
	while (!wf_heap_is_empty(behind))
	{
		WfStand *stand = wf_container_of(WfStand, node, wf_heap_first(behind));

		if (wf_group_is_behind(plan, stand))
			break;
		wf_group_step_out(stand);
		wf_group_settle(plan, stand->group);
	}
	while (!wf_heap_is_empty(waits))
	{
		WfStand *stand = wf_container_of(WfStand, node, wf_heap_first(waits));

		if (stand->rate_free_at > plan->now)
		{
			if (stand->rate_free_at != DT_NOEND)
				wf_plan_wake_at(plan, stand->rate_free_at);
			queue->rate_short = true;
			return;
		}
		wf_group_step_out(stand);
		wf_group_settle(plan, stand->group);
		/* it may stand here again, for later */
	}
}

/* The group whose turn it is, or whose first entry starts first; or NULL. */
static WfStand *
next_group(WfQueue *queue, WfSideOf of)
{
	WfSide *side = &queue->sides[of];

	if (queue->rules.fair)
		return dlist_is_empty(&side->turns)
				   ? NULL
				   : dlist_head_element(WfStand, turn, &side->turns);
	return wf_heap_is_empty(&side->heads)
			   ? NULL
			   : wf_container_of(WfStand, node, wf_heap_first(&side->heads));
}

static WfLine *
line_of(WfQueue *queue, WfSideOf side, WfWaits kind)
{
	WfSide *s = &queue->sides[side];

	return kind == WF_WAITS_RESUMED ? &s->resumed
		   : kind == WF_WAITS_HELD	? &s->held
									: &s->plain;
}

/* Gives the first entry without a group that may be admitted, or NULL. */
static WfEntry *
first_in(WfPlan *plan, WfQueue *queue, WfSideOf side, WfWaits kind)
{
	WfLine *line = line_of(queue, side, kind);

	return side == WF_SIDE_RUNS ? wf_door_first(plan, queue, line, kind)
								: wf_line_first(line);
}

/* What of all that has not begun comes next, by everything but queue limits. */
static WfEntry *
next_new(WfPlan *plan, WfQueue *queue, WfSideOf side)
{
	for (;;)
	{
		WfEntry *plain = first_in(plan, queue, side, WF_WAITS_PLAIN);
		WfStand *stand = next_group(queue, side);
		WfEntry *entry;

		if (stand == NULL)
			return plain;
		entry = wf_group_first(stand);
		if (wf_door_is_full(plan, entry))
		{
			wf_door_wait(stand, entry);
			continue;
		}
		if (plain != NULL && wf_starts_before(plain, entry))
			return plain;
		if (wf_limiter_free_at(plan, &stand->group->limiter) > plan->now ||
			wf_group_is_behind(plan, stand))
		{
			/* the clock was set back since it was put here, or a read began */
			wf_group_settle(plan, stand->group);
			continue;
		}
		if (!wf_limiter_wants_reserve(plan, &stand->group->limiter))
			return entry;
		/* out of the way until its starts are on disk */
		wf_group_step_out(stand);
		wf_limiter_reserve_soon(plan, queue, stand->group);
	}
}

/* A turn is over when its starts are. */
static void
count_turn(WfPlan *plan, WfStand *stand)
{
	if (--stand->credit > 0 || wf_plan_is_broken(plan, WF_BREAK_FAIR))
		return;
	stand->credit = stand->group->weight;
	if (stand->standing == WF_GROUP_TURN)
	{
		wf_group_step_out(stand);
		wf_group_settle(plan, stand->group);
	}
}

/* Charges queue and group with a start. */
static void
take_start(WfPlan *plan, WfEntry *entry)
{
	WfLimiter *of_group = entry->group ? &entry->group->limiter : NULL;

	if (entry->queue->limiter.rate == NULL &&
		(of_group == NULL || of_group->rate == NULL))
		return;
	entry->rated = true;
	entry->rated_until = wf_limiter_take(plan, &entry->queue->limiter);
	if (of_group != NULL)
	{
		TimestampTz until = wf_limiter_take(plan, of_group);

		entry->rated_until = Min(entry->rated_until, until);
	}
}

static void
admit(WfPlan *plan, WfEntry *entry, WfSideOf side)
{
	bool fresh = !entry->active;

	wf_ready_take(plan, entry);
	wf_gate_set_admitted(plan, entry, true);
	wf_gate_set_active(entry, true);
	if (!entry->begun)
		take_start(plan, entry);
	if (fresh && entry->group != NULL)
	{
		wf_group_settle(plan, entry->group);
		count_turn(plan, &entry->group->stands[side]);
	}
}

/*
 * One that was held up before it began, and kept its place; NULL when it may
 * not start yet.
 */
static WfEntry *
next_held(WfPlan *plan, WfQueue *queue, WfSideOf side)
{
	WfEntry *entry = first_in(plan, queue, side, WF_WAITS_HELD);
	WfLimiter *limiter;

	if (entry == NULL || !wf_limiter_may_take(plan, &queue->limiter, queue))
		return NULL;
	if (entry->group == NULL)
		return entry;
	limiter = &entry->group->limiter;
	if (wf_limiter_free_at(plan, limiter) > plan->now)
	{
		if (wf_limiter_free_at(plan, limiter) != DT_NOEND)
			wf_plan_wake_at(plan, wf_limiter_free_at(plan, limiter));
		return NULL;
	}
	if (!wf_limiter_wants_reserve(plan, limiter))
		return entry;
	wf_limiter_reserve_soon(plan, queue, entry->group);
	return NULL;
}

/*
 * A fair queue does not take turns among what it happens to know while there
 * is much that it does not; but not for long.
 */
static bool
waits_for_scans(WfPlan *plan, WfQueue *queue)
{
	if (!queue->rules.fair || !wf_scan_is_reading(plan))
	{
		queue->reading_since = 0;
		return false;
	}
	if (queue->reading_since == 0)
		queue->reading_since = plan->now;
	return plan->now - queue->reading_since < MAX_READING_USEC;
}

/* What may start now, and is the next to; NULL when nothing may. */
static WfEntry *
next_to_admit(WfPlan *plan, WfQueue *queue, WfSideOf of)
{
	const WfQueueRules *rules = &queue->rules;
	WfSide *side = &queue->sides[of];
	WfEntry *entry;

	if (!may_run_more(plan, queue, of))
		return NULL;
	entry = first_in(plan, queue, of, WF_WAITS_RESUMED);
	if (entry == NULL)
		entry = next_held(plan, queue, of);
	if (entry != NULL)
		return entry;
	if (rules->max_active > 0 && queue->active >= rules->max_active &&
		!wf_plan_is_broken(plan, WF_BREAK_LIMITS))
		return NULL;
	/* nothing is reserved on disk for what could not start anyway */
	if (first_in(plan, queue, of, WF_WAITS_PLAIN) == NULL &&
		side->nstanding == 0)
		return NULL;
	if (waits_for_scans(plan, queue))
		return NULL;
	if (!wf_limiter_may_take(plan, &queue->limiter, queue))
		return NULL;
	return next_new(plan, queue, of);
}

/* One more run; false when none may start now. */
static bool
admit_run(WfPlan *plan, WfQueue *queue)
{
	WfEntry *entry = next_to_admit(plan, queue, WF_SIDE_RUNS);

	if (entry == NULL)
		return false;
	admit(plan, entry, WF_SIDE_RUNS);
	wf_ready_admit(plan, entry);
	return true;
}

WfEntry *
wf_admit_message(WfPlan *plan, WfQueue *queue)
{
	WfEntry *entry;

	if (plan->halted)
		return NULL;
	entry = wf_shelf_next(plan, queue);
	if (entry == NULL && queue->sides[WF_SIDE_MESSAGES].nwaiting > 0)
	{
		wake_groups(plan, queue, WF_SIDE_MESSAGES);
		entry = next_to_admit(plan, queue, WF_SIDE_MESSAGES);
	}
	if (entry != NULL)
		admit(plan, entry, WF_SIDE_MESSAGES);
	return entry;
}

bool
wf_admit_reads_messages(WfPlan *plan, WfQueue *queue)
{
	const WfQueueRules *rules = &queue->rules;

	return !plan->halted && queue->sides[WF_SIDE_MESSAGES].nwaiting == 0 &&
		   may_run_more(plan, queue, WF_SIDE_MESSAGES) &&
		   (rules->max_active == 0 || queue->active < rules->max_active) &&
		   wf_limiter_free_at(plan, &queue->limiter) <= plan->now &&
		   wf_spill_will_read(plan, queue);
}

/*
 * Not more than this many receivers are of use: in a strict group one is, in
 * any other perhaps as many as wait in it.
 */
uint32
wf_admit_receivable(WfPlan *plan, WfQueue *queue)
{
	const WfQueueRules *rules = &queue->rules;
	WfSide *side = &queue->sides[WF_SIDE_MESSAGES];
	uint32 n;

	if (plan->halted || side->nwaiting == 0)
		return 0;
	wake_groups(plan, queue, WF_SIDE_MESSAGES);
	if (next_to_admit(plan, queue, WF_SIDE_MESSAGES) == NULL)
		return 0;
	n = side->nwaiting;
	if (rules->group_max_active == 1)
		n = side->resumed.n + side->held.n + side->plain.n + side->nstanding;
	if (rules->max_running > 0)
		n = Min(n, rules->max_running - queue->running);
	return n;
}

/* What comes first of all that waits, whether it may start now or not. */
static WfEntry *
first_waiting(WfQueue *queue, WfSideOf side)
{
	WfLine *line = &queue->sides[side].plain;
	WfEntry *plain = side == WF_SIDE_RUNS
						 ? wf_door_first_any(queue, line, WF_WAITS_PLAIN)
						 : wf_line_first(line);
	WfStand *stand = next_group(queue, side);
	WfEntry *entry = stand != NULL ? wf_group_first(stand) : NULL;

	if (entry == NULL || (plain != NULL && wf_starts_before(plain, entry)))
		return plain;
	return entry;
}

/*
 * Takes back what was admitted and has not begun, where something before the
 * gate has a higher priority and comes first.
 */
static void
make_way(WfPlan *plan, WfQueue *queue)
{
	WfEntry *first = first_waiting(queue, WF_SIDE_RUNS);
	dlist_mutable_iter iter;

	if (first == NULL || first->priority <= 0)
		return;
	dlist_foreach_modify (iter, &queue->hand)
	{
		WfEntry *entry = dlist_container(WfEntry, use.hand, iter.cur);

		if (entry->begun || entry->priority >= first->priority ||
			!wf_starts_before(first, entry))
			continue;
		if (entry->place == WF_PLACE_CELL && !wf_seat_take_back(plan, entry))
			continue;
		if (entry->place == WF_PLACE_READY)
			wf_ready_take(plan, entry);
		if (entry->place != WF_PLACE_NONE)
			continue;
		wf_gate_leave(plan, entry);
		wf_ready_place(plan, entry);
	}
}

static WfEntry *
oldest_resumed(WfQueue *queue, WfSideOf side)
{
	WfLine *line = &queue->sides[side].resumed;

	return side == WF_SIDE_RUNS
			   ? wf_door_first_any(queue, line, WF_WAITS_RESUMED)
			   : wf_line_first(line);
}

TimestampTz
wf_admit_oldest(WfPlan *plan, WfQueue *queue)
{
	TimestampTz oldest = 0;

	for (int i = 0; i < WF_SIDES; i++)
	{
		const WfEntry *firsts[3] = {first_waiting(queue, i),
									oldest_resumed(queue, i),
									wf_shelf_first(plan, queue)};

		for (int j = 0; j < lengthof(firsts); j++)
		{
			TimestampTz since =
				firsts[j] != NULL ? wf_line_since(firsts[j]) : 0;

			if (since != 0 && (oldest == 0 || since < oldest))
				oldest = since;
		}
	}
	return oldest;
}

void
wf_admit_runs(WfPlan *plan)
{
	dlist_iter iter;

	if (plan->halted)
		return;
	dlist_foreach (iter, &plan->queues)
	{
		WfQueue *queue = dlist_container(WfQueue, node, iter.cur);

		queue->rate_short = false;
		if (queue->sides[WF_SIDE_RUNS].nwaiting == 0)
			continue;
		wake_groups(plan, queue, WF_SIDE_RUNS);
		wf_door_let_in(plan, queue);
		if (queue->running > 0)
			make_way(plan, queue);
		while (admit_run(plan, queue))
			;
	}
}

bool
wf_admit_is_idle(WfPlan *plan)
{
	dlist_iter iter;

	dlist_foreach (iter, &plan->queues)
	{
		WfQueue *queue = dlist_container(WfQueue, node, iter.cur);

		if (queue->sides[WF_SIDE_RUNS].nwaiting > 0 && queue->rate_short &&
			!queue->rules.paused)
			return false;
	}
	return true;
}
