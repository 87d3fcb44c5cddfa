/*
 * plan_slow.c
 *		Dispatch while the database is short of something.
 *
 * A full disk or lock table meets every run, and each that is started all the
 * same writes WAL that is thrown away.  So what a run has met slows down the
 * dispatch as a whole: nothing is offered for a pause, then a single *probe*.
 * Where it meets the shortage too, the pause doubles, up to MAX_PAUSE.  Each
 * that gets through lets twice as many go next, until OPEN may go at once; then
 * the shortage is over.  It is also over when none has been met for QUIET after
 * the last pause: a probe may have hours to run, and there may be none.
 *
 * There are two levels.  What the engine's own statements meet, nobody can
 * avoid or feign: it slows down the database.  What a step meets may be its own
 * fault, or pretended: it slows down the runs of its owner alone.  A failure
 * that could be recorded tells for the database that nothing is short.
 *
 * An offer counts as a probe of the *epoch* it was made in.  Each probe that
 * meets the shortage begins a new one, so what many executors meet at the same
 * time doubles the pause once.
 */
#include "postgres.h"

#include "core/plan_parts.h"

#define FIRST_PAUSE (USECS_PER_SEC / 4)
#define MAX_PAUSE	(4 * USECS_PER_SEC)
#define QUIET		(4 * USECS_PER_SEC)
#define OPEN		64
/* a run that the engine could not go on with makes room for another probe */
#define STAND_BACK	(2 * USECS_PER_SEC)

void
wf_slow_init(WfPlan *plan)
{
	dlist_init(&plan->slow_roles);
}

/* ---- what is offered ---- */

static bool
lets_go(WfPlan *plan, const WfSlow *slow)
{
	TimestampTz again = slow->next_at;

	if (slow->kind == WF_SHORTAGE_NONE)
		return true;
	if (plan->now >= slow->next_at)
	{
		/* one that takes long is no reason to wait for it */
		again = slow->offered_at + slow->pause;
		if (slow->nout < slow->window || plan->now >= again)
			return true;
	}
	wf_plan_wake_at(plan, again);
	return false;
}

bool
wf_slow_may_offer(WfPlan *plan, const WfRole *role)
{
	return wf_plan_is_broken(plan, WF_BREAK_SHORTAGE) ||
		   (lets_go(plan, &plan->slow) && lets_go(plan, &role->slow));
}

bool
wf_slow_is_short(const WfPlan *plan, const WfRole *role)
{
	return plan->slow.kind != WF_SHORTAGE_NONE ||
		   role->slow.kind != WF_SHORTAGE_NONE;
}

static void
count_offer(WfPlan *plan, WfSlow *slow, uint32 *epoch)
{
	*epoch = slow->epoch;
	if (slow->kind == WF_SHORTAGE_NONE)
		return;
	slow->nout++;
	slow->offered_at = plan->now;
}

void
wf_slow_offered(WfPlan *plan, WfSeat *seat, int cell)
{
	count_offer(plan, &plan->slow, &seat->epochs[cell]);
	count_offer(plan, &seat->role->slow, &seat->role_epochs[cell]);
}

void
wf_slow_left(WfPlan *plan, WfSeat *seat, int cell)
{
	WfSlow *slow = &seat->role->slow;

	if (plan->slow.nout > 0 && seat->epochs[cell] == plan->slow.epoch)
		plan->slow.nout--;
	if (slow->nout > 0 && seat->role_epochs[cell] == slow->epoch)
		slow->nout--;
}

/* ---- what has been met ---- */

static void
begin_epoch(WfPlan *plan, WfSlow *slow, int64 pause)
{
	slow->epoch++;
	slow->pause = pause;
	slow->next_at = plan->now + pause;
	slow->window = 1;
	slow->nout = 0;
}

static void
met(WfPlan *plan, WfSlow *slow, WfShortage kind, bool probe)
{
	if (slow->kind == WF_SHORTAGE_NONE)
	{
		slow->since = plan->now;
		slow->nmet = 0;
		slow->fresh = true;
		begin_epoch(plan, slow, FIRST_PAUSE);
	}
	else if (probe)
		begin_epoch(plan, slow, Min(2 * slow->pause, MAX_PAUSE));
	else
	{
		slow->next_at = Max(slow->next_at, plan->now + slow->pause);
		slow->window = 1;
	}
	slow->kind = kind;
	slow->nmet++;
	plan->more = true;
}

static void
met_by_role(WfPlan *plan, WfRole *role, WfShortage kind, bool probe)
{
	if (role->slow.kind == WF_SHORTAGE_NONE)
		dlist_push_tail(&plan->slow_roles, &role->slow_node);
	met(plan, &role->slow, kind, probe);
}

static void
end(WfPlan *plan, WfSlow *slow)
{
	slow->kind = WF_SHORTAGE_NONE;
	slow->nout = 0;
	slow->fresh = false;
	plan->more = true;
}

static void
end_of_role(WfPlan *plan, WfRole *role)
{
	if (role->slow.kind == WF_SHORTAGE_NONE)
		return;
	dlist_delete(&role->slow_node);
	end(plan, &role->slow);
}

/* A probe got through; false: and that is enough. */
static bool
passed(WfPlan *plan, WfSlow *slow, bool probe)
{
	if (slow->kind == WF_SHORTAGE_NONE || !probe)
		return true;
	slow->window *= 2;
	plan->more = true;
	return slow->window <= OPEN;
}

/* The run in this cell of the seat has ended, and is about to leave it. */
void
wf_slow_told(WfPlan *plan, WfSeat *seat, WfCellNews *news)
{
	bool probe = seat->epochs[news->cell] == plan->slow.epoch;
	bool of_role = seat->role_epochs[news->cell] == seat->role->slow.epoch;

	if (news->shortage != WF_SHORTAGE_NONE && news->engine_met)
	{
		met(plan, &plan->slow, news->shortage, probe);
		if (news->outcome == WF_OUTCOME_LATER)
			news->due_at =
				Max(news->due_at, plan->now + plan->slow.pause + STAND_BACK);
		return;
	}
	if (news->wrote && !passed(plan, &plan->slow, probe))
		end(plan, &plan->slow);
	if (news->shortage != WF_SHORTAGE_NONE)
		met_by_role(plan, seat->role, news->shortage, of_role);
	else if (news->wrote && !passed(plan, &seat->role->slow, of_role))
		end_of_role(plan, seat->role);
}

/* An executor of this seat's role could not connect. */
void
wf_plan_refused(WfPlan *plan, TimestampTz now, int index, WfShortage kind)
{
	plan->now = now;
	met_by_role(plan, plan->seats[index].role, kind, true);
}

TimestampTz
wf_slow_next(const WfRole *role)
{
	return role->slow.kind == WF_SHORTAGE_NONE ? 0 : role->slow.next_at;
}

/* One could. */
void
wf_slow_connected(WfPlan *plan, WfRole *role)
{
	if (role->slow.kind == WF_SHORTAGE_CONNECTIONS)
		end_of_role(plan, role);
}

void
wf_plan_short(WfPlan *plan, TimestampTz now, WfShortage kind)
{
	plan->now = now;
	met(plan, &plan->slow, kind, true);
}

/* ---- decisions ---- */

/* False when it is over. */
static bool
goes_on(WfPlan *plan, WfSlow *slow)
{
	/* the clock may have been set back meanwhile */
	slow->next_at = Min(slow->next_at, plan->now + slow->pause);
	slow->offered_at = Min(slow->offered_at, plan->now);
	if (plan->now >= slow->next_at + QUIET)
		return false;
	wf_plan_wake_at(plan, slow->next_at + QUIET);
	return true;
}

/* Counts runs given in advance to executors of the role, or of all roles. */
static void
take_back_offers(WfPlan *plan, const WfRole *role)
{
	for (int i = 0; i < plan->nused; i++)
	{
		WfSeat *seat = wf_plan_seat_of(plan, i);

		if (role == NULL || seat->role == role)
			wf_seat_clear_offers(plan, seat);
	}
}

void
wf_slow_look(WfPlan *plan)
{
	dlist_mutable_iter iter;

	if (plan->slow.kind != WF_SHORTAGE_NONE && !goes_on(plan, &plan->slow))
		end(plan, &plan->slow);
	if (plan->slow.fresh)
		take_back_offers(plan, NULL);
	plan->slow.fresh = false;
	dlist_foreach_modify (iter, &plan->slow_roles)
	{
		WfRole *role = dlist_container(WfRole, slow_node, iter.cur);

		if (!goes_on(plan, &role->slow))
			end_of_role(plan, role);
		else if (role->slow.fresh)
			take_back_offers(plan, role);
		role->slow.fresh = false;
	}
}

/* ---- what views show ---- */

static void
add_up(WfPlanShortage *sum, const WfSlow *slow)
{
	if (slow->kind == WF_SHORTAGE_NONE)
		return;
	if (sum->kind == WF_SHORTAGE_NONE || slow->kind < sum->kind)
		sum->kind = slow->kind;
	if (sum->since == 0 || slow->since < sum->since)
		sum->since = slow->since;
	sum->nmet += slow->nmet;
}

void
wf_plan_shortage(WfPlan *plan, WfPlanShortage *out)
{
	dlist_iter iter;

	memset(out, 0, sizeof(*out));
	add_up(out, &plan->slow);
	dlist_foreach (iter, &plan->slow_roles)
		add_up(out, &dlist_container(WfRole, slow_node, iter.cur)->slow);
}
