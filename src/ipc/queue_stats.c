/*
 * queue_stats.c
 *		Gauges and cumulative counters per queue, in shared memory.
 *
 * Owns: one hash table of fixed size, (database, queue) -> entry.
 *
 * Locking: queue_lock, shared to look up, to count and to publish, exclusive
 * to make and remove an entry.  The counters are atomic; the gauges have a
 * spinlock of their own, for no more than a copy of them.  Nothing else is
 * taken under either.
 */
#include "postgres.h"

#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/hsearch.h"

#include "base/clock.h"
#include "base/guc.h"
#include "ipc/queue_stats.h"
#include "ipc/shmem.h"

typedef struct QueueKey
{
	Oid database;
	int32 queue_id;
} QueueKey;

typedef struct QueueEntry
{
	QueueKey key;
	TimestampTz since; /* queue_lock, exclusive */
	slock_t gauges_lock;
	bool published;		  /* gauges_lock; written by the scheduler */
	WfQueueGauges gauges; /* likewise */
	pg_atomic_uint64 values[WF_QCOUNT_N];
} QueueEntry;

static HTAB *queue_hash = NULL;

Size
wf_queue_stats_size(void)
{
	return hash_estimate_size(Max(wf_max_tracked, 1), sizeof(QueueEntry));
}

void
wf_queue_stats_startup(bool found)
{
	HASHCTL info = {0};

	info.keysize = sizeof(QueueKey);
	info.entrysize = sizeof(QueueEntry);
	queue_hash = ShmemInitHash("workflow queues", Max(wf_max_tracked, 1),
							   Max(wf_max_tracked, 1), &info,
							   HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
}

/* lock held exclusively; NULL when the table is full */
static QueueEntry *
entry_make(const QueueKey *key)
{
	bool found;
	QueueEntry *entry = hash_search(queue_hash, key, HASH_ENTER_NULL, &found);

	if (entry != NULL && !found)
	{
		entry->since = wf_clock_now();
		SpinLockInit(&entry->gauges_lock);
		entry->published = false;
		memset(&entry->gauges, 0, sizeof(entry->gauges));
		for (int i = 0; i < WF_QCOUNT_N; i++)
			pg_atomic_init_u64(&entry->values[i], 0);
	}
	return entry;
}

/*
 * The entry, made where there is none, with the lock held in some mode; NULL,
 * with the lock held as well, when the table is full.
 */
static QueueEntry *
entry_get_locked(Oid database, int32 queue_id)
{
	QueueKey key = {database, queue_id};
	QueueEntry *entry;

	LWLockAcquire(wf_shared->queue_lock, LW_SHARED);
	entry = hash_search(queue_hash, &key, HASH_FIND, NULL);
	if (entry == NULL)
	{
		LWLockRelease(wf_shared->queue_lock);
		LWLockAcquire(wf_shared->queue_lock, LW_EXCLUSIVE);
		entry = entry_make(&key);
	}
	return entry;
}

static void
tell_full(void)
{
	static bool told = false;

	if (told)
		return;
	told = true;
	ereport(LOG,
			(errmsg("statistics of some queues are not kept"),
			 errhint("Increase \"%s\".", "workflow.max_tracked")));
}

/* ---- gauges ---- */

void
wf_queue_minute(const WfQueueGauges *g, TimestampTz now, uint32 *started,
				uint32 *ended)
{
	int64 present = wf_minute_part(now);

	*started = *ended = 0;
	for (int64 part = Max(g->part, present) - WF_MINUTE_PARTS + 1;
		 part <= g->part; part++)
	{
		if (part < 0)
			continue;
		*started += g->started[part % WF_MINUTE_PARTS];
		*ended += g->ended[part % WF_MINUTE_PARTS];
	}
}

void
wf_queue_publish(Oid database, int32 queue_id, const WfQueueGauges *g)
{
	QueueEntry *entry;

	if (wf_shared == NULL)
		return;

	entry = entry_get_locked(database, queue_id);
	if (entry != NULL)
	{
		SpinLockAcquire(&entry->gauges_lock);
		entry->gauges = *g;
		entry->published = true;
		SpinLockRelease(&entry->gauges_lock);
	}
	LWLockRelease(wf_shared->queue_lock);
	if (entry == NULL)
		tell_full();
}

bool
wf_queue_gauges(Oid database, int32 queue_id, WfQueueGauges *out)
{
	QueueKey key = {database, queue_id};
	QueueEntry *entry;
	bool published = false;

	memset(out, 0, sizeof(*out));
	if (wf_shared == NULL)
		return false;

	LWLockAcquire(wf_shared->queue_lock, LW_SHARED);
	entry = hash_search(queue_hash, &key, HASH_FIND, NULL);
	if (entry != NULL)
	{
		SpinLockAcquire(&entry->gauges_lock);
		published = entry->published;
		if (published)
			*out = entry->gauges;
		SpinLockRelease(&entry->gauges_lock);
	}
	LWLockRelease(wf_shared->queue_lock);
	return published;
}

/* ---- counters ---- */

void
wf_queue_count(Oid database, int32 queue_id, WfQueueCounter c, uint64 n)
{
	QueueEntry *entry;

	if (wf_shared == NULL)
		return;

	entry = entry_get_locked(database, queue_id);
	if (entry != NULL)
		pg_atomic_fetch_add_u64(&entry->values[c], n);
	LWLockRelease(wf_shared->queue_lock);
	if (entry == NULL)
		tell_full();
}

bool
wf_queue_counts(Oid database, int32 queue_id, uint64 values[WF_QCOUNT_N],
				TimestampTz *since)
{
	QueueKey key = {database, queue_id};
	QueueEntry *entry;

	if (wf_shared == NULL)
		return false;

	LWLockAcquire(wf_shared->queue_lock, LW_SHARED);
	entry = hash_search(queue_hash, &key, HASH_FIND, NULL);
	if (entry != NULL)
	{
		for (int i = 0; i < WF_QCOUNT_N; i++)
			values[i] = pg_atomic_read_u64(&entry->values[i]);
		*since = entry->since;
	}
	LWLockRelease(wf_shared->queue_lock);
	return entry != NULL;
}

/* ---- all entries of a database, or of one queue ---- */

typedef enum Visit
{
	VISIT_UNPUBLISH,
	VISIT_RESET,
	VISIT_FORGET
} Visit;

/* lock held exclusively, so nobody else is at the gauges */
static void
visit_entry(QueueEntry *entry, Visit what, TimestampTz now)
{
	switch (what)
	{
		case VISIT_UNPUBLISH:
			entry->published = false;
			break;
		case VISIT_RESET:
			entry->since = now;
			for (int i = 0; i < WF_QCOUNT_N; i++)
				pg_atomic_write_u64(&entry->values[i], 0);
			break;
		case VISIT_FORGET:
			(void) hash_search(queue_hash, &entry->key, HASH_REMOVE, NULL);
			break;
	}
}

static void
visit(Oid database, int32 queue_id, Visit what)
{
	HASH_SEQ_STATUS scan;
	QueueEntry *entry;
	TimestampTz now = wf_clock_now();

	if (wf_shared == NULL)
		return;

	LWLockAcquire(wf_shared->queue_lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, queue_hash);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->key.database == database &&
			(queue_id == WF_ALL_QUEUES || entry->key.queue_id == queue_id))
			visit_entry(entry, what, now);
	}
	LWLockRelease(wf_shared->queue_lock);
}

void
wf_queue_unpublish(Oid database)
{
	visit(database, WF_ALL_QUEUES, VISIT_UNPUBLISH);
}

void
wf_queue_stats_reset(Oid database, int32 queue_id)
{
	visit(database, queue_id, VISIT_RESET);
}

void
wf_queue_stats_forget(Oid database, int32 queue_id)
{
	visit(database, queue_id, VISIT_FORGET);
}
