/*
 * guard.h
 *		Keeps everybody but the engine from writing its tables.
 */
#ifndef WF_WORKER_GUARD_H
#define WF_WORKER_GUARD_H

/* from _PG_init */
extern void wf_guard_init(void);

#endif /* WF_WORKER_GUARD_H */
