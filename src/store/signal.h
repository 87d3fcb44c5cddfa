/*
 * signal.h
 *		Table _workflow.signal: what was sent to runs.
 *
 * Signals of clients, and outcomes of tasks.  A row is written by whoever has
 * it, and taken by the executor that has the run, in the commit of the call
 * that waited for it.  It stays as long as the run does, so that its dedup_key
 * holds.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_SIGNAL_H
#define WF_STORE_SIGNAL_H

#include "store/run.h"

/*
 * Sends one; "payload" is never NULL.  False when the run has one with this
 * dedup_key, which may be NULL, already; waits for a transaction that is about
 * to send it.
 */
extern bool wf_signal_insert(const pg_uuid_t *run_id, const char *name,
							 const Jsonb *payload, const char *dedup_key,
							 const char *by, TimestampTz now);

/* Another run takes the place of this one, and gets what was sent to it. */
/* Was this signal sent to the run, by whomever? */
extern bool wf_signal_has(const pg_uuid_t *run_id, const char *name,
						  const Jsonb *payload);

extern void wf_signal_move(const pg_uuid_t *from, const pg_uuid_t *to);

/*
 * Takes the first signal of the run with one of these names, an array in text
 * form, for the call with this ordinal; false when there is none.  *value, in
 * "cxt", is the payload, or where there are several names an object of name
 * and payload.
 */
extern bool wf_signal_take(const pg_uuid_t *run_id, int32 ordinal,
						   const char *names, TimestampTz now,
						   MemoryContext cxt, Jsonb **value);

/* which attempt of a task has brought an outcome */
typedef struct WfTaskAttempt
{
	int32 number; /* 0: none */
	bool is_last; /* its policy allows no more */
} WfTaskAttempt;

/*
 * The outcome of the task that this call waits for: its result, NULL for SQL
 * NULL, or an error.  Nothing is written where the run has ended.
 */
extern void wf_signal_insert_task(const pg_uuid_t *run_id, int32 ordinal,
								  Datum result, const char *by,
								  const WfError *error,
								  const WfTaskAttempt *attempt,
								  TimestampTz now);

/*
 * Takes it; false when it has not come.  *result and *error (code empty: none)
 * are allocated in "cxt".
 */
extern bool wf_signal_take_task(const pg_uuid_t *run_id, int32 ordinal,
								MemoryContext cxt, Jsonb **result,
								WfError *error, WfTaskAttempt *attempt);

/* A run for which something has come that was not taken. */
typedef struct WfReceiverOf
{
	pg_uuid_t run_id;
	bool has_gone_on;	/* as another one: continue_as_new() */
	bool is_unfinished; /* both false: gone, or of another database */
} WfReceiverOf;

/* The first of them with an id above "after", in order of ids; their number. */
extern int wf_signal_receivers(const pg_uuid_t *after, WfReceiverOf *out,
							   int max);

#endif /* WF_STORE_SIGNAL_H */
