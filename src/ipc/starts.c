/*
 * starts.c
 *		The launcher's part in the states of entries and slots.
 *
 * Picking what to start, what becomes of it when it does not come, and who has
 * to make room when worker slots are short.
 *
 * Locking: as in entries.c.
 */
#include "postgres.h"

#include "ipc/entries.h"

/* the longest back-off there is, however the clock is set */
#define WF_START_AFTER_MAX_MS 10000
#define WF_SPARED_MS		  1000
/* how long until a database is looked at again that allows no connections */
#define WF_CLOSED_MS 2000
#define WF_TURN_MS			  900

/* executors that a database has, or all together; lock held */
static int
count_live(Oid database)
{
	int n = 0;

	for (int i = 0; i < wf_shared->nslots; i++)
	{
		WfSlotState state = wf_slots[i].state;

		if ((state == WF_SLOT_LIVE || state == WF_SLOT_STARTING) &&
			(wf_slots[i].database == database || !OidIsValid(database)))
			n++;
	}
	return n;
}

static bool
start_database(TimestampTz now, TimestampTz *next_due, WfStart *start)
{
	static int turn = 0;

	for (int n = 0; n < wf_shared->ndatabases; n++)
	{
		int i = (turn + n) % wf_shared->ndatabases;
		WfDatabase *db = &wf_databases[i];
		TimestampTz longest;

		if (db->state != WF_DB_WANTED || db->holds > 0)
			continue;
		/* the clock may have been set back meanwhile */
		longest = TimestampTzPlusMilliseconds(now, WF_START_AFTER_MAX_MS);
		if (db->start_after > longest)
			db->start_after = longest;
		if (db->start_after > now)
		{
			*next_due = Min(*next_due, db->start_after);
			continue;
		}
		db->state = WF_DB_STARTING;
		db->generation++;
		*start = (WfStart){i, db->generation, db->database, InvalidOid,
						   db->failures};
		turn = i + 1;
		return true;
	}
	return false;
}

/* Who has the fewest executors comes first, then who asked first. */
static bool
start_slot(WfStart *start)
{
	WfSlot *first = NULL;
	int fewest = 0;

	for (int i = 0; i < wf_shared->nslots; i++)
	{
		WfSlot *slot = &wf_slots[i];
		WfDatabase *db;
		int live;

		if (slot->state != WF_SLOT_WANTED)
			continue;
		db = wf_entry_lookup(slot->database);
		if (db == NULL)
			wf_slot_set_free(slot);
		if (db == NULL || db->pid == 0 || db->holds > 0)
			continue;
		live = count_live(slot->database);
		if (first == NULL || live < fewest ||
			(live == fewest && slot->wanted_seq < first->wanted_seq))
		{
			first = slot;
			fewest = live;
		}
	}
	if (first == NULL)
		return false;
	first->state = WF_SLOT_STARTING;
	first->generation++;
	*start = (WfStart){first - wf_slots, first->generation, first->database,
					   first->role, 0};
	return true;
}

bool
wf_start_next(TimestampTz now, TimestampTz *next_due, WfStart *start)
{
	bool found;

	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	found = start_database(now, next_due, start) || start_slot(start);
	LWLockRelease(wf_shared->lock);
	return found;
}

/* is it still as wf_start_next() left it?  Lock held. */
static bool
start_is_open(const WfStart *start)
{
	if (OidIsValid(start->role))
	{
		WfSlot *slot = &wf_slots[start->index];

		return slot->generation == start->generation &&
			   slot->state == WF_SLOT_STARTING && slot->pid == 0;
	}
	else
	{
		WfDatabase *db = &wf_databases[start->index];

		return db->generation == start->generation &&
			   db->state == WF_DB_STARTING && db->pid == 0;
	}
}

bool
wf_start_pending(const WfStart *start)
{
	bool open;

	LWLockAcquire(wf_shared->lock, LW_SHARED);
	open = start_is_open(start);
	LWLockRelease(wf_shared->lock);
	return open;
}

void
wf_start_short(const WfStart *start, TimestampTz now)
{
	WfDatabase *db;

	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	if (start_is_open(start))
	{
		if (OidIsValid(start->role))
			wf_slots[start->index].state = WF_SLOT_WANTED;
		else
			wf_databases[start->index].state = WF_DB_WANTED;
	}
	db = wf_entry_lookup(start->database);
	if (db != NULL && db->short_since == 0)
		db->short_since = now;
	if (wf_shared->short_since == 0)
		wf_shared->short_since = now;
	LWLockRelease(wf_shared->lock);
}

bool
wf_short_over(void)
{
	bool was_short = (wf_shared->short_since != 0);

	if (!was_short)
		return false; /* only the launcher writes it */
	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	wf_shared->short_since = 0;
	for (int i = 0; i < wf_shared->ndatabases; i++)
		wf_databases[i].short_since = 0;
	LWLockRelease(wf_shared->lock);
	return true;
}

void
wf_start_closed(const WfStart *start, TimestampTz now)
{
	WfDatabase *db = &wf_databases[start->index];

	if (OidIsValid(start->role))
	{
		wf_start_failed(start, false, now);
		return;
	}
	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	if (start_is_open(start))
	{
		db->state = WF_DB_WANTED;
		db->start_after = TimestampTzPlusMilliseconds(now, WF_CLOSED_MS);
	}
	LWLockRelease(wf_shared->lock);
}

void
wf_start_failed(const WfStart *start, bool lost, TimestampTz now)
{
	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	if (!start_is_open(start))
		/* it attached after all */;
	else if (!OidIsValid(start->role))
	{
		WfDatabase *db = &wf_databases[start->index];

		db->state = WF_DB_WANTED;
		wf_entry_back_off(db, now, !lost);
	}
	else if (wf_slots[start->index].abandoned)
		wf_slot_set_free(&wf_slots[start->index]);
	else if (lost)
		wf_slots[start->index].state = WF_SLOT_WANTED;
	else
	{
		WfDatabase *db = wf_entry_lookup(start->database);

		wf_slots[start->index].state = WF_SLOT_GONE;
		wf_slots[start->index].failed_start = true;
		if (db != NULL)
			wf_entry_wake(db->proc);
	}
	LWLockRelease(wf_shared->lock);
}

bool
wf_start_list(int *pos, WfStart *start)
{
	bool found = false;

	LWLockAcquire(wf_shared->lock, LW_SHARED);
	while (!found && *pos < wf_shared->ndatabases + wf_shared->nslots)
	{
		int i = (*pos)++;

		if (i < wf_shared->ndatabases)
			*start = (WfStart){i, wf_databases[i].generation,
							   wf_databases[i].database, InvalidOid, 0};
		else
		{
			i -= wf_shared->ndatabases;
			*start = (WfStart){i, wf_slots[i].generation, wf_slots[i].database,
							   wf_slots[i].role, 0};
		}
		found = start_is_open(start);
	}
	LWLockRelease(wf_shared->lock);
	return found;
}

void
wf_slots_sweep(void)
{
	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < wf_shared->nslots; i++)
	{
		WfDatabase *db;

		if (wf_slots[i].state != WF_SLOT_GONE)
			continue;
		db = wf_entry_lookup(wf_slots[i].database);
		if (db == NULL || db->pid == 0)
			wf_slot_set_free(&wf_slots[i]);
	}
	LWLockRelease(wf_shared->lock);
}

/*
 * Is somebody left with nothing while others have executors?  That is a
 * database whose executors are all only wished for, or whose scheduler is; but
 * the very last executor is not taken for a scheduler.  Lock held.
 */
static bool
somebody_starves(TimestampTz now)
{
	for (int i = 0; i < wf_shared->ndatabases; i++)
	{
		WfDatabase *db = &wf_databases[i];

		if (db->state == WF_DB_WANTED && db->short_since != 0 &&
			db->holds == 0 && count_live(InvalidOid) > 1)
			return true;
		if (wf_entry_is_starved(db, now) && count_live(db->database) == 0)
			return true;
	}
	for (int i = 0; i < wf_shared->nslots; i++)
	{
		WfDatabase *db;

		if (wf_slots[i].state != WF_SLOT_WANTED)
			continue;
		db = wf_entry_lookup(wf_slots[i].database);
		if (db != NULL && db->pid != 0 && db->holds == 0 &&
			count_live(wf_slots[i].database) == 0)
			return true;
	}
	return false;
}

/* Is a better than b to be told to end?  Idle first, then of many, then old. */
static bool
retires_before(WfSlot *a, WfSlot *b)
{
	bool a_idle = pg_atomic_read_u32(&a->idle) != 0;
	bool b_idle = pg_atomic_read_u32(&b->idle) != 0;
	int a_live = count_live(a->database);
	int b_live = count_live(b->database);

	if (a_idle != b_idle)
		return a_idle;
	if (a_live != b_live)
		return a_live > b_live;
	return a->started_at < b->started_at;
}

/* The only one of its database, at work, has a second at least. */
static bool
is_spared(WfSlot *slot, TimestampTz now)
{
	return count_live(slot->database) == 1 &&
		   pg_atomic_read_u32(&slot->idle) == 0 &&
		   !TimestampDifferenceExceeds(slot->started_at, now, WF_SPARED_MS);
}

/* Whom to tell to end, or NULL.  Lock held. */
static WfSlot *
find_victim(TimestampTz now)
{
	WfSlot *victim = NULL;

	for (int i = 0; i < wf_shared->nslots; i++)
	{
		WfSlot *slot = &wf_slots[i];

		if (slot->state != WF_SLOT_LIVE ||
			pg_atomic_read_u32(&slot->retire) != 0 || is_spared(slot, now))
			continue;
		if (victim == NULL || retires_before(slot, victim))
			victim = slot;
	}
	return victim;
}

/*
 * At most one in a second, as one that is told ends after the run it has.  So
 * databases that cannot all have an executor take turns.
 */
bool
wf_short_retire_one(TimestampTz now)
{
	static TimestampTz last = 0;
	WfSlot *victim = NULL;
	bool needed;

	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	needed = somebody_starves(now);
	if (needed &&
		(now < last || TimestampDifferenceExceeds(last, now, WF_TURN_MS)))
		victim = find_victim(now);
	if (victim != NULL)
	{
		last = now;
		pg_atomic_write_u32(&victim->retire, 1);
		wf_entry_wake(victim->proc);
	}
	LWLockRelease(wf_shared->lock);
	return needed;
}
