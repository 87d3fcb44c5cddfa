/*
 * wait_place.h
 *		Whether a procedure may wait where it was called, and without a
 *		snapshot.
 *
 * CALL gives its own snapshot to the portal, and that one is ours to drop; so
 * while a procedure sleeps backend_xmin is NULL, in a transaction block as
 * well.  Where there is any other snapshot - REPEATABLE READ, a function around
 * the CALL, an open cursor - or where what is waited for could never come true
 * because it depends on our own commit, the call is refused with 25001.
 *
 * Nor is any lock held meanwhile.  A look at our tables takes locks that last
 * to the end of the transaction, which a wait may put off for hours; so it has
 * a resource owner of its own, which gives them up right after it.
 */
#ifndef WF_API_WAIT_PLACE_H
#define WF_API_WAIT_PLACE_H

#include "datatype/timestamp.h"
#include "fmgr.h"

/*
 * Raises 25001 where no procedure may wait.  May begin another transaction, in
 * which nothing was read, where the default isolation level is above READ
 * COMMITTED and nobody has begun a transaction block.
 */
extern void wf_wait_check_place(FunctionCallInfo fcinfo,
								const char *procedure);

/*
 * Drops the portal's snapshot, so that the transaction holds none; raises 25001
 * where it holds another one.  EnsurePortalSnapshotExists() makes the portal's
 * anew.
 */
extern void wf_wait_drop_snapshot(const char *procedure);

/*
 * Calls a function that reads our tables, and leaves no lock.  What it returns
 * has to lie in a context that is there already.
 */
extern void wf_wait_look(void (*look)(void *), void *arg);

/* When an argument "timeout" says to give up; DT_NOEND where it is NULL. */
extern TimestampTz wf_wait_end(FunctionCallInfo fcinfo, int arg);

#endif /* WF_API_WAIT_PLACE_H */
