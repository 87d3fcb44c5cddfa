/*
 * check.h
 *		Table _workflow.check_run: what check_workflow() asked for.
 *
 * For each run that is to be replayed with another body there is a run of its
 * own, of the hidden workflow "check_workflow", which belongs to the owner of
 * the run and whose result is the verdict.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_CHECK_H
#define WF_STORE_CHECK_H

#include "store/run.h"

/* made by the install script */
#define WF_CHECK_WORKFLOW (-2)
#define WF_CHECK_BODY	  (-2)

/* a run that can be replayed */
typedef struct WfToCheck
{
	pg_uuid_t run_id;
	Oid owner;
	char *owner_name;
} WfToCheck;

/*
 * The unfinished runs of a workflow that have recorded something, and whose
 * body will be called again; count.
 */
extern int wf_check_candidates(int32 workflow_id, MemoryContext cxt,
							   WfToCheck **out);

/* A new check; forgets those whose runs are gone. */
extern int64 wf_check_begin(void);

/* "checker" is the run that replays "run_id" with that body. */
extern void wf_check_insert(int64 check_id, const pg_uuid_t *run_id,
							const pg_uuid_t *checker, int32 body_id);

/*
 * With which body "checker" is to replay "run_id"; false where it is not, where
 * that body is not of the run's workflow, and where the run is gone.
 */
extern bool wf_check_find(int64 check_id, const pg_uuid_t *run_id,
						  const pg_uuid_t *checker, int32 *body_id);

#endif /* WF_STORE_CHECK_H */
