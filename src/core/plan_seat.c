/*
 * plan_seat.c
 *		Executors as the plan sees them: their cells, and their end.
 *
 * A seat mirrors the slot of one executor of this database: which entry is in
 * which cell.  An offer is an action first, and *pending* until it has been
 * carried out; until then it can be taken back without asking anybody.
 */
#include "postgres.h"

#include "core/plan_parts.h"

#define MAX_BACKOFF_SECS  60
/* how long a run waits whose lock a client has, unless told before */
#define LOCKED_DELAY_SECS 1

void
wf_seat_init(WfPlan *plan, int nseats)
{
	plan->seats = wf_memory_get_zeroed(&plan->memory, WF_MEMORY_ANY,
									   (Size) nseats * sizeof(WfSeat));
	plan->used = wf_memory_get_zeroed(&plan->memory, WF_MEMORY_ANY,
									  (Size) nseats * sizeof(int));
	plan->nseats = nseats;
}

void
wf_plan_came(WfPlan *plan, TimestampTz now, int index, Oid role, bool retiring)
{
	WfSeat *seat = &plan->seats[index];

	Assert(seat->state == WF_SEAT_FREE);
	plan->now = now;
	memset(seat, 0, sizeof(*seat));
	seat->state = WF_SEAT_WANTED;
	seat->role = wf_ready_role(plan, role);
	seat->retiring = retiring;
	seat->progress_at = now;
	dlist_push_tail(&seat->role->seats, &seat->role_node);
	seat->role->nseats++;
	plan->used[plan->nused++] = index;
}

void
wf_plan_seat_is(WfPlan *plan, TimestampTz now, int index, WfSeatState state,
				TimestampTz started_at)
{
	WfSeat *seat = &plan->seats[index];

	plan->now = now;
	if (state == WF_SEAT_LIVE && seat->state != WF_SEAT_LIVE)
	{
		seat->role->failures = 0;
		wf_slow_connected(plan, seat->role);
	}
	seat->state = state;
	seat->started_at = started_at;
}

void
wf_seat_remove(WfPlan *plan, WfSeat *seat)
{
	int index = seat - plan->seats;

	Assert(seat->load == 0);
	dlist_delete(&seat->role_node);
	seat->role->nseats--;
	for (int i = 0; i < plan->nused; i++)
	{
		if (plan->used[i] == index)
		{
			plan->used[i] = plan->used[--plan->nused];
			break;
		}
	}
	seat->state = WF_SEAT_FREE;
	plan->short_at = 0;
	wf_request_act(plan, WF_ACTION_DISMISS, index, 0, 0);
}

/* ---- offering and taking back ---- */

/* Into a free cell, of which there is one. */
void
wf_seat_offer(WfPlan *plan, WfSeat *seat, WfEntry *entry)
{
	int index = seat - plan->seats;
	int cell = 0;

	while (seat->entries[cell] != NULL)
		cell++;
	Assert(cell < WF_CELLS);
	if (entry->place != WF_PLACE_NONE)
		wf_ready_take(plan, entry);
	if (seat->load++ == 0)
		seat->progress_at = plan->now;
	seat->entries[cell] = entry;
	seat->seqs[cell] = ++seat->seq;
	wf_slow_offered(plan, seat, cell);
	wf_ready_to_cell(plan, entry, index, cell);

	/* one that was taken back while pending has left an action */
	seat->pending |= 1U << cell;
	wf_request_act(plan, WF_ACTION_OFFER, index, cell, 0);
}

const WfEntry *
wf_plan_offer(WfPlan *plan, int index, int cell, uint64 *seq, uint32 *flags)
{
	WfSeat *seat = &plan->seats[index];
	WfEntry *entry = seat->entries[cell];

	if ((seat->pending & 1U << cell) == 0)
		return NULL;
	seat->pending &= ~(1U << cell);
	*seq = seat->seqs[cell];
	*flags = entry->flags;
	if (entry->rated)
		*flags |= WF_ASSIGN_RATED;
	if (wf_gate_keeps(entry, true))
		*flags |= WF_ASSIGN_BLOCKS;
	return entry;
}

/* the entry leaves its cell, which must be empty by now */
static void
leave_cell(WfPlan *plan, WfEntry *entry)
{
	WfSeat *seat = &plan->seats[entry->seat];

	Assert(entry->place == WF_PLACE_CELL);
	wf_slow_left(plan, seat, entry->cell);
	seat->entries[entry->cell] = NULL;
	seat->load--;
	wf_ready_take(plan, entry);
	if (entry->solo)
		wf_ready_release(plan, WF_PLACE_SOLO);
}

bool
wf_seat_take_back(WfPlan *plan, WfEntry *entry)
{
	WfSeat *seat = &plan->seats[entry->seat];
	uint32 bit = 1U << entry->cell;

	if (seat->pending & bit)
		seat->pending &= ~bit;
	else if (!plan->port.take_back(plan->port.arg, WF_LAID_CELL, entry->seat,
								   entry->cell) &&
			 !wf_plan_is_broken(plan, WF_BREAK_TAKE_BACK))
		return false;
	leave_cell(plan, entry);
	return true;
}

static void
clear_offers(WfPlan *plan, WfSeat *seat, const WfEntry *spared)
{
	for (int i = 0; i < WF_CELLS; i++)
	{
		WfEntry *entry = seat->entries[i];

		if (entry != NULL && entry != spared && wf_seat_take_back(plan, entry))
			wf_ready_place(plan, entry);
	}
}

void
wf_seat_clear_offers(WfPlan *plan, WfSeat *seat)
{
	clear_offers(plan, seat, NULL);
}

void
wf_seat_interrupt(WfPlan *plan, WfEntry *entry, uint32 bits)
{
	wf_request_act(plan, WF_ACTION_INTERRUPT, entry->seat, entry->cell, bits);
}

/* The entry that comes first of those in its cells; NULL: there is none. */
static WfEntry *
first_in_cells(const WfSeat *seat)
{
	int first = -1;

	for (int i = 0; i < WF_CELLS; i++)
	{
		if (seat->entries[i] != NULL &&
			(first < 0 || seat->seqs[i] < seat->seqs[first]))
			first = i;
	}
	return first < 0 ? NULL : seat->entries[first];
}

/*
 * Ends the executor after the run it has in hand; one that has had none keeps
 * the first that it was offered, or roles that take turns would go on taking
 * turns without any run.
 */
void
wf_seat_retire(WfPlan *plan, WfSeat *seat)
{
	WfEntry *spared = seat->served ? NULL : first_in_cells(seat);

	if (seat->retiring)
		return;
	seat->retiring = true;
	clear_offers(plan, seat, spared);
	wf_request_act(plan, WF_ACTION_RETIRE, seat - plan->seats, 0, 0);
}

/* ---- what has become of what was offered ---- */

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

/* Did user code begin since we looked last? */
static void
note_begun(WfPlan *plan, WfEntry *entry, TimestampTz begun_at)
{
	if (begun_at == 0)
		return;
	entry->assumed = false;
	if (!entry->begun)
		wf_flow_started(plan, entry);
	entry->begun = true;
	if (entry->rated)
		wf_gate_begun(plan, entry, begun_at);
}

static void
end_entry(WfPlan *plan, WfEntry *entry, const WfCellNews *news, bool recheck)
{
	switch (news->outcome)
	{
		case WF_OUTCOME_ENDED:
		case WF_OUTCOME_FAILED:
		case WF_OUTCOME_FOREIGN:
			if (news->outcome == WF_OUTCOME_FAILED)
				wf_request_died(plan, entry);
			wf_flow_ended(plan, entry);
			wf_ready_forget(plan, entry);
			break;
		case WF_OUTCOME_PARKED:
		case WF_OUTCOME_BLOCKS:
			if (news->outcome == WF_OUTCOME_BLOCKS)
				wf_request_died(plan, entry);
			wf_flow_ended(plan, entry);
			wf_rest_stopped(plan, entry, news->outcome == WF_OUTCOME_BLOCKS);
			break;
		case WF_OUTCOME_LATER:
			entry->losses = 0;
			wf_rest_put_back(plan, entry, news->due_at);
			break;
		case WF_OUTCOME_WAITS:
			entry->losses = 0;
			if (recheck)
				wf_rest_put_back(plan, entry, plan->now);
			else
				wf_rest_sleeps(plan, entry, news->due_at);
			break;
		case WF_OUTCOME_PAUSED:
			entry->flags |= WF_ASSIGN_PAUSED;
			wf_rest_put_back(plan, entry, plan->now);
			break;
		case WF_OUTCOME_YIELDED:
			if (news->yielded || recheck)
				wf_rest_put_back(plan, entry, plan->now);
			else
				wf_rest_put_back(plan, entry,
								 plan->now +
									 LOCKED_DELAY_SECS * USECS_PER_SEC);
			break;
	}
}

static void
has_ended(WfPlan *plan, WfEntry *entry, const WfCellNews *told)
{
	bool recheck = entry->recheck;
	WfCellNews news = *told;

	note_begun(plan, entry, news.begun_at);
	wf_slow_told(plan, &plan->seats[entry->seat], &news);
	leave_cell(plan, entry);
	wf_gate_not_begun(plan, entry);
	end_entry(plan, entry, &news, recheck);
	if (news.tells_parent)
		wf_rest_wake_id(plan, &news.parent_id);
}

/* An executor ended with this run in hand. */
static void
is_lost(WfPlan *plan, WfEntry *entry, TimestampTz begun_at)
{
	/* nobody knows; to count one too many is the safe side */
	if (entry->queue != NULL)
		wf_gate_begun(plan, entry, begun_at != 0 ? begun_at : plan->now);
	leave_cell(plan, entry);

	entry->assumed = false;
	entry->losses++;
	wf_rest_put_back(plan, entry, plan->now + backoff(entry->losses));
}

void
wf_plan_cells(WfPlan *plan, TimestampTz now, int index, const WfCellNews *news,
			  int n)
{
	WfSeat *seat = &plan->seats[index];
	int nended = 0;

	plan->now = now;
	for (int i = 0; i < n; i++)
	{
		WfEntry *entry = seat->entries[news[i].cell];

		switch (news[i].kind)
		{
			case WF_CELL_HAS_BEGUN:
				note_begun(plan, entry, news[i].begun_at);
				break;
			case WF_CELL_HAS_ENDED:
				has_ended(plan, entry, &news[i]);
				nended++;
				break;
			case WF_CELL_IS_LOST:
				is_lost(plan, entry, news[i].begun_at);
				break;
		}
	}
	if (nended > 0)
	{
		seat->slow = now - seat->progress_at > nended * WF_SEAT_SLOW_USEC;
		seat->progress_at = now;
		seat->served = true;
	}
}

void
wf_plan_gone(WfPlan *plan, TimestampTz now, int index, bool failed)
{
	WfSeat *seat = &plan->seats[index];
	WfRole *role = seat->role;

	plan->now = now;
	wf_seat_clear_offers(plan, seat);
	if (failed)
	{
		/* even the first failure waits: it is a property of the role */
		role->failures++;
		role->not_before = now + backoff(role->failures + 1);
		/* one that lacked a connection is a probe like any other */
		if (wf_slow_next(role) != 0)
			role->not_before = Min(role->not_before, wf_slow_next(role));
	}
	wf_seat_remove(plan, seat);
}

/* ---- what a plan before this one has left ---- */

void
wf_plan_numbered(WfPlan *plan, int index, uint64 seq)
{
	plan->seats[index].seq = Max(plan->seats[index].seq, seq);
}

/* The rest of what there is to know comes with the first read. */
void
wf_plan_found(WfPlan *plan, TimestampTz now, int index, int cell,
			  const WfWork *work)
{
	WfSeat *seat = &plan->seats[index];
	WfEntry *entry;

	plan->now = now;
	if (wf_ready_find(plan, &work->id) != NULL)
	{
		/* cannot happen: a run is in one cell only */
		elog(WARNING, "workflow run is in two cells");
		return;
	}
	entry = wf_ready_make(plan, work);
	entry->partial = true;
	entry->begun = entry->assumed = true;
	if (entry->queue != NULL)
		wf_gate_recount(plan, entry, false);
	seat->entries[cell] = entry;
	seat->load++;
	wf_ready_to_cell(plan, entry, index, cell);
}

const WfEntry *
wf_plan_in_cell(const WfPlan *plan, int index, int cell)
{
	return plan->seats[index].entries[cell];
}

int
wf_plan_load_of(const WfPlan *plan, int index)
{
	return plan->seats[index].load;
}
