/*
 * exits.h
 *		What rests on commits that nobody has flushed, and must not leave yet.
 *
 * The scheduler commits asynchronously: it never waits for a disk or a standby.
 * So do executors of roles with synchronous_commit = off.
 * An *exit* is where something leaves that may rest on such a commit: an answer
 * to a client, a start of user code, a message that is handed out.  Whoever
 * stands at an exit flushes first.
 *
 * Owns: two shared words.  `committing` is how many asynchronous commits are
 * under way, `flush_to` the end of the last one that is not.  A commit enters
 * before it can be seen, and leaves after it has raised `flush_to`:
 *
 *	PRE_COMMIT	committing++
 *	COMMIT		flush_to = max(flush_to, end of the record); committing--
 *	ABORT		committing--
 *
 * An exit takes its snapshot first.  A commit that the snapshot has seen is
 * either still counted in `committing`, and then all WAL up to the present
 * insert position is flushed, or has raised `flush_to`.  Both are free when
 * nothing is to be flushed.  Neither word is ever lowered but for that.
 *
 * Locking: none; both are atomics.  The words are made anew at a crash restart,
 * which has flushed, or lost, whatever they told of.
 */
#ifndef WF_IPC_EXITS_H
#define WF_IPC_EXITS_H

#include "access/xlogdefs.h"

extern Size wf_exits_size(void);
/* Called with AddinShmemInitLock held exclusively. */
extern void wf_exits_startup(void);

/* Counts the asynchronous commits of this process from now on. */
extern void wf_exits_watch_commits(void);

/*
 * Up to where WAL must be flushed for all that a snapshot taken before has seen
 * to be on disk, whoever committed it.
 */
extern XLogRecPtr wf_exits_seen_upto(void);

/*
 * The exit of what does not wait for a standby: flushes up to "lsn" (0: nothing
 * of its own), and what asynchronous commits of ours have written.
 */
extern void wf_exit_flush(XLogRecPtr lsn);

/*
 * The exit of an answer to a client: flushes, and waits for the synchronous
 * standby as the session's synchronous_commit says.  In a transaction.  Raises
 * 57014 when the wait is cancelled.
 */
extern void wf_exit_answer(void);

#endif /* WF_IPC_EXITS_H */
