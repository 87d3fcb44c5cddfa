/*
 * receivers.h
 *		Between the backends that take messages and the scheduler.
 *
 * Each backend has a WfReceiver in shared memory, through which it asks for
 * messages of one queue, or waits until there are some:
 *
 *	IDLE	 --backend fills in what it wants, then-->	ASKED | WAITING
 *	ASKED	 --scheduler fills in the answer, then-->	ANSWERED
 *	WAITING	 --scheduler: one can be received-->		WOKEN
 *	ANSWERED, WOKEN --backend, having read it-->		IDLE
 *	ASKED, WAITING --backend does not want it any more, compare and swap--> IDLE
 *
 * A single message may be there without asking: see shelf.h.
 *
 * The scheduler decides, and the backend writes: it takes the rows it was
 * handed, and tells at the end of its transaction what became of them, by
 * *news* in a ring of its database.  News only ever say where to look; what
 * holds is in the rows, and each side looks at the row before it acts.  So news
 * that found no room are no loss: the scheduler then looks at every message
 * that it believes to be in somebody's hands.
 *
 * Owns: the receivers and the rings of news.
 *
 * Locking: a ring has a spinlock.  Latches are set through the PGPROC that the
 * receiver has left; one that ended since gets a wake-up for nothing.
 *
 * In the COMMIT arm nothing may fail: notes are kept in memory that was
 * allocated with the call that made them.
 */
#ifndef WF_IPC_RECEIVERS_H
#define WF_IPC_RECEIVERS_H

#include "access/xlogdefs.h"
#include "port/atomics.h"
#include "storage/itemptr.h"
#include "storage/proc.h"

#include "ipc/shmem.h"

/* ---- shared memory ---- */

typedef enum WfReceiverState
{
	WF_RECEIVER_IDLE,
	WF_RECEIVER_ASKED,
	WF_RECEIVER_ANSWERED,
	WF_RECEIVER_WAITING,
	WF_RECEIVER_WOKEN
} WfReceiverState;

/* a message in an answer */
typedef struct WfHanded
{
	int64 message_id;
	ItemPointerData tid; /* of its row, most likely */
} WfHanded;

typedef struct WfReceiver
{
	pg_atomic_uint32 state; /* WfReceiverState; see above for who writes */

	/* backend, while IDLE */
	PGPROC *proc;
	Oid database;
	int32 queue_id;
	int32 max;	/* waiting: 1 when in a hurry, else 0 */
	uint32 ask; /* number of this ask or wait; rises */

	/* scheduler: number of the last wait for which there was nothing yet */
	pg_atomic_uint32 seen;

	/* scheduler, while ASKED */
	int32 n;
	XLogRecPtr lsn; /* flush this far before anything is returned */
	WfHanded handed[WF_HANDED_MAX];
} WfReceiver;

typedef enum WfNewsKind
{
	WF_NEWS_ASKED,	  /* by receiver: it asks, or waits */
	WF_NEWS_TAKEN,	  /* message: taken from the shelf, with that ask */
	WF_NEWS_LEASED,	  /* ask of receiver was committed; value: the lease */
	WF_NEWS_RETURNED, /* ask of receiver was rolled back */
	WF_NEWS_UNUSED,	  /* ... before any of its messages was seen */
	WF_NEWS_DONE,	  /* message was acknowledged */
	WF_NEWS_LOOK,	  /* message: its row has changed */
	WF_NEWS_LOCKED,	  /* message: somebody else has its row */
	WF_NEWS_PURGED	  /* value: queue of which messages were deleted */
} WfNewsKind;

typedef struct WfNews
{
	WfNewsKind kind;
	int32 receiver;
	uint32 ask;
	int64 value; /* message_id, if nothing else */
} WfNews;

extern Size wf_receivers_size(void);
extern void wf_receivers_startup(bool found); /* from wf_shmem_startup */

/* ---- scheduler ---- */

/* Copies up to "max" news; *lost: some found no room since the last call. */
extern int wf_news_read(WfDatabase *db, WfNews *out, int max, bool *lost);

/*
 * From now on news are read every few milliseconds, so that what is not urgent
 * wakes nobody: what was taken from the shelf, leases and acknowledgements,
 * which come with every message.
 * That is over with the second function; false: there are some to be read.
 */
extern void wf_news_attend(WfDatabase *db);
extern bool wf_news_leave(WfDatabase *db);

extern int wf_receiver_count(void);
extern WfReceiver *wf_receiver(int index);
/* Has it asked in this database?  Then "ask" is its number. */
extern bool wf_receiver_asks(WfReceiver *receiver, uint32 *ask);
extern void wf_receiver_wake(WfReceiver *receiver);

/*
 * Definitions of the database have changed: who waits there looks whether he
 * still may.  Nothing in it can fail.
 */
extern void wf_receivers_changed(Oid database);

/* ---- anybody: news at once, or at the end of the transaction ---- */

extern void wf_news_send(const WfNews *news, int n);

/* ---- receive.c: a backend ---- */

extern void wf_receive_init(void);

/*
 * Asks for up to "max" messages of a queue, and waits for the answer, which is
 * never long; 0 when there are none, or no scheduler.  What is handed out is
 * the transaction's: the rows have to be taken with wf_receive_took(), or
 * given back with wf_receive_left().  WAL is flushed as far as needed.
 */
extern int wf_receive_ask(int32 queue_id, int max, int64 lease, WfHanded *out);

/* The row of a message was taken, and is at *tid now. */
extern void wf_receive_took(int64 message_id, ItemPointer tid, int64 token);
/* It was not: it is gone or changed, or somebody else has it locked. */
extern void wf_receive_left(int64 message_id, bool locked);

/* Where this backend has last seen a row; false when it does not know. */
extern bool wf_receive_tid(int64 message_id, ItemPointer tid);

/* Room for n more of these, which do not fail then. */
extern void wf_receive_reserve_notes(int n);
/* at commit: DONE or LOOK */
extern void wf_receive_note(WfNewsKind kind, int64 value);

/*
 * Registers as one that waits for messages of a queue, and unregisters.  In
 * between sleep on the latch until _is_woken(), or until the time is over and
 * the scheduler _has_looked(), which it tells by the latch where somebody is
 * in a "hurry".  _end returns whether there was something; the abort of the
 * transaction unregisters as well.
 */
extern void wf_receive_wait_begin(int32 queue_id, bool hurry);
extern bool wf_receive_is_woken(void);
extern bool wf_receive_has_looked(void);
extern bool wf_receive_wait_end(void);

#endif /* WF_IPC_RECEIVERS_H */
