/*
 * load.h
 *		What an executor reads of a run before it moves it on.
 */
#ifndef WF_EXECUTOR_LOAD_H
#define WF_EXECUTOR_LOAD_H

#include "executor/turn.h"

/* Reads run and record; false when there is nothing to run (turn says why). */
extern bool wf_load_run(WfExecutor *executor, WfTurn *turn);

/* Raises an error, with turn->park_reason set, unless we are the run's owner. */
extern void wf_load_check_owner(WfExecutor *executor, WfTurn *turn);

/*
 * The newest call was started at most once, by a process that is no more:
 * nobody knows how far it came, so the body gets WF002 for it.  Commits.
 */
extern void wf_load_settle_unknown(WfExecutor *executor);

#endif /* WF_EXECUTOR_LOAD_H */
