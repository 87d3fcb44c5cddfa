/*
 * sched_ready.h
 *		What the scheduler knows of runs: one entry each, and where it stands.
 *
 * An entry is always in exactly one place (WfPlace), so a run can never be
 * dispatched twice.  Entries of parked and ended runs are dropped.
 *
 * Owns: the table of entries, the ready queue of each role, the heaps of
 * timers and deadlines, the lists of entries held back.  All of it is private
 * memory of the scheduler, made anew from the tables when one starts.
 *
 * Must not: touch shared memory, run SQL, read the clock.
 */
#ifndef WF_WORKER_SCHED_READY_H
#define WF_WORKER_SCHED_READY_H

#include "lib/ilist.h"
#include "lib/pairingheap.h"

#include "store/run.h"

typedef enum WfPlace
{
	WF_PLACE_NONE,	 /* in the caller's hand, for a moment */
	WF_PLACE_QUEUE,	 /* ready: in its role's queue, in order */
	WF_PLACE_HEAP,	 /* ready: in its role's heap */
	WF_PLACE_TIMER,	 /* not before due_at */
	WF_PLACE_PAUSED, /* ready, but its workflow is paused */
	WF_PLACE_SOLO,	 /* ready, but suspects go one at a time */
	WF_PLACE_CELL	 /* in an executor's cell */
} WfPlace;

struct WfEntry;

typedef struct WfDeadline
{
	pairingheap_node node;
	TimestampTz at;
	struct WfEntry *entry;
	bool queued; /* in the heap; else it has fired */
} WfDeadline;

/* a role that owns runs; never freed, as there are not many */
typedef struct WfRole
{
	Oid oid;
	uint32 nready;	   /* in queue and heap */
	dlist_head queue;  /* WfEntry.node, priority desc, run_id asc */
	pairingheap heap;  /* what did not fit at the queue's end */
	dlist_node active; /* in WfReady.active while nready > 0 */

	/* of sched_dispatch.c */
	dlist_head seats; /* its executors, WfSeat.role_node */
	int nseats;
	bool checked;			/* may connect, as far as the catalogs say */
	int failures;			/* starts that failed in a row */
	TimestampTz not_before; /* back-off after these */
} WfRole;

typedef struct WfEntry
{
	pg_uuid_t run_id;
	union
	{
		dlist_node node;	   /* QUEUE, PAUSED, SOLO */
		pairingheap_node heap; /* HEAP, TIMER */
	} link;
	WfRole *role;
	WfDeadline *deadline; /* NULL: none */
	TimestampTz due_at;
	XLogRecPtr lsn;
	int32 workflow_id;
	int32 priority;
	uint32 flags;		 /* WF_ASSIGN_* */
	ItemPointerData tid; /* of its row, most likely */
	int16 seat;			 /* CELL: index of the slot */
	int8 cell;			 /* ... and in it */
	uint8 place;		 /* WfPlace */
	uint8 losses;		 /* executors that ended under it */
	bool solo;			 /* suspected of having crashed the server */
	bool partial;		 /* found in a cell, its row not read yet */
	bool recheck;		 /* told to look again while in a cell */
} WfEntry;

typedef struct WfReady
{
	MemoryContext cxt;			/* roles and small things */
	MemoryContext entry_cxt;	/* slab of WfEntry */
	MemoryContext deadline_cxt; /* slab of WfDeadline */
	struct wf_entries_hash *entries;
	struct wf_roles_hash *roles;
	WfRole *last_role; /* found last */
	dlist_head active; /* roles with ready work */
	pairingheap timers;
	pairingheap deadlines;
	dlist_head paused;
	dlist_head solo;
	uint32 nready; /* QUEUE and HEAP, all roles */
	uint32 ntimers;
	uint32 ncells;
	uint32 nsolo_cells; /* of ncells: suspects */
} WfReady;

extern void wf_ready_init(WfReady *ready, MemoryContext parent);

extern WfRole *wf_ready_role(WfReady *ready, Oid oid);

/* the entry of a run, or NULL */
extern WfEntry *wf_ready_find(WfReady *ready, const pg_uuid_t *run_id);

/* A new entry in no place; there must be none of this run. */
extern WfEntry *wf_ready_make(WfReady *ready, const WfRunInfo *info);

/* Fills in what a partial entry lacked. */
extern void wf_ready_complete(WfReady *ready, WfEntry *entry,
							  const WfRunInfo *info);

/* Out of where it is; then in no place. */
extern void wf_ready_take(WfReady *ready, WfEntry *entry);

/* From no place to one; _place chooses between ready and timer by due_at. */
extern void wf_ready_place(WfReady *ready, WfEntry *entry, TimestampTz now);
extern void wf_ready_hold(WfReady *ready, WfEntry *entry, WfPlace place);
extern void wf_ready_to_cell(WfReady *ready, WfEntry *entry, int seat,
							 int cell);

/* Out of where it is, and gone. */
extern void wf_ready_forget(WfReady *ready, WfEntry *entry);

/* The next ready entry of a role, still in its place; NULL when none. */
extern WfEntry *wf_ready_first(WfReady *ready, WfRole *role);

/* Everything held in PAUSED or SOLO becomes ready again. */
extern void wf_ready_release(WfReady *ready, WfPlace place);

/* Timers that are due become ready. */
extern void wf_ready_fire_timers(WfReady *ready, TimestampTz now);

/* A deadline that is over, out of the heap; NULL when there is none. */
extern WfDeadline *wf_ready_next_deadline(WfReady *ready, TimestampTz now);

/* When the next timer (or deadline) is due; DT_NOEND when none. */
extern TimestampTz wf_ready_due(WfReady *ready, bool deadlines);

/* Since when the oldest ready run waits; 0 when none is. */
extern TimestampTz wf_ready_oldest(WfReady *ready);

#endif /* WF_WORKER_SCHED_READY_H */
