/*
 * sim.h
 *		A world around the plan of the scheduler (core/plan.h): tables, executors,
 *		receivers and a clock, all of them models.
 *
 * sim_world.c has the tables and what is read from them, sim_clients.c the
 * transactions that write them, sim_memory.c executors, sim_receivers.c receivers
 * and the shelf, sim_events.c what happens, sim_check.c what must hold.
 * Everything follows from one seed.
 */
#ifndef CORE_TEST_SIM_H
#define CORE_TEST_SIM_H

#include "core/plan_parts.h"

#include "random.h"

#define SIM_SLOTS	  6
#define SIM_RECEIVERS 5
#define SIM_QUEUES	  8 /* ids 0 ("default") to 7 */
#define SIM_ROLES	  3 /* oids 1 .. */
#define SIM_WORKFLOWS 5
#define SIM_GROUPS	  6 /* hashes 1 .. */
#define SIM_CHUNK	  20
#define SIM_PENDING	  4096
#define SIM_STARTS	  4096
#define SIM_NEWS	  64
#define SIM_TX		  6
#define SIM_TX_ROWS	  40

/* rules that clients leave out, beside those of the plan */
#define SIM_BREAK_COMPARE  0x2000000 /* old places are not compared at commit */
#define SIM_BREAK_RAISE	   0x4000000 /* what is committed is not remembered */
/* ... and the side that reads the tables */
#define SIM_BREAK_SNAPSHOT 0x1000000 /* commits are told after it is taken */

typedef enum SimState
{
	SIM_OPEN,	 /* written, not committed */
	SIM_QUEUED,	 /* or in back-off until due_at */
	SIM_WAITING, /* until due_at, or until something comes */
	SIM_PARKED,
	SIM_BLOCKING, /* failed, and keeps its group closed */
	SIM_LEASED,	  /* message: until lease_until */
	SIM_DEAD,	  /* message */
	SIM_ENDED
} SimState;

/* a row of work, and what really goes on with it */
typedef struct SimRow
{
	WfWorkId id;
	uint64 ticks;
	int64 place;
	bool message;
	SimState state;
	int32 queue_id;
	int32 workflow_id;
	int32 priority;
	Oid owner;
	uint64 group;
	TimestampTz due_at;
	TimestampTz deadline_at;
	TimestampTz lease_until;
	bool begun;	  /* on disk: user code has run */
	bool came;	  /* something came that it waits for */
	bool paused;  /* by a client */
	bool delayed; /* had a due time at its enqueue */
	bool started; /* user code has ever run */
	bool unread;  /* in hand when the plan began, which learns it late */
	bool excused; /* counted before its group closed, or limits fell */
	int writers;  /* of the tables' side: nobody else may have it */
	int seat;	  /* where it is offered, or taken; -1: nowhere */
	int receiver; /* whose open transaction has its row; -1: nobody's */
	int promised; /* who was handed it, and has yet to take its row; or -1 */
	int retries;
	bool strict;	 /* its group had a limit of one when it was written */
	uint64 read;	 /* number of the event, as of its last read, */
	uint64 drawn;	 /* ... of its id, ... */
	uint64 issued;	 /* of its commit, and when that ... */
	uint64 returned; /* ... has returned; 0: it has not */
} SimRow;

/* a transaction of a client; see sim_clients.c */
typedef enum SimTxPhase
{
	SIM_TX_OPEN,
	SIM_TX_COMMITTING,
	SIM_TX_VISIBLE
} SimTxPhase;

typedef struct SimTx
{
	SimTxPhase phase;
	int n;
	WfWorkId ids[SIM_TX_ROWS];
} SimTx;

typedef enum SimCellState
{
	SIM_CELL_EMPTY,
	SIM_CELL_OFFERED,
	SIM_CELL_TAKEN,
	SIM_CELL_DONE
} SimCellState;

typedef struct SimCell
{
	SimCellState state;
	WfWorkId id;
	uint64 seq;
	uint32 flags;
	uint32 request;
	TimestampTz offered_at;
	TimestampTz begun_at;
	bool exempt; /* rules have changed since it was offered */
	WfOutcome outcome;
	TimestampTz due_at;
	WfShortage shortage;
	bool engine_met;
	bool wrote;
} SimCell;

typedef enum SimSlotState
{
	SIM_SLOT_FREE,
	SIM_SLOT_WANTED,
	SIM_SLOT_STARTING,
	SIM_SLOT_LIVE,
	SIM_SLOT_GONE
} SimSlotState;

typedef struct SimSlot
{
	SimSlotState state;
	Oid role;
	TimestampTz started_at;
	bool served; /* has begun a run */
	bool retire;
	bool failed_start;
	SimCell cells[WF_CELLS];
} SimSlot;

typedef enum SimReceiverState
{
	SIM_IDLE,
	SIM_ASKED,
	SIM_WAITS,
	SIM_WOKEN,
	SIM_ANSWERED, /* has yet to take the rows */
	SIM_HOLDS	  /* its transaction is open */
} SimReceiverState;

typedef struct SimReceiver
{
	SimReceiverState state;
	uint32 ask;
	int32 queue_id;
	int32 max;
	int n;
	WfWorkId handed[WF_HANDED_MAX];
	uint32 held_ask;
	bool took; /* some of them */
} SimReceiver;

/* news of messages, as WfNews */
typedef enum SimNewsKind
{
	SIM_NEWS_ASKED,
	SIM_NEWS_TAKEN,
	SIM_NEWS_OVER, /* "how" */
	SIM_NEWS_DONE,
	SIM_NEWS_LOOK,
	SIM_NEWS_LOCKED,
	SIM_NEWS_PURGED /* queue_id */
} SimNewsKind;

typedef struct SimNews
{
	SimNewsKind kind;
	WfWorkId id;
	int32 queue_id;
	int receiver;
	uint32 ask;
	WfAskEnd how;
	TimestampTz until;
} SimNews;

/* what a client has asked, and the tables' side is about to commit */
typedef struct SimClaim
{
	WfWorkId id;
	int kind; /* SIM_CANCEL .. */
} SimClaim;

enum
{
	SIM_CANCEL,
	SIM_PAUSE,
	SIM_RESUME,
	SIM_RETRY,
	SIM_REQUEST_KINDS
};

/* starts of a queue or group that really were made, for its rate */
typedef struct SimStart
{
	int32 queue_id;
	uint64 group;
	TimestampTz at;
} SimStart;

/* since the plan was last told that something is short: of all, or a role */
typedef struct SimSlow
{
	bool on;
	TimestampTz told_at;
	int noffers;
} SimSlow;

typedef struct SimReserved
{
	int32 queue_id;
	uint64 group; /* 0: of the queue */
	int32 starts;
	int32 left; /* not used up by starts, as far as we have seen */
	TimestampTz at;
	bool exempt; /* from before the rules changed */
} SimReserved;

/* rows of a refill; no window is larger in so little memory */
#define SIM_REFILL_ROWS 8

typedef struct SimRefill
{
	WfPlanRequest request;
	uint64 read_at; /* event */
	WfRefill how;
	WfSpot to;
	int n;
	WfWork rows[SIM_REFILL_ROWS];
} SimRefill;

typedef struct Sim
{
	uint64 rnd;
	uint64 events;
	TimestampTz now;
	uint64 ticks;
	WfPlan *plan;
	uint32 broken;
	bool settling;	   /* no accidents now */
	const char *fault; /* what did not hold, or NULL */
	char fault_text[200];

	/* tables, by ticks */
	SimRow *rows;
	int nrows;
	int rows_allocated;
	WfQueueRules rules[SIM_QUEUES];
	WfGroupWeight weights[SIM_QUEUES][2];
	int32 paused[SIM_WORKFLOWS];
	int npaused;
	bool halted;
	bool role_may[SIM_ROLES + 1];
	SimTx open[SIM_TX];
	int nopen;
	int64 highest[SIM_QUEUES][SIM_GROUPS + 1]; /* place that was committed */
	int executors;							   /* settings */
	int per_role;
	SimReserved *reserved;
	int nreserved;
	int reserved_allocated;

	/* on their way to the plan: ids of commits, in order */
	WfWork ring[64];
	int nring;
	bool missed;
	WfWorkId missed_low;
	WfWorkId missed_high;
	SimNews news[SIM_NEWS];
	int nnews;
	bool news_lost;
	WfPlanRequest pending[SIM_PENDING];
	int npending;
	SimClaim claims[64];
	int nclaims;

	SimSlot slots[SIM_SLOTS];
	SimReceiver receivers[SIM_RECEIVERS];
	uint64 shelf_head;
	uint64 shelf_tail;
	int32 shelf_queue;
	bool shelf_heeded; /* all that may change the order has been acted on */
	WfWorkId shelf[WF_SHELF_SIZE];
	uint64 decided;	  /* event of the last decision */
	uint64 last_laid; /* highest number of a message on it, ever */
	uint64 rush_until;
	int32 rush_queue;

	/* the disk is full, for each that writes */
	bool full;
	SimSlow slow[SIM_ROLES + 1]; /* 0: of all */
	uint64 nmet;

	/* what really began */
	SimStart starts[SIM_STARTS];
	int nstarts;
	/* fair: starts of one group while another waited */
	int passed[SIM_QUEUES][SIM_GROUPS + 1][SIM_GROUPS + 1];
	uint64 strict_since[SIM_QUEUES]; /* event of the last change of rules */
	/* runs of others begun while a role had work and no executor */
	int starved[SIM_ROLES + 1];

	struct SimBlock *blocks; /* the plan's memory */
	uint64 offers;
	uint64 restarts;
	uint64 refills;
	SimRefill early[16]; /* see sim_window.c */
	uint64 laid;  /* on the shelf */
	uint64 taken; /* from there, by receivers */
} Sim;

/* n in 0 .. below - 1; true once in n times */
#define sim_below(sim, n)	random_below(&(sim)->rnd, n)
#define sim_once_in(sim, n) (random_below(&(sim)->rnd, n) == 0)

/* ---- sim_world.c ---- */

extern Sim *sim_create(uint64 seed, uint32 broken);
extern void sim_destroy(Sim *sim);
/* tells the plan the settings */
extern void sim_set(Sim *sim);
/* a plan that knows nothing yet */
extern void sim_new_plan(Sim *sim);
extern SimRow *sim_row(Sim *sim, const WfWorkId *id);
/* a new row, open; NULL when there are many */
extern SimRow *sim_insert(Sim *sim, bool message);
extern void sim_describe(Sim *sim, const SimRow *row, WfWork *work);
extern void sim_push(Sim *sim, const WfWork *work);
extern void sim_tell_ring(Sim *sim);
extern void sim_note(Sim *sim, const SimRow *row, uint32 flags);
extern bool sim_read_chunk(Sim *sim);
extern void sim_load(Sim *sim);
extern void sim_tell_rules(Sim *sim, bool first);
extern bool sim_is_finished(const SimRow *row);
/* can a walk find it? */
extern bool sim_is_read(const SimRow *row);
extern void sim_look(Sim *sim, const WfPlanRequest *request);
extern void sim_change_rules(Sim *sim, int32 queue_id, bool open);

/* ---- sim_clients.c ---- */

/* the next thing that a client with an open transaction does */
extern void sim_client(Sim *sim);
/* all of them come to their end */
extern void sim_end_clients(Sim *sim);

/* ---- sim_window.c ---- */

extern void sim_refill(Sim *sim, const WfPlanRequest *request);
extern void sim_refill_asked(Sim *sim, const WfPlanRequest *request);
extern void sim_check_windows(Sim *sim);
/* does memory know only a part of this group? */
extern bool sim_has_more(WfQueue *queue, uint64 group);

/* ---- sim_memory.c ---- */

extern bool sim_take_back(void *sim, WfLaid where, int index, uint64 position);
/* carries out what the plan wants */
extern void sim_act(Sim *sim);
extern void sim_reap(Sim *sim);
extern void sim_executor(Sim *sim, int index);
extern void sim_begin_taken(Sim *sim);
extern void sim_found(Sim *sim);

/* ---- sim_receivers.c ---- */

extern void sim_receiver(Sim *sim, int index);
extern void sim_take_promised(Sim *sim);
/* what they have asked, as it is seen in shared memory */
extern void sim_tell_asks(Sim *sim);
extern void sim_tell_news(Sim *sim);
extern void sim_answered(Sim *sim, int index, uint32 number);
extern void sim_woken(Sim *sim, int index, uint32 ask);
extern void sim_lay_out(Sim *sim);
extern bool sim_shelf_take_back(Sim *sim, uint64 position, int n);
extern void sim_handle_message(Sim *sim);
/* a dead message is deleted */
extern void sim_bury(Sim *sim, SimRow *row);
extern bool sim_is_rush(const Sim *sim);
extern void sim_rush(Sim *sim);
extern void sim_rush_on(Sim *sim);

/* ---- sim_events.c ---- */

/* one event, and what follows from it */
extern void sim_step(Sim *sim);
/* everything comes to an end; false: something did not */
extern bool sim_settle(Sim *sim);
extern void sim_answer(Sim *sim, int which);
extern void sim_enqueue(Sim *sim);
/* for a queue, from now on */
extern void sim_set_rules(Sim *sim, const WfQueueRules *rules);

/* ---- sim_check.c ---- */

extern void sim_fault(Sim *sim, const char *fmt, ...)
	pg_attribute_printf(2, 3);
extern void sim_check_offer(Sim *sim, SimRow *row);
extern void sim_check_taken(Sim *sim, SimRow *row);
extern void sim_check_begin(Sim *sim, SimRow *row, const SimCell *cell);
extern void sim_check_turns(Sim *sim, const SimRow *row);
extern void sim_check_hire(Sim *sim, Oid role);
extern void sim_check_handed(Sim *sim, SimRow *row);
/* the first of what is laid out */
extern void sim_check_laid(Sim *sim, const SimRow *row);
/* the plan has been told that this one keeps its group closed */
extern void sim_closed(Sim *sim, const SimRow *row);
extern void sim_check_decided(Sim *sim);
extern void sim_check_slow(Sim *sim, const SimRow *row);
/* the plan is told what a run of this role has met */
extern void sim_slow_told(Sim *sim, Oid role, const WfCellNews *news);
extern void sim_slow_back(Sim *sim, Oid role);
extern void sim_slow_forget(Sim *sim);
extern void sim_forget_starts(Sim *sim, int32 queue_id);

#endif /* CORE_TEST_SIM_H */
