/*
 * undo.h
 *		A run that failed or was cancelled, while what it did is undone.
 *
 * Its row is in state compensating from then on.  end_state and cause keep how
 * it will end; its error columns are those of the cause too, but for the time
 * that an undo is in back-off or has parked the run.
 *
 * What has to be undone are the records of kind compensate, newest first; each
 * that was carried out has a record of kind undo behind all others.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_UNDO_H
#define WF_STORE_UNDO_H

#include "core/policy.h"
#include "store/run.h"

/*
 * The run, of which the caller knows that something is registered, is to be
 * compensated, and then to end as *end says.  False when it has ended, or is
 * being compensated already.
 */
extern bool wf_undo_begin(const pg_uuid_t *run_id, const WfRunEnd *end);

/*
 * The same of a run in no cell, where something is registered: false if not,
 * or where it is parked and "parked_too" is not set.  Fills *info, with which
 * the run is to be dispatched.
 */
extern bool wf_undo_begin_idle(const pg_uuid_t *run_id, const WfRunEnd *end,
							   bool parked_too, WfWork *info);

/* Is the run in state compensating?  Fills *info if so. */
extern bool wf_undo_look(const pg_uuid_t *run_id, WfWork *info);

/*
 * All is undone: the run ends as its cause says; "blocks" as in WfRunEnd.
 * Copies the code of its error, "" for none.  False when it is not being
 * compensated.
 */
extern bool wf_undo_finish(const pg_uuid_t *run_id, TimestampTz now,
						   bool blocks, char code[6]);

/* What a record of kind compensate holds, to be bound by an undo. */
typedef struct WfUndoArgs
{
	int nargs;
	char **types;  /* names of their types; "unknown" for a bare literal */
	char **values; /* in text form, NULL for SQL NULL */
	bool is_task;  /* for a worker outside: compensate_task() */
	bool has_policy;
	WfPolicy policy;
} WfUndoArgs;

/* "kept" is the record's result.  Allocated in "cxt". */
extern void wf_undo_read_args(const Jsonb *kept, MemoryContext cxt,
							  WfUndoArgs *out);

#endif /* WF_STORE_UNDO_H */
