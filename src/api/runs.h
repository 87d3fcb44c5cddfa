/*
 * runs.h
 *		What the functions about one run have in common.
 */
#ifndef WF_API_RUNS_H
#define WF_API_RUNS_H

#include "fmgr.h"
#include "ipc/shmem.h"
#include "store/request.h"

/*
 * Reads a run for the current user: raises 42704 when it is unknown, 42501
 * when it is somebody else's.  No window may be open.  Allocated in the
 * current context.
 */
extern void wf_run_look(const pg_uuid_t *run_id, WfRunView *out);

/* The two parts of it: for whom it is, and whether that is the current user. */
extern void wf_run_find(const pg_uuid_t *run_id, WfRunView *out);
extern void wf_run_require_owner(const WfRunView *run);

/*
 * The slot in which the run is executed now, copied; false when it is in none.
 */
extern bool wf_run_find_slot(const pg_uuid_t *run_id, WfSlot *out);

/*
 * What why() says to the current user, palloc'd; raises as wf_sight_of_run().
 */
extern char *wf_run_why(const pg_uuid_t *run_id);

/* Of requests.c: the first argument is the run, a NULL is the default. */
extern Datum workflow_retry_run(PG_FUNCTION_ARGS);

/* "queued", "running", ... */
extern const char *wf_run_state_word(const WfRunView *run);

#endif /* WF_API_RUNS_H */
