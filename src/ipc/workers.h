/*
 * workers.h
 *		The three kinds of process, as the postmaster sees them.
 *
 * Main arguments: launcher none; scheduler the index of its WfDatabase;
 * executor the index of its WfSlot.
 */
#ifndef WF_IPC_WORKERS_H
#define WF_IPC_WORKERS_H

#include "fmgr.h"
#include "utils/uuid.h"

#define WF_TYPE_LAUNCHER  "workflow launcher"
#define WF_TYPE_SCHEDULER "workflow scheduler"
#define WF_TYPE_EXECUTOR  "workflow executor"

extern PGDLLEXPORT void workflow_launcher_main(Datum arg);
extern PGDLLEXPORT void workflow_scheduler_main(Datum arg);
extern PGDLLEXPORT void workflow_executor_main(Datum arg);

/* from _PG_init */
extern void wf_launcher_register(void);

/* true while this process is an executor that has a run in hand */
extern bool wf_executor_has_run(void);

/* ... and it is this one */
extern bool wf_executor_runs(const pg_uuid_t *run_id);

/*
 * What the run in hand, if it belongs to "owner", rests on (see WfRun): role and
 * name, or they are left alone.
 */
extern void wf_executor_vouched(Oid owner, Oid *role, const char **name);

/*
 * Common to scheduler and executor, after connecting: settings that no ALTER
 * ROLE or ALTER DATABASE may change under us (isolation, read only, time-outs).
 */
extern void wf_worker_settings(void);

#endif /* WF_IPC_WORKERS_H */
