/*
 * sched_rules.c
 *		The rules of queues, and what becomes of waiting work when they change.
 *
 * A queue whose rules have changed is built up anew: all its entries leave
 * their lines, are uncounted, and are counted and lined up under the new ones,
 * in the order of their ids.  Nothing that is in hand is touched, so a limit
 * that was lowered is reached as work ends.
 *
 * What was started and has not ended is counted whether or not a limit needs
 * it, but for what stopped for repair while no limit did.  So where a limit of
 * that kind is new, and at the start, such runs are read from the table.
 */
#include "postgres.h"

#include "store/definition.h"
#include "store/rate.h"
#include "store/work.h"
#include "worker/sched.h"
#include "worker/sched_gates.h"

/* what was read, for wf_gates_apply() */
static WfQueueRules *fresh = NULL;
static int nfresh = 0;
static WfStarted *started = NULL;
static int nstarted = 0;
static bool first = true;

/* ---- comparing ---- */

static bool
same_rules(const WfQueueRules *a, const WfQueueRules *b)
{
	return a->paused == b->paused && a->blocks == b->blocks &&
		   a->fair == b->fair && a->max_running == b->max_running &&
		   a->max_active == b->max_active &&
		   a->group_max_active == b->group_max_active &&
		   a->rate_limit == b->rate_limit &&
		   a->group_rate_limit == b->group_rate_limit &&
		   a->rate_period == b->rate_period && a->nweights == b->nweights &&
		   (a->nweights == 0 ||
			memcmp(a->weights, b->weights,
				   mul_size(a->nweights, sizeof(WfGroupWeight))) == 0);
}

static bool
counts_started(const WfQueueRules *rules)
{
	return rules->max_active > 0 || rules->group_max_active > 0 ||
		   rules->blocks;
}

/* Is what was started before to be counted from now on? */
static bool
is_new_to_counting(const WfQueueRules *rules)
{
	WfQueue *queue = wf_gate_queue(rules->queue_id, false);

	if (first || queue == NULL)
		return counts_started(rules);
	return (rules->max_active > 0 && queue->rules.max_active == 0) ||
		   (rules->group_max_active > 0 &&
			queue->rules.group_max_active == 0) ||
		   (rules->blocks && !queue->rules.blocks);
}

/* ---- reading ---- */

void
wf_gates_read(void)
{
	int32 *ids;
	int n = 0;

	for (int i = 0; i < nfresh; i++)
	{
		if (fresh[i].weights != NULL)
			pfree(fresh[i].weights);
	}
	if (fresh != NULL)
		pfree(fresh);
	if (started != NULL)
		pfree(started);
	nfresh = wf_queue_rules(wf_gates.cxt, &fresh);
	wf_rate_forget_dropped();
	ids = palloc(mul_size(Max(nfresh, 1), sizeof(int32)));
	for (int i = 0; i < nfresh; i++)
	{
		if (is_new_to_counting(&fresh[i]))
			ids[n++] = fresh[i].queue_id;
	}
	nstarted = wf_work_scan_started(ids, n, wf_gates.cxt, &started);
	if (first)
		wf_limiters_read();
}

/* ---- building up anew ---- */

typedef struct Moved
{
	WfEntry *entry;
	bool known;	   /* was in the queue, and not in "default" without rules */
	bool waits;	   /* stood in a line */
	bool admitted; /* what is in a cell always is */
	bool active;
	bool rated;
} Moved;

static int32 moving_queue;
static Moved *moved = NULL;
static int nmoved;
static int moved_allocated;

static void
collect(WfEntry *entry)
{
	if (entry->queue_id != moving_queue)
		return;
	if (nmoved == moved_allocated)
	{
		Size size;

		moved_allocated = Max(2 * moved_allocated, 1024);
		size = mul_size(moved_allocated, sizeof(Moved));
		moved = moved == NULL ? MemoryContextAllocHuge(wf_gates.cxt, size)
							  : repalloc_huge(moved, size);
	}
	moved[nmoved++].entry = entry;
}

static int
compare_moved(const void *a, const void *b)
{
	const WfEntry *x = ((const Moved *) a)->entry;
	const WfEntry *y = ((const Moved *) b)->entry;

	return memcmp(&x->run_id, &y->run_id, UUID_LEN);
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
show(const WfEntry *entry, int delta)
{
	if (entry->place == WF_PLACE_TIMER)
		wf_flow_delayed(entry, delta);
	else if (is_in_hand(entry))
		wf_flow_cell(entry, delta);
}

static void
take_out(Moved *m)
{
	WfEntry *entry = m->entry;

	show(entry, -1);
	m->known = entry->queue != NULL;

	m->waits = entry->place == WF_PLACE_READY || entry->place == WF_PLACE_GATE;
	m->admitted = is_in_hand(entry);
	m->rated = m->admitted && entry->rated;
	/* of "default" without rules nobody counted */
	m->active =
		entry->queue == NULL ? entry->place == WF_PLACE_CELL : entry->active;
	if (m->waits)
		wf_ready_take(&wf_sched.ready, entry);
	/* admitted, and not begun: has to be admitted again */
	if (m->waits && entry->admitted && !entry->begun)
		m->active = false;
	if (entry->queue != NULL)
		wf_gate_detach(entry);
}

static void
put_in(const WfQueue *queue, const Moved *m)
{
	WfEntry *entry = m->entry;

	if (entry->blocking && !queue->rules.blocks)
	{
		wf_gates.nplain += m->known;
		wf_ready_forget(&wf_sched.ready, entry);
		return;
	}
	wf_gates.nplain -= !m->known;
	wf_gate_attach(entry);
	show(entry, 1);
	if (m->admitted)
		wf_gate_recount(entry, m->rated);
	else if (entry->blocking)
		wf_gate_block(entry);
	else if (m->active)
		wf_gate_keep(entry);
	if (m->waits)
		wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
}

static void
change_rules(WfQueue *queue, const WfQueueRules *rules)
{
	moving_queue = rules->queue_id;
	nmoved = 0;
	wf_ready_foreach(&wf_sched.ready, collect);
	qsort(moved, nmoved, sizeof(Moved), compare_moved);
	for (int i = 0; i < nmoved; i++)
		take_out(&moved[i]);

	wf_gate_set_rules(queue, rules);
	for (int i = 0; i < nmoved; i++)
		put_in(queue, &moved[i]);
	if (moved != NULL)
		pfree(moved);
	moved = NULL;
	moved_allocated = 0;
}

WfQueue *
wf_gate_of_default(void)
{
	WfQueueRules none = {.queue_id = WF_DEFAULT_QUEUE};
	WfQueue *queue = wf_gate_queue(WF_DEFAULT_QUEUE, false);

	if (queue == NULL)
	{
		queue = wf_gate_queue(WF_DEFAULT_QUEUE, true);
		change_rules(queue, &none);
	}
	return queue;
}

/* ---- applying ---- */

static const WfQueueRules *
fresh_rules(int32 queue_id)
{
	for (int i = 0; i < nfresh; i++)
	{
		if (fresh[i].queue_id == queue_id)
			return &fresh[i];
	}
	return NULL;
}

/* Queues whose row is gone: dropped, with nothing left but what is ending. */
static void
forget_dropped(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &wf_gates.queues)
	{
		WfQueue *queue = dlist_container(WfQueue, node, iter.cur);
		WfQueueRules none = {.queue_id = queue->rules.queue_id};

		if (fresh_rules(queue->rules.queue_id) != NULL)
			continue;
		if (!same_rules(&queue->rules, &none))
			change_rules(queue, &none);
		wf_gate_forget_queue(queue);
	}
}

void
wf_gates_apply(void)
{
	for (int i = 0; i < nfresh; i++)
	{
		bool known = wf_gate_queue(fresh[i].queue_id, false) != NULL;
		WfQueue *queue = wf_gate_queue(fresh[i].queue_id, true);

		if (!known || !same_rules(&queue->rules, &fresh[i]))
			change_rules(queue, &fresh[i]);
	}
	forget_dropped();
	for (int i = 0; i < nstarted; i++)
		wf_load_started(&started[i]);
	if (first)
		wf_limiters_apply();
	first = false;
}
