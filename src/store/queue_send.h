/*
 * queue_send.h
 *		Table _workflow.queue, as who puts work into a queue uses it.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_QUEUE_SEND_H
#define WF_STORE_QUEUE_SEND_H

#include "c.h"

/* for how long a message has its dedup_key; in the order of wf_key_scopes */
typedef enum WfKeyScope
{
	WF_KEY_WINDOW,	   /* the queue's dedup_window */
	WF_KEY_UNFINISHED, /* until it is acknowledged, dead or deleted */
	WF_KEY_QUEUED	   /* until it is first received */
} WfKeyScope;

extern const char *const wf_key_scopes[3];

/* Read from a text; what is unknown is a window. */
extern WfKeyScope wf_key_scope_of(const char *word);

/* a queue and what one user may do with it */
typedef struct WfQueueSend
{
	int32 queue_id;
	char *name;
	bool closed;
	bool may_send;		/* open, or the user owns it or was granted 'send' */
	bool strict;		/* its groups start one at a time, in order */
	int64 dedup_window; /* microseconds */
	bool group_by_owner;
	WfKeyScope dedup_scope;
} WfQueueSend;

/*
 * The queue of this name or, where "name" is NULL, of this id, for "user";
 * false when there is none.  "default" is always there.  Allocated in the
 * current context.
 */
extern bool wf_queue_send_load(const char *name, int32 queue_id, Oid user,
							   WfQueueSend *out);

#endif /* WF_STORE_QUEUE_SEND_H */
