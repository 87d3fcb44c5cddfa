/*
 * write.h
 *		What a turn has worked out is written, in one commit.
 *
 * Must not: run user code.  So the transaction is the engine's alone from here
 * to its commit, and locks of ours on rows of the run are held as shortly.
 */
#ifndef WF_EXECUTOR_WRITE_H
#define WF_EXECUTOR_WRITE_H

#include "executor/turn.h"

/*
 * In the transaction of the turn, after all its user code: writes in owner
 * windows, and commits.  An ERROR while turn->writing is none of user code.
 */
extern void wf_write_turn(WfExecutor *executor, WfTurn *turn);

#endif /* WF_EXECUTOR_WRITE_H */
