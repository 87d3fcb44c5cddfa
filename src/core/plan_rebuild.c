/*
 * plan_rebuild.c
 *		Queues that are built up anew under other rules.
 *
 * All entries of the queue leave their lines, are uncounted, and are counted
 * and lined up under the new rules, in the order of their ids.  Nothing that is
 * in hand is touched, so a limit that was lowered is reached as work ends.
 */
#include "postgres.h"

#include "core/plan_parts.h"

typedef struct Moved
{
	WfEntry *entry;
	bool known;	   /* was in the queue, and not in "default" without rules */
	bool waits;	   /* stood in a line */
	bool admitted; /* what is in a cell always is */
	bool active;
	bool rated;
} Moved;

typedef struct Moving
{
	int32 queue_id;
	Moved *moved;
	int n;
	int allocated;
} Moving;

static void
collect(WfPlan *plan, WfEntry *entry, void *arg)
{
	Moving *moving = arg;

	if (entry->queue_id != moving->queue_id)
		return;
	if (moving->n == moving->allocated)
	{
		moving->allocated = Max(2 * moving->allocated, 1024);
		moving->moved = wf_memory_grow(
			&plan->memory, moving->moved, moving->n * sizeof(Moved),
			(Size) moving->allocated * sizeof(Moved));
	}
	moving->moved[moving->n++].entry = entry;
}

static int
compare_moved(const void *a, const void *b)
{
	const WfEntry *x = ((const Moved *) a)->entry;
	const WfEntry *y = ((const Moved *) b)->entry;

	return wf_workid_cmp(&x->id, &y->id);
}

/* Somebody has it, whatever the rules say. */
static bool
is_in_hand(const WfEntry *entry)
{
	return entry->place == WF_PLACE_CELL || entry->place == WF_PLACE_HELD ||
		   entry->place == WF_PLACE_LEASED;
}

/* In or out of what is shown of its queue. */
static void
show(WfPlan *plan, const WfEntry *entry, int delta)
{
	if (entry->place == WF_PLACE_TIMER)
		wf_flow_delayed(plan, entry, delta);
	else if (is_in_hand(entry))
		wf_flow_cell(plan, entry, delta);
}

static void
take_out(WfPlan *plan, Moved *m)
{
	WfEntry *entry = m->entry;

	show(plan, entry, -1);
	m->known = entry->queue != NULL;

	m->waits = entry->place == WF_PLACE_READY || entry->place == WF_PLACE_GATE;
	m->admitted = is_in_hand(entry);
	m->rated = m->admitted && entry->rated;
	/* of "default" without rules nobody counted */
	m->active =
		entry->queue == NULL ? entry->place == WF_PLACE_CELL : entry->active;
	if (m->waits)
		wf_ready_take(plan, entry);
	/* admitted, and not begun: has to be admitted again */
	if (m->waits && entry->admitted && !entry->begun)
		m->active = false;
	if (entry->queue != NULL)
		wf_gate_detach(plan, entry);
}

static void
put_in(WfPlan *plan, const WfQueue *queue, const Moved *m)
{
	WfEntry *entry = m->entry;

	if (entry->blocking && !queue->rules.blocks)
	{
		plan->nplain += m->known;
		wf_ready_forget(plan, entry);
		return;
	}
	plan->nplain -= !m->known;
	wf_gate_attach(plan, entry);
	show(plan, entry, 1);
	if (m->admitted)
		wf_gate_recount(plan, entry, m->rated);
	else if (entry->blocking)
		wf_gate_block(plan, entry);
	else if (m->active)
		wf_gate_keep(plan, entry);
	if (m->waits)
		wf_ready_place(plan, entry);
}

void
wf_rebuild_queue(WfPlan *plan, WfQueue *queue, const WfQueueRules *rules)
{
	Moving moving = {.queue_id = rules->queue_id};

	wf_ready_foreach(plan, collect, &moving);
	if (moving.n > 0)
		qsort(moving.moved, moving.n, sizeof(Moved), compare_moved);
	for (int i = 0; i < moving.n; i++)
		take_out(plan, &moving.moved[i]);

	wf_group_set_rules(plan, queue, rules);
	for (int i = 0; i < moving.n; i++)
		put_in(plan, queue, &moving.moved[i]);
	wf_memory_give_back(&plan->memory, moving.moved);
}

void
wf_rebuild_default(WfPlan *plan)
{
	WfQueueRules none = {.queue_id = WF_DEFAULT_QUEUE};

	if (plan->plain == NULL)
		wf_rebuild_queue(plan, wf_group_queue(plan, WF_DEFAULT_QUEUE, true),
						 &none);
}
