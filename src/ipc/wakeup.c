/*
 * wakeup.c
 *		From a client's commit to the scheduler.
 *
 * Notes are kept in fixed memory, because what cannot be allocated cannot fail
 * at commit: the first WF_NOTES_SINGLE runs one by one, and beyond that only
 * the lowest and the highest id.  A range may name runs of other transactions
 * too, or of subtransactions that were rolled back; the scheduler reads the
 * table and finds what is there.
 *
 * Prepared transactions: whoever runs COMMIT PREPARED knows nothing of what
 * the transaction wrote, so the lowest id of all that may still be prepared is
 * kept in the entry, and everything from there on is looked at again.  It is
 * forgotten when no prepared transaction is left, unless one was prepared
 * since (prepared_seq): XACT_EVENT_PREPARE comes when the transaction can
 * already be seen in pg_prepared_xacts and cannot yet be committed.  Nor is it
 * while somebody else who is committing one has yet to tell (prepared_ending).
 *
 * Owns: the rings.
 *
 * Locking: wf_shared->lock shared, then the ring's spinlock.
 *
 * In the COMMIT arm nothing may fail: atomics, copies and SetLatch only.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/twophase.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "executor/spi.h"
#include "miscadmin.h"

#include "base/spi.h"
#include "core/workid.h"
#include "ipc/receivers.h"
#include "ipc/shelf.h"
#include "ipc/wakeup.h"

typedef struct Notes
{
	int n; /* runs[] in use */
	WfWork runs[WF_NOTES_SINGLE];
	SubTransactionId subids[WF_NOTES_SINGLE];
	bool ranged; /* more than fit: low..high counts */
	int64 lowest; /* place in strict groups; 0: none */
	pg_uuid_t low;
	pg_uuid_t high;
	uint32 events;
	bool definition;
	int nrechecks;
	WfWork rechecks[WF_NOTES_SINGLE];
	int nwakes;
	WfWork wakes[WF_NOTES_SINGLE];
} Notes;

static Notes notes;

/* COMMIT PREPARED: to be told at the end of the command */
static WfPrepared ended;
static bool has_ended = false;

/* the entry in whose prepared_ending this command is counted */
static WfDatabase *ending_in = NULL;

static bool
notes_are_empty(void)
{
	return notes.n == 0 && !notes.ranged && notes.events == 0 &&
		   !notes.definition && notes.nrechecks == 0 && notes.nwakes == 0;
}

static void
notes_clear(void)
{
	notes.n = 0;
	notes.ranged = false;
	notes.lowest = 0;
	notes.events = 0;
	notes.definition = false;
	notes.nrechecks = 0;
	notes.nwakes = 0;
}

static void
range_add(bool *valid, pg_uuid_t *low, pg_uuid_t *high, const pg_uuid_t *first,
		  const pg_uuid_t *last)
{
	if (!*valid || wf_workid_cmp(first, low) < 0)
		*low = *first;
	if (!*valid || wf_workid_cmp(last, high) > 0)
		*high = *last;
	*valid = true;
}

void
wf_note_run(const WfWork *run)
{
	if (!notes.ranged && notes.n < WF_NOTES_SINGLE)
	{
		notes.runs[notes.n] = *run;
		notes.subids[notes.n] = GetCurrentSubTransactionId();
		notes.n++;
		return;
	}
	wf_note_among(&run->id);
}

void
wf_note_among(const WfWorkId *id)
{
	for (int i = 0; i < notes.n; i++)
		range_add(&notes.ranged, &notes.low, &notes.high, &notes.runs[i].id,
				  &notes.runs[i].id);
	notes.n = 0;
	range_add(&notes.ranged, &notes.low, &notes.high, id, id);
}

void
wf_note_lowest(int64 place)
{
	notes.lowest = place;
}

void
wf_note_moved(const WfWorkId *id, int64 place, ItemPointer tid)
{
	for (int i = 0; i < notes.n; i++)
	{
		if (memcmp(&notes.runs[i].id, id, UUID_LEN) != 0)
			continue;
		notes.runs[i].place = place;
		notes.runs[i].tid = *tid;
	}
}

/* One too many, after a rollback to a savepoint, does no harm. */
void
wf_note_wake(const pg_uuid_t *run_id)
{
	WfWork wake = {.id = *run_id,
				   .deadline_at = DT_NOEND,
				   .flags = WF_ASSIGN_WAKE | WF_ASSIGN_REREAD};

	if (notes.nwakes < WF_NOTES_SINGLE)
		notes.wakes[notes.nwakes++] = wake;
	else
		notes.events |= WF_EVENT_SIGNALS;
}

void
wf_note_events(uint32 events)
{
	notes.events |= events;
}

void
wf_note_definition(void)
{
	notes.definition = true;
	notes.events |= WF_EVENT_CONTROL;
}

void
wf_note_recheck(const WfWork *run)
{
	if (notes.nrechecks < WF_NOTES_SINGLE)
		notes.rechecks[notes.nrechecks++] = *run;
	else
		notes.events |= WF_EVENT_RESCAN;
}

/* ---- pushing ---- */

/* ring_lock held */
static void
ring_push(WfDatabase *db, const WfWork *run)
{
	if (!db->ring_spilled && db->ring_head - db->ring_tail < WF_RING_SIZE)
	{
		db->ring[db->ring_head % WF_RING_SIZE] = *run;
		db->ring_head++;
		return;
	}
	if (!db->ring_spilled)
		db->spill = *run;
	else
	{
		range_add(&db->ring_spilled, &db->spill.id, &db->spill.last_id,
				  &run->id, &run->last_id);
		db->spill.lsn = Max(db->spill.lsn, run->lsn);
	}
	db->ring_spilled = true;
}

/*
 * The entry of our database with the lock held in shared mode, or NULL with
 * the lock not held.
 */
static WfDatabase *
database_lock(void)
{
	WfDatabase *db = wf_database_find(MyDatabaseId);

	if (db == NULL)
		db = wf_database_get(MyDatabaseId);
	if (db == NULL)
		return NULL;
	LWLockAcquire(wf_shared->lock, LW_SHARED);
	if (db->database == MyDatabaseId)
		return db;
	LWLockRelease(wf_shared->lock); /* freed just now: there is no extension */
	return NULL;
}

static void
deliver_range(const pg_uuid_t *low, const pg_uuid_t *high, XLogRecPtr lsn,
			  int64 lowest)
{
	WfDatabase *db = database_lock();
	WfWork range = {0};

	if (db == NULL)
		return;
	/* one alone is a range, too: nothing else is known of it */
	range.id = wf_workid_cmp(low, high) < 0 ? *low : wf_workid_before(low);
	range.last_id = *high;
	range.lsn = lsn;
	range.place = lowest != 0 ? lowest : PG_INT64_MAX;
	range.deadline_at = DT_NOEND;
	SpinLockAcquire(&db->ring_lock);
	ring_push(db, &range);
	SpinLockRelease(&db->ring_lock);
	wf_shelf_change(db);
	if (db->proc != NULL)
		SetLatch(&db->proc->procLatch);
	LWLockRelease(wf_shared->lock);
}

static void
deliver_runs(WfDatabase *db, WfWork *runs, int n, XLogRecPtr lsn)
{
	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		runs[i].last_id = runs[i].id;
		if (lsn != InvalidXLogRecPtr)
			runs[i].lsn = lsn;
	}
	SpinLockAcquire(&db->ring_lock);
	for (int i = 0; i < n; i++)
		ring_push(db, &runs[i]);
	SpinLockRelease(&db->ring_lock);
}

/* What finds no room is looked for in the table. */
static void
deliver_wakes(WfDatabase *db)
{
	bool full = false;

	SpinLockAcquire(&db->ring_lock);
	for (int i = 0; i < notes.nwakes; i++)
	{
		notes.wakes[i].last_id = notes.wakes[i].id;
		full |=
			db->ring_spilled || db->ring_head - db->ring_tail >= WF_RING_SIZE;
		if (!full)
			ring_push(db, &notes.wakes[i]);
	}
	SpinLockRelease(&db->ring_lock);
	if (full)
		pg_atomic_fetch_or_u32(&db->events, WF_EVENT_SIGNALS);
}

/* Can the scheduler have to hand out something else than it meant to? */
static bool
changes_order(WfDatabase *db)
{
	if (notes.ranged || notes.definition || notes.events != 0 ||
		notes.nrechecks > 0)
		return true;
	for (int i = 0; i < notes.n; i++)
	{
		const WfWork *info = &notes.runs[i];

		if (wf_workid_is_message(&info->id) &&
			(info->priority != 0 ||
			 wf_shelf_is_passed(db, wf_workid_message(&info->id))))
			return true;
	}
	return false;
}

static void
deliver(bool committed)
{
	WfDatabase *db = database_lock();

	if (db == NULL)
		return;
	if (committed)
	{
		if (notes.definition)
		{
			pg_atomic_fetch_add_u64(&db->definitions, 1);
			wf_receivers_changed(MyDatabaseId);
		}
		/* before the runs, so that who finds them finds these as well */
		if (notes.events != 0)
			pg_atomic_fetch_or_u32(&db->events, notes.events);
		deliver_runs(db, notes.runs, notes.n, XactLastCommitEnd);
		deliver_wakes(db);
	}
	else if (notes.events & WF_EVENT_RESCAN)
		pg_atomic_fetch_or_u32(&db->events, WF_EVENT_RESCAN);
	deliver_runs(db, notes.rechecks, notes.nrechecks, InvalidXLogRecPtr);
	if (changes_order(db))
		wf_shelf_change(db);
	if (db->proc != NULL)
		SetLatch(&db->proc->procLatch);
	LWLockRelease(wf_shared->lock);

	if (committed && notes.ranged)
		deliver_range(&notes.low, &notes.high, XactLastCommitEnd,
					  notes.lowest);
}

/* XACT_EVENT_PREPARE: leave word for whoever commits it */
static void
leave_prepared(void)
{
	WfDatabase *db = database_lock();
	pg_uuid_t low = notes.low;
	pg_uuid_t high;
	bool valid = notes.ranged;

	if (db == NULL)
		return; /* what makes an entry assumes the worst */
	high = notes.high;
	for (int i = 0; i < notes.n; i++)
		range_add(&valid, &low, &high, &notes.runs[i].id, &notes.runs[i].id);
	for (int i = 0; i < notes.nrechecks; i++)
		range_add(&valid, &low, &high, &notes.rechecks[i].id,
				  &notes.rechecks[i].id);
	if (!valid)
		memset(&low, 0xFF, sizeof(low)); /* events alone */
	if (notes.events & WF_EVENT_RESCAN)
		memset(&low, 0, sizeof(low));

	SpinLockAcquire(&db->ring_lock);
	if (!db->prepared || wf_workid_cmp(&low, &db->prepared_low) < 0)
		db->prepared_low = low;
	db->prepared = true;
	db->prepared_seq++;
	SpinLockRelease(&db->ring_lock);
	LWLockRelease(wf_shared->lock);
}

/* ---- callbacks ---- */

static void end_prepared(bool committed);

static void
at_xact_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
		end_prepared(event == XACT_EVENT_COMMIT);
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (!notes_are_empty())
				deliver(true);
			break;
		case XACT_EVENT_ABORT:
			if (notes.nrechecks > 0)
				deliver(false);
			break;
		case XACT_EVENT_PREPARE:
			if (notes_are_empty())
				return;
			leave_prepared();
			break;
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			break;
		default:
			return; /* not over yet */
	}
	notes_clear();
}

/*
 * What a subtransaction noted has its id or that of a child, which is higher;
 * all that was noted before it began has a lower one.  So its notes are the
 * last ones.
 */
static void
at_subxact_end(SubXactEvent event, SubTransactionId mySubid,
			   SubTransactionId parentSubid, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (notes.n > 0 && notes.subids[notes.n - 1] >= mySubid)
		notes.n--;
}

void
wf_wakeup_init(void)
{
	RegisterXactCallback(at_xact_end, NULL);
	RegisterSubXactCallback(at_subxact_end, NULL);
}

/* ---- COMMIT PREPARED ---- */

/* What of this database is prepared: how many, and who is this one? */
static void
look_at_prepared(WfPrepared *before, const char *gid)
{
	SPI_connect();
	if (SPI_execute("SELECT x.gid::pg_catalog.text, x.transaction"
					" FROM pg_catalog.pg_prepared_xacts x"
					" WHERE x.database OPERATOR(pg_catalog.=)"
					"  pg_catalog.current_database()",
					false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read prepared transactions");
	before->n = SPI_processed;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		char *found = SPI_getvalue(row, SPI_tuptable->tupdesc, 1);
		bool isnull;

		if (strcmp(found, gid) == 0)
			before->xid = DatumGetTransactionId(
				SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull));
	}
	SPI_finish();
}

void
wf_wakeup_prepared_before(WfPrepared *before, const char *gid)
{
	WfDatabase *db = wf_database_find(MyDatabaseId);

	memset(before, 0, sizeof(*before));
	if (max_prepared_xacts == 0)
		return;
	/* after a crash the launcher may have yet to make one */
	if (db == NULL && OidIsValid(wf_schema_oid()))
		db = wf_database_get(MyDatabaseId);
	if (db == NULL)
		return;
	SpinLockAcquire(&db->ring_lock);
	before->valid = db->prepared;
	before->seq = db->prepared_seq;
	if (before->valid && ending_in == NULL)
	{
		db->prepared_ending++;
		ending_in = db;
	}
	SpinLockRelease(&db->ring_lock);
	if (!before->valid)
		return;
	look_at_prepared(before, gid);
}

void
wf_wakeup_prepared_after(const WfPrepared *before)
{
	ended = *before;
	has_ended = true;
}

void
wf_wakeup_prepared_unplaced(void)
{
	ended.valid = false;
	wf_note_events(WF_EVENT_PREPARED);
}

/* As long as something may be listed, it is not forgotten. */
static void
deliver_ended(const WfPrepared *before, bool committed)
{
	WfDatabase *db;
	pg_uuid_t low;
	pg_uuid_t high;

	db = database_lock();
	if (db == NULL)
		return;
	SpinLockAcquire(&db->ring_lock);
	low = db->prepared_low;
	if (!db->prepared)
		memset(&low, 0xFF, sizeof(low));
	else if (committed && before->valid && before->n <= 1 &&
			 db->prepared_seq == before->seq && db->prepared_ending == 1)
		db->prepared = false;
	SpinLockRelease(&db->ring_lock);
	pg_atomic_fetch_add_u64(&db->definitions, 1);
	wf_receivers_changed(MyDatabaseId);
	pg_atomic_fetch_or_u32(
		&db->events, WF_EVENT_REQUEST | WF_EVENT_CONTROL | WF_EVENT_SIGNALS |
						 (committed ? 0 : WF_EVENT_PREPARED));
	LWLockRelease(wf_shared->lock);

	/* COMMIT PREPARED has flushed its record */
	memset(&high, 0xFF, sizeof(high));
	deliver_range(&low, &high, InvalidXLogRecPtr, 0);
}

/* The command is over, whether or not it has succeeded. */
static void
end_prepared(bool committed)
{
	if (has_ended)
		deliver_ended(&ended, committed);
	has_ended = false;
	if (ending_in == NULL)
		return;
	SpinLockAcquire(&ending_in->ring_lock);
	if (ending_in->prepared_ending > 0)
		ending_in->prepared_ending--;
	SpinLockRelease(&ending_in->ring_lock);
	ending_in = NULL;
}

/*
 * The entry was made without knowing what was prepared before.  Where there is
 * nothing, the next to be prepared is all there is.
 */
void
wf_wakeup_prepared_look(WfDatabase *db)
{
	WfPrepared present = {0};
	uint64 seq;

	if (max_prepared_xacts == 0)
		return;
	SpinLockAcquire(&db->ring_lock);
	seq = db->prepared_seq;
	SpinLockRelease(&db->ring_lock);
	look_at_prepared(&present, "");
	if (present.n > 0)
		return;
	SpinLockAcquire(&db->ring_lock);
	if (db->prepared_seq == seq && db->prepared_ending == 0)
		db->prepared = false;
	SpinLockRelease(&db->ring_lock);
}

/* ---- the scheduler's end ---- */

int
wf_ring_read(WfDatabase *db, WfWork *out, int max, WfWork *spill,
			 bool *spilled)
{
	int n = 0;

	SpinLockAcquire(&db->ring_lock);
	while (n < max && db->ring_tail < db->ring_head)
	{
		out[n++] = db->ring[db->ring_tail % WF_RING_SIZE];
		db->ring_tail++;
	}
	*spilled = false;
	if (db->ring_tail == db->ring_head && db->ring_spilled)
	{
		*spill = db->spill;
		*spilled = true;
		db->ring_spilled = false;
	}
	SpinLockRelease(&db->ring_lock);
	return n;
}
