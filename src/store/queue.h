/*
 * queue.h
 *		Table _workflow.queue, as the scheduler and the executor use it.
 *
 * The queue "default" (WF_DEFAULT_QUEUE) has no row until it is altered; here
 * it is there all the same.  All functions need an open owner window unless
 * they say otherwise.
 */
#ifndef WF_STORE_QUEUE_H
#define WF_STORE_QUEUE_H

#include "datatype/timestamp.h"

/* how many starts a group gets in its turn, where it is not one */
typedef struct WfGroupWeight
{
	uint64 group; /* wf_group_hash() */
	int32 weight; /* 1 or more */
} WfGroupWeight;

/* what decides over starts; limits that are NULL in the table are 0 */
typedef struct WfQueueRules
{
	int32 queue_id;
	bool paused;
	bool blocks; /* on_group_failure => 'block' */
	bool fair;
	int32 max_running;
	int32 max_active;
	int32 group_max_active;
	int32 rate_limit;
	int32 group_rate_limit;
	int64 rate_period; /* microseconds */
	int nweights;
	WfGroupWeight *weights; /* sorted by group */
} WfQueueRules;

/*
 * The rules of all queues that have any: those without a limit that are not
 * paused may be left out.  Allocated in "cxt"; count.
 */
extern int wf_queue_rules(MemoryContext cxt, WfQueueRules **out);

/*
 * What stands for a group outside of the tables, never 0.  Two groups of one
 * hash would share their limits, which is safe, and less likely than 1 in
 * 10^9 with 100,000 groups.  No window needed.
 */
extern uint64 wf_group_hash(const char *key, int length);

#endif /* WF_STORE_QUEUE_H */
