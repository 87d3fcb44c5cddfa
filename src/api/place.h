/*
 * place.h
 *		Where a new run may go: on_duplicate and on_busy.
 */
#ifndef WF_API_PLACE_H
#define WF_API_PLACE_H

#include "fmgr.h"
#include "store/definition.h"
#include "store/enqueue.h"
#include "store/queue_send.h"

/* in the order of the words in place.c */
typedef enum WfOnDuplicate
{
	WF_DUPLICATE_RETURN,
	WF_DUPLICATE_SKIP,
	WF_DUPLICATE_REJECT,
	WF_DUPLICATE_REPLACE,
	WF_DUPLICATE_RETRY
} WfOnDuplicate;

typedef enum WfOnBusy
{
	WF_BUSY_WAIT,
	WF_BUSY_REJECT,
	WF_BUSY_SKIP
} WfOnBusy;

typedef enum WfPlaced
{
	WF_PLACED, /* the run was inserted */
	WF_KEPT,   /* there is one with its dedup_key */
	WF_BUSY	   /* one of its group is unfinished */
} WfPlaced;

/*
 * Reads an argument, NULL for the default; raises 22023.  "retries": is 'retry'
 * one of the values?
 */
extern WfOnDuplicate wf_arg_on_duplicate(FunctionCallInfo fcinfo, int arg,
										 bool retries);
extern WfOnBusy wf_arg_on_busy(FunctionCallInfo fcinfo, int arg,
							   int group_arg);

/*
 * Is there a run that answers for the dedup_key, without one being made?  Of
 * *run only workflow, owner and key are looked at.  No window may be open.
 */
extern bool wf_run_answers(const WfWorkflow *def, WfNewRun *run,
						   WfKeptRun *kept);

/*
 * Inserts the run, or says why not: *kept is set with WF_KEPT.  Raises 23505
 * or 55006 where 'reject' asks for it.  No window may be open.
 */
extern WfPlaced wf_run_place(const WfWorkflow *def, const WfQueueSend *queue,
							 WfNewRun *run, WfOnDuplicate on_duplicate,
							 WfOnBusy on_busy, WfKeptRun *kept);

#endif /* WF_API_PLACE_H */
