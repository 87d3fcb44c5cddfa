/*
 * settle.h
 *		What user code leaves behind in its process, and how it is put away.
 */
#ifndef WF_EXECUTOR_SETTLE_H
#define WF_EXECUTOR_SETTLE_H

/*
 * Puts away what a step has left, settings down to the GUC nest level "nest";
 * still user code.
 */
extern void wf_settle_step(int nest);

/* Drops what user code can leave in a session in spite of a rollback. */
extern void wf_settle_session(void);

#endif /* WF_EXECUTOR_SETTLE_H */
