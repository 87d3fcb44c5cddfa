/*
 * sched_ready.h
 *		What the scheduler knows of runs and messages: one entry each, and where
 *		it stands.
 *
 * An entry is always in exactly one place (WfPlace), so a run can never be
 * dispatched twice.  Entries of parked and ended runs are dropped.
 *
 * Owns: the table of entries, the ready queue of each role, the heaps of
 * timers, leases and deadlines, the lists of entries held back.  All of it is private
 * memory of the scheduler, made anew from the tables when one starts.
 *
 * Must not: touch shared memory, run SQL, read the clock.
 */
#ifndef WF_WORKER_SCHED_READY_H
#define WF_WORKER_SCHED_READY_H

#include "lib/ilist.h"
#include "lib/pairingheap.h"

#include "store/run.h"
#include "worker/shelf.h"

typedef enum WfPlace
{
	WF_PLACE_NONE,	 /* in the caller's hand, for a moment */
	WF_PLACE_READY,	 /* in one of its role's lanes */
	WF_PLACE_GATE,	 /* due, but its queue has yet to let it in */
	WF_PLACE_TIMER,	 /* not before due_at */
	WF_PLACE_PAUSED, /* ready, but it or its workflow is paused */
	WF_PLACE_SOLO,	 /* ready, but suspects go one at a time */
	WF_PLACE_KEPT,	 /* stopped, but keeps its place in queue and group */
	WF_PLACE_CELL,	 /* in an executor's cell */
	WF_PLACE_SHELF,	 /* message: laid out to be taken; see shelf.h */
	WF_PLACE_HELD,	 /* message: handed out by a transaction still open */
	WF_PLACE_LEASED	 /* message: to be looked at when due_at has come */
} WfPlace;

struct WfEntry;
struct WfQueue;
struct WfGroup;

typedef struct WfDeadline
{
	pairingheap_node node;
	TimestampTz at;
	struct WfEntry *entry;
	bool queued; /* in the heap; else it has fired */
} WfDeadline;

/*
 * Entries in the order in which they have to start: a plain list for what
 * comes in nearly in order, a heap for the rest.
 */
typedef struct WfLine
{
	dlist_head list; /* WfEntry.link.node */
	pairingheap heap;
	uint32 n;
} WfLine;

/* a role that owns runs; never freed, as there are not many */
typedef struct WfRole
{
	Oid oid;
	uint32 nready;		/* in both lanes */
	uint32 nurgent;		/* of nready: with a priority other than 0 */
	WfLine plain;		/* lane of the queue "default" without rules */
	WfLine admitted;	/* lane of all other queues */
	bool admitted_next; /* whose turn it is, among equals */
	dlist_node active;	/* in WfReady.active while nready > 0 */

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
		dlist_node node;	   /* in a line's list, PAUSED, SOLO, HELD */
		pairingheap_node heap; /* in a line's heap, TIMER, LEASED */
	} link;
	WfRole *role;
	dlist_node hand;	   /* admitted: in queue->hand */
	WfLine *line;		   /* READY, GATE: the one it stands in */
	struct WfQueue *queue; /* NULL: "default" without rules */
	struct WfGroup *group; /* NULL: none that matters */
	int64 order;		   /* lower starts first; see wf_starts_before() */
	WfDeadline *deadline;  /* NULL: none */
	TimestampTz due_at;
	TimestampTz rated_until; /* rated: it must be offered before */
	XLogRecPtr lsn;
	uint64 group_hash; /* 0: none */
	int32 queue_id;
	int32 workflow_id;
	int32 priority;
	uint32 flags;		 /* WF_ASSIGN_* */
	ItemPointerData tid; /* of its row, most likely */
	int16 seat;			 /* CELL: index of the slot */
	int8 cell;			 /* ... and in it */
	uint8 place;		 /* WfPlace */
	bool message;		 /* not a run */
	bool uncounted;		 /* LEASED: an attempt has yet to be counted */
	uint32 ask;			 /* HELD: of what number; SHELF: index there */
	int32 receiver;		 /* ... of which receiver */
	uint8 losses;		 /* executors that ended under it */
	bool heaped;		 /* in the heap of its line */
	bool admitted;		 /* its queue counts it as running; sched_gate.h */
	bool active;		 /* ... as started and unfinished */
	bool begun;			 /* user code has run, now or ever before */
	bool blocking;		 /* KEPT: failed, and keeps its group closed */
	bool returned;		 /* was admitted, and back before it began */
	bool rated;			 /* it holds a start of the rate limits */
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
	pairingheap leases;
	pairingheap deadlines;
	WfEntry *shelf[WF_SHELF_SIZE]; /* by position; NULL: not there any more */
	dlist_head paused;
	dlist_head solo;
	uint32 nentries;
	uint32 nready; /* READY, all roles */
	uint32 ntimers;
	uint32 ncells;
	uint32 nsolo_cells; /* of ncells: suspects */
} WfReady;

/* ---- lines ---- */

extern void wf_heap_init(pairingheap *heap, pairingheap_comparator compare);
extern void wf_line_init(WfLine *line);
/* where it belongs by wf_starts_before() */
extern void wf_line_add(WfLine *line, WfEntry *entry);
/* as the last, or the first: a line that is used so is in no order of ours */
extern void wf_line_append(WfLine *line, WfEntry *entry);
extern void wf_line_prepend(WfLine *line, WfEntry *entry);
extern void wf_line_remove(WfEntry *entry);
/* NULL when it is empty */
extern WfEntry *wf_line_first(const WfLine *line);
extern bool wf_starts_before(const WfEntry *a, const WfEntry *b);
/* what WfEntry.order is to be */
extern int64 wf_entry_order(const WfEntry *entry);
/* ... once its queue has admitted it: by the order of admission */
extern int64 wf_admission_order(const WfEntry *entry);

/* ---- entries ---- */

extern void wf_ready_init(WfReady *ready, MemoryContext parent);

extern WfRole *wf_ready_role(WfReady *ready, Oid oid);

/* the entry of a run, or NULL */
extern WfEntry *wf_ready_find(WfReady *ready, const pg_uuid_t *run_id);

/* A new entry in no place; there must be none of this run. */
extern WfEntry *wf_ready_make(WfReady *ready, const WfWork *info);

/* Fills in what a partial entry lacked. */
extern void wf_ready_complete(WfReady *ready, WfEntry *entry,
							  const WfWork *info);

/* Out of where it is; then in no place. */
extern void wf_ready_take(WfReady *ready, WfEntry *entry);

/*
 * From no place to one; _place chooses by due_at, and sends what its queue has
 * not admitted to the gate.  _admit is for the gate alone.
 */
extern void wf_ready_place(WfReady *ready, WfEntry *entry, TimestampTz now);
extern void wf_ready_admit(WfReady *ready, WfEntry *entry);
extern void wf_ready_hold(WfReady *ready, WfEntry *entry, WfPlace place);
extern void wf_ready_to_cell(WfReady *ready, WfEntry *entry, int seat,
							 int cell);

/* A message: to a position of the shelf, whose entry it replaces. */
extern void wf_ready_shelve(WfReady *ready, WfEntry *entry, uint64 position);

/* Messages: to a list of what a receiver holds, or until a time. */
extern void wf_ready_hand(WfReady *ready, WfEntry *entry, dlist_head *held);
extern void wf_ready_lease(WfReady *ready, WfEntry *entry, TimestampTz until);
/* One whose time is over, still in its place; NULL when there is none. */
extern WfEntry *wf_ready_next_lease(WfReady *ready, TimestampTz now);

/* It has ended or stopped: nothing happens at its deadline. */
extern void wf_ready_drop_deadline(WfReady *ready, WfEntry *entry);

/* Out of where it is, and gone. */
extern void wf_ready_forget(WfReady *ready, WfEntry *entry);

/* The next ready entry of a role, still in its place; NULL when none. */
extern WfEntry *wf_ready_first(WfReady *ready, WfRole *role);

/* Calls "act" for every entry; it may move, but not make or forget any. */
extern void wf_ready_foreach(WfReady *ready, void (*act)(WfEntry *entry));

/* Everything held in PAUSED or SOLO becomes ready again. */
extern void wf_ready_release(WfReady *ready, WfPlace place);

/* Timers that are due become ready. */
extern void wf_ready_fire_timers(WfReady *ready, TimestampTz now);

/* A deadline that is over, out of the heap; NULL when there is none. */
extern WfDeadline *wf_ready_next_deadline(WfReady *ready, TimestampTz now);

/*
 * When the next timer (or, with "deadlines", lease or deadline) is due;
 * DT_NOEND when none.
 */
extern TimestampTz wf_ready_due(WfReady *ready, bool deadlines);

/* Since when this entry has been due. */
extern TimestampTz wf_ready_since(const WfEntry *entry);

/* Since when the oldest ready run waits; 0 when none is. */
extern TimestampTz wf_ready_oldest(WfReady *ready);

#endif /* WF_WORKER_SCHED_READY_H */
