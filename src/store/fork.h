/*
 * fork.h
 *		A new run that begins with the record of another.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_FORK_H
#define WF_STORE_FORK_H

#include "store/run.h"

/* How much of the record below "below" there is to take over. */
typedef struct WfForkRecord
{
	int32 nrecorded;
	int32 unsettled; /* ordinal of the first without an outcome, or 0 */
} WfForkRecord;

extern void wf_fork_look(const pg_uuid_t *run_id, int32 below,
						 WfForkRecord *out);

/* What the new run has of its own; the rest is copied. */
typedef struct WfFork
{
	pg_uuid_t run_id;
	TimestampTz now;
	TimestampTz deadline_at; /* DT_NOEND: none */
	Oid owner;
	Datum owner_name;	  /* text */
	Oid run_as_by;		  /* see WfRun */
	Datum run_as_by_name; /* text, or 0 */
	Datum input;		  /* jsonb, or 0 for that of the other */
} WfFork;

/*
 * Inserts the run, the settled steps of "from" below "below", and the signals
 * that it had not taken before that.  Fills *info for the scheduler.
 */
extern void wf_fork_insert(const pg_uuid_t *from, int32 below,
						   const WfFork *fork, WfWork *info);

#endif /* WF_STORE_FORK_H */
