/*
 * sim_memory.c
 *		Executors of the simulator, and what is done in its shared memory.
 */
#include "postgres.h"

#include "sim.h"

/* ---- executors: what they do ---- */

/* An executor begins what was offered to it. */
static void
take(Sim *sim, SimCell *cell)
{
	SimRow *row = sim_row(sim, &cell->id);

	cell->state = SIM_CELL_TAKEN;
	sim_check_taken(sim, row);
	sim_check_turns(sim, row);
}

static bool
can_begin(const SimRow *row)
{
	return row->state == SIM_QUEUED || row->state == SIM_WAITING;
}

/* User code begins. */
static void
begin(Sim *sim, SimCell *cell)
{
	SimRow *row = sim_row(sim, &cell->id);

	if (!can_begin(row) || row->paused)
		return;
	cell->begun_at = sim->now;
	sim_check_begin(sim, row, cell);
	row->started = true;
	row->came = false;
}

static void
done(SimCell *cell, WfOutcome outcome)
{
	cell->state = SIM_CELL_DONE;
	cell->outcome = outcome;
}

static void
fail(SimCell *cell, SimRow *row)
{
	bool blocks = (cell->flags & WF_ASSIGN_BLOCKS) != 0;

	row->state = blocks ? SIM_BLOCKING : SIM_ENDED;
	done(cell, blocks ? WF_OUTCOME_BLOCKS : WF_OUTCOME_FAILED);
}

/* The engine's own write fails, or that of the step, which can be recorded. */
static void
meet_shortage(Sim *sim, SimCell *cell, SimRow *row)
{
	cell->shortage = WF_SHORTAGE_DISK;
	cell->engine_met = sim_once_in(sim, 2);
	cell->wrote = !cell->engine_met;
	row->state = SIM_QUEUED;
	row->due_at = cell->due_at =
		sim->now + (cell->engine_met ? 2 : sim_below(sim, 20)) * USECS_PER_SEC;
	done(cell, WF_OUTCOME_LATER);
	sim->nmet++;
}

/* The row is written by whoever has it in a cell. */
static void
end(Sim *sim, SimCell *cell)
{
	SimRow *row = sim_row(sim, &cell->id);
	int dice = sim->settling ? 0 : sim_below(sim, 100);

	if (!can_begin(row))
	{
		done(cell,
			 row->state == SIM_PARKED ? WF_OUTCOME_PARKED : WF_OUTCOME_ENDED);
		return;
	}
	if (row->paused)
	{
		done(cell, WF_OUTCOME_PAUSED);
		return;
	}
	if (cell->begun_at == 0)
	{
		done(cell, WF_OUTCOME_YIELDED); /* it could not have its lock */
		return;
	}
	if (cell->request & WF_REQ_TIMEOUT)
	{
		cell->wrote = true;
		fail(cell, row);
		return;
	}
	row->begun = true;
	cell->wrote = (cell->request & WF_REQ_YIELD) == 0;
	if (cell->request & WF_REQ_YIELD)
		done(cell, WF_OUTCOME_YIELDED);
	else if (sim->full && !sim->settling)
		meet_shortage(sim, cell, row);
	else if (dice < 75)
	{
		row->state = SIM_ENDED;
		done(cell, WF_OUTCOME_ENDED);
	}
	else if (dice < 80)
		fail(cell, row);
	else if (dice < 83)
	{
		row->state = SIM_PARKED;
		done(cell, WF_OUTCOME_PARKED);
	}
	else if (dice < 91)
	{
		row->state = SIM_QUEUED;
		row->due_at = cell->due_at =
			sim->now + sim_below(sim, 20) * USECS_PER_SEC;
		done(cell, WF_OUTCOME_LATER);
	}
	else
	{
		row->state = SIM_WAITING;
		row->due_at = 0;
		if (sim_once_in(sim, 2))
			row->due_at = sim->now + sim_below(sim, 20) * USECS_PER_SEC;
		cell->due_at = row->due_at;
		done(cell, WF_OUTCOME_WAITS);
	}
}

static SimCell *
first_cell(SimSlot *slot, SimCellState state)
{
	SimCell *first = NULL;

	for (int i = 0; i < WF_CELLS; i++)
	{
		if (slot->cells[i].state == state &&
			(first == NULL || slot->cells[i].seq < first->seq))
			first = &slot->cells[i];
	}
	return first;
}

static void
vanish(SimSlot *slot, bool failed)
{
	slot->state = SIM_SLOT_GONE;
	slot->failed_start = failed;
}

/* The next thing that this executor does. */
void
sim_executor(Sim *sim, int index)
{
	SimSlot *slot = &sim->slots[index];
	SimCell *cell;

	switch (slot->state)
	{
		case SIM_SLOT_FREE:
		case SIM_SLOT_GONE:
			return;
		case SIM_SLOT_WANTED:
			slot->state = SIM_SLOT_STARTING;
			return;
		case SIM_SLOT_STARTING:
			slot->started_at = sim->now;
			if (!sim->settling && sim_once_in(sim, 20))
				vanish(slot, true);
			else
				slot->state = SIM_SLOT_LIVE;
			return;
		case SIM_SLOT_LIVE:
			break;
	}
	if (!sim->settling && sim_once_in(sim, 100))
	{
		vanish(slot, false);
		return;
	}
	cell = first_cell(slot, SIM_CELL_TAKEN);
	if (cell != NULL)
	{
		if (cell->begun_at == 0 && (sim->settling || !sim_once_in(sim, 10)))
			begin(sim, cell);
		end(sim, cell);
		return;
	}
	cell = first_cell(slot, SIM_CELL_OFFERED);
	if (slot->retire && (slot->served || cell == NULL))
	{
		vanish(slot, false);
		return;
	}
	if (cell == NULL)
		return;
	slot->served = true;
	take(sim, cell);
	if (!sim_once_in(sim, 4))
		begin(sim, cell);
}

/* No time passes between taking a run and beginning it. */
void
sim_begin_taken(Sim *sim)
{
	for (int i = 0; i < SIM_SLOTS; i++)
	{
		for (int j = 0; j < WF_CELLS; j++)
		{
			SimCell *cell = &sim->slots[i].cells[j];

			if (cell->state == SIM_CELL_TAKEN && cell->begun_at == 0 &&
				sim->slots[i].state == SIM_SLOT_LIVE)
				begin(sim, cell);
		}
	}
}

/* ---- executors: what the plan is told ---- */

static void
empty(Sim *sim, SimCell *cell)
{
	SimRow *row = sim_row(sim, &cell->id);

	cell->state = SIM_CELL_EMPTY;
	row->seat = -1;
	sim_slow_back(sim, row->owner);
	if (row->state == SIM_BLOCKING)
		sim_closed(sim, row);
}

static int
read_cells(Sim *sim, int index, WfCellNews *news)
{
	SimSlot *slot = &sim->slots[index];
	int n = 0;

	for (int i = 0; i < WF_CELLS; i++)
	{
		SimCell *cell = &slot->cells[i];
		const WfEntry *entry = wf_plan_in_cell(sim->plan, index, i);

		if (entry == NULL)
			continue;
		memset(&news[n], 0, sizeof(news[n]));
		news[n].cell = i;
		news[n].begun_at = cell->begun_at;
		if (cell->state == SIM_CELL_DONE)
		{
			news[n].kind = WF_CELL_HAS_ENDED;
			news[n].outcome = cell->outcome;
			news[n].due_at = cell->due_at;
			news[n].shortage = cell->shortage;
			news[n].engine_met = cell->engine_met;
			news[n].wrote = cell->wrote;
			sim_slow_told(sim, slot->role, &news[n]);
			news[n++].yielded = (cell->request & WF_REQ_YIELD) != 0;
			empty(sim, cell);
		}
		else if (slot->state == SIM_SLOT_GONE && cell->state == SIM_CELL_TAKEN)
		{
			news[n++].kind = WF_CELL_IS_LOST;
			/* nobody knows: it counts as a start */
			sim_row(sim, &cell->id)->started = true;
			empty(sim, cell);
		}
		else if (cell->state == SIM_CELL_TAKEN && cell->begun_at != 0)
			news[n++].kind = WF_CELL_HAS_BEGUN;
	}
	return n;
}

void
sim_reap(Sim *sim)
{
	static const WfSeatState states[] = {WF_SEAT_FREE, WF_SEAT_WANTED,
										 WF_SEAT_STARTING, WF_SEAT_LIVE,
										 WF_SEAT_LIVE};

	for (int i = sim->plan->nused - 1; i >= 0; i--)
	{
		int index = sim->plan->used[i];
		SimSlot *slot = &sim->slots[index];
		WfCellNews news[WF_CELLS];
		int n = read_cells(sim, index, news);

		if (n > 0)
			wf_plan_cells(sim->plan, sim->now, index, news, n);
		if (slot->state == SIM_SLOT_GONE && slot->failed_start &&
			sim_once_in(sim, 2))
			wf_plan_refused(sim->plan, sim->now, index,
							WF_SHORTAGE_CONNECTIONS);
		if (slot->state == SIM_SLOT_GONE)
			wf_plan_gone(sim->plan, sim->now, index, slot->failed_start);
		else
			wf_plan_seat_is(sim->plan, sim->now, index, states[slot->state],
							slot->started_at);
	}
}

/* A new plan takes over what executors have. */
void
sim_found(Sim *sim)
{
	for (int i = 0; i < SIM_SLOTS; i++)
	{
		SimSlot *slot = &sim->slots[i];

		if (slot->state == SIM_SLOT_FREE)
			continue;
		wf_plan_came(sim->plan, sim->now, i, slot->role, slot->retire);
		for (int j = 0; j < WF_CELLS; j++)
		{
			SimCell *cell = &slot->cells[j];
			WfWork work = {0};

			wf_plan_numbered(sim->plan, i, cell->seq);
			if (cell->state == SIM_CELL_OFFERED)
				empty(sim, cell);
			if (cell->state == SIM_CELL_EMPTY)
				continue;
			work.id = work.last_id = cell->id;
			work.owner = slot->role;
			work.queue_id = sim_row(sim, &cell->id)->queue_id;
			work.group = sim_row(sim, &cell->id)->group;
			work.deadline_at = DT_NOEND;
			wf_plan_found(sim->plan, sim->now, i, j, &work);
		}
	}
}

/* ---- the port ---- */

bool
sim_take_back(void *arg, WfLaid where, int index, uint64 position)
{
	Sim *sim = arg;
	SimCell *cell;

	if (where == WF_LAID_SHELF)
		return sim_shelf_take_back(sim, position, index);
	cell = &sim->slots[index].cells[position];
	if (cell->state == SIM_CELL_OFFERED && !sim->settling &&
		sim->slots[index].state == SIM_SLOT_LIVE && sim_once_in(sim, 3))
	{
		/* the executor is faster */
		take(sim, cell);
		begin(sim, cell);
	}
	if (cell->state != SIM_CELL_OFFERED)
		return false;
	empty(sim, cell);
	return true;
}

/* ---- actions ---- */

static void
offer(Sim *sim, int index, int at)
{
	SimCell *cell = &sim->slots[index].cells[at];
	uint64 seq;
	uint32 flags;
	const WfEntry *entry = wf_plan_offer(sim->plan, index, at, &seq, &flags);
	SimRow *row;

	if (entry == NULL)
		return;
	row = sim_row(sim, &entry->id);
	if (cell->state != SIM_CELL_EMPTY)
		sim_fault(sim, "a cell in use is filled");
	if (row == NULL)
	{
		sim_fault(sim, "work that never was is offered");
		return;
	}
	sim_check_offer(sim, row);
	memset(cell, 0, sizeof(*cell));
	cell->state = SIM_CELL_OFFERED;
	cell->id = row->id;
	cell->seq = seq;
	cell->flags = flags;
	cell->offered_at = sim->now;
	row->seat = index;
	sim->offers++;
}

static void
hire(Sim *sim, Oid role)
{
	int index = 0;

	while (index < SIM_SLOTS && sim->slots[index].state != SIM_SLOT_FREE)
		index++;
	if (index == SIM_SLOTS || (!sim->settling && sim_once_in(sim, 10)))
	{
		wf_plan_hired(sim->plan, sim->now, role, false);
		return;
	}
	sim_check_hire(sim, role);
	memset(&sim->slots[index], 0, sizeof(SimSlot));
	sim->slots[index].state = SIM_SLOT_WANTED;
	sim->slots[index].role = role;
	wf_plan_came(sim->plan, sim->now, index, role, false);
	wf_plan_hired(sim->plan, sim->now, role, true);
}

void
sim_act(Sim *sim)
{
	const WfAction *actions;
	int n;

	while (actions = wf_plan_actions(sim->plan, &n), n > 0)
	{
		for (int i = 0; i < n; i++)
		{
			const WfAction *a = &actions[i];

			switch (a->kind)
			{
				case WF_ACTION_OFFER:
					offer(sim, a->index, a->at);
					break;
				case WF_ACTION_INTERRUPT:
					sim->slots[a->index].cells[a->at].request |= a->bits;
					break;
				case WF_ACTION_RETIRE:
					sim->slots[a->index].retire = true;
					break;
				case WF_ACTION_HIRE:
					hire(sim, a->bits);
					break;
				case WF_ACTION_DISMISS:
					sim->slots[a->index].state = SIM_SLOT_FREE;
					break;
				case WF_ACTION_ANSWER:
					sim_answered(sim, a->index, a->bits);
					break;
				case WF_ACTION_WAKE:
					sim_woken(sim, a->index, a->bits);
					break;
				case WF_ACTION_SEEN:
				case WF_ACTION_FORGET:
					break;
			}
		}
	}
	sim_lay_out(sim);
}
