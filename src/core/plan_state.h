/*
 * plan_state.h
 *		What the plan consists of.
 *
 * For the files of the plan; the sides read what an entry says of its work, and
 * write nothing.
 *
 * An *entry* is what is known of a run or message, and always in exactly one
 * place (WfPlace).  Entries of parked and ended work are dropped.
 *
 * Every queue but a "default" without rules has a gate, before which its due
 * work waits (WF_PLACE_GATE).  The gate admits a run when all limits let it,
 * and from then on counts it; what was admitted goes to its role's lane and to
 * an executor like any other.  What is counted of it (flags of its entry):
 *
 *	admitted	in hand: in a lane or a cell.  Queue: max_running.
 *	active		admitted for the first time, until it ends: back-off, pauses
 *				and parking included.  Queue: max_active; group:
 *				group_max_active.
 *	begun		user code has run.  An active run that has not begun, and goes
 *				back before the gate, is not active any more.
 *	rated		holds a start of queue and group that has yet to begin.
 *
 *	waiting --plan_admit.c--> admitted --wf_gate_leave()--> waiting
 *	   ...................... any --wf_gate_end()--> gone
 *
 * No more runs are admitted than executors can have in hand, so that the order
 * among those that wait stays open as long as possible.
 *
 * Messages wait before the same gates and are counted by the same limits, but
 * are admitted only when somebody asks for one (plan_ask.c), and have begun
 * with that.  What waits is kept by kind, on two *sides*, so that runs for
 * which there is no executor do not hold up messages that nobody asks for, nor
 * the reverse.  In a strict group there is one order over both kinds: it has
 * one line by place, that of the first side, and stands on the side of whatever
 * is first in it.  "default" has a gate as soon as there is a message in it.
 */
#ifndef WF_CORE_PLAN_STATE_H
#define WF_CORE_PLAN_STATE_H

#include "core/heap.h"
#include "core/plan.h"
#include "core/rate.h"

/* how long an executor may be at one run before it gets no more in advance */
#define WF_SEAT_SLOW_USEC 20000

/* ---- entries ---- */

typedef enum WfPlace
{
	WF_PLACE_NONE,	 /* in the caller's hand, for a moment */
	WF_PLACE_READY,	 /* in one of its role's lanes */
	WF_PLACE_GATE,	 /* due, but its queue has yet to let it in */
	WF_PLACE_TIMER,	 /* not before due_at */
	WF_PLACE_PAUSED, /* ready, but it or its workflow is paused, or claimed */
	WF_PLACE_SOLO,	 /* ready, but suspects go one at a time */
	WF_PLACE_KEPT,	 /* stopped, but keeps its place in queue and group */
	WF_PLACE_CELL,	 /* in an executor's cell */
	WF_PLACE_ROW,	 /* the tables' side is writing its row */
	WF_PLACE_SHELF,	 /* message: laid out to be taken */
	WF_PLACE_ANSWER, /* message: admitted, for an ask to be answered */
	WF_PLACE_HELD,	 /* message: handed out by a transaction still open */
	WF_PLACE_LEASED	 /* message: to be looked at when due_at has come */
} WfPlace;

typedef struct WfDeadline
{
	WfHeapNode node;
	TimestampTz at;
	WfEntry *entry;
	bool queued; /* in the heap; else it has fired */
} WfDeadline;

/*
 * Entries in the order in which they have to start: a plain list for what
 * comes in nearly in order, a heap for the rest.  That of a strict group is by
 * place, all others are by age and priority.
 */
typedef struct WfLine
{
	dlist_head list; /* WfEntry.link.node */
	WfHeap heap;
	uint32 n;
	bool by_place;
} WfLine;

typedef enum WfRoleCheck
{
	WF_ROLE_UNCHECKED,
	WF_ROLE_ASKED, /* a request is open */
	WF_ROLE_GOOD   /* may connect, as of the last answer; good for one time */
} WfRoleCheck;

/* what goes on while something is short; see plan_slow.c */
typedef struct WfSlow
{
	WfShortage kind; /* NONE: the rest means nothing but "epoch" */
	TimestampTz since;
	TimestampTz next_at;	/* nothing is offered before */
	TimestampTz offered_at; /* last probe */
	int64 pause;
	uint32 epoch;  /* rises when a probe has met it; never set back */
	uint32 window; /* probes that may be under way */
	uint32 nout;   /* ... and are */
	uint32 nmet;   /* runs that have met it since it began */
	bool fresh;	   /* offers made before have yet to be taken back */
} WfSlow;

/* a role that owns runs; never freed, as there are not many */
typedef struct WfRole
{
	Oid oid;
	uint32 nready;		/* in both lanes */
	uint32 nurgent;		/* of nready: with a priority other than 0 */
	WfLine plain;		/* lane of the queue "default" without rules */
	WfLine admitted;	/* lane of all other queues */
	bool admitted_next; /* whose turn it is, among equals */
	dlist_node active;	/* in WfPlan.active while nready > 0 */

	dlist_head seats; /* its executors, WfSeat.role_node */
	int nseats;
	int nhiring; /* asked for, and not answered */
	WfRoleCheck check;
	int failures;			/* starts that failed in a row */
	TimestampTz not_before; /* back-off after these */
	WfSlow slow;			/* what its steps and processes have met */
	dlist_node slow_node;	/* in WfPlan.slow_roles while there is something */
} WfRole;

struct WfEntry
{
	WfWorkId id;
	union
	{
		dlist_node node; /* in a line's list, PAUSED, SOLO, ANSWER, HELD */
		WfHeapNode heap; /* in a line's heap, TIMER, LEASED */
	} link;
	WfRole *role;
	union
	{
		dlist_node hand;   /* admitted: in queue->hand */
		WfHeapNode window; /* windowed: in group->window */
	} use;
	WfLine *line;		   /* READY, GATE: the one it stands in */
	struct WfQueue *queue; /* NULL: "default" without rules */
	struct WfGroup *group; /* NULL: none that matters */
	struct WfDoor *door;   /* that of its role in the queue; NULL: a message */
	int64 order;		   /* lower starts first; see wf_starts_before() */
	int64 group_place;	   /* the same in a strict group, where nothing else is
						* looked at; WfWork.place */
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
	int16 seat;			 /* CELL: index of the seat */
	int8 cell;			 /* ... and in it */
	uint8 place;		 /* WfPlace */
	bool message;		 /* not a run */
	bool uncounted;		 /* LEASED: an attempt has yet to be counted */
	uint32 ask;			 /* HELD: of what number; SHELF: index there */
	int32 receiver;		 /* ANSWER, HELD: of which receiver */
	uint32 epoch;		 /* rises with every move */
	uint8 losses;		 /* executors that ended under it */
	bool heaped;		 /* in the heap of its line */
	bool windowed;		 /* in the window of its group */
	bool admitted;		 /* its queue counts it as running; see above */
	bool active;		 /* ... as started and unfinished */
	bool begun;			 /* user code has run, now or ever before */
	bool blocking;		 /* KEPT: failed, and keeps its group closed */
	bool rated;			 /* it holds a start of the rate limits */
	bool solo;			 /* suspected of having crashed the server */
	bool partial;		 /* found in a cell, its row not read yet */
	bool assumed;		 /* found in a cell: begun, as far as anybody knows */
	bool recheck;		 /* told to look again while in a cell */
	uint16 claims; /* who are about to write its row: not to be started */
};

/* ---- queues and groups ---- */

/* a rate limit, of a queue or of a group */
typedef struct WfLimiter
{
	WfRate *rate; /* NULL: no limit */
	int32 limit;
	int64 period;	   /* microseconds */
	int32 reserved;	   /* starts on disk that nobody has taken */
	bool wished;	   /* some are about to be */
	TimestampTz until; /* ... before which they have to be taken */
} WfLimiter;

typedef enum WfStanding
{
	WF_GROUP_OUT,	/* nothing waits, or its limit is reached */
	WF_GROUP_TURN,	/* fair: in side->turns */
	WF_GROUP_HEAD,	/* in side->heads, by its first entry */
	WF_GROUP_RATE,	/* in side->rate_waits, until rate_free_at */
	WF_GROUP_BEHIND /* in side->behind, until what comes before is read */
} WfStanding;

typedef enum WfSideOf
{
	WF_SIDE_RUNS,
	WF_SIDE_MESSAGES,
	WF_SIDES
} WfSideOf;

/* what waits before a gate without a group that matters, by what it counts as */
typedef enum WfWaits
{
	WF_WAITS_RESUMED, /* active, and has begun */
	WF_WAITS_HELD,	  /* active, and has not begun */
	WF_WAITS_PLAIN,
	WF_WAITS
} WfWaits;

/* what a role has of a queue; see plan_door.c */
typedef struct WfDoor
{
	WfRole *role;
	dlist_node node;		/* in queue->doors */
	uint32 nadmitted;		/* in hand */
	uint32 nwaiting;		/* before the gate */
	WfLine aside[WF_WAITS]; /* of these: put aside, as it had no room */
	dlist_head stands;		/* likewise, WfStand.door_node */
} WfDoor;

/* a group on one side of its queue */
typedef struct WfStand
{
	struct WfGroup *group;
	WfSideOf side;
	WfStanding standing;
	WfLine line; /* those that wait and are not active; see above */
	dlist_node turn;
	WfHeapNode node; /* heads, rate_waits or behind */
	WfDoor *door;	 /* where it waits, or NULL */
	dlist_node door_node;
	int32 credit; /* starts left in this turn */
	TimestampTz rate_free_at;
} WfStand;

/* see plan_window.c */
typedef struct WfGroupWindow
{
	WfHeap heap; /* of entries in the group's lines, the last one first */
	uint32 n;
	bool on;	  /* known_to counts */
	bool asked;	  /* a refill is under way ... */
	uint32 epoch; /* ... with this number */
	bool noted;	  /* in WfPlan.windows */
	dlist_node node;
	WfSpot known_to; /* place PG_INT64_MAX: the group is known as a whole */
	int64 left_to;	 /* the highest place that was left since it is on */
	WfWorkId sample; /* the row that was left last */
	uint32 nleft;	 /* about how many are in the table alone */
} WfGroupWindow;

typedef struct WfGroup
{
	uint64 hash;
	struct WfQueue *queue;
	uint32 members; /* entries that point here */
	uint32 active;
	uint32 nblocking; /* of active: failed, so that nothing else may start */
	int32 weight;
	WfLimiter limiter;
	WfGroupWindow window;
	WfStand stands[WF_SIDES];
} WfGroup;

/* what only views show of a queue */
typedef struct WfFlow
{
	bool changed; /* since it was shown */
	uint32 ndelayed;
	uint32 ncells;
	WfFlowCounts counts; /* since it was shown */
	int64 part;			 /* see core/gauges.h */
	uint32 started[WF_MINUTE_PARTS];
	uint32 ended[WF_MINUTE_PARTS];
} WfFlow;

/* what of a queue stays in the table; see plan_spill.c */
typedef struct WfSpill
{
	bool on;
	bool reading;  /* a scan is under way ... */
	bool again;	   /* ... and another is to begin at the beginning */
	uint32 nleft;  /* about how many are in the table */
	WfWorkId upto; /* on: all ids up to here are known */
} WfSpill;

/* what waits before the gate, of one kind */
typedef struct WfSide
{
	uint32 nwaiting;
	uint32 nstanding; /* groups in turns or heads */
	WfLine resumed;	  /* active ones that wait and have begun */
	WfLine held;	  /* active ones that wait and have not begun */
	WfLine plain;	  /* the others, as far as no group matters */
	dlist_head turns; /* these four are of WfStand */
	WfHeap heads;
	WfHeap rate_waits;
	WfHeap behind;
} WfSide;

typedef struct WfQueue
{
	WfQueueRules rules;
	dlist_node node;  /* in WfPlan.queues */
	uint32 running;	  /* admitted, of both kinds */
	uint32 nhanded;	  /* ... of which messages */
	dlist_head hand;  /* ... all of those */
	dlist_head doors; /* of all roles that have, or had, runs here */
	uint32 active;
	uint32 nmembers; /* entries that point here */
	uint32 nwaiting; /* before the gate */
	WfSide sides[WF_SIDES];
	struct wf_groups_hash *groups;
	WfLimiter limiter;
	int64 known_to; /* these two: wf_scan_known_to(), as last looked */
	int64 ranges_to;
	TimestampTz reading_since; /* fair: since when scans keep it closed */
	bool rate_short;		   /* the last look ended at a rate limit */
	uint32 nwishes;			   /* reservations that are under way */
	uint32 nrefills;		   /* refills of windows, likewise */
	uint32 nleft;			   /* what its windows leave, about */
	uint32 nreturning;		   /* messages in ROW, that may come back */
	uint32 nwoken;	   /* receivers that were woken and have not asked */
	uint32 receivable; /* what they were woken for */
	uint64 wake_look;  /* ... as of this look at who waits */
	WfFlow flow;
	WfSpill spill;
} WfQueue;

/* ---- executors and receivers ---- */

/* an executor; index in WfPlan.seats is that of its slot */
typedef struct WfSeat
{
	WfSeatState state;
	WfRole *role;
	dlist_node role_node; /* in role->seats */
	WfEntry *entries[WF_CELLS];
	uint64 seqs[WF_CELLS];		  /* of what was offered there */
	uint32 epochs[WF_CELLS];	  /* ... and plan->slow.epoch at that time */
	uint32 role_epochs[WF_CELLS]; /* ... and role->slow.epoch */
	uint32 pending;				  /* cells whose offer is still an action */
	int load;					  /* cells in use */
	uint64 seq;					  /* last one given out */
	TimestampTz started_at;		  /* of the process */
	TimestampTz progress_at; /* last end of a run, or first after idling */
	bool slow;				 /* the last run took long */
	bool served;			 /* a run has ended here */
	bool retiring;			 /* told to end */
} WfSeat;

typedef enum WfAskState
{
	WF_ASK_NONE,
	WF_ASK_ASKS,	 /* in asking */
	WF_ASK_ANSWERED, /* its answer is an action */
	WF_ASK_WAITS,	 /* in waiting */
	WF_ASK_WAKING,	 /* its being woken is an action */
	WF_ASK_WOKEN	 /* in woken */
} WfAskState;

/* what a receiver wants */
typedef struct WfAsk
{
	WfAskState state;
	dlist_node node;
	int receiver;
	uint32 ask;
	int32 queue_id;
	int32 max;
	TimestampTz since;
	bool seen;			/* WAITS: was told that there is nothing yet */
	int n;				/* of "entries" */
	dlist_head entries; /* admitted for it: WF_PLACE_ANSWER */
	dlist_head held;	/* what it has in hand: WF_PLACE_HELD */
} WfAsk;

/* see plan_shelf.c */
typedef struct WfShelfPlan
{
	int32 queue_id; /* that has the shelf, or may get it */
	int nasks;
	TimestampTz active_at;
	bool laid_out; /* something may be laid out */
	uint64 head;   /* the first that is not known to be taken */
	uint64 tail;
	WfEntry
		*entries[WF_SHELF_SIZE]; /* by position; NULL: not there any more */
} WfShelfPlan;

/* ---- all of it ---- */

/* things that wait to be fetched, in two arrays that take turns */
typedef struct WfTray
{
	char *things;
	char *fetched;
	int n;
	int room;
	int fetched_room;
} WfTray;

struct WfPlan
{
	WfMemory memory;
	WfPlanPort port;
	WfPlanSettings settings;
	TimestampTz now;	 /* of the last event */
	TimestampTz wake_at; /* decide again then, whatever else is due */
	bool more;			 /* decide again at once */
	bool refilled;		 /* since the last decision: there may be room again */
	bool halted;		 /* nothing may start */
	bool foreign;		 /* a copy of another database: no row is written */
	bool ruled;			 /* rules were told */
	const int32 *paused; /* ids of paused workflows, sorted */
	int npaused;
	const WfWorkId *suspects; /* may have crashed the server */
	int nsuspects;

	/* what is to be done */
	WfTray actions;
	WfTray requests;
	WfTray deaths;

	/* reads, the first one at work */
	WfScan *scans;
	int nscans;
	int scans_allocated;
	int nloading;		 /* walks of the first load that are not over */
	WfWorkId scanned_to; /* highest id seen by any scan */

	/* entries */
	struct wf_entries_hash *entries;
	struct wf_roles_hash *roles;
	WfRole *last_role; /* found last */
	dlist_head active; /* roles with ready work */
	WfHeap timers;
	WfHeap leases;
	WfHeap deadlines;
	dlist_head paused_entries;
	dlist_head solo;
	uint32 nentries;
	uint32 nready; /* READY, all roles */
	uint32 ntimers;
	uint32 ncells;
	uint32 nrows;		/* ROW */
	uint32 nsolo_cells; /* of ncells: suspects */
	int64 last_admission;
	WfWorkId *claimed; /* by wf_plan_claim(), in memory or not */
	int nclaimed;
	int claimed_allocated;
	uint64 nended;

	/* queues */
	dlist_head queues; /* all that are known */
	struct wf_queues_hash *by_id;
	WfQueue *plain;		   /* "default"; NULL while it has no rules */
	WfFlow flow;		   /* of "default" while it has none */
	WfSpill spill;		   /* likewise */
	uint32 nplain;		   /* entries of it */
	uint32 ngroups;		   /* of all queues */
	TimestampTz timers_to; /* see plan_spill.c; DT_NOEND: all are known */
	WfWorkId timers_after; /* ... of those due then, up to this id */
	bool timers_reading;   /* a scan is under way */
	TimestampTz swept_at;  /* when groups were last looked through */
	dlist_head windows;	   /* of groups to be looked at */
	int nwindows;
	int nrefills;		 /* under way */
	uint32 refill_epoch; /* number of the last one */

	/* executors */
	WfSeat *seats; /* [nseats] */
	int nseats;
	int *used; /* indexes of those that are ours */
	int nused;
	int nhiring;		   /* asked for, and not answered */
	TimestampTz short_at;  /* when one could not be had; 0: one could */
	bool slots_short;	   /* in this decision */
	WfSlow slow;		   /* what the engine's own statements have met */
	dlist_head slow_roles; /* by slow_node */

	/* receivers */
	WfAsk **asks; /* [nreceivers], made when first needed */
	int nreceivers;
	dlist_head asking;
	dlist_head waiting;
	dlist_head woken; /* oldest first */
	uint64 wake_look;
	WfShelfPlan shelf;

#ifdef WF_TEST_BUILD
	uint32 broken; /* WF_BREAK_* */
#endif
};

#ifdef WF_TEST_BUILD
#define wf_plan_is_broken(plan, bit) (((plan)->broken & (bit)) != 0)
#else
#define wf_plan_is_broken(plan, bit) false
#endif

/* look again at "when", at the latest */
static inline void
wf_plan_wake_at(WfPlan *plan, TimestampTz when)
{
	if (plan->wake_at > when)
		plan->wake_at = when;
}

/* a seat that is in use */
#define wf_plan_seat_of(plan, i) (&(plan)->seats[(plan)->used[i]])

#endif /* WF_CORE_PLAN_STATE_H */
