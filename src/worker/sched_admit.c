/*
 * sched_admit.c
 *		Admission: what of all that waits may start now.
 *
 * In each queue, as long as its limits let: first what is active already, then
 * the group whose turn it is, or whatever comes first by age and priority.
 */
#include "postgres.h"

#include "base/guc.h"
#include "base/stoppoint.h"
#include "worker/sched.h"
#include "worker/sched_gates.h"

/* how long scans may keep a fair queue closed */
#define MAX_READING_USEC (2 * USECS_PER_SEC)

/* Nobody can have more in hand than all executors together. */
static uint32
most_running(const WfQueueRules *rules)
{
	uint32 hands = Max(wf_executors, 1) * (WF_CELLS + 1);

	if (rules->max_running > 0 && !WF_BROKEN("ignore-limits"))
		return Min(hands, (uint32) rules->max_running);
	return hands;
}

/* Groups whose rate limit lets them start again. */
static void
wake_groups(WfQueue *queue)
{
	while (!pairingheap_is_empty(&queue->rate_waits))
	{
		WfGroup *group = pairingheap_container(
			WfGroup, node, pairingheap_first(&queue->rate_waits));

		if (group->rate_free_at > wf_sched.now)
		{
			if (group->rate_free_at != DT_NOEND)
				wf_sched_wake_at(group->rate_free_at);
			queue->rate_short = true;
			return;
		}
		wf_group_step_out(group);
		wf_group_settle(group);
		/* it may stand here again, for later */
	}
}

/* The group whose turn it is, or whose first entry starts first; or NULL. */
static WfGroup *
next_group(WfQueue *queue)
{
	if (queue->rules.fair)
		return dlist_is_empty(&queue->turns)
				   ? NULL
				   : dlist_head_element(WfGroup, turn, &queue->turns);
	return pairingheap_is_empty(&queue->heads)
			   ? NULL
			   : pairingheap_container(WfGroup, node,
									   pairingheap_first(&queue->heads));
}

/* What of all that has not begun comes next, by everything but queue limits. */
static WfEntry *
next_new(WfQueue *queue)
{
	for (;;)
	{
		WfEntry *plain = wf_line_first(&queue->plain);
		WfGroup *group = next_group(queue);
		WfEntry *entry;

		if (group == NULL)
			return plain;
		entry = wf_line_first(&group->line);
		if (plain != NULL && wf_starts_before(plain, entry))
			return plain;
		if (!wf_limiter_wants_reserve(&group->limiter))
			return entry;
		/* out of the way until its starts are on disk */
		wf_group_step_out(group);
		wf_limiter_reserve_soon(queue, group);
	}
}

/* A turn is over when its starts are. */
static void
count_turn(WfGroup *group)
{
	if (--group->credit > 0)
		return;
	group->credit = group->weight;
	if (group->standing == WF_GROUP_TURN)
	{
		wf_group_step_out(group);
		wf_group_settle(group);
	}
}

/* Charges queue and group with a start. */
static void
take_start(WfEntry *entry)
{
	WfLimiter *of_group = entry->group ? &entry->group->limiter : NULL;

	if (entry->queue->limiter.rate == NULL &&
		(of_group == NULL || of_group->rate == NULL))
		return;
	entry->rated = true;
	entry->rated_until = wf_limiter_take(&entry->queue->limiter);
	if (of_group != NULL)
	{
		TimestampTz until = wf_limiter_take(of_group);

		entry->rated_until = Min(entry->rated_until, until);
	}
}

static void
admit(WfEntry *entry)
{
	bool fresh = !entry->active;

	wf_ready_take(&wf_sched.ready, entry);
	wf_gate_set_admitted(entry, true);
	wf_gate_set_active(entry, true);
	if (!entry->begun)
		take_start(entry);
	if (fresh && entry->group != NULL)
	{
		wf_group_settle(entry->group);
		count_turn(entry->group);
	}
	wf_ready_admit(&wf_sched.ready, entry);
}

/*
 * One that was held up before it began, and kept its place; NULL when it may
 * not start yet.
 */
static WfEntry *
next_held(WfQueue *queue)
{
	WfEntry *entry = wf_line_first(&queue->held);
	WfLimiter *limiter;

	if (entry == NULL || !wf_limiter_may_take(&queue->limiter, queue))
		return NULL;
	if (entry->group == NULL)
		return entry;
	limiter = &entry->group->limiter;
	if (wf_limiter_free_at(limiter) > wf_sched.now)
	{
		if (wf_limiter_free_at(limiter) != DT_NOEND)
			wf_sched_wake_at(wf_limiter_free_at(limiter));
		return NULL;
	}
	if (!wf_limiter_wants_reserve(limiter))
		return entry;
	wf_limiter_reserve_soon(queue, entry->group);
	return NULL;
}

/*
 * A fair queue does not take turns among what it happens to know while there
 * is much that it does not; but not for long.
 */
static bool
waits_for_scans(WfQueue *queue)
{
	if (!queue->rules.fair || !wf_load_is_reading())
	{
		queue->reading_since = 0;
		return false;
	}
	if (queue->reading_since == 0)
		queue->reading_since = wf_sched.now;
	return wf_sched.now - queue->reading_since < MAX_READING_USEC;
}

/* One more; false when nothing may start now. */
static bool
admit_one(WfQueue *queue)
{
	const WfQueueRules *rules = &queue->rules;
	WfEntry *entry;

	if (rules->paused || queue->running >= most_running(rules))
		return false;
	entry = wf_line_first(&queue->resumed);
	if (entry == NULL)
		entry = next_held(queue);
	if (entry == NULL)
	{
		if (rules->max_active > 0 && queue->active >= rules->max_active &&
			!WF_BROKEN("ignore-limits"))
			return false;
		/* nothing is reserved on disk for what could not start anyway */
		if (wf_line_first(&queue->plain) == NULL && next_group(queue) == NULL)
			return false;
		if (waits_for_scans(queue))
			return false;
		if (!wf_limiter_may_take(&queue->limiter, queue))
			return false;
		entry = next_new(queue);
	}
	if (entry == NULL)
		return false;
	admit(entry);
	return true;
}

/* What comes first of all that waits, whether it may start now or not. */
static WfEntry *
first_waiting(WfQueue *queue)
{
	WfEntry *plain = wf_line_first(&queue->plain);
	WfGroup *group = next_group(queue);
	WfEntry *entry = group != NULL ? wf_line_first(&group->line) : NULL;

	if (entry == NULL || (plain != NULL && wf_starts_before(plain, entry)))
		return plain;
	return entry;
}

/*
 * Takes back what was admitted and has not begun, where something before the
 * gate has a higher priority and comes first.
 */
static void
make_way(WfQueue *queue)
{
	WfEntry *first = first_waiting(queue);
	dlist_mutable_iter iter;

	if (first == NULL || first->priority <= 0)
		return;
	dlist_foreach_modify (iter, &queue->hand)
	{
		WfEntry *entry = dlist_container(WfEntry, hand, iter.cur);

		if (entry->begun || entry->priority >= first->priority ||
			!wf_starts_before(first, entry))
			continue;
		if (entry->place == WF_PLACE_CELL && !wf_seat_take_back(entry))
			continue;
		if (entry->place == WF_PLACE_READY)
			wf_ready_take(&wf_sched.ready, entry);
		if (entry->place != WF_PLACE_NONE)
			continue;
		wf_gate_leave(entry);
		wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
	}
}

TimestampTz
wf_gate_oldest(const WfQueue *queue)
{
	WfEntry *first = first_waiting(unconstify(WfQueue *, queue));
	WfEntry *resumed = wf_line_first(&queue->resumed);

	if (first == NULL ||
		(resumed != NULL && resumed->due_at < wf_ready_since(first)))
		first = resumed;
	return first != NULL ? wf_ready_since(first) : 0;
}

void
wf_gates_open(void)
{
	dlist_iter iter;

	if (wf_sched.halted)
		return;
	do
	{
		dlist_foreach (iter, &wf_gates.queues)
		{
			WfQueue *queue = dlist_container(WfQueue, node, iter.cur);

			queue->rate_short = false;
			if (queue->nwaiting == 0)
				continue;
			wake_groups(queue);
			if (queue->running > 0)
				make_way(queue);
			while (admit_one(queue))
				;
		}
	} while (wf_limiters_reserve());
}

bool
wf_gates_are_idle(void)
{
	dlist_iter iter;

	dlist_foreach (iter, &wf_gates.queues)
	{
		WfQueue *queue = dlist_container(WfQueue, node, iter.cur);

		if (queue->nwaiting > 0 && queue->rate_short && !queue->rules.paused)
			return false;
	}
	return true;
}
