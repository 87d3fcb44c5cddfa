/*
 * message_task.c
 *		Messages that a run waits for.
 */
#include "postgres.h"

#include "store/message_task.h"

bool
wf_message_settled(const WfDelivery *message, Datum result,
				   const WfFault *fault, WfRunInfo *wake)
{
	/* nobody but its sender knows of it */
	return false;
}
