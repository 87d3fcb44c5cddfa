/*
 * attach.h
 *		How a scheduler or executor takes its place in shared memory, and how
 *		it leaves it.
 *
 * A main function begins:
 *
 *		pqsignal(...); BackgroundWorkerUnblockSignals();
 *		slot = wf_executor_attach(DatumGetInt32(arg));
 *		if (slot == NULL)
 *			proc_exit(0);
 *		BackgroundWorkerInitializeConnectionByOid(slot->database, slot->role,
 *												  WF_CONNECT_FLAGS);
 *		wf_worker_settings();
 *
 * Attach comes before the connection: what makes a process leave, up to a role
 * that may not connect, then reaches its exit callback, which reports it.  The
 * callback runs after the transaction was aborted and the process was taken
 * out of the list of backends, so whoever sees the slot GONE, or the scheduler
 * gone, may count on its locks and its place in the database being free.
 */
#ifndef WF_IPC_ATTACH_H
#define WF_IPC_ATTACH_H

#include "ipc/shmem.h"

/*
 * Both return NULL when the process is not wanted (any more): the database is
 * held, or another process has its place.  The caller then ends with code 0.
 * A scheduler's entry is LOADING from here on.
 */
extern WfDatabase *wf_scheduler_attach(int index);
extern WfSlot *wf_executor_attach(int index);

/* Scheduler: the load is done; LOADING becomes LIVE. */
extern void wf_scheduler_ready(void);

/*
 * Scheduler: there is no extension in this database.  The caller then ends
 * with code 0, and at that its entry is given back.  If somebody told us of an
 * extension after this scheduler attached, another one is started to look
 * again.
 */
extern void wf_scheduler_detach_no_extension(void);

/*
 * Handler of SIGTERM: die(), and this process has not failed by itself.
 */
extern void wf_worker_die(SIGNAL_ARGS);

/* see workers.h: wf_worker_settings() also makes an executor's slot LIVE */

#endif /* WF_IPC_ATTACH_H */
