/*
 * slots.c
 *		Every change of state of an executor's slot but those by the launcher.
 *
 * The scheduler asks for an executor and frees its slot when it has looked at
 * what became of it; in between the slot belongs to the launcher and to the
 * process.
 *
 * Locking: as in entries.c.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "base/guc.h"
#include "ipc/entries.h"
#include "ipc/shortage.h"

/* a scheduler in want of an executor asks every second */
#define WF_STARVED_MS 2500

static void
cells_empty(WfSlot *slot)
{
	for (int i = 0; i < WF_CELLS; i++)
	{
		pg_atomic_write_u32(&slot->cells[i].state, WF_CELL_EMPTY);
		pg_atomic_write_u32(&slot->cells[i].request, 0);
		slot->cells[i].seq = 0;
	}
}

void
wf_slot_set_free(WfSlot *slot)
{
	slot->state = WF_SLOT_FREE;
	slot->generation++;
	slot->pid = 0;
	slot->proc = NULL;
	cells_empty(slot);
}

/* ---- the scheduler asks, and gives back ---- */

/* Has its scheduler asked in vain of late, and has no executor yet? */
bool
wf_entry_is_starved(const WfDatabase *db, TimestampTz now)
{
	return db->starved_at != 0 && db->pid != 0 && db->holds == 0 &&
		   db->starved_at <= now &&
		   !TimestampDifferenceExceeds(db->starved_at, now, WF_STARVED_MS);
}

/*
 * May this database have another executor?  workflow.max_executors counts the
 * executors of all databases, those asked for included.  What one that is
 * starved needs is not for a database that has some.  Lock held.
 */
static bool
may_have_executor(const WfDatabase *db, int own, int used, TimestampTz now)
{
	int limit = wf_shared->nslots;
	int starved = 0;

	if (wf_max_executors >= 0)
		limit = Min(limit, wf_max_executors);
	for (int i = 0; i < wf_shared->ndatabases && own > 0; i++)
	{
		if (&wf_databases[i] != db &&
			wf_entry_is_starved(&wf_databases[i], now))
			starved++;
	}
	return used + starved < limit;
}

/* A free slot that this database may have, or NULL; lock held. */
static WfSlot *
find_slot(WfDatabase *db, TimestampTz now)
{
	WfSlot *slot = NULL;
	int used = 0;
	int own = 0;

	for (int i = 0; i < wf_shared->nslots; i++)
	{
		WfSlotState state = wf_slots[i].state;

		if (state == WF_SLOT_FREE && slot == NULL)
			slot = &wf_slots[i];
		if (state == WF_SLOT_FREE || state == WF_SLOT_GONE)
			continue;
		used++;
		if (wf_slots[i].database == db->database)
			own++;
	}
	if (slot != NULL && may_have_executor(db, own, used, now))
	{
		db->starved_at = 0;
		return slot;
	}
	if (own == 0 && wf_max_executors != 0)
	{
		db->starved_at = now;
		wf_entry_wake_launcher(); /* to make room */
	}
	return NULL;
}

WfSlot *
wf_slot_request(Oid database, Oid role)
{
	TimestampTz now = wf_clock_now();
	WfSlot *slot = NULL;
	WfDatabase *db;

	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	db = wf_entry_lookup(database);
	if (db != NULL)
		slot = find_slot(db, now);
	if (slot != NULL)
	{
		wf_slot_set_free(slot); /* for the new generation and empty cells */
		slot->state = WF_SLOT_WANTED;
		slot->database = database;
		slot->role = role;
		slot->wanted_seq = ++wf_shared->wanted_seq;
		slot->failed_start = false;
		slot->refused = WF_SHORTAGE_NONE;
		slot->abandoned = false;
		slot->in_user_code = false;
		slot->swallowed = false;
		pg_atomic_write_u32(&slot->retire, 0);
		pg_atomic_write_u32(&slot->cancels, 0);
		pg_atomic_write_u32(&slot->idle, 0);
		memset(&slot->run_id, 0, sizeof(slot->run_id));
		slot->runs = slot->steps = 0;
		slot->active_at = slot->started_at = slot->since = 0;
		pg_atomic_write_u32(&slot->changecount, 0);
		wf_entry_wake_launcher();
	}
	LWLockRelease(wf_shared->lock);
	return slot;
}

void
wf_slot_free(WfSlot *slot)
{
	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	if (slot->state == WF_SLOT_GONE || slot->state == WF_SLOT_WANTED)
		wf_slot_set_free(slot);
	else if (slot->state != WF_SLOT_FREE)
	{
		slot->abandoned = true;
		pg_atomic_write_u32(&slot->retire, 1);
		wf_entry_wake(slot->proc);
	}
	LWLockRelease(wf_shared->lock);
}

/* ---- an executor comes and leaves ---- */

static bool
take_place(WfSlot *slot, uint32 generation)
{
	WfDatabase *db;

	if (slot->generation != generation || slot->state != WF_SLOT_STARTING ||
		slot->pid != 0)
		return false;
	db = wf_entry_lookup(slot->database);
	if (db == NULL || slot->abandoned)
	{
		wf_slot_set_free(slot);
		return false;
	}
	if (db->holds > 0)
	{
		slot->state = WF_SLOT_WANTED;
		return false;
	}
	slot->pid = MyProcPid;
	slot->proc = MyProc;
	slot->started_at = wf_clock_now();
	return true;
}

bool
wf_executor_came(int index, uint32 generation)
{
	bool attached;

	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	attached = take_place(&wf_slots[index], generation);
	LWLockRelease(wf_shared->lock);
	return attached;
}

void
wf_executor_connected(int index)
{
	WfSlot *slot = &wf_slots[index];

	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	if (slot->pid == MyProcPid && slot->state == WF_SLOT_STARTING)
	{
		WfDatabase *db = wf_entry_lookup(slot->database);

		slot->state = WF_SLOT_LIVE;
		if (db != NULL)
			wf_entry_wake(db->proc);
	}
	LWLockRelease(wf_shared->lock);
}

/* There is room for an executor again: those who have none ask first. */
static void
wake_starved(void)
{
	for (int i = 0; i < wf_shared->ndatabases; i++)
	{
		if (wf_databases[i].starved_at != 0)
			wf_entry_wake(wf_databases[i].proc);
	}
}

void
wf_executor_left(int index, uint32 generation, bool connected)
{
	WfSlot *slot = &wf_slots[index];

	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	if (slot->generation == generation && slot->pid == MyProcPid)
	{
		WfDatabase *db = wf_entry_lookup(slot->database);

		slot->pid = 0;
		slot->proc = NULL;
		slot->failed_start = !connected;
		slot->refused = connected ? WF_SHORTAGE_NONE : wf_shortage_watched();
		slot->state = WF_SLOT_GONE;
		wake_starved();
		if (db == NULL || slot->abandoned)
			wf_slot_set_free(slot);
		else
			wf_entry_wake(db->proc);
	}
	wf_entry_wake_launcher(); /* a worker slot will be free */
	LWLockRelease(wf_shared->lock);
	ConditionVariableBroadcast(&wf_shared->gone_cv);
}
