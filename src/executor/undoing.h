/*
 * undoing.h
 *		Undoing what a run has done, when it has failed or was cancelled.
 *
 * The body is not replayed any more: what is registered stands in the record.
 * Each compensation is run as a step behind all other records, newest first,
 * and recorded in its own commit; so which is next follows from how many there
 * are, after any crash.  An undo that fails for good parks the run: those
 * before it may rely on it.
 *
 * One that a worker outside does is a task: its record waits, and so does the
 * run, in no executor, until the task is acknowledged or given up.
 */
#ifndef WF_EXECUTOR_UNDOING_H
#define WF_EXECUTOR_UNDOING_H

#include "executor/turn.h"

/* Is the run being compensated? */
extern bool wf_undoing_runs(const WfExecutor *executor);

/*
 * Where the turn is to end the run as failed or cancelled, and something is
 * registered, it is compensated instead.
 */
extern void wf_undoing_take_over(WfExecutor *executor, WfTurn *turn);

/* From here on nobody can stop the run; outside user code. */
extern void wf_undoing_shield(WfExecutor *executor);

/*
 * Sets play.wanted to what is to be undone next, and returns true; or ends the
 * run.
 */
extern bool wf_undoing_next(WfExecutor *executor, WfTurn *turn);

/*
 * Of a run that was loaded and is not undone yet: true where play.wanted is
 * what to do next, else the turn says.
 */
extern bool wf_undoing_load(WfExecutor *executor, WfTurn *turn);

/* A worker outside is to undo something: waits for it. */
extern void wf_undoing_wait(WfExecutor *executor, WfTurn *turn);

/* One more is undone: what the turn does then. */
extern void wf_undoing_after(WfExecutor *executor, WfTurn *turn);

#endif /* WF_EXECUTOR_UNDOING_H */
