/*
 * plan_shelf.c
 *		The plan's end of the shelf (ipc/shelf.h): what is laid out, and when.
 *
 * A queue gets the shelf when messages have been asked for one by one several
 * times in quick succession, and keeps it as long as that goes on.  It has to
 * be a plain one: no limits, no groups that matter, no turns.  Then what may be
 * received is simply what comes first, and no message needs to be counted
 * before it is handed out.  One of low priority is not laid out, since whatever
 * comes later goes before it, and who enqueues that does not look.
 *
 * A message that was laid out is in WF_PLACE_SHELF, by its position.  The
 * positions from `head` on are not known to be taken, those up to `tail` are
 * for the side to fill.  A message that somebody has taken stays in its place
 * until we hear of it, which cannot be long, unless news are lost: then its row
 * is read.  One that leaves its place in another way (its row is gone, say)
 * leaves its position empty, and whoever takes that finds no row.
 *
 * In each decision the shelf is emptied if anything else comes first now, or
 * must not be handed out; then asks are answered, from the shelf first; then it
 * is filled up again.
 */
#include "postgres.h"

#include "core/plan_parts.h"

/* asks in succession after which messages are laid out */
#define MIN_ASKS 16

/* ... each within this time of the one before; and how long nobody may take */
#define IDLE_USEC (5 * 1000)

void
wf_plan_shelf_starts(WfPlan *plan, uint64 position)
{
	plan->shelf.head = plan->shelf.tail = position;
}

bool
wf_plan_shelf_is_open(const WfPlan *plan)
{
	return plan->shelf.laid_out;
}

uint64
wf_plan_shelf_tail(const WfPlan *plan)
{
	return plan->shelf.tail;
}

int32
wf_plan_shelf_queue(const WfPlan *plan)
{
	return plan->shelf.queue_id;
}

const WfEntry *
wf_plan_laid(const WfPlan *plan, uint64 position)
{
	return plan->shelf.entries[position % WF_SHELF_SIZE];
}

void
wf_plan_shelf_at(WfPlan *plan, TimestampTz now, uint64 head)
{
	plan->now = now;
	if (!plan->shelf.laid_out || head == plan->shelf.head)
		return;
	plan->shelf.active_at = now;
	plan->shelf.head = head;
}

/* Who waits, or was woken and has not asked? */
bool
wf_shelf_is_in(const dlist_head *list, int32 queue_id)
{
	dlist_iter iter;

	dlist_foreach (iter, unconstify(dlist_head *, list))
	{
		if (dlist_container(WfAsk, node, iter.cur)->queue_id == queue_id)
			return true;
	}
	return false;
}

bool
wf_shelf_is_waited_for(const WfPlan *plan, int32 queue_id)
{
	return wf_shelf_is_in(&plan->waiting, queue_id) ||
		   wf_shelf_is_in(&plan->woken, queue_id);
}

/* One message of it was asked for, and handed out. */
void
wf_shelf_asked(WfPlan *plan, const WfQueue *queue)
{
	WfShelfPlan *shelf = &plan->shelf;

	if (plan->now - shelf->active_at > IDLE_USEC && !shelf->laid_out)
	{
		shelf->queue_id = queue->rules.queue_id;
		shelf->nasks = 0;
	}
	/* of several, the one that was first */
	if (queue->rules.queue_id != shelf->queue_id)
		return;
	shelf->active_at = plan->now;
	shelf->nasks++;
}

/* ---- taking back ---- */

/*
 * Takes one position, or all, from the first on that nobody has taken; false:
 * there is none.  All at once, so that nobody takes the second of them while
 * the first goes back.
 */
static bool
pop(WfPlan *plan, bool all, uint64 *position, uint64 *end)
{
	WfShelfPlan *shelf = &plan->shelf;

	while (shelf->head < shelf->tail)
	{
		*position = shelf->head++;
		*end = all ? shelf->tail : shelf->head;
		if (plan->port.take_back(plan->port.arg, WF_LAID_SHELF,
								 (int) (*end - *position), *position))
		{
			shelf->head = *end;
			return true;
		}
	}
	return false;
}

/* Takes what is laid out back before the gate. */
void
wf_shelf_clear(WfPlan *plan)
{
	WfShelfPlan *shelf = &plan->shelf;
	uint64 position;
	uint64 end;

	shelf->laid_out = false;
	shelf->nasks = 0;
	if (!pop(plan, true, &position, &end))
		return;
	for (; position < end; position++)
	{
		WfEntry *entry = shelf->entries[position % WF_SHELF_SIZE];

		if (entry == NULL)
			continue;
		wf_ready_take(plan, entry);
		wf_ready_place(plan, entry);
	}
}

WfEntry *
wf_shelf_next(WfPlan *plan, const WfQueue *queue)
{
	uint64 position;
	uint64 end;

	if (!plan->shelf.laid_out || queue->rules.queue_id != plan->shelf.queue_id)
		return NULL;
	while (pop(plan, false, &position, &end))
	{
		WfEntry *entry = plan->shelf.entries[position % WF_SHELF_SIZE];

		if (entry != NULL)
			return entry;
	}
	return NULL;
}

uint32
wf_shelf_count(const WfPlan *plan, const WfQueue *queue)
{
	if (!plan->shelf.laid_out || queue->rules.queue_id != plan->shelf.queue_id)
		return 0;
	return (uint32) (plan->shelf.tail - plan->shelf.head);
}

const WfEntry *
wf_shelf_first(const WfPlan *plan, const WfQueue *queue)
{
	return wf_shelf_count(plan, queue) > 0
			   ? wf_plan_laid(plan, plan->shelf.head)
			   : NULL;
}

bool
wf_shelf_was_taken(const WfPlan *plan, const WfEntry *entry)
{
	const WfShelfPlan *shelf = &plan->shelf;

	if (entry->place != WF_PLACE_SHELF)
		return false;
	for (uint64 position = shelf->head; position < shelf->tail; position++)
	{
		if (wf_plan_laid(plan, position) == entry)
			return false;
	}
	return true;
}

/* ---- in a decision ---- */

/* Is it free to go out as it comes? */
static bool
is_plain(WfPlan *plan, const WfQueue *queue)
{
	const WfQueueRules *rules = &queue->rules;

	return !plan->halted && !rules->paused && !rules->blocks && !rules->fair &&
		   rules->max_running == 0 && rules->max_active == 0 &&
		   rules->group_max_active == 0 && rules->rate_limit == 0 &&
		   rules->group_rate_limit == 0;
}

/* Does something that waits come before what is laid out? */
static bool
is_passed(const WfPlan *plan, const WfQueue *queue)
{
	const WfSide *side = &queue->sides[WF_SIDE_MESSAGES];
	const WfEntry *first = wf_line_first(&side->plain);
	const WfEntry *last = wf_plan_laid(plan, plan->shelf.tail - 1);

	if (side->resumed.n > 0 || side->held.n > 0)
		return true;
	return first != NULL && (last == NULL || wf_starts_before(first, last));
}

void
wf_shelf_check(WfPlan *plan)
{
	WfShelfPlan *shelf = &plan->shelf;
	WfQueue *queue;

	if (!shelf->laid_out)
		return;
	queue = wf_group_queue(plan, shelf->queue_id, false);
	if (queue == NULL || !is_plain(plan, queue) ||
		plan->now - shelf->active_at > IDLE_USEC ||
		wf_shelf_is_waited_for(plan, shelf->queue_id))
		wf_shelf_clear(plan);
	else if (shelf->head < shelf->tail && is_passed(plan, queue) &&
			 !wf_plan_is_broken(plan, WF_BREAK_SHELF))
	{
		wf_shelf_clear(plan);
		shelf->nasks = MIN_ASKS;
	}
}

void
wf_shelf_fill(WfPlan *plan)
{
	WfShelfPlan *shelf = &plan->shelf;
	WfQueue *queue;
	WfSide *side;
	WfEntry *entry;

	if (!shelf->laid_out &&
		(shelf->nasks < MIN_ASKS || plan->now - shelf->active_at > IDLE_USEC))
		return;
	queue = wf_group_queue(plan, shelf->queue_id, false);
	if (queue == NULL || !is_plain(plan, queue) ||
		wf_shelf_is_waited_for(plan, shelf->queue_id))
		return;
	side = &queue->sides[WF_SIDE_MESSAGES];
	if (side->resumed.n > 0 || side->held.n > 0 || queue->nreturning > 0)
		return;
	while (shelf->tail - shelf->head < WF_SHELF_SIZE &&
		   (entry = wf_line_first(&side->plain)) != NULL &&
		   entry->priority >= 0)
	{
		shelf->laid_out = true;
		wf_ready_take(plan, entry);
		wf_ready_shelve(plan, entry, shelf->tail++);
	}
	if (shelf->laid_out)
		wf_plan_wake_at(plan, shelf->active_at + IDLE_USEC + 1);
}
