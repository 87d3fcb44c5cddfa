/*
 * order.c
 *		The order of commits in groups whose limit is one.
 *
 * See order.h.  The notes of a transaction are kept for as much work as there
 * is, in the order in which it was written, so those of a subtransaction that
 * aborts are the last ones, as in wakeup.c.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "base/spi.h"
#include "base/stoppoint.h"
#include "core/mix.h"
#include "ipc/order.h"
#include "ipc/wakeup.h"
#include "store/prepared.h"

#define NELEMENTS 32768

/* notes beyond which their memory is given back after the transaction */
#define NOTES_KEPT 1024

typedef struct Note
{
	WfWorkId id;
	int64 place;
	uint32 element;
	SubTransactionId subid;
	ItemPointerData tid; /* of its row, most likely */
} Note;

static pg_atomic_uint64 *highest = NULL; /* [NELEMENTS] */

static Note *notes = NULL;
static int nnotes = 0;
static int notes_allocated = 0;

/* ---- the array ---- */

Size
wf_order_size(void)
{
	return mul_size(NELEMENTS, sizeof(pg_atomic_uint64));
}

void
wf_order_startup(void)
{
	bool found;

	highest = ShmemInitStruct("workflow order", wf_order_size(), &found);
	for (int i = 0; i < NELEMENTS && !found; i++)
		pg_atomic_init_u64(&highest[i], 0);
}

static uint32
element_of(int32 queue_id, uint64 group)
{
	uint64 hash = wf_mix_in(MyDatabaseId, (uint32) queue_id);

	return (uint32) (wf_mix_in(hash, group) % NELEMENTS);
}

static void
raise_to(const Note *note)
{
	uint64 present = pg_atomic_read_u64(&highest[note->element]);

	while (present < (uint64) note->place &&
		   !pg_atomic_compare_exchange_u64(&highest[note->element], &present,
										   (uint64) note->place))
		;
}

/* ---- notes ---- */

static void
add_note(const WfWorkId *id, int64 place, uint32 element, ItemPointer tid)
{
	Note *note;

	if (nnotes == notes_allocated)
	{
		int wanted = Max(2 * notes_allocated, 64);
		Size size = mul_size(wanted, sizeof(Note));

		notes = notes == NULL ? MemoryContextAlloc(TopMemoryContext, size)
							  : repalloc_huge(notes, size);
		notes_allocated = wanted;
	}
	note = &notes[nnotes++];
	note->id = *id;
	note->place = place;
	note->element = element;
	note->subid = GetCurrentSubTransactionId();
	note->tid = *tid;
}

void
wf_order_note(const WfWork *work)
{
	ItemPointerData tid = work->tid;

	if (work->group == 0 || work->due_at != 0)
		return;
	add_note(&work->id, work->place, element_of(work->queue_id, work->group),
			 &tid);
}

static void
forget_notes(void)
{
	nnotes = 0;
	if (notes_allocated <= NOTES_KEPT)
		return;
	pfree(notes);
	notes = NULL;
	notes_allocated = 0;
}

/* ---- PRE_COMMIT ---- */

static inline bool
is_passed(const Note *note)
{
	return pg_atomic_read_u64(&highest[note->element]) > (uint64) note->place;
}

/*
 * The elements in which a place is passed, as bits; NULL where there is none.
 * All of a group are drawn again, so that they keep the order of the calls.
 */
static uint8 *
find_passed(void)
{
	uint8 *passed = NULL;

	for (int i = 0; i < nnotes; i++)
	{
		if (!is_passed(&notes[i]))
			continue;
		if (passed == NULL)
			passed = palloc0(NELEMENTS / 8);
		passed[notes[i].element / 8] |= 1 << notes[i].element % 8;
	}
	return passed;
}

static void
compare(void)
{
	uint8 *passed = find_passed();

	if (passed == NULL || WF_BROKEN("keep-places"))
		return;
	for (int i = 0; i < nnotes; i++)
	{
		Note *note = &notes[i];
		int64 place;

		if (!(passed[note->element / 8] & 1 << note->element % 8))
			continue;
		CHECK_FOR_INTERRUPTS();
		place = wf_place_draw();
		if (!wf_place_write(&note->id, &note->tid, place, NULL, NULL))
			continue; /* deleted since */
		note->place = place;
		wf_note_moved(&note->id, place, &note->tid);
	}
	pfree(passed);
}

/* ---- PREPARE and COMMIT PREPARED ---- */

static void
list_notes(void)
{
	WfWorkId *ids = MemoryContextAllocHuge(CurrentMemoryContext,
										   mul_size(nnotes, sizeof(WfWorkId)));

	for (int i = 0; i < nnotes; i++)
		ids[i] = notes[i].id;
	wf_prepared_list(GetTopTransactionId(), ids, nnotes);
	pfree(ids);
	/* whoever commits it has something to do */
	wf_note_events(WF_EVENT_PREPARED);
}

static void
place_listed(TransactionId xid, bool wait)
{
	int n;
	WfWorkId *ids = wf_prepared_take(xid, wait, &n);

	if (ids == NULL)
		return;
	for (int i = 0; i < n; i++)
	{
		ItemPointerData tid;
		int64 place = wf_place_draw();
		int32 queue_id;
		uint64 group;

		CHECK_FOR_INTERRUPTS();
		ItemPointerSetInvalid(&tid);
		if (!wf_place_write(&ids[i], &tid, place, &queue_id, &group))
			continue;
		add_note(&ids[i], place, element_of(queue_id, group), &tid);
		/* with its place, which who ends the transaction may not know */
		wf_note_among(&ids[i]);
	}
	pfree(ids);
}

/*
 * The transaction is committed, whatever becomes of this: a failure is told,
 * and left to the scheduler.
 */
void
wf_order_prepared(TransactionId xid)
{
	MemoryContext old = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	bool read_only = XactReadOnly;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		XactReadOnly = false;
		WF_STOP("prepared-committed");
		place_listed(xid, true);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(old);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		wf_wakeup_prepared_unplaced();
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("order in groups was not kept for a prepared transaction"),
				 errdetail("It is committed, but its work could not be given its places: %s",
						   error->message)));
	}
	PG_END_TRY();
	XactReadOnly = read_only;
	MemoryContextSwitchTo(old);
	CurrentResourceOwner = owner;
}

void
wf_order_settle(void)
{
	TransactionId *xids;
	WfWindow window;
	MemoryContext old = CurrentMemoryContext;
	int n;

	wf_window_open(&window);
	(void) MemoryContextSwitchTo(old);
	xids = wf_prepared_xids(&n);
	wf_window_close(&window);
	for (int i = 0; i < n; i++)
		place_listed(xids[i], false);
}

/* ---- callbacks ---- */

static void
tell(void)
{
	int64 lowest = PG_INT64_MAX;

	for (int i = 0; i < nnotes; i++)
	{
		raise_to(&notes[i]);
		lowest = Min(lowest, notes[i].place);
	}
	wf_note_lowest(lowest);
}

/* In the COMMIT arm nothing may fail. */
static void
at_xact_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (nnotes > 0)
				compare();
			return;
		case XACT_EVENT_PRE_PREPARE:
			if (nnotes > 0)
				list_notes();
			return;
		case XACT_EVENT_COMMIT:
			if (nnotes > 0)
				tell();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			break;
		default:
			return; /* not over yet, or a parallel worker's */
	}
	if (nnotes > 0)
		forget_notes();
}

static void
at_subxact_end(SubXactEvent event, SubTransactionId mySubid,
			   SubTransactionId parentSubid, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (nnotes > 0 && notes[nnotes - 1].subid >= mySubid)
		nnotes--;
}

/* Callbacks are called last first: that of wakeup.c comes after ours. */
void
wf_order_init(void)
{
	RegisterXactCallback(at_xact_end, NULL);
	RegisterSubXactCallback(at_subxact_end, NULL);
}
