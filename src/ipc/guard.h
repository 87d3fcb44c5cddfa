/*
 * guard.h
 *		Keeps everybody but the engine from writing its tables.
 */
#ifndef WF_IPC_GUARD_H
#define WF_IPC_GUARD_H

/* from _PG_init */
extern void wf_guard_init(void);

#endif /* WF_IPC_GUARD_H */
