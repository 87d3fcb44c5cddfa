/*
 * receive.c
 *		A backend's end of receiving: asking, and what becomes of it at the end
 *		of the transaction.
 *
 * All notes of a transaction are in one array, in the order in which they were
 * made.  Those of a subtransaction that aborts are the last ones, as in
 * wakeup.c: asks among them are returned at once, all others dropped.  A lease
 * of rows that were received begins at the commit: the scheduler counts it from
 * there, and where the transaction took long, the rows are written once more
 * before it.
 *
 * PREPARE TRANSACTION is refused where something was received, since nobody
 * could say later who holds it.  Acknowledging goes along: its row is looked at
 * when its lease ends.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/stoppoint.h"
#include "ipc/exits.h"
#include "ipc/receivers.h"
#include "ipc/shelf.h"
#include "ipc/wakeup.h"
#include "store/delivery.h"

/* how long to wait for an answer while there may be a scheduler soon */
#define MAX_WAIT_USEC (10 * USECS_PER_SEC)

/* a transaction that takes longer writes its leases again */
#define MIN_RENEW_USEC USECS_PER_SEC

typedef struct Note
{
	WfNewsKind kind; /* LEASED is an ask */
	SubTransactionId subid;
	uint32 ask;		/* LEASED */
	bool taken;		/* ... some of it has been returned to the client */
	int64 value;	/* ... the lease */
	TimestampTz at; /* ... when it was made */
} Note;

/* a row that was taken in this transaction */
typedef struct Taken
{
	SubTransactionId subid;
	uint32 ask;
	int64 message_id;
	int64 token;
	ItemPointerData tid;
} Taken;

static Note *notes = NULL;
static int nnotes = 0;
static int notes_allocated = 0;

static Taken *taken = NULL;
static int ntaken = 0;
static int taken_allocated = 0;

static bool open_ask = false; /* we are ASKED or WAITING */

/* what the notes become at the end; as large as the notes */
static WfNews *outgoing = NULL;

static WfReceiver *
me(void)
{
	return wf_receiver(wf_my_backend());
}

/* ---- notes ---- */

static void *
grow(void *array, int *allocated, int wanted, Size size)
{
	if (wanted <= *allocated)
		return array;
	*allocated = Max(2 * *allocated, Max(wanted, 64));
	size = mul_size(*allocated, size);
	return array == NULL ? MemoryContextAllocHuge(TopMemoryContext, size)
						 : repalloc_huge(array, size);
}

void
wf_receive_reserve_notes(int n)
{
	int wanted = nnotes + n;
	int size = notes_allocated;

	if (wanted <= notes_allocated)
		return;
	/* first, so that there is never less of it */
	outgoing = grow(outgoing, &size, wanted, sizeof(WfNews));
	notes = grow(notes, &notes_allocated, wanted, sizeof(Note));
}

static Note *
add_note(WfNewsKind kind, int64 value)
{
	Note *note;

	wf_receive_reserve_notes(1);
	note = &notes[nnotes++];
	memset(note, 0, sizeof(*note));
	note->kind = kind;
	note->value = value;
	note->subid = GetCurrentSubTransactionId();
	return note;
}

void
wf_receive_note(WfNewsKind kind, int64 value)
{
	(void) add_note(kind, value);
}

void
wf_note_message(int64 message_id)
{
	wf_receive_note(WF_NEWS_LOOK, message_id);
}

void
wf_note_queue_purged(int32 queue_id)
{
	wf_receive_note(WF_NEWS_PURGED, queue_id);
}

/* ---- where rows are ---- */

/*
 * Of what this backend has received: acknowledging it then needs no index.  A
 * table of fixed size in which the newest wins; what it says is but a guess.
 */
#define KNOWN_TIDS 4096

typedef struct KnownTid
{
	int64 message_id;
	ItemPointerData tid;
} KnownTid;

static KnownTid *known = NULL;

static KnownTid *
known_slot(int64 message_id)
{
	return &known[(uint64) message_id * UINT64CONST(0x9E3779B97F4A7C15) >> 52];
}

bool
wf_receive_tid(int64 message_id, ItemPointer tid)
{
	StaticAssertStmt(KNOWN_TIDS == 1 << 12, "the hash has 12 bits");
	if (known == NULL || known_slot(message_id)->message_id != message_id)
		return false;
	*tid = known_slot(message_id)->tid;
	return true;
}

void
wf_receive_took(int64 message_id, ItemPointer tid, int64 token)
{
	Taken *t;

	taken = grow(taken, &taken_allocated, ntaken + 1, sizeof(Taken));
	t = &taken[ntaken++];
	t->subid = GetCurrentSubTransactionId();
	t->message_id = message_id;
	t->token = token;
	t->tid = *tid;
	t->ask = me()->ask;
	if (nnotes > 0 && notes[nnotes - 1].kind == WF_NEWS_LEASED)
		notes[nnotes - 1].taken = true;
	if (known == NULL)
		known = MemoryContextAllocZero(TopMemoryContext,
									   KNOWN_TIDS * sizeof(KnownTid));
	known_slot(message_id)->message_id = message_id;
	known_slot(message_id)->tid = *tid;
}

void
wf_receive_left(int64 message_id, bool locked)
{
	WfNews news = {.kind = locked ? WF_NEWS_LOCKED : WF_NEWS_LOOK,
				   .receiver = wf_my_backend(),
				   .ask = me()->ask,
				   .value = message_id};

	wf_news_send(&news, 1);
}

/* ---- asking ---- */

static void
send_asked(const WfReceiver *receiver)
{
	WfNews news = {.kind = WF_NEWS_ASKED,
				   .receiver = wf_my_backend(),
				   .ask = receiver->ask};

	wf_news_send(&news, 1);
}

static WfReceiver *
begin(int32 queue_id, int max, WfReceiverState state)
{
	WfReceiver *receiver = me();

	receiver->proc = MyProc;
	receiver->database = MyDatabaseId;
	receiver->queue_id = queue_id;
	receiver->max = max;
	receiver->ask++;
	receiver->n = 0;
	open_ask = true;
	pg_write_barrier();
	pg_atomic_write_u32(&receiver->state, state);
	pg_memory_barrier();
	return receiver;
}

/*
 * True when there was an answer.  The scheduler may be about to give one, so
 * what it finds when it has is IDLE.
 */
static bool
end(WfReceiverState asked)
{
	WfReceiver *receiver = me();
	uint32 expected = asked;

	open_ask = false;
	if (pg_atomic_compare_exchange_u32(&receiver->state, &expected,
									   WF_RECEIVER_IDLE))
		return false;
	pg_read_barrier();
	pg_atomic_write_u32(&receiver->state, WF_RECEIVER_IDLE);
	return true;
}

/* The first message that is laid out for whoever comes, if there is one. */
static bool
take_laid_out(int32 queue_id, WfHanded *out)
{
	WfReceiver *receiver = me();
	WfDatabase *db = wf_database_find(MyDatabaseId);
	WfNews news = {.kind = WF_NEWS_TAKEN, .receiver = wf_my_backend()};
	WfShelfItem item;

	if (db == NULL || !wf_shelf_take(db, queue_id, &item))
		return false;
	/* nothing may interrupt us until this is told */
	news.ask = ++receiver->ask;
	news.value = item.message_id;
	wf_news_send(&news, 1);
	WF_STOP("receive-taken");
	out->message_id = item.message_id;
	out->tid = item.tid;
	wf_exit_flush(item.lsn);
	return true;
}

int
wf_receive_ask(int32 queue_id, int max, int64 lease, WfHanded *out)
{
	TimestampTz give_up = wf_clock_system() + MAX_WAIT_USEC;
	WfReceiver *receiver;
	Note *note;

	if (wf_database_get(MyDatabaseId) == NULL)
		return 0;
	/* whatever happens from here on, this ask is returned at the end */
	note = add_note(WF_NEWS_LEASED, lease);
	note->at = wf_clock_now();
	note->ask = me()->ask + 1;
	if (max == 1 && take_laid_out(queue_id, out))
		return 1;
	receiver = begin(queue_id, Min(max, WF_HANDED_MAX), WF_RECEIVER_ASKED);
	send_asked(receiver);
	while (pg_atomic_read_u32(&receiver->state) == WF_RECEIVER_ASKED)
	{
		long ms = (give_up - wf_clock_system()) / 1000;

		if (ms <= 0)
			break;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
						 wf_wait_event(WF_WAIT_HANDED));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	if (!end(WF_RECEIVER_ASKED) || receiver->n == 0)
	{
		nnotes--;
		return 0;
	}
	WF_STOP("receive-answered");
	memcpy(out, receiver->handed, receiver->n * sizeof(WfHanded));
	wf_exit_flush(receiver->lsn);
	return receiver->n;
}

/* ---- waiting ---- */

void
wf_receive_wait_begin(int32 queue_id, bool hurry)
{
	send_asked(begin(queue_id, hurry ? 1 : 0, WF_RECEIVER_WAITING));
}

bool
wf_receive_has_looked(void)
{
	return pg_atomic_read_u32(&me()->seen) == me()->ask;
}

bool
wf_receive_is_woken(void)
{
	return pg_atomic_read_u32(&me()->state) == WF_RECEIVER_WOKEN;
}

bool
wf_receive_wait_end(void)
{
	return end(WF_RECEIVER_WAITING);
}

/* ---- the end of a transaction ---- */

/* Withdraws an ask that an error has interrupted. */
static void
withdraw(void)
{
	uint32 state;

	if (!open_ask)
		return;
	state = pg_atomic_read_u32(&me()->state);
	(void) end(state == WF_RECEIVER_WAITING || state == WF_RECEIVER_WOKEN
				   ? WF_RECEIVER_WAITING
				   : WF_RECEIVER_ASKED);
}

/* Tells of the notes from "first" on, and drops them. */
static void
deliver(int first, bool committed)
{
	int n = 0;

	for (int i = first; i < nnotes; i++)
	{
		WfNews *news = &outgoing[n];

		if (!committed && notes[i].kind != WF_NEWS_LEASED)
			continue;
		news->kind = notes[i].kind;
		if (!committed)
			news->kind = notes[i].taken ? WF_NEWS_RETURNED : WF_NEWS_UNUSED;
		news->receiver = wf_my_backend();
		news->ask = notes[i].ask;
		news->value = notes[i].value;
		n++;
	}
	nnotes = first;
	wf_news_send(outgoing, n);
}

/* The lease of what was received begins now, also for who reads the row. */
static void
renew_leases(void)
{
	TimestampTz now = wf_clock_now();

	for (int i = 0; i < nnotes; i++)
	{
		const Note *ask = &notes[i];

		if (ask->kind != WF_NEWS_LEASED ||
			now - ask->at <= Max(MIN_RENEW_USEC, ask->value / 10))
			continue;
		for (int j = 0; j < ntaken; j++)
		{
			if (taken[j].ask == ask->ask)
				wf_delivery_renew(taken[j].message_id, &taken[j].tid,
								  taken[j].token, now + ask->value);
		}
	}
}

static void
refuse_prepare(void)
{
	for (int i = 0; i < nnotes; i++)
	{
		if (notes[i].kind == WF_NEWS_LEASED)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that has received messages"),
					 errdetail("Until it is committed, nobody could say who holds them."),
					 errhint("Commit after workflow.receive(), and acknowledge the messages in the transaction that is prepared.")));
	}
}

static void
at_xact_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (ntaken > 0)
				renew_leases();
			return;
		case XACT_EVENT_PRE_PREPARE:
			refuse_prepare();
			return;
		case XACT_EVENT_COMMIT:
			if (nnotes > 0)
				deliver(0, true);
			break;
		case XACT_EVENT_ABORT:
			withdraw();
			if (nnotes > 0)
				deliver(0, false);
			break;
		case XACT_EVENT_PREPARE:
			break;
		default:
			return; /* not over yet, or a parallel worker's */
	}
	nnotes = 0;
	ntaken = 0;
}

static void
at_subxact_end(SubXactEvent event, SubTransactionId mySubid,
			   SubTransactionId parentSubid, void *arg)
{
	int first = nnotes;

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	withdraw();
	while (ntaken > 0 && taken[ntaken - 1].subid >= mySubid)
		ntaken--;
	while (first > 0 && notes[first - 1].subid >= mySubid)
		first--;
	if (first < nnotes)
		deliver(first, false);
}

void
wf_receive_init(void)
{
	RegisterXactCallback(at_xact_end, NULL);
	RegisterSubXactCallback(at_subxact_end, NULL);
}
