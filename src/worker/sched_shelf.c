/*
 * sched_shelf.c
 *		The scheduler's end of the shelf (shelf.h): what is laid out, and when.
 *
 * A queue gets the shelf when messages have been asked for one by one several
 * times in quick succession, and keeps it as long as that goes on.  It has to
 * be a plain one: no limits, no groups that matter, no turns.  Then what may be
 * received is simply what comes first, and no message needs to be counted
 * before it is handed out.
 *
 * A message that was laid out is in WF_PLACE_SHELF, by its position in
 * ready.shelf.  One that somebody has taken stays there until we hear of it by
 * news, which cannot be long, unless the news are lost: then its row is read.
 * One that leaves its place in another way (its row is gone, say) leaves its
 * position empty, and whoever takes that finds no row.
 *
 * In each cycle, once all that has changed is known, the shelf is emptied if
 * anything else comes first now, or must not be handed out; then asks are
 * answered, from the shelf first; then it is filled up again.
 */
#include "postgres.h"

#include "base/clock.h"
#include "core/workid.h"
#include "worker/sched.h"
#include "worker/sched_gates.h"
#include "worker/shelf.h"

/* asks in succession after which messages are laid out */
#define MIN_ASKS 16

/* ... each within this time of the one before; and how long nobody may take */
#define IDLE_USEC (5 * 1000)

static int32 queue_id; /* that has the shelf, or may get it */
static int nasks = 0;
static TimestampTz active_at = 0;
static bool laid_out = false; /* something may be laid out */
static uint64 seen_head;

bool
wf_shelf_is_open(void)
{
	return laid_out;
}

/* One message of it was asked for, and handed out. */
void
wf_shelf_asked(const WfQueue *queue)
{
	if (wf_sched.now - active_at > IDLE_USEC && !laid_out)
	{
		queue_id = queue->rules.queue_id;
		nasks = 0;
	}
	/* of several, the one that was first */
	if (queue->rules.queue_id != queue_id)
		return;
	active_at = wf_sched.now;
	nasks++;
}

/* Takes what is laid out back before the gate. */
void
wf_shelf_clear(void)
{
	uint64 first;
	uint64 end = wf_shelf_pop_all(wf_sched.db, &first);

	laid_out = false;
	nasks = 0;
	for (uint64 i = first; i < end; i++)
	{
		WfEntry *entry = wf_sched.ready.shelf[i % WF_SHELF_SIZE];

		if (entry == NULL)
			continue;
		wf_ready_take(&wf_sched.ready, entry);
		wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
	}
}

WfEntry *
wf_shelf_next(const WfQueue *queue)
{
	uint64 position;

	if (!laid_out || queue->rules.queue_id != queue_id)
		return NULL;
	while (wf_shelf_pop(wf_sched.db, &position))
	{
		WfEntry *entry = wf_sched.ready.shelf[position % WF_SHELF_SIZE];

		if (entry != NULL)
			return entry;
	}
	return NULL;
}

uint32
wf_shelf_count(const WfQueue *queue)
{
	uint64 head;

	if (!laid_out || queue->rules.queue_id != queue_id)
		return 0;
	head = wf_shelf_head(wf_sched.db);
	return (uint32) (wf_shelf_tail(wf_sched.db) - head);
}

const WfEntry *
wf_shelf_first(const WfQueue *queue)
{
	return wf_shelf_count(queue) > 0
			   ? wf_sched.ready
					 .shelf[wf_shelf_head(wf_sched.db) % WF_SHELF_SIZE]
			   : NULL;
}

/* ---- in the cycle ---- */

/* Is it free to go out as it comes? */
static bool
is_plain(const WfQueue *queue)
{
	const WfQueueRules *rules = &queue->rules;

	return !wf_sched.halted && !rules->paused && !rules->blocks &&
		   !rules->fair && rules->max_running == 0 && rules->max_active == 0 &&
		   rules->group_max_active == 0 && rules->rate_limit == 0 &&
		   rules->group_rate_limit == 0;
}

/* Does something that waits come before what is laid out? */
static bool
is_passed(const WfQueue *queue)
{
	const WfSide *side = &queue->sides[WF_SIDE_MESSAGES];
	const WfEntry *first = wf_line_first(&side->plain);
	const WfEntry *last =
		wf_sched.ready.shelf[(wf_shelf_tail(wf_sched.db) - 1) % WF_SHELF_SIZE];

	if (side->resumed.n > 0 || side->held.n > 0)
		return true;
	return first != NULL && (last == NULL || wf_starts_before(first, last));
}

void
wf_shelf_check(void)
{
	WfQueue *queue;
	uint64 head;

	if (!laid_out)
		return;
	head = wf_shelf_head(wf_sched.db);
	if (head != seen_head)
		active_at = wf_sched.now;
	seen_head = head;

	queue = wf_gate_queue(queue_id, false);
	if (queue == NULL || !is_plain(queue) ||
		wf_sched.now - active_at > IDLE_USEC ||
		wf_receivers_wait_for(queue_id))
		wf_shelf_clear();
	else if (head < wf_shelf_tail(wf_sched.db) && is_passed(queue))
	{
		wf_shelf_clear();
		nasks = MIN_ASKS;
	}
}

static void
lay(WfEntry *entry)
{
	WfShelfItem item = {.message_id = wf_workid_message(&entry->run_id),
						.lsn = entry->lsn,
						.tid = entry->tid};

	wf_ready_take(&wf_sched.ready, entry);
	wf_ready_shelve(&wf_sched.ready, entry, wf_shelf_tail(wf_sched.db));
	wf_shelf_lay(wf_sched.db, queue_id, &item);
}

void
wf_shelf_fill(void)
{
	WfQueue *queue;
	WfSide *side;
	WfEntry *entry;

	if (!laid_out &&
		(nasks < MIN_ASKS || wf_sched.now - active_at > IDLE_USEC))
		return;
	queue = wf_gate_queue(queue_id, false);
	if (queue == NULL || !is_plain(queue) || wf_receivers_wait_for(queue_id))
		return;
	side = &queue->sides[WF_SIDE_MESSAGES];
	if (side->resumed.n > 0 || side->held.n > 0)
		return;
	while (wf_shelf_count(queue) < WF_SHELF_SIZE &&
		   (entry = wf_line_first(&side->plain)) != NULL)
	{
		laid_out = true;
		lay(entry);
	}
	if (laid_out)
		wf_sched_wake_at(active_at + IDLE_USEC + 1);
}
