/*
 * shelf.c
 *		Messages laid out in shared memory.
 */
#include "postgres.h"

#include "storage/shmem.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/stoppoint.h"
#include "ipc/shelf.h"

typedef struct Shelf
{
	pg_atomic_uint64 changes; /* rises */
	pg_atomic_uint64 heeded;  /* scheduler */
	pg_atomic_uint64 head;	  /* rises, by compare and swap */
	pg_atomic_uint64 tail;	  /* scheduler; rises */
	pg_atomic_uint64 last;	  /* scheduler: highest id ever laid out, + 1 */
	int32 queue_id;			  /* scheduler, while head is tail */
	WfShelfItem items[WF_SHELF_SIZE];
} Shelf;

static Shelf *shelves = NULL; /* [wf_max_databases], as wf_databases */

Size
wf_shelves_size(void)
{
	return mul_size(wf_max_databases, sizeof(Shelf));
}

void
wf_shelves_startup(void)
{
	bool found;

	shelves = ShmemInitStruct("workflow shelves", wf_shelves_size(), &found);
	if (found)
		return;
	MemSet(shelves, 0, wf_shelves_size());
	for (int i = 0; i < wf_max_databases; i++)
	{
		pg_atomic_init_u64(&shelves[i].changes, 0);
		pg_atomic_init_u64(&shelves[i].heeded, 0);
		pg_atomic_init_u64(&shelves[i].head, 0);
		pg_atomic_init_u64(&shelves[i].tail, 0);
		pg_atomic_init_u64(&shelves[i].last, 0);
	}
}

static inline Shelf *
shelf_of(WfDatabase *db)
{
	return &shelves[db - wf_databases];
}

/* ---- changes ---- */

void
wf_shelf_change(WfDatabase *db)
{
	pg_atomic_fetch_add_u64(&shelf_of(db)->changes, 1);
}

bool
wf_shelf_is_passed(WfDatabase *db, int64 message_id)
{
	return (uint64) message_id < pg_atomic_read_u64(&shelf_of(db)->last);
}

uint64
wf_shelf_changes(WfDatabase *db)
{
	uint64 changes = pg_atomic_read_u64(&shelf_of(db)->changes);

	pg_read_barrier();
	return changes;
}

void
wf_shelf_heed(WfDatabase *db, uint64 changes)
{
	Shelf *shelf = shelf_of(db);

	if (pg_atomic_read_u64(&shelf->heeded) == changes)
		return;
	pg_write_barrier();
	pg_atomic_write_u64(&shelf->heeded, changes);
}

/* ---- taking ---- */

bool
wf_shelf_take(WfDatabase *db, int32 queue_id, WfShelfItem *out)
{
	Shelf *shelf = shelf_of(db);
	uint64 head = pg_atomic_read_u64(&shelf->head);

	for (;;)
	{
		if (head >= pg_atomic_read_u64(&shelf->tail))
			return false;
		pg_read_barrier();
		if (shelf->queue_id != queue_id ||
			(pg_atomic_read_u64(&shelf->changes) !=
				 pg_atomic_read_u64(&shelf->heeded) &&
			 !WF_BROKEN("heedless-shelf")))
			return false;
		*out = shelf->items[head % WF_SHELF_SIZE];
		/* a full barrier; on failure "head" is what it was found to be */
		if (pg_atomic_compare_exchange_u64(&shelf->head, &head, head + 1))
			return true;
	}
}

/* ---- the scheduler ---- */

uint64
wf_shelf_head(WfDatabase *db)
{
	return pg_atomic_read_u64(&shelf_of(db)->head);
}

uint64
wf_shelf_tail(WfDatabase *db)
{
	return pg_atomic_read_u64(&shelf_of(db)->tail);
}

bool
wf_shelf_take_back(WfDatabase *db, uint64 position, int n)
{
	return pg_atomic_compare_exchange_u64(&shelf_of(db)->head, &position,
										  position + n);
}

uint64
wf_shelf_pop_all(WfDatabase *db, uint64 *first)
{
	Shelf *shelf = shelf_of(db);
	uint64 tail = pg_atomic_read_u64(&shelf->tail);

	*first = pg_atomic_read_u64(&shelf->head);
	while (!pg_atomic_compare_exchange_u64(&shelf->head, first, tail))
		;
	return tail;
}

void
wf_shelf_lay(WfDatabase *db, int32 queue_id, const WfShelfItem *item)
{
	Shelf *shelf = shelf_of(db);
	uint64 tail = pg_atomic_read_u64(&shelf->tail);
	uint64 end = (uint64) item->message_id + 1;

	Assert(tail - pg_atomic_read_u64(&shelf->head) < WF_SHELF_SIZE);
	Assert(shelf->queue_id == queue_id ||
		   tail == pg_atomic_read_u64(&shelf->head));
	shelf->queue_id = queue_id;
	shelf->items[tail % WF_SHELF_SIZE] = *item;
	if (pg_atomic_read_u64(&shelf->last) < end)
		pg_atomic_write_u64(&shelf->last, end);
	pg_write_barrier();
	pg_atomic_write_u64(&shelf->tail, tail + 1);
}
