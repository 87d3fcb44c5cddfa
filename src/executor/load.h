/*
 * load.h
 *		What an executor reads of a run before it moves it on, and makes sure of.
 *
 * That the row and the record do not contradict themselves (play/sanity.h), and
 * that the run's owner, who is the role of this process, may have it go on.
 * The latter is asked again in each turn, in which nothing is looked up while
 * the catalogs behind it stand still.
 */
#ifndef WF_EXECUTOR_LOAD_H
#define WF_EXECUTOR_LOAD_H

#include "executor/turn.h"

/* Reads run and record; false when there is nothing to run (turn says why). */
extern bool wf_load_run(WfExecutor *executor, WfTurn *turn);

/* Raises an error, with play.park_reason set, unless we are the run's owner. */
extern void wf_load_check_owner(WfExecutor *executor);

/*
 * In a later turn: asks again all that the first one has asked of the owner and
 * of the body, if anything that it rests on may have changed.
 */
extern void wf_load_recheck(WfExecutor *executor);

/*
 * The newest call was started at most once, by a process that is no more:
 * nobody knows how far it came, so the body gets WF002 for it.  Commits.
 */
extern void wf_load_settle_unknown(WfExecutor *executor, WfStep *step);

#endif /* WF_EXECUTOR_LOAD_H */
