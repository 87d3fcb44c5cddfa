/*
 * plan_dispatch.c
 *		Who gets what.
 *
 * Each cycle, for each role with ready runs: one run to every idle executor,
 * in order; when there are more runs than executors, up to WF_CELLS to each,
 * so that nobody waits for us between two runs.  What was given in advance is
 * taken back when its executor turns out to be slow, or when another one has
 * nothing to do.
 */
#include "postgres.h"

#include "core/plan_parts.h"


/* executors that may end under one run before the run is parked */
#define MAX_LOSSES 25

/* ---- what may be started ---- */

static int
compare_ids(const void *a, const void *b)
{
	int32 x = *(const int32 *) a;
	int32 y = *(const int32 *) b;

	return (x > y) - (x < y);
}

bool
wf_dispatch_is_paused(const WfPlan *plan, int32 workflow_id)
{
	return bsearch(&workflow_id, plan->paused, plan->npaused, sizeof(int32),
				   compare_ids) != NULL &&
		   !wf_plan_is_broken(plan, WF_BREAK_PAUSE);
}

WfEntry *
wf_dispatch_next(WfPlan *plan, WfRole *role)
{
	WfEntry *entry;

	while ((entry = wf_ready_first(role)) != NULL)
	{
		if (wf_gate_is_paused(entry) ||
			(entry->rated && entry->rated_until <= plan->now &&
			 !wf_plan_is_broken(plan, WF_BREAK_VALID)))
		{
			wf_ready_take(plan, entry);
			plan->more = true; /* somebody else may be let in */
			wf_gate_leave(plan, entry);
			wf_ready_place(plan, entry);
		}
		else if ((entry->claims > 0 &&
				  !wf_plan_is_broken(plan, WF_BREAK_CLAIM)) ||
				 (entry->flags & WF_ASSIGN_PAUSED) ||
				 (plan->npaused > 0 &&
				  wf_dispatch_is_paused(plan, entry->workflow_id)))
		{
			wf_ready_take(plan, entry);
			plan->more |= entry->queue != NULL;
			if (wf_gate_keeps(entry, false))
				wf_gate_keep(plan, entry);
			else if (entry->queue != NULL)
				wf_gate_leave(plan, entry);
			wf_ready_hold(plan, entry, WF_PLACE_PAUSED);
		}
		else if (entry->solo && plan->nsolo_cells > 0)
		{
			wf_ready_take(plan, entry);
			wf_ready_hold(plan, entry, WF_PLACE_SOLO);
		}
		else if (entry->losses > MAX_LOSSES)
		{
			plan->more = true;
			wf_row_write(plan, entry, WF_PLAN_PARK);
		}
		else
			return entry;
	}
	return NULL;
}

static bool
can_take(const WfSeat *seat)
{
	return seat->state == WF_SEAT_LIVE && !seat->retiring;
}

/* does it take long for a run, this one or the last? */
static bool
is_slow(WfPlan *plan, const WfSeat *seat)
{
	return seat->load > 0 &&
		   (seat->slow || plan->now - seat->progress_at > WF_SEAT_SLOW_USEC);
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
give_round(WfPlan *plan, WfRole *role, int depth)
{
	dlist_iter iter;

	dlist_foreach (iter, &role->seats)
	{
		WfSeat *seat = dlist_container(WfSeat, role_node, iter.cur);
		WfEntry *entry;

		if (!can_take(seat) || seat->load >= depth ||
			(depth > 1 && is_slow(plan, seat)))
			continue;
		if (!wf_slow_may_offer(plan, role))
			return false;
		entry = wf_dispatch_next(plan, role);
		if (entry == NULL)
			return false;
		wf_seat_offer(plan, seat, entry);
	}
	return role->nready > 0;
}

/*
 * Where priorities matter nothing is given in advance, and what was is taken
 * back when something comes that goes before it: who is ready first gets it.
 */
static void
make_way(WfPlan *plan, WfRole *role)
{
	WfEntry *first = wf_ready_first(role);
	dlist_iter iter;

	dlist_foreach (iter, &role->seats)
	{
		WfSeat *seat = dlist_container(WfSeat, role_node, iter.cur);

		/* the last run of one that goes stays */
		for (int i = 0; i < WF_CELLS && can_take(seat); i++)
		{
			WfEntry *entry = seat->entries[i];

			if (entry != NULL && entry->priority < first->priority &&
				wf_starts_before(first, entry) &&
				wf_seat_take_back(plan, entry))
				wf_ready_place(plan, entry);
		}
	}
}

static void
give_out(WfPlan *plan, WfRole *role)
{
	int able = count_able(role);
	int depth;

	/* also where nobody can take it: what may not start is not ready */
	if (wf_dispatch_next(plan, role) == NULL || able == 0)
		return;
	if (role->nurgent > 0)
		make_way(plan, role);
	depth = role->nready > able && role->nurgent == 0 ? WF_CELLS : 1;
	for (int i = 1; i <= depth; i++)
	{
		if (!give_round(plan, role, i))
			break;
	}
}

/* What was given in advance to somebody who is slow becomes ready again. */
static void
reclaim_from_slow(WfPlan *plan)
{
	for (int i = 0; i < plan->nused; i++)
	{
		WfSeat *seat = wf_plan_seat_of(plan, i);

		if (seat->load > 1 && is_slow(plan, seat))
			wf_seat_clear_offers(plan, seat);
	}
}

/* Moves one run from the executor with most to one that has none. */
static bool
steal_for(WfPlan *plan, WfSeat *idle)
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
			(last == NULL || victim->seqs[i] > victim->seqs[last->cell]))
			last = entry;
	}
	if (last == NULL || !wf_seat_take_back(plan, last))
		return false;
	if (last->rated && last->rated_until <= plan->now)
	{
		/* it has to be admitted again */
		wf_ready_place(plan, last);
		plan->more = true;
		return false;
	}
	wf_seat_offer(plan, idle, last);
	return true;
}

static void
balance(WfPlan *plan)
{
	for (int i = 0; i < plan->nused; i++)
	{
		WfSeat *seat = wf_plan_seat_of(plan, i);

		if (seat->load == 0 && can_take(seat) && seat->role->nready == 0)
			(void) steal_for(plan, seat);
	}
}

void
wf_dispatch_give_out(WfPlan *plan)
{
	dlist_mutable_iter iter;

	if (plan->halted)
		return;

	reclaim_from_slow(plan);
	dlist_foreach_modify (iter, &plan->active)
		give_out(plan, dlist_container(WfRole, active, iter.cur));
	balance(plan);
}
