/*
 * shelf.h
 *		Messages laid out by the scheduler, for receivers to take at once.
 *
 * Where many receive from one queue, one message at a time, a fifth of what it
 * costs is to wake the scheduler and to be woken by it.  So of one
 * plain queue in each database the scheduler lays out the next messages on a
 * *shelf* in shared memory, in their order, and who asks for a single message
 * takes the first, and tells of it by news (WF_NEWS_TAKEN), which wake nobody.
 * The shelf is the front of the queue: the scheduler takes from there as well.
 * It holds nothing for anybody, so nobody waits for another's message.
 *
 * The order stays what it would be without.  Whatever may change what comes
 * next (a rollback, a pause, a message of higher priority ...) counts as a
 * *change* before the call or commit that made it returns, and as *heeded* when
 * the scheduler has acted on it, if need be by emptying the shelf.  While there
 * is a change that is not heeded, receivers ask as ever.
 *
 *		head                  tail
 *	----|-----------------------|----    positions, which only rise
 *	taken      laid out
 *
 * Positions are taken by compare and swap of the head, by anybody; what stands
 * there was read before, and is valid if the head was still there.  Only the
 * scheduler moves the tail.  As for everything that is handed out, what holds
 * is in the row: a message that is on the shelf by mistake is not received.
 *
 * Owns: the shelves.
 */
#ifndef WF_IPC_SHELF_H
#define WF_IPC_SHELF_H

#include "access/xlogdefs.h"
#include "port/atomics.h"
#include "storage/itemptr.h"

#include "ipc/shmem.h"

typedef struct WfShelfItem
{
	int64 message_id;
	XLogRecPtr lsn;		 /* flush this far before it is returned */
	ItemPointerData tid; /* of its row, most likely */
} WfShelfItem;

extern Size wf_shelves_size(void);
extern void wf_shelves_startup(void); /* from wf_shmem_startup */

/* ---- anybody; safe in a commit callback ---- */

/* Something has changed, and the scheduler can see what: call it after that. */
extern void wf_shelf_change(WfDatabase *db);
/* Would a message of this id, without priority, come before some laid out? */
extern bool wf_shelf_is_passed(WfDatabase *db, int64 message_id);

/* ---- a backend ---- */

/* Takes the first message of the queue; false: ask for one. */
extern bool wf_shelf_take(WfDatabase *db, int32 queue_id, WfShelfItem *out);

/* ---- the scheduler ---- */

/* Changes so far; to be called before anything is read that they are about. */
extern uint64 wf_shelf_changes(WfDatabase *db);
/* All that was counted then has been acted on. */
extern void wf_shelf_heed(WfDatabase *db, uint64 changes);

/* The first position not taken, and the one after the last. */
extern uint64 wf_shelf_head(WfDatabase *db);
extern uint64 wf_shelf_tail(WfDatabase *db);
/* Takes n from this position on, which others may have done; false then. */
extern bool wf_shelf_take_back(WfDatabase *db, uint64 position, int n);
/* Takes all of them, from *first up to the tail, which is returned. */
extern uint64 wf_shelf_pop_all(WfDatabase *db, uint64 *first);
/* Lays out one more; there is room, and an empty shelf if the queue changes. */
extern void wf_shelf_lay(WfDatabase *db, int32 queue_id,
						 const WfShelfItem *item);

#endif /* WF_IPC_SHELF_H */
