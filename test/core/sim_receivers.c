/*
 * sim_receivers.c
 *		Receivers of the simulator, their news, and the shelf.
 *
 * As in ipc/receive.c: a receiver asks and is answered, or takes from the
 * shelf; then it takes the rows that it was handed, and its transaction ends.
 * The plan hears of all that by news, which come late, all in the order in
 * which they were sent; or are lost, and then it is told so.
 *
 * In a *rush* all receivers take messages of one plain queue, one by one and in
 * quick succession, so that the plan lays out a shelf.
 */
#include "postgres.h"

#include "sim.h"

/* ---- news ---- */

/* Does it change what may be handed out next? */
static bool
changes_order(const SimNews *news)
{
	return news->kind != SIM_NEWS_ASKED && news->kind != SIM_NEWS_TAKEN &&
		   news->kind != SIM_NEWS_DONE &&
		   (news->kind != SIM_NEWS_OVER || news->how != WF_ASK_LEASED);
}

static void
send(Sim *sim, const SimNews *news)
{
	sim->shelf_heeded &= !changes_order(news);
	if (sim->nnews == SIM_NEWS || (!sim->settling && sim_once_in(sim, 1000)))
		sim->news_lost = true;
	else
		sim->news[sim->nnews++] = *news;
}

static void
send_about(Sim *sim, SimNewsKind kind, const SimRow *row)
{
	SimNews news = {.kind = kind, .id = row->id};

	send(sim, &news);
}

/* A request is read from shared memory, as it stands by now. */
static void
tell_asked(Sim *sim, int index)
{
	const SimReceiver *r = &sim->receivers[index];

	if (r->state == SIM_ASKED || r->state == SIM_WAITS)
		wf_plan_asked(sim->plan, sim->now, index, r->ask, r->queue_id, r->max,
					  r->state == SIM_WAITS);
}

void
sim_tell_asks(Sim *sim)
{
	for (int i = 0; i < SIM_RECEIVERS; i++)
		tell_asked(sim, i);
}

static void
tell(Sim *sim, const SimNews *news)
{
	int64 message_id = wf_workid_message(&news->id);

	switch (news->kind)
	{
		case SIM_NEWS_ASKED:
			tell_asked(sim, news->receiver);
			break;
		case SIM_NEWS_TAKEN:
			wf_plan_taken(sim->plan, sim->now, message_id, news->receiver,
						  news->ask);
			break;
		case SIM_NEWS_OVER:
			wf_plan_ask_over(sim->plan, sim->now, news->receiver, news->ask,
							 news->how, news->until);
			break;
		case SIM_NEWS_DONE:
			wf_plan_done(sim->plan, sim->now, message_id);
			break;
		case SIM_NEWS_LOOK:
			wf_plan_look(sim->plan, message_id);
			break;
		case SIM_NEWS_LOCKED:
			wf_plan_locked(sim->plan, sim->now, news->receiver, news->ask,
						   message_id);
			break;
		case SIM_NEWS_PURGED:
			wf_plan_look_purged(sim->plan, news->queue_id);
			break;
	}
}

void
sim_tell_news(Sim *sim)
{
	for (int i = 0; i < sim->nnews; i++)
		tell(sim, &sim->news[i]);
	sim->nnews = 0;
	if (!sim->news_lost)
		return;
	sim_tell_asks(sim);
	wf_plan_lost_news(sim->plan, sim->now);
	sim->news_lost = false;
}

/* ---- rows ---- */

static bool
is_there(const SimRow *row)
{
	return row != NULL && row->state == SIM_QUEUED && row->receiver < 0;
}

/* Takes the rows that a receiver was handed, as far as they are still there. */
static void
take_rows(Sim *sim, int index)
{
	SimReceiver *r = &sim->receivers[index];

	r->state = SIM_HOLDS;
	for (int i = 0; i < r->n; i++)
	{
		SimRow *row = sim_row(sim, &r->handed[i]);
		SimNews news = {.receiver = index,
						.ask = r->held_ask,
						.id = r->handed[i],
						.kind = SIM_NEWS_LOOK};

		if (row == NULL)
			continue;
		if (row->promised == index)
			row->promised = -1;
		if (is_there(row))
		{
			row->receiver = index;
			row->started = true;
			r->took = true;
			continue;
		}
		if (row->receiver >= 0)
			news.kind = SIM_NEWS_LOCKED;
		send(sim, &news);
	}
}

/* Rows that were promised to it are free again. */
static void
renounce(Sim *sim, int index)
{
	SimReceiver *r = &sim->receivers[index];

	for (int i = 0; i < r->n; i++)
	{
		SimRow *row = sim_row(sim, &r->handed[i]);

		if (row != NULL && row->promised == index)
			row->promised = -1;
	}
}

/* ---- actions of the plan ---- */

static void
receive(Sim *sim, int index, uint32 ask, const dlist_head *entries)
{
	SimReceiver *r = &sim->receivers[index];
	dlist_iter iter;

	r->n = 0;
	r->took = false;
	r->held_ask = ask;
	r->state = SIM_IDLE;
	dlist_foreach (iter, unconstify(dlist_head *, entries))
	{
		const WfEntry *entry = dlist_container(WfEntry, link.node, iter.cur);
		SimRow *row = sim_row(sim, &entry->id);

		if (is_there(row))
		{
			sim_check_handed(sim, row);
			row->promised = index;
		}
		r->handed[r->n++] = entry->id;
		r->state = SIM_ANSWERED;
	}
}

void
sim_answered(Sim *sim, int index, uint32 number)
{
	SimReceiver *r = &sim->receivers[index];
	uint32 ask;
	int n;
	const dlist_head *entries = wf_plan_answer(sim->plan, index, &ask, &n);
	bool given = r->state == SIM_ASKED && r->ask == ask && ask == number &&
				 (sim->settling || !sim_once_in(sim, 20));

	if (given)
		receive(sim, index, ask, entries);
	else if (r->state == SIM_ASKED && r->ask == ask)
		r->state = SIM_IDLE;
	/* until the next decision, which follows, it may be passed by others */
	sim->shelf_heeded &= given;
	wf_plan_answered(sim->plan, sim->now, index, given);
}

void
sim_woken(Sim *sim, int index, uint32 ask)
{
	SimReceiver *r = &sim->receivers[index];
	bool woken = r->state == SIM_WAITS && r->ask == ask;

	if (woken)
		r->state = SIM_WOKEN;
	wf_plan_woke(sim->plan, sim->now, index, woken);
}

/* ---- the shelf ---- */

void
sim_lay_out(Sim *sim)
{
	for (; sim->shelf_tail < wf_plan_shelf_tail(sim->plan); sim->shelf_tail++)
	{
		const WfEntry *entry = wf_plan_laid(sim->plan, sim->shelf_tail);
		WfWorkId *place = &sim->shelf[sim->shelf_tail % WF_SHELF_SIZE];

		memset(place, 0, sizeof(*place));
		if (entry != NULL)
		{
			*place = entry->id;
			sim->last_laid =
				Max(sim->last_laid, (uint64) wf_workid_message(&entry->id));
		}
		sim->shelf_queue = wf_plan_shelf_queue(sim->plan);
		sim->laid++;
	}
}

static bool
take_from_shelf(Sim *sim, int index, int32 queue_id)
{
	SimReceiver *r = &sim->receivers[index];
	SimNews news = {.kind = SIM_NEWS_TAKEN, .receiver = index};
	SimRow *row;

	if (sim->shelf_head >= sim->shelf_tail || !sim->shelf_heeded ||
		sim->shelf_queue != queue_id)
		return false;
	r->n = 1;
	r->took = false;
	r->handed[0] = sim->shelf[sim->shelf_head++ % WF_SHELF_SIZE];
	r->held_ask = news.ask = ++r->ask;
	r->state = SIM_ANSWERED;
	news.id = r->handed[0];
	row = sim_row(sim, &news.id);
	if (is_there(row))
	{
		sim_check_laid(sim, row);
		sim_check_handed(sim, row);
		row->promised = index;
	}
	sim->taken++;
	send(sim, &news);
	return true;
}

bool
sim_shelf_take_back(Sim *sim, uint64 position, int n)
{
	int index = sim_below(sim, SIM_RECEIVERS);

	/* somebody is faster */
	if (!sim->settling && sim->receivers[index].state == SIM_IDLE &&
		sim_once_in(sim, 4))
		(void) take_from_shelf(sim, index, sim->shelf_queue);
	if (sim->shelf_head != position)
		return false;
	sim->shelf_head += n;
	return true;
}

/* ---- what receivers do ---- */

static void
ask(Sim *sim, int index, int32 queue_id, int32 max, bool waits)
{
	SimReceiver *r = &sim->receivers[index];
	SimNews news = {.kind = SIM_NEWS_ASKED, .receiver = index};

	if (max == 1 && !waits && take_from_shelf(sim, index, queue_id))
		return;
	r->ask++;
	r->queue_id = queue_id;
	r->max = waits ? max & 1 : max;
	r->state = waits ? SIM_WAITS : SIM_ASKED;
	send(sim, &news);
}

static void
ask_any(Sim *sim, int index)
{
	bool rushes = sim_is_rush(sim) && !sim_once_in(sim, 8);
	int32 queue_id =
		rushes ? sim->rush_queue : (int32) sim_below(sim, SIM_QUEUES);
	int32 max =
		!rushes && sim_once_in(sim, 3) ? 1 + (int32) sim_below(sim, 8) : 1;

	ask(sim, index, queue_id, max,
		!sim->settling && !rushes && sim_once_in(sim, 8));
}

/* The end of the transaction in which messages were received. */
static void
end_transaction(Sim *sim, int index)
{
	SimReceiver *r = &sim->receivers[index];
	bool commits =
		r->state == SIM_HOLDS &&
		(sim->settling || !sim_once_in(sim, sim_is_rush(sim) ? 30 : 4));
	SimNews news = {.kind = SIM_NEWS_OVER,
					.receiver = index,
					.ask = r->held_ask,
					.how = WF_ASK_LEASED,
					.until =
						sim->now + (1 + sim_below(sim, 10)) * USECS_PER_SEC};

	for (int i = 0; i < r->n; i++)
	{
		SimRow *row = sim_row(sim, &r->handed[i]);

		if (row == NULL || row->receiver != index)
			continue;
		row->receiver = -1;
		if (!commits)
			continue;
		row->begun = true;
		row->state = SIM_LEASED;
		row->lease_until = news.until;
	}
	renounce(sim, index);
	r->state = SIM_IDLE;
	if (!commits)
		news.how = r->took ? WF_ASK_RETURNED : WF_ASK_UNUSED;
	send(sim, &news);
}

/* Before the plan starts anew, which takes longer than any of these. */
void
sim_take_promised(Sim *sim)
{
	for (int i = 0; i < SIM_RECEIVERS; i++)
	{
		if (sim->receivers[i].state == SIM_ANSWERED)
			take_rows(sim, i);
	}
}

/* A consumer acknowledges, or gives back, a leased message. */
static void
settle(Sim *sim, SimRow *row)
{
	if (sim->settling || !sim_once_in(sim, 5))
	{
		row->state = SIM_ENDED;
		send_about(sim, SIM_NEWS_DONE, row);
	}
	else
	{
		row->state = SIM_QUEUED;
		row->due_at = 0;
		send_about(sim, SIM_NEWS_LOOK, row);
	}
}

static void
settle_one(Sim *sim)
{
	int first = sim->nrows > 0 ? sim_below(sim, sim->nrows) : 0;

	for (int i = 0; i < sim->nrows; i++)
	{
		SimRow *row = &sim->rows[(first + i) % sim->nrows];

		if (row->state == SIM_LEASED && row->writers == 0)
		{
			settle(sim, row);
			return;
		}
	}
}

/* ---- what others do with messages ---- */

static bool
is_free(const SimRow *row)
{
	return row->message && row->receiver < 0 && row->writers == 0 &&
		   row->state == SIM_QUEUED;
}

static void
purge(Sim *sim, int32 queue_id)
{
	SimNews news = {.kind = SIM_NEWS_PURGED, .queue_id = queue_id};

	for (int i = 0; i < sim->nrows; i++)
	{
		SimRow *row = &sim->rows[i];

		if (is_free(row) && row->queue_id == queue_id)
			row->state = SIM_ENDED;
	}
	send(sim, &news);
}

/* Deletes a message, or all of a queue, or gives a dead one another try. */
void
sim_handle_message(Sim *sim)
{
	SimRow *row =
		sim->nrows > 0 ? &sim->rows[sim_below(sim, sim->nrows)] : NULL;

	if (row == NULL || !row->message || row->writers > 0)
		return;
	if (sim_once_in(sim, 200))
		purge(sim, row->queue_id);
	else if (row->state == SIM_DEAD)
	{
		row->state = sim_once_in(sim, 2) ? SIM_QUEUED : SIM_ENDED;
		row->due_at = 0;
		send_about(sim, SIM_NEWS_LOOK, row);
	}
	else if (is_free(row) && sim_once_in(sim, 4))
	{
		row->state = SIM_ENDED;
		send_about(sim, SIM_NEWS_LOOK, row);
	}
}

void
sim_bury(Sim *sim, SimRow *row)
{
	row->state = SIM_ENDED;
	send_about(sim, SIM_NEWS_LOOK, row);
}

/* The next thing that this receiver does. */
void
sim_receiver(Sim *sim, int index)
{
	SimReceiver *r = &sim->receivers[index];

	switch (r->state)
	{
		case SIM_IDLE:
		case SIM_WOKEN:
			if (r->state == SIM_WOKEN && !sim->settling && sim_once_in(sim, 5))
				r->state = SIM_IDLE; /* it gave up */
			else if (r->state == SIM_WOKEN)
				ask(sim, index, r->queue_id, 1, false);
			else if (sim_once_in(sim, 3))
				settle_one(sim);
			else
				ask_any(sim, index);
			break;
		case SIM_WAITS:
			if (sim->settling || sim_once_in(sim, 10))
				r->state = SIM_IDLE;
			break;
		case SIM_ASKED:
			break;
		case SIM_ANSWERED:
			/* or it ends with an error */
			if (sim->settling || !sim_once_in(sim, 20))
				take_rows(sim, index);
			else
				end_transaction(sim, index);
			break;
		case SIM_HOLDS:
			end_transaction(sim, index);
			break;
	}
}

/* ---- a rush ---- */

bool
sim_is_rush(const Sim *sim)
{
	return sim->events < sim->rush_until && !sim->settling;
}

/* The event that happens most. */
void
sim_rush_on(Sim *sim)
{
	if (sim_once_in(sim, 5))
		sim_enqueue(sim);
	else
		sim_receiver(sim, sim_below(sim, SIM_RECEIVERS));
}

/* Begins one, on a queue that has no limits from now on. */
void
sim_rush(Sim *sim)
{
	WfQueueRules none = {.queue_id = 1 + sim_below(sim, SIM_QUEUES - 1)};

	sim->rush_queue = none.queue_id;
	sim->rush_until = sim->events + 300 + sim_below(sim, 700);
	sim_set_rules(sim, &none);
}
