/*
 * task.h
 *		Steps done by workers outside.
 */
#ifndef WF_API_TASK_H
#define WF_API_TASK_H

#include "fmgr.h"

#include "play/word.h"

/* arguments of the functions, and of the recorded call */
typedef enum WfTaskArgument
{
	WF_TASK_NAME,
	WF_TASK_QUEUE,
	WF_TASK_PAYLOAD,
	WF_TASK_POLICY,
	WF_TASK_GROUP_KEY, /* a function may leave it out */
	WF_TASK_NARGS
} WfTaskArgument;

/*
 * Name, command and arguments of a call, into arrays of WF_TASK_NARGS.  Raises
 * errors where one cannot be.
 */
extern void wf_task_arguments(FunctionCallInfo fcinfo, WfCall *call,
							  Oid *types, Datum *values, bool *nulls);

/* Tells the executor how such a step is started; called once, from _PG_init. */
extern void wf_task_init(void);

#endif /* WF_API_TASK_H */
