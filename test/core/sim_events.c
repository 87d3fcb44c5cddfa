/*
 * sim_events.c
 *		What happens in the simulator, and how it comes to an end.
 */
#include "postgres.h"

#include "core/state.h"

#include "sim.h"

/* ---- answers to what the plan asks ---- */

static void
keep_reserved(Sim *sim, const WfPlanRequest *r)
{
	SimReserved *place;

	if (sim->nreserved == sim->reserved_allocated)
	{
		sim->reserved_allocated = Max(2 * sim->reserved_allocated, 64);
		sim->reserved = realloc(sim->reserved,
								sim->reserved_allocated * sizeof(SimReserved));
	}
	place = &sim->reserved[sim->nreserved++];
	memset(place, 0, sizeof(*place));
	place->queue_id = r->queue_id;
	place->group = r->group;
	place->starts = place->left = r->starts;
	place->at = sim->now;
}

static void
forget_reserved(Sim *sim)
{
	int n = 0;

	for (int i = 0; i < sim->nreserved; i++)
	{
		SimReserved *r = &sim->reserved[i];

		if (r->at + 10 * USECS_PER_MINUTE > sim->now)
			sim->reserved[n++] = *r;
	}
	sim->nreserved = n;
}

static void
write_row(Sim *sim, const WfPlanRequest *r)
{
	SimRow *row = sim_row(sim, &r->id);
	WfOver over = WF_OVER_GONE;

	row->writers--;
	if (row->seat >= 0 && sim_row(sim, &r->id)->state != SIM_ENDED)
		sim_fault(sim, "a row is written while an executor has the run");
	if (r->kind == WF_PLAN_OWNER && sim->role_may[r->role])
		over = WF_OVER_NOT;
	else if (!sim_is_finished(row) && row->state != SIM_PARKED)
	{
		over = r->kind == WF_PLAN_EXPIRE ? WF_OVER_FAILED : WF_OVER_PARKED;
		row->state = SIM_PARKED;
		if (over == WF_OVER_FAILED)
			row->state = sim->rules[row->queue_id].blocks && row->group != 0
							 ? SIM_BLOCKING
							 : SIM_ENDED;
		if (row->state == SIM_BLOCKING)
			sim_closed(sim, row);
	}
	wf_plan_over(sim->plan, sim->now, &r->id, over);
}

static void
end_lease(Sim *sim, const WfPlanRequest *r)
{
	SimRow *row = sim_row(sim, &r->id);
	WfLeaseEnd end = {.id = r->id, .epoch = r->epoch, .tid = r->tid};

	row->writers--;
	if (row->state == SIM_ENDED)
		end.fate = WF_FATE_DONE;
	else if (row->state == SIM_DEAD)
		end.fate = WF_FATE_DIED;
	else if (row->receiver >= 0 ||
			 (row->state == SIM_LEASED && row->lease_until > sim->now))
	{
		end.fate = WF_FATE_LATER;
		end.at = Max(row->lease_until, sim->now + USECS_PER_SEC);
		end.counted = row->state == SIM_LEASED;
	}
	else if (row->state == SIM_LEASED && ++row->retries > 3 && !sim->settling)
	{
		bool blocks = sim->rules[row->queue_id].blocks && row->group != 0;

		row->state = blocks ? SIM_DEAD : SIM_ENDED;
		if (blocks)
			sim_closed(sim, row);
		end.fate = WF_FATE_DIED;
	}
	else
	{
		end.fate = WF_FATE_BACK;
		/* until the next decision others may be taken before it */
		sim->shelf_heeded = false;
		end.counted = true;
		row->state = SIM_QUEUED;
		row->begun |= r->uncounted;
	}
	wf_plan_lease_ended(sim->plan, sim->now, &end);
}

/* One of the answers that are open, which need not be the first. */
void
sim_answer(Sim *sim, int which)
{
	WfPlanRequest r = sim->pending[which];
	int64 left = 0;

	memmove(&sim->pending[which], &sim->pending[which + 1],
			(--sim->npending - which) * sizeof(WfPlanRequest));
	switch (r.kind)
	{
		case WF_PLAN_RESERVE:
			keep_reserved(sim, &r);
			wf_plan_reserved(sim->plan, sim->now, r.queue_id, r.group,
							 r.starts, sim->now);
			break;
		case WF_PLAN_ROLE:
			wf_plan_role_checked(sim->plan, sim->now, r.role,
								 sim->role_may[r.role]);
			break;
		case WF_PLAN_PARK:
		case WF_PLAN_OWNER:
		case WF_PLAN_EXPIRE:
			write_row(sim, &r);
			break;
		case WF_PLAN_LEASE:
			end_lease(sim, &r);
			break;
		case WF_PLAN_LOOK:
			sim_look(sim, &r);
			break;
		case WF_PLAN_COUNT:
			for (int i = 0; i < sim->nrows; i++)
				left += sim->rows[i].queue_id == r.queue_id &&
						!sim_is_finished(&sim->rows[i]) &&
						wf_workid_cmp(&sim->rows[i].id, &r.id) > 0;
			wf_plan_left(sim->plan, sim->now, r.queue_id, left);
			break;
		case WF_PLAN_FORWARD:
			break;
		case WF_PLAN_REFILL:
			sim_refill(sim, &r);
			break;
	}
}

static void
fetch_requests(Sim *sim)
{
	int n;
	const WfPlanRequest *requests = wf_plan_requests(sim->plan, &n);
	int ndeaths;

	(void) wf_plan_deaths(sim->plan, &ndeaths);
	for (int i = 0; i < n; i++)
	{
		SimRow *row;

		if (sim->npending == SIM_PENDING)
			sim_answer(sim, 0);
		sim->pending[sim->npending++] = requests[i];
		switch (requests[i].kind)
		{
			case WF_PLAN_PARK:
			case WF_PLAN_OWNER:
			case WF_PLAN_EXPIRE:
			case WF_PLAN_LEASE:
				row = sim_row(sim, &requests[i].id);
				row->writers++;
				if (sim->foreign)
					sim_fault(sim, "a row of a copy is written");
				break;
			case WF_PLAN_REFILL:
				sim_refill_asked(sim, &requests[i]);
				break;
			default:
				break;
		}
	}
}

/* The plan decides; most answers come at once, but not all. */
static void
decide(Sim *sim)
{
	for (int i = 0; i < 10; i++)
	{
		int last;

		wf_plan_decide(sim->plan, sim->now);
		sim->decided = sim->events;
		fetch_requests(sim);
		sim_act(sim);
		fetch_requests(sim);
		if (sim->npending == 0 && !sim->plan->more && i > 0)
			sim_check_decided(sim);
		if (sim->npending == 0)
		{
			sim->shelf_heeded |= sim->nnews == 0 && !sim->news_lost &&
								 !wf_plan_is_busy(sim->plan);
			break;
		}
		last = sim->npending;
		while (last-- > 0)
		{
			if (sim->settling || !sim_once_in(sim, 4))
				sim_answer(sim, sim_below(sim, sim->npending));
		}
		sim_act(sim);
		fetch_requests(sim);
	}
}

/* ---- clients ---- */

static SimRow *
any_row(Sim *sim)
{
	return sim->nrows > 0 ? &sim->rows[sim_below(sim, sim->nrows)] : NULL;
}

static void
send_signal(Sim *sim)
{
	SimRow *row = any_row(sim);

	if (row == NULL || row->message || sim_is_finished(row) ||
		row->state == SIM_OPEN)
		return;
	row->came = true;
	sim_note(sim, row, WF_ASSIGN_WAKE | WF_ASSIGN_REREAD);
}

/* A client's request comes to be dealt with. */
static void
claim(Sim *sim, SimRow *row, int kind)
{
	uint32 bits = kind == SIM_PAUSE ? WF_REQ_YIELD : WF_REQ_AGAIN;

	if (sim->nclaims == lengthof(sim->claims) || row->message ||
		row->state == SIM_OPEN)
		return;
	if (kind != SIM_PAUSE && wf_plan_has_taken(sim->plan, &row->id))
		return;
	if (!wf_plan_claim(sim->plan, sim->now, &row->id, bits))
	{
		sim_act(sim);
		return;
	}
	row->writers++;
	sim->claims[sim->nclaims].id = row->id;
	sim->claims[sim->nclaims++].kind = kind;
}

static void
again(Sim *sim, SimRow *row)
{
	WfWork work = {.id = row->id,
				   .last_id = row->id,
				   .owner = row->owner,
				   .workflow_id = row->workflow_id,
				   .queue_id = row->queue_id,
				   .priority = row->priority,
				   .group = row->group,
				   .place = row->place,
				   .deadline_at = DT_NOEND};

	row->state = SIM_QUEUED;
	row->due_at = 0;
	row->deadline_at = DT_NOEND;
	row->retries++;
	if (row->paused)
		work.flags |= WF_ASSIGN_PAUSED;
	if (row->begun)
		work.flags |= WF_ASSIGN_BEGUN;
	wf_plan_again(sim->plan, sim->now, &work, false);
}

/* ... and is committed. */
static void
commit_claim(Sim *sim)
{
	SimClaim c = sim->claims[0];
	SimRow *row = sim_row(sim, &c.id);

	memmove(&sim->claims[0], &sim->claims[1],
			--sim->nclaims * sizeof(SimClaim));
	row->writers--;
	wf_plan_release(sim->plan, sim->now, &c.id);
	switch (c.kind)
	{
		case SIM_CANCEL:
			if (row->state == SIM_ENDED)
				break;
			row->state = SIM_ENDED;
			wf_plan_over(sim->plan, sim->now, &c.id, WF_OVER_GONE);
			break;
		case SIM_PAUSE:
			if (sim_is_finished(row))
				break;
			row->paused = true;
			wf_plan_pause(sim->plan, sim->now, &c.id, true);
			break;
		case SIM_RESUME:
			row->paused = false;
			wf_plan_pause(sim->plan, sim->now, &c.id, false);
			break;
		case SIM_RETRY:
			if (row->state == SIM_PARKED || row->state == SIM_BLOCKING)
				again(sim, row);
			break;
	}
}

static void
ask_something(Sim *sim)
{
	static const int kinds[] = {SIM_PAUSE, SIM_RESUME, SIM_RESUME,
								SIM_RETRY, SIM_RETRY,  SIM_CANCEL};
	SimRow *row = any_row(sim);

	if (row != NULL)
		claim(sim, row, kinds[sim_below(sim, lengthof(kinds))]);
}

/* ---- operators, and time ---- */

/*
 * Entries counted under the rules before go on being counted, and what was
 * laid out under them may have been taken already.
 */
static void
excuse_active(Sim *sim, int32 queue_id)
{
	for (int i = 0; i < sim->nrows; i++)
	{
		SimRow *row = &sim->rows[i];
		WfEntry *entry = wf_ready_find(sim->plan, &row->id);

		row->excused |= row->queue_id == queue_id && entry != NULL &&
						(entry->active || entry->place == WF_PLACE_SHELF);
	}
}

static void
note_altered(Sim *sim, const WfQueueRules *before)
{
	int32 queue_id = before->queue_id;

	if (memcmp(before, &sim->rules[queue_id], sizeof(*before)) != 0)
		sim_forget_starts(sim, queue_id);
	sim->strict_since[queue_id] = sim->events;
	memset(sim->passed[queue_id], 0, sizeof(sim->passed[queue_id]));
	excuse_active(sim, queue_id);
}

void
sim_set_rules(Sim *sim, const WfQueueRules *rules)
{
	WfQueueRules before = sim->rules[rules->queue_id];

	sim->rules[rules->queue_id] = *rules;
	note_altered(sim, &before);
	sim->shelf_heeded = false;
	sim_tell_rules(sim, false);
	sim_act(sim);
}

static void
alter(Sim *sim)
{
	int what = sim_below(sim, 10);
	int32 queue_id = 1 + sim_below(sim, SIM_QUEUES - 1);

	if (what < 6)
	{
		WfQueueRules before = sim->rules[queue_id];

		sim_change_rules(sim, queue_id, false);
		note_altered(sim, &before);
	}
	else if (what < 8)
	{
		sim->npaused = 0;
		for (int i = 1; i < SIM_WORKFLOWS; i++)
		{
			if (sim_once_in(sim, 6))
				sim->paused[sim->npaused++] = i;
		}
	}
	else if (what < 9)
	{
		sim->halted = !sim->halted && sim_once_in(sim, 3);
		sim->foreign = sim->halted && sim_once_in(sim, 2);
	}
	else if (sim_once_in(sim, 2))
		for (int i = 2; i <= SIM_ROLES; i++)
			sim->role_may[i] = !sim_once_in(sim, 5);
	else
	{
		sim->executors =
			sim_once_in(sim, 2) ? 1 + sim_below(sim, 2) : SIM_SLOTS - 1;
		sim->per_role = sim_once_in(sim, 4) ? 1 + sim_below(sim, 3) : -1;
		sim_set(sim);
	}
	sim->shelf_heeded = false;
	sim_tell_rules(sim, false);
	sim_act(sim);
}

static void
pass_time(Sim *sim)
{
	sim_begin_taken(sim);
	if (sim_once_in(sim, 40))
		sim->full = !sim->full && sim_once_in(sim, 2);
	if (sim_once_in(sim, 200))
	{
		/* the clock is set back: what began counts by another clock */
		sim->now -= sim_below(sim, 20) * USECS_PER_SEC;
		sim_slow_forget(sim);
		sim_forget_starts(sim, -1);
		return;
	}
	if (sim_is_rush(sim) && !sim_once_in(sim, 50))
	{
		sim->now += sim_below(sim, 1000);
		return;
	}
	switch (sim_below(sim, 10))
	{
		case 0:
			sim_take_promised(sim);
			sim->now += sim_below(sim, 20) * USECS_PER_SEC;
			break;
		case 1:
		case 2:
			sim_take_promised(sim);
			sim->now += sim_below(sim, 1000) * 1000;
			break;
		default:
			sim->now += sim_below(sim, 30000);
	}
	forget_reserved(sim);
}

/* ---- a step ---- */

void
sim_step(Sim *sim)
{
	int dice = sim_below(sim, 100);

	sim->events++;
	if (sim_is_rush(sim) && sim_once_in(sim, 2))
		sim_rush_on(sim);
	else if (dice < 6)
		sim_enqueue(sim);
	else if (dice < 12)
		sim_client(sim);
	else if (dice < 42)
		sim_executor(sim, sim_below(sim, SIM_SLOTS));
	else if (dice < 57)
		sim_receiver(sim, sim_below(sim, SIM_RECEIVERS));
	else if (dice < 65)
		pass_time(sim);
	else if (dice < 68)
		send_signal(sim);
	else if (dice < 73)
		ask_something(sim);
	else if (dice < 78)
	{
		if (sim->nclaims > 0)
			commit_claim(sim);
	}
	else if (dice < 79)
	{
		if (sim_once_in(sim, 25))
			sim_rush(sim);
		else
			alter(sim);
	}
	else if (dice < 84)
		(void) sim_read_chunk(sim);
	else if (dice < 88)
		sim_tell_ring(sim);
	else if (dice < 92)
		sim_reap(sim);
	else if (dice < 94)
		sim_tell_news(sim);
	else if (dice < 95)
		sim_handle_message(sim);
	else if (sim_once_in(sim, 190))
		sim_restart(sim);
	sim_act(sim);
	fetch_requests(sim);
	if (sim->npending > 0 && sim_once_in(sim, 3))
		sim_answer(sim, sim_below(sim, sim->npending));
	if (sim_once_in(sim, 3))
	{
		sim_reap(sim);
		sim_tell_ring(sim);
		if (!sim_once_in(sim, 4))
			sim_tell_news(sim);
		wf_plan_shelf_at(sim->plan, sim->now, sim->shelf_head);
		decide(sim);
	}
}

/* ---- the end ---- */

/* What nobody goes on with by itself is let go, or ended, by clients. */
static void
let_all_go(Sim *sim)
{
	while (sim->nclaims > 0)
		commit_claim(sim);
	for (int i = 0; i < sim->nrows; i++)
	{
		SimRow *row = &sim->rows[i];

		if (row->message && row->state == SIM_DEAD)
			sim_bury(sim, row);
		if (row->message || row->writers > 0 ||
			wf_plan_has_taken(sim->plan, &row->id))
			continue;
		if (row->state == SIM_BLOCKING || row->state == SIM_PARKED)
			claim(sim, row, SIM_RETRY);
		else if (row->paused && !sim_is_finished(row))
			claim(sim, row, SIM_RESUME);
		else if (row->state == SIM_WAITING && !row->came)
		{
			row->came = true;
			sim_note(sim, row, WF_ASSIGN_WAKE | WF_ASSIGN_REREAD);
		}
		while (sim->nclaims > 0)
			commit_claim(sim);
	}
}

static int
count_open(const Sim *sim)
{
	int n = 0;

	for (int i = 0; i < sim->nrows; i++)
		n += !sim_is_finished(&sim->rows[i]);
	return n;
}

static void
settle_round(Sim *sim)
{
	sim_tell_ring(sim);
	while (sim_read_chunk(sim))
		;
	for (int i = 0; i < SIM_SLOTS; i++)
		sim_executor(sim, i);
	for (int i = 0; i < SIM_RECEIVERS; i++)
		sim_receiver(sim, i);
	sim_reap(sim);
	sim_tell_news(sim);
	wf_plan_shelf_at(sim->plan, sim->now, sim->shelf_head);
	sim_act(sim);
	fetch_requests(sim);
	while (sim->npending > 0)
		sim_answer(sim, 0);
	decide(sim);
}

/* Is anything left of what has ended? */
static void
check_empty(Sim *sim)
{
	if (count_open(sim) > 0)
	{
		for (int i = 0; i < sim->nrows; i++)
		{
			const SimRow *row = &sim->rows[i];
			WfEntry *entry = wf_ready_find(sim->plan, &row->id);

			if (sim_is_finished(row))
				continue;
			sim_fault(
				sim,
				"%s of queue %d is forgotten: state %d, place %d, %d are left",
				row->message ? "a message" : "a run", row->queue_id,
				row->state, entry != NULL ? entry->place : -1,
				count_open(sim));
		}
	}
	else if (sim->plan->nentries > 0)
		sim_fault(sim, "%u entries are left of what has ended",
				  sim->plan->nentries);
}

bool
sim_settle(Sim *sim)
{
	int rounds = 0;

	sim->settling = true;
	sim_end_clients(sim);
	sim->full = false;
	sim->halted = sim->foreign = false;
	sim->npaused = 0;
	for (int i = 0; i < SIM_QUEUES; i++)
		sim_change_rules(sim, i, true);
	for (int i = 0; i <= SIM_ROLES; i++)
		sim->role_may[i] = true;
	sim_tell_rules(sim, false);
	while (sim->fault == NULL && rounds++ < 30000)
	{
		if (rounds % 20 == 1)
			let_all_go(sim);
		if (count_open(sim) == 0 && sim->plan->nentries == 0)
			break;
		settle_round(sim);
		sim_begin_taken(sim);
		sim->now += rounds % 5 == 0 ? 2 * USECS_PER_SEC : 20000;
		sim->events++;
	}
	if (sim->fault == NULL)
		check_empty(sim);
	sim->settling = false;
	if (sim->fault != NULL)
		return false;

	/* blocking rows have been retried: all have ended, and nobody has any */
	for (int i = 0; i < SIM_RECEIVERS; i++)
	{
		if (sim->receivers[i].state == SIM_HOLDS)
			sim_receiver(sim, i);
	}
	settle_round(sim);
	forget_reserved(sim);
	return true;
}
