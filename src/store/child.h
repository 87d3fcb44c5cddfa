/*
 * child.h
 *		Runs that another run has started: what becomes of them.
 *
 * A child is a run like any other, with its parent's id and the ordinal of the
 * call that started it; those of one map also have the number of their item.
 * Some are chunks (core/state.h), which nobody sees.
 *
 * What is written here of a child is written by its parent's executor: before
 * the child was ever started (held ones), or after it has ended.  So it is in
 * no cell then, and nobody else writes its row.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_CHILD_H
#define WF_STORE_CHILD_H

#include "store/enqueue.h"
#include "store/run.h"

/* how a child has ended */
typedef struct WfChildEnd
{
	pg_uuid_t run_id;
	char state; /* final, or '\0': there is no such run any more */
	TimestampTz finished_at;
	int32 item;		   /* its number in the map, from 1; or 0 */
	int32 failed_item; /* a chunk that failed: number of the item, or 0 */
	Jsonb *result;
	WfError error;
} WfChildEnd;

/*
 * Those of these runs that have ended, or are gone, in the order in which they
 * did; count.  Allocated in "cxt".
 */
extern int wf_child_ends(const pg_uuid_t *ids, int n, MemoryContext cxt,
						 WfChildEnd **out);

/* how far the children of one map are */
typedef struct WfMapState
{
	int32 unfinished;
	int32 started; /* of these: not held */
	int32 failed;  /* lowest number of one that failed or was cancelled; 0 */
	int32 total;
} WfMapState;

extern void wf_map_look(const pg_uuid_t *parent, int32 ordinal,
						WfMapState *out);

/* The same question, if all that matters is whether any is left; cheap. */
extern bool wf_map_has_unfinished(const pg_uuid_t *parent, int32 ordinal);

/* Its children that have ended, by number; "item" 0: all.  Count. */
extern int wf_map_ends(const pg_uuid_t *parent, int32 ordinal, int32 item,
					   MemoryContext cxt, WfChildEnd **out);

/*
 * Lets "max" held children start, those with the lowest numbers that no other
 * transaction is about to let start: fills "out" with what the scheduler has
 * to be told; count.
 */
extern int wf_map_release(const pg_uuid_t *parent, int32 ordinal, int max,
						  WfWork *out);

/* a child of a map that has to be done again, as its map is tried again */
typedef struct WfMapRedo
{
	pg_uuid_t run_id;
	int32 item;
	Jsonb *input;
} WfMapRedo;

/* Those that ended without success, by number; count. */
extern int wf_map_redo(const pg_uuid_t *parent, int32 ordinal,
					   MemoryContext cxt, WfMapRedo **out);

/*
 * The chunk "to", of a call of this name, takes over what "from" has done, or
 * with "failed_too" all that has an outcome, and what was started at most once
 * in any case; of "from" nothing is left.
 */
extern void wf_chunk_replace(const pg_uuid_t *from, const pg_uuid_t *to,
							 bool failed_too, const char *name);

/* Is it about these items, and are they tasks, or not, as before? */
extern bool wf_map_is_same(const pg_uuid_t *parent, int32 ordinal,
						   const Jsonb *items, bool tasks);

/*
 * Another call takes the place of one that is tried again: chunks that it had
 * are deleted once they have ended, children are children of no call any more.
 */
extern void wf_children_forget(const pg_uuid_t *parent, int32 ordinal);

/*
 * Children of a map that is tried again which ended without success belong to
 * it no more.  Then *done says by number, from 1 on, which there are (all with
 * success, or not ended); length of it.
 */
extern int wf_map_detach(const pg_uuid_t *parent, int32 ordinal,
						 MemoryContext cxt, bool **done);

/*
 * Asks for the unfinished children of one call, or with 0 of all, to be
 * cancelled, but for those that are to go on without their parent; count.
 */
extern int64 wf_children_cancel(const pg_uuid_t *parent, int32 ordinal);

#endif /* WF_STORE_CHILD_H */
