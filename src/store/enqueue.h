/*
 * enqueue.h
 *		Writing a new row of _workflow.run.
 *
 * All functions need an open owner window, but wf_run_insert() and
 * wf_run_describe().
 */
#ifndef WF_STORE_ENQUEUE_H
#define WF_STORE_ENQUEUE_H

#include "store/run.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* A run to be; values that are NULL in the table are 0 here. */
typedef struct WfNewRun
{
	pg_uuid_t run_id;
	int64 origin;
	TimestampTz enqueued_at;
	TimestampTz run_at;
	bool delayed;			 /* run_at is in the future */
	TimestampTz deadline_at; /* DT_NOEND: none */
	int32 workflow_id;
	int32 body_id;
	int32 queue_id;
	int32 priority;
	Oid owner;
	Datum owner_name;	  /* text */
	Oid run_as_by;		  /* see WfRun */
	Datum run_as_by_name; /* text, or 0 */
	Datum dedup_key;	  /* text */
	int32 dedup_no;		  /* how many had the key before */
	Datum group_key;	  /* text */
	Datum attributes;	  /* jsonb */
	Datum input;		  /* jsonb, never NULL */
	bool has_parent;
	bool held; /* until somebody releases it; see store/child.h */
	pg_uuid_t parent_run_id; /* has_parent */
	int32 parent_ordinal;	 /* has_parent: the call that starts it */
	int32 item;				 /* its number in a map, from 1; else 0 */
	char on_close;			 /* has_parent: WF_CLOSE_* */
	ItemPointerData
		tid; /* where its row is, once wf_run_insert() has put it */
} WfNewRun;

/* Inserts the row of a run without a dedup_key. */
extern void wf_run_insert(WfNewRun *run);

/*
 * The same for one with a dedup_key.  False, having waited for whoever was
 * about to insert it, when there is a run of the same workflow, owner and key:
 * with a dedup_no of 0 any, else one with that number.
 */
extern bool wf_run_insert_unique(const WfNewRun *run);

/* The newest run that is kept under a dedup_key; false when there is none. */
typedef struct WfKeptRun
{
	pg_uuid_t run_id;
	char state;
	bool untouched; /* queued, never begun: has no step rows, no parent */
	bool has_parent;
	pg_uuid_t parent_run_id; /* has_parent */
	TimestampTz enqueued_at;
	TimestampTz due_at; /* while it has not begun: its start */
	int32 dedup_no;		/* its place among the runs of the key */
	bool begun; /* as the tables tell: see wf_run_is_locked() for the rest */
} WfKeptRun;

extern bool wf_run_find_kept(int32 workflow_id, Oid owner, Datum owner_name,
							 Datum dedup_key, WfKeptRun *out);

/*
 * Writes input, priority, attributes and times of *run into a run that has not
 * begun; the caller has its lock.  False when the two differ in queue, group or
 * time-out.
 */
extern bool wf_run_rewrite(const pg_uuid_t *run_id, const WfNewRun *run);

/* Deletes a run that never began, and what was asked of it. */
extern void wf_run_delete(const pg_uuid_t *run_id);

/* What the scheduler must know of a new run. */
extern void wf_run_describe(const WfNewRun *run, WfWork *info);

#endif /* WF_STORE_ENQUEUE_H */
