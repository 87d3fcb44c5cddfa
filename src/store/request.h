/*
 * request.h
 *		What clients ask of a run, and what they are told about it.
 *
 * A client never writes a run's row once it is committed: it inserts a request
 * (see store/control.h for who reads it).
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_REQUEST_H
#define WF_STORE_REQUEST_H

#include "store/run.h"

/* A run's row with what of its workflow belongs to the answer. */
typedef struct WfRunView
{
	pg_uuid_t run_id;
	char *workflow;
	int32 workflow_id;
	int32 body_id;
	int32 queue_id;
	Oid owner;
	char *owner_name;
	int64 origin;
	char state;
	char waiting_for;
	char end_state; /* is being, or was, compensated: how it ends; else 0 */
	TimestampTz run_at;
	TimestampTz due_at;		 /* 0 when NULL */
	TimestampTz finished_at; /* 0 when NULL */
	int32 failed_step;		 /* 0: none */
	int32 steps_done;
	char *reason; /* WF_REASON_*, or NULL */
	WfError error;
	Jsonb *result; /* or NULL */
	bool paused;   /* its workflow is */
	char *paused_by;
	char *pause_reason;
	TimestampTz held_at; /* it is itself paused, since; else 0 */
	char *held_by;
	char *hold_reason;
	char to_hold;	 /* WF_REQUEST_PAUSE or _RESUME to be carried out, or 0 */
	bool begun;		 /* its user code has been at work, but for a slot's */
	bool cancelling; /* a cancel was asked for */
	bool retrying;	 /* a retry, or an answer, has yet to be carried out */
	bool continued;	 /* ended by continue_as_new(), and goes on as: */
	pg_uuid_t continued_as;
} WfRunView;

/* False when there is no such run, or it is a chunk.  Allocated in "cxt". */
extern bool wf_run_view(const pg_uuid_t *run_id, MemoryContext cxt,
						WfRunView *out);

/* The step that failed last, or is being retried; false when there is none. */
extern bool wf_step_view(const pg_uuid_t *run_id, MemoryContext cxt,
						 WfStep *out);

/* A wish to be; what has no meaning for its kind is 0. */
typedef struct WfNewRequest
{
	char kind;			 /* WF_REQUEST_* */
	TimestampTz due_at;	 /* retry: 0 for at once; delete: when it ended */
	int32 body_id;		 /* retry: 0 to keep the body */
	bool no_undo;		 /* cancel: without compensation */
	bool repeat_unknown; /* retry: also what was started at most once */
	int32 ordinal;		 /* result */
	Datum value;		 /* result: jsonb, or 0 for NULL */
	const char *reason;	 /* or NULL */
} WfNewRequest;

extern void wf_request_insert(const pg_uuid_t *run_id,
							  const WfNewRequest *request, const char *by);

/*
 * The entry of the audit: "action" is the name of the SQL function, "detail"
 * the text of a JSON object, or NULL.
 */
extern void wf_audit_insert(const pg_uuid_t *run_id, const char *action,
							const char *by, const char *reason,
							const char *detail);

/* The process of a run was ended for its sake, which timeline() tells. */
extern void wf_audit_terminated(const pg_uuid_t *run_id, const char *reason);

/* Has somebody asked for it to be cancelled or paused, and nobody dealt with it? */
extern bool wf_request_is_to_stop(const pg_uuid_t *run_id);

/* Deletes every request for a run: called with the write that ends it. */
extern void wf_request_delete_for(const pg_uuid_t *run_id);

#endif /* WF_STORE_REQUEST_H */
