/*
 * plan_staff.c
 *		How many executors there are, and of which roles.
 *
 * Executors are asked for while there are runs that none has begun, up to
 * workflow.executors.  At that limit a role that has work but no executor is
 * *starved*: somebody of another role has to go, an idle one first.  The same
 * when slots are short for another reason: workflow.max_executors of the
 * cluster, or the server's worker slots.
 *
 * Steps may take hours and are not interrupted for that.  So the last executor
 * is for another role than the one that has all the others, however long it
 * stays free: who comes with work then finds a place at once.  Where there are
 * more roles with work than executors, each that is at work goes after the run
 * that it has, and they are served in turn; one that came but now has its first
 * run before it goes.
 *
 * Whether a role may connect is looked up before each request for an executor,
 * and nowhere else; if it may not, its runs are parked.
 */
#include "postgres.h"

#include "core/plan_parts.h"


/* when slots are short: look again after */
#define SHORT_RETRY_USEC USECS_PER_SEC

/* ---- how many executors ---- */

/* runs that nobody has begun, less executors that are about to come */
static int
count_wanted(WfPlan *plan, WfRole *role)
{
	dlist_iter iter;
	int64 n = role->nready - role->nhiring;

	dlist_foreach (iter, &role->seats)
	{
		WfSeat *seat = dlist_container(WfSeat, role_node, iter.cur);

		if (seat->state != WF_SEAT_LIVE)
			n--;
		else if (seat->load > 1)
			n += seat->load - 1;
	}
	return (int) Min(n, plan->nseats);
}

/* Those that we have, and those that we have asked for. */
static int
count_all(WfPlan *plan)
{
	return plan->nused + plan->nhiring;
}

/* Served now, so that the others come first from here on. */
static void
go_to_end(WfPlan *plan, WfRole *role)
{
	if (role->nready == 0 || wf_plan_is_broken(plan, WF_BREAK_TURNS))
		return;
	dlist_delete(&role->active);
	dlist_push_tail(&plan->active, &role->active);
}

static void
ask_for(WfPlan *plan, WfRole *role, int wanted)
{
	wanted = Min(wanted,
				 wf_share_most_of_role(plan) - role->nseats - role->nhiring);
	if (wanted <= 0 || plan->slots_short ||
		count_all(plan) >= plan->settings.executors)
		return;
	if (role->not_before > plan->now)
	{
		wf_plan_wake_at(plan, role->not_before);
		return;
	}
	/* the first after a failure alone, and one is enough for a probe */
	if (role->failures > 0 || wf_slow_is_short(plan, role))
		wanted = role->nseats + role->nhiring > 0 ? 0 : 1;
	if (wanted <= 0)
		return;
	if (role->check != WF_ROLE_GOOD)
	{
		WfPlanRequest request = {.kind = WF_PLAN_ROLE, .role = role->oid};

		if (role->check == WF_ROLE_UNCHECKED)
			wf_request_add(plan, &request);
		role->check = WF_ROLE_ASKED;
		return;
	}
	role->check = WF_ROLE_UNCHECKED;
	while (wanted-- > 0 && count_all(plan) < plan->settings.executors)
	{
		role->nhiring++;
		plan->nhiring++;
		wf_request_act(plan, WF_ACTION_HIRE, -1, 0, role->oid);
	}
	if (role->nhiring > 0)
		go_to_end(plan, role);
}

void
wf_plan_hired(WfPlan *plan, TimestampTz now, Oid oid, bool done)
{
	WfRole *role = wf_ready_role(plan, oid);

	plan->now = now;
	role->nhiring--;
	plan->nhiring--;
	if (!done)
		plan->short_at = now;
	plan->more = true;
}

/* Runs of a role that has no executor are parked, a batch at a time. */
void
wf_plan_role_checked(WfPlan *plan, TimestampTz now, Oid oid, bool may_connect)
{
	WfRole *role = wf_ready_role(plan, oid);
	WfEntry *entry;

	plan->now = now;
	plan->more = true;
	role->check = may_connect ? WF_ROLE_GOOD : WF_ROLE_UNCHECKED;
	for (int i = 0; i < WF_PLAN_BATCH && !may_connect; i++)
	{
		entry = plan->halted ? NULL : wf_dispatch_next(plan, role);
		if (entry == NULL)
			break;
		wf_row_write(plan, entry, WF_PLAN_OWNER);
	}
}

static bool
is_only_wanted(const WfSeat *seat)
{
	return seat->state == WF_SEAT_WANTED;
}

/*
 * Ready work, and no executor that could get to it.  One that was asked for
 * counts, unless the server is short of worker slots.
 */
static bool
is_starved(WfPlan *plan, WfRole *role)
{
	dlist_iter iter;

	if (role->nready == 0 || role->not_before > plan->now ||
		role->nhiring > 0 || wf_share_most_of_role(plan) == 0)
		return false;
	dlist_foreach (iter, &role->seats)
	{
		WfSeat *seat = dlist_container(WfSeat, role_node, iter.cur);

		if (seat->retiring)
			continue;
		if (!is_only_wanted(seat))
			return false;
		wf_plan_wake_at(plan, plan->now + SHORT_RETRY_USEC);
		if (!plan->settings.short_of_slots)
			return false;
		plan->slots_short = true;
	}
	return true;
}

/* How gladly a seat is given up; 0: not at all now. */
static int
eagerness(const WfSeat *seat)
{
	if (seat->retiring)
		return 0;
	if (seat->state != WF_SEAT_LIVE)
		return seat->role->nready == 0 ? 1000 : 0;
	if (seat->load == 0)
		return 500;
	return seat->role->nseats;
}

/*
 * Sends one executor away, of this role (NULL: of any), or withdraws a request
 * for one.
 */
static bool
give_up_one(WfPlan *plan, const WfRole *role)
{
	WfSeat *best = NULL;
	int most = 0;

	for (int i = 0; i < plan->nused; i++)
	{
		WfSeat *seat = wf_plan_seat_of(plan, i);
		int eager = role == NULL || seat->role == role ? eagerness(seat) : 0;

		if (eager > most || (eager == most && eager > 0 &&
							 seat->started_at < best->started_at))
		{
			best = seat;
			most = eager;
		}
	}
	if (best == NULL)
		return false;
	if (is_only_wanted(best))
		wf_seat_remove(plan, best);
	else
		wf_seat_retire(plan, best);
	return true;
}

static int
count_retiring(WfPlan *plan)
{
	int n = 0;

	for (int i = 0; i < plan->nused; i++)
		n += wf_plan_seat_of(plan, i)->retiring;
	return n;
}

/*
 * Starved roles come first: for each that finds no room somebody else has to
 * go, unless enough are on their way out already.
 */
static void
feed_starved(WfPlan *plan)
{
	dlist_mutable_iter iter;
	int homeless = 0;
	int leaving;

	dlist_foreach_modify (iter, &plan->active)
	{
		WfRole *role = dlist_container(WfRole, active, iter.cur);

		if (!is_starved(plan, role))
			continue;
		ask_for(plan, role, role->nseats > 0 ? 0 : 1);
		if (is_starved(plan, role) && role->check != WF_ROLE_ASKED)
			homeless++;
	}
	if (count_all(plan) < plan->settings.executors && !plan->slots_short)
		return;
	for (leaving = count_retiring(plan); leaving < homeless; leaving++)
	{
		if (!give_up_one(plan, NULL))
			break;
	}
	if (count_all(plan) < plan->settings.executors && !plan->slots_short)
		plan->more = true;
}

static void
ask_for_all(WfPlan *plan)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &plan->active)
	{
		WfRole *role = dlist_container(WfRole, active, iter.cur);

		ask_for(plan, role, count_wanted(plan, role));
	}
	/* also for what was given in advance to somebody else */
	for (int i = 0; i < plan->nused; i++)
	{
		WfSeat *seat = wf_plan_seat_of(plan, i);

		if (seat->load > 1 && seat->role->nready == 0)
			ask_for(plan, seat->role, count_wanted(plan, seat->role));
	}
}

/* workflow.executors was lowered */
static void
shed_surplus(WfPlan *plan)
{
	int surplus =
		count_all(plan) - count_retiring(plan) - plan->settings.executors;

	while (surplus-- > 0)
	{
		if (!give_up_one(plan, NULL))
			break;
	}
}

static int
count_staying(WfRole *role)
{
	dlist_iter iter;
	int n = 0;

	dlist_foreach (iter, &role->seats)
		n += !dlist_container(WfSeat, role_node, iter.cur)->retiring;
	return n;
}

/* The number of executors that a role may have was lowered. */
static void
shed_of_roles(WfPlan *plan)
{
	int most = wf_share_most_of_role(plan);

	/* backwards, as removing one moves the last into its place */
	for (int i = plan->nused - 1; i >= 0; i--)
	{
		WfRole *role;

		if (i >= plan->nused)
			continue;
		role = wf_plan_seat_of(plan, i)->role;
		if (role->nseats > most && count_staying(role) > most)
			(void) give_up_one(plan, role);
	}
}

/*
 * Requests still open, as the server is short of worker slots, for what others
 * have begun meanwhile, or what was cancelled or stopped.
 */
static void
withdraw_requests(WfPlan *plan)
{
	/* backwards, as removing one moves the last into its place */
	for (int i = plan->nused - 1; i >= 0; i--)
	{
		WfSeat *seat = wf_plan_seat_of(plan, i);

		if (is_only_wanted(seat) &&
			(plan->halted || count_wanted(plan, seat->role) < 0))
			wf_seat_remove(plan, seat);
	}
}

/* What was asked of the catalogs is good for this decision alone. */
static void
forget_checks(WfPlan *plan)
{
	dlist_iter iter;

	dlist_foreach (iter, &plan->active)
	{
		WfRole *role = dlist_container(WfRole, active, iter.cur);

		if (role->check == WF_ROLE_GOOD)
			role->check = WF_ROLE_UNCHECKED;
	}
}

/* After wf_dispatch_give_out(): what is ready now found no executor. */
void
wf_staff_adjust(WfPlan *plan)
{
	plan->slots_short = plan->short_at != 0 &&
						plan->now - plan->short_at < SHORT_RETRY_USEC &&
						plan->now >= plan->short_at;
	if (plan->slots_short)
		wf_plan_wake_at(plan, plan->short_at + SHORT_RETRY_USEC);
	withdraw_requests(plan);
	if (count_all(plan) > plan->settings.executors)
		shed_surplus(plan);
	shed_of_roles(plan);
	if (plan->halted)
		return;
	if (count_all(plan) < plan->settings.executors || plan->nready > 0)
		feed_starved(plan);
	if (count_all(plan) < plan->settings.executors)
		ask_for_all(plan);
	forget_checks(plan);
}

void
wf_plan_leave(WfPlan *plan, TimestampTz now)
{
	plan->now = now;
	for (int i = 0; i < plan->nused; i++)
	{
		WfSeat *seat = wf_plan_seat_of(plan, i);

		wf_seat_retire(plan, seat);
		for (int j = 0; j < WF_CELLS; j++)
		{
			if (seat->entries[j] != NULL)
				wf_seat_interrupt(plan, seat->entries[j], WF_REQ_CANCEL);
		}
	}
}
