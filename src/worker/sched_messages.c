/*
 * sched_messages.c
 *		Messages: who has them, and when they come back.
 *
 * A message that was handed out is HELD until the receiver's transaction ends,
 * and then LEASED until its lease is over or it is told to be done.  LEASED is
 * also any other that is not to be handed out now: its row is locked by
 * somebody, or a rolled-back receive has yet to be counted.  When the time of
 * one has come its row is read, and that alone decides (see store/delivery.h):
 * so it does no harm when news of it come late, twice or never.
 *
 * No row is waited for.  One that is locked is looked at again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "storage/procarray.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/stoppoint.h"
#include "core/runid.h"
#include "core/state.h"
#include "store/message_task.h"
#include "store/queue_receive.h"
#include "store/work.h"
#include "worker/queue_stats.h"
#include "worker/receivers.h"
#include "worker/sched.h"

/* news that are read in one go, and at most in one cycle */
#define NEWS_CHUNK 256
#define NEWS_MOST  8192

/* when a row is looked at again that somebody has locked */
#define LOCKED_USEC	 USECS_PER_SEC
#define CHANGED_USEC (10 * 1000)

static dlist_head *held; /* [wf_receiver_count()] */

/* messages whose rows have to be read */
static int64 *looks = NULL;
static int nlooks = 0;
static int looks_allocated = 0;

void
wf_messages_init(void)
{
	held = MemoryContextAlloc(
		wf_sched.life_cxt, mul_size(wf_receiver_count(), sizeof(dlist_head)));
	for (int i = 0; i < wf_receiver_count(); i++)
		dlist_init(&held[i]);
}

dlist_head *
wf_messages_held_by(int receiver)
{
	return &held[receiver];
}

/* ---- places ---- */

void
wf_messages_hold(WfEntry *entry, TimestampTz until)
{
	wf_gate_recount(entry, false);
	entry->begun = true;
	wf_ready_lease(&wf_sched.ready, entry, until);
}

/* Before the gate again, or until a time. */
static void
give_back(WfEntry *entry, TimestampTz due_at)
{
	wf_ready_take(&wf_sched.ready, entry);
	wf_gate_leave(entry);
	entry->uncounted = false;
	entry->due_at = due_at;
	wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
}

/* Its row was locked: perhaps by a receive that has yet to end. */
static void
look_later(WfEntry *entry)
{
	wf_ready_take(&wf_sched.ready, entry);
	wf_messages_hold(entry, wf_sched.now + LOCKED_USEC);
}

static void
count_end(WfEntry *entry, WfQueueCounter counter)
{
	wf_flow_ended(entry);
	wf_queue_count(MyDatabaseId, entry->queue_id, counter, 1);
}

static void
done(WfEntry *entry)
{
	count_end(entry, WF_QCOUNT_SUCCEEDED);
	wf_ready_forget(&wf_sched.ready, entry);
}

static void
died(WfEntry *entry)
{
	if (entry->blocking)
		return; /* known already */
	count_end(entry, WF_QCOUNT_FAILED);
	wf_ready_take(&wf_sched.ready, entry);
	wf_seat_stopped(entry, true);
}

void
wf_messages_learn(const WfRunInfo *info)
{
	WfEntry *entry = wf_ready_make(&wf_sched.ready, info);

	entry->begun = (info->flags & WF_ASSIGN_BEGUN) != 0;
	if (info->flags & WF_ASSIGN_LEASED)
		wf_messages_hold(entry, Max(info->due_at, wf_sched.now));
	else if (info->flags & WF_ASSIGN_LOCKED)
	{
		/* a receive that is older than we are: if it fails, that counts */
		entry->uncounted = true;
		wf_messages_hold(entry, wf_sched.now + LOCKED_USEC);
	}
	else
	{
		if (entry->begun)
			wf_gate_activate(entry);
		wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
	}
}

/* ---- looking at rows ---- */

static void
look_at(int64 message_id)
{
	if (nlooks == looks_allocated)
	{
		Size size;

		looks_allocated = Max(2 * looks_allocated, 128);
		size = mul_size(looks_allocated, sizeof(int64));
		looks = looks == NULL ? MemoryContextAllocHuge(wf_sched.life_cxt, size)
							  : repalloc_huge(looks, size);
	}
	looks[nlooks++] = message_id;
}

/* A dead one was queued again; it keeps the place that it had in its group. */
static void
revive(WfEntry *entry, const WfRunInfo *info)
{
	wf_ready_forget(&wf_sched.ready, entry);
	entry = wf_ready_make(&wf_sched.ready, info);
	wf_gate_keep(entry);
	wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
}

/* What a row says that was read; NULL: there is none, or it is acknowledged. */
static void
apply_look(const pg_uuid_t *id, WfRunInfo *info)
{
	WfEntry *entry = wf_ready_find(&wf_sched.ready, id);

	if (info == NULL)
	{
		if (entry != NULL)
			wf_ready_forget(&wf_sched.ready, entry);
		return;
	}
	if (entry == NULL)
	{
		if (!(info->flags & WF_ASSIGN_DEAD))
			wf_load_learn(info, NULL);
		return;
	}
	entry->tid = info->tid;
	entry->lsn = info->lsn;
	if (info->flags & WF_ASSIGN_DEAD)
		died(entry);
	else if (info->flags & WF_ASSIGN_LEASED)
	{
		wf_ready_take(&wf_sched.ready, entry);
		wf_messages_hold(entry, Max(info->due_at, wf_sched.now));
	}
	else if (info->flags & WF_ASSIGN_LOCKED)
	{
		entry->uncounted = entry->place == WF_PLACE_HELD;
		look_later(entry);
	}
	else if (entry->place == WF_PLACE_KEPT)
		revive(entry, info);
	else if (entry->admitted || info->due_at != entry->due_at)
	{
		if (info->flags & WF_ASSIGN_BEGUN)
			entry->begun = true;
		give_back(entry, info->due_at);
	}
}

static int
compare_ids(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return (x > y) - (x < y);
}

static int
compare_infos(const void *a, const void *b)
{
	return wf_runid_cmp(&((const WfRunInfo *) a)->run_id,
						&((const WfRunInfo *) b)->run_id);
}

/* One batch of rows. */
static void
look_batch(void)
{
	int n = Min(nlooks, WF_SCHED_CHUNK);
	int64 *ids = looks + nlooks - n;
	WfRunInfo *infos;
	int ninfos;
	int next = 0;
	XLogRecPtr lsn;
	WfWindow w;

	qsort(ids, n, sizeof(int64), compare_ids);
	wf_sched_begin(&w, "reading messages");
	ninfos = wf_message_look(ids, n, &infos);
	qsort(infos, ninfos, sizeof(WfRunInfo), compare_infos);
	infos =
		memcpy(MemoryContextAlloc(wf_sched.cycle_cxt,
								  mul_size(Max(ninfos, 1), sizeof(WfRunInfo))),
			   infos, mul_size(ninfos, sizeof(WfRunInfo)));
	lsn = wf_load_seen_upto();
	WF_STOP("sched-look-commit");
	wf_sched_commit(&w);

	nlooks -= n;
	for (int i = 0; i < n; i++)
	{
		pg_uuid_t id;

		if (i > 0 && ids[i] == ids[i - 1])
			continue;
		wf_message_uuid(ids[i], &id);
		while (next < ninfos && wf_runid_cmp(&infos[next].run_id, &id) < 0)
			next++;
		if (next < ninfos && wf_runid_cmp(&infos[next].run_id, &id) == 0)
		{
			infos[next].lsn = lsn;
			apply_look(&id, &infos[next]);
		}
		else
			apply_look(&id, NULL);
	}
	if (nlooks > 0)
		wf_sched.more = true;
}

/* ---- news ---- */

/* All that a receiver was handed with one ask. */
static void
end_ask(const WfNews *news)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &held[news->receiver])
	{
		WfEntry *entry = dlist_container(WfEntry, link.node, iter.cur);

		if (entry->ask != news->ask)
			continue;
		/* its row has a new version, or will have one */
		ItemPointerSetInvalid(&entry->tid);
		if (news->kind == WF_NEWS_UNUSED)
		{
			give_back(entry, 0);
			continue;
		}
		wf_ready_take(&wf_sched.ready, entry);
		entry->uncounted = news->kind == WF_NEWS_RETURNED;
		wf_ready_lease(&wf_sched.ready, entry,
					   entry->uncounted ? wf_sched.now
										: wf_clock_now() + news->value);
	}
}

static int32 purged_queue;

static void
look_if_purged(WfEntry *entry)
{
	if (entry->message && entry->queue_id == purged_queue &&
		entry->place != WF_PLACE_HELD && entry->place != WF_PLACE_LEASED)
		look_at(wf_uuid_message(&entry->run_id));
}

static void
look_if_in_hand(WfEntry *entry)
{
	if (entry->place == WF_PLACE_HELD || entry->place == WF_PLACE_LEASED)
		look_at(wf_uuid_message(&entry->run_id));
}

static WfEntry *
entry_of(int64 message_id)
{
	pg_uuid_t id;

	wf_message_uuid(message_id, &id);
	return wf_ready_find(&wf_sched.ready, &id);
}

static void
apply_news(const WfNews *news)
{
	WfEntry *entry;

	switch (news->kind)
	{
		case WF_NEWS_ASKED:
			wf_receivers_came(news->receiver);
			break;
		case WF_NEWS_LEASED:
		case WF_NEWS_RETURNED:
		case WF_NEWS_UNUSED:
			end_ask(news);
			break;
		case WF_NEWS_DONE:
			entry = entry_of(news->value);
			if (entry != NULL)
				done(entry);
			break;
		case WF_NEWS_LOOK:
			look_at(news->value);
			break;
		case WF_NEWS_LOCKED:
			entry = entry_of(news->value);
			if (entry != NULL && entry->place == WF_PLACE_HELD &&
				entry->receiver == news->receiver && entry->ask == news->ask)
				look_later(entry);
			break;
		case WF_NEWS_PURGED:
			purged_queue = (int32) news->value;
			wf_ready_foreach(&wf_sched.ready, look_if_purged);
			break;
	}
}

/* News that were lost: who asks is seen in shared memory, the rest in rows. */
static void
recover_news(void)
{
	for (int i = 0; i < wf_receiver_count(); i++)
		wf_receivers_came(i);
	wf_ready_foreach(&wf_sched.ready, look_if_in_hand);
}

void
wf_messages_discard_news(void)
{
	WfNews news[NEWS_CHUNK];
	bool lost;

	while (wf_news_read(wf_sched.db, news, NEWS_CHUNK, &lost) == NEWS_CHUNK)
		;
	for (int i = 0; i < wf_receiver_count(); i++)
		wf_receivers_came(i);
}

void
wf_messages_news(void)
{
	WfNews news[NEWS_CHUNK];
	bool lost = false;
	int total = 0;
	int n;

	do
	{
		n = wf_news_read(wf_sched.db, news, NEWS_CHUNK, &lost);
		for (int i = 0; i < n; i++)
			apply_news(&news[i]);
		total += n;
		if (lost)
			recover_news();
	} while (n == NEWS_CHUNK && total < NEWS_MOST);
	if (n == NEWS_CHUNK)
		wf_sched.more = true;
	if (nlooks > 0)
		look_batch();
}

/* ---- leases that are over ---- */

typedef enum Fate
{
	FATE_BACK,	/* queued again, from `at` on */
	FATE_LATER, /* to be looked at again, then */
	FATE_DONE,
	FATE_DIED,
	FATE_FOREIGN
} Fate;

typedef struct Expiry
{
	WfEntry *entry;
	Fate fate;
	TimestampTz at;
	ItemPointerData tid;
	bool wakes; /* a run waited for it */
	WfRunInfo wake;
} Expiry;

/* The policies of the queues that were met in this transaction. */
static const WfPolicy *
policy_of_queue(int32 queue_id)
{
	static WfQueueReceive queue;
	static TransactionId known_in = InvalidTransactionId;
	TransactionId xid = GetCurrentTransactionId();

	if (known_in != xid || queue.queue_id != queue_id)
	{
		if (!wf_queue_receive_load(NULL, queue_id, BOOTSTRAP_SUPERUSERID,
								   &queue))
		{
			/* dropped: what is left in it goes by the defaults */
			queue.queue_id = queue_id;
			wf_policy_init(&queue.policy);
		}
		known_in = xid;
	}
	return &queue.policy;
}

/*
 * An attempt has come to nothing, and nobody says why: again at once, or never
 * where the policy has no more.
 */
static WfRowResult
end_attempt(WfOpenTable *table, WfDelivery *row, Expiry *x)
{
	bool expired = row->state == WF_MESSAGE_LEASED;
	WfFault fault = {.reason = WF_REASON_ATTEMPTS};
	WfRowResult result;
	WfPolicy buffer;
	const WfPolicy *policy =
		wf_delivery_policy(row, policy_of_queue(row->queue_id), &buffer);

	x->fate = FATE_BACK;
	x->at = row->due_at > wf_sched.now ? 0 : row->due_at;
	if (!policy->at_most_once && (policy->max_attempts == 0 ||
								  row->attempts_used < policy->max_attempts))
		return wf_delivery_give_back(table, row, 0, NULL, false);

	fault.code =
		unpack_sql_state(policy->at_most_once ? ERRCODE_WF_OUTCOME_UNKNOWN
											  : ERRCODE_WF_TASK_FAILED);
	if (policy->at_most_once)
		fault.reason = WF_REASON_EXPIRED;
	fault.message = expired ? "lease expired" : "receive was rolled back";
	fault.detail = psprintf(
		"It was received %d times, and neither acknowledged nor given back the last time.",
		row->attempt);
	x->fate = FATE_DIED;
	result = wf_delivery_bury(table, row, &fault, false);
	if (result == WF_ROW_DONE)
		x->wakes = wf_message_settled(row, (Datum) 0, &fault, &x->wake);
	return result;
}

static void
look_again_in(Expiry *x, int64 usec)
{
	x->fate = FATE_LATER;
	x->at = wf_sched.now + usec;
}

/* In a window: decides by the row, and writes it. */
static void
expire_one(WfOpenTable *table, Expiry *x)
{
	WfEntry *entry = x->entry;
	WfRowResult result;
	WfDelivery row;

	x->tid = entry->tid;
	if (!wf_delivery_read(table, wf_uuid_message(&entry->run_id), &x->tid,
						  CurrentMemoryContext, &row) ||
		row.state == WF_MESSAGE_ACKED)
		x->fate = FATE_DONE;
	else if (row.origin != wf_origin())
		x->fate = FATE_FOREIGN;
	else if (row.state == WF_MESSAGE_DEAD)
		x->fate = FATE_DIED;
	else if (TransactionIdIsValid(row.writer) &&
			 TransactionIdIsInProgress(row.writer))
		look_again_in(x, LOCKED_USEC);
	else if (row.state == WF_MESSAGE_LEASED && row.lease_until > wf_sched.now)
	{
		x->fate = FATE_LATER;
		x->at = row.lease_until;
		entry->uncounted = false;
	}
	else if (row.state == WF_MESSAGE_QUEUED && !entry->uncounted)
	{
		x->fate = FATE_BACK;
		x->at = row.due_at;
	}
	else
	{
		if (row.state == WF_MESSAGE_QUEUED)
		{
			row.attempt++;
			row.attempts_used++;
		}
		result = end_attempt(table, &row, x);
		if (result == WF_ROW_LOCKED)
			look_again_in(x, LOCKED_USEC);
		else if (result == WF_ROW_CHANGED)
			look_again_in(x, CHANGED_USEC);
	}
	x->tid = row.tid;
}

/* After the commit. */
static void
apply_fate(Expiry *x)
{
	WfEntry *entry = x->entry;

	switch (x->fate)
	{
		case FATE_BACK:
			entry->tid = x->tid;
			entry->lsn = 0; /* our own commit has flushed it */
			give_back(entry, x->at);
			break;
		case FATE_LATER:
			wf_messages_hold(entry, x->at);
			break;
		case FATE_DONE:
			done(entry);
			break;
		case FATE_DIED:
			died(entry);
			break;
		case FATE_FOREIGN:
			wf_ready_forget(&wf_sched.ready, entry);
			break;
	}
	if (x->wakes)
		wf_load_learn(&x->wake, NULL);
}

/* One batch; false when nothing more is over. */
static bool
expire_batch(void)
{
	Expiry *batch = palloc0(WF_SCHED_BATCH * sizeof(Expiry));
	WfOpenTable table;
	WfWindow w;
	int n = 0;

	while (n < WF_SCHED_BATCH)
	{
		WfEntry *entry = wf_ready_next_lease(&wf_sched.ready, wf_sched.now);

		if (entry == NULL)
			break;
		wf_ready_take(&wf_sched.ready, entry);
		batch[n++].entry = entry;
	}
	if (n == 0)
		return false;

	wf_sched_begin(&w, "ending leases");
	wf_delivery_open(true, &table);
	for (int i = 0; i < n; i++)
		expire_one(&table, &batch[i]);
	wf_table_close(&table);
	WF_STOP("sched-lease-commit");
	wf_sched_commit(&w);
	for (int i = 0; i < n; i++)
		apply_fate(&batch[i]);
	return n == WF_SCHED_BATCH;
}

/* In a copy the rows are none of our business before start(). */
void
wf_messages_expire(void)
{
	if (wf_sched.control.foreign)
		return;
	while (expire_batch())
		CHECK_FOR_INTERRUPTS();
}
