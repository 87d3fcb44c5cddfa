/*
 * enqueue.h
 *		What enqueue_workflow() does, for those that start runs as well.
 */
#ifndef WF_API_ENQUEUE_H
#define WF_API_ENQUEUE_H

#include "api/place.h"

/* arguments of enqueue_workflow() */
enum
{
	WF_ENQUEUE_WORKFLOW,
	WF_ENQUEUE_INPUT,
	WF_ENQUEUE_DEDUP_KEY,
	WF_ENQUEUE_ON_DUPLICATE,
	WF_ENQUEUE_GROUP_KEY,
	WF_ENQUEUE_ON_BUSY,
	WF_ENQUEUE_QUEUE,
	WF_ENQUEUE_PRIORITY,
	WF_ENQUEUE_DELAY,
	WF_ENQUEUE_RUN_AT,
	WF_ENQUEUE_RUN_TIMEOUT,
	WF_ENQUEUE_ATTRIBUTES,
	WF_ENQUEUE_SIGNAL,
	WF_ENQUEUE_SIGNAL_PAYLOAD,
	WF_ENQUEUE_DEBOUNCE,
	WF_ENQUEUE_DEBOUNCE_MAX,
	WF_ENQUEUE_NARGS
};

/*
 * Checks, inserts and notes a run as the current user, with arguments as of
 * enqueue_workflow(), the first of which is not NULL, and without its signal.  *run is all zero, but
 * for what makes it a child; afterwards it is the run.  Raises or returns as
 * wf_run_place() does; *kept is set with WF_KEPT.
 */
extern WfPlaced wf_enqueue(FunctionCallInfo fcinfo, WfNewRun *run,
						   WfKeptRun *kept);

#endif /* WF_API_ENQUEUE_H */
