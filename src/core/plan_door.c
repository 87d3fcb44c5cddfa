/*
 * plan_door.c
 *		The entries of a queue that each role has in hand.
 *
 * A gate admits no more runs of a role than its executors can have in hand.  A
 * role that has that many is at its *door*: its further runs wait, and must not
 * hide those of others, however many they are and whatever comes first.  So
 * where another role waits in the same queue, runs of the one are put aside
 * when it would be their turn, each once, and groups whose first run is of
 * such a role step out.  From then on they compete by the same order, but only
 * while their door has room.
 *
 * A limit of the queue counts what is admitted.  So that it is not used up by
 * runs that have no executor, a role leaves one place of it for another, as far
 * as its executors need not all.
 *
 * Messages need no executor, and pass by.
 */
#include "postgres.h"

#include "core/plan_parts.h"

/* put aside in one decision; the rest is for the next */
#define MAX_ASIDE 1000

/* ---- doors ---- */

static WfDoor *
make_door(WfPlan *plan, WfQueue *queue, WfRole *role)
{
	WfDoor *door =
		wf_memory_get_zeroed(&plan->memory, WF_MEMORY_ANY, sizeof(WfDoor));

	door->role = role;
	for (int i = 0; i < WF_WAITS; i++)
		wf_line_init(&door->aside[i], false);
	dlist_init(&door->stands);
	dlist_push_head(&queue->doors, &door->node);
	return door;
}

/* Work comes in long runs of one role: the last one found is the first. */
static WfDoor *
find_door(WfPlan *plan, WfQueue *queue, WfRole *role)
{
	dlist_iter iter;

	dlist_foreach (iter, &queue->doors)
	{
		WfDoor *door = dlist_container(WfDoor, node, iter.cur);

		if (door->role != role)
			continue;
		dlist_move_head(&queue->doors, &door->node);
		return door;
	}
	return make_door(plan, queue, role);
}

void
wf_door_attach(WfPlan *plan, WfEntry *entry)
{
	if (!entry->message)
		entry->door = find_door(plan, entry->queue, entry->role);
}

void
wf_door_forget_all(WfPlan *plan, WfQueue *queue)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &queue->doors)
		wf_memory_give_back(&plan->memory,
							dlist_container(WfDoor, node, iter.cur));
	dlist_init(&queue->doors);
}

/* How many runs of one role the queue lets be in hand. */
static uint32
most_in_hand(const WfPlan *plan, const WfQueue *queue)
{
	uint32 executors = Max(wf_share_most_of_role(plan), 1);
	uint32 most = executors * (WF_CELLS + 1);
	int32 limit = queue->rules.max_running;

	if (limit > 0)
		most = Min(most, Max(executors, (uint32) limit - 1));
	limit = queue->rules.max_active;
	if (limit > 0)
		most = Min(most, Max(executors, (uint32) limit - 1));
	return most;
}

static bool
has_room(const WfPlan *plan, const WfQueue *queue, const WfDoor *door)
{
	/* whoever's they are */
	if (wf_plan_is_broken(plan, WF_BREAK_DOORS))
		return queue->running - queue->nhanded < most_in_hand(plan, queue);
	return door->nadmitted < most_in_hand(plan, queue);
}

bool
wf_door_is_full(const WfPlan *plan, const WfEntry *entry)
{
	return entry->door != NULL && !has_room(plan, entry->queue, entry->door);
}

bool
wf_door_any_open(WfPlan *plan, WfQueue *queue)
{
	dlist_iter iter;

	dlist_foreach (iter, &queue->doors)
	{
		WfDoor *door = dlist_container(WfDoor, node, iter.cur);

		if (door->nwaiting > 0 && has_room(plan, queue, door))
			return true;
	}
	return false;
}

/* ---- what waits at a door ---- */

void
wf_door_wait(WfStand *stand, const WfEntry *first)
{
	wf_group_step_out(stand);
	if (stand->door != NULL)
		return;
	stand->door = first->door;
	dlist_push_tail(&stand->door->stands, &stand->door_node);
}

void
wf_door_step_out(WfStand *stand)
{
	if (stand->door == NULL)
		return;
	dlist_delete(&stand->door_node);
	stand->door = NULL;
}

/* Groups that wait at a door come back, as many as there is room for. */
void
wf_door_let_in(WfPlan *plan, WfQueue *queue)
{
	uint32 most = most_in_hand(plan, queue);
	dlist_iter iter;

	dlist_foreach (iter, &queue->doors)
	{
		WfDoor *door = dlist_container(WfDoor, node, iter.cur);

		for (uint32 i = door->nadmitted;
			 i < most && !dlist_is_empty(&door->stands); i++)
		{
			WfStand *stand =
				dlist_head_element(WfStand, door_node, &door->stands);

			wf_door_step_out(stand);
			wf_group_settle(plan, stand->group);
		}
	}
}

/* The first that waits in a line, or was put aside from there. */
static WfEntry *
earlier(const WfLine *line, WfEntry *entry)
{
	WfEntry *other = wf_line_first(line);

	if (other == NULL || (entry != NULL && wf_starts_before(entry, other)))
		return entry;
	return other;
}

WfEntry *
wf_door_first_any(WfQueue *queue, WfLine *line, WfWaits kind)
{
	WfEntry *first = wf_line_first(line);
	dlist_iter iter;

	dlist_foreach (iter, &queue->doors)
		first = earlier(&dlist_container(WfDoor, node, iter.cur)->aside[kind],
						first);
	return first;
}

WfEntry *
wf_door_first(WfPlan *plan, WfQueue *queue, WfLine *line, WfWaits kind)
{
	WfEntry *first;
	dlist_iter iter;
	int n = 0;

	while ((first = wf_line_first(line)) != NULL &&
		   wf_door_is_full(plan, first))
	{
		if (n++ == MAX_ASIDE)
		{
			plan->more = true;
			first = NULL;
			break;
		}
		wf_line_remove(first);
		wf_line_add(&first->door->aside[kind], first);
	}
	dlist_foreach (iter, &queue->doors)
	{
		WfDoor *door = dlist_container(WfDoor, node, iter.cur);

		if (door->aside[kind].n > 0 && has_room(plan, queue, door))
			first = earlier(&door->aside[kind], first);
	}
	return first;
}
