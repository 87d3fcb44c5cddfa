/*
 * sched_messages.c
 *		What backends tell and are told through shared memory: work that was
 *		committed, news of messages, receivers and the shelf.
 *
 * Must not: run SQL.
 */
#include "postgres.h"

#include "base/clock.h"
#include "core/plan_state.h"
#include "ipc/receivers.h"
#include "ipc/shelf.h"
#include "ipc/wakeup.h"
#include "scheduler/scheduler.h"

/* news that are read in one go, and at most in one cycle */
#define NEWS_CHUNK 256
#define NEWS_MOST  8192

/* so long after an answer another ask is expected, and what became of it */
#define BUSY_USEC (5 * 1000)

/* ---- receivers ---- */

static void
tell_receiver(WfScheduler *s, int index)
{
	WfReceiver *receiver = wf_receiver(index);
	uint32 ask;

	if (wf_receiver_asks(receiver, &ask))
		wf_plan_asked(
			s->plan, s->now, index, ask, receiver->queue_id, receiver->max,
			pg_atomic_read_u32(&receiver->state) == WF_RECEIVER_WAITING);
}

/* Writes the answer; false when it is not wanted any more. */
static bool
give_answer(WfScheduler *s, int index)
{
	WfReceiver *receiver = wf_receiver(index);
	uint32 expected = WF_RECEIVER_ASKED;
	uint32 number;
	uint32 ask;
	int n;
	const dlist_head *entries = wf_plan_answer(s->plan, index, &ask, &n);
	dlist_iter iter;
	int i = 0;

	if (!wf_receiver_asks(receiver, &number) || number != ask)
		return false;
	receiver->n = n;
	receiver->lsn = InvalidXLogRecPtr;
	dlist_foreach (iter, unconstify(dlist_head *, entries))
	{
		const WfEntry *entry = dlist_container(WfEntry, link.node, iter.cur);

		receiver->handed[i].message_id = wf_workid_message(&entry->id);
		receiver->handed[i++].tid = entry->tid;
		receiver->lsn = Max(receiver->lsn, entry->lsn);
	}
	pg_write_barrier();
	if (!pg_atomic_compare_exchange_u32(&receiver->state, &expected,
										WF_RECEIVER_ANSWERED))
		return false;
	wf_receiver_wake(receiver);
	return true;
}

void
wf_news_answer(WfScheduler *s, int receiver)
{
	wf_plan_answered(s->plan, s->now, receiver, give_answer(s, receiver));
	s->answered_at = wf_clock_system();
}

void
wf_news_wake(WfScheduler *s, int index, uint32 ask)
{
	WfReceiver *receiver = wf_receiver(index);
	uint32 expected = WF_RECEIVER_WAITING;
	uint32 number;
	bool woken = wf_receiver_asks(receiver, &number) && number == ask &&
				 pg_atomic_compare_exchange_u32(&receiver->state, &expected,
												WF_RECEIVER_WOKEN);

	if (woken)
		wf_receiver_wake(receiver);
	wf_plan_woke(s->plan, s->now, index, woken);
}

/* It waits, and may give up when it wants to. */
void
wf_news_seen(int index, bool hurry, uint32 ask)
{
	WfReceiver *receiver = wf_receiver(index);

	pg_atomic_write_u32(&receiver->seen, ask);
	if (hurry)
		wf_receiver_wake(receiver);
}

bool
wf_news_are_expected(WfScheduler *s)
{
	return !wf_plan_is_awaited(s->plan) &&
		   (wf_plan_shelf_is_open(s->plan) ||
			(s->answered_at != 0 &&
			 wf_clock_system() - s->answered_at < BUSY_USEC));
}

/* ---- the shelf ---- */

/* Whatever the plan has laid out, and is not there yet. */
void
wf_news_lay_out(WfScheduler *s)
{
	uint64 tail = wf_plan_shelf_tail(s->plan);
	uint64 position = wf_shelf_tail(s->db);

	for (; position < tail; position++)
	{
		const WfEntry *entry = wf_plan_laid(s->plan, position);
		WfShelfItem item = {0};

		if (entry != NULL)
		{
			item.message_id = wf_workid_message(&entry->id);
			item.lsn = entry->lsn;
			item.tid = entry->tid;
		}
		wf_shelf_lay(s->db, wf_plan_shelf_queue(s->plan), &item);
	}
}

/* ---- news of messages ---- */

static void
tell_ask_over(WfScheduler *s, const WfNews *news)
{
	WfAskEnd how = WF_ASK_UNUSED;

	if (news->kind == WF_NEWS_LEASED)
		how = WF_ASK_LEASED;
	else if (news->kind == WF_NEWS_RETURNED)
		how = WF_ASK_RETURNED;
	wf_plan_ask_over(s->plan, s->now, news->receiver, news->ask, how,
					 how == WF_ASK_LEASED ? wf_clock_now() + news->value : 0);
}

static void
tell_news(WfScheduler *s, const WfNews *news)
{
	switch (news->kind)
	{
		case WF_NEWS_ASKED:
			tell_receiver(s, news->receiver);
			break;
		case WF_NEWS_TAKEN:
			wf_plan_taken(s->plan, s->now, news->value, news->receiver,
						  news->ask);
			break;
		case WF_NEWS_LEASED:
		case WF_NEWS_RETURNED:
		case WF_NEWS_UNUSED:
			tell_ask_over(s, news);
			break;
		case WF_NEWS_DONE:
			wf_plan_done(s->plan, s->now, news->value);
			break;
		case WF_NEWS_LOOK:
			wf_plan_look(s->plan, news->value);
			break;
		case WF_NEWS_LOCKED:
			wf_plan_locked(s->plan, s->now, news->receiver, news->ask,
						   news->value);
			break;
		case WF_NEWS_PURGED:
			wf_plan_look_purged(s->plan, (int32) news->value);
			break;
	}
}

static void
tell_receivers(WfScheduler *s)
{
	for (int i = 0; i < wf_receiver_count(); i++)
		tell_receiver(s, i);
}

static void
read_news(WfScheduler *s)
{
	WfNews news[NEWS_CHUNK];
	bool lost = false;
	int total = 0;
	int n;

	do
	{
		n = wf_news_read(s->db, news, NEWS_CHUNK, &lost);
		for (int i = 0; i < n; i++)
			tell_news(s, &news[i]);
		total += n;
		if (lost)
		{
			/* who asks is seen in shared memory, the rest in rows */
			tell_receivers(s);
			wf_plan_lost_news(s->plan, s->now);
		}
	} while (n == NEWS_CHUNK && total < NEWS_MOST);
	if (n == NEWS_CHUNK)
		s->more = true;
}

/* ---- news of commits ---- */

/*
 * All there is, but no more than the ring can hold: whoever fills it while we
 * read must not keep us from dispatching.
 */
static void
read_ring(WfScheduler *s)
{
	WfWork spill;
	bool spilled = false;
	int n;

	n = wf_ring_read(s->db, s->rows, WF_PLAN_CHUNK, &spill, &spilled);
	if (n > 0)
		wf_plan_heard(s->plan, s->now, s->rows, n);
	if (spilled)
		wf_plan_missed(s->plan, s->now, &spill.id, &spill.last_id);
	if (n == WF_PLAN_CHUNK)
		s->more = true;
}

void
wf_news_catch_up(WfScheduler *s)
{
	read_ring(s);
}

void
wf_news_tell(WfScheduler *s)
{
	read_ring(s);
	read_news(s);
	wf_plan_shelf_at(s->plan, s->now, wf_shelf_head(s->db));
}

/* What was told so far is visible to the scan that follows. */
void
wf_news_discard(WfScheduler *s)
{
	WfNews news[NEWS_CHUNK];
	WfWork spill;
	bool spilled;
	bool lost;
	uint64 first;

	while (wf_ring_read(s->db, s->rows, WF_PLAN_CHUNK, &spill, &spilled) ==
		   WF_PLAN_CHUNK)
		;
	while (wf_news_read(s->db, news, NEWS_CHUNK, &lost) == NEWS_CHUNK)
		;
	tell_receivers(s);
	wf_plan_shelf_starts(s->plan, wf_shelf_pop_all(s->db, &first));
}
