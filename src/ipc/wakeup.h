/*
 * wakeup.h
 *		From a client's commit to the scheduler.
 *
 * A backend notes what its transaction wrote in memory of its own; notes of a
 * subtransaction go when it aborts.  At COMMIT, where nothing may fail, the
 * notes are pushed to the ring of the database and the scheduler's latch is
 * set.  More than WF_NOTES_SINGLE runs in one transaction are pushed as one
 * range of ids; a full ring leaves the range in `spill`.
 *
 * At PREPARE TRANSACTION the lowest id is left in `prepared_low`; at COMMIT
 * PREPARED the scheduler is told to read everything from there on.
 *
 * The callbacks are registered once, from _PG_init.
 */
#ifndef WF_IPC_WAKEUP_H
#define WF_IPC_WAKEUP_H

#include "ipc/shmem.h"

#define WF_NOTES_SINGLE 8

extern void wf_wakeup_init(void);

/* A run was inserted by the current (sub)transaction. */
extern void wf_note_run(const WfWork *run);

/* Among others perhaps, this work is to be read from the table. */
extern void wf_note_among(const WfWorkId *id);

/*
 * The lowest place of what was written into strict groups: from a callback at
 * COMMIT that comes before ours.
 */
extern void wf_note_lowest(int64 place);

/* Its row, written by this transaction, has another place and is there now. */
extern void wf_note_moved(const WfWorkId *id, int64 place, ItemPointer tid);

/* Something was sent to this run, which may wait for it. */
extern void wf_note_wake(const pg_uuid_t *run_id);

/*
 * A message was deleted, or queued again after its death; or all of a queue
 * that nobody holds were deleted: the scheduler looks at the rows again.
 * Dropped by the abort of the subtransaction.
 */
extern void wf_note_message(int64 message_id);
extern void wf_note_queue_purged(int32 queue_id);

/* WF_EVENT_* bits, delivered at commit. */
extern void wf_note_events(uint32 events);

/* A definition was written: `definitions` rises and WF_EVENT_CONTROL is set. */
extern void wf_note_definition(void);

/*
 * At the end of the transaction, committed or not: tell the scheduler to look
 * at this run again (a lock on it is gone).
 */
extern void wf_note_recheck(const WfWork *run);

/*
 * Around COMMIT PREPARED, for the utility hook.  Before may raise an ERROR;
 * after, which is called only when the command succeeded, cannot.  What it has
 * to tell is told at the end of the transaction of the command itself.
 */
typedef struct WfPrepared
{
	bool valid;
	uint64 n; /* prepared transactions of this database, this one included */
	uint64 seq;
	TransactionId xid; /* of this one, if that is known */
} WfPrepared;

extern void wf_wakeup_prepared_before(WfPrepared *before, const char *gid);
extern void wf_wakeup_prepared_after(const WfPrepared *before);
/* ... but what it has written could not be given its places */
extern void wf_wakeup_prepared_unplaced(void);

/* For a scheduler that starts, in a transaction. */
extern void wf_wakeup_prepared_look(WfDatabase *db);

/*
 * For the scheduler: copies up to "max" entries out of the ring; *spill is set
 * and true returned in *spilled when a range was left behind.
 */
extern int wf_ring_read(WfDatabase *db, WfWork *out, int max, WfWork *spill,
						bool *spilled);

#endif /* WF_IPC_WAKEUP_H */
