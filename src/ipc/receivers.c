/*
 * receivers.c
 *		Receivers and news in shared memory.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"

#include "base/compat.h"
#include "base/guc.h"
#include "ipc/receivers.h"
#include "ipc/shelf.h"

#define NEWS_SIZE 4096

/* so many news are copied in one go under a spinlock */
#define NEWS_BATCH 32

typedef struct NewsRing
{
	slock_t lock;
	uint64 head; /* next to write; lock */
	uint64 tail; /* next to read; lock */
	bool lost;	 /* lock; some found no room */
	WfNews news[NEWS_SIZE];
} NewsRing;

static WfReceiver *receivers = NULL; /* [wf_backend_slots()] */
static NewsRing *rings = NULL;		 /* [wf_max_databases], as wf_databases */

static Size
receivers_offset(void)
{
	return CACHELINEALIGN(mul_size(wf_max_databases, sizeof(NewsRing)));
}

Size
wf_receivers_size(void)
{
	return add_size(receivers_offset(),
					mul_size(wf_backend_slots(), sizeof(WfReceiver)));
}

void
wf_receivers_startup(bool found)
{
	bool there;

	rings = ShmemInitStruct("workflow receivers", wf_receivers_size(), &there);
	receivers = (WfReceiver *) ((char *) rings + receivers_offset());
	if (found)
		return;
	MemSet(rings, 0, wf_receivers_size());
	for (int i = 0; i < wf_max_databases; i++)
		SpinLockInit(&rings[i].lock);
	for (int i = 0; i < wf_backend_slots(); i++)
	{
		pg_atomic_init_u32(&receivers[i].state, WF_RECEIVER_IDLE);
		pg_atomic_init_u32(&receivers[i].seen, 0);
	}
}

/* ---- receivers ---- */

int
wf_receiver_count(void)
{
	return wf_backend_slots();
}

WfReceiver *
wf_receiver(int index)
{
	return &receivers[index];
}

bool
wf_receiver_asks(WfReceiver *receiver, uint32 *ask)
{
	uint32 state = pg_atomic_read_u32(&receiver->state);

	if (state != WF_RECEIVER_ASKED && state != WF_RECEIVER_WAITING)
		return false;
	pg_read_barrier();
	*ask = receiver->ask;
	return receiver->database == MyDatabaseId;
}

void
wf_receiver_wake(WfReceiver *receiver)
{
	PGPROC *proc = receiver->proc;

	if (proc != NULL)
		SetLatch(&proc->procLatch);
}

/* ---- news ---- */

/* lock held */
static void
push(NewsRing *ring, const WfNews *news)
{
	if (ring->head - ring->tail == NEWS_SIZE)
	{
		ring->lost = true;
		return;
	}
	ring->news[ring->head % NEWS_SIZE] = *news;
	ring->head++;
}

/* Does nobody wait for the scheduler to hear of it? */
static bool
has_time(const WfNews *news)
{
	return news->kind == WF_NEWS_TAKEN || news->kind == WF_NEWS_LEASED ||
		   news->kind == WF_NEWS_DONE;
}

/*
 * Safe in a commit callback.  The entry of the database may be freed in
 * between, with its extension: nobody reads the news then.
 */
void
wf_news_send(const WfNews *news, int n)
{
	WfDatabase *db = wf_database_find(MyDatabaseId);
	NewsRing *ring;
	bool is_full = false;
	bool urgent = false;
	bool changes = false;

	if (db == NULL || n == 0)
		return;
	ring = &rings[db - wf_databases];
	for (int i = 0; i < n; i += NEWS_BATCH)
	{
		SpinLockAcquire(&ring->lock);
		for (int j = i; j < Min(n, i + NEWS_BATCH); j++)
			push(ring, &news[j]);
		is_full = ring->head - ring->tail > NEWS_SIZE / 2;
		SpinLockRelease(&ring->lock);
	}
	for (int i = 0; i < n; i++)
	{
		urgent |= !has_time(&news[i]);
		/* asking changes nothing */
		changes |= !has_time(&news[i]) && news[i].kind != WF_NEWS_ASKED;
	}
	if (changes)
		wf_shelf_change(db);
	/* see wf_news_leave() */
	pg_memory_barrier();
	if (is_full || urgent || pg_atomic_read_u32(&db->reads_news) == 0)
		wf_wake_scheduler(db);
}

void
wf_news_attend(WfDatabase *db)
{
	pg_atomic_write_u32(&db->reads_news, 1);
}

/*
 * Either the sender of news sees that he has to wake us up, or we see that
 * there are some.
 */
bool
wf_news_leave(WfDatabase *db)
{
	NewsRing *ring = &rings[db - wf_databases];
	bool some;

	if (pg_atomic_read_u32(&db->reads_news) == 0)
		return true;
	pg_atomic_write_u32(&db->reads_news, 0);
	pg_memory_barrier();
	SpinLockAcquire(&ring->lock);
	some = ring->tail < ring->head || ring->lost;
	SpinLockRelease(&ring->lock);
	return !some;
}

int
wf_news_read(WfDatabase *db, WfNews *out, int max, bool *lost)
{
	NewsRing *ring = &rings[db - wf_databases];
	int n = 0;

	SpinLockAcquire(&ring->lock);
	while (n < max && ring->tail < ring->head)
	{
		out[n++] = ring->news[ring->tail % NEWS_SIZE];
		ring->tail++;
	}
	*lost = ring->tail == ring->head && ring->lost;
	if (*lost)
		ring->lost = false;
	SpinLockRelease(&ring->lock);
	return n;
}
