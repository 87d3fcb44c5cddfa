/*
 * sched_ready.c
 *		What the scheduler knows of runs: one entry each, and where it stands.
 *
 * Most runs arrive in very nearly the order in which they have to start, since
 * ids rise with time.  So a role's ready runs are a plain list kept in order:
 * a new one is put in by walking back from the end a few places; only what
 * would have to go further in (another priority, a retry) goes to a pairing
 * heap.  The next run is the smaller of both heads.  With a backlog of a
 * million this costs the same few cache misses as with ten.
 *
 * See sched_ready.h for what is owned.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "core/runid.h"
#include "worker/sched_ready.h"

/* how far a new entry is moved up from the end of a queue before the heap */
#define MAX_STEPS_BACK 24

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

/* ---- orders ---- */

/* does a start before b? */
static inline bool
starts_before(const WfEntry *a, const WfEntry *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return wf_runid_cmp(&a->run_id, &b->run_id) < 0;
}

/* pairing heaps give the greatest first */
static int
ready_compare(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const WfEntry *x = pairingheap_const_container(WfEntry, link.heap, a);
	const WfEntry *y = pairingheap_const_container(WfEntry, link.heap, b);

	return starts_before(x, y) ? 1 : -1;
}

static int
timer_compare(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const WfEntry *x = pairingheap_const_container(WfEntry, link.heap, a);
	const WfEntry *y = pairingheap_const_container(WfEntry, link.heap, b);

	if (x->due_at != y->due_at)
		return x->due_at < y->due_at ? 1 : -1;
	return starts_before(x, y) ? 1 : -1;
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

static void
init_heap(pairingheap *heap, pairingheap_comparator compare)
{
	heap->ph_compare = compare;
	heap->ph_arg = NULL;
	heap->ph_root = NULL;
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
	init_heap(&ready->timers, timer_compare);
	init_heap(&ready->deadlines, deadline_compare);
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
		dlist_init(&role->queue);
		dlist_init(&role->seats);
		init_heap(&role->heap, ready_compare);
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
wf_ready_make(WfReady *ready, const WfRunInfo *info)
{
	WfEntry *entry = MemoryContextAlloc(ready->entry_cxt, sizeof(WfEntry));
	bool found;

	memset(entry, 0, sizeof(*entry));
	entry->run_id = info->run_id;
	wf_ready_complete(ready, entry, info);
	(void) wf_entries_insert(ready->entries, entry, &found);
	Assert(!found);
	return entry;
}

void
wf_ready_complete(WfReady *ready, WfEntry *entry, const WfRunInfo *info)
{
	entry->role = wf_ready_role(ready, info->owner);
	entry->workflow_id = info->workflow_id;
	entry->priority = info->priority;
	entry->due_at = info->due_at;
	entry->lsn = info->lsn;
	entry->flags = info->flags;
	entry->tid = info->tid;
	entry->partial = false;

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

static void
drop_deadline(WfReady *ready, WfEntry *entry)
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
	drop_deadline(ready, entry);
	(void) wf_entries_delete(ready->entries, entry);
	pfree(entry);
}

/* ---- places ---- */

static void
count_ready(WfReady *ready, WfRole *role)
{
	if (role->nready++ == 0)
		dlist_push_tail(&ready->active, &role->active);
	ready->nready++;
}

static void
uncount_ready(WfReady *ready, WfRole *role)
{
	if (--role->nready == 0)
		dlist_delete(&role->active);
	ready->nready--;
}

void
wf_ready_take(WfReady *ready, WfEntry *entry)
{
	switch ((WfPlace) entry->place)
	{
		case WF_PLACE_NONE:
			break;
		case WF_PLACE_QUEUE:
			dlist_delete(&entry->link.node);
			uncount_ready(ready, entry->role);
			break;
		case WF_PLACE_HEAP:
			pairingheap_remove(&entry->role->heap, &entry->link.heap);
			uncount_ready(ready, entry->role);
			break;
		case WF_PLACE_TIMER:
			pairingheap_remove(&ready->timers, &entry->link.heap);
			ready->ntimers--;
			break;
		case WF_PLACE_PAUSED:
		case WF_PLACE_SOLO:
			dlist_delete(&entry->link.node);
			break;
		case WF_PLACE_CELL:
			ready->ncells--;
			if (entry->solo)
				ready->nsolo_cells--;
			break;
	}
	entry->place = WF_PLACE_NONE;
}

/* at the end of its role's queue, or nearly, or else in the heap */
static void
make_ready(WfReady *ready, WfEntry *entry)
{
	WfRole *role = entry->role;
	dlist_node *prev = role->queue.head.prev;
	int steps = 0;

	while (prev != &role->queue.head &&
		   starts_before(entry, dlist_container(WfEntry, link.node, prev)))
	{
		prev = prev->prev;
		if (++steps > MAX_STEPS_BACK)
		{
			pairingheap_add(&role->heap, &entry->link.heap);
			entry->place = WF_PLACE_HEAP;
			count_ready(ready, role);
			return;
		}
	}
	dlist_insert_after(prev, &entry->link.node);
	entry->place = WF_PLACE_QUEUE;
	count_ready(ready, role);
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
	}
	else
		make_ready(ready, entry);
}

void
wf_ready_hold(WfReady *ready, WfEntry *entry, WfPlace place)
{
	Assert(entry->place == WF_PLACE_NONE);
	Assert(place == WF_PLACE_PAUSED || place == WF_PLACE_SOLO);
	dlist_push_tail(place == WF_PLACE_PAUSED ? &ready->paused : &ready->solo,
					&entry->link.node);
	entry->place = place;
}

void
wf_ready_to_cell(WfReady *ready, WfEntry *entry, int seat, int cell)
{
	Assert(entry->place == WF_PLACE_NONE);
	entry->seat = (int16) seat;
	entry->cell = (int8) cell;
	entry->place = WF_PLACE_CELL;
	ready->ncells++;
	if (entry->solo)
		ready->nsolo_cells++;
}

WfEntry *
wf_ready_first(WfReady *ready, WfRole *role)
{
	WfEntry *queued = NULL;
	WfEntry *heaped = NULL;

	if (!dlist_is_empty(&role->queue))
		queued = dlist_head_element(WfEntry, link.node, &role->queue);
	if (!pairingheap_is_empty(&role->heap))
		heaped = pairingheap_container(WfEntry, link.heap,
									   pairingheap_first(&role->heap));
	if (queued == NULL)
		return heaped;
	if (heaped == NULL || starts_before(queued, heaped))
		return queued;
	return heaped;
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
	if (deadlines && !pairingheap_is_empty(&ready->deadlines))
		due = Min(due, first_deadline(ready)->at);
	return due;
}

/* when an entry became ready: its due time, or when its id was drawn */
static TimestampTz
ready_since(const WfEntry *entry)
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
		TimestampTz since = ready_since(entry);

		if (oldest == 0 || since < oldest)
			oldest = since;
	}
	return oldest;
}
