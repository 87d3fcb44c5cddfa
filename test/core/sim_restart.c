/*
 * sim_restart.c
 *		How the scheduler of the simulator starts anew, by itself or with the
 *		server.
 *
 * A crash of the server ends all transactions, executors and receivers.  What
 * executors had in hand is suspected of having brought it about, and goes one at
 * a time from then on.
 */
#include "postgres.h"

#include "sim.h"

/* ---- a crash ---- */

static void
suspect(Sim *sim, const SimCell *cell)
{
	SimRow *row = sim_row(sim, &cell->id);

	row->seat = -1;
	if (cell->state != SIM_CELL_TAKEN)
		return;
	/* nobody knows: it counts as a start */
	row->started = true;
	if (sim->nsuspects < SIM_SUSPECTS)
		sim->suspects[sim->nsuspects++] = row->id;
}

static void
crash(Sim *sim)
{
	sim->nsuspects = 0;
	for (int i = 0; i < SIM_SLOTS; i++)
	{
		SimSlot *slot = &sim->slots[i];

		for (int j = 0; j < WF_CELLS && slot->state != SIM_SLOT_FREE; j++)
		{
			if (slot->cells[j].state != SIM_CELL_EMPTY)
				suspect(sim, &slot->cells[j]);
		}
		memset(slot, 0, sizeof(*slot));
	}
	for (int i = 0; i < sim->nrows; i++)
		sim->rows[i].receiver = -1;
	for (int i = 0; i < SIM_RECEIVERS; i++)
		sim->receivers[i].state = SIM_IDLE;
}

bool
sim_is_suspect(const Sim *sim, const SimRow *row)
{
	for (int i = 0; i < sim->nsuspects; i++)
	{
		if (wf_workid_cmp(&sim->suspects[i], &row->id) == 0)
			return true;
	}
	return false;
}

/* ---- a new plan ---- */

/* The scheduler starts anew, from the tables and what executors have. */
void
sim_restart(Sim *sim)
{
	bool crashes = sim_once_in(sim, 2);

	sim->restarts++;
	sim_begin_taken(sim);
	sim_take_promised(sim);
	if (crashes)
		crash(sim);
	else
		sim->nsuspects = 0;
	for (int i = 0; i < sim->nrows; i++)
	{
		sim->rows[i].writers = 0;
		sim->rows[i].rated = false;
		sim->rows[i].unread =
			sim->rows[i].message &&
			(sim->rows[i].receiver >= 0 || sim->rows[i].state == SIM_LEASED);
	}
	sim->npending = sim->nclaims = 0;
	sim->nring = sim->nnews = 0;
	sim->missed = sim->news_lost = false;
	sim->shelf_head = sim->shelf_tail;
	for (int i = 0; i < sim->nreserved; i++)
		sim->reserved[i].left = 0;
	memset(sim->passed, 0, sizeof(sim->passed));
	memset(sim->starved, 0, sizeof(sim->starved));
	sim_slow_forget(sim);
	sim_new_plan(sim);
	wf_plan_suspect(sim->plan, sim->suspects, sim->nsuspects);
	sim_found(sim);
	sim_tell_rules(sim, true);
	wf_plan_shelf_starts(sim->plan, sim->shelf_tail);
	sim_load(sim);
	sim_tell_asks(sim);
}
