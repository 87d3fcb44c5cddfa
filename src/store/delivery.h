/*
 * delivery.h
 *		Table _workflow.message: its rows as they are received, acknowledged and
 *		given back.
 *
 * Who writes a message's row: the transaction that sends it; whoever was handed
 * it by the scheduler, once, while it is queued; whoever has its receipt; the
 * scheduler, when its lease is over.  Each of them reads the newest version
 * first, also in a transaction that goes by an older snapshot, and writes that
 * version or none, so that only one of several gets it.
 *
 * While it is queued, `receipt` says that it was given back before: it keeps
 * its place in group and queue.
 *
 * No window is needed, see base/table.h.  What functions return is allocated in
 * the context given, or in the current one.
 */
#ifndef WF_STORE_DELIVERY_H
#define WF_STORE_DELIVERY_H

#include "base/table.h"
#include "core/policy.h"
#include "store/columns.h"
#include "utils/timestamp.h"

/* a row, in its newest version when it was read */
typedef struct WfDelivery
{
	ItemPointerData tid;
	int64 message_id;
	int64 origin;
	int32 queue_id;
	char state;
	int32 attempt;
	int32 attempts_used;	 /* ... of those that the policy counts */
	int64 token;			 /* of the last receipt */
	bool received;			 /* ... if there was one */
	TransactionId writer;	 /* who is, or was, about to change it */
	TimestampTz lease_until; /* 0: none */
	TimestampTz due_at;		 /* likewise */
	Datum values[MSG_NATTS];
	bool nulls[MSG_NATTS];
} WfDelivery;

extern void wf_delivery_open(bool write, WfOpenTable *table);

/*
 * The row of a message, which is most likely at *tid (may be NULL or invalid);
 * false when there is none.
 */
extern bool wf_delivery_read(WfOpenTable *table, int64 message_id,
							 ItemPointer tid, MemoryContext cxt,
							 WfDelivery *out);

/*
 * Writes the row as received: one more attempt, with a new receipt.  It must
 * be queued.  Does not wait for who has it locked.
 */
extern WfRowResult wf_delivery_take(WfOpenTable *table, WfDelivery *row,
									TimestampTz lease_until);

/* Writes another end of the lease, and progress if that is not 0. */
extern WfRowResult wf_delivery_extend(WfOpenTable *table, WfDelivery *row,
									  TimestampTz lease_until, Datum progress,
									  bool wait);

/*
 * What a transaction has received and committed late: its lease is until then.
 * Nothing is done when the row is not what it was.
 */
extern void wf_delivery_renew(int64 message_id, ItemPointer tid, int64 token,
							  TimestampTz lease_until);

/* Deletes the row, or keeps it as acknowledged with a result (0: NULL). */
extern WfRowResult wf_delivery_ack(WfOpenTable *table, WfDelivery *row,
								   bool keep, Datum result, bool wait);

/* why a message is given back, or dies; all but code may be NULL */
typedef struct WfFault
{
	const char *reason; /* WF_REASON_*, of its death */
	const char *code;
	const char *message;
	const char *detail;
} WfFault;

/* The row to be written counts an attempt that ended without a word. */
extern void wf_delivery_lost(WfDelivery *row);

/*
 * Back to the queue, from due_at on (0: at once), with row->attempt attempts.
 * "fault" is NULL where there is no error to remember.
 */
extern WfRowResult wf_delivery_give_back(WfOpenTable *table, WfDelivery *row,
										 TimestampTz due_at,
										 const WfFault *fault, bool wait);

/*
 * Dead: kept, and not given to anybody before retry_message().  A task is
 * deleted.
 */
extern WfRowResult wf_delivery_bury(WfOpenTable *table, WfDelivery *row,
									const WfFault *fault, bool wait);

/* The policy of a message, where that of its queue is this one. */
extern const WfPolicy *wf_delivery_policy(const WfDelivery *row,
										  const WfPolicy *of_queue,
										  WfPolicy *buffer);

#endif /* WF_STORE_DELIVERY_H */
