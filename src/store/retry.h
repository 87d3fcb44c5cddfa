/*
 * retry.h
 *		A run that has stopped goes on: retry_run() and set_step_result().
 *
 * What is begun again is marked as retrying, the state whose records a replay
 * does not compare (core/replay.h), so the body may ask for it in another
 * wording.  That is the case of every call that the run may have stopped at:
 *
 *	- failed, and the body has recorded no call since: of a handle that means
 *	  since it was given the error
 *	- between two attempts
 *	- waiting, where the end of the run has ended what it waited for
 *
 * What was started at most once, and has an unknown outcome, is left alone:
 * the body is given WF002 once more.  Only a request that says repeat_unknown
 * has it done again.
 *
 * All functions need an open owner window; the run is in no cell.
 */
#ifndef WF_STORE_RETRY_H
#define WF_STORE_RETRY_H

#include "store/control.h"

/*
 * The run goes on by retry_run(); fills all of *info.  False when it has moved
 * on.
 */
extern bool wf_retry_apply(const WfRequest *request, WfWork *info);

/* The same after the call at which it stopped has got the request's result. */
extern bool wf_retry_answer(const WfRequest *request, WfWork *info);

#endif /* WF_STORE_RETRY_H */
