/*
 * run.h
 *		Tables _workflow.run and _workflow.step, as executor and scheduler use
 *		them.
 *
 * Functions need an open owner window (base/spi.h) where they say so.  What
 * they return is allocated in the context given.
 *
 * Who writes a run's row: the transaction that enqueues it; the executor that
 * has it in a TAKEN cell; the scheduler while it is in no cell.  Nobody else,
 * so no row lock of ours is ever waited for long.
 */
#ifndef WF_STORE_RUN_H
#define WF_STORE_RUN_H

#include "access/htup.h"
#include "access/xlogdefs.h"
#include "core/replay.h"
#include "core/state.h"
#include "core/work.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* an error as it is kept in the tables; code[0] == '\0' means none */
typedef struct WfError
{
	char code[6];
	char *message;
	char *detail;
	char *hint;
	char *context;
	bool by_hand; /* user code has raised it, as by RAISE; not kept in rows */
} WfError;

/* a run's row, as the executor needs it */
typedef struct WfRun
{
	pg_uuid_t run_id;
	int32 workflow_id;
	int32 body_id;
	int32 queue_id;
	Oid owner;
	char *owner_name;
	int64 origin;
	char state;
	char waiting_for;
	char end_state; /* being compensated: how it will end; else 0 */
	TimestampTz enqueued_at;
	TimestampTz run_at;
	TimestampTz due_at;		 /* 0 when NULL */
	TimestampTz deadline_at; /* DT_NOEND when NULL */
	TimestampTz started_at;	 /* 0 when NULL */
	int32 body_attempts;	 /* transient errors of the body so far */
	int32 priority;
	bool has_parent;
	pg_uuid_t parent_run_id; /* has_parent */
	int32 parent_ordinal;	 /* has_parent: the call that started it */
	int32 item;				 /* its number in a map, from 1; else 0 */
	bool paused;
	bool finished;	/* it has an end time */
	bool retried;	/* by retry_run(), or it is a fork: it may have steps */
	pg_uuid_t seed; /* what random values are derived from */

	/*
	 * Whose membership it rests on that the run belongs to its owner: that of
	 * the workflow's owner, where run_as was at work.  The name is NULL where
	 * the owner enqueued it.
	 */
	Oid run_as_by;
	char *run_as_by_name;
	Jsonb *input;
	HeapTuple row; /* all of it, for wf_run_end(); may be NULL */
} WfRun;

/* Is it part of its parent (core/state.h)?  No user knows of it then. */
#define wf_run_is_chunk(run) ((run)->queue_id == WF_QUEUE_ITEMS)

/* a step's row */
typedef struct WfStep
{
	WfRecorded match; /* kind, state, fingerprint, name */
	int32 ordinal;
	int32 attempt;		   /* attempts begun */
	int32 max_attempts;	   /* 0: no limit; else the last there may be */
	int32 attempts_before; /* used up when retry_run() renewed them:
									 * the policy's number counts from here */
	int32 free_retries;
	TimestampTz due_at;		 /* retrying: when; else 0 */
	TimestampTz started_at;	 /* of the last attempt */
	TimestampTz finished_at; /* of the last attempt; 0 when not */
	int64 message_id;		 /* task: its message; else 0 */
	bool has_child;
	pg_uuid_t child_run_id; /* has_child: the child's run */
	char *command;
	Jsonb *result; /* NULL: SQL NULL */
	WfError error;
	bool given; /* the body has heard of its failure by await(), and has made
				 * another call since */
} WfStep;

/*
 * The row by key; false when there is none.  It is looked for at *tid first,
 * where it most likely still is, unless that is NULL or invalid.
 */
extern bool wf_run_load(const pg_uuid_t *run_id, ItemPointer tid,
						MemoryContext cxt, WfRun *out);

/*
 * All steps, in the order of their ordinals, which may have gaps where somebody
 * has been at the table (core/sound.h); count.  In a window.
 */
extern int wf_step_load_all(const pg_uuid_t *run_id, MemoryContext cxt,
							WfStep **steps, int *allocated);

/*
 * Inserts the row.  A row that is there already raises 23505: another process
 * got further with this run than we know.
 */
extern void wf_step_insert(const pg_uuid_t *run_id, const WfStep *step);

/* Replaces the row, which must be there.  In a window. */
extern void wf_step_update(const pg_uuid_t *run_id, const WfStep *step);

/* run ends: state final, or parked; error may be NULL */
typedef struct WfRunEnd
{
	char state; /* WF_RUN_SUCCEEDED, FAILED, CANCELLED, PARKED */
	Jsonb *result;
	const WfError *error;
	const char *reason; /* WF_REASON_*, NULL unless failed or parked */
	int32 failed_step;	/* 0: none */
	int32 steps_done;
	int32 attempts; /* of all steps together */
	TimestampTz started_at;
	TimestampTz finished_at;	   /* ignored when parked */
	bool blocks;				   /* failed: keeps its group closed */
	const pg_uuid_t *continued_as; /* the run that goes on: gets dedup_key
									* and parent; or NULL */
	const Jsonb *progress;		   /* NULL: as it was */
} WfRunEnd;

/*
 * Writes the end.  run->row, if not NULL, is the version of the row that is
 * most likely the newest.  False when there is no such run, or it has ended.
 */
extern bool wf_run_end(const WfRun *run, const WfRunEnd *end);

/*
 * The run waits: for what (WF_WAIT_*) and until when at most (0: no time); a
 * progress of NULL stays as it was, here and below.
 * Resume: it has what it waited for, or part of it, and goes on.  In a window.
 */
extern void wf_run_wait(const pg_uuid_t *run_id, char waiting_for,
						TimestampTz due_at, TimestampTz started_at,
						const Jsonb *progress);
extern void wf_run_resume(const pg_uuid_t *run_id);

/* back-off: due_at, waiting_for retry, the body's attempts.  In a window. */
extern void wf_run_retry_later(const pg_uuid_t *run_id, TimestampTz due_at,
							   TimestampTz started_at, int32 body_attempts,
							   const WfError *error, const Jsonb *progress);

/*
 * The lock of one run, for runs that have a dedup_key: an executor takes it in
 * each transaction in which it moves the run on, and a client that replaces
 * the run keeps it to the end of its own.  A run that has no step yet and is
 * locked by nobody has not begun.
 *
 * The executor only asks; false when somebody else has it.
 */
extern bool wf_run_lock(const pg_uuid_t *run_id);

/*
 * False when an executor has it.  Another client that replaces the run is
 * waited for: one whose transaction is over may still be about to release it.
 */
extern bool wf_run_lock_to_replace(const pg_uuid_t *run_id);

/*
 * Waits for an executor as well: for a run that is not due, which an executor
 * has only looked at, and gives back at once.
 */
extern void wf_run_lock_early(const pg_uuid_t *run_id);

/* Has an executor the run's lock, so that the run is moving on just now? */
extern bool wf_run_is_locked(const pg_uuid_t *run_id);

#endif /* WF_STORE_RUN_H */
