/*
 * sched_seats.c
 *		Executors as the scheduler sees them: their cells, and their end.
 *
 * A seat mirrors the slot of one executor of this database in private memory:
 * which entry is in which cell.  Shared memory is read only where a cell of
 * ours is in use.  The protocol of a cell is in shmem.h.
 *
 * What a slot's `state` says is read without the lock: only we free a slot of
 * ours, LIVE and GONE are final in this order, and whoever sets GONE wakes us
 * afterwards.  An offer made to a slot that is GONE already is found there.
 *
 * Must not: run SQL.
 */
#include "postgres.h"

#include <signal.h>

#include "storage/proc.h"

#include "worker/entries.h"
#include "worker/sched.h"

#define MAX_BACKOFF_SECS  60
/* how long a run waits whose lock a client has, unless told before */
#define LOCKED_DELAY_SECS 1

void
wf_seats_init(void)
{
	wf_sched.seats = MemoryContextAllocZero(
		wf_sched.life_cxt, mul_size(wf_shared->nslots, sizeof(WfSeat)));
	wf_sched.used = MemoryContextAllocZero(
		wf_sched.life_cxt, mul_size(wf_shared->nslots, sizeof(int)));
}

WfSeat *
wf_seat_add(WfSlot *slot)
{
	int index = slot - wf_slots;
	WfSeat *seat = &wf_sched.seats[index];

	Assert(seat->slot == NULL);
	memset(seat, 0, sizeof(*seat));
	seat->slot = slot;
	seat->role = wf_ready_role(&wf_sched.ready, slot->role);
	seat->progress_at = wf_sched.now;
	dlist_push_tail(&seat->role->seats, &seat->role_node);
	seat->role->nseats++;
	wf_sched.used[wf_sched.nused++] = index;
	return seat;
}

void
wf_seat_remove(WfSeat *seat)
{
	int index = seat - wf_sched.seats;

	Assert(seat->load == 0);
	dlist_delete(&seat->role_node);
	seat->role->nseats--;
	for (int i = 0; i < wf_sched.nused; i++)
	{
		if (wf_sched.used[i] == index)
		{
			wf_sched.used[i] = wf_sched.used[--wf_sched.nused];
			break;
		}
	}
	wf_slot_free(seat->slot);
	seat->slot = NULL;
}

/* ---- offering and taking back ---- */

/*
 * Puts a ready entry into a free cell and wakes the executor where it sleeps.
 * The executor sets `idle`, then looks at its cells, then sleeps; we fill the
 * cell, then look at `idle`: one of us sees the other.
 */
bool
wf_seat_offer(WfSeat *seat, WfEntry *entry)
{
	WfSlot *slot = seat->slot;
	WfCell *cell;
	int i = 0;

	while (i < WF_CELLS && seat->entries[i] != NULL)
		i++;
	if (i == WF_CELLS)
		return false;

	cell = &slot->cells[i];
	Assert(pg_atomic_read_u32(&cell->state) == WF_CELL_EMPTY);
	if (entry->place != WF_PLACE_NONE)
		wf_ready_take(&wf_sched.ready, entry);

	pg_atomic_write_u32(&cell->request, 0);
	cell->seq = ++seat->seq;
	cell->work_id = entry->run_id;
	cell->lsn = entry->lsn;
	cell->flags = entry->flags;
	if (entry->rated)
		cell->flags |= WF_ASSIGN_RATED;
	if (wf_gate_keeps(entry, true))
		cell->flags |= WF_ASSIGN_BLOCKS;
	cell->tid = entry->tid;
	cell->queue_id = entry->queue_id;
	cell->group = entry->group_hash;
	cell->begun_at = 0;
	cell->tells_parent = false;
	pg_write_barrier();
	pg_atomic_write_u32(&cell->state, WF_CELL_OFFERED);
	pg_memory_barrier();
	if (pg_atomic_read_u32(&slot->idle) != 0)
		wf_wake_executor(slot);

	if (seat->load++ == 0)
		seat->progress_at = wf_sched.now;
	seat->entries[i] = entry;
	wf_ready_to_cell(&wf_sched.ready, entry, seat - wf_sched.seats, i);
	return true;
}

/* the entry leaves its cell, which must be EMPTY by now */
static void
leave_cell(WfEntry *entry)
{
	WfSeat *seat = &wf_sched.seats[entry->seat];

	Assert(entry->place == WF_PLACE_CELL);
	seat->entries[entry->cell] = NULL;
	seat->load--;
	wf_ready_take(&wf_sched.ready, entry);
	if (entry->solo)
		wf_ready_release(&wf_sched.ready, WF_PLACE_SOLO);
}

bool
wf_seat_take_back(WfEntry *entry)
{
	WfCell *cell = &wf_slots[entry->seat].cells[entry->cell];
	uint32 expected = WF_CELL_OFFERED;

	if (!pg_atomic_compare_exchange_u32(&cell->state, &expected,
										WF_CELL_EMPTY))
		return false;
	leave_cell(entry);
	return true;
}

void
wf_seat_clear_offers(WfSeat *seat)
{
	for (int i = 0; i < WF_CELLS; i++)
	{
		WfEntry *entry = seat->entries[i];

		if (entry != NULL && wf_seat_take_back(entry))
			wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
	}
}

/*
 * The bit stays in the cell, so a run that is between two statements finds it;
 * the signal is for one that is inside a statement, and sent once.  Request and
 * signal are one under the lock, which the executor takes before its next run
 * where it sees a request: so no other run is hit.
 */
void
wf_seat_request(WfEntry *entry, uint32 request)
{
	WfSlot *slot = &wf_slots[entry->seat];
	WfCell *cell = &slot->cells[entry->cell];
	uint32 before;

	LWLockAcquire(wf_shared->lock, LW_SHARED);
	before = pg_atomic_fetch_or_u32(&cell->request, request);
	if ((before & request) == 0)
	{
		if (pg_atomic_read_u32(&cell->state) == WF_CELL_DONE)
		{
			/* the executor was faster, and need not have told us */
			wf_sched.events |= WF_EVENT_REQUEST;
		}
		else if ((request & (WF_REQ_CANCEL | WF_REQ_TIMEOUT)) != 0 &&
				 (before & WF_REQ_UNDOING) == 0 &&
				 slot->state == WF_SLOT_LIVE && slot->pid != 0)
		{
			pg_atomic_fetch_add_u32(&slot->cancels, 1);
			(void) kill(slot->pid, SIGINT);
		}
	}
	LWLockRelease(wf_shared->lock);
}

/* Ends the executor after the run it has in hand. */
void
wf_seat_retire(WfSeat *seat)
{
	if (seat->retiring)
		return;
	seat->retiring = true;
	pg_atomic_write_u32(&seat->slot->retire, 1);
	wf_seat_clear_offers(seat);
	wf_wake_executor(seat->slot);
}

/* ---- reaping ---- */

/* 0 for the first failure, which costs nothing, then 1 s, 2 s, 4 s ... */
static TimestampTz
backoff(int failures)
{
	int secs;

	if (failures <= 1)
		return 0;
	secs = failures > 7 ? MAX_BACKOFF_SECS : 1 << (failures - 2);
	return Min(secs, MAX_BACKOFF_SECS) * USECS_PER_SEC;
}

/* What was known of its row, when it went into its cell, is so no more. */
static void
note_stale(WfEntry *entry)
{
	entry->flags &= ~(WF_ASSIGN_FRESH | WF_ASSIGN_ASLEEP);
	entry->lsn = 0;
	ItemPointerSetInvalid(&entry->tid);
	entry->recheck = false;
}

/* It is counted until then. */
static void
read_first(WfEntry *entry)
{
	wf_ready_hold(&wf_sched.ready, entry, WF_PLACE_KEPT);
	wf_load_add_scan(&entry->run_id, &entry->run_id)->reread = true;
}

/*
 * An entry, out of its cell, goes back to where it has to wait.  What was only
 * seen in a cell is not known well enough for that: it is read first.
 */
static void
put_back(WfEntry *entry, TimestampTz due_at)
{
	if (entry->queue != NULL && !entry->begun && due_at > wf_sched.now &&
		wf_gate_is_strict(entry->queue_id, entry->group_hash))
		wf_gate_keep(entry); /* it is its turn, only somebody locks it */
	else if (entry->queue != NULL)
		wf_gate_leave(entry);
	note_stale(entry);
	entry->due_at = due_at;
	if (entry->partial)
		read_first(entry);
	else
		wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
}

/* It waits for a time that is far, and nobody counts it: left in the table. */
static bool
can_be_left(const WfEntry *entry, TimestampTz due_at)
{
	WfWork info = {.id = entry->run_id,
				   .queue_id = entry->queue_id,
				   .group = entry->group_hash,
				   .due_at = due_at};

	return !entry->solo && due_at > wf_sched.now && wf_spill_leaves(&info);
}

void
wf_seat_sleeps(WfEntry *entry, TimestampTz due_at)
{
	bool counted = wf_gate_keeps(entry, false);

	if (entry->queue != NULL)
		wf_gate_keep(entry);
	note_stale(entry);
	entry->flags |= WF_ASSIGN_ASLEEP;
	entry->due_at = due_at;
	if (entry->partial)
		read_first(entry);
	else if (!counted && (due_at == 0 || can_be_left(entry, due_at)))
		wf_ready_forget(&wf_sched.ready, entry);
	else if (due_at == 0)
		wf_ready_hold(&wf_sched.ready, entry, WF_PLACE_KEPT);
	else
		wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
}

void
wf_seat_wake(WfEntry *entry)
{
	if (entry->place == WF_PLACE_CELL)
		entry->recheck = true;
	else if ((entry->flags & WF_ASSIGN_ASLEEP) &&
			 (entry->place == WF_PLACE_TIMER || entry->place == WF_PLACE_KEPT))
	{
		wf_ready_take(&wf_sched.ready, entry);
		entry->flags &= ~WF_ASSIGN_ASLEEP;
		entry->due_at = wf_sched.now;
		wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
	}
}

void
wf_sched_wake(const pg_uuid_t *run_id)
{
	WfEntry *entry = wf_ready_find(&wf_sched.ready, run_id);

	if (entry != NULL)
		wf_seat_wake(entry);
	else
	{
		WfScan *scan = wf_load_add_scan(run_id, run_id);

		scan->single = scan->woken = true;
	}
}

/* Did user code begin since we looked last? */
static void
note_begun(WfEntry *entry, const WfCell *cell)
{
	if (cell->begun_at == 0)
		return;
	if (!entry->begun)
		wf_flow_started(entry);
	entry->begun = true;
	if (entry->rated)
		wf_gate_begun(entry, cell->begun_at);
}

/* A run that goes on only after repair, or not at all. */
void
wf_seat_stopped(WfEntry *entry, bool failed)
{
	if (!wf_gate_keeps(entry, failed))
	{
		wf_ready_forget(&wf_sched.ready, entry);
		return;
	}
	if (failed)
		wf_gate_block(entry);
	else
		wf_gate_keep(entry);
	wf_ready_drop_deadline(&wf_sched.ready, entry);
	wf_ready_hold(&wf_sched.ready, entry, WF_PLACE_KEPT);
}

static void
reap_done(WfSeat *seat, WfEntry *entry)
{
	WfCell *cell = &seat->slot->cells[entry->cell];
	WfOutcome outcome;
	TimestampTz due_at;
	uint32 request;
	bool recheck = entry->recheck;
	bool tells_parent;
	pg_uuid_t parent_id;

	pg_read_barrier();
	note_begun(entry, cell);
	tells_parent = cell->tells_parent;
	parent_id = cell->parent_id;
	outcome = cell->outcome;
	due_at = cell->due_at;
	request = pg_atomic_read_u32(&cell->request);
	pg_atomic_write_u32(&cell->state, WF_CELL_EMPTY);
	leave_cell(entry);

	/* the run may have moved on before it saw the request: look again */
	if (request & (WF_REQ_CANCEL | WF_REQ_AGAIN))
		wf_sched.events |= WF_EVENT_REQUEST;

	switch (outcome)
	{
		case WF_OUTCOME_ENDED:
		case WF_OUTCOME_FAILED:
		case WF_OUTCOME_FOREIGN:
			if (outcome == WF_OUTCOME_FAILED)
				wf_alerts_died(entry);
			wf_flow_ended(entry);
			wf_ready_forget(&wf_sched.ready, entry);
			break;
		case WF_OUTCOME_PARKED:
		case WF_OUTCOME_BLOCKS:
			if (outcome == WF_OUTCOME_BLOCKS)
				wf_alerts_died(entry);
			wf_flow_ended(entry);
			wf_seat_stopped(entry, outcome == WF_OUTCOME_BLOCKS);
			break;
		case WF_OUTCOME_LATER:
			entry->losses = 0;
			put_back(entry, due_at);
			break;
		case WF_OUTCOME_WAITS:
			entry->losses = 0;
			if (recheck)
				put_back(entry, wf_sched.now);
			else
				wf_seat_sleeps(entry, due_at);
			break;
		case WF_OUTCOME_PAUSED:
			entry->flags |= WF_ASSIGN_PAUSED;
			put_back(entry, wf_sched.now);
			break;
		case WF_OUTCOME_YIELDED:
			if ((request & WF_REQ_YIELD) || recheck)
				put_back(entry, wf_sched.now);
			else
				put_back(entry,
						 wf_sched.now + LOCKED_DELAY_SECS * USECS_PER_SEC);
			break;
	}
	if (tells_parent)
		wf_sched_wake(&parent_id);
}

/* an executor ended with this run in hand */
static void
reap_lost(WfSeat *seat, WfEntry *entry)
{
	WfCell *cell = &seat->slot->cells[entry->cell];

	if (pg_atomic_read_u32(&cell->request) & (WF_REQ_CANCEL | WF_REQ_AGAIN))
		wf_sched.events |= WF_EVENT_REQUEST;
	/* nobody knows; to count one too many is the safe side */
	if (entry->queue != NULL)
		wf_gate_begun(entry,
					  cell->begun_at != 0 ? cell->begun_at : wf_sched.now);
	pg_atomic_write_u32(&cell->state, WF_CELL_EMPTY);
	leave_cell(entry);

	entry->losses++;
	put_back(entry, wf_sched.now + backoff(entry->losses));
}

static void
reap_cells(WfSeat *seat, bool gone)
{
	int ndone = 0;

	for (int i = 0; i < WF_CELLS && seat->load > 0; i++)
	{
		WfEntry *entry = seat->entries[i];
		uint32 state;

		if (entry == NULL)
			continue;
		state = pg_atomic_read_u32(&seat->slot->cells[i].state);
		if (state == WF_CELL_DONE)
		{
			reap_done(seat, entry);
			ndone++;
		}
		else if (gone && state == WF_CELL_TAKEN)
			reap_lost(seat, entry);
		else if (entry->rated && state == WF_CELL_TAKEN)
			note_begun(entry, &seat->slot->cells[i]);
		else if (gone && wf_seat_take_back(entry))
			wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
	}
	if (ndone > 0)
	{
		seat->slow =
			wf_sched.now - seat->progress_at > ndone * WF_SEAT_SLOW_USEC;
		seat->progress_at = wf_sched.now;
	}
}

/* The process has ended, or could not start. */
static void
reap_gone(WfSeat *seat)
{
	WfRole *role = seat->role;

	reap_cells(seat, true);
	if (seat->slot->failed_start)
	{
		/* even the first failure waits: it is a property of the role */
		role->failures++;
		role->not_before = wf_sched.now + backoff(role->failures + 1);
	}
	wf_seat_remove(seat);
}

/* Looks at all cells in use, and at executors that came or went. */
void
wf_seats_reap(void)
{
	/* backwards, as removing one moves the last into its place */
	for (int i = wf_sched.nused - 1; i >= 0; i--)
	{
		WfSeat *seat = &wf_sched.seats[wf_sched.used[i]];
		WfSlotState state = *(volatile WfSlotState *) &seat->slot->state;

		if (state == WF_SLOT_GONE)
		{
			pg_read_barrier();
			reap_gone(seat);
			continue;
		}
		if (!seat->live && state == WF_SLOT_LIVE)
		{
			seat->live = true;
			seat->role->failures = 0;
		}
		if (seat->load > 0)
			reap_cells(seat, false);
	}
}
