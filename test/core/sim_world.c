/*
 * sim_world.c
 *		The tables of the simulator: rows, rules, and what is read of them.
 */
#include "postgres.h"

#include "core/runid.h"
#include "core/state.h"

#include "sim.h"

/* ---- the plan's memory, which goes with the plan ---- */

typedef struct SimBlock
{
	struct SimBlock *prev;
	struct SimBlock *next;
	uint64 unused;
	uint64 magic;
} SimBlock;

static void *
get(void *arg, WfMemoryKind kind, Size size)
{
	Sim *sim = arg;
	SimBlock *block = malloc(sizeof(SimBlock) + size);

	block->prev = NULL;
	block->next = sim->blocks;
	if (block->next != NULL)
		block->next->prev = block;
	sim->blocks = block;
	return block + 1;
}

static void
give_back(void *arg, void *memory)
{
	Sim *sim = arg;
	SimBlock *block = (SimBlock *) memory - 1;

	if (block->prev != NULL)
		block->prev->next = block->next;
	else
		sim->blocks = block->next;
	if (block->next != NULL)
		block->next->prev = block->prev;
	free(block);
}

void
sim_set(Sim *sim)
{
	WfPlanSettings settings = {.executors = sim->executors,
							   .per_role = sim->per_role,
							   .memory = 60 * 400,
							   .floor = 20};

	wf_plan_set(sim->plan, &settings);
}

void
sim_new_plan(Sim *sim)
{
	WfMemory memory = {.get = get, .give_back = give_back, .arg = sim};
	WfPlanPort port = {.take_back = sim_take_back, .arg = sim};
	while (sim->blocks != NULL)
		give_back(sim, sim->blocks + 1);
	sim->plan = wf_plan_create(&memory, &port, SIM_SLOTS, SIM_RECEIVERS);
	sim_set(sim);
	wf_plan_break(sim->plan, sim->broken);
}

Sim *
sim_create(uint64 seed, uint32 broken)
{
	Sim *sim = calloc(1, sizeof(Sim));

	sim->rnd = seed * UINT64CONST(0x9e3779b97f4a7c15) + 1;
	sim->broken = broken;
	sim->now = 100 * USECS_PER_DAY;
	for (int i = 0; i < SIM_QUEUES; i++)
		sim->rules[i].queue_id = i;
	for (int i = 0; i <= SIM_ROLES; i++)
		sim->role_may[i] = true;
	sim->executors = SIM_SLOTS - 1;
	sim->per_role = -1;
	sim_new_plan(sim);
	sim_tell_rules(sim, true);
	wf_plan_shelf_starts(sim->plan, 0);
	sim_load(sim);
	return sim;
}

void
sim_destroy(Sim *sim)
{
	while (sim->blocks != NULL)
		give_back(sim, sim->blocks + 1);
	free(sim->rows);
	free(sim->reserved);
	free(sim);
}

/* ---- rows ---- */

bool
sim_is_finished(const SimRow *row)
{
	return row->state == SIM_ENDED || row->state == SIM_BLOCKING ||
		   row->state == SIM_DEAD;
}

SimRow *
sim_row(Sim *sim, const WfWorkId *id)
{
	uint64 ticks = wf_runid_ticks_of(id);
	int low = 0;
	int high = sim->nrows - 1;

	while (low <= high)
	{
		int i = (low + high) / 2;

		if (sim->rows[i].ticks == ticks)
			return &sim->rows[i];
		if (sim->rows[i].ticks < ticks)
			low = i + 1;
		else
			high = i - 1;
	}
	return NULL;
}

SimRow *
sim_insert(Sim *sim, bool message)
{
	SimRow *row;

	if (sim->nrows == sim->rows_allocated)
	{
		sim->rows_allocated = Max(2 * sim->rows_allocated, 1024);
		sim->rows = realloc(sim->rows, sim->rows_allocated * sizeof(SimRow));
	}
	row = &sim->rows[sim->nrows++];
	memset(row, 0, sizeof(*row));
	sim->ticks = wf_runid_next(sim->ticks, sim->now);
	row->ticks = sim->ticks;
	row->message = message;
	if (message)
		wf_workid_of_message((int64) row->ticks, &row->id);
	else
		wf_runid_make(row->ticks, next_random(&sim->rnd), &row->id);
	row->state = SIM_OPEN;
	row->queue_id = sim_below(sim, SIM_QUEUES);
	row->workflow_id = message ? 0 : sim_below(sim, SIM_WORKFLOWS);
	row->owner = 1 + (sim_once_in(sim, 3) ? sim_below(sim, SIM_ROLES) : 0);
	row->group = sim_once_in(sim, 4) ? 0 : 1 + sim_below(sim, SIM_GROUPS);
	/* one group is busier than all others, so that clients meet in it */
	if (sim_once_in(sim, 4))
		row->queue_id = row->group = 1;
	if (sim_once_in(sim, 20))
		row->priority = sim_below(sim, 5) - 2;
	if (sim_once_in(sim, 10))
	{
		row->due_at = sim->now + sim_below(sim, 100) * USECS_PER_SEC;
		row->delayed = true;
	}
	row->place = wf_workid_place(&row->id, row->due_at);
	row->deadline_at = DT_NOEND;
	if (!message && sim_once_in(sim, 20))
		row->deadline_at = sim->now + sim_below(sim, 60) * USECS_PER_SEC;
	row->seat = row->receiver = row->promised = -1;
	row->drawn = sim->events;
	row->strict =
		row->group != 0 && sim->rules[row->queue_id].group_max_active == 1;
	return row;
}

/* What a read, or a commit, says of a row. */
void
sim_describe(Sim *sim, const SimRow *row, WfWork *work)
{
	memset(work, 0, sizeof(*work));
	work->id = work->last_id = row->id;
	work->owner = row->owner;
	work->workflow_id = row->workflow_id;
	work->queue_id = row->queue_id;
	work->priority = row->priority;
	work->group = row->group;
	work->place = row->place;
	work->due_at = row->due_at;
	work->deadline_at = row->deadline_at;
	if (row->begun || row->state == SIM_WAITING)
		work->flags |= WF_ASSIGN_BEGUN;
	if (row->state == SIM_WAITING)
	{
		if (row->came)
			work->due_at = 0;
		else
			work->flags |= WF_ASSIGN_ASLEEP;
	}
	if (row->paused)
		work->flags |= WF_ASSIGN_PAUSED;
	if (row->state == SIM_LEASED)
	{
		work->flags |= WF_ASSIGN_LEASED;
		work->due_at = row->lease_until;
	}
	else if (row->state == SIM_DEAD)
		work->flags |= WF_ASSIGN_DEAD;
	else if (row->receiver >= 0)
		work->flags |= WF_ASSIGN_LOCKED;
}

/* ---- commits ---- */

void
sim_push(Sim *sim, const WfWork *work)
{
	if (sim->nring < lengthof(sim->ring) && !sim->missed)
	{
		sim->ring[sim->nring++] = *work;
		return;
	}
	/* no room: a range of ids to be read */
	if (!sim->missed || wf_workid_cmp(&work->id, &sim->missed_low) < 0)
		sim->missed_low = work->id;
	if (!sim->missed || wf_workid_cmp(&work->last_id, &sim->missed_high) > 0)
		sim->missed_high = work->last_id;
	sim->missed = true;
}

void
sim_note(Sim *sim, const SimRow *row, uint32 flags)
{
	WfWork work;

	sim_describe(sim, row, &work);
	work.flags = flags;
	sim_push(sim, &work);
}

void
sim_tell_ring(Sim *sim)
{
	if (sim->nring > 0)
		wf_plan_heard(sim->plan, sim->now, sim->ring, sim->nring);
	sim->nring = 0;
	if (sim->missed)
		wf_plan_missed(sim->plan, sim->now, &sim->missed_low,
					   &sim->missed_high);
	sim->missed = false;
}

/* ---- walks ---- */

bool
sim_is_read(const SimRow *row)
{
	return row->state != SIM_OPEN && row->state != SIM_PARKED &&
		   !sim_is_finished(row);
}

/* Is row a before row b in the order of this walk? */
static bool
comes_before(const WfScan *scan, TimestampTz due, const WfWorkId *id,
			 const SimRow *b)
{
	if (scan->kind == WF_SCAN_TIMERS && due != b->due_at)
		return due < b->due_at;
	return wf_workid_cmp(id, &b->id) < 0;
}

static bool
is_wanted(const WfScan *scan, const SimRow *row)
{
	if (!sim_is_read(row) ||
		!comes_before(scan, scan->after_due, &scan->after, row))
		return false;
	switch (scan->kind)
	{
		case WF_SCAN_RANGE:
			return wf_workid_cmp(&row->id, &scan->upto) <= 0;
		case WF_SCAN_TURN:
			return row->queue_id == scan->after_queue &&
				   (scan->sides &
					(row->message ? WF_SCAN_MESSAGES : WF_SCAN_RUNS)) != 0;
		case WF_SCAN_QUEUE:
			return row->queue_id == scan->after_queue;
		case WF_SCAN_TIMERS:
			return row->due_at != 0;
		case WF_SCAN_GROUP:
			break;
	}
	return false;
}

/* The first of the walk; NULL: there is none. */
static SimRow *
next_row(Sim *sim, const WfScan *scan)
{
	SimRow *first = NULL;

	for (int i = 0; i < sim->nrows; i++)
	{
		SimRow *row = &sim->rows[i];

		if (!is_wanted(scan, row))
			continue;
		if (first == NULL || comes_before(scan, row->due_at, &row->id, first))
			first = row;
		/* rows are sorted by id */
		if (scan->kind != WF_SCAN_TIMERS)
			break;
	}
	return first;
}

bool
sim_read_chunk(Sim *sim)
{
	WfWork rows[SIM_CHUNK];
	WfScan scan;
	int n = 0;

	if (wf_plan_scan(sim->plan) == NULL)
		return false;
	scan = *wf_plan_scan(sim->plan);
	while (n < SIM_CHUNK)
	{
		SimRow *row = next_row(sim, &scan);

		if (row == NULL)
			break;
		sim_describe(sim, row, &rows[n++]);
		row->read = sim->events;
		scan.after = row->id;
		scan.after_queue = row->queue_id;
		scan.after_due = row->due_at;
	}
	scan.done = n < SIM_CHUNK;
	wf_plan_read(sim->plan, sim->now, &scan, rows, n);
	return true;
}

/* The row of one message. */
void
sim_look(Sim *sim, const WfPlanRequest *request)
{
	SimRow *row = sim_row(sim, &request->id);
	WfWork work;

	if (row == NULL || row->state == SIM_ENDED || row->state == SIM_OPEN)
	{
		wf_plan_looked(sim->plan, sim->now, &request->id, request->epoch,
					   NULL);
		return;
	}
	sim_describe(sim, row, &work);
	wf_plan_looked(sim->plan, sim->now, &request->id, request->epoch, &work);
}

/* ---- everything ---- */

static int
find_queues(Sim *sim, bool messages, int32 *out)
{
	int n = 0;

	for (int32 queue_id = 0; queue_id < SIM_QUEUES; queue_id++)
	{
		for (int i = 0; i < sim->nrows; i++)
		{
			const SimRow *row = &sim->rows[i];

			if (row->queue_id != queue_id || row->message != messages ||
				sim_is_finished(row) || row->state == SIM_OPEN)
				continue;
			out[n++] = queue_id;
			break;
		}
	}
	return n;
}

void
sim_load(Sim *sim)
{
	int32 of_runs[SIM_QUEUES];
	int32 of_messages[SIM_QUEUES];
	WfPlanQueues queues = {.of_runs = of_runs, .of_messages = of_messages};

	queues.nruns = find_queues(sim, false, of_runs);
	queues.nmessages = find_queues(sim, true, of_messages);
	wf_plan_load(sim->plan, sim->now, &queues);
}

/* ---- rules ---- */

static bool
is_started(const SimRow *row)
{
	if (row->state == SIM_BLOCKING || row->state == SIM_DEAD)
		return true;
	return row->state != SIM_OPEN && row->state != SIM_ENDED &&
		   (row->begun || row->state == SIM_WAITING ||
			row->state == SIM_PARKED || row->state == SIM_LEASED);
}

static int
read_started(Sim *sim, WfStarted *started)
{
	int n = 0;

	for (int i = 0; i < sim->nrows; i++)
	{
		SimRow *row = &sim->rows[i];
		const WfQueueRules *rules = &sim->rules[row->queue_id];
		bool failed = row->state == SIM_BLOCKING || row->state == SIM_DEAD;

		if (!is_started(row) || !wf_plan_counts_anew(sim->plan, rules) ||
			(failed && (!rules->blocks || row->group == 0)))
			continue;
		sim_describe(sim, row, &started[n].work);
		started[n].stopped = failed || row->state == SIM_PARKED;
		started[n].failed = failed;
		n++;
		/* also what was parked before it began counts so from now on */
		row->started = row->excused = true;
	}
	return n;
}

void
sim_tell_rules(Sim *sim, bool first)
{
	WfStarted *started = malloc((sim->nrows + 1) * sizeof(WfStarted));
	WfRateUsed *used = malloc((sim->nreserved + 1) * sizeof(WfRateUsed));
	WfPlanRules rules = {.halted = sim->halted,
						 .foreign = sim->foreign,
						 .paused = sim->paused,
						 .npaused = sim->npaused,
						 .queues = sim->rules,
						 .nqueues = SIM_QUEUES,
						 .started = started,
						 .used = used};

	/* "default" has a row only once it has been altered */
	rules.nstarted = read_started(sim, started);
	for (int i = 0; first && i < sim->nreserved; i++)
	{
		WfRateUsed *u = &used[rules.nused++];

		u->queue_id = sim->reserved[i].queue_id;
		u->group = sim->reserved[i].group;
		u->starts = sim->reserved[i].starts;
		u->reserved_at = sim->reserved[i].at;
	}
	wf_plan_rules(sim->plan, sim->now, &rules);
	free(started);
	free(used);
}

static bool
has_grouped(Sim *sim, int32 queue_id)
{
	for (int i = 0; i < sim->nrows; i++)
	{
		const SimRow *row = &sim->rows[i];

		if (row->queue_id == queue_id && row->group != 0 &&
			row->state != SIM_ENDED)
			return true;
	}
	return false;
}

/* "open": whatever there is can go through, sooner or later. */
void
sim_change_rules(Sim *sim, int32 queue_id, bool open)
{
	WfQueueRules *rules = &sim->rules[queue_id];

	rules->paused = !open && sim_once_in(sim, 8);
	if (open)
		return;
	rules->blocks = sim_once_in(sim, 4);
	rules->fair = sim_once_in(sim, 3);
	rules->max_running = sim_once_in(sim, 2) ? 1 + sim_below(sim, 4) : 0;
	rules->max_active = sim_once_in(sim, 4) ? 1 + sim_below(sim, 6) : 0;
	rules->group_max_active = sim_once_in(sim, 2) ? 1 + sim_below(sim, 2) : 0;
	rules->rate_limit = sim_once_in(sim, 3) ? 1 + sim_below(sim, 20) : 0;
	rules->group_rate_limit = sim_once_in(sim, 4) ? 1 + sim_below(sim, 8) : 0;
	if (!has_grouped(sim, queue_id))
		rules->group_by_owner = sim_once_in(sim, 3);
	rules->rate_period = (1 + sim_below(sim, 30)) * USECS_PER_SEC;
	/* turns show best where no group is ever closed */
	if (rules->fair && sim_once_in(sim, 2))
	{
		rules->blocks = false;
		rules->group_max_active = rules->group_rate_limit = 0;
	}
	rules->nweights = rules->fair ? 1 : 0;
	rules->weights = sim->weights[queue_id];
	rules->weights[0].group = 1 + sim_below(sim, SIM_GROUPS);
	rules->weights[0].weight = 1 + sim_below(sim, 3);
}
