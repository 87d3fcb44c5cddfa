/*
 * alter.h
 *		Runs and messages that are given another place in another queue.
 *
 * A run is altered by its request, as the scheduler applies it; a message by
 * the client itself, as messages are.  Where either has begun it keeps its
 * place, and only its priority can change, which a run may have changed in any
 * state before its end.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_ALTER_H
#define WF_STORE_ALTER_H

#include "store/control.h"

/* The properties to alter; NULL or false leaves one as it is. */
typedef struct WfAlter
{
	bool has_priority;
	int32 priority;
	bool has_start;
	TimestampTz start; /* when it may start at the earliest */
	bool has_queue;
	int32 queue_id;
	char *group_key;
	bool no_group_key;
	Jsonb *attributes; /* of a run */
	bool no_attributes;
} WfAlter;

/* Is nothing but the priority altered? */
extern bool wf_alter_is_mild(const WfAlter *alter);

/* The value of a request for a run, whose due_at is the start; jsonb. */
extern Datum wf_alter_request(const WfAlter *alter);

/*
 * Applies a request.  False when the run has moved on; else fills *info, and
 * *planned says whether a scheduler has to know of it.
 */
extern bool wf_alter_run(const WfRequest *request, WfWork *info,
						 bool *planned);

/* False when the message has moved on, or somebody has it in hand. */
extern bool wf_alter_message(int64 message_id, const WfAlter *alter);

#endif /* WF_STORE_ALTER_H */
