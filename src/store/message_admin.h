/*
 * message_admin.h
 *		Table _workflow.message, as retry_message() and its like write it.
 *
 * Rows that a receiver has locked are passed by, never waited for.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_MESSAGE_ADMIN_H
#define WF_STORE_MESSAGE_ADMIN_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#include "store/message.h"

typedef struct WfMessageView
{
	int32 queue_id;
	int64 origin;
	char state; /* WF_MESSAGE_* */
	bool task;	/* a run waits for it */
} WfMessageView;

/* A message as committed by now; false when there is none. */
extern bool wf_message_view(int64 message_id, WfMessageView *out);

/*
 * A dead one that is no task is put back in its queue with all its attempts,
 * one in back-off made due: at "due_at", 0 for at once.  False when it is
 * neither.
 */
extern bool wf_message_retry(int64 message_id, TimestampTz due_at,
							 TimestampTz now);

/*
 * Deletes a message that is no task, and frees its key unless it was
 * acknowledged; false when it is locked or gone.
 */
extern bool wf_message_delete(int64 message_id);

/* The same only of one that was never received. */
/*
 * Writes payload, headers, priority and time of *message into the one with its
 * id, if that was never received and nobody has it in hand.
 */
typedef enum WfRewrite
{
	WF_REWRITTEN,
	WF_REWRITE_DIFFERS, /* another group_key */
	WF_REWRITE_GONE
} WfRewrite;

extern WfRewrite wf_message_rewrite(const WfNewMessage *message);

extern bool wf_message_delete_untouched(int64 message_id);

/* Deletes all of a queue that are queued and no tasks; count. */
extern int64 wf_message_purge(int32 queue_id);

/* Messages of a queue that are neither acknowledged nor dead. */
extern int64 wf_message_unfinished(int32 queue_id);

/*
 * Deletes all messages and keys of a queue that is dropped by "by".  Tasks fail
 * by it: *waiting are the runs, palloc'd, that have to be told; their count.
 */
extern int wf_message_drop_all(int32 queue_id, const char *by,
							   pg_uuid_t **waiting);

#endif /* WF_STORE_MESSAGE_ADMIN_H */
