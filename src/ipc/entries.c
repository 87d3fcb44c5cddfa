/*
 * entries.c
 *		Every change of state of a database's entry.
 *
 * Whose turn it is: a WANTED thing is the launcher's; a STARTING one without
 * a pid is the launcher's as long as it has the handle, and after its restart
 * for a few seconds (wf_start_failed); whatever has a pid is that process's,
 * and its exit callback hands it on: an executor's slot as GONE to the
 * scheduler, a scheduler's entry as WANTED to the launcher.  So nothing stays
 * behind, whichever of them dies.
 *
 * No wake-up is lost: the state is changed under the lock before the latch is
 * set, launcher and scheduler reset their latch before they look, and one that
 * is just starting looks at everything anyway.
 *
 * Locking: wf_shared->lock, taken by every public function.  gone_cv is
 * broadcast after it was released.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"

#include "base/clock.h"
#include "ipc/entries.h"
#include "ipc/queue_stats.h"
#include "ipc/shortage.h"
#include "ipc/stats.h"

/* a scheduler that lived this long did not fail at its start */
#define WF_LIVED_MS			5000
#define WF_BACKOFF_FIRST_MS 100
#define WF_BACKOFF_MAX_MS	10000

void
wf_entry_wake(PGPROC *proc)
{
	if (proc != NULL)
		SetLatch(&proc->procLatch);
}

void
wf_entry_wake_launcher(void)
{
	wf_entry_wake(wf_shared->launcher_proc);
}

/* the entry of a database, or NULL; lock held */
WfDatabase *
wf_entry_lookup(Oid database)
{
	for (int i = 0; i < wf_shared->ndatabases; i++)
	{
		if (wf_databases[i].state != WF_DB_FREE &&
			wf_databases[i].database == database)
			return &wf_databases[i];
	}
	return NULL;
}

/* a new entry; NULL when the table is full */
static WfDatabase *
create(Oid database, WfDatabaseState state)
{
	WfDatabase *db = NULL;

	for (int i = 0; i < wf_shared->ndatabases && db == NULL; i++)
	{
		if (wf_databases[i].state == WF_DB_FREE)
			db = &wf_databases[i];
	}
	if (db == NULL)
		return NULL;

	db->state = state;
	db->database = database;
	db->generation++;
	db->holds = 0;
	db->known = false;
	db->start_after = 0;
	db->failures = 0;
	db->starved_at = 0;
	db->absences++;
	pg_atomic_write_u32(&db->events, 0);
	pg_atomic_fetch_add_u64(&db->definitions, 1);

	SpinLockAcquire(&db->ring_lock);
	db->ring_head = db->ring_tail = 0;
	db->ring_spilled = false;

	/*
	 * There may be prepared transactions from before shared memory was made.
	 * Assume so, until the first COMMIT PREPARED finds none left.
	 */
	db->prepared = true;
	db->prepared_ending = 0;
	memset(&db->prepared_low, 0, sizeof(db->prepared_low));
	SpinLockRelease(&db->ring_lock);

	db->stopped = db->foreign = false;
	db->ready = db->timers = 0;
	db->oldest_ready = db->scheduler_since = db->short_since = 0;
	db->shortage = db->shortage_told = WF_SHORTAGE_NONE;
	db->shortage_since = db->shortage_told_at = 0;
	db->shortage_ends = 0;
	db->shortage_text[0] = '\0';
	return db;
}

/*
 * Frees an entry that has no scheduler, and the slots of its database.  An
 * executor that is still there has to end; its slot stays its own until then.
 */
static void
database_set_free(WfDatabase *db)
{
	Assert(db->pid == 0);
	for (int i = 0; i < wf_shared->nslots; i++)
	{
		WfSlot *slot = &wf_slots[i];

		if (slot->state == WF_SLOT_FREE || slot->database != db->database)
			continue;
		if (slot->pid == 0)
			wf_slot_set_free(slot);
		else if (slot->pid != MyProcPid)
			kill(slot->pid, SIGTERM);
	}
	db->state = WF_DB_FREE;
	db->database = InvalidOid;
	db->generation++;
	db->holds = 0;
	if (wf_shared->full_since != 0 || wf_shared->unprobed)
	{
		/* for whom there was no entry is not remembered: look again */
		wf_shared->full_since = 0;
		wf_shared->unprobed = false;
		wf_shared->probes_wanted++;
		wf_entry_wake_launcher();
	}
}

/* Executors end; who holds the database goes on holding it. */
static void
no_extension_here(WfDatabase *db)
{
	int holds = db->holds;
	Oid database = db->database;

	database_set_free(db);
	if (holds > 0)
	{
		db->state = WF_DB_HELD;
		db->database = database;
		db->holds = holds;
		db->failures = 0;
		db->start_after = 0;
	}
}

void
wf_entry_back_off(WfDatabase *db, TimestampTz now, bool failed)
{
	int delay;

	db->failures = failed ? db->failures + 1 : 0;
	if (!failed)
	{
		db->start_after = 0;
		return;
	}
	delay = WF_BACKOFF_FIRST_MS << Min(db->failures - 1, 7);
	delay = Min(delay, WF_BACKOFF_MAX_MS);
	db->start_after = TimestampTzPlusMilliseconds(now, delay);
}

/* ---- entries come and go ---- */

WfDatabase *
wf_database_get(Oid database)
{
	WfDatabase *db;

	if (wf_shared == NULL || !OidIsValid(database) || IsBinaryUpgrade)
		return NULL;

	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	db = wf_entry_lookup(database);
	if (db == NULL)
		db = create(database, WF_DB_WANTED);
	if (db == NULL && wf_shared->full_since == 0)
		wf_shared->full_since = wf_clock_now();
	if (db != NULL)
	{
		db->known = true;
		if (db->state == WF_DB_HELD)
			db->state = WF_DB_WANTED;
	}
	wf_entry_wake_launcher(); /* also to log that the table is full */
	LWLockRelease(wf_shared->lock);
	return db;
}

WfDatabase *
wf_database_probe(Oid database)
{
	WfDatabase *db;

	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	db = wf_entry_lookup(database);
	if (db == NULL)
		db = create(database, WF_DB_WANTED);
	else if (db->state == WF_DB_HELD)
		db->state = WF_DB_WANTED;
	if (db == NULL)
		wf_shared->unprobed = true;
	LWLockRelease(wf_shared->lock);
	return db;
}

/* One that takes more than a moment has found something to load. */
bool
wf_database_probing(Oid database)
{
	TimestampTz since = TimestampTzPlusMilliseconds(wf_clock_now(), -1000);
	WfDatabase *db;
	bool probing = false;

	LWLockAcquire(wf_shared->lock, LW_SHARED);
	db = wf_entry_lookup(database);
	if (db != NULL && db->failures == 0 && db->holds == 0)
		probing =
			(db->state == WF_DB_WANTED || db->state == WF_DB_STARTING ||
			 (db->state == WF_DB_LOADING && db->scheduler_since > since));
	LWLockRelease(wf_shared->lock);
	return probing;
}

/* The database, or its extension, is gone. */
static void
forget_stats(Oid database)
{
	wf_stats_forget(database);
	wf_queue_stats_forget(database, WF_ALL_QUEUES);
}

void
wf_database_forget(Oid database)
{
	WfDatabase *db;

	if (wf_shared == NULL)
		return;
	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	db = wf_entry_lookup(database);
	if (db != NULL && db->pid != 0)
		kill(db->pid, SIGTERM); /* the launcher will look and forget it */
	else if (db != NULL)
		database_set_free(db);
	wf_entry_wake_launcher();
	LWLockRelease(wf_shared->lock);
	forget_stats(database);
}

void
wf_database_no_extension(Oid database)
{
	WfDatabase *db;

	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	db = wf_entry_lookup(database);
	if (db != NULL)
		pg_atomic_fetch_add_u64(&db->definitions, 1);
	if (db != NULL && db->pid != 0)
	{
		db->known = false;
		pg_atomic_fetch_or_u32(&db->events, WF_EVENT_EXIT);
		wf_entry_wake(db->proc);
	}
	else if (db != NULL)
	{
		no_extension_here(db);
		wf_entry_wake_launcher();
	}
	LWLockRelease(wf_shared->lock);
	if (db != NULL)
		forget_stats(database);
}

/* ---- holds ---- */

bool
wf_hold_begin(Oid database)
{
	WfDatabase *db;

	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	db = wf_entry_lookup(database);
	if (db == NULL)
		db = create(database, WF_DB_HELD);
	if (db != NULL)
		db->holds++;
	LWLockRelease(wf_shared->lock);
	return db != NULL;
}

void
wf_hold_end(Oid database)
{
	WfDatabase *db;

	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	db = wf_entry_lookup(database);
	if (db != NULL && db->holds > 0 && --db->holds == 0)
	{
		if (db->state == WF_DB_HELD)
			database_set_free(db);
		else
			wf_entry_wake_launcher();
	}
	LWLockRelease(wf_shared->lock);
}

/* ---- a scheduler comes and leaves ---- */

static bool
take_place(WfDatabase *db, uint32 generation)
{
	if (db->generation != generation || db->state != WF_DB_STARTING ||
		db->pid != 0)
		return false;
	if (db->holds > 0)
	{
		db->state = WF_DB_WANTED;
		return false;
	}
	db->state = WF_DB_LOADING;
	db->pid = MyProcPid;
	db->proc = MyProc;
	db->known = false;
	db->scheduler_since = wf_clock_now();

	/* what an earlier scheduler has forgotten, this one will find */
	for (int i = 0; i < wf_shared->nslots; i++)
	{
		if (wf_slots[i].database == db->database)
			wf_slots[i].abandoned = false;
	}
	return true;
}

bool
wf_scheduler_came(int index, uint32 generation)
{
	bool attached;

	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	attached = take_place(&wf_databases[index], generation);
	LWLockRelease(wf_shared->lock);
	return attached;
}

void
wf_scheduler_loaded(int index)
{
	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	if (wf_databases[index].pid == MyProcPid)
	{
		wf_databases[index].state = WF_DB_LIVE;
		wf_entry_wake_launcher(); /* for its hint file */
	}
	LWLockRelease(wf_shared->lock);
}

void
wf_scheduler_left(int index, uint32 generation, bool no_extension, bool told)
{
	WfDatabase *db = &wf_databases[index];
	TimestampTz now = wf_clock_now();

	if (no_extension)
		forget_stats(db->database);
	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	if (db->generation == generation && db->pid == MyProcPid)
	{
		TimestampTz lived =
			TimestampTzPlusMilliseconds(db->scheduler_since, WF_LIVED_MS);
		bool failed = !told && !no_extension && db->holds == 0 && now < lived;

		if (db->state == WF_DB_LIVE)
			db->absences++;
		db->pid = 0;
		db->proc = NULL;
		db->scheduler_since = 0;
		db->ready = db->timers = 0;
		db->oldest_ready = 0;
		if (no_extension && !db->known)
			no_extension_here(db);
		else
		{
			db->state = WF_DB_WANTED;
			wf_entry_back_off(db, now, failed);
			if (wf_shortage_watched() != WF_SHORTAGE_NONE)
				wf_shortage_ended_by(db, wf_shortage_watched(), now);
		}
	}
	wf_entry_wake_launcher();
	LWLockRelease(wf_shared->lock);
	ConditionVariableBroadcast(&wf_shared->gone_cv);
}
