/*
 * message_task.h
 *		Messages that a run waits for.
 */
#ifndef WF_STORE_MESSAGE_TASK_H
#define WF_STORE_MESSAGE_TASK_H

#include "store/delivery.h"
#include "store/run.h"

/*
 * A message has been acknowledged (fault NULL, with the worker's result, 0:
 * NULL) or has died, by a write of this transaction.  Called once for each.
 * True when a run waits for it, which *wake describes then: the scheduler has
 * to be told with the commit.
 */
extern bool wf_message_settled(const WfDelivery *message, Datum result,
							   const WfFault *fault, WfRunInfo *wake);

#endif /* WF_STORE_MESSAGE_TASK_H */
