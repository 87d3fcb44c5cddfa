/*
 * plan_ready.c
 *		What the scheduler knows of runs: one entry each, and where it stands.
 *
 * See sched_ready.h for what is owned.
 */
#include "postgres.h"

#include "core/plan_hash.h"
#include "core/plan_parts.h"

#include "common/hashfn.h"

#include "core/runid.h"
#include "core/workid.h"

/* ---- the table of entries ---- */

typedef struct EntrySlot
{
	WfEntry *entry; /* key: compared by run_id */
	uint32 hash;
	char status;
} EntrySlot;

/* the last bytes of a run id are random */
static inline uint32
entry_hash(const WfEntry *entry)
{
	uint32 bits;

	memcpy(&bits, &entry->id.data[UUID_LEN - sizeof(bits)], sizeof(bits));
	return murmurhash32(bits);
}

static inline bool
entry_equal(const WfEntry *a, const WfEntry *b)
{
	return memcmp(a->id.data, b->id.data, UUID_LEN) == 0;
}

#define SH_PREFIX			 wf_entries
#define SH_ELEMENT_TYPE		 EntrySlot
#define SH_KEY_TYPE			 WfEntry *
#define SH_KEY				 entry
#define SH_HASH_KEY(tb, key) entry_hash(key)
#define SH_EQUAL(tb, a, b)	 entry_equal(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_SCOPE		   static inline
#define SH_RAW_ALLOCATOR   WF_HASH_RAW
#define SH_USE_NONDEFAULT_ALLOCATOR
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"
WF_HASH_MEMORY(wf_entries)

typedef struct RoleSlot
{
	Oid oid;
	WfRole *role;
	char status;
} RoleSlot;

#define SH_PREFIX			 wf_roles
#define SH_ELEMENT_TYPE		 RoleSlot
#define SH_KEY_TYPE			 Oid
#define SH_KEY				 oid
#define SH_HASH_KEY(tb, key) murmurhash32(key)
#define SH_EQUAL(tb, a, b)	 ((a) == (b))
#define SH_SCOPE			 static inline
#define SH_RAW_ALLOCATOR	 WF_HASH_RAW
#define SH_USE_NONDEFAULT_ALLOCATOR
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"
WF_HASH_MEMORY(wf_roles)

/* ---- times ---- */

static bool
timer_before(const WfHeapNode *a, const WfHeapNode *b)
{
	const WfEntry *x = wf_const_container_of(WfEntry, link.heap, a);
	const WfEntry *y = wf_const_container_of(WfEntry, link.heap, b);

	if (x->due_at != y->due_at)
		return x->due_at < y->due_at;
	return wf_starts_before(x, y);
}

static bool
deadline_before(const WfHeapNode *a, const WfHeapNode *b)
{
	return wf_const_container_of(WfDeadline, node, a)->at <
		   wf_const_container_of(WfDeadline, node, b)->at;
}

/* ---- making, finding, forgetting ---- */

void
wf_ready_init(WfPlan *plan)
{
	plan->entries = wf_entries_create(1024, &plan->memory);
	plan->roles = wf_roles_create(32, &plan->memory);
	dlist_init(&plan->active);
	dlist_init(&plan->paused_entries);
	dlist_init(&plan->solo);
	wf_heap_init(&plan->timers, timer_before);
	wf_heap_init(&plan->leases, timer_before);
	wf_heap_init(&plan->deadlines, deadline_before);
}

WfRole *
wf_ready_role(WfPlan *plan, Oid oid)
{
	RoleSlot *slot;
	bool found;

	if (plan->last_role != NULL && plan->last_role->oid == oid)
		return plan->last_role;

	slot = wf_roles_insert(plan->roles, oid, &found);
	if (!found)
	{
		WfRole *role =
			wf_memory_get_zeroed(&plan->memory, WF_MEMORY_ANY, sizeof(WfRole));

		role->oid = oid;
		wf_line_init(&role->plain, false);
		wf_line_init(&role->admitted, false);
		dlist_init(&role->seats);
		slot->role = role;
	}
	plan->last_role = slot->role;
	return slot->role;
}

WfEntry *
wf_ready_find(WfPlan *plan, const WfWorkId *run_id)
{
	WfEntry probe;
	EntrySlot *slot;

	probe.id = *run_id;
	slot = wf_entries_lookup(plan->entries, &probe);
	return slot != NULL ? slot->entry : NULL;
}

WfEntry *
wf_ready_make(WfPlan *plan, const WfWork *work)
{
	WfEntry *entry =
		wf_memory_get(&plan->memory, WF_MEMORY_ENTRY, sizeof(WfEntry));
	bool found;

	memset(entry, 0, sizeof(*entry));
	entry->id = work->id;
	entry->message = wf_workid_is_message(&work->id);
	wf_ready_complete(plan, entry, work);
	plan->nplain += entry->queue == NULL;
	plan->nentries++;
	for (int i = 0; i < plan->nclaimed; i++)
		entry->claims += wf_workid_cmp(&plan->claimed[i], &entry->id) == 0;
	(void) wf_entries_insert(plan->entries, entry, &found);
	Assert(!found);
	return entry;
}

void
wf_ready_complete(WfPlan *plan, WfEntry *entry, const WfWork *work)
{
	entry->role = wf_ready_role(plan, work->owner);
	entry->workflow_id = work->workflow_id;
	entry->priority = work->priority;
	entry->due_at = work->due_at;
	entry->lsn = work->lsn;
	entry->flags = work->flags;
	entry->tid = work->tid;
	entry->queue_id = work->queue_id;
	entry->group_hash = work->group;
	entry->group_place = work->place;
	entry->order = wf_line_order(entry);
	entry->partial = false;
	wf_gate_attach(plan, entry);
	if ((work->flags & WF_ASSIGN_BEGUN) && entry->queue != NULL &&
		!entry->active)
		wf_gate_activate(plan, entry);

	if (work->deadline_at != DT_NOEND && entry->deadline == NULL)
	{
		WfDeadline *deadline = wf_memory_get(&plan->memory, WF_MEMORY_DEADLINE,
											 sizeof(WfDeadline));

		deadline->at = work->deadline_at;
		deadline->entry = entry;
		deadline->queued = true;
		wf_heap_add(&plan->deadlines, &deadline->node);
		entry->deadline = deadline;
	}
}

void
wf_ready_drop_deadline(WfPlan *plan, WfEntry *entry)
{
	if (entry->deadline == NULL)
		return;
	if (entry->deadline->queued)
		wf_heap_remove(&plan->deadlines, &entry->deadline->node);
	wf_memory_give_back(&plan->memory, entry->deadline);
	entry->deadline = NULL;
}

void
wf_ready_forget(WfPlan *plan, WfEntry *entry)
{
	wf_ready_take(plan, entry);
	plan->nplain -= entry->queue == NULL;
	plan->nentries--;
	if (entry->queue != NULL)
		wf_gate_detach(plan, entry);
	wf_ready_drop_deadline(plan, entry);
	(void) wf_entries_delete(plan->entries, entry);
	wf_memory_give_back(&plan->memory, entry);
}

/* ---- places ---- */

static void
leave_lane(WfPlan *plan, WfEntry *entry)
{
	WfRole *role = entry->role;

	wf_line_remove(entry);
	plan->flow.changed |= entry->queue == NULL;
	role->admitted_next = entry->queue == NULL;
	role->nurgent -= entry->priority != 0;
	if (--role->nready == 0)
		dlist_delete(&role->active);
	plan->nready--;
}

static void
enter_lane(WfPlan *plan, WfEntry *entry)
{
	WfRole *role = entry->role;

	plan->flow.changed |= entry->queue == NULL;
	wf_line_add(entry->queue == NULL ? &role->plain : &role->admitted, entry);
	entry->place = WF_PLACE_READY;
	role->nurgent += entry->priority != 0;
	if (role->nready++ == 0)
		dlist_push_tail(&plan->active, &role->active);
	plan->nready++;
}

void
wf_ready_take(WfPlan *plan, WfEntry *entry)
{
	switch ((WfPlace) entry->place)
	{
		case WF_PLACE_NONE:
			break;
		case WF_PLACE_KEPT:
			break;
		case WF_PLACE_READY:
			leave_lane(plan, entry);
			break;
		case WF_PLACE_GATE:
			wf_gate_remove(plan, entry);
			break;
		case WF_PLACE_TIMER:
			wf_heap_remove(&plan->timers, &entry->link.heap);
			plan->ntimers--;
			wf_flow_delayed(plan, entry, -1);
			break;
		case WF_PLACE_ROW:
			plan->nrows--;
			if (entry->message)
				entry->queue->nreturning--;
			break;
		case WF_PLACE_PAUSED:
		case WF_PLACE_SOLO:
			dlist_delete(&entry->link.node);
			break;
		case WF_PLACE_CELL:
			plan->ncells--;
			wf_flow_cell(plan, entry, -1);
			if (entry->solo)
				plan->nsolo_cells--;
			break;
		case WF_PLACE_SHELF:
			/* who was taken from there may still stand behind another */
			if (plan->shelf.entries[entry->ask] == entry)
				plan->shelf.entries[entry->ask] = NULL;
			break;
		case WF_PLACE_ANSWER:
			dlist_delete(&entry->link.node);
			plan->asks[entry->receiver]->n--;
			break;
		case WF_PLACE_HELD:
			dlist_delete(&entry->link.node);
			wf_flow_cell(plan, entry, -1);
			break;
		case WF_PLACE_LEASED:
			wf_heap_remove(&plan->leases, &entry->link.heap);
			wf_flow_cell(plan, entry, -1);
			break;
	}
	entry->place = WF_PLACE_NONE;
	entry->epoch++;
}

/* due: to its role, by way of its queue */
static void
make_ready(WfPlan *plan, WfEntry *entry)
{
	if (entry->queue != NULL && !entry->admitted)
	{
		wf_gate_add(plan, entry);
		entry->place = WF_PLACE_GATE;
	}
	else
		enter_lane(plan, entry);
}

void
wf_ready_admit(WfPlan *plan, WfEntry *entry)
{
	Assert(entry->place == WF_PLACE_NONE && entry->admitted);
	enter_lane(plan, entry);
}

void
wf_ready_place(WfPlan *plan, WfEntry *entry)
{
	Assert(entry->place == WF_PLACE_NONE);

	/* a deadline that has fired while the run was in a cell has to again */
	if (entry->deadline != NULL && !entry->deadline->queued)
	{
		entry->deadline->queued = true;
		wf_heap_add(&plan->deadlines, &entry->deadline->node);
	}

	if (entry->due_at > plan->now)
	{
		wf_heap_add(&plan->timers, &entry->link.heap);
		entry->place = WF_PLACE_TIMER;
		plan->ntimers++;
		wf_flow_delayed(plan, entry, 1);
	}
	else
		make_ready(plan, entry);
}

void
wf_ready_hold(WfPlan *plan, WfEntry *entry, WfPlace place)
{
	Assert(entry->place == WF_PLACE_NONE);
	entry->place = place;
	if (place == WF_PLACE_PAUSED)
		dlist_push_tail(&plan->paused_entries, &entry->link.node);
	else if (place == WF_PLACE_SOLO)
		dlist_push_tail(&plan->solo, &entry->link.node);
	else if (place == WF_PLACE_ROW)
	{
		plan->nrows++;
		if (entry->message)
			entry->queue->nreturning++;
	}
	else
		Assert(place == WF_PLACE_KEPT);
}

void
wf_ready_to_cell(WfPlan *plan, WfEntry *entry, int seat, int cell)
{
	Assert(entry->place == WF_PLACE_NONE);
	entry->seat = (int16) seat;
	entry->cell = (int8) cell;
	entry->place = WF_PLACE_CELL;
	plan->ncells++;
	wf_flow_cell(plan, entry, 1);
	if (entry->solo)
		plan->nsolo_cells++;
}

void
wf_ready_shelve(WfPlan *plan, WfEntry *entry, uint64 position)
{
	Assert(entry->place == WF_PLACE_NONE && entry->message);
	entry->ask = (uint32) (position % WF_SHELF_SIZE);
	plan->shelf.entries[entry->ask] = entry;
	entry->place = WF_PLACE_SHELF;
}

void
wf_ready_answer(WfPlan *plan, WfEntry *entry, WfAsk *ask)
{
	Assert(entry->place == WF_PLACE_NONE && entry->admitted);
	dlist_push_tail(&ask->entries, &entry->link.node);
	ask->n++;
	entry->receiver = ask->receiver;
	entry->place = WF_PLACE_ANSWER;
}

void
wf_ready_hand(WfPlan *plan, WfEntry *entry, WfAsk *ask)
{
	Assert(entry->place == WF_PLACE_NONE && entry->admitted);
	dlist_push_tail(&ask->held, &entry->link.node);
	entry->receiver = ask->receiver;
	entry->place = WF_PLACE_HELD;
	wf_flow_cell(plan, entry, 1);
}

void
wf_ready_lease(WfPlan *plan, WfEntry *entry, TimestampTz until)
{
	Assert(entry->place == WF_PLACE_NONE && entry->admitted);
	entry->due_at = until;
	wf_heap_add(&plan->leases, &entry->link.heap);
	entry->place = WF_PLACE_LEASED;
	wf_flow_cell(plan, entry, 1);
}

/*
 * By priority and age where there is any priority; else both lanes take turns,
 * so that a flood in one does not hold up the other.
 */
WfEntry *
wf_ready_first(WfRole *role)
{
	WfEntry *plain = wf_line_first(&role->plain);
	WfEntry *admitted = wf_line_first(&role->admitted);

	if (plain == NULL)
		return admitted;
	if (admitted == NULL)
		return plain;
	if (role->nurgent > 0)
		return wf_starts_before(plain, admitted) ? plain : admitted;
	return role->admitted_next ? admitted : plain;
}

void
wf_ready_foreach(WfPlan *plan,
				 void (*act)(WfPlan *plan, WfEntry *entry, void *arg),
				 void *arg)
{
	wf_entries_iterator it;
	EntrySlot *slot;

	wf_entries_start_iterate(plan->entries, &it);
	while ((slot = wf_entries_iterate(plan->entries, &it)) != NULL)
		act(plan, slot->entry, arg);
}

void
wf_ready_release(WfPlan *plan, WfPlace place)
{
	dlist_head *held = &plan->paused_entries;

	if (place == WF_PLACE_SOLO)
		held = &plan->solo;
	while (!dlist_is_empty(held))
	{
		WfEntry *entry = dlist_head_element(WfEntry, link.node, held);

		wf_ready_take(plan, entry);
		make_ready(plan, entry);
	}
}

/* ---- time ---- */

void
wf_ready_fire_timers(WfPlan *plan)
{
	while (!wf_heap_is_empty(&plan->timers))
	{
		WfEntry *entry = wf_heap_head(WfEntry, link.heap, &plan->timers);

		if (entry->due_at > plan->now)
			break;
		wf_ready_take(plan, entry);
		make_ready(plan, entry);
	}
}

WfEntry *
wf_ready_next_lease(WfPlan *plan)
{
	WfEntry *entry;

	if (wf_heap_is_empty(&plan->leases))
		return NULL;
	entry = wf_container_of(WfEntry, link.heap, wf_heap_first(&plan->leases));
	return entry->due_at <= plan->now ? entry : NULL;
}

WfDeadline *
wf_ready_next_deadline(WfPlan *plan)
{
	WfDeadline *deadline;

	if (wf_heap_is_empty(&plan->deadlines))
		return NULL;
	deadline = wf_heap_head(WfDeadline, node, &plan->deadlines);
	if (deadline->at > plan->now)
		return NULL;
	wf_heap_remove(&plan->deadlines, &deadline->node);
	deadline->queued = false;
	return deadline;
}

TimestampTz
wf_ready_due(WfPlan *plan, bool deadlines)
{
	TimestampTz due = DT_NOEND;

	if (!wf_heap_is_empty(&plan->timers))
		due = wf_heap_head(WfEntry, link.heap, &plan->timers)->due_at;
	if (deadlines && !wf_heap_is_empty(&plan->leases))
		due = Min(due, wf_container_of(WfEntry, link.heap,
									   wf_heap_first(&plan->leases))
						   ->due_at);
	if (deadlines && !wf_heap_is_empty(&plan->deadlines))
		due = Min(due, wf_heap_head(WfDeadline, node, &plan->deadlines)->at);
	return due;
}
