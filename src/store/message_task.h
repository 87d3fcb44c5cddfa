/*
 * message_task.h
 *		Messages that a run waits for.
 *
 * A task goes with its run: its message is never a dead letter, as what became
 * of it is in the run's record.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_MESSAGE_TASK_H
#define WF_STORE_MESSAGE_TASK_H

#include "store/delivery.h"
#include "store/run.h"

#define wf_message_is_task(message) (!(message)->nulls[MSG_run_id])

/*
 * A task has been acknowledged (fault NULL, with the worker's result, 0: NULL)
 * or given up, by a write of this transaction that deletes it.  Called once for
 * each; *wake is what the scheduler has to be told with the commit.
 */
extern void wf_task_settled(const WfDelivery *message, Datum result,
							const WfFault *fault, WfWork *wake);

/* Has the run ended that it is for? */
extern bool wf_task_is_orphaned(const WfDelivery *message);

/* The policy of a workflow, a workflow.policy in "cxt"; 0: it has none. */
extern Datum wf_task_policy(int32 workflow_id, MemoryContext cxt);

/*
 * The run has ended: its tasks are deleted, but for those that a receiver has
 * locked at this moment, which go when their lease is over.  Their ids, in
 * "cxt"; count.
 */
extern int wf_task_withdraw(const pg_uuid_t *run_id, MemoryContext cxt,
							int64 **ids);

#endif /* WF_STORE_MESSAGE_TASK_H */
