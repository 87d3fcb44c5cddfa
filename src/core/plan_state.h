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
 * one line, that of the first side, and stands on the side of whatever is first
 * in it.  "default" has a gate as soon as there is a message in it.
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
 * comes in nearly in order, a heap for the rest.
 */
typedef struct WfLine
{
	dlist_head list; /* WfEntry.link.node */
	WfHeap heap;
	uint32 n;
} WfLine;

typedef enum WfRoleCheck
{
	WF_ROLE_UNCHECKED,
	WF_ROLE_ASKED, /* a request is open */
	WF_ROLE_GOOD   /* may connect, as of the last answer; good for one time */
} WfRoleCheck;

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
	bool admitted;		 /* its queue counts it as running; see above */
	bool active;		 /* ... as started and unfinished */
	bool begun;			 /* user code has run, now or ever before */
	bool blocking;		 /* KEPT: failed, and keeps its group closed */
	bool returned;		 /* was admitted, and back before it began */
	bool rated;			 /* it holds a start of the rate limits */
	bool solo;			 /* suspected of having crashed the server */
	bool partial;		 /* found in a cell, its row not read yet */
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
	WF_GROUP_OUT,  /* nothing waits, or its limit is reached */
	WF_GROUP_TURN, /* fair: in side->turns */
	WF_GROUP_HEAD, /* in side->heads, by its first entry */
	WF_GROUP_RATE  /* in side->rate_waits, until rate_free_at */
} WfStanding;

typedef enum WfSideOf
{
	WF_SIDE_RUNS,
	WF_SIDE_MESSAGES,
	WF_SIDES
} WfSideOf;

/* a group on one side of its queue */
typedef struct WfStand
{
	struct WfGroup *group;
	WfSideOf side;
	WfStanding standing;
	WfLine line; /* those that wait and are not active; see above */
	dlist_node turn;
	WfHeapNode node; /* heads or rate_waits */
	int32 credit;	 /* starts left in this turn */
	TimestampTz rate_free_at;
} WfStand;

typedef struct WfGroup
{
	uint64 hash;
	struct WfQueue *queue;
	uint32 members; /* entries that point here */
	uint32 active;
	uint32 nblocking; /* of active: failed, so that nothing else may start */
	int32 weight;
	WfLimiter limiter;
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
	bool reading;  /* a scan is under way */
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
	dlist_head turns; /* these three are of WfStand */
	WfHeap heads;
	WfHeap rate_waits;
} WfSide;

typedef struct WfQueue
{
	WfQueueRules rules;
	dlist_node node; /* in WfPlan.queues */
	uint32 running;	 /* admitted, of both kinds */
	uint32 nhanded;	 /* ... of which messages */
	dlist_head hand; /* ... all of those */
	uint32 active;
	uint32 nmembers; /* entries that point here */
	uint32 nwaiting; /* before the gate */
	WfSide sides[WF_SIDES];
	struct wf_groups_hash *groups;
	WfLimiter limiter;
	TimestampTz reading_since; /* fair: since when scans keep it closed */
	bool rate_short;		   /* the last look ended at a rate limit */
	uint32 nwishes;			   /* reservations that are under way */
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
	uint64 seqs[WF_CELLS];	 /* of what was offered there */
	uint32 pending;			 /* cells whose offer is still an action */
	int load;				 /* cells in use */
	uint64 seq;				 /* last one given out */
	TimestampTz started_at;	 /* of the process */
	TimestampTz progress_at; /* last end of a run, or first after idling */
	bool slow;				 /* the last run took long */
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
	bool loading;		 /* everything has yet to be read once */
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

	/* executors */
	WfSeat *seats; /* [nseats] */
	int nseats;
	int *used; /* indexes of those that are ours */
	int nused;
	int nhiring;		  /* asked for, and not answered */
	TimestampTz short_at; /* when one could not be had; 0: one could */
	bool slots_short;	  /* in this decision */

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

/* ---- plan_request.c ---- */

extern void wf_request_init(WfPlan *plan);
extern void wf_request_act(WfPlan *plan, WfActionKind kind, int index, int at,
						   uint32 bits);
extern void wf_request_add(WfPlan *plan, const WfPlanRequest *request);
/* ... about this work */
extern void wf_request_about(WfPlan *plan, WfPlanRequestKind kind,
							 const WfEntry *entry);
extern void wf_request_died(WfPlan *plan, const WfEntry *entry);

/* ---- plan_scan.c ---- */

/* NULL: no bound */
extern WfScan *wf_scan_add(WfPlan *plan, const WfWorkId *first,
						   const WfWorkId *last);
/* the first one is done */
extern void wf_scan_remove(WfPlan *plan);
/* are there more runs than one or two that have yet to be read? */
extern bool wf_scan_is_reading(const WfPlan *plan);

/* ---- plan_line.c ---- */

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
extern int64 wf_line_order(const WfEntry *entry);
/* ... once its queue has admitted it: by the order of admission */
extern int64 wf_line_order_admitted(WfPlan *plan, const WfEntry *entry);
/* Since when this entry has been due. */
extern TimestampTz wf_line_since(const WfEntry *entry);

/* ---- plan_flow.c ---- */

/* one more, or less, in this place */
extern void wf_flow_delayed(WfPlan *plan, const WfEntry *entry, int delta);
extern void wf_flow_cell(WfPlan *plan, const WfEntry *entry, int delta);
/* user code began for the first time; the run is over */
extern void wf_flow_started(WfPlan *plan, const WfEntry *entry);
extern void wf_flow_ended(WfPlan *plan, const WfEntry *entry);
/* a message was acknowledged, or is dead or given up */
extern void wf_flow_message_ended(WfPlan *plan, const WfEntry *entry,
								  bool acked);

/* ---- plan_limiter.c ---- */

/* limit 0: none.  What was counted so far goes on counting. */
extern void wf_limiter_set(WfPlan *plan, WfLimiter *limiter, int32 limit,
						   int64 period);
/* when one can start; now or earlier when one can, DT_NOEND when unknown */
extern TimestampTz wf_limiter_free_at(const WfPlan *plan,
									  const WfLimiter *limiter);
extern bool wf_limiter_in_use(const WfPlan *plan, const WfLimiter *limiter);
/* has to be reserved on disk before one can start */
extern bool wf_limiter_wants_reserve(const WfPlan *plan,
									 const WfLimiter *limiter);
/* ... and will be */
extern void wf_limiter_reserve_soon(WfPlan *plan, WfQueue *queue,
									WfGroup *group);
/* may the queue start one?  Arranges for a reservation or a wake-up if not. */
extern bool wf_limiter_may_take(WfPlan *plan, WfLimiter *limiter,
								WfQueue *queue);
/* takes one, which wants_reserve() and free_at() let; until when it is good */
extern TimestampTz wf_limiter_take(WfPlan *plan, WfLimiter *limiter);
/* gives one back that was good until then */
extern void wf_limiter_return(WfLimiter *limiter, TimestampTz until);
extern void wf_limiter_begun(WfPlan *plan, WfLimiter *limiter, TimestampTz at);
extern void wf_limiter_used(WfLimiter *limiter, TimestampTz at, int32 n);
/* starts are on disk */
extern void wf_limiter_reserved(WfLimiter *limiter, int32 starts,
								TimestampTz reserved_at);

/* ---- plan_group.c ---- */

extern void wf_group_init(WfPlan *plan);
/* by id; NULL when it is not known and "make" is false */
extern WfQueue *wf_group_queue(WfPlan *plan, int32 queue_id, bool make);
/* by hash, made where there is none; NULL when groups do not matter */
extern WfGroup *wf_group_get(WfPlan *plan, WfQueue *queue, uint64 hash);
/* by hash; NULL when there is none */
extern WfGroup *wf_group_find(WfQueue *queue, uint64 hash);
/* to where it belongs, after anything has changed */
extern void wf_group_settle(WfPlan *plan, WfGroup *group);
/* before its line changes: a heap is in order by what is first in it */
extern void wf_group_loosen(WfGroup *group);
extern void wf_group_step_out(WfStand *stand);
/* what of this kind comes next in the group, as far as it is its turn */
extern WfEntry *wf_group_first(const WfStand *stand);
extern void wf_group_forget(WfPlan *plan, WfGroup *group);
extern void wf_group_sweep(WfPlan *plan, WfQueue *queue, bool all);
extern bool wf_group_is_strict(const WfGroup *group);
/* does a group of one at a time keep the order of arrival? */
extern bool wf_group_keeps_order(WfPlan *plan, int32 queue_id, uint64 hash);
/* dropped: forgotten unless something in it has yet to end */
extern void wf_group_forget_queue(WfPlan *plan, WfQueue *queue);
/* all entries of the queue have been detached */
extern void wf_group_set_rules(WfPlan *plan, WfQueue *queue,
							   const WfQueueRules *rules);

/* ---- plan_gate.c ---- */

/* finds queue and group by queue_id and group_hash */
extern void wf_gate_attach(WfPlan *plan, WfEntry *entry);
/* uncounts an entry that is in no line, and takes it out of queue and group */
extern void wf_gate_detach(WfPlan *plan, WfEntry *entry);
extern void wf_gate_add(WfPlan *plan, WfEntry *entry);
extern void wf_gate_remove(WfPlan *plan, WfEntry *entry);
extern void wf_gate_set_active(WfEntry *entry, bool active);
extern void wf_gate_set_admitted(WfPlan *plan, WfEntry *entry, bool admitted);
/* somebody has it already: counts as admitted and active */
extern void wf_gate_recount(WfPlan *plan, WfEntry *entry, bool rated);
/* it has run before, in this life or another: counts as active */
extern void wf_gate_activate(WfPlan *plan, WfEntry *entry);
/* it has stopped, or may not go on: counts as active, begun or not */
extern void wf_gate_keep(WfPlan *plan, WfEntry *entry);
/* ... has failed, and keeps its group closed */
extern void wf_gate_block(WfPlan *plan, WfEntry *entry);
/* its user code began, then */
extern void wf_gate_begun(WfPlan *plan, WfEntry *entry, TimestampTz at);
/* out of lane or cell, and has to wait again; active only if it has begun */
extern void wf_gate_leave(WfPlan *plan, WfEntry *entry);
/* Does a run that stopped keep its place?  "failed": for good. */
extern bool wf_gate_keeps(const WfEntry *entry, bool failed);
/* do limits of what is active let one more be it? */
extern bool wf_gate_has_room(const WfEntry *entry);
/* is its queue paused? */
extern bool wf_gate_is_paused(const WfEntry *entry);

/* ---- plan_ready.c ---- */

extern void wf_ready_init(WfPlan *plan);
extern WfRole *wf_ready_role(WfPlan *plan, Oid oid);
/* the entry of a run, or NULL */
extern WfEntry *wf_ready_find(WfPlan *plan, const WfWorkId *id);
/* A new entry in no place; there must be none of this run. */
extern WfEntry *wf_ready_make(WfPlan *plan, const WfWork *work);
/* Fills in what a partial entry lacked. */
extern void wf_ready_complete(WfPlan *plan, WfEntry *entry,
							  const WfWork *work);
/* Out of where it is; then in no place. */
extern void wf_ready_take(WfPlan *plan, WfEntry *entry);
/*
 * From no place to one; _place chooses by due_at, and sends what its queue has
 * not admitted to the gate.  _admit is for the gate alone.
 */
extern void wf_ready_place(WfPlan *plan, WfEntry *entry);
extern void wf_ready_admit(WfPlan *plan, WfEntry *entry);
/* PAUSED, SOLO, KEPT or ROW */
extern void wf_ready_hold(WfPlan *plan, WfEntry *entry, WfPlace place);
extern void wf_ready_to_cell(WfPlan *plan, WfEntry *entry, int seat, int cell);
/* Messages: to a position of the shelf, whose entry it replaces. */
extern void wf_ready_shelve(WfPlan *plan, WfEntry *entry, uint64 position);
/* ... for an answer, then in a receiver's hand, or until a time */
extern void wf_ready_answer(WfPlan *plan, WfEntry *entry, WfAsk *ask);
extern void wf_ready_hand(WfPlan *plan, WfEntry *entry, WfAsk *ask);
extern void wf_ready_lease(WfPlan *plan, WfEntry *entry, TimestampTz until);
/* One whose time is over, still in its place; NULL when there is none. */
extern WfEntry *wf_ready_next_lease(WfPlan *plan);
/* It has ended or stopped: nothing happens at its deadline. */
extern void wf_ready_drop_deadline(WfPlan *plan, WfEntry *entry);
/* Out of where it is, and gone. */
extern void wf_ready_forget(WfPlan *plan, WfEntry *entry);
/* The next ready entry of a role, still in its place; NULL when none. */
extern WfEntry *wf_ready_first(WfRole *role);
/* Calls "act" for every entry; it may move, but not make or forget any. */
extern void wf_ready_foreach(WfPlan *plan,
							 void (*act)(WfPlan *plan, WfEntry *entry,
										 void *arg),
							 void *arg);
/* Everything held in PAUSED or SOLO becomes ready again. */
extern void wf_ready_release(WfPlan *plan, WfPlace place);
/* Timers that are due become ready. */
extern void wf_ready_fire_timers(WfPlan *plan);
/* A deadline that is over, out of the heap; NULL when there is none. */
extern WfDeadline *wf_ready_next_deadline(WfPlan *plan);
/*
 * When the next timer (or, with "deadlines", lease or deadline) is due;
 * DT_NOEND when none.
 */
extern TimestampTz wf_ready_due(WfPlan *plan, bool deadlines);

/* ---- plan_spill.c ---- */

/* Is this run, of which there is no entry, to stay in the table? */
extern bool wf_spill_leaves(WfPlan *plan, const WfWork *work);
/* Asks for scans where there is room. */
extern void wf_spill_refill(WfPlan *plan);
/* Is some of it in the table, and will the next wf_spill_refill() read it? */
extern bool wf_spill_will_read(WfPlan *plan, WfQueue *queue);
/* A scan for wf_spill_refill() has read a chunk, of n rows. */
extern void wf_spill_read(WfPlan *plan, const WfScan *scan, int n);
/* All that comes after this id of the queue stays in the table for now. */
extern bool wf_spill_is_past(WfPlan *plan, int32 queue_id, const WfWorkId *id);
extern const WfWorkId *wf_spill_upto(WfPlan *plan, int32 queue_id);
/* How many of a queue are in the table, about; NULL: "default" without rules */
extern uint32 wf_spill_left(const WfPlan *plan, const WfQueue *queue);

/* ---- plan_seat.c ---- */

extern void wf_seat_init(WfPlan *plan, int nseats);
extern void wf_seat_offer(WfPlan *plan, WfSeat *seat, WfEntry *entry);
/* false when the executor was faster; else the entry is in no place */
extern bool wf_seat_take_back(WfPlan *plan, WfEntry *entry);
/* what the executor has not begun, back to ready */
extern void wf_seat_clear_offers(WfPlan *plan, WfSeat *seat);
/* sets WF_REQ_* in the cell of a run under way, and interrupts for most */
extern void wf_seat_interrupt(WfPlan *plan, WfEntry *entry, uint32 bits);
extern void wf_seat_retire(WfPlan *plan, WfSeat *seat);
/* gives back a slot for which there is no process yet, or no more */
extern void wf_seat_remove(WfPlan *plan, WfSeat *seat);

/* ---- plan_rest.c: work that rests ---- */

/* in no place: keeps its place in queue and group, or is forgotten */
extern void wf_rest_stopped(WfPlan *plan, WfEntry *entry, bool failed);
/* in no place: waits until woken, or until due_at (0: no time) */
extern void wf_rest_sleeps(WfPlan *plan, WfEntry *entry, TimestampTz due_at);
/* something may have come for a run that waits, or is about to */
extern void wf_rest_wake(WfPlan *plan, WfEntry *entry);
/* the same by id, whether or not it is in memory */
extern void wf_rest_wake_id(WfPlan *plan, const WfWorkId *id);
/* out of its cell: to where it has to wait */
extern void wf_rest_put_back(WfPlan *plan, WfEntry *entry, TimestampTz due_at);

/* ---- plan_message.c ---- */

/* a message of which there is no entry, as its row was read */
extern void wf_message_learn(WfPlan *plan, const WfWork *work);
/* one that was just made, or admitted: it is with a receiver, until a time */
extern void wf_message_hold(WfPlan *plan, WfEntry *entry, TimestampTz until);
/* before the gate again, or until a time */
extern void wf_message_give_back(WfPlan *plan, WfEntry *entry,
								 TimestampTz due_at);
/* its row was locked: perhaps by a receive that has yet to end */
extern void wf_message_look_later(WfPlan *plan, WfEntry *entry);
extern void wf_message_died(WfPlan *plan, WfEntry *entry);
/* leases that are over */
extern void wf_message_expire(WfPlan *plan);
extern WfEntry *wf_message_entry(WfPlan *plan, int64 message_id);

/* ---- plan_learn.c ---- */

/* one that was returned by a read of the table, or by the ring (scan NULL) */
extern void wf_learn_of(WfPlan *plan, const WfWork *work,
						const WfScan *from_scan);
/* A run that was started before its queue counted it. */
extern void wf_learn_started(WfPlan *plan, const WfStarted *started);

/* ---- plan_rebuild.c ---- */

extern void wf_rebuild_queue(WfPlan *plan, WfQueue *queue,
							 const WfQueueRules *rules);
/* the gate of "default", whose entries move behind it when it is made */
extern void wf_rebuild_default(WfPlan *plan);

/* ---- plan_row.c ---- */

/* runs whose time is over; false when there are no more */
extern void wf_row_expire(WfPlan *plan);
/* asks for a write of its row: it is in no other place until then */
extern void wf_row_write(WfPlan *plan, WfEntry *entry, WfPlanRequestKind kind);

/* ---- plan_admit.c ---- */

/* Admits runs that may start. */
extern void wf_admit_runs(WfPlan *plan);
/*
 * Admits the message of a queue that comes next, which is in no place then;
 * NULL when none may be handed out now.
 */
extern WfEntry *wf_admit_message(WfPlan *plan, WfQueue *queue);
/*
 * Memory has no more of the messages of a queue, but the table has, they are
 * about to be read, and no limit of the queue keeps them from being admitted.
 */
extern bool wf_admit_reads_messages(WfPlan *plan, WfQueue *queue);
/* about how many could be, for waiting receivers */
extern uint32 wf_admit_receivable(WfPlan *plan, WfQueue *queue);
/* Does no run wait for its rate limit? */
extern bool wf_admit_is_idle(WfPlan *plan);
/* since when the oldest that waits before the gate does; 0: none */
extern TimestampTz wf_admit_oldest(WfPlan *plan, WfQueue *queue);

/* ---- plan_shelf.c ---- */

/* a single message of the queue was asked for, and handed out */
extern void wf_shelf_asked(WfPlan *plan, const WfQueue *queue);
/* empties it if need be; fills it up */
extern void wf_shelf_check(WfPlan *plan);
extern void wf_shelf_fill(WfPlan *plan);
/* empties it; what stays in WF_PLACE_SHELF was taken by somebody */
extern void wf_shelf_clear(WfPlan *plan);
/* the first message of the queue on it, taken from there; NULL: none */
extern WfEntry *wf_shelf_next(WfPlan *plan, const WfQueue *queue);
/* ... left there; and how many there are */
extern const WfEntry *wf_shelf_first(const WfPlan *plan, const WfQueue *queue);
extern uint32 wf_shelf_count(const WfPlan *plan, const WfQueue *queue);

/* does anybody wait for messages of the queue, or was just woken? */
extern bool wf_shelf_is_waited_for(const WfPlan *plan, int32 queue_id);
extern bool wf_shelf_is_in(const dlist_head *list, int32 queue_id);

/* ---- plan_ask.c ---- */

extern void wf_ask_init(WfPlan *plan, int nreceivers);
extern WfAsk *wf_ask_of(WfPlan *plan, int receiver);
/* hands out what may be, to all that ask */
extern void wf_ask_serve(WfPlan *plan);
/* answers those that were served, or cannot be; wakes who waits */
extern void wf_ask_answer(WfPlan *plan);
/* what was admitted for asks that are kept waits before its gate again */
extern void wf_ask_give_back_all(WfPlan *plan);

/* ---- plan_dispatch.c ---- */

extern void wf_dispatch_give_out(WfPlan *plan);
/*
 * The run to be started next of a role, or NULL.  What may not start now is
 * moved out of the way.
 */
extern WfEntry *wf_dispatch_next(WfPlan *plan, WfRole *role);

extern bool wf_dispatch_is_paused(const WfPlan *plan, int32 workflow_id);

/* ---- plan_staff.c ---- */

extern void wf_staff_adjust(WfPlan *plan);

#endif /* WF_CORE_PLAN_STATE_H */
