/*
 * plan_gate.c
 *		What queues and groups count of their entries, and their waiting lines.
 *
 * A group whose limit is one is a line by place (WfWork.place), in which
 * priorities and the time of arrival mean nothing; in larger groups, and without
 * any, what comes next follows from age and priority.
 */
#include "postgres.h"

#include "core/plan_parts.h"
#include "core/state.h"


/* ---- counting ---- */

void
wf_gate_set_active(WfEntry *entry, bool active)
{
	int delta = (int) active - (int) entry->active;

	entry->active = active;
	entry->queue->active += delta;
	entry->queue->flow.changed = true;
	if (entry->group != NULL)
		entry->group->active += delta;
}

void
wf_gate_set_admitted(WfPlan *plan, WfEntry *entry, bool admitted)
{
	if (admitted == entry->admitted)
		return;
	entry->admitted = admitted;
	if (entry->message)
		entry->queue->nhanded += admitted ? 1 : -1;
	else
		entry->door->nadmitted += admitted ? 1 : -1;
	if (admitted)
	{
		entry->queue->running++;
		entry->order = wf_line_order_admitted(plan, entry);
		dlist_push_tail(&entry->queue->hand, &entry->use.hand);
	}
	else
	{
		entry->queue->running--;
		entry->order = wf_line_order(entry);
		dlist_delete(&entry->use.hand);
	}
}

static void
give_start_back(WfEntry *entry)
{
	if (!entry->rated)
		return;
	entry->rated = false;
	wf_limiter_return(&entry->queue->limiter, entry->rated_until);
	if (entry->group != NULL)
		wf_limiter_return(&entry->group->limiter, entry->rated_until);
}

static WfSideOf
side_of(const WfEntry *entry)
{
	return entry->message ? WF_SIDE_MESSAGES : WF_SIDE_RUNS;
}

static WfSide *
lines_of(const WfEntry *entry)
{
	return &entry->queue->sides[side_of(entry)];
}

/* ---- what happens to entries ---- */

void
wf_gate_attach(WfPlan *plan, WfEntry *entry)
{
	WfQueue *queue = entry->queue_id == WF_QUEUE_ITEMS
						 ? NULL
						 : wf_group_queue(plan, entry->queue_id,
										  entry->queue_id != WF_DEFAULT_QUEUE);

	/* one that was known from a cell is complete only now */
	if (entry->queue != NULL || queue == NULL)
		return;
	entry->queue = queue;
	queue->nmembers++;
	wf_door_attach(plan, entry);
	entry->group = wf_group_get(
		plan, queue,
		wf_group_of(&queue->rules, entry->group_hash, entry->role->oid));
	if (entry->group != NULL)
		entry->group->members++;
}

void
wf_gate_detach(WfPlan *plan, WfEntry *entry)
{
	WfGroup *group = entry->group;

	give_start_back(entry);
	if (entry->blocking && group != NULL)
		group->nblocking--;
	if (entry->admitted)
		wf_gate_set_admitted(plan, entry, false);
	if (entry->active)
		wf_gate_set_active(entry, false);
	if (group != NULL)
	{
		group->members--;
		wf_group_release(plan, group);
	}
	entry->queue->nmembers--;
	entry->queue = NULL;
	entry->group = NULL;
	entry->door = NULL;
}

void
wf_gate_add(WfPlan *plan, WfEntry *entry)
{
	WfQueue *queue = entry->queue;
	WfGroup *group = entry->group;
	WfSide *side = lines_of(entry);

	queue->nwaiting++;
	side->nwaiting++;
	if (entry->door != NULL)
		entry->door->nwaiting++;
	queue->flow.changed = true;
	if (entry->active)
		wf_line_add(entry->begun ? &side->resumed : &side->held, entry);
	else if (group == NULL)
		wf_line_add(&side->plain, entry);
	else
	{
		WfLine *strict = &group->stands[0].line;

		wf_group_loosen(group);
		if (!wf_group_is_strict(group))
			wf_line_add(&group->stands[side_of(entry)].line, entry);
		else if (wf_plan_is_broken(plan, WF_BREAK_ORDER))
			wf_line_prepend(strict, entry);
		else
			wf_line_add(strict, entry);
		wf_window_enter(group, entry);
		wf_group_settle(plan, group);
	}
}

void
wf_gate_remove(WfPlan *plan, WfEntry *entry)
{
	WfGroup *group = entry->active ? NULL : entry->group;

	entry->queue->nwaiting--;
	lines_of(entry)->nwaiting--;
	if (entry->door != NULL)
		entry->door->nwaiting--;
	entry->queue->flow.changed = true;
	if (group != NULL)
	{
		wf_group_loosen(group);
		wf_window_leave(group, entry);
	}
	wf_line_remove(entry);
	if (group != NULL)
		wf_group_settle(plan, group);
}

void
wf_gate_activate(WfPlan *plan, WfEntry *entry)
{
	entry->begun = true;
	wf_gate_set_active(entry, true);
	if (entry->group != NULL)
		wf_group_settle(plan, entry->group);
}

void
wf_gate_recount(WfPlan *plan, WfEntry *entry, bool rated)
{
	wf_gate_set_admitted(plan, entry, true);
	wf_gate_set_active(entry, true);
	if (rated)
	{
		/* begins just now, if it has not: there may be no start to take */
		TimestampTz at = plan->now + USECS_PER_SEC;

		wf_limiter_used(&entry->queue->limiter, at, 1);
		if (entry->group != NULL)
			wf_limiter_used(&entry->group->limiter, at, 1);
	}
	if (entry->group != NULL)
		wf_group_settle(plan, entry->group);
}

void
wf_gate_keep(WfPlan *plan, WfEntry *entry)
{
	give_start_back(entry);
	wf_gate_set_admitted(plan, entry, false);
	wf_gate_set_active(entry, true);
	if (entry->group != NULL)
		wf_group_settle(plan, entry->group);
}

void
wf_gate_block(WfPlan *plan, WfEntry *entry)
{
	wf_gate_keep(plan, entry);
	entry->blocking = true;
	if (entry->group != NULL)
	{
		entry->group->nblocking++;
		wf_group_settle(plan, entry->group);
	}
}

void
wf_gate_begun(WfPlan *plan, WfEntry *entry, TimestampTz at)
{
	entry->begun = true;
	if (!entry->rated)
		return;
	entry->rated = false;
	wf_limiter_begun(plan, &entry->queue->limiter, at);
	if (entry->group != NULL)
	{
		wf_limiter_begun(plan, &entry->group->limiter, at);
		wf_group_settle(plan, entry->group);
	}
}

void
wf_gate_leave(WfPlan *plan, WfEntry *entry)
{
	if (!entry->admitted)
		return;
	give_start_back(entry);
	wf_gate_set_admitted(plan, entry, false);
	if (!entry->begun)
	{
		wf_gate_set_active(entry, false);
		if (wf_plan_is_broken(plan, WF_BREAK_RETURNED))
			entry->group_place = PG_INT64_MAX;
	}
	if (entry->group != NULL)
		wf_group_settle(plan, entry->group);
}

/*
 * A run that was found in a cell counts as begun.  Once its row has been read,
 * and its executor has given it back without having begun it, it is a run like
 * any other, whose start the rates have yet to allow.
 */
void
wf_gate_not_begun(WfPlan *plan, WfEntry *entry)
{
	if (!entry->assumed || entry->partial)
		return;
	entry->assumed = false;
	if (entry->flags & (WF_ASSIGN_BEGUN | WF_ASSIGN_ASLEEP))
		return;
	entry->begun = false;
	if (entry->active && !entry->admitted)
	{
		wf_gate_set_active(entry, false);
		if (entry->group != NULL)
			wf_group_settle(plan, entry->group);
	}
}

/*
 * A run that stopped for repair keeps its place, also when it never began; one
 * that failed only where its queue says so.
 */
bool
wf_gate_keeps(const WfEntry *entry, bool failed)
{
	const WfQueueRules *rules;
	bool grouped;

	if (entry->queue == NULL)
		return false;
	rules = &entry->queue->rules;
	grouped = rules->group_max_active > 0 && entry->group_hash != 0;
	if (failed)
		return rules->blocks && entry->group_hash != 0;
	return grouped || rules->max_active > 0;
}

bool
wf_gate_has_room(const WfEntry *entry)
{
	const WfQueueRules *rules = &entry->queue->rules;

	if (rules->max_active > 0 && entry->queue->active >= rules->max_active)
		return false;
	if (entry->group == NULL || entry->group_hash == 0)
		return true;
	return entry->group->nblocking == 0 &&
		   (rules->group_max_active == 0 ||
			entry->group->active < rules->group_max_active);
}

bool
wf_gate_is_paused(const WfEntry *entry)
{
	return entry->queue != NULL && entry->queue->rules.paused;
}
