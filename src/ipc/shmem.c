/*
 * shmem.c
 *		Layout of the shared segment, and what is read from it everywhere.
 *
 * Owns: the one segment, "workflow": WfShared, then the slots, then the
 * entries of databases.  There are as many slots as the server can have
 * background workers, so a slot is short only when a worker slot is.
 *
 * Must not: change a state; that is done in entries.c alone.
 *
 * Locking: see shmem.h.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "base/clock.h"
#include "base/guc.h"
#include "core/runid.h"
#include "ipc/shmem.h"

#define WF_COPY_TRIES 1000

WfShared *wf_shared = NULL;
WfSlot *wf_slots = NULL;
WfDatabase *wf_databases = NULL;

static Size
slots_offset(void)
{
	return CACHELINEALIGN(sizeof(WfShared));
}

static Size
databases_offset(void)
{
	Size size = mul_size(max_worker_processes, sizeof(WfSlot));

	return CACHELINEALIGN(add_size(slots_offset(), size));
}

static Size
shared_size(void)
{
	return add_size(databases_offset(),
					mul_size(wf_max_databases, sizeof(WfDatabase)));
}

Size
wf_shmem_size(void)
{
	return shared_size();
}

static void
slot_init(WfSlot *slot)
{
	pg_atomic_init_u32(&slot->retire, 0);
	pg_atomic_init_u32(&slot->cancels, 0);
	pg_atomic_init_u32(&slot->idle, 0);
	pg_atomic_init_u32(&slot->changecount, 0);
	for (int i = 0; i < WF_CELLS; i++)
	{
		pg_atomic_init_u32(&slot->cells[i].state, WF_CELL_EMPTY);
		pg_atomic_init_u32(&slot->cells[i].request, 0);
	}
}

static void
database_init(WfDatabase *db)
{
	SpinLockInit(&db->ring_lock);
	pg_atomic_init_u32(&db->events, 0);
	pg_atomic_init_u64(&db->definitions, 1);
	pg_atomic_init_u64(&db->idle_asked, 0);
	pg_atomic_init_u64(&db->idle_answered, 0);
	pg_atomic_init_u32(&db->reads_news, 0);
	pg_atomic_init_u64(&db->trouble_logged, 0);
	ConditionVariableInit(&db->idle_cv);
}

/* The postmaster, at start and after every crash.  All bytes are zero. */
static void
shared_init(void)
{
	LWLockPadded *locks = GetNamedLWLockTranche(WF_SHMEM_TRANCHE);
	uint64 boot_id;

	if (!pg_strong_random(&boot_id, sizeof(boot_id)))
		boot_id = (uint64) wf_clock_now() ^ ((uint64) MyProcPid << 48);

	wf_shared->lock = &locks[0].lock;
	wf_shared->stats_lock = &locks[1].lock;
	wf_shared->queue_lock = &locks[2].lock;
	wf_shared->nslots = max_worker_processes;
	wf_shared->ndatabases = wf_max_databases;
	wf_shared->probes_wanted = 1;
	wf_shared->stats_reset = wf_clock_now();
	pg_atomic_init_u64(&wf_shared->runid_ticks, 0);
	pg_atomic_init_u64(&wf_shared->boot_id, boot_id);
	ConditionVariableInit(&wf_shared->gone_cv);
	for (int i = 0; i < WF_WAIT_CHANNELS; i++)
		ConditionVariableInit(&wf_shared->waiters[i]);
	for (int i = 0; i < wf_shared->nslots; i++)
		slot_init(&wf_slots[i]);
	for (int i = 0; i < wf_shared->ndatabases; i++)
		database_init(&wf_databases[i]);
}

bool
wf_shmem_startup(void)
{
	bool found;

	wf_shared = ShmemInitStruct("workflow", shared_size(), &found);
	wf_slots = (WfSlot *) ((char *) wf_shared + slots_offset());
	wf_databases = (WfDatabase *) ((char *) wf_shared + databases_offset());
	if (!found)
	{
		MemSet(wf_shared, 0, shared_size());
		shared_init();
	}
	return found;
}

/*
 * The entry of a database, FREE ones aside.  Backends ask at every commit for
 * the same one, so where it was found last is looked at first.
 */
WfDatabase *
wf_database_find(Oid database)
{
	static int last = 0;
	WfDatabase *found = NULL;

	if (wf_shared == NULL || !OidIsValid(database))
		return NULL;

	LWLockAcquire(wf_shared->lock, LW_SHARED);
	if (wf_databases[last].database == database)
		found = &wf_databases[last];
	for (int i = 0; found == NULL && i < wf_shared->ndatabases; i++)
	{
		if (wf_databases[i].database == database)
		{
			found = &wf_databases[i];
			last = i;
		}
	}
	LWLockRelease(wf_shared->lock);
	return found;
}

/*
 * The random half of run ids.  Seeded in each process for itself: a state
 * inherited from the postmaster would be the same in all of its children.
 */
static uint64
entropy(void)
{
	static pg_prng_state state;
	static int seeded_pid = 0;

	if (seeded_pid != MyProcPid)
	{
		if (!pg_prng_strong_seed(&state))
			pg_prng_seed(&state,
						 (uint64) wf_clock_now() ^ ((uint64) MyProcPid << 40));
		seeded_pid = MyProcPid;
	}
	return pg_prng_uint64(&state);
}

static uint64
draw_ticks(void)
{
	pg_atomic_uint64 *ticks = &wf_shared->runid_ticks;
	TimestampTz now = wf_clock_now();
	uint64 previous = pg_atomic_read_u64(ticks);
	uint64 next;

	do
	{
		next = wf_runid_next(previous, now);
	} while (!pg_atomic_compare_exchange_u64(ticks, &previous, next));
	return next;
}

void
wf_runid_draw(pg_uuid_t *out)
{
	wf_runid_make(draw_ticks(), entropy(), out);
}

int64
wf_messageid_draw(void)
{
	return (int64) draw_ticks();
}

int64
wf_place_draw(void)
{
	return (int64) draw_ticks();
}

/*
 * Wake-ups.  The PGPROC is looked at under the lock, which its owner takes
 * exclusively to clear it before it ends, so the latch is that of our process.
 */
static void
wake(PGPROC **proc)
{
	LWLockAcquire(wf_shared->lock, LW_SHARED);
	if (*proc != NULL)
		SetLatch(&(*proc)->procLatch);
	LWLockRelease(wf_shared->lock);
}

void
wf_wake_launcher(void)
{
	wake(&wf_shared->launcher_proc);
}

void
wf_wake_scheduler(WfDatabase *db)
{
	wake(&db->proc);
}

void
wf_wake_executor(WfSlot *slot)
{
	wake(&slot->proc);
}

/* The last byte of a version 7 uuid is random. */
ConditionVariable *
wf_wait_channel(const pg_uuid_t *run_id)
{
	return &wf_shared->waiters[run_id->data[UUID_LEN - 1] % WF_WAIT_CHANNELS];
}

/*
 * Copies a slot for display.  The executor writes its part without a lock, so
 * the copy is made again when changecount was odd or has moved; an executor
 * that was stopped (SIGSTOP) amid a change must not hang us, so after many
 * tries the slot is shown as idle.
 */
bool
wf_slot_read(WfSlot *slot, WfSlot *copy)
{
	bool live;

	LWLockAcquire(wf_shared->lock, LW_SHARED);
	live = (slot->state == WF_SLOT_LIVE);
	for (int i = 0; live && i < WF_COPY_TRIES; i++)
	{
		uint32 before = pg_atomic_read_u32(&slot->changecount);

		pg_read_barrier();
		memcpy(copy, slot, sizeof(WfSlot));
		pg_read_barrier();
		if ((before & 1) == 0 &&
			before == pg_atomic_read_u32(&slot->changecount))
			break;
		if (i == WF_COPY_TRIES - 1)
			memset(&copy->run_id, 0, sizeof(copy->run_id));
	}
	LWLockRelease(wf_shared->lock);
	return live;
}
