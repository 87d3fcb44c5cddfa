/*
 * sched_gate.h
 *		Queues and their groups: who may start.
 *
 * Every queue but a "default" without rules has a gate, before which its due
 * runs wait (WF_PLACE_GATE).  The gate admits a run when all limits let it, and
 * from then on counts it; what was admitted goes to its role's lane and to an
 * executor like any other.  So a limit holds because it was counted before
 * anybody could start, whatever becomes of the executor.
 *
 * What is counted of a run (flags of its entry):
 *
 *	admitted	in hand: in a lane or a cell.  Queue: max_running.
 *	active		admitted for the first time, until it ends: back-off, pauses
 *				and parking included.  Queue: max_active; group:
 *				group_max_active.
 *	begun		user code has run.  An active run that has not begun, and goes
 *				back before the gate, is not active any more.
 *	rated		holds a start of queue and group that has yet to begin.
 *
 *	waiting --wf_gates_open()--> admitted --wf_gate_leave()--> waiting
 *	   ...................... any --wf_gate_end()--> gone
 *
 * No more runs are admitted than executors can have in hand, so that the order
 * among those that wait stays open as long as possible.
 *
 * Messages wait before the same gates and are counted by the same limits, but
 * are admitted only when somebody asks for one (sched_receivers.c), and have
 * begun with that.  What waits is kept by kind, on two *sides*, so that runs
 * for which there is no executor do not hold up messages that nobody asks for,
 * nor the reverse.  In a strict group there is one order over both kinds: it
 * has one line, that of the first side, and stands on the side of whatever is
 * first in it.  "default" has a gate as soon as there is a message in it.
 *
 * Must not: touch cells, or run SQL but through store/.
 */
#ifndef WF_WORKER_SCHED_GATE_H
#define WF_WORKER_SCHED_GATE_H

#include "core/rate.h"
#include "ipc/queue_stats.h"
#include "store/queue.h"
#include "worker/sched_ready.h"
#include "worker/sched_spill.h"

/* how long a start that was reserved may wait for its executor */
#define WF_RATE_VALID_USEC (10 * USECS_PER_SEC)

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
	WF_GROUP_TURN, /* fair: in queue->turns */
	WF_GROUP_HEAD, /* in queue->heads, by its first entry */
	WF_GROUP_RATE  /* in queue->rate_waits, until rate_free_at */
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
	pairingheap_node node; /* heads or rate_waits */
	int32 credit;		   /* starts left in this turn */
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
	bool changed; /* since it was published */
	uint32 ndelayed;
	uint32 ncells;
	uint32 nstarted; /* since it was published */
	int64 part;		 /* see ipc/queue_stats.h */
	uint32 started[WF_MINUTE_PARTS];
	uint32 ended[WF_MINUTE_PARTS];
} WfFlow;

/* what waits before the gate, of one kind */
typedef struct WfSide
{
	uint32 nwaiting;
	uint32 nstanding; /* groups in turns or heads */
	WfLine resumed;	  /* active ones that wait and have begun */
	WfLine held;	  /* active ones that wait and have not begun */
	WfLine plain;	  /* the others, as far as no group matters */
	dlist_head turns; /* these three are of WfStand */
	pairingheap heads;
	pairingheap rate_waits;
} WfSide;

typedef struct WfQueue
{
	WfQueueRules rules;
	dlist_node node; /* in WfGates.queues */
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
	uint32 nwoken;	   /* receivers that were woken and have not asked */
	uint32 receivable; /* what they were woken for */
	uint64 wake_look;  /* ... as of this look at who waits */
	WfFlow flow;
	WfSpill spill;
} WfQueue;

extern void wf_gates_init(MemoryContext parent);

/* ---- what happens to entries (sched_ready.c and sched_seats.c) ---- */

/* finds queue and group by queue_id and group_hash */
extern void wf_gate_attach(WfEntry *entry);
extern void wf_gate_add(WfEntry *entry);
extern void wf_gate_remove(WfEntry *entry);
/* somebody has it already: counts as admitted and active */
extern void wf_gate_recount(WfEntry *entry, bool rated);
/* it has run before, in this life or another: counts as active */
extern void wf_gate_activate(WfEntry *entry);
/* it has stopped, or may not go on: counts as active, begun or not */
extern void wf_gate_keep(WfEntry *entry);
/* ... has failed, and keeps its group closed */
extern void wf_gate_block(WfEntry *entry);
/* its user code began, then */
extern void wf_gate_begun(WfEntry *entry, TimestampTz at);
/* out of lane or cell, and has to wait again; active only if it has begun */
extern void wf_gate_leave(WfEntry *entry);
/* has ended, or is not ours any more */
extern void wf_gate_end(WfEntry *entry);
/* Does a run that stopped keep its place?  "failed": for good. */
extern bool wf_gate_keeps(const WfEntry *entry, bool failed);

/* ---- the scheduler's cycle ---- */

/* Admits runs that may start, and hands messages to whoever asks. */
extern void wf_gates_open(void);

/*
 * Admits the message of a queue that comes next, which is in no place then;
 * NULL when none may be handed out now.
 */
extern WfEntry *wf_gate_admit_message(WfQueue *queue);
/*
 * Memory has no more of the messages of a queue, but the table has, they are
 * about to be read, and no limit of the queue keeps them from being admitted.
 */
extern bool wf_gate_reads_messages(WfQueue *queue);
/* about how many could be, for waiting receivers */
extern uint32 wf_gate_receivable(WfQueue *queue);
/* Does no run wait for its rate limit? */
extern bool wf_gates_are_idle(void);

/* ---- what views show (sched_flow.c) ---- */

/* one more, or less, in this place */
extern void wf_flow_delayed(const WfEntry *entry, int delta);
extern void wf_flow_cell(const WfEntry *entry, int delta);
/* user code began for the first time; the run is over */
extern void wf_flow_started(const WfEntry *entry);
extern void wf_flow_ended(const WfEntry *entry);
extern void wf_flow_publish(void);

/* ---- rules ---- */

/*
 * In an open window: reads the rules.  When some queue's limits count what was
 * started before, and did not so far, the ids of such runs are read as well.
 */
extern void wf_gates_read(void);
/* acts on what was read */
extern void wf_gates_apply(void);

/* does a group of one run at a time keep the order of arrival? */
extern bool wf_gate_is_strict(int32 queue_id, uint64 group);

/* is its queue paused? */
extern bool wf_gate_is_paused(const WfEntry *entry);

#endif /* WF_WORKER_SCHED_GATE_H */
