/*
 * plan.h
 *		The plan: what may start when, and who gets it.
 *
 * The scheduler of a database is a plan between two sides: one to the tables
 * (SQL), and one to shared memory (cells of executors, receivers, the shelf).
 * The plan runs no SQL, touches no shared memory and reads no clock; all its
 * state is in a WfPlan, and all its memory comes from the WfMemory it was made
 * with.  So it runs, and is tested, without a server (test/core/sim_*.c).
 *
 * The sides tell the plan *events*, by the functions below.  Each carries the
 * time.  wf_plan_decide() is the event that time has passed: it alone starts
 * anything.  What the plan wants done it leaves behind:
 *
 *	actions		for shared memory, in order: offer a cell, interrupt a run, hand
 *				messages to a receiver ...  The side carries them out before it
 *				tells what it finds there later.
 *	requests	for the tables: reserve starts of a rate limit, read a row, write
 *				a row, look whether a role may connect.  Each is answered by an
 *				event, at any time later and in any order; until then the plan
 *				counts on nothing.
 *	reads		walks over the tables, a chunk at a time, the first one first.
 *
 * There is one *port* through which the plan asks and is answered at once:
 * take_back().  What was offered may be taken back as long as nobody has begun
 * it, and only a compare and swap in shared memory can tell; so it may fail.
 *
 * Invariants, whatever events come:
 *
 * - An entry is in exactly one place (plan_state.h), so work is never given
 *	 out twice.
 * - Work is counted by its queue and group before it is offered, until it has
 *	 ended or is known not to have begun; so no limit is exceeded, whatever
 *	 becomes of an offer.
 * - A start of a rate limit is on disk, reserved, before it is offered, and is
 *	 offered within WF_RATE_VALID_USEC.
 * - While a row is being written by the tables' side (WF_PLACE_ROW, or claimed
 *	 by wf_plan_claim()), its work is in nobody's cell and goes to none.
 * - Whatever is not in memory is in the tables, and comes by a read that is
 *	 under way or will be asked for; so a plan may be thrown away at any moment
 *	 and be made anew from the tables.
 * - What is ready and allowed is offered by the next wf_plan_decide() in which
 *	 somebody can take it.
 *
 * Answers go by ids and not by pointers, as what was asked for may be gone.
 */
#ifndef WF_CORE_PLAN_H
#define WF_CORE_PLAN_H

#include "lib/ilist.h"

#include "core/cell.h"
#include "core/gauges.h"
#include "core/memory.h"
#include "core/rate.h"
#include "core/rules.h"
#include "core/shortage_kind.h"
#include "core/work.h"

typedef struct WfPlan WfPlan;
typedef struct WfEntry WfEntry;

/* how long a start that was reserved may wait for its executor */
#define WF_RATE_VALID_USEC (10 * USECS_PER_SEC)

/* rows of one chunk of a read */
#define WF_PLAN_CHUNK 1000

/* no more of one kind of request in one decision */
#define WF_PLAN_BATCH 100

/* ---- the port ---- */

typedef enum WfLaid
{
	WF_LAID_CELL, /* in cell "position" of seat "index" */
	WF_LAID_SHELF /* at "position" of the shelf, and after it: "index" of them */
} WfLaid;

typedef struct WfPlanPort
{
	/* true: it was still there, and nobody can take it any more */
	bool (*take_back)(void *arg, WfLaid where, int index, uint64 position);
	void *arg;
} WfPlanPort;

/* ---- what the plan wants done ---- */

typedef enum WfActionKind
{
	WF_ACTION_OFFER,	 /* cell "at" of seat: wf_plan_offer() tells what */
	WF_ACTION_INTERRUPT, /* cell "at" of seat: sets "bits" in its request */
	WF_ACTION_RETIRE,	 /* seat: its executor is to end */
	WF_ACTION_HIRE,		 /* an executor for role "bits"; wf_plan_hired() */
	WF_ACTION_DISMISS,	 /* seat: there is no process yet, or no more */
	WF_ACTION_ANSWER,	 /* receiver: wf_plan_answered() */
	WF_ACTION_WAKE,		 /* receiver: wf_plan_woke() */
	WF_ACTION_SEEN,		 /* receiver: there was nothing for its wait "bits" */
	WF_ACTION_FORGET	 /* queue: it is no more */
} WfActionKind;

typedef struct WfAction
{
	WfActionKind kind;
	int32 index; /* of a seat or receiver; or queue_id */
	int32 at;
	uint32 bits;
} WfAction;

typedef enum WfPlanRequestKind
{
	WF_PLAN_RESERVE, /* starts of a queue, or group: wf_plan_reserved() */
	WF_PLAN_ROLE,	 /* may it connect?  wf_plan_role_checked() */
	WF_PLAN_PARK,	 /* terminated again and again: wf_plan_over() */
	WF_PLAN_OWNER,	 /* its role may not connect: parked likewise */
	WF_PLAN_EXPIRE,	 /* its deadline is over: wf_plan_over() */
	WF_PLAN_LEASE,	 /* the lease is over: wf_plan_lease_ended() */
	WF_PLAN_LOOK,	 /* read the row of a message: wf_plan_looked() */
	WF_PLAN_COUNT,	 /* work of a queue above an id: wf_plan_left() */
	WF_PLAN_FORWARD, /* a run that is over got signals: wf_plan_wake() */
	WF_PLAN_REFILL	 /* more of a group: wf_plan_refilled() */
} WfPlanRequestKind;

typedef struct WfPlanRequest
{
	WfPlanRequestKind kind;
	int32 queue_id;		 /* RESERVE, COUNT, REFILL */
	uint64 group;		 /* RESERVE; 0: of the queue; REFILL */
	WfWorkId id;		 /* REFILL: a row of the group, perhaps gone */
	Oid role;			 /* ROLE, OWNER */
	int32 starts;		 /* RESERVE; REFILL: so many rows */
	int64 period;		 /* RESERVE: of the limit */
	ItemPointerData tid; /* LEASE: of the row, most likely */
	bool uncounted;		 /* LEASE: an attempt has yet to be counted */
	uint32 epoch;		 /* LOOK, LEASE, REFILL: goes with the answer */
	WfSpot after;		 /* REFILL: exclusive */
	int64 upto;			 /* REFILL: inclusive */
} WfPlanRequest;

/* a dead letter, for whoever is told of those */
typedef struct WfDeath
{
	WfWorkId id;
	int32 queue_id;
	int32 workflow_id;
} WfDeath;

/* ---- plan.c ---- */

extern WfPlan *wf_plan_create(const WfMemory *memory, const WfPlanPort *port,
							  int nseats, int nreceivers);

/* what the plan has to know of its surroundings; may change at any time */
typedef struct WfPlanSettings
{
	int executors;		 /* at most so many */
	int per_role;		 /* ... of one role; -1: no limit but the one above */
	int64 memory;		 /* bytes that entries may take */
	uint32 floor;		 /* entries of each queue that may wait all the same */
	bool short_of_slots; /* the server has no room for more executors */
} WfPlanSettings;

extern void wf_plan_set(WfPlan *plan, const WfPlanSettings *settings);

/* Time has passed: decides what starts, and what is to be done. */
extern void wf_plan_decide(WfPlan *plan, TimestampTz now);

/* Is there something left to decide at once?  Else wf_plan_due() tells when. */
extern bool wf_plan_is_busy(const WfPlan *plan);
extern TimestampTz wf_plan_due(WfPlan *plan);

/* Is there nothing that could be done now? */
extern bool wf_plan_is_idle(WfPlan *plan);

/* ---- plan_request.c: what is to be done, each told once ---- */

/* valid until the next call of the same function */
extern const WfAction *wf_plan_actions(WfPlan *plan, int *n);
extern const WfPlanRequest *wf_plan_requests(WfPlan *plan, int *n);
extern const WfDeath *wf_plan_deaths(WfPlan *plan, int *n);

/* ---- plan_scan.c: reads ---- */

/* the read at work, or NULL; its "after" moves on with each chunk */
extern WfScan *wf_plan_scan(WfPlan *plan);
/*
 * Everything, at the start of a plan, or again as something may have been
 * missed: queues with unfinished runs and with unfinished messages, as a
 * snapshot sees them that is newer than whatever was not told.
 */
typedef struct WfPlanQueues
{
	const int32 *of_runs;
	int nruns;
	const int32 *of_messages;
	int nmessages;
} WfPlanQueues;

extern void wf_plan_load(WfPlan *plan, TimestampTz now,
						 const WfPlanQueues *queues);
extern void wf_plan_rescan(WfPlan *plan, TimestampTz now,
						   const WfPlanQueues *queues);
extern bool wf_plan_is_loading(const WfPlan *plan);

/* ---- plan_learn.c: of work ---- */

/* from commits, in their order; single work or ranges of ids */
extern void wf_plan_heard(WfPlan *plan, TimestampTz now, const WfWork *work,
						  int n);
/* ids between these were left out, as there was no room for all */
extern void wf_plan_missed(WfPlan *plan, TimestampTz now,
						   const WfWorkId *first, const WfWorkId *last);
/* the next chunk of the read at work; "scan" says how far it is now */
extern void wf_plan_read(WfPlan *plan, TimestampTz now, const WfScan *scan,
						 WfWork *rows, int n);
/* something has come for a run */
extern void wf_plan_wake(WfPlan *plan, TimestampTz now, const WfWorkId *id);
/* may have crashed the server: go one at a time; kept by the caller */
extern void wf_plan_suspect(WfPlan *plan, WfWorkId *ids, int n);

/* ---- plan_rules.c ---- */

typedef struct WfPlanRules
{
	bool halted;		 /* nothing may start */
	bool foreign;		 /* ... nor may any row be written */
	const int32 *paused; /* workflows, sorted; kept by the caller */
	int npaused;
	const WfQueueRules *queues;
	int nqueues;
	const WfStarted *started; /* of those that wf_plan_counts_anew() said */
	int nstarted;
	const WfRateUsed *used; /* at the first time: what was reserved before */
	int nused;
} WfPlanRules;

/* Is what was started before to be counted from now on, if these hold? */
extern bool wf_plan_counts_anew(WfPlan *plan, const WfQueueRules *rules);
extern void wf_plan_rules(WfPlan *plan, TimestampTz now,
						  const WfPlanRules *rules);

/* ---- plan_group.c ---- */

/* starts are on disk since the time that is told with them */
extern void wf_plan_reserved(WfPlan *plan, TimestampTz now, int32 queue_id,
							 uint64 group, int32 starts,
							 TimestampTz reserved_at);

/* ---- plan_window.c ---- */

typedef enum WfRefill
{
	WF_REFILL_SOME, /* there may be more */
	WF_REFILL_ALL,	/* there is no more up to "upto" */
	WF_REFILL_LOST	/* the row that was to tell the group is gone */
} WfRefill;

/*
 * Rows of a group were read in the order of places, up to the spot "to".  The
 * snapshot is newer than all that was told of commits before this; and what was
 * committed before it is told before the next decision.
 */
extern void wf_plan_refilled(WfPlan *plan, TimestampTz now,
							 const WfPlanRequest *request, WfRefill how,
							 const WfSpot *to, WfWork *rows, int n);

/* ---- plan_seat.c: executors ---- */

typedef enum WfSeatState
{
	WF_SEAT_FREE,	  /* none */
	WF_SEAT_WANTED,	  /* asked for */
	WF_SEAT_STARTING, /* the process has yet to connect */
	WF_SEAT_LIVE
} WfSeatState;

/* an executor was found, or granted, as "index", which was free */
extern void wf_plan_came(WfPlan *plan, TimestampTz now, int index, Oid role,
						 bool retiring);
/* ... and has changed its state; "started_at" is that of its process */
extern void wf_plan_seat_is(WfPlan *plan, TimestampTz now, int index,
							WfSeatState state, TimestampTz started_at);
/* no more: what it had was told; "failed": it could not start */
extern void wf_plan_gone(WfPlan *plan, TimestampTz now, int index,
						 bool failed);
/* a plan before this one has filled this cell, and it has been taken */
extern void wf_plan_found(WfPlan *plan, TimestampTz now, int index, int cell,
						  const WfWork *work);
/* a plan before this one has numbered offers so far */
extern void wf_plan_numbered(WfPlan *plan, int index, uint64 seq);

typedef enum WfCellNewsKind
{
	WF_CELL_HAS_BEGUN, /* user code runs */
	WF_CELL_HAS_ENDED, /* the cell is empty again */
	WF_CELL_IS_LOST	   /* likewise; the executor ended with it in hand */
} WfCellNewsKind;

typedef struct WfCellNews
{
	WfCellNewsKind kind;
	int cell;
	TimestampTz begun_at; /* 0: not as far as is known */
	WfOutcome outcome;
	TimestampTz due_at; /* for WF_OUTCOME_LATER and WAITS */
	bool yielded;		/* it was asked to */
	bool tells_parent;	/* wake the run that waits for this */
	WfWorkId parent_id;
	WfShortage shortage; /* HAS_ENDED: the run has met this */
	bool engine_met;	 /* ... in a statement of the engine's own */
	bool wrote;			 /* HAS_ENDED: something was committed */
} WfCellNews;

extern void wf_plan_cells(WfPlan *plan, TimestampTz now, int index,
						  const WfCellNews *news, int n);
/* the entry in a cell of a seat, or NULL */
extern const WfEntry *wf_plan_in_cell(const WfPlan *plan, int index, int cell);
/* cells that are in use */
extern int wf_plan_load_of(const WfPlan *plan, int index);

/* an action OFFER: what goes into the cell, or NULL if it was taken back */
extern const WfEntry *wf_plan_offer(WfPlan *plan, int index, int cell,
									uint64 *seq, uint32 *flags);

/* ---- plan_slow.c: shortages ---- */

/* the tables' side has met it, or a plan before this one had */
extern void wf_plan_short(WfPlan *plan, TimestampTz now, WfShortage kind);
/* the executor of this seat, soon gone, could not connect because of it */
extern void wf_plan_refused(WfPlan *plan, TimestampTz now, int index,
							WfShortage kind);

typedef struct WfPlanShortage
{
	WfShortage kind; /* NONE: nothing is short */
	TimestampTz since;
	uint32 nmet; /* runs that have met it */
} WfPlanShortage;

extern void wf_plan_shortage(WfPlan *plan, WfPlanShortage *out);

/* ---- plan_staff.c ---- */

/* an action HIRE could be done (wf_plan_came() follows), or not now */
extern void wf_plan_hired(WfPlan *plan, TimestampTz now, Oid role, bool done);
extern void wf_plan_role_checked(WfPlan *plan, TimestampTz now, Oid role,
								 bool may_connect);
/* all are to end, and what they have in hand as well */
extern void wf_plan_leave(WfPlan *plan, TimestampTz now);

/* ---- plan_row.c: rows that others write ---- */

/*
 * The caller is about to write the row of a run: true when no executor has it,
 * which goes on until wf_plan_release().  One that has it is interrupted, with
 * these bits.
 */
extern bool wf_plan_claim(WfPlan *plan, TimestampTz now, const WfWorkId *id,
						  uint32 bits);
extern void wf_plan_release(WfPlan *plan, TimestampTz now, const WfWorkId *id);
extern bool wf_plan_has_taken(WfPlan *plan, const WfWorkId *id);
extern void wf_plan_interrupt(WfPlan *plan, const WfWorkId *id, uint32 bits);

typedef enum WfOver
{
	WF_OVER_GONE,	/* cancelled, deleted, or had moved on before */
	WF_OVER_FAILED, /* for good: a dead letter */
	WF_OVER_PARKED,
	WF_OVER_NOT /* it is to go on as before */
} WfOver;

extern void wf_plan_over(WfPlan *plan, TimestampTz now, const WfWorkId *id,
						 WfOver over);
/* a run goes on, with what its row says now; "early": if it waits for a time */
extern void wf_plan_again(WfPlan *plan, TimestampTz now, const WfWork *work,
						  bool early);
extern void wf_plan_pause(WfPlan *plan, TimestampTz now, const WfWorkId *id,
						  bool paused);

/* ---- plan_message.c ---- */

typedef enum WfFate
{
	WF_FATE_BACK,  /* queued again, from a time on */
	WF_FATE_LATER, /* to be looked at again, then */
	WF_FATE_DONE,
	WF_FATE_DIED,
	WF_FATE_GONE, /* a task that was given up, or is for nobody */
	WF_FATE_FOREIGN
} WfFate;

typedef struct WfLeaseEnd
{
	WfWorkId id;
	uint32 epoch;
	WfFate fate;
	TimestampTz at;
	bool counted; /* its attempt is */
	ItemPointerData tid;
} WfLeaseEnd;

extern void wf_plan_lease_ended(WfPlan *plan, TimestampTz now,
								const WfLeaseEnd *end);
/* acknowledged */
extern void wf_plan_done(WfPlan *plan, TimestampTz now, int64 message_id);
/* ends of asks: committed, with a lease; rolled back; nothing was seen */
typedef enum WfAskEnd
{
	WF_ASK_LEASED,
	WF_ASK_RETURNED,
	WF_ASK_UNUSED
} WfAskEnd;

extern void wf_plan_ask_over(WfPlan *plan, TimestampTz now, int receiver,
							 uint32 ask, WfAskEnd how, TimestampTz until);
/* somebody else has its row */
extern void wf_plan_locked(WfPlan *plan, TimestampTz now, int receiver,
						   uint32 ask, int64 message_id);

/* ---- plan_look.c: rows of messages that may have changed ---- */

extern void wf_plan_look(WfPlan *plan, int64 message_id);
extern void wf_plan_look_purged(WfPlan *plan, int32 queue_id);
/* the answer; "work" is NULL when there is no row, or it is acknowledged */
extern void wf_plan_looked(WfPlan *plan, TimestampTz now, const WfWorkId *id,
						   uint32 epoch, const WfWork *work);
/* news of messages were lost: whoever asks is told again */
extern void wf_plan_lost_news(WfPlan *plan, TimestampTz now);

/* ---- plan_ask.c: receivers ---- */

/* "max" of a wait: 0, or 1 when it is in a hurry */
extern void wf_plan_asked(WfPlan *plan, TimestampTz now, int receiver,
						  uint32 ask, int32 queue_id, int32 max, bool waits);
/* the answer was given, or was not wanted any more */
extern void wf_plan_answered(WfPlan *plan, TimestampTz now, int receiver,
							 bool given);
extern void wf_plan_woke(WfPlan *plan, TimestampTz now, int receiver,
						 bool woken);
/* what the answer to a receiver is: its entries, by link.node, and its ask */
extern const dlist_head *wf_plan_answer(const WfPlan *plan, int receiver,
										uint32 *ask, int *n);
extern uint32 wf_plan_ask_of(const WfPlan *plan, int receiver);
/* does anybody wait, or was woken and has not asked? */
extern bool wf_plan_is_awaited(const WfPlan *plan);
/* can messages be received that nobody asks or waits for? */
extern bool wf_plan_is_unattended(WfPlan *plan, TimestampTz now,
								  int32 queue_id);

/* ---- plan_shelf.c ---- */

/* where the shelf begins */
extern void wf_plan_shelf_starts(WfPlan *plan, uint64 position);
/* the first position that nobody has taken */
extern void wf_plan_shelf_at(WfPlan *plan, TimestampTz now, uint64 head);
/* one was taken by this receiver, with that ask */
extern void wf_plan_taken(WfPlan *plan, TimestampTz now, int64 message_id,
						  int receiver, uint32 ask);
extern bool wf_plan_shelf_is_open(const WfPlan *plan);
/* up to here is laid out; what lies at a position of it; for which queue */
extern uint64 wf_plan_shelf_tail(const WfPlan *plan);
extern const WfEntry *wf_plan_laid(const WfPlan *plan, uint64 position);
extern int32 wf_plan_shelf_queue(const WfPlan *plan);

/* ---- plan_spill.c ---- */

/* the answer to a request COUNT */
extern void wf_plan_left(WfPlan *plan, TimestampTz now, int32 queue_id,
						 int64 left);

/* ---- plan_show.c: what views show ---- */

/* of all queues, since it was last told */
typedef struct WfFlowCounts
{
	uint32 started;
	uint32 succeeded; /* messages alone */
	uint32 failed;	  /* likewise */
} WfFlowCounts;

typedef void (*WfFlowShow)(void *arg, int32 queue_id, const WfQueueGauges *g,
						   const WfFlowCounts *counts);
/* calls "show" for each queue that has changed */
extern void wf_plan_show(WfPlan *plan, WfFlowShow show, void *arg);

typedef struct WfPlanTotals
{
	uint32 ready;
	uint32 timers;
	TimestampTz oldest_ready; /* 0: none */
	uint64 ended;			  /* rises when something has */
} WfPlanTotals;

extern void wf_plan_totals(const WfPlan *plan, WfPlanTotals *out);

/* ---- tests ---- */

/* rules that a test leaves out */
#define WF_BREAK_LIMITS	   0x0001  /* limits of queue and group */
#define WF_BREAK_RATES	   0x0002  /* a start that began counts no more */
#define WF_BREAK_RESERVE   0x0004  /* starts without a reservation */
#define WF_BREAK_VALID	   0x0008  /* an offer after its reservation */
#define WF_BREAK_ORDER	   0x0010  /* a strict group by the last that came */
#define WF_BREAK_RETURNED  0x0020  /* what is taken back goes to the end */
#define WF_BREAK_TAKE_BACK 0x0040  /* a failed take_back() is not noticed */
#define WF_BREAK_PAUSE	   0x0080  /* starts what is paused */
#define WF_BREAK_BLOCK	   0x0100  /* a failed run does not block */
#define WF_BREAK_SHELF	   0x0200  /* what comes first does not empty it */
#define WF_BREAK_SPILL	   0x0400  /* what was left is not read again */
#define WF_BREAK_FAIR	   0x0800  /* a group keeps its turn */
#define WF_BREAK_RESUME	   0x1000  /* resuming does not let it go on */
#define WF_BREAK_LOOK	   0x2000  /* what is handed out is given back */
#define WF_BREAK_CLAIM	   0x4000  /* starts what is being written */
#define WF_BREAK_KNOWN	   0x8000  /* does not wait for what is unread */
#define WF_BREAK_SHARE	   0x10000 /* a role takes the last executor, too */
#define WF_BREAK_TURNS	   0x20000 /* who had an executor gets the next */
#define WF_BREAK_SHORTAGE \
	0x40000						 /* goes on as ever while short of something */
#define WF_BREAK_SOLO	 0x80000 /* suspects go together */
#define WF_BREAK_STAYS	 0x100000 /* known_to does not fall */
#define WF_BREAK_BELOW	 0x200000 /* a full window leaves what comes before */
#define WF_BREAK_FORGET	 0x400000 /* forgets a group that is not empty */
#define WF_BREAK_BEYOND	 0x800000 /* takes what comes beyond known_to */
/* ... up to 0x8000000 are bits of the simulator's own */
#define WF_BREAK_FOREIGN 0x10000000 /* rows of a copy are written */
#define WF_BREAK_DOORS	 0x20000000 /* one role's runs hide another's */

#ifdef WF_TEST_BUILD
/* Leaves out a rule, so that a checker can be seen to find it. */
extern void wf_plan_break(WfPlan *plan, uint32 bits);
#endif

#endif /* WF_CORE_PLAN_H */
