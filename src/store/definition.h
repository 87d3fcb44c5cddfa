/*
 * definition.h
 *		Tables _workflow.workflow and _workflow.body.
 *
 * A workflow's row says what new runs get; a body row is one version of what
 * runs: signature and search_path, to which a run is pinned for its life.
 *
 * All functions need an open owner window unless they say otherwise.
 */
#ifndef WF_STORE_DEFINITION_H
#define WF_STORE_DEFINITION_H

#include "base/spi.h"
#include "core/policy.h"
#include "core/rules.h"
#include "utils/timestamp.h"

/* WF_DEFAULT_QUEUE */
#define WF_DEFAULT_QUEUE_NAME "default"

/* among which runs a dedup_key is unique; in the order of wf_dedup_scopes */
typedef enum WfDedupScope
{
	WF_SCOPE_KEPT,		 /* all that are kept */
	WF_SCOPE_UNFINISHED, /* those that have not ended */
	WF_SCOPE_QUEUED		 /* those that have not begun */
} WfDedupScope;

extern const char *const wf_dedup_scopes[3];

typedef struct WfWorkflow
{
	int32 workflow_id;
	char *name;
	int32 body_id;
	char *body; /* regprocedure text, schema-qualified */
	char *search_path;
	Oid owner;
	char *owner_name;
	Oid run_as; /* InvalidOid: who enqueues */
	int32 queue_id;
	bool has_policy;
	WfPolicy policy; /* valid when has_policy */
	bool has_run_timeout;
	Interval run_timeout;
	bool park; /* on_failure => 'park' */
	bool paused;
	WfDedupScope dedup_scope;

	/* what only alter_workflow needs */
	char *run_as_name;		  /* NULL: who enqueues */
	Datum policy_row;		  /* workflow.policy, valid when has_policy */
	Interval *keep_succeeded; /* NULL: for ever */
	Interval *keep_failed;	  /* NULL: for ever */
	char *description;		  /* or NULL */
} WfWorkflow;

/*
 * The body version a run is pinned to, with what of its workflow and of its
 * queue matters when it runs.  Allocated in "cxt".  False when there is no such
 * body; a queue that is not there has no policy.
 */
typedef struct WfBodyRow
{
	int32 body_id;
	int32 workflow_id;
	char *workflow; /* name */
	char *body;
	char *search_path;
	bool has_policy; /* of the workflow, else of the queue */
	WfPolicy policy;
	bool park;
	Oid owner; /* of the workflow, who chose the search_path; InvalidOid when
				* its oid and name do not match (restored elsewhere) */
} WfBodyRow;

extern bool wf_body_load(int32 body_id, int32 queue_id, MemoryContext cxt,
						 WfBodyRow *out);

/*
 * The version of a workflow's body with this signature and search_path: one
 * there was, or a new one.
 */
extern int32 wf_body_version(int32 workflow_id, const char *body,
							 const char *search_path, TimestampTz now);

/* By name, or false.  Allocated in "cxt". */
extern bool wf_workflow_load(const char *name, MemoryContext cxt,
							 WfWorkflow *out);

/* The same, with the row locked against other changes of the definition. */
extern bool wf_workflow_lock(const char *name, MemoryContext cxt,
							 WfWorkflow *out);

/*
 * Writes a new definition: all fields of *w but workflow_id, body_id and
 * paused, of which the first two are set.  False when the name is taken.
 */
extern bool wf_workflow_insert(WfWorkflow *w, TimestampTz now);

/* Rewrites the row; a new body version when body or search_path changed. */
extern void wf_workflow_update(WfWorkflow *w, TimestampTz now);

extern void wf_workflow_set_paused(int32 workflow_id, bool paused,
								   const char *by, const char *reason,
								   TimestampTz now);

/* Runs of the workflow that have not ended. */
extern int64 wf_workflow_unfinished(int32 workflow_id);

/* Asks for all of them to be cancelled; count. */
extern int64 wf_workflow_cancel_all(int32 workflow_id, const char *by,
									const char *reason, TimestampTz now);

/* The name is free from now on; the row stays for the runs it had. */
extern void wf_workflow_drop(int32 workflow_id, TimestampTz now);

/*
 * A function with this signature has been replaced: the unfinished runs which
 * will be replayed with the new one.
 */
extern int64 wf_body_unfinished(const char *signature);

/*
 * Reads a composite of type workflow.policy.  Raises 22023 for values out of
 * range.  No window needed.
 */
extern void wf_policy_from_datum(Datum composite, WfPolicy *out);

/* Oid of type workflow.policy; cached per process. */
extern Oid wf_policy_type(void);

/*
 * Reads column "col" of the only row, a workflow.policy; false when it is null.
 * The composite itself is copied to *row in "cxt", unless "row" is NULL.
 */
extern bool wf_policy_read(int col, MemoryContext cxt, WfPolicy *policy,
						   Datum *row);

/* Sets the type of a statement's argument that is a workflow.policy. */
extern void wf_policy_bind(WfStmt *stmt, int arg);

/*
 * Microseconds of an interval, a month counted as 30 days.  Raises 22023,
 * naming the argument, when it is below "min" or above a hundred years.
 */
extern int64 wf_interval_usec(const Interval *interval, const char *argument,
							  int64 min);

/*
 * Called when function was created or replaced, in the command's transaction,
 * no window open: warns when unfinished runs have it as their body.
 */
extern void wf_definition_check_replaced(Oid function);

#endif /* WF_STORE_DEFINITION_H */
