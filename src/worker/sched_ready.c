/*
 * sched_ready.c
 *		What the scheduler knows of runs: one entry each, and where it stands.
 *
 * See sched_ready.h for what is owned.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "core/runid.h"
#include "core/workid.h"
#include "worker/sched_gates.h"

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

	memcpy(&bits, &entry->run_id.data[UUID_LEN - sizeof(bits)], sizeof(bits));
	return murmurhash32(bits);
}

static inline bool
entry_equal(const WfEntry *a, const WfEntry *b)
{
	return memcmp(a->run_id.data, b->run_id.data, UUID_LEN) == 0;
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
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

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
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* ---- times ---- */

static int
timer_compare(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const WfEntry *x = pairingheap_const_container(WfEntry, link.heap, a);
	const WfEntry *y = pairingheap_const_container(WfEntry, link.heap, b);

	if (x->due_at != y->due_at)
		return x->due_at < y->due_at ? 1 : -1;
	return wf_starts_before(x, y) ? 1 : -1;
}

static int
deadline_compare(const pairingheap_node *a, const pairingheap_node *b,
				 void *arg)
{
	const WfDeadline *x = pairingheap_const_container(WfDeadline, node, a);
	const WfDeadline *y = pairingheap_const_container(WfDeadline, node, b);

	if (x->at == y->at)
		return 0;
	return x->at < y->at ? 1 : -1;
}

/* the first of a heap that is not empty */
static inline WfEntry *
first_timer(WfReady *ready)
{
	return pairingheap_container(WfEntry, link.heap,
								 pairingheap_first(&ready->timers));
}

static inline WfDeadline *
first_deadline(WfReady *ready)
{
	return pairingheap_container(WfDeadline, node,
								 pairingheap_first(&ready->deadlines));
}

/* ---- making, finding, forgetting ---- */

void
wf_ready_init(WfReady *ready, MemoryContext parent)
{
	memset(ready, 0, sizeof(*ready));
	ready->cxt = AllocSetContextCreate(parent, "workflow ready",
									   ALLOCSET_DEFAULT_SIZES);
	ready->entry_cxt = SlabContextCreate(
		parent, "workflow entries", SLAB_DEFAULT_BLOCK_SIZE, sizeof(WfEntry));
	ready->deadline_cxt =
		SlabContextCreate(parent, "workflow deadlines",
						  SLAB_DEFAULT_BLOCK_SIZE, sizeof(WfDeadline));
	ready->entries = wf_entries_create(ready->cxt, 1024, NULL);
	ready->roles = wf_roles_create(ready->cxt, 32, NULL);
	dlist_init(&ready->active);
	dlist_init(&ready->paused);
	dlist_init(&ready->solo);
	wf_heap_init(&ready->timers, timer_compare);
	wf_heap_init(&ready->leases, timer_compare);
	wf_heap_init(&ready->deadlines, deadline_compare);
}

WfRole *
wf_ready_role(WfReady *ready, Oid oid)
{
	RoleSlot *slot;
	bool found;

	if (ready->last_role != NULL && ready->last_role->oid == oid)
		return ready->last_role;

	slot = wf_roles_insert(ready->roles, oid, &found);
	if (!found)
	{
		WfRole *role = MemoryContextAllocZero(ready->cxt, sizeof(WfRole));

		role->oid = oid;
		wf_line_init(&role->plain);
		wf_line_init(&role->admitted);
		dlist_init(&role->seats);
		slot->role = role;
	}
	ready->last_role = slot->role;
	return slot->role;
}

WfEntry *
wf_ready_find(WfReady *ready, const pg_uuid_t *run_id)
{
	WfEntry probe;
	EntrySlot *slot;

	probe.run_id = *run_id;
	slot = wf_entries_lookup(ready->entries, &probe);
	return slot != NULL ? slot->entry : NULL;
}

WfEntry *
wf_ready_make(WfReady *ready, const WfWork *info)
{
	WfEntry *entry = MemoryContextAlloc(ready->entry_cxt, sizeof(WfEntry));
	bool found;

	memset(entry, 0, sizeof(*entry));
	entry->run_id = info->id;
	entry->message = wf_workid_is_message(&info->id);
	wf_ready_complete(ready, entry, info);
	wf_gates.nplain += entry->queue == NULL;
	ready->nentries++;
	(void) wf_entries_insert(ready->entries, entry, &found);
	Assert(!found);
	return entry;
}

void
wf_ready_complete(WfReady *ready, WfEntry *entry, const WfWork *info)
{
	entry->role = wf_ready_role(ready, info->owner);
	entry->workflow_id = info->workflow_id;
	entry->priority = info->priority;
	entry->due_at = info->due_at;
	entry->lsn = info->lsn;
	entry->flags = info->flags;
	entry->tid = info->tid;
	entry->queue_id = info->queue_id;
	entry->group_hash = info->group;
	entry->order = wf_entry_order(entry);
	entry->partial = false;
	wf_gate_attach(entry);
	if ((info->flags & WF_ASSIGN_BEGUN) && entry->queue != NULL &&
		!entry->active)
		wf_gate_activate(entry);

	if (info->deadline_at != DT_NOEND && entry->deadline == NULL)
	{
		WfDeadline *deadline =
			MemoryContextAlloc(ready->deadline_cxt, sizeof(WfDeadline));

		deadline->at = info->deadline_at;
		deadline->entry = entry;
		deadline->queued = true;
		pairingheap_add(&ready->deadlines, &deadline->node);
		entry->deadline = deadline;
	}
}

void
wf_ready_drop_deadline(WfReady *ready, WfEntry *entry)
{
	if (entry->deadline == NULL)
		return;
	if (entry->deadline->queued)
		pairingheap_remove(&ready->deadlines, &entry->deadline->node);
	pfree(entry->deadline);
	entry->deadline = NULL;
}

void
wf_ready_forget(WfReady *ready, WfEntry *entry)
{
	wf_ready_take(ready, entry);
	wf_gates.nplain -= entry->queue == NULL;
	ready->nentries--;
	if (entry->queue != NULL)
		wf_gate_end(entry);
	wf_ready_drop_deadline(ready, entry);
	(void) wf_entries_delete(ready->entries, entry);
	pfree(entry);
}

/* ---- places ---- */

static void
leave_lane(WfReady *ready, WfEntry *entry)
{
	WfRole *role = entry->role;

	wf_line_remove(entry);
	wf_gates.flow.changed |= entry->queue == NULL;
	role->admitted_next = entry->queue == NULL;
	role->nurgent -= entry->priority != 0;
	if (--role->nready == 0)
		dlist_delete(&role->active);
	ready->nready--;
}

static void
enter_lane(WfReady *ready, WfEntry *entry)
{
	WfRole *role = entry->role;

	wf_gates.flow.changed |= entry->queue == NULL;
	wf_line_add(entry->queue == NULL ? &role->plain : &role->admitted, entry);
	entry->place = WF_PLACE_READY;
	role->nurgent += entry->priority != 0;
	if (role->nready++ == 0)
		dlist_push_tail(&ready->active, &role->active);
	ready->nready++;
}

void
wf_ready_take(WfReady *ready, WfEntry *entry)
{
	switch ((WfPlace) entry->place)
	{
		case WF_PLACE_NONE:
			break;
		case WF_PLACE_KEPT:
			break;
		case WF_PLACE_READY:
			leave_lane(ready, entry);
			break;
		case WF_PLACE_GATE:
			wf_gate_remove(entry);
			break;
		case WF_PLACE_TIMER:
			pairingheap_remove(&ready->timers, &entry->link.heap);
			ready->ntimers--;
			wf_flow_delayed(entry, -1);
			break;
		case WF_PLACE_PAUSED:
		case WF_PLACE_SOLO:
			dlist_delete(&entry->link.node);
			break;
		case WF_PLACE_CELL:
			ready->ncells--;
			wf_flow_cell(entry, -1);
			if (entry->solo)
				ready->nsolo_cells--;
			break;
		case WF_PLACE_SHELF:
			/* who was taken from there may still stand behind another */
			if (ready->shelf[entry->ask] == entry)
				ready->shelf[entry->ask] = NULL;
			break;
		case WF_PLACE_HELD:
			dlist_delete(&entry->link.node);
			wf_flow_cell(entry, -1);
			break;
		case WF_PLACE_LEASED:
			pairingheap_remove(&ready->leases, &entry->link.heap);
			wf_flow_cell(entry, -1);
			break;
	}
	entry->place = WF_PLACE_NONE;
}

/* due: to its role, by way of its queue */
static void
make_ready(WfReady *ready, WfEntry *entry)
{
	if (entry->queue != NULL && !entry->admitted)
	{
		wf_gate_add(entry);
		entry->place = WF_PLACE_GATE;
	}
	else
		enter_lane(ready, entry);
}

void
wf_ready_admit(WfReady *ready, WfEntry *entry)
{
	Assert(entry->place == WF_PLACE_NONE && entry->admitted);
	enter_lane(ready, entry);
}

void
wf_ready_place(WfReady *ready, WfEntry *entry, TimestampTz now)
{
	Assert(entry->place == WF_PLACE_NONE);

	/* a deadline that has fired while the run was in a cell has to again */
	if (entry->deadline != NULL && !entry->deadline->queued)
	{
		entry->deadline->queued = true;
		pairingheap_add(&ready->deadlines, &entry->deadline->node);
	}

	if (entry->due_at > now)
	{
		pairingheap_add(&ready->timers, &entry->link.heap);
		entry->place = WF_PLACE_TIMER;
		ready->ntimers++;
		wf_flow_delayed(entry, 1);
	}
	else
		make_ready(ready, entry);
}

void
wf_ready_hold(WfReady *ready, WfEntry *entry, WfPlace place)
{
	Assert(entry->place == WF_PLACE_NONE);
	entry->place = place;
	if (place == WF_PLACE_PAUSED)
		dlist_push_tail(&ready->paused, &entry->link.node);
	else if (place == WF_PLACE_SOLO)
		dlist_push_tail(&ready->solo, &entry->link.node);
	else
		Assert(place == WF_PLACE_KEPT);
}

void
wf_ready_to_cell(WfReady *ready, WfEntry *entry, int seat, int cell)
{
	Assert(entry->place == WF_PLACE_NONE);
	entry->seat = (int16) seat;
	entry->cell = (int8) cell;
	entry->place = WF_PLACE_CELL;
	ready->ncells++;
	wf_flow_cell(entry, 1);
	if (entry->solo)
		ready->nsolo_cells++;
}

void
wf_ready_shelve(WfReady *ready, WfEntry *entry, uint64 position)
{
	Assert(entry->place == WF_PLACE_NONE && entry->message);
	entry->ask = (uint32) (position % WF_SHELF_SIZE);
	ready->shelf[entry->ask] = entry;
	entry->place = WF_PLACE_SHELF;
}

void
wf_ready_hand(WfReady *ready, WfEntry *entry, dlist_head *held)
{
	Assert(entry->place == WF_PLACE_NONE && entry->admitted);
	dlist_push_tail(held, &entry->link.node);
	entry->place = WF_PLACE_HELD;
	wf_flow_cell(entry, 1);
}

void
wf_ready_lease(WfReady *ready, WfEntry *entry, TimestampTz until)
{
	Assert(entry->place == WF_PLACE_NONE && entry->admitted);
	entry->due_at = until;
	pairingheap_add(&ready->leases, &entry->link.heap);
	entry->place = WF_PLACE_LEASED;
	wf_flow_cell(entry, 1);
}

/*
 * By priority and age where there is any priority; else both lanes take turns,
 * so that a flood in one does not hold up the other.
 */
WfEntry *
wf_ready_first(WfReady *ready, WfRole *role)
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
wf_ready_foreach(WfReady *ready, void (*act)(WfEntry *entry))
{
	wf_entries_iterator it;
	EntrySlot *slot;

	wf_entries_start_iterate(ready->entries, &it);
	while ((slot = wf_entries_iterate(ready->entries, &it)) != NULL)
		act(slot->entry);
}

void
wf_ready_release(WfReady *ready, WfPlace place)
{
	dlist_head *held = &ready->paused;

	if (place == WF_PLACE_SOLO)
		held = &ready->solo;
	while (!dlist_is_empty(held))
	{
		WfEntry *entry = dlist_head_element(WfEntry, link.node, held);

		wf_ready_take(ready, entry);
		make_ready(ready, entry);
	}
}

/* ---- time ---- */

void
wf_ready_fire_timers(WfReady *ready, TimestampTz now)
{
	while (!pairingheap_is_empty(&ready->timers))
	{
		WfEntry *entry = first_timer(ready);

		if (entry->due_at > now)
			break;
		wf_ready_take(ready, entry);
		make_ready(ready, entry);
	}
}

WfEntry *
wf_ready_next_lease(WfReady *ready, TimestampTz now)
{
	WfEntry *entry;

	if (pairingheap_is_empty(&ready->leases))
		return NULL;
	entry = pairingheap_container(WfEntry, link.heap,
								  pairingheap_first(&ready->leases));
	return entry->due_at <= now ? entry : NULL;
}

WfDeadline *
wf_ready_next_deadline(WfReady *ready, TimestampTz now)
{
	WfDeadline *deadline;

	if (pairingheap_is_empty(&ready->deadlines))
		return NULL;
	deadline = first_deadline(ready);
	if (deadline->at > now)
		return NULL;
	(void) pairingheap_remove_first(&ready->deadlines);
	deadline->queued = false;
	return deadline;
}

TimestampTz
wf_ready_due(WfReady *ready, bool deadlines)
{
	TimestampTz due = DT_NOEND;

	if (!pairingheap_is_empty(&ready->timers))
		due = first_timer(ready)->due_at;
	if (deadlines && !pairingheap_is_empty(&ready->leases))
		due = Min(due, pairingheap_container(WfEntry, link.heap,
											 pairingheap_first(&ready->leases))
						   ->due_at);
	if (deadlines && !pairingheap_is_empty(&ready->deadlines))
		due = Min(due, first_deadline(ready)->at);
	return due;
}

/* when an entry became ready: its due time, or when its id was drawn */
TimestampTz
wf_ready_since(const WfEntry *entry)
{
	int64 usec;

	if (entry->due_at != 0)
		return entry->due_at;
	usec = (int64) (wf_runid_ticks_of(&entry->run_id) / 4096.0 * 1000.0);
	return usec - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

TimestampTz
wf_ready_oldest(WfReady *ready)
{
	TimestampTz oldest = 0;
	dlist_iter iter;

	dlist_foreach (iter, &ready->active)
	{
		WfRole *role = dlist_container(WfRole, active, iter.cur);
		WfEntry *entry = wf_ready_first(ready, role);
		TimestampTz since = wf_ready_since(entry);

		if (oldest == 0 || since < oldest)
			oldest = since;
	}
	return oldest;
}
