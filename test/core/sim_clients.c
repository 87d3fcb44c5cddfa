/*
 * sim_clients.c
 *		Transactions of the simulator that put work into queues.
 *
 * As in ipc/order.h and ipc/wakeup.h: rows are written, then the places of those
 * in strict groups are compared and perhaps drawn again, then all can be seen,
 * and then the highest place is raised and the plan is told.  Anything may
 * happen in between.
 */
#include "postgres.h"

#include "core/runid.h"

#include "sim.h"

/* rows beyond which nothing new is enqueued before all has ended */
#define MAX_ROWS 700

/* work of a transaction beyond which it is told as a range */
#define MAX_SINGLE 8

/* ---- the end of a transaction ---- */

static bool
is_compared(const SimRow *row)
{
	return row->strict && !row->delayed;
}

static bool
is_passed(Sim *sim, const SimRow *row)
{
	return is_compared(row) &&
		   sim->highest[row->queue_id][row->group] > row->place;
}

static void
compare(Sim *sim, const SimTx *tx)
{
	bool passed[SIM_QUEUES][SIM_GROUPS + 1] = {{false}};

	for (int i = 0; i < tx->n; i++)
	{
		SimRow *row = sim_row(sim, &tx->ids[i]);

		row->issued = sim->events;
		passed[row->queue_id][row->group] |= is_passed(sim, row);
	}
	for (int i = 0; i < tx->n && !(sim->broken & SIM_BREAK_COMPARE); i++)
	{
		SimRow *row = sim_row(sim, &tx->ids[i]);

		if (!is_compared(row) || !passed[row->queue_id][row->group])
			continue;
		sim->ticks = wf_runid_next(sim->ticks, sim->now);
		row->place = (int64) sim->ticks;
	}
}

static void
be_seen(Sim *sim, const SimTx *tx)
{
	for (int i = 0; i < tx->n; i++)
		sim_row(sim, &tx->ids[i])->state = SIM_QUEUED;
}

/* As it was written, whatever has become of it since it can be seen. */
static void
describe_new(Sim *sim, const SimRow *row, WfWork *work)
{
	SimRow written = *row;

	written.state = SIM_QUEUED;
	written.begun = written.came = written.paused = false;
	written.receiver = -1;
	if (!row->delayed)
		written.due_at = 0;
	sim_describe(sim, &written, work);
}

/* Does it come after all that was ever laid out? */
static bool
is_behind_shelf(Sim *sim, const SimTx *tx, const SimRow *row)
{
	return row->priority == 0 && tx->n <= MAX_SINGLE &&
		   row->ticks > sim->last_laid;
}

/* Each row by itself, or all as a range. */
static void
tell(Sim *sim, const SimTx *tx)
{
	WfWork range = {.id = tx->ids[0],
					.last_id = tx->ids[tx->n - 1],
					.place = PG_INT64_MAX,
					.deadline_at = DT_NOEND};

	for (int i = 0; i < tx->n; i++)
	{
		SimRow *row = sim_row(sim, &tx->ids[i]);
		int64 *highest = &sim->highest[row->queue_id][row->group];
		WfWork work;

		row->returned = sim->events;
		sim->shelf_heeded &= !row->message || is_behind_shelf(sim, tx, row);
		if (is_compared(row))
		{
			range.place = Min(range.place, row->place);
			if (!(sim->broken & SIM_BREAK_RAISE))
				*highest = Max(*highest, row->place);
		}
		if (tx->n > MAX_SINGLE)
			continue;
		describe_new(sim, row, &work);
		if (!work.due_at)
			work.flags |= WF_ASSIGN_FRESH;
		sim_push(sim, &work);
	}
	if (tx->n > MAX_SINGLE)
		sim_push(sim, &range);
}

static void
advance(Sim *sim, SimTx *tx)
{
	switch (tx->phase)
	{
		case SIM_TX_OPEN:
			compare(sim, tx);
			tx->phase = SIM_TX_COMMITTING;
			break;
		case SIM_TX_COMMITTING:
			be_seen(sim, tx);
			tx->phase = SIM_TX_VISIBLE;
			break;
		case SIM_TX_VISIBLE:
			tell(sim, tx);
			*tx = sim->open[--sim->nopen];
			break;
	}
}

/* ---- clients ---- */

void
sim_enqueue(Sim *sim)
{
	int n = sim_once_in(sim, 10) ? 1 + sim_below(sim, SIM_TX_ROWS)
								 : 1 + sim_below(sim, 3);
	bool rushes = sim_is_rush(sim) && !sim_once_in(sim, 3);
	bool messages = rushes || sim_once_in(sim, 3);
	int32 queue_id = sim_below(sim, SIM_QUEUES);
	uint64 group = sim_below(sim, SIM_GROUPS + 1);
	SimTx *tx = &sim->open[sim->nopen];

	if (sim->nrows + n > MAX_ROWS || sim->nopen == SIM_TX)
		return;
	tx->phase = SIM_TX_OPEN;
	tx->n = n;
	for (int i = 0; i < n; i++)
	{
		SimRow *row = sim_insert(sim, messages);

		tx->ids[i] = row->id;
		if (n > 3)
			row->queue_id = queue_id;
		if (n > 20)
			row->group = group;
		if (rushes)
			row->queue_id = sim->rush_queue;
		row->strict =
			row->group != 0 && sim->rules[row->queue_id].group_max_active == 1;
	}
	sim->nopen++;
	/* most do nothing else, and are committed at once */
	if (!sim_once_in(sim, 3))
	{
		advance(sim, tx);
		advance(sim, tx);
		advance(sim, tx);
	}
}

void
sim_client(Sim *sim)
{
	if (sim->nopen > 0)
		advance(sim, &sim->open[sim_below(sim, sim->nopen)]);
}

void
sim_end_clients(Sim *sim)
{
	while (sim->nopen > 0)
		sim_client(sim);
}
