/*
 * prepared.h
 *		Places of work, as they are written when it is committed; and table
 *		_workflow.prepared_work, lists of what was prepared.
 *
 * No window is needed but where it is said; see base/table.h.
 */
#ifndef WF_STORE_PREPARED_H
#define WF_STORE_PREPARED_H

#include "core/work.h"

/*
 * Writes another place into the row of this work; *tid is where it most likely
 * is, and then where it is.  False when there is no such row, it has ended, or
 * somebody else has it locked.  *queue_id and *group_hash, if not NULL, are
 * what the row says.
 */
extern bool wf_place_write(const WfWorkId *id, ItemPointer tid, int64 place,
						   int32 *queue_id, uint64 *group);

/* Lists n of them, for the transaction that is about to be prepared. */
extern void wf_prepared_list(TransactionId xid, const WfWorkId *ids, int n);

/*
 * Takes the list of a transaction: its ids, in the current context, or NULL
 * where there is none (any more).  With "wait" for whoever is taking it.
 */
extern WfWorkId *wf_prepared_take(TransactionId xid, bool wait, int *n);

/* Needs a window: the transactions that have lists. */
extern TransactionId *wf_prepared_xids(int *n);

/*
 * Needs a window: leaves out the rows that are listed, in the window's snapshot;
 * how many are left.
 */
extern int wf_prepared_filter(WfWork *rows, int n);

#endif /* WF_STORE_PREPARED_H */
