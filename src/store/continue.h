/*
 * continue.h
 *		A run that goes on as another one: continue_as_new().
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_CONTINUE_H
#define WF_STORE_CONTINUE_H

#include "store/run.h"

/* what only one of the two runs can have */
typedef struct WfHandover
{
	char *dedup_key; /* or NULL */
	int32 dedup_no;	 /* its place among the runs of that key */
	bool has_parent;
	pg_uuid_t parent_run_id;
	int32 parent_ordinal;
	int32 item;		/* -1: none */
	pg_uuid_t seed; /* of the successor; the caller's to set */
} WfHandover;

/* Reads it from the row of the run that ends, before that is written. */
extern void wf_continue_read(const pg_uuid_t *run_id, MemoryContext cxt,
							 WfHandover *out);

/*
 * Once the end of "run_id" is written: inserts its successor, which counts as
 * begun, and gives it the signals that nobody has taken.  Fills *info.
 */
extern void wf_continue_insert(const pg_uuid_t *run_id, const pg_uuid_t *next,
							   const WfHandover *from, const Jsonb *input,
							   TimestampTz now, WfWork *info);

/*
 * Signals that were sent to a run as it went on, to whoever is the last of its
 * successors; false when there are none.
 */
extern bool wf_continue_forward(const pg_uuid_t *run_id, pg_uuid_t *last);


#endif /* WF_STORE_CONTINUE_H */
