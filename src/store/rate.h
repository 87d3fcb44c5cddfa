/*
 * rate.h
 *		Table _workflow.rate: starts that were charged to a rate limit before
 *		they were made.
 *
 * Only the scheduler writes it.  A row tells that up to that many starts may
 * have been made at any time since, until they were used up or given up; how
 * long that can be is the caller's to know.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_RATE_H
#define WF_STORE_RATE_H

#include "core/rate.h"

/* group 0: the limit of the whole queue */
extern void wf_rate_reserve(int32 queue_id, uint64 group, int32 starts,
							TimestampTz at);

/*
 * All of them, those of one limit in the order of their times.  Allocated in
 * "cxt"; count.
 */
extern int wf_rate_load(MemoryContext cxt, WfRateUsed **out);

/* Deletes what a queue and its groups reserved before that time. */
extern void wf_rate_forget_before(int32 queue_id, TimestampTz before);

/* ... and all of queues that are no more. */
extern void wf_rate_forget_dropped(void);

#endif /* WF_STORE_RATE_H */
