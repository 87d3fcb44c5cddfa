/*
 * sched_gates.h
 *		What the parts of the gates share: sched_gate.c (entries),
 *		sched_groups.c (queues and groups), sched_admit.c (admission),
 *		sched_rules.c (rules and their changes), sched_rates.c (rate limits).
 */
#ifndef WF_WORKER_SCHED_GATES_H
#define WF_WORKER_SCHED_GATES_H

#include "worker/sched_gate.h"

typedef struct WfGates
{
	MemoryContext cxt;
	dlist_head queues; /* all that are known */
	struct wf_queues_hash *by_id;
	WfQueue *plain;			/* "default"; NULL while it has no rules */
	WfFlow flow;			/* of "default" while it has none */
	WfSpill spill;			/* likewise */
	uint32 nplain;			/* entries of it */
	uint32 ngroups;			/* of all queues */
	TimestampTz timers_to;	/* see sched_spill.h; DT_NOEND: all are known */
	pg_uuid_t timers_after; /* ... of those due then, up to this id */
	bool timers_reading;	/* a scan is under way */
} WfGates;

extern WfGates wf_gates;

/* by id; NULL when it is not known and "make" is false */
extern WfQueue *wf_gate_queue(int32 queue_id, bool make);
/* the gate of "default", whose entries move behind it when it is made */
extern WfQueue *wf_gate_of_default(void);
/* uncounts an entry that is in no line, and takes it out of queue and group */
extern void wf_gate_detach(WfEntry *entry);
/* dropped: forgotten unless something in it has yet to end */
extern void wf_gate_forget_queue(WfQueue *queue);
/* all entries of the queue have been detached */
extern void wf_gate_set_rules(WfQueue *queue, const WfQueueRules *rules);
extern void wf_gate_set_active(WfEntry *entry, bool active);
extern void wf_gate_set_admitted(WfEntry *entry, bool admitted);

/* since when the oldest that waits before the gate does; 0: none */
extern TimestampTz wf_gate_oldest(const WfQueue *queue);

/* ---- sched_groups.c ---- */

/* to where it belongs, after anything has changed */
extern void wf_group_settle(WfGroup *group);
/* before its line changes: a heap is in order by what is first in it */
extern void wf_group_loosen(WfGroup *group);
extern void wf_group_step_out(WfStand *stand);
/* what of this kind comes next in the group, as far as it is its turn */
extern WfEntry *wf_stand_first(const WfStand *stand);
extern void wf_group_forget(WfGroup *group);
extern void wf_groups_sweep(WfQueue *queue, bool all);
extern bool wf_group_is_strict(const WfGroup *group);
/* by hash, made where there is none; NULL when groups do not matter */
extern WfGroup *wf_gate_group(WfQueue *queue, uint64 hash);

/* ---- sched_rates.c ---- */

/* limit 0: none.  What was counted so far goes on counting. */
extern void wf_limiter_set(WfLimiter *limiter, int32 limit, int64 period);
/* when one can start; now or earlier when one can, DT_NOEND when unknown */
extern TimestampTz wf_limiter_free_at(const WfLimiter *limiter);
extern bool wf_limiter_in_use(const WfLimiter *limiter);
/* has to be reserved on disk before one can start */
extern bool wf_limiter_wants_reserve(const WfLimiter *limiter);
/* ... and will be, by wf_limiters_reserve() */
extern void wf_limiter_reserve_soon(WfQueue *queue, WfGroup *group);
/* may the queue start one?  Arranges for a reservation or a wake-up if not. */
extern bool wf_limiter_may_take(WfLimiter *limiter, WfQueue *queue);
/* takes one, which wants_reserve() and free_at() let; until when it is good */
extern TimestampTz wf_limiter_take(WfLimiter *limiter);
extern void wf_limiter_return(WfLimiter *limiter);
extern void wf_limiter_begun(WfLimiter *limiter, TimestampTz at);
extern void wf_limiter_used(WfLimiter *limiter, TimestampTz at, int32 n);
/* writes what is to be reserved; true when there was anything */
extern bool wf_limiters_reserve(void);
/* in an open window: what was reserved before we came; applied by _load_used */
extern void wf_limiters_read(void);
extern void wf_limiters_apply(void);

#endif /* WF_WORKER_SCHED_GATES_H */
