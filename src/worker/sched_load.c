/*
 * sched_load.c
 *		How the scheduler learns of runs.
 *
 * At its start: strikes for what crashed the server; runs that executors have
 * in their cells; then a scan of all unfinished runs.  Later: entries of the
 * ring, and scans of ranges that were too long for it.  A scan takes one chunk
 * each cycle, so that dispatching goes on meanwhile.
 *
 * Whatever is learnt twice is known already: there is one entry per run.  A
 * scan may bring back a run that has just ended (its snapshot is newer than
 * the last look at the cells, so only where its ring entry came late); the
 * executor finds its row final and that is all.
 *
 * A run is FRESH, which spares the executor a look for its steps, only when it
 * comes from the ring, alone or in a range, and no scan has seen it before.
 * Should it have steps all the same, the executor's first insert fails on the
 * primary key, and it loads them.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "miscadmin.h"

#include "base/stoppoint.h"
#include "core/workid.h"
#include "store/continue.h"
#include "store/work.h"
#include "worker/marks.h"
#include "worker/queue_stats.h"
#include "worker/sched.h"
#include "worker/stats.h"
#include "worker/wakeup.h"

/* scans for one run each that are made in a cycle */
#define MAX_SINGLE_SCANS 100

/* ---- strikes ---- */

/*
 * Charges whoever took the server down, and remembers who may have.  Returns
 * true when there were marks, which are settled after the commit.
 */
bool
wf_load_strikes(void)
{
	WfMark *marks;
	int n = wf_marks_read(MyDatabaseId, &marks);

	wf_sched.suspects = MemoryContextAlloc(
		wf_sched.life_cxt, mul_size(Max(n, 1), sizeof(pg_uuid_t)));
	for (int i = 0; i < n; i++)
	{
		WfEndedOf of;

		if (!marks[i].culprit)
		{
			wf_sched.suspects[wf_sched.nsuspects++] = marks[i].run_id;
			continue;
		}
		of = wf_run_strike(&marks[i].run_id, marks[i].ordinal,
						   (int64) marks[i].crash_id);
		if ((of.workflow_id == 0 && !of.undoes) ||
			of.queue_id == WF_QUEUE_ITEMS)
			continue;
		wf_sched_withdraw(&marks[i].run_id);
		if (of.undoes)
			continue;
		wf_stats_add(MyDatabaseId, of.workflow_id, WF_COUNT_FAILED, 1);
		wf_queue_count(MyDatabaseId, of.queue_id, WF_QCOUNT_FAILED, 1);
	}
	return n > 0;
}

static bool
is_suspect(const pg_uuid_t *run_id)
{
	for (int i = 0; i < wf_sched.nsuspects; i++)
	{
		if (memcmp(&wf_sched.suspects[i], run_id, UUID_LEN) == 0)
			return true;
	}
	return false;
}

/* ---- one run ---- */

/* what is known of a run came again, and not from a scan */
static void
recheck(WfEntry *entry, const WfWork *info)
{
	if (info->flags & WF_ASSIGN_WAKE)
		wf_seat_wake(entry);
	else if (entry->place == WF_PLACE_CELL)
		entry->recheck = true;
	else if (entry->place == WF_PLACE_TIMER && info->due_at < entry->due_at)
	{
		wf_ready_take(&wf_sched.ready, entry);
		entry->due_at = info->due_at;
		wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
	}
}

/* Its row has been read; it may have left its cell since. */
static void
complete(WfEntry *entry, const WfWork *info)
{
	wf_ready_complete(&wf_sched.ready, entry, info);
	if (entry->place != WF_PLACE_KEPT)
		return;
	wf_ready_take(&wf_sched.ready, entry);
	if (info->flags & WF_ASSIGN_ASLEEP)
		wf_seat_sleeps(entry, info->due_at);
	else
		wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
}

void
wf_load_learn(const WfWork *info, const WfScan *from_scan)
{
	WfEntry *entry = wf_ready_find(&wf_sched.ready, &info->id);
	WfScan *scan;

	/* what was committed before, and a scan has yet to find, comes first */
	if (entry == NULL && !from_scan &&
		((info->flags & WF_ASSIGN_REREAD) ||
		 (wf_sched.nscans > 0 && !(info->flags & WF_ASSIGN_BEGUN) &&
		  wf_gate_is_strict(info->queue_id, info->group))))
	{
		scan = wf_load_add_scan(&info->id, &info->id);
		scan->single = true;
		scan->woken = (info->flags & WF_ASSIGN_WAKE) != 0;
		return;
	}
	if (entry != NULL)
	{
		if (entry->partial && !(info->flags & WF_ASSIGN_REREAD))
			complete(entry, info);
		else if (!from_scan && !entry->message)
			recheck(entry, info);
		else if (!entry->message && (info->flags & WF_ASSIGN_BEGUN) &&
				 !(info->flags & WF_ASSIGN_ASLEEP))
			wf_seat_wake(entry);
		return;
	}

	/* nobody counts it (see wf_load_started()), and whatever comes will wake it */
	if ((info->flags & WF_ASSIGN_ASLEEP) && info->due_at == 0)
		return;

	/* a scan for what was left has room for it */
	if ((!(info->flags & (WF_ASSIGN_BEGUN | WF_ASSIGN_LOCKED)) ||
		 (info->flags & WF_ASSIGN_ASLEEP)) &&
		(from_scan == NULL || from_scan->kind == WF_SCAN_RANGE ||
		 from_scan->kind == WF_SCAN_ALL ||
		 (from_scan->kind == WF_SCAN_QUEUE && info->due_at > wf_sched.now)) &&
		wf_spill_leaves(info))
		return;
	if (wf_workid_is_message(&info->id))
	{
		wf_messages_learn(info);
		return;
	}
	entry = wf_ready_make(&wf_sched.ready, info);
	if (wf_workid_cmp(&info->id, &wf_sched.scanned_to) <= 0)
		entry->flags &= ~WF_ASSIGN_FRESH;
	if (wf_sched.nsuspects > 0 && is_suspect(&info->id))
		entry->solo = true;
	wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
}

/* A run that was started before its queue counted it. */
void
wf_load_started(const WfStarted *started)
{
	WfEntry *entry = wf_ready_find(&wf_sched.ready, &started->work.id);
	bool waits;

	if (entry == NULL && !started->failed &&
		wf_workid_is_message(&started->work.id))
	{
		wf_messages_learn(&started->work);
		return;
	}
	if (entry == NULL)
	{
		entry = wf_ready_make(&wf_sched.ready, &started->work);
		if (wf_sched.nsuspects > 0 && is_suspect(&entry->run_id))
			entry->solo = true;
	}
	if ((entry->active && entry->place != WF_PLACE_NONE) ||
		entry->queue == NULL)
		return;
	waits = entry->place == WF_PLACE_READY || entry->place == WF_PLACE_GATE;
	if (waits)
		wf_ready_take(&wf_sched.ready, entry);
	wf_gate_activate(entry);
	if (started->failed)
		wf_gate_block(entry);
	if (started->stopped)
	{
		wf_ready_drop_deadline(&wf_sched.ready, entry);
		if (entry->place == WF_PLACE_NONE)
			wf_ready_hold(&wf_sched.ready, entry, WF_PLACE_KEPT);
	}
	else if (entry->place == WF_PLACE_NONE &&
			 (started->work.flags & WF_ASSIGN_ASLEEP))
		wf_seat_sleeps(entry, started->work.due_at);
	else if (entry->place == WF_PLACE_NONE)
		wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
}

/* ---- cells that an earlier scheduler has filled ---- */

static void
load_cell(WfSeat *seat, int i)
{
	WfCell *cell = &seat->slot->cells[i];
	uint32 expected = WF_CELL_OFFERED;
	WfWork info = {0};
	WfEntry *entry;

	seat->seq = Max(seat->seq, cell->seq);
	if (pg_atomic_compare_exchange_u32(&cell->state, &expected,
									   WF_CELL_EMPTY) ||
		expected == WF_CELL_EMPTY)
		return;

	/*
	 * TAKEN, or DONE since: the rest of what there is to know comes with the
	 * scan.  Both are dealt with when cells are next reaped.
	 */
	pg_read_barrier();
	info.id = info.last_id = cell->work_id;
	info.owner = seat->slot->role;
	info.queue_id = cell->queue_id;
	info.group = cell->group;
	info.deadline_at = DT_NOEND;
	if (wf_ready_find(&wf_sched.ready, &info.id) != NULL)
	{
		/* cannot happen: a run is in one cell only */
		elog(WARNING, "workflow run is in two cells");
		return;
	}
	entry = wf_ready_make(&wf_sched.ready, &info);
	entry->partial = true;
	entry->begun = true;
	if (entry->queue != NULL)
		wf_gate_recount(entry, false);
	seat->entries[i] = entry;
	seat->load++;
	wf_ready_to_cell(&wf_sched.ready, entry, seat - wf_sched.seats, i);
}

/* Takes over the slots of this database from the scheduler before us. */
void
wf_load_cells(void)
{
	for (int i = 0; i < wf_shared->nslots; i++)
	{
		WfSlot *slot = &wf_slots[i];
		WfSeat *seat;
		bool ours;

		LWLockAcquire(wf_shared->lock, LW_SHARED);
		ours = slot->state != WF_SLOT_FREE && slot->database == MyDatabaseId;
		LWLockRelease(wf_shared->lock);
		if (!ours)
			continue;

		seat = wf_seat_add(slot);
		seat->retiring = pg_atomic_read_u32(&slot->retire) != 0;
		for (int j = 0; j < WF_CELLS; j++)
			load_cell(seat, j);
	}
}

/* ---- the ring ---- */

/* What was pushed so far is visible to the scan that follows. */
void
wf_load_discard_ring(void)
{
	WfWork spill;
	bool spilled;

	while (wf_ring_read(wf_sched.db, wf_sched.infos, WF_SCHED_CHUNK, &spill,
						&spilled) == WF_SCHED_CHUNK)
		;
}

/*
 * All there is, but no more than the ring can hold: whoever fills it while we
 * read must not keep us from dispatching.
 */
void
wf_load_ring(void)
{
	WfWork spill;
	bool spilled = false;
	int n;

	n = wf_ring_read(wf_sched.db, wf_sched.infos, WF_SCHED_CHUNK, &spill,
					 &spilled);
	for (int i = 0; i < n; i++)
	{
		WfWork *info = &wf_sched.infos[i];

		if (wf_workid_cmp(&info->id, &info->last_id) == 0)
			wf_load_learn(info, NULL);
		else
		{
			WfScan *scan = wf_load_add_scan(&info->id, &info->last_id);

			scan->fresh = true;
			scan->xid = info->xid;
		}
	}
	if (spilled)
		wf_load_add_scan(&spill.id, &spill.last_id);
	if (n == WF_SCHED_CHUNK)
		wf_sched.more = true;
}

/* ---- scans ---- */

static bool
is_zero(const pg_uuid_t *id)
{
	static const pg_uuid_t zero = {0};

	return memcmp(id, &zero, UUID_LEN) == 0;
}

WfScan *
wf_load_add_scan(const pg_uuid_t *first, const pg_uuid_t *last)
{
	WfScan *scan;

	if (wf_sched.nscans == wf_sched.scans_allocated)
	{
		wf_sched.scans_allocated *= 2;
		wf_sched.scans =
			repalloc(wf_sched.scans,
					 mul_size(wf_sched.scans_allocated, sizeof(WfScan)));
	}
	scan = &wf_sched.scans[wf_sched.nscans++];
	memset(scan, 0, sizeof(*scan));
	wf_sched.more = true; /* this cycle may be past its reading */
	if (first != NULL && !is_zero(first))
		scan->after = wf_workid_before(first);
	if (last != NULL)
		scan->upto = *last;
	else
	{
		scan->kind = WF_SCAN_ALL;
		scan->after_queue = PG_INT32_MIN;
	}
	return scan;
}

/*
 * Up to where WAL has to be flushed for all that a snapshot taken before has
 * seen to be on disk.  The insert position may lie just past a page header
 * that nobody has written yet, which XLogFlush() does not accept.
 */
XLogRecPtr
wf_load_seen_upto(void)
{
	XLogRecPtr lsn = GetXLogInsertRecPtr();

	if (XLogSegmentOffset(lsn, wal_segment_size) == SizeOfXLogLongPHD)
		lsn -= SizeOfXLogLongPHD;
	else if (lsn % XLOG_BLCKSZ == SizeOfXLogShortPHD)
		lsn -= SizeOfXLogShortPHD;
	return lsn;
}

/* Once, after the initial load. */
static void
load_done(const WfScan *scan)
{
	wf_sched.loading = false;
	elog(
		DEBUG1,
		"workflow scheduler has read all unfinished runs: %u ready, %u waiting for a time",
		wf_sched.ready.nready, wf_sched.ready.ntimers);
	if (scan->foreign > 0 && !wf_sched.control.foreign)
		ereport(LOG,
				(errmsg(INT64_FORMAT " workflow runs and messages of another database are not started",
						scan->foreign),
				 errdetail("They were restored or copied into this database."),
				 errhint("If they should run here, use \"SELECT workflow.start()\".")));
}

bool
wf_load_is_reading(void)
{
	const WfScan *scan = wf_sched.scans;

	if (wf_sched.nscans == 0)
		return false;
	return scan->kind == WF_SCAN_ALL ||
		   (scan->kind == WF_SCAN_RANGE && !scan->single);
}

/*
 * In a strict group the order of commits counts: what another transaction has
 * written between the ids of this one comes by its own entry of the ring.
 */
static bool
is_of_another(const WfScan *scan, const WfWork *info)
{
	return TransactionIdIsValid(scan->xid) && info->xid != scan->xid &&
		   wf_gate_is_strict(info->queue_id, info->group);
}

/* Its row was not there, or is not ours: it has ended, or is parked. */
static void
forget_unread(const pg_uuid_t *run_id)
{
	WfEntry *entry = wf_ready_find(&wf_sched.ready, run_id);

	if (entry != NULL && entry->partial && entry->place == WF_PLACE_KEPT)
		wf_ready_forget(&wf_sched.ready, entry);
}

/* What was sent to a run that is over is for the one that goes on. */
static void
forward_signals(const pg_uuid_t *run_id)
{
	pg_uuid_t last;
	bool some;
	WfWindow w;

	wf_sched_begin(&w, "looking for signals");
	some = wf_continue_forward(run_id, &last);
	wf_sched_commit(&w);
	if (some)
		wf_sched_wake(&last);
}

void
wf_load_stranded(void)
{
	pg_uuid_t *ids;
	WfWindow w;
	int n;
	int nwakes = 0;

	wf_sched_begin(&w, "looking for signals");
	n = wf_continue_stranded(wf_sched.cycle_cxt, &ids);
	for (int i = 0; i < n; i++)
	{
		pg_uuid_t last;

		if (wf_continue_forward(&ids[i], &last))
			ids[nwakes++] = last;
	}
	wf_sched_commit(&w);
	for (int i = 0; i < nwakes; i++)
		wf_sched_wake(&ids[i]);
}

/* On to the next queue, where the rest of this one stays in the table. */
static void
skip_spilled(WfScan *scan)
{
	int64 nleft;
	WfWindow w;

	if (scan->done || !wf_spill_is_past(scan->after_queue, &scan->after))
		return;
	wf_sched_begin(&w, "counting runs");
	nleft = wf_work_count_left(scan->after_queue,
							   wf_spill_upto(scan->after_queue));
	wf_sched_commit(&w);
	wf_spill_set_left(scan->after_queue, nleft);
	memset(&scan->after, 0xff, sizeof(scan->after));
}

/*
 * The next chunk of the scan at work.  What it has seen may be the work of
 * transactions that committed asynchronously: it is flushed before it can be
 * dispatched.
 */
static void
read_chunk(void)
{
	WfScan *scan = wf_sched.scans;
	XLogRecPtr lsn;
	WfWindow w;
	int n;

	wf_sched_begin(&w, "reading runs");
	n = wf_work_scan(scan, wf_sched.infos, WF_SCHED_CHUNK);
	lsn = wf_load_seen_upto();
	WF_STOP("sched-scan-commit");
	wf_sched_commit(&w);
	if (n > 0)
		XLogFlush(lsn);

	for (int i = 0; i < n; i++)
	{
		WfWork *info = &wf_sched.infos[i];

		if (is_of_another(scan, info))
			continue;
		if (scan->fresh)
			info->flags |= WF_ASSIGN_FRESH;
		wf_load_learn(info, scan);
		if (wf_workid_cmp(&info->id, &wf_sched.scanned_to) > 0)
			wf_sched.scanned_to = info->id;
	}

	if (scan->kind == WF_SCAN_QUEUE || scan->kind == WF_SCAN_TIMERS)
	{
		/* a chunk is all that there was room for */
		wf_spill_read(scan, n);
		scan->done = true;
	}
	else if (scan->kind == WF_SCAN_ALL && n > 0)
		skip_spilled(scan);
	if (scan->done)
	{
		pg_uuid_t upto = scan->upto;
		bool unseen = scan->woken && n == 0;
		bool loaded = wf_sched.loading && scan->kind == WF_SCAN_ALL;

		if (scan->reread)
			forget_unread(&upto);
		if (loaded)
			load_done(scan);
		wf_sched.nscans--;
		memmove(scan, scan + 1, mul_size(wf_sched.nscans, sizeof(WfScan)));
		if (unseen)
			forward_signals(&upto);
		/* what was told to the scheduler before us is in the table */
		if (loaded)
			wf_load_stranded();
	}
}

void
wf_load_scan(void)
{
	int nsingle = 0;

	if (wf_sched.nscans > 0)
		read_chunk();
	/* they come one for one with what is enqueued, so do not fall behind */
	while (wf_sched.nscans > 0 && wf_sched.scans->single &&
		   nsingle++ < MAX_SINGLE_SCANS)
		read_chunk();
	if (wf_sched.nscans > 0)
		wf_sched.more = true;
}
