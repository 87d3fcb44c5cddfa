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
	bool cancelling; /* a cancel was asked for */
	bool retrying;	 /* retry_run() has been called, and is not carried out */
	bool continued;	 /* ended by continue_as_new(), and goes on as: */
	pg_uuid_t continued_as;
} WfRunView;

/* False when there is no such run.  Allocated in "cxt". */
extern bool wf_run_view(const pg_uuid_t *run_id, MemoryContext cxt,
						WfRunView *out);

/* The step that failed last, or is being retried; false when there is none. */
extern bool wf_step_view(const pg_uuid_t *run_id, MemoryContext cxt,
						 WfStep *out);

/* due_at 0: at once */
extern void wf_request_insert(const pg_uuid_t *run_id, char kind,
							  TimestampTz due_at, bool no_undo, const char *by,
							  const char *reason);

#endif /* WF_STORE_REQUEST_H */
