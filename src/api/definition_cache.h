/*
 * definition_cache.h
 *		Definitions as a client's backend keeps them, with the answer to who
 *		may enqueue what.
 */
#ifndef WF_API_DEFINITION_CACHE_H
#define WF_API_DEFINITION_CACHE_H

#include "api/freshness.h"
#include "base/compat.h"
#include "store/definition.h"

typedef struct WfKnownWorkflow
{
	WfWorkflow def;

	/* who a run belongs to when the current user enqueues; see _allowed */
	Oid run_owner;
	Datum run_owner_name; /* text */
	bool run_as_at_work;  /* ... and that is not who enqueues */
} WfKnownWorkflow;

/*
 * The workflow of this name, checked for the current user: he may call the
 * body, the body is fit to run, and its runs may belong to the owner they
 * would have.  Raises 42704, 42883, 42P13, 42809 or 42501.  No window may be
 * open.  The result lives until the next call or the end of the transaction.
 */
extern const WfKnownWorkflow *wf_workflow_allowed(const char *name,
												  int length);

/*
 * On whose membership it rests that such a run belongs to its owner (see
 * WfRun): the workflow's owner, or what the run that enqueues it rests on
 * itself.  The name is 0 where the owner enqueues it on his own.
 */
extern void wf_workflow_vouch(const WfKnownWorkflow *known, Oid *role,
							  Datum *name);

/*
 * The role that would own a run of the current user, whether or not the body
 * is fit to run.  Raises 42704 and 42501.
 */
extern Oid wf_workflow_run_owner(const char *name, int length);

/* Is the body gone, so that wf_workflow_allowed() would raise 42883? */
extern bool wf_workflow_lacks_body(const char *name, int length);

/* The same without the checks: only raises 42704. */
extern const WfWorkflow *wf_workflow_known(const char *name, int length);

/* Raises 42704: there is no such workflow. */
WF_NORETURN extern void wf_raise_no_workflow(const char *name);

/* One more run was enqueued: counted when the transaction commits. */
extern void wf_count_enqueued(int32 workflow_id, int32 queue_id);

#endif /* WF_API_DEFINITION_CACHE_H */
