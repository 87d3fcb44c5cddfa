/*
 * announce.h
 *		Who hears that a run has ended: counters, the log, clients that wait,
 *		and its parent.
 */
#ifndef WF_EXECUTOR_ANNOUNCE_H
#define WF_EXECUTOR_ANNOUNCE_H

#include "executor/turn.h"

/* After the commit of a turn. */
extern void wf_announce_turn(WfExecutor *executor, const WfTurn *turn);

#endif /* WF_EXECUTOR_ANNOUNCE_H */
