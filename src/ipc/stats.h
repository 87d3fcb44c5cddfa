/*
 * stats.h
 *		Cumulative counters per workflow, in shared memory.
 *
 * Lost in a crash, like pg_stat.  At most workflow.max_tracked workflows of
 * all databases are counted; what does not fit is counted nowhere and said
 * once in the log.  All functions are safe outside a transaction; none can
 * raise an ERROR once the entry exists.
 */
#ifndef WF_IPC_STATS_H
#define WF_IPC_STATS_H

#include "datatype/timestamp.h"
#include "port/atomics.h"

typedef enum WfCounter
{
	WF_COUNT_ENQUEUED,
	WF_COUNT_SUCCEEDED,
	WF_COUNT_FAILED,
	WF_COUNT_CANCELLED,
	WF_COUNT_PARKED,
	WF_COUNT_STEPS,			/* recorded */
	WF_COUNT_STEP_FAILURES, /* failed attempts, each */
	WF_COUNT_RETRIES,		/* ... of which will be retried */
	WF_COUNT_RUN_USEC,		/* microseconds executors spent on runs */
	WF_COUNT_STEP_USEC,		/* ... of which in steps */
	WF_COUNT_N
} WfCounter;

extern Size wf_stats_size(void);
extern void wf_stats_startup(bool found); /* from wf_shmem_startup */

extern void wf_stats_add(Oid database, int32 workflow_id, WfCounter counter,
						 uint64 amount);

/* false when nothing was counted */
extern bool wf_stats_get(Oid database, int32 workflow_id,
						 uint64 values[WF_COUNT_N], TimestampTz *since);
/* workflow_id 0: all of the database */
extern void wf_stats_reset(Oid database, int32 workflow_id);
/* the database or its extension is gone: frees its entries */
extern void wf_stats_forget(Oid database);

#endif /* WF_IPC_STATS_H */
