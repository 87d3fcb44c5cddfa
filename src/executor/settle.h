/*
 * settle.h
 *		What user code leaves behind in its process, and how it is put away.
 */
#ifndef WF_EXECUTOR_SETTLE_H
#define WF_EXECUTOR_SETTLE_H

/*
 * Runs what a step has left for the commit, then puts back all it changed in
 * the process, settings down to the GUC nest level "nest"; still user code.
 */
extern void wf_settle_step(int nest);

/* Drops what user code can leave in a session in spite of a rollback. */
extern void wf_settle_session(void);

/*
 * Before a commit: raises an error where it would run user code, which cannot
 * be.
 */
extern void wf_settle_check(void);

/* Seeds random() so that nobody can tell what it gives. */
extern void wf_settle_seed(void);

#endif /* WF_EXECUTOR_SETTLE_H */
