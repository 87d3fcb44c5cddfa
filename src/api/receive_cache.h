/*
 * receive_cache.h
 *		Queues as a client's backend keeps them, with the answer to whether it
 *		may take messages out of them.
 */
#ifndef WF_API_RECEIVE_CACHE_H
#define WF_API_RECEIVE_CACHE_H

#include "store/queue_receive.h"

/*
 * The queue of this name, whose messages the current user may take, look at
 * and delete.  Raises 42704 or 42501.  No window may be open.  The result
 * lives until the next call or the end of the transaction.
 */
extern const WfQueueReceive *wf_queue_receivable(const char *name, int length);

/* The same of the queue with this id, which a message is in. */
extern const WfQueueReceive *wf_queue_receivable_of(int32 queue_id);

/* May the current user do so?  Raises nothing. */
extern bool wf_queue_may_receive(int32 queue_id);

#endif /* WF_API_RECEIVE_CACHE_H */
