/*
 * sim_check.c
 *		What must hold in the simulator, whatever happens.
 *
 * Limits, rates and order are counted anew from the rows and cells of the
 * model, not from what the plan believes.
 */
#include "postgres.h"

#include "core/state.h"

#include "sim.h"

void
sim_fault(Sim *sim, const char *fmt, ...)
{
	va_list args;

	if (sim->fault != NULL)
		return;
	va_start(args, fmt);
	vsnprintf(sim->fault_text, sizeof(sim->fault_text), fmt, args);
	va_end(args);
	sim->fault = sim->fault_text;
}

/* ---- groups ---- */

/* Are these in one group of this queue? */
static bool
same_group(const WfQueueRules *rules, const SimRow *a, const SimRow *b)
{
	return a->group == b->group &&
		   (a->group == 0 || !rules->group_by_owner || a->owner == b->owner);
}

static uint64
group_of(Sim *sim, const SimRow *row)
{
	return wf_group_of(&sim->rules[row->queue_id], row->group, row->owner);
}

/* ---- limits ---- */

static bool
is_in_hand(const SimRow *row)
{
	return row->seat >= 0 || row->receiver >= 0 || row->promised >= 0 ||
		   row->state == SIM_LEASED;
}

/* Started and unfinished, or about to. */
static bool
is_active(const SimRow *row)
{
	if (row->state == SIM_ENDED || row->state == SIM_OPEN)
		return false;
	if (row->state == SIM_BLOCKING || row->state == SIM_DEAD)
		return false;
	return row->begun || is_in_hand(row) || row->state == SIM_WAITING;
}

/* With this one, which is about to be in hand: is there one too many? */
static void
check_limits(Sim *sim, const SimRow *one)
{
	const WfQueueRules *rules = &sim->rules[one->queue_id];
	int running = 1;
	int active = 1;
	int in_group = 1;
	bool blocked = false;

	for (int i = 0; i < sim->nrows; i++)
	{
		const SimRow *row = &sim->rows[i];

		if (row == one || row->queue_id != one->queue_id)
			continue;
		if (row->unread)
			continue;
		running += is_in_hand(row) && !sim_is_finished(row);
		/* one that is retried after its end goes on beyond the limits */
		if (row->retries == 0 || row->message)
		{
			active += is_active(row);
			in_group += is_active(row) && same_group(rules, row, one);
		}
		/* as far as the plan has been told */
		blocked |= (row->state == SIM_BLOCKING || row->state == SIM_DEAD) &&
				   same_group(rules, row, one) && row->seat < 0;
	}
	if (rules->max_running > 0 && running > rules->max_running &&
		!one->excused)
		sim_fault(sim, "max_running of %d exceeded in queue %d",
				  rules->max_running, one->queue_id);
	if (one->begun || one->started || one->excused)
		return; /* was counted before, whatever the limits are now */
	if (rules->max_active > 0 && active > rules->max_active)
		sim_fault(sim, "max_active of %d exceeded in queue %d",
				  rules->max_active, one->queue_id);
	if (one->group == 0)
		return;
	if (rules->group_max_active > 0 && in_group > rules->group_max_active)
		sim_fault(sim, "group_max_active of %d exceeded in queue %d",
				  rules->group_max_active, one->queue_id);
	if (rules->blocks && blocked && !one->excused)
		sim_fault(sim, "a closed group of queue %d has started something",
				  one->queue_id);
}

void
sim_closed(Sim *sim, const SimRow *one)
{
	for (int i = 0; i < sim->nrows; i++)
	{
		SimRow *row = &sim->rows[i];
		WfEntry *entry;

		if (row->queue_id != one->queue_id ||
			!same_group(&sim->rules[one->queue_id], row, one) ||
			sim_is_finished(row))
			continue;
		entry = wf_ready_find(sim->plan, &row->id);
		row->excused |= entry != NULL && entry->active;
	}
}

/* ---- order ---- */

/*
 * In a strict group nothing starts before what was committed before its own
 * commit was issued, of all that was enqueued under the present rules.
 */
static void
check_order(Sim *sim, const SimRow *one)
{
	const WfQueueRules *rules = &sim->rules[one->queue_id];

	if (one->begun || one->started || one->delayed || one->retries > 0 ||
		one->group == 0 || rules->group_max_active != 1 ||
		one->drawn <= sim->strict_since[one->queue_id])
		return;
	for (int i = 0; i < sim->nrows; i++)
	{
		const SimRow *row = &sim->rows[i];

		if (row->queue_id == one->queue_id && same_group(rules, row, one) &&
			row->state == SIM_QUEUED && !row->started && !row->delayed &&
			row->retries == 0 && !is_in_hand(row) && row->writers == 0 &&
			row->returned != 0 && row->returned < one->issued &&
			row->drawn > sim->strict_since[one->queue_id])
			sim_fault(sim, "order of a strict group in queue %d",
					  one->queue_id);
	}
}

/* ---- fairness ---- */

static bool
is_waiting_group(Sim *sim, WfQueue *queue, uint64 group)
{
	WfGroup *g = wf_group_find(queue, group);

	return g != NULL && g->stands[WF_SIDE_RUNS].line.n > 0 &&
		   g->limiter.rate == NULL && g->stands[0].standing != WF_GROUP_OUT &&
		   g->stands[0].standing != WF_GROUP_BEHIND;
}

/* Counts starts of a group while others wait for their turn. */
static void
check_fairness(Sim *sim, const SimRow *one)
{
	const WfQueueRules *rules = &sim->rules[one->queue_id];
	WfQueue *queue = wf_group_queue(sim->plan, one->queue_id, false);

	if (!rules->fair || rules->group_by_owner || one->message || one->begun ||
		one->started || queue == NULL)
		return;
	for (int other = 1; other <= SIM_GROUPS; other++)
	{
		int *passed = &sim->passed[one->queue_id][other][one->group];

		if (other == one->group)
			*passed = 0;
		else if (!is_waiting_group(sim, queue, other))
			*passed = sim_has_more(queue, other) ? *passed : 0;
		else if (++*passed > 6 + 5 * SIM_SLOTS)
			sim_fault(sim, "a group of the fair queue %d got no turn",
					  one->queue_id);
	}
	for (int other = 0; other <= SIM_GROUPS; other++)
		sim->passed[one->queue_id][one->group][other] = 0;
}

/* ---- starts ---- */

static bool
is_workflow_paused(const Sim *sim, int32 workflow_id)
{
	for (int i = 0; i < sim->npaused; i++)
	{
		if (sim->paused[i] == workflow_id)
			return true;
	}
	return false;
}

/* Suspects of a crash run one at a time. */
static void
check_suspects(Sim *sim, const SimRow *one)
{
	/* one that has stopped since, and is retried, has been cleared */
	if (sim->nsuspects == 0 || one->retries > 0 || !sim_is_suspect(sim, one))
		return;
	for (int i = 0; i < sim->nrows; i++)
	{
		const SimRow *row = &sim->rows[i];

		if (row != one && row->seat >= 0 && row->retries == 0 &&
			sim_is_suspect(sim, row))
			sim_fault(sim, "two suspects are offered at the same time");
	}
}

void
sim_check_offer(Sim *sim, SimRow *row)
{
	if (row->seat >= 0)
		sim_fault(sim, "a run is offered twice");
	if (row->state == SIM_OPEN)
		sim_fault(sim, "a run is offered that is not committed");
	if (row->writers > 0)
		sim_fault(sim, "a run is offered whose row is being written");
	if (sim->halted || sim->rules[row->queue_id].paused ||
		is_workflow_paused(sim, row->workflow_id))
		sim_fault(sim, "a run is offered that is paused");
	sim_check_slow(sim, row);
	check_suspects(sim, row);
	if (sim_is_finished(row) || row->state == SIM_PARKED)
		return; /* the executor finds its row so, and that is all */
	check_limits(sim, row);
	check_order(sim, row);
	check_fairness(sim, row);
}

void
sim_check_taken(Sim *sim, SimRow *row)
{
	if (row->writers > 0)
		sim_fault(sim, "a run is begun whose row is being written");
}

/* ---- executors ---- */

static int
count_slots(const Sim *sim, Oid role, bool staying)
{
	int n = 0;

	for (int i = 0; i < SIM_SLOTS; i++)
	{
		const SimSlot *slot = &sim->slots[i];

		n += slot->role == role && slot->state != SIM_SLOT_FREE &&
			 !(staying && (slot->retire || slot->state == SIM_SLOT_GONE));
	}
	return n;
}

/* The last executor is not for the role that has all the others. */
void
sim_check_hire(Sim *sim, Oid role)
{
	int n = count_slots(sim, role, false) + 1;

	if (n > 1 && n >= sim->executors)
		sim_fault(sim, "role %u has all of %d executors", role,
				  sim->executors);
	if (sim->per_role >= 0 && n > sim->per_role)
		sim_fault(sim, "role %u has %d executors, one may have %d", role, n,
				  sim->per_role);
}

/* much more than what is on its way when a role comes, at any chance */
#define MOST_STARVED 60

/* A run is begun: does another role have work, and no executor for long? */
void
sim_check_turns(Sim *sim, const SimRow *one)
{
	for (Oid oid = 1; oid <= SIM_ROLES; oid++)
	{
		const WfRole *role = wf_ready_role(sim->plan, oid);

		if (oid == one->owner || role->nready == 0 ||
			role->not_before > sim->now || sim->plan->short_at != 0 ||
			count_slots(sim, oid, true) > 0)
			sim->starved[oid] = 0;
		else if (++sim->starved[oid] > MOST_STARVED)
			sim_fault(sim, "role %u has work and gets no turn", oid);
	}
}


/*
 * Is it in memory, and with nobody as far as the plan knows?  What is in the
 * table alone is read when there is room.
 */
static bool
is_waiting(Sim *sim, const SimRow *row)
{
	const WfEntry *entry = wf_ready_find(sim->plan, &row->id);

	return entry != NULL && entry->place != WF_PLACE_ANSWER &&
		   entry->place != WF_PLACE_HELD && entry->place != WF_PLACE_LEASED;
}

/* No entry that was known at the last decision may come before it. */
void
sim_check_laid(Sim *sim, const SimRow *one)
{
	for (int i = 0; i < sim->nrows; i++)
	{
		const SimRow *row = &sim->rows[i];

		if (row == one || !row->message || row->queue_id != one->queue_id ||
			row->state != SIM_QUEUED || is_in_hand(row) || row->writers > 0 ||
			row->due_at != 0 || one->due_at != 0 || row->read >= sim->decided)
			continue;
		if ((row->priority > one->priority ||
			 (row->priority == one->priority && row->ticks < one->ticks)) &&
			is_waiting(sim, row))
			sim_fault(sim,
					  "the shelf of queue %d does not begin with the first",
					  one->queue_id);
	}
}

/* ---- rates ---- */

void
sim_forget_starts(Sim *sim, int32 queue_id)
{
	int n = 0;

	for (int i = 0; i < sim->nstarts; i++)
	{
		if (queue_id >= 0 && sim->starts[i].queue_id != queue_id)
			sim->starts[n++] = sim->starts[i];
	}
	sim->nstarts = n;
	for (int i = 0; i < sim->nreserved; i++)
	{
		if (queue_id < 0 || sim->reserved[i].queue_id == queue_id)
			sim->reserved[i].exempt = true;
	}
	for (int i = 0; i < SIM_SLOTS; i++)
	{
		for (int j = 0; j < WF_CELLS; j++)
			sim->slots[i].cells[j].exempt = true;
	}
}

static void
check_rate(Sim *sim, const SimRow *row, uint64 group, int32 limit)
{
	const WfQueueRules *rules = &sim->rules[row->queue_id];
	int n = 1;

	if (limit == 0)
		return;
	for (int i = 0; i < sim->nstarts; i++)
	{
		const SimStart *start = &sim->starts[i];

		n += start->queue_id == row->queue_id &&
			 (group == 0 || start->group == group) &&
			 start->at > sim->now - rules->rate_period;
	}
	if (n > limit)
		sim_fault(sim, "rate limit of %d exceeded in queue %d, group %d",
				  limit, row->queue_id, (int) group);
}

/* A start must have been reserved, shortly before it was offered. */
static void
check_reserved(Sim *sim, const SimRow *row, TimestampTz offered_at,
			   uint64 group, int32 limit)
{
	SimReserved *first = NULL;

	if (limit == 0)
		return;
	for (int i = 0; i < sim->nreserved; i++)
	{
		SimReserved *r = &sim->reserved[i];

		/* of all that are good, the one that is over first */
		if (r->queue_id == row->queue_id && r->group == group && r->left > 0 &&
			r->at + WF_RATE_VALID_USEC >= offered_at &&
			(first == NULL || r->at < first->at))
			first = r;
	}
	if (first != NULL)
		first->left--;
	else
		sim_fault(sim, "a start in queue %d, group %d was not reserved",
				  row->queue_id, (int) group);
}

/* A start of its queue and group, which was offered at that time. */
static void
count_start(Sim *sim, const SimRow *row, TimestampTz offered_at)
{
	const WfQueueRules *rules = &sim->rules[row->queue_id];

	check_rate(sim, row, 0, rules->rate_limit);
	check_reserved(sim, row, offered_at, 0, rules->rate_limit);
	if (row->group != 0)
	{
		check_rate(sim, row, group_of(sim, row), rules->group_rate_limit);
		check_reserved(sim, row, offered_at, group_of(sim, row),
					   rules->group_rate_limit);
	}
	if (sim->nstarts == SIM_STARTS)
	{
		memmove(sim->starts, sim->starts + 1,
				(SIM_STARTS - 1) * sizeof(SimStart));
		sim->nstarts--;
	}
	sim->starts[sim->nstarts].queue_id = row->queue_id;
	sim->starts[sim->nstarts].group = group_of(sim, row);
	sim->starts[sim->nstarts++].at = sim->now;
}

/* User code begins, in this cell. */
void
sim_check_begin(Sim *sim, SimRow *row, const SimCell *cell)
{
	/* no executor sleeps on an offer for as long as clocks jump here */
	if (row->started || row->begun || row->excused || cell->exempt ||
		sim->now - cell->offered_at > 5 * USECS_PER_SEC)
		return;
	count_start(sim, row, cell->offered_at);
}

/* To a receiver, which is a start unless it was one before. */
void
sim_check_handed(Sim *sim, SimRow *row)
{
	if (row->promised >= 0)
		sim_fault(sim, "a message of queue %d is handed out twice",
				  row->queue_id);
	check_limits(sim, row);
	check_order(sim, row);
	if (!row->rated && !row->started && !row->begun && !row->excused)
		count_start(sim, row, sim->now);
	row->rated = true;
}

/* ---- after a decision that had all its answers ---- */

/* No role may keep more executors than it may have by now. */
static void
check_share(Sim *sim, WfRole *role)
{
	int most = sim->executors > 1 ? sim->executors - 1 : 1;
	dlist_iter iter;
	int n = 0;

	if (sim->per_role >= 0)
		most = Min(most, sim->per_role);
	dlist_foreach (iter, &role->seats)
	{
		const WfSeat *seat = dlist_container(WfSeat, role_node, iter.cur);

		n += seat->state == WF_SEAT_LIVE && !seat->retiring;
	}
	if (n > most)
		sim_fault(sim, "role %u keeps %d executors, one may have %d",
				  role->oid, n, most);
}

static bool
is_unlimited(const WfQueueRules *rules)
{
	return !rules->paused && !rules->fair && !rules->blocks &&
		   rules->max_running == 0 && rules->max_active == 0 &&
		   rules->group_max_active == 0 && rules->rate_limit == 0 &&
		   rules->group_rate_limit == 0;
}

/* Where a queue has no limits, none waits whose role has nothing in hand. */
static void
check_hidden(Sim *sim)
{
	for (int i = 0; i < sim->nrows; i++)
	{
		const SimRow *row = &sim->rows[i];
		const WfEntry *entry;

		if (row->message || !is_unlimited(&sim->rules[row->queue_id]))
			continue;
		entry = wf_ready_find(sim->plan, &row->id);
		if (entry != NULL && entry->place == WF_PLACE_GATE &&
			entry->door->nadmitted == 0)
			sim_fault(sim, "a run of role %u waits behind those of others",
					  row->owner);
	}
}

/* Is something ready, and somebody idle who could take it? */
void
sim_check_decided(Sim *sim)
{
	WfPlan *plan = sim->plan;

	for (Oid oid = 1; oid <= SIM_ROLES; oid++)
		check_share(sim, wf_ready_role(plan, oid));
	if (plan->halted)
		return;
	check_hidden(sim);
	for (int i = 0; i < plan->nused; i++)
	{
		WfSeat *seat = wf_plan_seat_of(plan, i);

		if (seat->state == WF_SEAT_LIVE && !seat->retiring &&
			seat->load == 0 && seat->role->nready > 0 &&
			wf_slow_may_offer(plan, seat->role))
			sim_fault(sim, "an executor idles while a run is ready");
	}
	if (plan->shelf.tail - plan->shelf.head > WF_SHELF_SIZE)
		sim_fault(sim, "the shelf is overfull");
	sim_check_windows(sim);
}

/* ---- shortages ---- */

#define PAUSE (USECS_PER_SEC / 4)
#define QUIET (4 * USECS_PER_SEC)

void
sim_slow_told(Sim *sim, Oid role, const WfCellNews *news)
{
	SimSlow met = {.on = true, .told_at = sim->now};

	if (news->engine_met)
	{
		sim->slow[0] = met;
		return;
	}
	if (news->wrote)
		sim->slow[0].on = false;
	if (news->shortage != WF_SHORTAGE_NONE)
		sim->slow[role] = met;
	else if (news->wrote)
		sim->slow[role].on = false;
}

/* A run that was offered has left its cell. */
void
sim_slow_back(Sim *sim, Oid role)
{
	sim->slow[0].noffers = Max(sim->slow[0].noffers - 1, 0);
	sim->slow[role].noffers = Max(sim->slow[role].noffers - 1, 0);
}

/* The plan is a new one, or the clock. */
void
sim_slow_forget(Sim *sim)
{
	memset(sim->slow, 0, sizeof(sim->slow));
}

/* While a shortage is met, one probe goes at a time, and none at first. */
void
sim_check_slow(Sim *sim, const SimRow *row)
{
	for (int i = 0; i <= SIM_ROLES; i++)
	{
		SimSlow *slow = &sim->slow[i];

		if (sim->now - slow->told_at >= PAUSE + QUIET)
			slow->on = false;
		if (!slow->on || (i > 0 && row->owner != i))
			continue;
		if (++slow->noffers > (sim->now - slow->told_at) / PAUSE)
			sim_fault(
				sim, "%d runs were offered %d ms after a shortage was met",
				slow->noffers, (int) ((sim->now - slow->told_at) / 1000));
	}
}
