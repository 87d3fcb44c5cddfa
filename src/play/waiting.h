/*
 * waiting.h
 *		Calls of a body whose outcome comes from elsewhere: time, signals,
 *		children, tasks.
 *
 * Such a call has a record in state waiting, written in the commit that begins
 * it.  What comes for it lies in a table of its own until an executor takes
 * it: the record then gets its outcome in the same commit that marks what came
 * as taken, so it is taken exactly once.
 *
 * A run whose body needs an outcome that is not there leaves the executor, and
 * costs a row and no process.  No wake-up is lost:
 *
 *	1. whoever has something for a run commits it, and then tells the scheduler
 *	2. the executor looks for it in a new snapshot before the run leaves
 *	3. where the scheduler hears of it while the run is still in a cell, it
 *	   sends the run to an executor once more
 *	4. a scheduler that starts asks the tables what has come
 *
 * What was taken is committed before any user code runs that may depend on it:
 * if that failed and were tried again, another signal might be first by then.
 *
 * All of it is in a transaction, outside of windows.
 *
 * Must not: know a kind of call by name; what kinds do stands in call_*.c.
 */
#ifndef WF_PLAY_WAITING_H
#define WF_PLAY_WAITING_H

#include "play/play.h"

/*
 * Records a plain call: as waiting, or as done where what it waits for is
 * there already.  True when the body can go on: in that case, or when it only
 * starts something.
 */
extern bool wf_waiting_begin(WfPlay *play, const WfWanted *asked);

/*
 * After a replay: begins the calls that it has answered with handles, or if
 * nothing follows from it forgets them.
 */
extern void wf_waiting_begin_pending(WfPlay *play, bool forget);

/* Is play->wanted a call that waits, and is started by engine code? */
extern bool wf_waiting_is_started(const WfPlay *play);

/* Starts it; "step" is its record: waiting, and of what. */
extern void wf_waiting_start(WfPlay *play, WfStep *step);

/*
 * Looks for what has come for calls that wait, and records it; true when
 * something had.  Takes what it finds, see WfCallKind.settle.
 */
extern bool wf_waiting_settle(WfPlay *play);

/* The same for one of them. */
extern bool wf_waiting_settle_one(WfPlay *play, int ordinal);

/*
 * After a replay: failures of handles that the body was given, and after which
 * it has made another call, are marked in the record.  What is retried goes by
 * that: to begin such a call again would lead the body another way.
 */
extern void wf_waiting_mark_given(WfPlay *play);

/*
 * For a run that leaves until something comes for one of its calls: WF_WAIT_*
 * of the call that the body needs, and the time by which the run is woken in
 * any case, or 0.
 */
extern char wf_waiting_for(const WfPlay *play, TimestampTz *due_at);

#endif /* WF_PLAY_WAITING_H */
