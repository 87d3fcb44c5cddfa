/*
 * retention.h
 *		What is kept for some time only: finished runs, messages that were
 *		acknowledged or died, dedup_keys of messages.
 *
 * All functions need an open owner window.  None waits for a lock on a row:
 * what somebody has in hand stays for another time.
 */
#ifndef WF_STORE_RETENTION_H
#define WF_STORE_RETENTION_H

#include "datatype/timestamp.h"
#include "utils/palloc.h"
#include "utils/uuid.h"

/*
 * Deletes a run with its steps, signals and requests, with what was noted of
 * it, and with the items of its maps.
 */
extern void wf_run_purge(const pg_uuid_t *run_id);

/*
 * Deletes what a transaction that was still open has left to a run that was
 * deleted meanwhile; nothing where the run is there.
 */
extern void wf_run_sweep(const pg_uuid_t *run_id);

typedef enum WfKeepKind
{
	WF_KEEP_KEYS,	  /* all dedup_keys of messages */
	WF_KEEP_MESSAGES, /* of one queue, in one final state */
	WF_KEEP_RUNS	  /* of one workflow, in one final state */
} WfKeepKind;

typedef struct WfKeep
{
	WfKeepKind kind;
	int32 id;	/* queue_id or workflow_id */
	char state; /* WF_MESSAGE_* or WF_RUN_* */
	int64 keep; /* microseconds; of keys 0: each has its own time */
} WfKeep;

/*
 * Everything there is that is not kept for ever, allocated in "cxt"; count.
 * *shortest is the shortest time that anything is kept from now on.
 */
extern int wf_retention_list(MemoryContext cxt, WfKeep **out, int64 *shortest);

/*
 * Deletes up to about "max" rows whose time is over, the oldest first; how many
 * there were.  A run stays that still has a parent, or children that have not
 * ended, or keeps its group closed; so does a message that does.
 */
extern int wf_retention_delete(const WfKeep *keep, TimestampTz now, int max);

/* When the time of the next one is over; DT_NOEND: there is none. */
extern TimestampTz wf_retention_next(const WfKeep *keep);

#endif /* WF_STORE_RETENTION_H */
