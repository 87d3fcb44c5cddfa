/*
 * trouble.h
 *		What an ERROR in a turn means.
 *
 * It aborts the transaction of the turn, and by turn->where it means:
 *
 *	in the step		the attempt failed: try again, or record the failure
 *	in the engine	the run cannot go on: park it, or look again later
 *
 * What is in memory of the run is then what is committed; only what this very
 * turn has recorded is taken back.
 */
#ifndef WF_EXECUTOR_TROUBLE_H
#define WF_EXECUTOR_TROUBLE_H

#include "executor/turn.h"

/*
 * In PG_CATCH: ends the failed transaction and decides what comes next, in an
 * otherwise empty turn.
 */
extern void wf_trouble_handle(WfExecutor *executor, WfTurn *turn);

#endif /* WF_EXECUTOR_TROUBLE_H */
