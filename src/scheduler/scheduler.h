/*
 * scheduler.h
 *		What the parts of the scheduler's process share.
 *
 * The plan (core/plan.h) decides; it lies between two sides, which tell it what
 * has happened and carry out what it wants done:
 *
 *	shared memory	sched_cells.c		executors and their cells
 *					sched_messages.c	news of commits, receivers, the shelf
 *					sched_actions.c		... what the plan wants done there
 *	tables			sched_reads.c		walks over what is unfinished
 *					sched_answers.c		what the plan asks for
 *					sched_leases.c		... messages whose lease is over
 *					sched_roles.c		... roles
 *					sched_rows.c		runs that are ended or parked here
 *					sched_requests.c	what clients ask of runs
 *					sched_signals.c		what was sent to runs
 *					sched_control.c		stop and start, pauses, rules
 *					sched_alerts.c		who is told of what happens in a queue
 *					sched_retention.c	what was kept long enough
 *					sched_grace.c		processes that go on after a cancel
 *	both			sched_show.c		what views show
 *					sched_shortage.c	... of shortages, and what is logged
 *
 * scheduler.c has main, start-up and the cycle; sched_window.c transactions.
 */
#ifndef WF_SCHEDULER_SCHEDULER_H
#define WF_SCHEDULER_SCHEDULER_H

#include "portability/instr_time.h"

#include "base/spi.h"
#include "core/plan.h"
#include "ipc/shmem.h"
#include "store/control.h"
#include "store/work.h"

struct WfAlerts;
struct WfRetention;
struct WfGrace;

/* over what clients ask of runs, in the order of their requests */
typedef struct WfRequestWalk
{
	bool under_way;
	bool again;		/* something may have come behind it */
	bool applied;	/* it has changed something */
	bool has_newer; /* ... that has not been looked at */
	int64 after;
	int64 newest_after; /* what was made since the walk began */
} WfRequestWalk;

/* over what was sent to runs, in the order of their ids */
typedef struct WfSignalWalk
{
	bool under_way;
	bool wakes;
	bool again;
	bool again_wakes;
	pg_uuid_t after;
} WfSignalWalk;

/* the answer to WF_PLAN_COUNT, page by page */
typedef struct WfCounting
{
	bool under_way;
	WfWorkLeft left;
} WfCounting;

typedef struct WfScheduler
{
	WfDatabase *db;
	Oid extension;
	MemoryContext life_cxt;
	MemoryContext cycle_cxt; /* reset every cycle */
	MemoryContext plan_cxt;	 /* of the plan; its slabs are below it */
	MemoryContext entry_cxt;
	MemoryContext deadline_cxt;
	WfPlan *plan;
	WfWork *rows; /* [2 * WF_PLAN_CHUNK] what is being told */

	WfControl control;
	bool control_known;
	bool halted;   /* stopped, foreign, or not enabled */
	int32 *paused; /* ids of paused workflows, sorted */
	int npaused;
	MemoryContext rules_cxt;   /* of what was read, until it is told */
	struct WfPlanRules *rules; /* ... which is this */
	bool rates_told;		   /* what was reserved before us */

	uint32 events;		 /* WF_EVENT_* still to be dealt with */
	TimestampTz now;	 /* when the cycle, or a transaction in it, began */
	TimestampTz wake_at; /* look again then, whatever else is due */
	bool more;			 /* something is left: do not sleep */
	TimestampTz answered_at;   /* when a receiver last was; 0: never */
	uint64 ended;			   /* WfPlanTotals.ended, as of the last look */
	TimestampTz standby_since; /* commits wait for a missing standby; or 0 */
	uint32 nmet;			   /* runs that have met the present shortage */

	/* bulk work, of which a slice is done in each cycle */
	instr_time slice_began; /* of the transaction at work */
	int64 nforeign;			/* rows of another origin that the load has met */
	WfRequestWalk requests;
	WfSignalWalk signals;
	WfCounting counting;
	WfPlanRequest *asked; /* by the plan, and not answered yet */
	int nasked;
	int asked_allocated;

	struct WfAlerts *alerts;
	struct WfRetention *retention;
	struct WfGrace *grace;
} WfScheduler;

/*
 * A slice is what is done of bulk work before the scheduler looks again at what
 * is ready: so much time, or so many rows.
 */
#define WF_SLICE_USEC 5000
#define WF_SLICE_ROWS 100

/* Is it over, with so many rows done?  The first one always is done. */
static inline bool
wf_slice_is_over(const instr_time *began, int nrows)
{
	instr_time now;

	if (nrows == 0)
		return false;
	if (nrows >= WF_SLICE_ROWS)
		return true;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, *began);
	return INSTR_TIME_GET_MICROSEC(now) >= WF_SLICE_USEC;
}

/* ... as seen from the beginning of the transaction at work */
static inline bool
wf_sched_slice_is_over(const WfScheduler *s, int nrows)
{
	return wf_slice_is_over(&s->slice_began, nrows);
}

/* look again at "when", at the latest */
static inline void
wf_scheduler_wake_at(WfScheduler *s, TimestampTz when)
{
	if (s->wake_at > when)
		s->wake_at = when;
}

/* ---- sched_window.c ---- */

/*
 * One transaction with an owner window; "activity" is a fixed phrase.  After
 * the commit the current context is cycle_cxt, and "now" is later.  It commits
 * asynchronously, and whoever lets something out that rests on it flushes first
 * (ipc/exits.h): the scheduler waits for no disk and no standby.
 */
extern void wf_sched_begin(WfScheduler *s, WfWindow *w, const char *activity);
extern void wf_sched_commit(WfScheduler *s, WfWindow *w);
/* The same, and it is on disk afterwards; the others are when they must be. */
extern void wf_sched_commit_durable(WfScheduler *s, WfWindow *w);
/* contexts, and the plan's memory from them */
extern void wf_sched_make_contexts(WfScheduler *s);
extern WfMemory wf_sched_memory(WfScheduler *s);

/* ---- sched_cells.c ---- */

/* the plan's port */
extern bool wf_cells_take_back(void *scheduler, WfLaid where, int index,
							   uint64 position);
/* takes over what executors have in hand */
extern void wf_cells_load(WfScheduler *s);
/* tells what has become of cells and executors */
extern void wf_cells_reap(WfScheduler *s);
/* actions of the plan */
extern void wf_cells_offer(WfScheduler *s, int index, int at);
extern void wf_cells_interrupt(WfScheduler *s, int index, int at,
							   uint32 request);
extern void wf_cells_retire(int index);
extern void wf_cells_hire(WfScheduler *s, Oid role);

/* ---- sched_messages.c ---- */

/* what was told before we came is in the tables */
extern void wf_news_discard(WfScheduler *s);
/* work that was committed; news of messages; what was taken from the shelf */
extern void wf_news_tell(WfScheduler *s);
/* the first of these alone */
extern void wf_news_catch_up(WfScheduler *s);
/* actions of the plan */
extern void wf_news_answer(WfScheduler *s, int receiver);
extern void wf_news_wake(WfScheduler *s, int receiver, uint32 ask);
extern void wf_news_seen(int receiver, bool hurry, uint32 ask);
extern void wf_news_lay_out(WfScheduler *s);
/*
 * Have messages been handed out of late, while nobody waits for some?  Then
 * nothing depends on what becomes of them at once.
 */
extern bool wf_news_are_expected(WfScheduler *s);

/* ---- sched_actions.c ---- */

/* carries out what the plan wants done in shared memory */
extern void wf_actions_carry_out(WfScheduler *s);

/* ---- sched_reads.c ---- */

/* in an open window: strikes for what crashed the server, suspects */
extern bool wf_reads_strikes(WfScheduler *s);
/* begins to read all that is unfinished; "loads": for the first time */
extern void wf_reads_all(WfScheduler *s, bool loads);
/* the next chunk of the walk at work, and what is short behind it */
extern void wf_reads_settle(WfScheduler *s);
extern void wf_reads_go_on(WfScheduler *s);
/* more of groups, as the plan has asked; how many there was time for */
extern int wf_reads_refill(WfScheduler *s, const WfPlanRequest *requests,
						   int n);
/* signals of a run that goes on as another one, and is over */
extern void wf_reads_forward(WfScheduler *s, const WfWorkId *id);

/* ---- sched_signals.c ---- */

/* begins a walk over what was sent; "wakes": and wakes who waits for it */
extern void wf_signals_look(WfScheduler *s, bool wakes);
extern void wf_signals_go_on(WfScheduler *s);

/* ---- sched_answers.c ---- */

/* carries out what the plan asks for; false: there was nothing */
extern bool wf_answers_give(WfScheduler *s);
/* is something left for the next cycle? */
extern bool wf_answers_are_due(const WfScheduler *s);

/* ---- sched_leases.c ---- */

/* all of these are WF_PLAN_LEASE; how many there was time for */
extern int wf_leases_end(WfScheduler *s, const WfPlanRequest *requests, int n);

/* ---- sched_roles.c ---- */

typedef struct WfRoleFault
{
	const char *code;
	char message[NAMEDATALEN + 128];
	const char *hint;
} WfRoleFault;

/* in a transaction: may it have an executor? */
extern bool wf_roles_may_connect(Oid role, WfRoleFault *fault);

/* ---- sched_rows.c ---- */

/* a run whose row was written here */
typedef struct WfRowEnd
{
	WfWorkId id;
	WfEndedOf of;
	WfOver over; /* GONE: cancelled */
} WfRowEnd;

/* In an open window: the run has been ended here; nobody waits for its tasks. */
extern void wf_rows_withdraw(WfScheduler *s, const pg_uuid_t *run_id);
/* after the commit: counters, whoever waits for the runs, the plan */
extern void wf_rows_tell(WfScheduler *s, const WfRowEnd *ends, int n);
/* all of these are WF_PLAN_PARK, OWNER or EXPIRE; how many there was time for */
extern int wf_rows_write(WfScheduler *s, const WfPlanRequest *requests, int n);

/* ---- sched_requests.c ---- */

extern void wf_requests_look(WfScheduler *s);
/* the next slice of it */
extern void wf_requests_go_on(WfScheduler *s);

/* ---- sched_control.c ---- */

/* in an open window: reads control row, pauses and rules; tells them after it */
extern void wf_control_refresh(WfScheduler *s);
extern void wf_control_apply(WfScheduler *s);
/* what has been asked of the scheduler as a whole */
extern void wf_control_events(WfScheduler *s);

/* ---- sched_retention.c ---- */

extern void wf_retention_init(WfScheduler *s);
/* In the cycle: deletes some of what was kept long enough, when it is time. */
extern void wf_retention_run(WfScheduler *s);
/* something has ended, or a key was used, that is kept for some time */
extern void wf_retention_touch(WfScheduler *s);
/* how long things are kept may have changed */
extern void wf_retention_restart(WfScheduler *s);

/* ---- sched_alerts.c ---- */

extern void wf_alerts_init(WfScheduler *s);
/* in an open window: who wants to be told of what */
extern void wf_alerts_read(WfScheduler *s);
/* dead letters may have become fewer */
extern void wf_alerts_recount(WfScheduler *s);
/* how full the queue is now */
extern void wf_alerts_gauges(WfScheduler *s, int32 queue_id,
							 const WfQueueGauges *g);
/* In the cycle: tells what there is to tell. */
extern void wf_alerts_run(WfScheduler *s);

/* ---- sched_grace.c ---- */

extern void wf_grace_init(WfScheduler *s);
/* the run in this cell was cancelled: its executor is given time to heed that */
extern void wf_grace_begin(WfScheduler *s, int index, int at);
/* an executor has ended with the run in this cell */
extern void wf_grace_lost(WfScheduler *s, int index, int at);
/* In the cycle: ends those whose time is over, and tells of those that ended. */
extern void wf_grace_run(WfScheduler *s);

/* ---- sched_show.c ---- */

/* what views show; written only where it changed */
extern void wf_show_all(WfScheduler *s);

/* ---- sched_shortage.c ---- */

/* At the start: a shortage may have ended the scheduler before us. */
extern void wf_sched_shortage_take_over(WfScheduler *s);
/* In the cycle: shows what is short, and logs where it begins and ends. */
extern void wf_sched_shortage_show(WfScheduler *s);

#endif /* WF_SCHEDULER_SCHEDULER_H */
