/*
 * handover.h
 *		The end of a run that goes on as another one.
 *
 * Both are written in one commit, so there is never none and never two.  The
 * scheduler hears of the successor at that commit, which comes before it can
 * see that this run's cell is DONE: it counts the one before it lets anybody
 * have the place of the other.
 */
#ifndef WF_EXECUTOR_HANDOVER_H
#define WF_EXECUTOR_HANDOVER_H

#include "executor/turn.h"

/* Writes the run's end and the run that goes on; false when it has ended. */
extern bool wf_handover_write(WfExecutor *executor, WfTurn *turn);

#endif /* WF_EXECUTOR_HANDOVER_H */
