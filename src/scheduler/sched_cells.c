/*
 * sched_cells.c
 *		Executors and their cells in shared memory, told to the plan.
 *
 * Shared memory is read only where a cell of ours is in use.  The protocol of a
 * cell is in ipc/shmem.h.
 *
 * What a slot's `state` says is read without the lock: only we free a slot of
 * ours, LIVE and GONE are final in this order, and whoever sets GONE wakes us
 * afterwards.  An offer made to a slot that is GONE already is found there.
 *
 * Must not: run SQL.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "storage/proc.h"

#include "core/plan_state.h"
#include "ipc/entries.h"
#include "ipc/shelf.h"
#include "scheduler/scheduler.h"

/* ---- the plan's port ---- */

bool
wf_cells_take_back(void *scheduler, WfLaid where, int index, uint64 position)
{
	WfScheduler *s = scheduler;
	uint32 expected = WF_CELL_OFFERED;

	if (where == WF_LAID_SHELF)
		return wf_shelf_take_back(s->db, position, index);
	return pg_atomic_compare_exchange_u32(
		&wf_slots[index].cells[position].state, &expected, WF_CELL_EMPTY);
}

/* ---- actions ---- */

/*
 * Fills a free cell and wakes the executor where it sleeps.  The executor sets
 * `idle`, then looks at its cells, then sleeps; we fill the cell, then look at
 * `idle`: one of us sees the other.
 */
void
wf_cells_offer(WfScheduler *s, int index, int at)
{
	WfSlot *slot = &wf_slots[index];
	WfCell *cell = &slot->cells[at];
	const WfEntry *entry;
	uint64 seq;
	uint32 flags;

	entry = wf_plan_offer(s->plan, index, at, &seq, &flags);
	if (entry == NULL)
		return;
	Assert(pg_atomic_read_u32(&cell->state) == WF_CELL_EMPTY);
	pg_atomic_write_u32(&cell->request, 0);
	cell->seq = seq;
	cell->work_id = entry->id;
	cell->lsn = entry->lsn;
	cell->flags = flags;
	/* one of the requests that have yet to be read may be for it */
	if (s->requests.under_way)
		cell->flags |= WF_ASSIGN_ASKED;
	cell->tid = entry->tid;
	cell->queue_id = entry->queue_id;
	cell->group = entry->group_hash;
	cell->begun_at = 0;
	cell->tells_parent = false;
	cell->shortage = WF_SHORTAGE_NONE;
	cell->engine_met = cell->wrote = false;
	pg_write_barrier();
	pg_atomic_write_u32(&cell->state, WF_CELL_OFFERED);
	pg_memory_barrier();
	if (pg_atomic_read_u32(&slot->idle) != 0)
		wf_wake_executor(slot);
}

/*
 * The bit stays in the cell, so a run that is between two statements finds it;
 * the signal is for one that is inside a statement, and sent once.  Request and
 * signal are one under the lock, which the executor takes before its next run
 * where it sees a request: so no other run is hit.
 */
void
wf_cells_interrupt(WfScheduler *s, int index, int at, uint32 request)
{
	WfSlot *slot = &wf_slots[index];
	WfCell *cell = &slot->cells[at];
	uint32 before;

	LWLockAcquire(wf_shared->lock, LW_SHARED);
	before = pg_atomic_fetch_or_u32(&cell->request, request);
	if ((before & request) == 0)
	{
		if (pg_atomic_read_u32(&cell->state) == WF_CELL_DONE)
		{
			/* the executor was faster, and need not have told us */
			s->events |= WF_EVENT_REQUEST;
		}
		else if ((request & (WF_REQ_CANCEL | WF_REQ_TIMEOUT)) != 0 &&
				 (before & WF_REQ_UNDOING) == 0 &&
				 slot->state == WF_SLOT_LIVE && slot->pid != 0)
		{
			pg_atomic_fetch_add_u32(&slot->cancels, 1);
			(void) kill(slot->pid, SIGINT);
			wf_grace_begin(s, index, at);
		}
	}
	LWLockRelease(wf_shared->lock);
}

void
wf_cells_retire(int index)
{
	pg_atomic_write_u32(&wf_slots[index].retire, 1);
	wf_wake_executor(&wf_slots[index]);
}

void
wf_cells_hire(WfScheduler *s, Oid role)
{
	WfSlot *slot = wf_slot_request(MyDatabaseId, role);

	if (slot != NULL)
		wf_plan_came(s->plan, s->now, slot - wf_slots, role, false);
	wf_plan_hired(s->plan, s->now, role, slot != NULL);
}

/* ---- reaping ---- */

/* What a cell says that is DONE; it is empty after that. */
static void
read_done(WfScheduler *s, WfCell *cell, WfCellNews *news)
{
	uint32 request;

	pg_read_barrier();
	news->kind = WF_CELL_HAS_ENDED;
	news->begun_at = cell->begun_at;
	news->outcome = cell->outcome;
	news->due_at = cell->due_at;
	news->tells_parent = cell->tells_parent;
	news->parent_id = cell->parent_id;
	news->shortage = cell->shortage;
	news->engine_met = cell->engine_met;
	news->wrote = cell->wrote;
	request = pg_atomic_read_u32(&cell->request);
	news->yielded = (request & WF_REQ_YIELD) != 0;
	pg_atomic_write_u32(&cell->state, WF_CELL_EMPTY);

	/* the run may have moved on before it saw the request: look again */
	if (request & (WF_REQ_CANCEL | WF_REQ_AGAIN))
		s->events |= WF_EVENT_REQUEST;
}

/* An executor ended with this run in hand. */
static void
read_lost(WfScheduler *s, WfCell *cell, WfCellNews *news)
{
	if (pg_atomic_read_u32(&cell->request) & (WF_REQ_CANCEL | WF_REQ_AGAIN))
		s->events |= WF_EVENT_REQUEST;
	news->kind = WF_CELL_IS_LOST;
	news->begun_at = cell->begun_at;
	pg_atomic_write_u32(&cell->state, WF_CELL_EMPTY);
}

static void
reap_cells(WfScheduler *s, int index, bool gone)
{
	WfSlot *slot = &wf_slots[index];
	WfCellNews news[WF_CELLS];
	int n = 0;

	for (int i = 0; i < WF_CELLS; i++)
	{
		const WfEntry *entry = wf_plan_in_cell(s->plan, index, i);
		WfCell *cell = &slot->cells[i];
		uint32 state;

		if (entry == NULL)
			continue;
		news[n].cell = i;
		state = pg_atomic_read_u32(&cell->state);
		if (state == WF_CELL_DONE)
			read_done(s, cell, &news[n++]);
		else if (gone && state == WF_CELL_TAKEN)
		{
			wf_grace_lost(s, index, i);
			read_lost(s, cell, &news[n++]);
		}
		else if (entry->rated && state == WF_CELL_TAKEN && cell->begun_at != 0)
		{
			news[n].kind = WF_CELL_HAS_BEGUN;
			news[n++].begun_at = cell->begun_at;
		}
	}
	if (n > 0)
		wf_plan_cells(s->plan, s->now, index, news, n);
}

static void
reap(WfScheduler *s, int index)
{
	WfSlot *slot = &wf_slots[index];
	WfSlotState state = *(volatile WfSlotState *) &slot->state;
	const WfSeat *seat = &s->plan->seats[index];
	WfSeatState is = WF_SEAT_STARTING;

	if (state == WF_SLOT_GONE)
	{
		pg_read_barrier();
		reap_cells(s, index, true);
		if (slot->refused != WF_SHORTAGE_NONE)
			wf_plan_refused(s->plan, s->now, index, slot->refused);
		wf_plan_gone(s->plan, s->now, index, slot->failed_start);
		return;
	}
	if (state == WF_SLOT_LIVE)
		is = WF_SEAT_LIVE;
	else if (state == WF_SLOT_WANTED)
		is = WF_SEAT_WANTED;
	if (seat->state != is)
		wf_plan_seat_is(s->plan, s->now, index, is, slot->started_at);
	if (seat->load > 0)
		reap_cells(s, index, false);
}

/* Looks at all cells in use, and at executors that came or went. */
void
wf_cells_reap(WfScheduler *s)
{
	/* backwards, as removing one moves the last into its place */
	for (int i = s->plan->nused - 1; i >= 0; i--)
		reap(s, s->plan->used[i]);
}

/* ---- what a scheduler before us has filled ---- */

static void
load_cell(WfScheduler *s, int index, int i)
{
	WfCell *cell = &wf_slots[index].cells[i];
	uint32 expected = WF_CELL_OFFERED;
	WfWork work = {0};

	wf_plan_numbered(s->plan, index, cell->seq);
	if (pg_atomic_compare_exchange_u32(&cell->state, &expected,
									   WF_CELL_EMPTY) ||
		expected == WF_CELL_EMPTY)
		return;

	/*
	 * TAKEN, or DONE since: the rest of what there is to know comes with the
	 * scan.  Both are dealt with when cells are next reaped.
	 */
	pg_read_barrier();
	work.id = work.last_id = cell->work_id;
	work.owner = wf_slots[index].role;
	work.queue_id = cell->queue_id;
	work.group = cell->group;
	work.deadline_at = DT_NOEND;
	wf_plan_found(s->plan, s->now, index, i, &work);
	if (pg_atomic_read_u32(&cell->request) & (WF_REQ_CANCEL | WF_REQ_TIMEOUT))
		wf_grace_begin(s, index, i);
}

void
wf_cells_load(WfScheduler *s)
{
	for (int i = 0; i < wf_shared->nslots; i++)
	{
		WfSlot *slot = &wf_slots[i];
		bool ours;

		LWLockAcquire(wf_shared->lock, LW_SHARED);
		ours = slot->state != WF_SLOT_FREE && slot->database == MyDatabaseId;
		LWLockRelease(wf_shared->lock);
		if (!ours)
			continue;
		wf_plan_came(s->plan, s->now, i, slot->role,
					 pg_atomic_read_u32(&slot->retire) != 0);
		for (int j = 0; j < WF_CELLS; j++)
			load_cell(s, i, j);
	}
}
