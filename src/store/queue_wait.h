/*
 * queue_wait.h
 *		What of its queue and its group keeps a run waiting, for views and
 *		why().
 *
 * This looks at the tables and the executors' slots, and tells what is most
 * likely; who decides is the scheduler.
 *
 * Functions need an open owner window where they say so.
 */
#ifndef WF_STORE_QUEUE_WAIT_H
#define WF_STORE_QUEUE_WAIT_H

#include "datatype/timestamp.h"
#include "utils/palloc.h"
#include "utils/uuid.h"

/* a run that others of its group wait for */
typedef struct WfHolder
{
	pg_uuid_t run_id;
	Oid owner;
	char *owner_name;
	char state; /* WF_RUN_* */
} WfHolder;

/* a group, as those of its runs see it that have not begun */
typedef struct WfGroupState
{
	int nbegun;		 /* unfinished runs that have begun, up to the limit */
	WfHolder oldest; /* of them, where there are any */
	bool waits;		 /* one has not begun, though its time has come */
	WfHolder first;	 /* the first of those */
	bool blocked;	 /* a failed run keeps the group closed */
	WfHolder blocker;
} WfGroupState;

/*
 * "owner" is whose group it is, where the queue keeps them apart, else
 * InvalidOid.  "limit" is the queue's group_max_active, 0 for none, "blocks" that its
 * on_group_failure is block.  Names are allocated in "cxt".  In a window.
 */
extern void wf_group_look(int32 queue_id, const char *group, Oid owner,
						  int limit, bool blocks, TimestampTz now,
						  MemoryContext cxt, WfGroupState *out);

typedef enum WfGroupWait
{
	WF_GROUP_OPEN,	  /* nothing of the group holds the run */
	WF_GROUP_BLOCKED, /* state->blocker does */
	WF_GROUP_FULL,	  /* state->oldest does, and maybe others */
	WF_GROUP_BEHIND	  /* state->first goes before it */
} WfGroupWait;

/* What a group means to one of its runs that has not begun. */
extern WfGroupWait wf_group_wait(const WfGroupState *state, int limit,
								 const pg_uuid_t *run_id);

/* what a run's queue has to do with when it starts */
typedef struct WfRunQueue
{
	int32 queue_id;
	char *name;		 /* NULL: the queue was dropped */
	char *group;	 /* NULL: none */
	Oid group_owner; /* whose group it is, or InvalidOid */
	bool begun;		 /* it has its place in queue and group already */
	bool paused;
	TimestampTz paused_at;
	char *paused_by;
	char *pause_reason;
	bool blocks;
	int32 max_running;		/* -1: no limit */
	int32 max_active;		/* likewise */
	int32 group_max_active; /* 0: no limit */
	int32 rate_limit;		/* likewise */
	char *rate_period;		/* in words; NULL where there is no row */
} WfRunQueue;

/* No queue where the run has gone.  Allocated in "cxt".  In a window. */
extern void wf_run_queue(const pg_uuid_t *run_id, MemoryContext cxt,
						 WfRunQueue *out);

#endif /* WF_STORE_QUEUE_WAIT_H */
