/*
 * queue_receive.h
 *		Table _workflow.queue, as who takes messages out of it uses it.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_QUEUE_RECEIVE_H
#define WF_STORE_QUEUE_RECEIVE_H

#include "core/policy.h"

/* a queue and what one user may do with its messages */
typedef struct WfQueueReceive
{
	int32 queue_id;
	char *name;
	bool may_receive; /* owns it, or was granted 'receive' */
	bool keeps_acked; /* acknowledged messages stay for some time */
	bool blocks;	  /* a dead message keeps its group closed */
	int64 lease;	  /* microseconds */
	WfPolicy policy;  /* its own, or the defaults */
} WfQueueReceive;

/*
 * The queue of this name or, where "name" is NULL, of this id, for "user";
 * false when there is none.  "default" is always there: as long as it has no
 * row, it belongs to the owner of the extension.  Allocated in the current context.
 */
extern bool wf_queue_receive_load(const char *name, int32 queue_id, Oid user,
								  WfQueueReceive *out);

#endif /* WF_STORE_QUEUE_RECEIVE_H */
