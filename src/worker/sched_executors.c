/*
 * sched_executors.c
 *		How many executors there are, and of which roles.
 *
 * Executors are asked for while there are runs that none has begun, up to
 * workflow.executors.  At that limit a role that has work but no executor is
 * *starved*: somebody of another role has to go, an idle one first.  The same
 * when slots are short for another reason: workflow.max_executors of the
 * cluster, or the server's worker slots.
 *
 * Whether a role may connect is looked up before each request for an executor,
 * and nowhere else; if it may not, its runs are parked.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/guc.h"
#include "core/state.h"
#include "ipc/entries.h"
#include "worker/sched.h"

/* a role's only executor may work this long before it can be sent away */
#define MIN_LIFE_USEC	 USECS_PER_SEC
/* when slots are short: look again after */
#define SHORT_RETRY_USEC USECS_PER_SEC

/* this cycle: no slot could be had, whatever our own limit says */
static bool slots_short;

/* ---- may this role have an executor? ---- */

typedef struct RoleFault
{
	const char *code;
	char message[NAMEDATALEN + 128];
	const char *hint;
} RoleFault;

/* in a transaction */
static bool
role_may_connect(Oid oid, RoleFault *fault)
{
	HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(oid));
	Form_pg_authid role;
	bool ok = false;

	if (!HeapTupleIsValid(tuple))
	{
		fault->code = "42704";
		strlcpy(fault->message, "role that owns the run does not exist",
				sizeof(fault->message));
		fault->hint = "Create the role again and use workflow.retry_run().";
		return false;
	}
	role = (Form_pg_authid) GETSTRUCT(tuple);
	fault->code = "42501";
	if (WF_ROLE_NEEDS_LOGIN && !role->rolcanlogin)
	{
		snprintf(fault->message, sizeof(fault->message),
				 "role \"%s\" is not permitted to log in",
				 NameStr(role->rolname));
		fault->hint =
			"Its workflows are executed by a process connected as this role. Give it LOGIN and use workflow.retry_run().";
	}
	else if (wf_database_aclcheck(MyDatabaseId, oid, ACL_CONNECT) !=
			 ACLCHECK_OK)
	{
		snprintf(fault->message, sizeof(fault->message),
				 "role \"%s\" may not connect to the database",
				 NameStr(role->rolname));
		fault->hint =
			"Grant CONNECT on the database and use workflow.retry_run().";
	}
	else
		ok = true;
	ReleaseSysCache(tuple);
	return ok;
}

/* Parks ready runs of a role; what is left is for the next cycle. */
static void
park_role(WfRole *role, const RoleFault *fault)
{
	WfEntry *entries[WF_SCHED_BATCH];
	int n = 0;

	while (n < WF_SCHED_BATCH && (entries[n] = wf_dispatch_next(role)) != NULL)
		wf_ready_take(&wf_sched.ready, entries[n++]);
	if (n > 0)
		wf_sched_park(entries, n, WF_REASON_OWNER, fault->code, fault->message,
					  fault->hint);
	if (n > 0)
		wf_sched.more = true;
}

static bool
check_role(WfRole *role)
{
	RoleFault fault;
	WfWindow w;
	bool ok;

	wf_sched_begin(&w, "checking a role");
	ok = role_may_connect(role->oid, &fault);
	wf_sched_commit(&w);
	if (!ok)
		park_role(role, &fault);
	return ok;
}

/* ---- how many executors ---- */

/* runs that nobody has begun, less executors that are about to come */
static int
count_wanted(WfRole *role)
{
	dlist_iter iter;
	int64 n = role->nready;

	dlist_foreach (iter, &role->seats)
	{
		WfSeat *seat = dlist_container(WfSeat, role_node, iter.cur);

		if (!seat->live)
			n--;
		else if (seat->load > 1)
			n += seat->load - 1;
	}
	return (int) Min(n, wf_shared->nslots);
}

/* false: no more can be had now */
static bool
ask_for_one(WfRole *role)
{
	WfSlot *slot = wf_slot_request(MyDatabaseId, role->oid);

	if (slot == NULL)
	{
		slots_short = true;
		wf_sched_wake_at(wf_sched.now + SHORT_RETRY_USEC);
		return false;
	}
	(void) wf_seat_add(slot);
	return true;
}

static void
ask_for(WfRole *role, int wanted)
{
	if (wanted <= 0 || slots_short || wf_sched.nused >= wf_executors)
		return;
	if (role->not_before > wf_sched.now)
	{
		wf_sched_wake_at(role->not_before);
		return;
	}
	/* the first after a failure alone */
	if (role->failures > 0)
		wanted = role->nseats > 0 ? 0 : 1;
	if (wanted > 0 && !check_role(role))
		return;
	while (wanted-- > 0 && wf_sched.nused < wf_executors)
	{
		if (!ask_for_one(role))
			break;
	}
}

static bool
is_only_wanted(const WfSeat *seat)
{
	return *(volatile WfSlotState *) &seat->slot->state == WF_SLOT_WANTED;
}

/*
 * Ready work, and no executor that could get to it.  One that was asked for
 * counts, unless the server is short of worker slots.
 */
static bool
is_starved(WfRole *role)
{
	dlist_iter iter;

	if (role->nready == 0 || role->not_before > wf_sched.now)
		return false;
	dlist_foreach (iter, &role->seats)
	{
		WfSeat *seat = dlist_container(WfSeat, role_node, iter.cur);

		if (seat->retiring)
			continue;
		if (!is_only_wanted(seat))
			return false;
		wf_sched_wake_at(wf_sched.now + SHORT_RETRY_USEC);
		if (*(volatile TimestampTz *) &wf_shared->short_since == 0)
			return false;
		slots_short = true;
	}
	return true;
}

/* How gladly a seat is given up; 0: not at all now. */
static int
eagerness(const WfSeat *seat)
{
	if (seat->retiring)
		return 0;
	if (!seat->live)
		return seat->role->nready == 0 ? 1000 : 0;
	if (seat->load == 0)
		return 500;
	if (seat->role->nseats > 1)
		return 1 + seat->role->nseats;
	if (wf_sched.now - seat->slot->started_at >= MIN_LIFE_USEC)
		return 1;
	wf_sched_wake_at(seat->slot->started_at + MIN_LIFE_USEC);
	return 0;
}

/* Sends one executor away, or withdraws a request for one. */
static bool
give_up_one(void)
{
	WfSeat *best = NULL;
	int most = 0;

	for (int i = 0; i < wf_sched.nused; i++)
	{
		WfSeat *seat = &wf_sched.seats[wf_sched.used[i]];
		int eager = eagerness(seat);

		if (eager > most || (eager == most && eager > 0 &&
							 seat->slot->started_at < best->slot->started_at))
		{
			best = seat;
			most = eager;
		}
	}
	if (best == NULL)
		return false;
	if (is_only_wanted(best))
		wf_seat_remove(best);
	else
		wf_seat_retire(best);
	return true;
}

static int
count_retiring(void)
{
	int n = 0;

	for (int i = 0; i < wf_sched.nused; i++)
		n += wf_sched.seats[wf_sched.used[i]].retiring;
	return n;
}

/*
 * Starved roles come first: for each that finds no room somebody else has to
 * go, unless enough are on their way out already.
 */
static void
feed_starved(void)
{
	dlist_mutable_iter iter;
	int homeless = 0;
	int leaving;

	dlist_foreach_modify (iter, &wf_sched.ready.active)
	{
		WfRole *role = dlist_container(WfRole, active, iter.cur);

		if (!is_starved(role))
			continue;
		ask_for(role, role->nseats > 0 ? 0 : 1);
		if (is_starved(role))
			homeless++;
	}
	if (wf_sched.nused < wf_executors && !slots_short)
		return;
	for (leaving = count_retiring(); leaving < homeless; leaving++)
	{
		if (!give_up_one())
			break;
	}
	if (wf_sched.nused < wf_executors && !slots_short)
		wf_sched.more = true;
}

static void
ask_for_all(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &wf_sched.ready.active)
	{
		WfRole *role = dlist_container(WfRole, active, iter.cur);

		ask_for(role, count_wanted(role));
	}
	/* also for what was given in advance to somebody else */
	for (int i = 0; i < wf_sched.nused; i++)
	{
		WfSeat *seat = &wf_sched.seats[wf_sched.used[i]];

		if (seat->load > 1 && seat->role->nready == 0)
			ask_for(seat->role, count_wanted(seat->role));
	}
}

/* workflow.executors was lowered */
static void
shed_surplus(void)
{
	int surplus = wf_sched.nused - count_retiring() - wf_executors;

	while (surplus-- > 0)
	{
		if (!give_up_one())
			break;
	}
}

/*
 * Requests still open, as the server is short of worker slots, for what others
 * have begun meanwhile, or what was cancelled or stopped.
 */
static void
withdraw_requests(void)
{
	/* backwards, as removing one moves the last into its place */
	for (int i = wf_sched.nused - 1; i >= 0; i--)
	{
		WfSeat *seat = &wf_sched.seats[wf_sched.used[i]];

		if (is_only_wanted(seat) &&
			(wf_sched.halted || count_wanted(seat->role) < 0))
			wf_seat_remove(seat);
	}
}

/* After wf_dispatch(): what is ready now found no executor. */
void
wf_executors_adjust(void)
{
	slots_short = false;
	withdraw_requests();
	if (wf_sched.nused > wf_executors)
		shed_surplus();
	if (wf_sched.halted)
		return;
	if (wf_sched.nused < wf_executors || wf_sched.ready.nready > 0)
		feed_starved();
	if (wf_sched.nused < wf_executors)
		ask_for_all();
}
