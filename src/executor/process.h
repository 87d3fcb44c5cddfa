/*
 * process.h
 *		The state of an executor process: one database, one role, for its life.
 *
 * Owns: WfExecutor.  There is one in a process.
 *
 * Lifetime: that of the process.  The part that tells of the run in hand is
 * reset when a run is taken (life.c); what the run needs in memory is in the
 * contexts of "play", which are reset after it.
 */
#ifndef WF_EXECUTOR_PROCESS_H
#define WF_EXECUTOR_PROCESS_H

#include "ipc/shmem.h"
#include "play/play.h"

/* the last attempt at play.wanted that failed */
typedef struct WfFailed
{
	WfError error;
	TimestampTz started_at;
	WfVerdict verdict;
	bool interrupted; /* by the end of the run, while it was at work */
} WfFailed;

typedef struct WfExecutor
{
	WfHost host; /* first: a WfHost of user_code.c is a WfExecutor */
	WfSlot *slot;
	WfPlay play;
	bool retire; /* this process must not go on after this run */

	/* user code, see user_code.c */
	bool timed_out;		 /* the timer has fired since it was entered */
	uint32 cancels_seen; /* slot->cancels when the turn began */

	/* the run in hand */
	WfCell *cell; /* NULL between runs */
	TimestampTz taken_at;
	bool aborted; /* a turn was: what others did is not known */
	int reloads;  /* it was not as it was, and has been loaded again */
	WfFailed failed;
} WfExecutor;

#endif /* WF_EXECUTOR_PROCESS_H */
