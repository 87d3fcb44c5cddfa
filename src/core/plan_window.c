/*
 * plan_window.c
 *		What memory knows of a group that has more work than it can start.
 *
 * Where a limit, a rate or a failure can close a group, memory holds a *window*
 * of it: the rows that come first.  The rest stays in the table, so that work
 * behind a closed door takes no room from work that could go.  Runs and
 * messages of a group share its window.
 *
 * A window has no bound of its own (`on` is false) until something of the group
 * is left in the table.  From then on this holds:
 *
 *	every due row with a place up to `known_to` is in memory, or will come by
 *	the ring, a walk or a timer; every other is in the table.
 *
 * So of what comes (wf_refill_meets()) all beyond `known_to` is left.  What is
 * not beyond is put in, and when the window is full its last entry is left
 * instead, and `known_to` falls to the one before.  Places are compared together
 * with ids, as all delayed work of one statement has the same place.  When only
 * little is left in the window the plan asks for a *refill* (WF_PLAN_REFILL):
 * rows beyond `known_to`, by index, in the order of places.  The answer raises
 * `known_to` to the last row that was read, or beyond all places where there was
 * no more: then the group is known as a whole.
 *
 * The snapshot of a refill is newer than all that the plan was told of commits,
 * and nothing more is told before the answer.  A commit can be seen before it is
 * told; so each row is in the snapshot, or is told after the answer.  And all
 * that was told to the side by then is told to the plan before it decides again:
 * there may be a row with a place below `known_to` among it, whose commit had
 * returned before one in the answer began.  Should
 * `known_to` have fallen while a refill was under way, it is asked for again.
 *
 * A refill reads no further than `left_to`, the highest place that was left: so
 * it does not come to delayed work, which has its place from its start time and
 * comes by its timer.  Where something was left beyond that while the refill was
 * under way, the group is not yet known as a whole.
 *
 * What has begun, or was admitted, is not in the window and is never left.  A
 * group of which something is in the table alone is not forgotten, though memory
 * may have no entry of it.
 *
 * Order.  The entries of a strict group up to `known_to` are the first that
 * there are, whatever a walk over the queue has yet to read (plan_scan.c); only
 * ranges of ids that were told and have yet to be read can hold something that
 * comes before.  So where something comes in a group of which the queue's walk
 * may have yet to read more (at the start, say), its window is turned on, and a
 * refill tells the head of the group at once.
 *
 * The table is asked by the key of the group, and the plan knows only its hash:
 * so a request names a row of the group.  Should that be gone, the window is
 * given up and the queue is walked from its beginning.
 */
#include "postgres.h"

#include "core/plan_parts.h"

/* what an entry costs with its place in the table of entries, in bytes */
#define ENTRY_COST (sizeof(WfEntry) + 64)

/* groups that are about to be looked up by index, as they are behind a walk */
#define MAX_PROBES 8

/* entries in the window of one group, when there is much room in memory ... */
#define WINDOW_MOST 1000
/* ... and when there is some */
#define WINDOW_SOME 64

/* ---- places ---- */

bool
wf_window_before(const WfSpot *a, const WfSpot *b)
{
	if (a->place != b->place)
		return a->place < b->place;
	return wf_workid_cmp(&a->id, &b->id) < 0;
}

static WfSpot
spot_of(const WfEntry *entry)
{
	return (WfSpot){.place = entry->group_place, .id = entry->id};
}

static bool
later_first(const WfHeapNode *a, const WfHeapNode *b)
{
	WfSpot x = spot_of(wf_const_container_of(WfEntry, use.window, a));
	WfSpot y = spot_of(wf_const_container_of(WfEntry, use.window, b));

	return wf_window_before(&y, &x);
}

/* The one with the highest place, or NULL. */
WfEntry *
wf_window_last(const WfGroupWindow *window)
{
	return wf_heap_is_empty(&window->heap)
			   ? NULL
			   : wf_container_of(WfEntry, use.window,
								 wf_heap_first(&window->heap));
}

bool
wf_window_knows(const WfGroupWindow *window, const WfSpot *spot)
{
	return !window->on || !wf_window_before(&window->known_to, spot);
}

/* Is something of it in the table alone? */
bool
wf_window_is_part(const WfGroupWindow *window)
{
	return window->on && window->known_to.place != PG_INT64_MAX;
}

/* ---- sizes ---- */

uint32
wf_window_capacity(const WfPlan *plan)
{
	return (uint32) (plan->settings.memory / ENTRY_COST);
}

uint32
wf_window_in_use(const WfPlan *plan)
{
	return plan->nentries + plan->ngroups;
}

uint32
wf_window_most(WfPlan *plan)
{
	return Min(Max(wf_window_capacity(plan) / 16, 4), WINDOW_MOST);
}

uint32
wf_window_room(WfPlan *plan, const WfQueue *queue)
{
	uint32 capacity = wf_window_capacity(plan);
	uint32 in_use = wf_window_in_use(plan);

	if (in_use < capacity / 2)
		return wf_window_most(plan);
	if (in_use < capacity || queue->nwaiting < plan->settings.floor)
		return Min(Max(capacity / 64, 2), WINDOW_SOME);
	return 1;
}

/* ---- which entries are in it ---- */

bool
wf_window_covers(const WfQueueRules *rules)
{
	return rules->group_max_active > 0 || rules->blocks ||
		   rules->group_rate_limit > 0;
}

void
wf_window_init(WfGroup *group)
{
	wf_heap_init(&group->window.heap, later_first);
}

void
wf_window_enter(WfGroup *group, WfEntry *entry)
{
	if (group->hash == 0 || !wf_window_covers(&group->queue->rules))
		return;
	wf_heap_add(&group->window.heap, &entry->use.window);
	group->window.n++;
	entry->windowed = true;
}

void
wf_window_leave(WfGroup *group, WfEntry *entry)
{
	if (!entry->windowed)
		return;
	wf_heap_remove(&group->window.heap, &entry->use.window);
	group->window.n--;
	entry->windowed = false;
}

/* ---- leaving ---- */

void
wf_window_count(WfGroup *group, int64 delta)
{
	WfGroupWindow *window = &group->window;

	delta = Max(delta, -(int64) window->nleft);
	window->nleft += (int32) delta;
	group->queue->nleft += (int32) delta;
	group->queue->flow.changed = true;
}

/* From now on it has a bound of its own, the one that it had by its queue. */
static void
turn_on(WfPlan *plan, WfGroup *group)
{
	WfGroupWindow *window = &group->window;
	int64 ranges_to;

	window->on = true;
	window->left_to = PG_INT64_MIN;
	window->known_to.place = wf_scan_known_to(plan, group->queue, &ranges_to);
	/* a walk may have yet to read what has just this place */
	if (window->known_to.place != PG_INT64_MAX)
		window->known_to.place--;
	memset(&window->known_to.id, 0xff, sizeof(WfWorkId));
}

/* Something beyond this place is left. */
void
wf_window_fall(WfPlan *plan, WfGroup *group, const WfSpot *spot)
{
	WfGroupWindow *window = &group->window;

	if (!window->on)
		turn_on(plan, group);
	else if (wf_plan_is_broken(plan, WF_BREAK_STAYS))
		return;
	if (wf_window_before(spot, &window->known_to))
		window->known_to = *spot;
}

/* ---- refills ---- */

bool
wf_window_is_thirsty(WfPlan *plan, const WfGroup *group)
{
	const WfGroupWindow *window = &group->window;

	return wf_window_is_part(window) && !window->asked &&
		   group->nblocking == 0 &&
		   window->n <= wf_window_room(plan, group->queue) / 4;
}

void
wf_window_answered(WfPlan *plan, WfGroup *group)
{
	group->window.asked = false;
	group->queue->nrefills--;
	plan->nrefills--;
}

void
wf_window_note(WfPlan *plan, WfGroup *group)
{
	WfGroupWindow *window = &group->window;

	if (window->noted)
		return;
	window->noted = true;
	plan->nwindows++;
	dlist_push_tail(&plan->windows, &window->node);
}

/* Is there something to look at?  After any change of a group. */
void
wf_window_check(WfPlan *plan, WfGroup *group)
{
	const WfGroupWindow *window = &group->window;

	if (window->noted || (!window->on && window->n <= WINDOW_SOME / 16))
		return;
	if (window->n > wf_window_most(plan) || wf_window_is_thirsty(plan, group))
		wf_window_note(plan, group);
	else if (wf_window_is_part(window) && wf_window_last(window) != NULL)
	{
		WfSpot spot = spot_of(wf_window_last(window));

		if (!wf_window_knows(window, &spot))
			wf_window_note(plan, group);
	}
}

void
wf_window_unnote(WfPlan *plan, WfGroupWindow *window)
{
	if (!window->noted)
		return;
	dlist_delete(&window->node);
	window->noted = false;
	plan->nwindows--;
}

bool
wf_window_probe(WfPlan *plan, WfGroup *group)
{
	if (!group->window.on && plan->nwindows < MAX_PROBES)
	{
		turn_on(plan, group);
		wf_window_note(plan, group);
	}
	return group->window.on;
}

static void
walk_again(WfPlan *plan, WfQueue *queue, uint32 nleft)
{
	WfSpill *spill = &queue->spill;

	if (!spill->on)
		spill->nleft = 0;
	spill->on = true;
	spill->again = spill->reading;
	spill->nleft += nleft;
	memset(&spill->upto, 0, sizeof(WfWorkId));
	plan->more = true;
}

/* All that it had left is to be found by a walk over the queue. */
void
wf_window_give_up(WfPlan *plan, WfGroup *group)
{
	WfGroupWindow *window = &group->window;

	if (window->asked)
		wf_window_answered(plan, group);
	if (wf_window_is_part(window))
		walk_again(plan, group->queue, window->nleft);
	wf_window_count(group, -(int64) window->nleft);
	window->on = false;
	wf_window_unnote(plan, window);
}

void
wf_window_forget(WfPlan *plan, WfGroup *group)
{
	if (group->window.asked)
		wf_window_answered(plan, group);
	wf_window_count(group, -(int64) group->window.nleft);
	wf_window_unnote(plan, &group->window);
}

bool
wf_window_is_needed(const WfPlan *plan, const WfGroup *group)
{
	return wf_window_is_part(&group->window) &&
		   !wf_plan_is_broken(plan, WF_BREAK_FORGET);
}

bool
wf_window_is_behind(const WfPlan *plan, const WfGroup *group,
					const WfEntry *first)
{
	WfSpot spot = spot_of(first);

	return !wf_window_knows(&group->window, &spot) &&
		   !wf_plan_is_broken(plan, WF_BREAK_BEYOND);
}

/* A refill has been answered. */
void
wf_window_raise(WfGroup *group, const WfPlanRequest *request, WfRefill how,
				const WfSpot *to)
{
	WfGroupWindow *window = &group->window;
	WfSpot end = {.place = request->upto};

	memset(&end.id, 0xff, sizeof(WfWorkId));
	window->known_to = *to;
	if (how == WF_REFILL_SOME)
		return;
	if (request->upto >= window->left_to)
		window->known_to.place = PG_INT64_MAX;
	else if (wf_window_before(to, &end))
		window->known_to = end;
}

void
wf_window_left(WfGroup *group, const WfSpot *spot, bool counts)
{
	group->window.sample = spot->id;
	group->window.left_to = Max(group->window.left_to, spot->place);
	if (counts)
		wf_window_count(group, 1);
}
