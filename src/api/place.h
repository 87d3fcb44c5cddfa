/*
 * place.h
 *		Where a new run may go: on_duplicate and on_busy.
 */
#ifndef WF_API_PLACE_H
#define WF_API_PLACE_H

#include "base/compat.h"
#include "fmgr.h"
#include "store/definition.h"
#include "store/enqueue.h"
#include "store/queue_send.h"

/*
 * debounce: each call writes what the next run is to do and puts its start off,
 * to so long after the last call, but at most so long after the first.
 */
typedef struct WfDebounce
{
	bool given;
	Interval after;
	const Interval *most; /* NULL: no limit */
} WfDebounce;

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
 * Reads debounce and debounce_max, the arguments "arg" and the next.  Raises
 * 22023 where one of the others does not go with them: "plain" says whether
 * on_duplicate and on_busy have their defaults, delay and run_at are left out,
 * and there is a dedup_key.
 */
extern void wf_arg_debounce(FunctionCallInfo fcinfo, int arg, bool plain,
							WfDebounce *out);

/* Raises 22023: the key's scope does not suit; "object" is workflow or queue. */
WF_NORETURN extern void wf_raise_debounce_scope(const char *object,
												const char *name);

/* When what is debounced now starts that was first asked for at "first". */
extern TimestampTz wf_debounce_start(const WfDebounce *debounce,
									 TimestampTz first, TimestampTz now);

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
							 WfOnBusy on_busy, const WfDebounce *debounce,
							 WfKeptRun *kept);

#endif /* WF_API_PLACE_H */
