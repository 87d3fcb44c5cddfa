/*
 * record.h
 *		The record of a run in memory: its row, and the calls it has made.
 *
 * Owns: WfRecord.  Its steps are what has been committed, but for what the
 * present turn is to write (writes), which is there too so that the body can
 * be replayed with it; wf_record_take_back() removes it if the turn fails.
 *
 * Must not: run user code, or write to tables.
 *
 * Lifetime: everything is in "cxt", which the host resets after the run.
 */
#ifndef WF_PLAY_RECORD_H
#define WF_PLAY_RECORD_H

#include "store/run.h"

/* records of one turn after which it commits before it goes on */
#define WF_MAX_TURN_WRITES 1000

/* a record of this turn, written by its commit; and what it replaces */
typedef struct WfWrite
{
	int ordinal;
	bool exists;   /* its row is there already */
	WfStep before; /* exists: what is committed */
} WfWrite;

typedef struct WfRecord
{
	MemoryContext cxt;
	WfRun run;
	WfStep *steps;		 /* by ordinal - 1 */
	WfRecorded *matches; /* the same, as core/replay.h wants them */
	int nsteps;
	int nalloc;		 /* of both */
	WfWrite *writes; /* not committed yet */
	int nwrites;
	int writes_allocated;
} WfRecord;

/* Empties it for another run; keeps "cxt". */
extern void wf_record_begin(WfRecord *record);

/*
 * Reads the calls, in a transaction and no window; "any" is false where it is
 * known that there are none.
 */
extern void wf_record_load(WfRecord *record, const pg_uuid_t *run_id,
						   bool any);

/* Appends to the record, or replaces the one that has that ordinal. */
extern void wf_record_put(WfRecord *record, const WfStep *step);

/*
 * The same of what the turn is to write.  One that is written twice keeps what
 * it first replaced.
 */
extern void wf_record_write(WfRecord *record, const WfStep *step);

/* After an abort: what the turn has recorded is not recorded after all. */
extern void wf_record_take_back(WfRecord *record);

#endif /* WF_PLAY_RECORD_H */
