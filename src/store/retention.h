/*
 * retention.h
 *		Removing runs that have ended.
 *
 * All functions need an open owner window.  They are called by the scheduler,
 * so that a run is not deleted while it is being retried.
 */
#ifndef WF_STORE_RETENTION_H
#define WF_STORE_RETENTION_H

#include "utils/uuid.h"

/*
 * Deletes a run that has ended, with its steps, requests, signals and audit
 * rows; false when it has not ended, or is not there.
 */
extern bool wf_run_purge(const pg_uuid_t *run_id);

/*
 * Deletes what a transaction that was still open has left to a run that was
 * deleted meanwhile; nothing where the run is there.
 */
extern void wf_run_sweep(const pg_uuid_t *run_id);

#endif /* WF_STORE_RETENTION_H */
