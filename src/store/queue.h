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

#include "core/rules.h"

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
