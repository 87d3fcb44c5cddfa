/*
 * queue_stats.h
 *		What views show of queues: how full each is now, and counters.
 *
 * Lost in a crash, like pg_stat.  At most workflow.max_tracked queues of all
 * databases have an entry; what does not fit is shown nowhere and said once in
 * the log.  All functions are safe outside a transaction; none raises an
 * ERROR, so that they can be called in a commit callback.
 */
#ifndef WF_IPC_QUEUE_STATS_H
#define WF_IPC_QUEUE_STATS_H

#include "port/atomics.h"

#include "core/gauges.h"

typedef enum WfQueueCounter
{
	WF_QCOUNT_ENQUEUED,
	WF_QCOUNT_STARTED,
	WF_QCOUNT_SUCCEEDED,
	WF_QCOUNT_FAILED,
	WF_QCOUNT_CANCELLED,
	WF_QCOUNT_PARKED,
	WF_QCOUNT_N
} WfQueueCounter;

/* where a queue_id is asked for, 0 being the queue "default" */
#define WF_ALL_QUEUES (-1)

extern Size wf_queue_stats_size(void);
extern void wf_queue_stats_startup(bool found); /* from wf_shmem_startup */

/*
 * Shows how the queue is now.  A scheduler that takes over begins with
 * wf_queue_unpublish(), as the gauges of the one before it are still there.
 */
extern void wf_queue_publish(Oid database, int32 queue_id,
							 const WfQueueGauges *g);
extern void wf_queue_unpublish(Oid database);

/* starts and ends of the minute before "now" */
extern void wf_queue_minute(const WfQueueGauges *g, TimestampTz now,
							uint32 *started, uint32 *ended);

/* false, and all zero, when nothing was published */
extern bool wf_queue_gauges(Oid database, int32 queue_id, WfQueueGauges *out);

extern void wf_queue_count(Oid database, int32 queue_id, WfQueueCounter c,
						   uint64 n);

/* false when nothing was counted */
extern bool wf_queue_counts(Oid database, int32 queue_id,
							uint64 values[WF_QCOUNT_N], TimestampTz *since);
/* counters only; WF_ALL_QUEUES: all of the database */
extern void wf_queue_stats_reset(Oid database, int32 queue_id);
/* the queue, or the database or its extension, is gone: frees its entries */
extern void wf_queue_stats_forget(Oid database, int32 queue_id);

#endif /* WF_IPC_QUEUE_STATS_H */
