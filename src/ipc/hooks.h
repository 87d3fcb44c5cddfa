/*
 * hooks.h
 *		Keeping out of the way of CREATE, DROP and ALTER DATABASE, and being
 *		told of CREATE and DROP EXTENSION.
 *
 * wf_hooks_init() chains ProcessUtility_hook and object_access_hook; called
 * once, from _PG_init.
 *
 * A *hold* keeps all our workers out of one database.  wf_hold() ends them and
 * waits until they are gone (at most 10 s, then raises 55006); nothing starts
 * there until wf_release(), which is also called when the transaction or the
 * backend ends.  Several backends may hold the same database.
 */
#ifndef WF_IPC_HOOKS_H
#define WF_IPC_HOOKS_H

#include "nodes/parsenodes.h"

extern void wf_hooks_init(void);
extern void wf_hold_init(void); /* by wf_hooks_init() */
extern void wf_hold(Oid database);
extern void wf_release(Oid database);

/* Raises 42501 where a LOCK TABLE would hold up workflows. */
extern void wf_lock_table_check(LockStmt *stmt);

#endif /* WF_IPC_HOOKS_H */
