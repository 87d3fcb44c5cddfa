/*
 * shortage.h
 *		What this database is short of, as far as shared memory knows.
 *
 * A shortage that executors meet is told in their cells, and the scheduler's
 * plan slows down (core/plan_slow.c); the scheduler shows it in the entry of
 * its database, and logs it.  A scheduler that meets one itself ends, as with
 * any ERROR, and leaves in the entry what it was, for the one that comes next;
 * it is started again soon, but not at once.  Worker processes are the
 * launcher's matter (`short_since`).
 *
 * Locking: "shortage" and "shortage_since" are single words that one process
 * writes at a time; the text is guarded by wf_shared->lock.
 */
#ifndef WF_IPC_SHORTAGE_H
#define WF_IPC_SHORTAGE_H

#include "core/shortage_kind.h"
#include "ipc/shmem.h"

/*
 * The shortage that an error tells of; "engine": a statement of our own has
 * met it.  One that user code raises by hand says nothing of the server,
 * whatever its code.
 */
extern WfShortage wf_shortage_of(const WfError *error, bool engine);

/* The text of an error that the engine has met, for the log.  Takes the lock. */
extern void wf_shortage_note(const char *message);
/* Copies it out; "" when there is none. */
extern void wf_shortage_noted(WfDatabase *db, char *out);

/*
 * True for one caller a second in this database, who then may write a line
 * about trouble that many have.
 */
extern bool wf_shortage_may_log(WfDatabase *db);

/*
 * From now on errors that this process reports are looked at; the last one says
 * why it ends.  "connecting": until wf_shortage_unwatch(), a line for each that
 * could not connect is left out if there was one within the second.
 */
extern void wf_shortage_watch(WfDatabase *db, bool connecting);
extern void wf_shortage_unwatch(void);
extern WfShortage wf_shortage_watched(void);

/* A scheduler ended because of it; lock held. */
extern void wf_shortage_ended_by(WfDatabase *db, WfShortage kind,
								 TimestampTz now);

/* The shortage that views show, and since when, or WF_SHORTAGE_NONE. */
extern WfShortage wf_shortage_shown(const WfDatabase *db, TimestampTz *since);

#endif /* WF_IPC_SHORTAGE_H */
