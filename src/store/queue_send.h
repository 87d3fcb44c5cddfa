/*
 * queue_send.h
 *		Table _workflow.queue, as who puts work into a queue uses it.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_QUEUE_SEND_H
#define WF_STORE_QUEUE_SEND_H

#include "c.h"

/* a queue and what one user may do with it */
typedef struct WfQueueSend
{
	int32 queue_id;
	char *name;
	bool closed;
	bool may_send;		/* open, or the user owns it or was granted 'send' */
	int64 dedup_window; /* microseconds */
	bool group_by_owner;
} WfQueueSend;

/*
 * The queue of this name or, where "name" is NULL, of this id, for "user";
 * false when there is none.  "default" is always there.  Allocated in the
 * current context.
 */
extern bool wf_queue_send_load(const char *name, int32 queue_id, Oid user,
							   WfQueueSend *out);

#endif /* WF_STORE_QUEUE_SEND_H */
