/*
 * work.h
 *		Runs and messages that are unfinished, as the scheduler reads them.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_WORK_H
#define WF_STORE_WORK_H

#include "store/control.h"

/*
 * The next chunk of a walk over both tables, in the order of the calls: at most
 * 2 * max infos, which "out" must have room for.  Otherwise as wf_run_scan().
 */
extern int wf_work_scan(WfScan *scan, WfWork *out, int max);

/*
 * The group_key of this run or message; NULL: the row is gone, or has none.
 * *owner is its owner where the queue keeps groups apart, else InvalidOid.
 */
extern char *wf_work_group_key(const WfWorkId *id, MemoryContext cxt,
							   Oid *owner);

/* A count, and how far it has come: fill in both "after", exclusive. */
typedef struct WfWorkLeft
{
	pg_uuid_t runs_after;
	int64 messages_after;
	int64 n;
	bool runs_done;
} WfWorkLeft;

/* Counts a page of what is unfinished in a queue; true: that was the last. */
extern bool wf_work_count_left(int32 queue_id, WfWorkLeft *left);

/*
 * Queues that have unfinished messages, or else runs, allocated in "cxt";
 * count.
 */
extern int wf_work_queues(bool of_messages, MemoryContext cxt, int32 **out);

/* As wf_run_scan_started(), of runs and messages. */
extern int wf_work_scan_started(const int32 *queues, int nqueues,
								MemoryContext cxt, WfStarted **out);

/* Raises "ticks" to those of the newest id in either table. */
extern void wf_work_last_ticks(uint64 *ticks);

/* ---- messages alone (message_scan.c) ---- */

/*
 * Information on a message: due_at is the end of its lease where it is LEASED.
 * LOCKED is told of those alone that are queued.
 */
extern int wf_message_scan(WfScan *scan, WfWork *out, int max);

/*
 * The rows of these messages, whatever their state but acknowledged; those of
 * another origin are left out.  *out in the current context; count.
 */
extern int wf_message_look(const int64 *ids, int n, WfWork **out);

/*
 * Messages of these queues that were received and have not ended, and dead
 * ones that keep their group closed; as wf_run_scan_started().
 */
extern int wf_message_scan_started(const int32 *queues, int nqueues,
								   MemoryContext cxt, WfStarted **out);

#endif /* WF_STORE_WORK_H */
