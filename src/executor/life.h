/*
 * life.h
 *		The life of a run in an executor, turn by turn (turn.h).
 */
#ifndef WF_EXECUTOR_LIFE_H
#define WF_EXECUTOR_LIFE_H

#include "executor/process.h"

/*
 * Moves the run in executor->cell on until it ends or waits.  *due_at: when it
 * has to be looked at again, or 0.
 */
extern WfOutcome wf_life_run(WfExecutor *executor, TimestampTz *due_at);

#endif /* WF_EXECUTOR_LIFE_H */
