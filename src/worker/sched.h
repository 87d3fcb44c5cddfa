/*
 * sched.h
 *		What the parts of the scheduler share.
 *
 * scheduler.c			main, start-up, the cycle, sleeping
 * sched_load.c			learning of runs: ring, scans, cells, strikes
 * sched_ready.c		entries: queues, timers, deadlines
 * sched_gate.c			queues and groups: what may start (see sched_gate.h)
 * sched_rules.c		... and what they allow
 * sched_rates.c		... and how often
 * sched_seats.c		executors and their cells: offer, take back, reap
 * sched_dispatch.c		who gets what
 * sched_executors.c	how many executors, and of which roles
 * sched_requests.c		what clients and the clock ask of single runs, control
 * sched_messages.c		messages: news of them, and who has them
 * sched_leases.c		... and when they come back
 * sched_receivers.c		who asks for messages, or waits for some
 * sched_shelf.c		... and what they take without asking
 * sched_retention.c	what was kept long enough
 * sched_alerts.c		who is told of what happens in a queue
 *
 * There is one scheduler in a process, so its state is one variable.
 */
#ifndef WF_WORKER_SCHED_H
#define WF_WORKER_SCHED_H

#include "base/spi.h"
#include "store/control.h"
#include "worker/sched_gate.h"
#include "worker/sched_ready.h"
#include "worker/shmem.h"

/* rows read, or written, in one transaction */
#define WF_SCHED_CHUNK 1000
#define WF_SCHED_BATCH 100

/* how long an executor may be at one run before it gets no more in advance */
#define WF_SEAT_SLOW_USEC 20000

/* executors that may end under one run before the run is parked */
#define WF_MAX_LOSSES 25

/* our view of an executor's slot; index in wf_sched.seats is the slot's */
typedef struct WfSeat
{
	WfSlot *slot; /* NULL: not ours */
	WfRole *role;
	dlist_node role_node; /* in role->seats */
	WfEntry *entries[WF_CELLS];
	int load;				 /* cells in use */
	uint64 seq;				 /* last one given out */
	TimestampTz progress_at; /* last end of a run, or first after idling */
	bool slow;				 /* the last run took long */
	bool live;				 /* process attached */
	bool retiring;			 /* told to end */
} WfSeat;

typedef struct WfSched
{
	WfDatabase *db;
	Oid extension;
	MemoryContext life_cxt;
	MemoryContext cycle_cxt; /* reset every cycle */
	WfReady ready;

	WfSeat *seats; /* [wf_shared->nslots] */
	int *used;	   /* indexes of those that are ours */
	int nused;

	WfScan *scans; /* walks under way, the first one at work */
	int nscans;
	int scans_allocated;
	bool loading;		  /* the first of them is the initial load */
	pg_uuid_t scanned_to; /* highest id seen by any scan */
	WfWork *infos;		  /* [2 * WF_SCHED_CHUNK] what is being learnt */

	pg_uuid_t *suspects; /* runs that may have crashed the server */
	int nsuspects;

	WfControl control;
	bool control_known;
	bool halted;   /* stopped, foreign, or not enabled */
	int32 *paused; /* ids of paused workflows, sorted */
	int npaused;

	uint32 events;		 /* WF_EVENT_* still to be dealt with */
	TimestampTz now;	 /* when the cycle began */
	TimestampTz wake_at; /* look again then, whatever else is due */
	bool more;			 /* something is left: do not sleep */
} WfSched;

extern WfSched wf_sched;

/*
 * One transaction with an owner window; "activity" is a fixed phrase.  After
 * the commit the current context is cycle_cxt.
 */
extern void wf_sched_begin(WfWindow *w, const char *activity);
extern void wf_sched_commit(WfWindow *w);

/* look again at "when", at the latest */
static inline void
wf_sched_wake_at(TimestampTz when)
{
	if (wf_sched.wake_at > when)
		wf_sched.wake_at = when;
}

/* ---- sched_load.c ---- */

/* in an open window: strikes for what crashed the server, suspects */
extern bool wf_load_strikes(void);
/* takes over what executors have in hand */
extern void wf_load_cells(void);
extern void wf_load_discard_ring(void);
extern void wf_load_ring(void);
/* NULL: no bound */
extern WfScan *wf_load_add_scan(const pg_uuid_t *first, const pg_uuid_t *last);
extern void wf_load_scan(void);
/* up to where WAL has to be flushed for what a transaction now has seen */
extern XLogRecPtr wf_load_seen_upto(void);
/* are there more runs than one or two that have yet to be read? */
extern bool wf_load_is_reading(void);
extern void wf_load_started(const WfStarted *started);
/* signals of runs that go on as others, of which nobody told us */
extern void wf_load_stranded(void);

/* one that was returned by a read of the table, or by the ring (scan NULL) */
extern void wf_load_learn(const WfWork *info, const WfScan *from_scan);

/* ---- sched_messages.c ---- */

extern void wf_messages_init(void);
/* what was told before we came is in the tables */
extern void wf_messages_discard_news(void);
extern void wf_messages_news(void);
/* a message of which there is no entry, as its row was read */
extern void wf_messages_learn(const WfWork *info);
/* one that was just made, or admitted: it is with a receiver, until a time */
extern void wf_messages_hold(WfEntry *entry, TimestampTz until);
/* the list of what a receiver holds */
extern dlist_head *wf_messages_held_by(int receiver);

/* before the gate again, or until a time */
extern void wf_messages_give_back(WfEntry *entry, TimestampTz due_at);
/* acknowledged; dead */
extern void wf_messages_done(WfEntry *entry);
extern void wf_messages_died(WfEntry *entry);
/* it was given up and deleted */
extern void wf_messages_gone(WfEntry *entry);

/* ---- sched_leases.c ---- */

/* leases that are over, and receives that were rolled back */
extern void wf_messages_expire(void);

/* ---- sched_receivers.c ---- */

extern void wf_receivers_init(void);
/* this one asks, or waits */
extern void wf_receivers_came(int receiver);
/* hands out what may be, to all that ask; may be called again in a cycle */
extern void wf_receivers_serve(void);
/* answers those that were served, or cannot be; wakes who waits */
extern void wf_receivers_answer(void);
/* takes a message from the shelf, which this receiver took with that ask */
extern void wf_receivers_took(WfEntry *entry, int receiver, uint32 ask);
/* does anybody wait for messages of the queue, or was just woken? */
extern bool wf_receivers_wait_for(int32 queue_id);

/*
 * Have messages been handed out of late, while nobody waits for some?  Then
 * nothing depends on what becomes of them at once.
 */
extern bool wf_receivers_are_busy(void);
/* does anybody ask or wait for messages of the queue? */
extern bool wf_receivers_attend(int32 queue_id);

/* ---- sched_shelf.c ---- */

/* a single message of the queue was asked for, and handed out */
extern void wf_shelf_asked(const WfQueue *queue);
/* in the cycle: empties it if need be; fills it up */
extern void wf_shelf_check(void);
extern void wf_shelf_fill(void);
/* empties it; what stays in WF_PLACE_SHELF was taken by somebody */
extern void wf_shelf_clear(void);
/* the first message of the queue on it, taken from there; NULL: none */
extern WfEntry *wf_shelf_next(const WfQueue *queue);
/* ... left there; and how many there are */
extern const WfEntry *wf_shelf_first(const WfQueue *queue);
extern uint32 wf_shelf_count(const WfQueue *queue);
/* may anything be laid out, of any queue? */
extern bool wf_shelf_is_open(void);

/* ---- sched_seats.c ---- */

extern void wf_seats_init(void);
extern WfSeat *wf_seat_add(WfSlot *slot);
extern bool wf_seat_offer(WfSeat *seat, WfEntry *entry);
/* false when the executor was faster; else the entry is in no place */
extern bool wf_seat_take_back(WfEntry *entry);
/* what the executor has not begun, back to ready */
extern void wf_seat_clear_offers(WfSeat *seat);
/* sets WF_REQ_* in the cell of a run under way, and interrupts for most */
extern void wf_seat_request(WfEntry *entry, uint32 request);
extern void wf_seat_retire(WfSeat *seat);
extern void wf_seats_reap(void);
/* in no place: keeps its place in queue and group, or is forgotten */
extern void wf_seat_stopped(WfEntry *entry, bool failed);
/* in no place: waits until woken, or until due_at (0: no time) */
extern void wf_seat_sleeps(WfEntry *entry, TimestampTz due_at);
/* something may have come for a run that waits, or is about to */
extern void wf_seat_wake(WfEntry *entry);
/* the same by id, whether or not it is in memory */
extern void wf_sched_wake(const pg_uuid_t *run_id);
/* gives back a slot for which there is no process yet, or no more */
extern void wf_seat_remove(WfSeat *seat);

/* ---- sched_dispatch.c ---- */

extern void wf_dispatch(void);
/*
 * The run to be started next of a role, or NULL.  What may not start now is
 * moved out of the way.
 */
extern WfEntry *wf_dispatch_next(WfRole *role);

/* ---- sched_executors.c ---- */

extern void wf_executors_adjust(void);

/* ---- sched_requests.c ---- */

/* in an open window: reads control row and paused workflows */
extern void wf_control_refresh(void);
/* acts on what was read */
extern void wf_control_apply(void);
extern bool wf_workflow_is_paused(int32 workflow_id);
extern void wf_sched_events(void);
extern void wf_sched_deadlines(void);

/* In an open window: the run has been ended here; nobody waits for its tasks. */
extern void wf_sched_withdraw(const pg_uuid_t *run_id);

/* ---- sched_retention.c ---- */

/* In the cycle: deletes some of what was kept long enough, when it is time. */
extern void wf_retention_run(void);
/* something has ended, or a key was used, that is kept for some time */
extern void wf_retention_touch(void);
/* how long things are kept may have changed */
extern void wf_retention_restart(void);

/* ---- sched_alerts.c ---- */

/* in an open window: who wants to be told of what */
extern void wf_alerts_read(void);
/* this run or message became a dead letter; before it is forgotten */
extern void wf_alerts_died(const WfEntry *entry);
/* dead letters may have become fewer */
extern void wf_alerts_recount(void);
/* how full the queue is now */
extern void wf_alerts_gauges(int32 queue_id, const WfQueueGauges *g);
/* In the cycle: tells what there is to tell. */
extern void wf_alerts_run(void);

/* ---- sched_requests.c ---- */

/* Parks many runs at once, in a transaction of its own, and forgets them. */
extern void wf_sched_park(WfEntry **entries, int n, const char *reason,
						  const char *code, const char *message,
						  const char *hint);

#endif /* WF_WORKER_SCHED_H */
