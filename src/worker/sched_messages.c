/*
 * sched_messages.c
 *		Messages: who has them, and when they come back.
 *
 * A message that was handed out is HELD until the receiver's transaction ends,
 * and then LEASED until its lease is over or it is told to be done.  LEASED is
 * also any other that is not to be handed out now: its row is locked by
 * somebody, or a rolled-back receive has yet to be counted.  When the time of
 * one has come its row is read, and that alone decides (sched_leases.c): so it
 * does no harm when news of it come late, twice or never.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "base/stoppoint.h"
#include "core/workid.h"
#include "store/work.h"
#include "worker/queue_stats.h"
#include "worker/receivers.h"
#include "worker/sched.h"

/* news that are read in one go, and at most in one cycle */
#define NEWS_CHUNK 256
#define NEWS_MOST  8192

/* when a row is looked at again that somebody has locked */
#define LOCKED_USEC USECS_PER_SEC

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
void
wf_messages_give_back(WfEntry *entry, TimestampTz due_at)
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

void
wf_messages_done(WfEntry *entry)
{
	count_end(entry, WF_QCOUNT_SUCCEEDED);
	wf_ready_forget(&wf_sched.ready, entry);
}

void
wf_messages_gone(WfEntry *entry)
{
	count_end(entry, WF_QCOUNT_FAILED);
	wf_ready_forget(&wf_sched.ready, entry);
}

void
wf_messages_died(WfEntry *entry)
{
	if (entry->blocking)
		return; /* known already */
	count_end(entry, WF_QCOUNT_FAILED);
	wf_alerts_died(entry);
	wf_ready_take(&wf_sched.ready, entry);
	wf_seat_stopped(entry, true);
}

void
wf_messages_learn(const WfWork *info)
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
revive(WfEntry *entry, const WfWork *info)
{
	wf_ready_forget(&wf_sched.ready, entry);
	entry = wf_ready_make(&wf_sched.ready, info);
	wf_gate_keep(entry);
	wf_ready_place(&wf_sched.ready, entry, wf_sched.now);
}

/* What a row says that was read; NULL: there is none, or it is acknowledged. */
static void
apply_look(const pg_uuid_t *id, WfWork *info)
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
		wf_messages_died(entry);
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
	else if (entry->place != WF_PLACE_GATE || info->due_at > wf_sched.now)
	{
		if (info->flags & WF_ASSIGN_BEGUN)
			entry->begun = true;
		wf_messages_give_back(entry, info->due_at);
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
	return wf_workid_cmp(&((const WfWork *) a)->id, &((const WfWork *) b)->id);
}

/* One batch of rows. */
static void
look_batch(void)
{
	int n = Min(nlooks, WF_SCHED_CHUNK);
	int64 *ids = looks + nlooks - n;
	WfWork *infos;
	int ninfos;
	int next = 0;
	XLogRecPtr lsn;
	WfWindow w;

	qsort(ids, n, sizeof(int64), compare_ids);
	wf_sched_begin(&w, "reading messages");
	ninfos = wf_message_look(ids, n, &infos);
	qsort(infos, ninfos, sizeof(WfWork), compare_infos);
	infos =
		memcpy(MemoryContextAlloc(wf_sched.cycle_cxt,
								  mul_size(Max(ninfos, 1), sizeof(WfWork))),
			   infos, mul_size(ninfos, sizeof(WfWork)));
	lsn = wf_load_seen_upto();
	WF_STOP("sched-look-commit");
	wf_sched_commit(&w);

	nlooks -= n;
	for (int i = 0; i < n; i++)
	{
		pg_uuid_t id;

		if (i > 0 && ids[i] == ids[i - 1])
			continue;
		wf_workid_of_message(ids[i], &id);
		while (next < ninfos && wf_workid_cmp(&infos[next].id, &id) < 0)
			next++;
		if (next < ninfos && wf_workid_cmp(&infos[next].id, &id) == 0)
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
			wf_messages_give_back(entry, 0);
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
		look_at(wf_workid_message(&entry->run_id));
}

static void
look_if_in_hand(WfEntry *entry)
{
	if (entry->place == WF_PLACE_HELD || entry->place == WF_PLACE_LEASED ||
		entry->place == WF_PLACE_SHELF)
		look_at(wf_workid_message(&entry->run_id));
}

static WfEntry *
entry_of(int64 message_id)
{
	pg_uuid_t id;

	wf_workid_of_message(message_id, &id);
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
		case WF_NEWS_TAKEN:
			entry = entry_of(news->value);
			if (entry != NULL && (entry->place == WF_PLACE_SHELF ||
								  entry->place == WF_PLACE_GATE))
				wf_receivers_took(entry, news->receiver, news->ask);
			break;
		case WF_NEWS_LEASED:
		case WF_NEWS_RETURNED:
		case WF_NEWS_UNUSED:
			end_ask(news);
			break;
		case WF_NEWS_DONE:
			entry = entry_of(news->value);
			if (entry != NULL)
				wf_messages_done(entry);
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
	/* of what was laid out, only what was taken is left there */
	wf_shelf_clear();
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
