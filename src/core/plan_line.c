/*
 * plan_line.c
 *		Entries in the order in which they have to start.
 *
 * Most runs arrive in very nearly the order in which they have to start, since
 * ids rise with time.  So a line is a plain list kept in order: a new entry is
 * put in by walking back from the end a few places; only what would have to go
 * further in (another priority, a retry) goes to a pairing heap.  The next one
 * is the smaller of both heads.  With a backlog of a million this costs the
 * same few cache misses as with ten.
 */
#include "postgres.h"

#include "core/plan_parts.h"
#include "core/runid.h"
#include "core/workid.h"

/* how far a new entry is moved up from the end of a line before the heap */
#define MAX_STEPS_BACK 24

/* what one step of priority is worth */
#define PRIORITY_USEC USECS_PER_HOUR

/*
 * The time of the enqueue, set back by the priority.  As all that waits grows
 * older at the same pace, an order by age and priority never changes, and
 * whatever waits long enough comes first.
 */
int64
wf_line_order(const WfEntry *entry)
{
	/* 4096 ticks a millisecond */
	int64 usec = (int64) (wf_runid_ticks_of(&entry->id) / 4096.0 * 1000.0);

	return usec - entry->priority * PRIORITY_USEC;
}

int64
wf_line_order_admitted(WfPlan *plan, const WfEntry *entry)
{
	plan->last_admission = Max(plan->last_admission + 1, (int64) plan->now);
	return plan->last_admission - entry->priority * PRIORITY_USEC;
}

bool
wf_starts_before(const WfEntry *a, const WfEntry *b)
{
	if (a->order != b->order)
		return a->order < b->order;
	return wf_workid_cmp(&a->id, &b->id) < 0;
}

/* In a strict group: by place, whatever the priority and age. */
static bool
has_place_before(const WfEntry *a, const WfEntry *b)
{
	if (a->group_place != b->group_place)
		return a->group_place < b->group_place;
	return wf_workid_cmp(&a->id, &b->id) < 0;
}

static bool
comes_before(const WfLine *line, const WfEntry *a, const WfEntry *b)
{
	return line->by_place ? has_place_before(a, b) : wf_starts_before(a, b);
}

static bool
line_before(const WfHeapNode *a, const WfHeapNode *b)
{
	return wf_starts_before(wf_const_container_of(WfEntry, link.heap, a),
							wf_const_container_of(WfEntry, link.heap, b));
}

static bool
place_before(const WfHeapNode *a, const WfHeapNode *b)
{
	return has_place_before(wf_const_container_of(WfEntry, link.heap, a),
							wf_const_container_of(WfEntry, link.heap, b));
}

void
wf_line_init(WfLine *line, bool by_place)
{
	dlist_init(&line->list);
	wf_heap_init(&line->heap, by_place ? place_before : line_before);
	line->n = 0;
	line->by_place = by_place;
}

static void
enter_line(WfLine *line, WfEntry *entry, bool heaped)
{
	entry->line = line;
	entry->heaped = heaped;
	line->n++;
}

void
wf_line_add(WfLine *line, WfEntry *entry)
{
	dlist_node *prev = line->list.head.prev;
	int steps = 0;

	while (
		prev != &line->list.head &&
		comes_before(line, entry, dlist_container(WfEntry, link.node, prev)))
	{
		prev = prev->prev;
		if (++steps > MAX_STEPS_BACK)
		{
			wf_heap_add(&line->heap, &entry->link.heap);
			enter_line(line, entry, true);
			return;
		}
	}
	dlist_insert_after(prev, &entry->link.node);
	enter_line(line, entry, false);
}

void
wf_line_prepend(WfLine *line, WfEntry *entry)
{
	dlist_push_head(&line->list, &entry->link.node);
	enter_line(line, entry, false);
}

void
wf_line_remove(WfEntry *entry)
{
	if (entry->heaped)
		wf_heap_remove(&entry->line->heap, &entry->link.heap);
	else
		dlist_delete(&entry->link.node);
	entry->line->n--;
	entry->line = NULL;
}

WfEntry *
wf_line_first(const WfLine *line)
{
	WfLine *l = unconstify(WfLine *, line);
	WfEntry *listed = NULL;
	WfEntry *heaped = NULL;

	if (!dlist_is_empty(&l->list))
		listed = dlist_head_element(WfEntry, link.node, &l->list);
	if (!wf_heap_is_empty(&l->heap))
		heaped = wf_heap_head(WfEntry, link.heap, &l->heap);
	if (listed == NULL)
		return heaped;
	if (heaped == NULL || comes_before(line, listed, heaped))
		return listed;
	return heaped;
}

/* when an entry became ready: its due time, or when its id was drawn */
TimestampTz
wf_line_since(const WfEntry *entry)
{
	int64 usec;

	if (entry->due_at != 0)
		return entry->due_at;
	usec = (int64) (wf_runid_ticks_of(&entry->id) / 4096.0 * 1000.0);
	return usec - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}
