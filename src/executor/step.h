/*
 * step.h
 *		Running a step: one SQL statement, at top level, to its end.
 */
#ifndef WF_EXECUTOR_STEP_H
#define WF_EXECUTOR_STEP_H

#include "executor/process.h"

/*
 * How long an attempt may take, in microseconds; 0: as long as it likes.  That
 * is what the policy says, or else the default of the settings.
 */
extern int64 wf_step_timeout(const WfPolicy *policy);

/*
 * Runs play.wanted at top level of the transaction and leaves nothing of it
 * behind but its writes; returns its value, allocated in "cxt".
 */
extern Jsonb *wf_step_run(WfExecutor *executor, const WfPolicy *policy,
						  MemoryContext cxt);

#endif /* WF_EXECUTOR_STEP_H */
