/*
 * message.h
 *		Table _workflow.message: its rows as they are sent.
 *
 * What becomes of a message later is in store/delivery.h.  No window is
 * needed; see base/table.h.
 */
#ifndef WF_STORE_MESSAGE_H
#define WF_STORE_MESSAGE_H

#include "store/run.h"

/* A message to be; values that are NULL in the table are 0 here. */
typedef struct WfNewMessage
{
	int64 message_id; /* from wf_messageid_draw() */
	int64 origin;
	TimestampTz enqueued_at;
	TimestampTz run_at;
	bool delayed; /* run_at is in the future */
	int32 queue_id;
	int32 priority;
	Oid owner;
	Datum owner_name; /* text */
	Datum group_key;  /* text */
	Datum dedup_key;  /* text */
	Datum headers;	  /* jsonb */
	Datum payload;	  /* jsonb, never NULL */

	/* tasks: the call that waits for it, and its policy */
	const pg_uuid_t *run_id; /* NULL: no task */
	int32 run_ordinal;
	Datum policy; /* workflow.policy */

	ItemPointerData tid; /* where its row is, once it was inserted */
} WfNewMessage;

/* Inserts the row, and sets tid. */
extern void wf_message_insert(WfNewMessage *message);

/* The same of many, which costs much less for each. */
extern void wf_message_insert_many(WfNewMessage *messages, int n);

/* What the scheduler must know of it, for wf_note_run(). */
extern void wf_message_describe(const WfNewMessage *message, WfWork *info);

#endif /* WF_STORE_MESSAGE_H */
