/*
 * sched_receivers.c
 *		Who asks for messages, and who waits until there are some.
 *
 * An ask is answered in the cycle in which it is seen, with what may be handed
 * out then, if need be with nothing; only while a scan of the table may bring
 * up something is it kept for a while, so that nobody is told that there is
 * nothing because memory had no room for it.
 *
 * Of those that wait as many are woken as messages can be received, in the
 * order in which they came.  One that was woken and does not ask within
 * PASS_ON_USEC is counted no more, so the next is woken in its place.
 */
#include "postgres.h"

#include "base/clock.h"
#include "core/workid.h"
#include "worker/receivers.h"
#include "worker/sched.h"
#include "worker/sched_gates.h"

/* how long one that was woken has to ask */
#define PASS_ON_USEC (50 * 1000)

/* so long after an answer another ask is expected, and what became of it */
#define BUSY_USEC (5 * 1000)

/* how long an ask is kept while scans go on */
#define MAX_KEEP_USEC (5 * USECS_PER_SEC)

typedef enum AskState
{
	ASK_NONE,
	ASK_ASKS,  /* in asking */
	ASK_WAITS, /* in waiting */
	ASK_WOKEN  /* in woken */
} AskState;

typedef struct Ask
{
	AskState state;
	dlist_node node;
	int receiver;
	uint32 ask;
	int32 queue_id;
	int32 max;
	TimestampTz since;
	bool seen; /* ASK_WAITS: was told that there is nothing yet */
	int n;
	WfEntry *entries[WF_HANDED_MAX]; /* admitted, in no place */
} Ask;

static Ask **asks; /* [wf_receiver_count()], made when first needed */
static dlist_head asking;
static dlist_head waiting;
static dlist_head woken; /* oldest first */
static TimestampTz answered_at = 0;

void
wf_receivers_init(void)
{
	asks = MemoryContextAllocZero(
		wf_sched.life_cxt, mul_size(wf_receiver_count(), sizeof(Ask *)));
	dlist_init(&asking);
	dlist_init(&waiting);
	dlist_init(&woken);
}

static void
leave(Ask *ask)
{
	WfQueue *queue;

	if (ask->state == ASK_NONE)
		return;
	if (ask->state == ASK_WOKEN)
	{
		queue = wf_gate_queue(ask->queue_id, false);
		if (queue != NULL && queue->nwoken > 0)
			queue->nwoken--;
	}
	dlist_delete(&ask->node);
	ask->state = ASK_NONE;
}

void
wf_receivers_came(int index)
{
	WfReceiver *receiver = wf_receiver(index);
	Ask *ask = asks[index];
	uint32 number;

	if (!wf_receiver_asks(receiver, &number))
		return;
	if (ask == NULL)
	{
		ask = MemoryContextAllocZero(wf_sched.life_cxt, sizeof(Ask));
		ask->receiver = index;
		asks[index] = ask;
	}
	else if (ask->ask == number &&
			 (ask->state == ASK_ASKS || ask->state == ASK_WAITS))
		return; /* told twice */
	leave(ask);
	ask->ask = number;
	ask->queue_id = receiver->queue_id;
	ask->max = Min(receiver->max, WF_HANDED_MAX);
	ask->since = wf_sched.now;
	ask->n = 0;
	ask->seen = false;
	if (pg_atomic_read_u32(&receiver->state) == WF_RECEIVER_WAITING)
	{
		ask->state = ASK_WAITS;
		dlist_push_tail(&waiting, &ask->node);
	}
	else
	{
		ask->state = ASK_ASKS;
		dlist_push_tail(&asking, &ask->node);
	}
}

/* ---- asks ---- */

void
wf_receivers_serve(void)
{
	dlist_iter iter;

	dlist_foreach (iter, &asking)
	{
		Ask *ask = dlist_container(Ask, node, iter.cur);
		WfQueue *queue = wf_gate_queue(ask->queue_id, false);
		WfEntry *entry;

		while (queue != NULL && ask->n < ask->max &&
			   (entry = wf_gate_admit_message(queue)) != NULL)
			ask->entries[ask->n++] = entry;
	}
}

/* It was withdrawn meanwhile: as if nothing had been admitted. */
static void
take_back(Ask *ask)
{
	/* the last one first, since each goes before all others of its group */
	while (ask->n > 0)
	{
		WfEntry *entry = ask->entries[--ask->n];

		wf_gate_leave(entry);
		wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
	}
}

/* One that was admitted, and is in no place. */
static void
hand_over(WfEntry *entry, int receiver, uint32 ask)
{
	if (!entry->begun)
		wf_flow_started(entry);
	wf_gate_begun(entry, wf_sched.now);
	entry->receiver = receiver;
	entry->ask = ask;
	wf_ready_hand(&wf_sched.ready, entry, wf_messages_held_by(receiver));
}

void
wf_receivers_took(WfEntry *entry, int receiver, uint32 ask)
{
	wf_ready_take(&wf_sched.ready, entry);
	/* had its queue got a rate limit since, it would count as started */
	wf_gate_recount(entry, true);
	hand_over(entry, receiver, ask);
}

static void
answer(Ask *ask)
{
	WfReceiver *receiver = wf_receiver(ask->receiver);
	uint32 expected = WF_RECEIVER_ASKED;
	uint32 number;

	leave(ask);
	if (!wf_receiver_asks(receiver, &number) || number != ask->ask)
	{
		take_back(ask);
		return;
	}
	receiver->n = ask->n;
	receiver->lsn = InvalidXLogRecPtr;
	for (int i = 0; i < ask->n; i++)
	{
		WfEntry *entry = ask->entries[i];

		receiver->handed[i].message_id = wf_workid_message(&entry->run_id);
		receiver->handed[i].tid = entry->tid;
		receiver->lsn = Max(receiver->lsn, entry->lsn);
	}
	pg_write_barrier();
	if (!pg_atomic_compare_exchange_u32(&receiver->state, &expected,
										WF_RECEIVER_ANSWERED))
	{
		take_back(ask);
		return;
	}
	wf_receiver_wake(receiver);
	if (ask->n == 1 && ask->max == 1)
		wf_shelf_asked(ask->entries[0]->queue);
	for (int i = 0; i < ask->n; i++)
		hand_over(ask->entries[i], ask->receiver, ask->ask);
	ask->n = 0;
}

/* May a scan that is under way, or is about to be, find something for it? */
static bool
may_find(const Ask *ask)
{
	WfQueue *queue;

	if (ask->n > 0 || wf_sched.halted ||
		wf_sched.now - ask->since >= MAX_KEEP_USEC)
		return false;
	if (wf_sched.loading || wf_load_is_reading())
		return true;
	queue = wf_gate_queue(ask->queue_id, false);
	if (queue == NULL || !wf_gate_reads_messages(queue))
		return false;
	wf_sched.more = true;
	return true;
}

/* ---- waiting ---- */

/* Whoever was woken and has not asked lets the next one have a try. */
static void
pass_on(void)
{
	while (!dlist_is_empty(&woken))
	{
		Ask *ask = dlist_head_element(Ask, node, &woken);

		if (ask->since + PASS_ON_USEC > wf_sched.now)
		{
			wf_sched_wake_at(ask->since + PASS_ON_USEC);
			break;
		}
		leave(ask);
	}
}

static void
wake(Ask *ask, WfQueue *queue)
{
	WfReceiver *receiver = wf_receiver(ask->receiver);
	uint32 expected = WF_RECEIVER_WAITING;
	uint32 number;
	bool waits = wf_receiver_asks(receiver, &number) && number == ask->ask;

	leave(ask);
	if (!waits || !pg_atomic_compare_exchange_u32(&receiver->state, &expected,
												  WF_RECEIVER_WOKEN))
		return;
	wf_receiver_wake(receiver);
	ask->state = ASK_WOKEN;
	ask->since = wf_sched.now;
	dlist_push_tail(&woken, &ask->node);
	queue->nwoken++;
	wf_sched_wake_at(wf_sched.now + PASS_ON_USEC);
}

/* It waits, and may give up when it wants to. */
static void
tell_seen(Ask *ask)
{
	WfReceiver *receiver = wf_receiver(ask->receiver);

	ask->seen = true;
	pg_atomic_write_u32(&receiver->seen, ask->ask);
	if (ask->max > 0)
		wf_receiver_wake(receiver);
}

static void
wake_waiting(void)
{
	static uint64 look = 0;
	dlist_mutable_iter iter;

	look++;
	dlist_foreach_modify (iter, &waiting)
	{
		Ask *ask = dlist_container(Ask, node, iter.cur);
		WfQueue *queue = wf_gate_queue(ask->queue_id, false);

		if (queue != NULL && queue->wake_look != look)
		{
			queue->wake_look = look;
			queue->receivable = wf_gate_receivable(queue);
		}
		if (queue != NULL && queue->receivable > queue->nwoken)
			wake(ask, queue);
		else if (!ask->seen && !may_find(ask))
			tell_seen(ask);
	}
}

static bool
is_in(dlist_head *list, int32 queue_id)
{
	dlist_iter iter;

	dlist_foreach (iter, list)
	{
		if (dlist_container(Ask, node, iter.cur)->queue_id == queue_id)
			return true;
	}
	return false;
}

bool
wf_receivers_wait_for(int32 queue_id)
{
	return is_in(&waiting, queue_id) || is_in(&woken, queue_id);
}

bool
wf_receivers_attend(int32 queue_id)
{
	return wf_receivers_wait_for(queue_id) || is_in(&asking, queue_id);
}

void
wf_receivers_answer(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &asking)
	{
		Ask *ask = dlist_container(Ask, node, iter.cur);

		if (may_find(ask))
			continue;
		answer(ask);
		answered_at = wf_clock_system();
	}
	pass_on();
	if (!dlist_is_empty(&waiting))
		wake_waiting();
}

bool
wf_receivers_are_busy(void)
{
	return dlist_is_empty(&waiting) && dlist_is_empty(&woken) &&
		   (wf_shelf_is_open() ||
			(answered_at != 0 && wf_clock_system() - answered_at < BUSY_USEC));
}
