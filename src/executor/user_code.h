/*
 * user_code.h
 *		Around user code: marks, cancels and the timer.
 *
 * Cancel interrupts are held except around user code, so SIGINT cannot hit the
 * engine's own statements, nor its commits.
 *
 * A step that catches the cancel of its time-out is cancelled again each second;
 * when it has gone on for workflow.cancel_grace, its process ends.  For cancels
 * that come from outside the scheduler sees to that (sched_grace.c).
 *
 * Owns: the WfHost of an executor, through which play/ gets at all this; the
 * signal handlers; QueryCancelHoldoffCount between runs and steps.
 *
 * Must not: use SQL, or raise an error.
 */
#ifndef WF_EXECUTOR_USER_CODE_H
#define WF_EXECUTOR_USER_CODE_H

#include "executor/process.h"

/* Once in the process, before signals are unblocked. */
extern void wf_user_code_set_handlers(void);

/* Once, when it is connected; sets executor->host. */
extern void wf_user_code_init(WfExecutor *executor);

/* Runs user code from here on, or no more; also called after an ERROR. */
extern void wf_user_code_enter(WfExecutor *executor, int ordinal, int attempt);
extern void wf_user_code_leave(WfExecutor *executor);

/* Notes what has been cancelled before this turn. */
extern void wf_user_code_begin_turn(WfExecutor *executor);

/* WF_REQ_* of the cell, without what means nothing to a run being undone. */
extern uint32 wf_user_code_request(const WfExecutor *executor);

/* Has the run been cancelled, or its time been up? */
extern bool wf_user_code_is_asked(const WfExecutor *executor);

/* Has a cancel come since the turn began that was for the run before? */
extern bool wf_user_code_cancel_is_stale(const WfExecutor *executor);

/* true when a cancel has been raised since it was asked for */
extern bool wf_user_code_is_interrupted(const WfExecutor *executor);

/*
 * Raises QUERY_CANCELED after "usec"; "insists": and again and again, as user
 * code may catch it.
 */
extern void wf_user_code_start_timer(int64 usec, bool insists);
extern void wf_user_code_stop_timer(void);

#endif /* WF_EXECUTOR_USER_CODE_H */
