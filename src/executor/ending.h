/*
 * ending.h
 *		How a turn ends a run, parks it, or lets it go.
 *
 * Works out what write.c will write; writes nothing itself.
 */
#ifndef WF_EXECUTOR_ENDING_H
#define WF_EXECUTOR_ENDING_H

#include "executor/turn.h"

/* The run ends, or is parked, because of turn->error unless it succeeded. */
extern void wf_ending_set(WfExecutor *executor, WfTurn *turn, char state,
						  const char *reason);

/*
 * on_failure => 'park', or an undo that failed: nobody but an operator can go
 * on.
 */
extern void wf_ending_park_at_step(WfExecutor *executor, WfTurn *turn,
								   const WfStep *step);

/* Does a failure of a step park the run? */
extern bool wf_ending_parks(const WfExecutor *executor);

/* cancel_run() or run_timeout, whichever the scheduler asked for. */
extern void wf_ending_from_outside(WfExecutor *executor, WfTurn *turn);

/* The body has raised replay.error: the run fails, parks, or is tried again. */
extern void wf_ending_by_body(WfExecutor *executor, WfTurn *turn);

/* The run goes elsewhere with nothing more to write. */
extern void wf_ending_leave(WfTurn *turn, WfOutcome outcome);

#endif /* WF_EXECUTOR_ENDING_H */
