/*
 * sched_spill.h
 *		Runs and messages that stay in the table until there is room for them in
 *		memory.
 *
 * What is said of runs holds for messages too: of a queue both are left and
 * read again in one order (store/work.h).  One that somebody has, or had, is
 * never left.
 *
 * The scheduler keeps no more entries than workflow.scheduler_memory has room
 * for.  Beyond that a queue is *spilled*: its runs with ids above `upto` stay
 * in the table, and are read in the order of their ids when room is made.
 * Of each queue SPILL_FLOOR entries may wait in memory all the same, so that a
 * flood in one leaves the others their turn; and what has a priority is let in,
 * so that it does not wait behind what was spilled.
 *
 * Runs that wait for a time are spilled by that time: those due at timers_to
 * or later stay in the table until that time is near.
 *
 * While nothing that is known of a queue can start (its workflow is paused, its
 * groups are closed), what can is looked for in the table, and memory may grow
 * to some times the limit.
 *
 * What has begun, or has been admitted, is never left; a run that is in the
 * table alone is changed there by whoever cancels it.  Its run_timeout is
 * noticed when it is read.
 */
#ifndef WF_WORKER_SCHED_SPILL_H
#define WF_WORKER_SCHED_SPILL_H

#include "store/control.h"
#include "store/run.h"

typedef struct WfSpill
{
	bool on;
	bool reading;	/* a scan is under way */
	uint32 nleft;	/* about how many are in the table */
	pg_uuid_t upto; /* on: all ids up to here are known */
} WfSpill;

/* Is this run, of which there is no entry, to stay in the table? */
extern bool wf_spill_leaves(const WfWork *info);

/* Asks for scans where there is room. */
extern void wf_spill_refill(void);

/* Is some of it in the table, and will the next wf_spill_refill() read it? */
struct WfQueue;
extern bool wf_spill_will_read(struct WfQueue *queue);

/* A scan for wf_spill_refill() has read a chunk, of n rows. */
extern void wf_spill_read(const WfScan *scan, int n);

/* All that comes after this id of the queue stays in the table for now. */
extern bool wf_spill_is_past(int32 queue_id, const pg_uuid_t *id);
extern const pg_uuid_t *wf_spill_upto(int32 queue_id);
/* how many have ids above `upto` */
extern void wf_spill_set_left(int32 queue_id, int64 nleft);

/* How many of a queue are in the table, about; NULL: "default" without rules */
extern uint32 wf_spill_left(const struct WfQueue *queue);

#endif /* WF_WORKER_SCHED_SPILL_H */
