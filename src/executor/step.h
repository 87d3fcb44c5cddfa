/*
 * step.h
 *		Running a step: one SQL statement, at top level, to its end.
 */
#ifndef WF_EXECUTOR_STEP_H
#define WF_EXECUTOR_STEP_H

#include "executor/process.h"

/*
 * Runs play.wanted at top level of the transaction and leaves nothing of it
 * behind but its writes; returns its value, allocated in "cxt".
 */
extern Jsonb *wf_step_run(WfExecutor *executor, const WfPolicy *policy,
						  MemoryContext cxt);

#endif /* WF_EXECUTOR_STEP_H */
