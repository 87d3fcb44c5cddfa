/*
 * sched_dispatch.c
 *		Who gets what.
 *
 * Each cycle, for each role with ready runs: one run to every idle executor,
 * in order; when there are more runs than executors, up to WF_CELLS to each,
 * so that nobody waits for us between two runs.  What was given in advance is
 * taken back when its executor turns out to be slow, or when another one has
 * nothing to do.
 */
#include "postgres.h"

#include "core/state.h"
#include "worker/sched.h"

/* ---- giving out ---- */

WfEntry *
wf_dispatch_next(WfRole *role)
{
	WfReady *ready = &wf_sched.ready;
	WfEntry *entry;

	while ((entry = wf_ready_first(ready, role)) != NULL)
	{
		if (wf_gate_is_paused(entry) ||
			(entry->rated && entry->rated_until <= wf_sched.now))
		{
			wf_ready_take(ready, entry);
			wf_sched.more = true; /* somebody else may be let in */
			wf_gate_leave(entry);
			wf_ready_place(ready, entry, wf_sched.now);
		}
		else if ((entry->flags & WF_ASSIGN_PAUSED) ||
				 (wf_sched.npaused > 0 &&
				  wf_workflow_is_paused(entry->workflow_id)))
		{
			wf_ready_take(ready, entry);
			wf_sched.more |= entry->queue != NULL;
			if (wf_gate_keeps(entry, false))
				wf_gate_keep(entry);
			else if (entry->queue != NULL)
				wf_gate_leave(entry);
			wf_ready_hold(ready, entry, WF_PLACE_PAUSED);
		}
		else if (entry->solo && ready->nsolo_cells > 0)
		{
			wf_ready_take(ready, entry);
			wf_ready_hold(ready, entry, WF_PLACE_SOLO);
		}
		else if (entry->losses > WF_MAX_LOSSES)
		{
			wf_sched.more = true;
			wf_sched_park(&entry, 1, WF_REASON_TERMINATED, "57P01",
						  "executor of the run was terminated again and again",
						  "Use workflow.retry_run() when the cause is gone.");
		}
		else
			return entry;
	}
	return NULL;
}

static bool
can_take(const WfSeat *seat)
{
	return seat->live && !seat->retiring;
}

/* does it take long for a run, this one or the last? */
static bool
is_slow(const WfSeat *seat)
{
	return seat->load > 0 && (seat->slow || wf_sched.now - seat->progress_at >
												WF_SEAT_SLOW_USEC);
}

static int
count_able(WfRole *role)
{
	dlist_iter iter;
	int n = 0;

	dlist_foreach (iter, &role->seats)
		n += can_take(dlist_container(WfSeat, role_node, iter.cur));
	return n;
}

/* One more to each executor with fewer than "depth"; false when none is left. */
static bool
give_round(WfRole *role, int depth)
{
	dlist_iter iter;

	dlist_foreach (iter, &role->seats)
	{
		WfSeat *seat = dlist_container(WfSeat, role_node, iter.cur);
		WfEntry *entry;

		if (!can_take(seat) || seat->load >= depth ||
			(depth > 1 && is_slow(seat)))
			continue;
		entry = wf_dispatch_next(role);
		if (entry == NULL)
			return false;
		(void) wf_seat_offer(seat, entry);
	}
	return role->nready > 0;
}

/*
 * Where priorities matter nothing is given in advance, and what was is taken
 * back when something comes that goes before it: who is ready first gets it.
 */
static void
make_way(WfRole *role)
{
	WfEntry *first = wf_ready_first(&wf_sched.ready, role);
	dlist_iter iter;

	dlist_foreach (iter, &role->seats)
	{
		WfSeat *seat = dlist_container(WfSeat, role_node, iter.cur);

		for (int i = 0; i < WF_CELLS; i++)
		{
			WfEntry *entry = seat->entries[i];

			if (entry != NULL && entry->priority < first->priority &&
				wf_starts_before(first, entry) && wf_seat_take_back(entry))
				wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
		}
	}
}

static void
give_out(WfRole *role)
{
	int able = count_able(role);
	int depth;

	/* also where nobody can take it: what may not start is not ready */
	if (wf_dispatch_next(role) == NULL || able == 0)
		return;
	if (role->nurgent > 0)
		make_way(role);
	depth = role->nready > able && role->nurgent == 0 ? WF_CELLS : 1;
	for (int i = 1; i <= depth; i++)
	{
		if (!give_round(role, i))
			break;
	}
}

/* What was given in advance to somebody who is slow becomes ready again. */
static void
reclaim_from_slow(void)
{
	for (int i = 0; i < wf_sched.nused; i++)
	{
		WfSeat *seat = &wf_sched.seats[wf_sched.used[i]];

		if (seat->load > 1 && is_slow(seat))
			wf_seat_clear_offers(seat);
	}
}

/* Moves one run from the executor with most to one that has none. */
static bool
steal_for(WfSeat *idle)
{
	WfSeat *victim = NULL;
	WfEntry *last = NULL;
	dlist_iter iter;

	dlist_foreach (iter, &idle->role->seats)
	{
		WfSeat *seat = dlist_container(WfSeat, role_node, iter.cur);

		if (seat->load > 1 && (victim == NULL || seat->load > victim->load))
			victim = seat;
	}
	if (victim == NULL)
		return false;
	for (int i = 0; i < WF_CELLS; i++)
	{
		WfEntry *entry = victim->entries[i];

		if (entry != NULL &&
			pg_atomic_read_u32(&victim->slot->cells[i].state) ==
				WF_CELL_OFFERED &&
			(last == NULL ||
			 victim->slot->cells[i].seq > victim->slot->cells[last->cell].seq))
			last = entry;
	}
	return last != NULL && wf_seat_take_back(last) &&
		   wf_seat_offer(idle, last);
}

static void
balance(void)
{
	for (int i = 0; i < wf_sched.nused; i++)
	{
		WfSeat *seat = &wf_sched.seats[wf_sched.used[i]];

		if (seat->load == 0 && can_take(seat) && seat->role->nready == 0)
			(void) steal_for(seat);
	}
}

void
wf_dispatch(void)
{
	dlist_mutable_iter iter;

	if (wf_sched.halted)
		return;

	reclaim_from_slow();
	dlist_foreach_modify (iter, &wf_sched.ready.active)
		give_out(dlist_container(WfRole, active, iter.cur));
	balance();
}
