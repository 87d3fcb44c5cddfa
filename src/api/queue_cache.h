/*
 * queue_cache.h
 *		Queues as a client's backend keeps them, with the answer to whether it
 *		may put work into them.
 */
#ifndef WF_API_QUEUE_CACHE_H
#define WF_API_QUEUE_CACHE_H

#include "store/queue_send.h"

/*
 * The queue of this name, into which the current user may put work.  Raises
 * 42704 or 42501.  No window may be open.  The result lives until the next
 * call or the end of the transaction.
 */
extern const WfQueueSend *wf_queue_allowed(const char *name, int length);

/* The same of the queue with this id, which workflow "workflow" names. */
extern const WfQueueSend *wf_queue_allowed_of(const char *workflow,
											  int32 queue_id);

/* So many runs or messages were put in it: counted when the transaction ends. */
extern void wf_queue_count_enqueued(int32 queue_id, uint64 n);

#endif /* WF_API_QUEUE_CACHE_H */
