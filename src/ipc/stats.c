/*
 * stats.c
 *		Cumulative counters per workflow, in shared memory.
 *
 * Owns: one hash table of fixed size, (database, workflow) -> counters.
 *
 * Locking: stats_lock, shared to look up and add, exclusive to make and remove
 * an entry.  The counters are atomic.  Nothing else is taken under it.
 */
#include "postgres.h"

#include "storage/shmem.h"
#include "utils/hsearch.h"

#include "base/clock.h"
#include "base/guc.h"
#include "ipc/shmem.h"
#include "ipc/stats.h"

typedef struct StatsKey
{
	Oid database;
	int32 workflow_id;
} StatsKey;

typedef struct StatsEntry
{
	StatsKey key;
	TimestampTz since; /* stats_lock, exclusive */
	pg_atomic_uint64 values[WF_COUNT_N];
} StatsEntry;

static HTAB *stats_hash = NULL;

Size
wf_stats_size(void)
{
	return hash_estimate_size(Max(wf_max_tracked, 1), sizeof(StatsEntry));
}

void
wf_stats_startup(bool found)
{
	HASHCTL info = {0};

	info.keysize = sizeof(StatsKey);
	info.entrysize = sizeof(StatsEntry);
	stats_hash = ShmemInitHash("workflow stats", Max(wf_max_tracked, 1),
							   Max(wf_max_tracked, 1), &info,
							   HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
}

/* lock held exclusively; NULL when the table is full */
static StatsEntry *
entry_make(const StatsKey *key)
{
	bool found;
	StatsEntry *entry = hash_search(stats_hash, key, HASH_ENTER_NULL, &found);

	if (entry != NULL && !found)
	{
		entry->since = wf_clock_now();
		for (int i = 0; i < WF_COUNT_N; i++)
			pg_atomic_init_u64(&entry->values[i], 0);
	}
	return entry;
}

void
wf_stats_add(Oid database, int32 workflow_id, WfCounter counter, uint64 amount)
{
	static bool told = false;
	StatsKey key = {database, workflow_id};
	StatsEntry *entry;

	if (wf_shared == NULL)
		return;

	LWLockAcquire(wf_shared->stats_lock, LW_SHARED);
	entry = hash_search(stats_hash, &key, HASH_FIND, NULL);
	if (entry == NULL)
	{
		LWLockRelease(wf_shared->stats_lock);
		LWLockAcquire(wf_shared->stats_lock, LW_EXCLUSIVE);
		entry = entry_make(&key);
	}
	if (entry != NULL)
		pg_atomic_fetch_add_u64(&entry->values[counter], amount);
	LWLockRelease(wf_shared->stats_lock);

	if (entry == NULL && !told)
	{
		told = true;
		ereport(LOG,
				(errmsg("statistics of some workflows are not counted"),
				 errhint("Increase \"%s\".", "workflow.max_tracked")));
	}
}

bool
wf_stats_get(Oid database, int32 workflow_id, uint64 values[WF_COUNT_N],
			 TimestampTz *since)
{
	StatsKey key = {database, workflow_id};
	StatsEntry *entry;

	if (wf_shared == NULL)
		return false;

	LWLockAcquire(wf_shared->stats_lock, LW_SHARED);
	entry = hash_search(stats_hash, &key, HASH_FIND, NULL);
	if (entry != NULL)
	{
		for (int i = 0; i < WF_COUNT_N; i++)
			values[i] = pg_atomic_read_u64(&entry->values[i]);
		*since = entry->since;
	}
	LWLockRelease(wf_shared->stats_lock);
	return entry != NULL;
}

/* Visits all entries of a database, or of one workflow. */
static void
visit(Oid database, int32 workflow_id, bool forget)
{
	HASH_SEQ_STATUS scan;
	StatsEntry *entry;
	TimestampTz now = wf_clock_now();

	if (wf_shared == NULL)
		return;

	LWLockAcquire(wf_shared->stats_lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, stats_hash);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->key.database != database ||
			(workflow_id != 0 && entry->key.workflow_id != workflow_id))
			continue;
		if (forget)
		{
			(void) hash_search(stats_hash, &entry->key, HASH_REMOVE, NULL);
			continue;
		}
		entry->since = now;
		for (int i = 0; i < WF_COUNT_N; i++)
			pg_atomic_write_u64(&entry->values[i], 0);
	}
	LWLockRelease(wf_shared->stats_lock);
}

void
wf_stats_reset(Oid database, int32 workflow_id)
{
	visit(database, workflow_id, false);
}

void
wf_stats_forget(Oid database)
{
	visit(database, 0, true);
}
