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
} WfKnownWorkflow;

/*
 * The workflow of this name, checked for the current user: he may call the
 * body, the body is fit to run, and its runs may belong to the owner they
 * would have.  Raises 42704, 42883, 42P13, 42809 or 42501.  No window may be
 * open.  The result lives until the next call or the end of the transaction.
 */
extern const WfKnownWorkflow *wf_workflow_allowed(const char *name,
												  int length);

/* The same without the checks: only raises 42704. */
extern const WfWorkflow *wf_workflow_known(const char *name, int length);

/* Raises 42704: there is no such workflow. */
WF_NORETURN extern void wf_raise_no_workflow(const char *name);

/* One more run was enqueued: counted when the transaction commits. */
extern void wf_count_enqueued(int32 workflow_id, int32 queue_id);

#endif /* WF_API_DEFINITION_CACHE_H */
