/*
 * message_task.h
 *		Messages that a run waits for.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_MESSAGE_TASK_H
#define WF_STORE_MESSAGE_TASK_H

#include "store/message.h"

/* The policy of a workflow, a workflow.policy in "cxt"; 0: it has none. */
extern Datum wf_task_policy(int32 workflow_id, MemoryContext cxt);

/*
 * The run has ended: its tasks are deleted, but for those that a receiver has
 * locked at this moment.  Their ids, in "cxt"; count.
 */
extern int wf_task_withdraw(const pg_uuid_t *run_id, MemoryContext cxt,
							int64 **ids);

#endif /* WF_STORE_MESSAGE_TASK_H */
