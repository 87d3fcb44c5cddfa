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
 * So of what comes (wf_window_meets()) all beyond `known_to` is left.  What is
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
 * comes before.
 *
 * The table is asked by the key of the group, and the plan knows only its hash:
 * so a request names a row of the group.  Should that be gone, the window is
 * given up and the queue is walked from its beginning.
 */
#include "postgres.h"

#include "core/plan_parts.h"

/* entries in the window of one group, when there is much room in memory ... */
#define WINDOW_MOST 1000
/* ... and when there is some */
#define WINDOW_SOME 64

/* refills that are under way at a time */
#define MAX_REFILLS 8

/* ---- places ---- */

static bool
spot_before(const WfSpot *a, const WfSpot *b)
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

static WfSpot
spot_of_work(const WfWork *work)
{
	return (WfSpot){.place = work->place, .id = work->id};
}

static bool
window_before(const WfHeapNode *a, const WfHeapNode *b)
{
	WfSpot x = spot_of(wf_const_container_of(WfEntry, use.window, a));
	WfSpot y = spot_of(wf_const_container_of(WfEntry, use.window, b));

	return spot_before(&y, &x);
}

/* The one with the highest place, or NULL. */
static WfEntry *
last_of(const WfGroupWindow *window)
{
	return wf_heap_is_empty(&window->heap)
			   ? NULL
			   : wf_container_of(WfEntry, use.window,
								 wf_heap_first(&window->heap));
}

static bool
is_known(const WfGroupWindow *window, const WfSpot *spot)
{
	return !window->on || !spot_before(&window->known_to, spot);
}

/* Is something of it in the table alone? */
static bool
is_part(const WfGroupWindow *window)
{
	return window->on && window->known_to.place != PG_INT64_MAX;
}

/* ---- sizes ---- */

static uint32
most_room(WfPlan *plan)
{
	return Min(Max(wf_spill_capacity(plan) / 16, 4), WINDOW_MOST);
}

static uint32
room(WfPlan *plan, const WfQueue *queue)
{
	uint32 capacity = wf_spill_capacity(plan);
	uint32 in_use = wf_spill_in_use(plan);

	if (in_use < capacity / 2)
		return most_room(plan);
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
	wf_heap_init(&group->window.heap, window_before);
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

static void
count_left(WfGroup *group, int64 delta)
{
	WfGroupWindow *window = &group->window;

	delta = Max(delta, -(int64) window->nleft);
	window->nleft += (int32) delta;
	group->queue->nleft += (int32) delta;
	group->queue->flow.changed = true;
}

/* Something beyond this place is left. */
static void
fall_to(WfPlan *plan, WfGroup *group, const WfSpot *spot)
{
	WfGroupWindow *window = &group->window;

	if (!window->on)
	{
		int64 ranges_to;

		window->on = true;
		window->left_to = PG_INT64_MIN;
		window->known_to.place =
			wf_scan_known_to(plan, group->queue, &ranges_to);
		/* a walk may have yet to read what has just this place */
		if (window->known_to.place != PG_INT64_MAX)
			window->known_to.place--;
		memset(&window->known_to.id, 0xff, sizeof(WfWorkId));
	}
	else if (wf_plan_is_broken(plan, WF_BREAK_STAYS))
		return;
	if (spot_before(spot, &window->known_to))
		window->known_to = *spot;
}

static void
leave_work(WfGroup *group, const WfWork *work, bool fresh)
{
	group->window.sample = work->id;
	group->window.left_to = Max(group->window.left_to, work->place);
	if (fresh)
		count_left(group, 1);
}

/* The last entry of a window that is on goes back to the table. */
static void
put_out(WfPlan *plan, WfGroup *group, WfEntry *entry)
{
	group->window.sample = entry->id;
	group->window.left_to = Max(group->window.left_to, entry->group_place);
	count_left(group, 1);
	/* the group stays, be this its last member */
	group->members++;
	wf_ready_forget(plan, entry);
	group->members--;
}

WfMeeting
wf_window_meets(WfPlan *plan, const WfWork *work, bool fresh)
{
	WfQueue *queue = wf_group_queue(plan, work->queue_id, false);
	WfSpot spot = spot_of_work(work);
	WfGroup *group;
	WfGroupWindow *window;
	WfEntry *last;
	WfSpot edge;

	if (work->group == 0 || queue == NULL || !wf_window_covers(&queue->rules))
		return WF_MEETS_NONE;
	group = wf_group_find(queue, work->group);
	if (group == NULL)
		return WF_MEETS_NONE;
	window = &group->window;
	if (!is_known(window, &spot) && !wf_plan_is_broken(plan, WF_BREAK_BEYOND))
	{
		leave_work(group, work, fresh);
		return WF_MEETS_LEFT;
	}
	if (window->n < room(plan, queue))
		return window->on ? WF_MEETS_TAKEN : WF_MEETS_NONE;

	/* full */
	last = last_of(window);
	edge = spot_of(last);
	if (window->on && wf_plan_is_broken(plan, WF_BREAK_BELOW))
		return WF_MEETS_LEFT;
	if (spot_before(&edge, &spot))
	{
		fall_to(plan, group, &edge);
		leave_work(group, work, fresh);
		wf_window_note(plan, group);
		return WF_MEETS_LEFT;
	}
	wf_ready_take(plan, last);
	if (last_of(window) != NULL)
		edge = spot_of(last_of(window));
	if (last_of(window) == NULL || spot_before(&edge, &spot))
		edge = spot;
	fall_to(plan, group, &edge);
	put_out(plan, group, last);
	if (is_known(window, &spot))
		return WF_MEETS_TAKEN;
	/* a walk has yet to read what comes before it */
	leave_work(group, work, fresh);
	return WF_MEETS_LEFT;
}

/* Entries may have come by other ways, and known_to may have fallen. */
static void
trim(WfPlan *plan, WfGroup *group)
{
	WfGroupWindow *window = &group->window;
	WfEntry *last;

	while ((last = last_of(window)) != NULL)
	{
		WfSpot spot = spot_of(last);

		if (is_known(window, &spot) ||
			wf_plan_is_broken(plan, WF_BREAK_BEYOND))
		{
			WfSpot edge;

			if (window->n <= most_room(plan))
				break;
			wf_ready_take(plan, last);
			edge = spot_of(last_of(window));
			fall_to(plan, group, &edge);
		}
		put_out(plan, group, last);
	}
}

/* ---- refills ---- */

static bool
is_thirsty(WfPlan *plan, const WfGroup *group)
{
	const WfGroupWindow *window = &group->window;

	return is_part(window) && !window->asked && group->nblocking == 0 &&
		   window->n <= room(plan, group->queue) / 4;
}

static void
ask(WfPlan *plan, WfGroup *group)
{
	WfGroupWindow *window = &group->window;
	uint32 size = room(plan, group->queue);
	WfPlanRequest request = {
		.kind = WF_PLAN_REFILL,
		.queue_id = group->queue->rules.queue_id,
		.group = group->hash,
		.id = window->sample,
		.starts = size > window->n ? (int32) (size - window->n) : 1,
		.after = window->known_to,
		.epoch = ++plan->refill_epoch,
		.upto = window->left_to};

	window->asked = true;
	window->epoch = request.epoch;
	group->queue->nrefills++;
	plan->nrefills++;
	wf_request_add(plan, &request);
}

static void
answered(WfPlan *plan, WfGroup *group)
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
	if (window->n > most_room(plan) || is_thirsty(plan, group))
		wf_window_note(plan, group);
	else if (is_part(window) && last_of(window) != NULL)
	{
		WfSpot spot = spot_of(last_of(window));

		if (!is_known(window, &spot))
			wf_window_note(plan, group);
	}
}

static void
take_off(WfPlan *plan, WfGroupWindow *window)
{
	if (!window->noted)
		return;
	dlist_delete(&window->node);
	window->noted = false;
	plan->nwindows--;
}

void
wf_window_look(WfPlan *plan)
{
	for (int n = plan->nwindows; n > 0; n--)
	{
		WfGroup *group =
			dlist_head_element(WfGroup, window.node, &plan->windows);
		WfQueue *queue = group->queue;

		take_off(plan, &group->window);
		trim(plan, group);
		queue->known_to = wf_scan_known_to(plan, queue, &queue->ranges_to);
		wf_group_settle(plan, group);
		if (!is_thirsty(plan, group))
			continue;
		if (plan->nrefills < MAX_REFILLS)
		{
			take_off(plan, &group->window);
			ask(plan, group);
		}
		else
			wf_window_note(plan, group);
	}
}

/* All that it had left is to be found by a walk over the queue. */
void
wf_window_give_up(WfPlan *plan, WfGroup *group)
{
	WfGroupWindow *window = &group->window;

	if (window->asked)
		answered(plan, group);
	if (is_part(window))
		wf_spill_reread(plan, group->queue, window->nleft);
	count_left(group, -(int64) window->nleft);
	window->on = false;
	take_off(plan, window);
}

void
wf_window_forget(WfPlan *plan, WfGroup *group)
{
	if (group->window.asked)
		answered(plan, group);
	count_left(group, -(int64) group->window.nleft);
	take_off(plan, &group->window);
}

bool
wf_window_is_needed(const WfPlan *plan, const WfGroup *group)
{
	return is_part(&group->window) &&
		   !wf_plan_is_broken(plan, WF_BREAK_FORGET);
}

bool
wf_window_is_behind(const WfPlan *plan, const WfGroup *group,
					const WfEntry *first)
{
	WfSpot spot = spot_of(first);

	return !is_known(&group->window, &spot) &&
		   !wf_plan_is_broken(plan, WF_BREAK_BEYOND);
}

static void
raise_to(WfGroupWindow *window, const WfPlanRequest *request, WfRefill how,
		 const WfSpot *to)
{
	WfSpot end = {.place = request->upto};

	memset(&end.id, 0xff, sizeof(WfWorkId));
	window->known_to = *to;
	if (how == WF_REFILL_SOME)
		return;
	if (request->upto >= window->left_to)
		window->known_to.place = PG_INT64_MAX;
	else if (spot_before(to, &end))
		window->known_to = end;
}

void
wf_plan_refilled(WfPlan *plan, TimestampTz now, const WfPlanRequest *request,
				 WfRefill how, const WfSpot *to, WfWork *rows, int n)
{
	WfQueue *queue = wf_group_queue(plan, request->queue_id, false);
	WfGroup *group =
		queue != NULL ? wf_group_find(queue, request->group) : NULL;
	WfScan scan = {.kind = WF_SCAN_GROUP};
	WfGroupWindow *window;

	plan->now = now;
	plan->more = true;
	if (group == NULL || !group->window.asked ||
		group->window.epoch != request->epoch)
		return;
	window = &group->window;
	answered(plan, group);
	wf_window_note(plan, group);
	if (!window->on || spot_before(&window->known_to, &request->after) ||
		spot_before(&request->after, &window->known_to))
		return; /* it is asked for again */
	if (how == WF_REFILL_LOST)
	{
		wf_window_give_up(plan, group);
		wf_group_release(plan, group);
		return;
	}
	raise_to(window, request, how, to);
	if (!is_part(window))
		count_left(group, -(int64) window->nleft);
	for (int i = 0; i < n; i++)
	{
		count_left(group, wf_ready_find(plan, &rows[i].id) == NULL ? -1 : 0);
		wf_learn_of(plan, &rows[i], &scan);
	}
	wf_group_release(plan, group);
}
