/*
 * sim_window.c
 *		More of a group, as the plan of the simulator asks for it.
 *
 * The plan has little memory in the simulator, so nearly every group that may be
 * closed has a window.  A refill is answered at once, late, after others, or,
 * when the plan is thrown away, never.  Its snapshot is of the time of the
 * answer, and what was committed before is told before the next decision.  Now and
 * then the row that names the group is gone.
 */
#include "postgres.h"

#include "core/runid.h"

#include "sim.h"

static bool
spot_is_before(const WfSpot *spot, const SimRow *row)
{
	if (spot->place != row->place)
		return spot->place < row->place;
	return wf_workid_cmp(&spot->id, &row->id) < 0;
}

/* The first row of the group beyond the spot, or NULL. */
static const SimRow *
next_of_group(Sim *sim, const WfPlanRequest *r, const WfSpot *spot)
{
	const SimRow *first = NULL;

	for (int i = 0; i < sim->nrows; i++)
	{
		const SimRow *row = &sim->rows[i];
		WfSpot at = {.place = row->place, .id = row->id};

		if (row->queue_id == r->queue_id &&
			wf_group_of(&sim->rules[row->queue_id], row->group, row->owner) ==
				r->group &&
			sim_is_read(row) && row->place <= r->upto &&
			spot_is_before(spot, row) &&
			(first == NULL || spot_is_before(&at, first)))
			first = row;
	}
	return first;
}

static void
read_group(Sim *sim, const WfPlanRequest *r, SimRefill *refill)
{
	const SimRow *row;

	refill->request = *r;
	refill->read_at = sim->events;
	refill->to = r->after;
	refill->how = WF_REFILL_ALL;
	refill->n = 0;
	if (sim_row(sim, &r->id) == NULL ||
		(!sim->settling && sim_once_in(sim, 50)))
	{
		refill->how = WF_REFILL_LOST;
		return;
	}
	while ((row = next_of_group(sim, r, &refill->to)) != NULL)
	{
		if (refill->n == Min(r->starts, SIM_REFILL_ROWS))
		{
			refill->how = WF_REFILL_SOME;
			break;
		}
		sim_describe(sim, row, &refill->rows[refill->n++]);
		refill->to.place = row->place;
		refill->to.id = row->id;
	}
}

static void
tell(Sim *sim, SimRefill *refill)
{
	sim->refills++;
	wf_plan_refilled(sim->plan, sim->now, &refill->request, refill->how,
					 &refill->to, refill->rows, refill->n);
}

static SimRefill *
early_of(Sim *sim, const WfPlanRequest *r)
{
	return &sim->early[r->epoch % lengthof(sim->early)];
}

void
sim_refill(Sim *sim, const WfPlanRequest *r)
{
	SimRefill refill;

	if ((sim->broken & SIM_BREAK_SNAPSHOT) &&
		early_of(sim, r)->request.epoch == r->epoch)
	{
		/* time enough for something to be told in between */
		if (!sim->settling && sim->npending < SIM_PENDING &&
			sim->events < early_of(sim, r)->read_at + 50)
		{
			sim->pending[sim->npending++] = *r;
			return;
		}
		sim_tell_ring(sim);
		refill = *early_of(sim, r);
	}
	else
		read_group(sim, r, &refill);
	tell(sim, &refill);
	sim_tell_ring(sim);
}

/* For a defect: reads before the plan is told of the last commits. */
void
sim_refill_asked(Sim *sim, const WfPlanRequest *r)
{
	if (sim->broken & SIM_BREAK_SNAPSHOT)
		read_group(sim, r, early_of(sim, r));
}

bool
sim_has_more(WfQueue *queue, uint64 group)
{
	const WfGroup *g = wf_group_find(queue, group);

	return g != NULL && g->window.on &&
		   g->window.known_to.place != PG_INT64_MAX;
}

/* May it be that something has yet to bring this row to the plan? */
static bool
may_come(Sim *sim, const SimRow *row)
{
	return row->returned == 0 || row->due_at != 0 || row->delayed ||
		   row->writers > 0 || row->receiver >= 0 || row->seat >= 0;
}

/*
 * When all is told and read, memory has whatever is not beyond the windows of
 * its groups.
 */
void
sim_check_windows(Sim *sim)
{
	if (sim->nring > 0 || sim->missed || sim->plan->nscans > 0)
		return;
	for (int i = 0; i < sim->nrows; i++)
	{
		const SimRow *row = &sim->rows[i];
		WfQueue *queue = wf_group_queue(sim->plan, row->queue_id, false);
		WfGroup *group;

		if (row->state != SIM_QUEUED || row->group == 0 || queue == NULL ||
			queue->spill.on || may_come(sim, row))
			continue;
		group = wf_group_find(
			queue, wf_group_of(&queue->rules, row->group, row->owner));
		if (group != NULL && group->window.on &&
			!spot_is_before(&group->window.known_to, row) &&
			wf_ready_find(sim->plan, &row->id) == NULL)
			sim_fault(sim, "a window in queue %d lacks a row", row->queue_id);
	}
}
