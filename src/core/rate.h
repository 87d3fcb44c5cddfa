/*
 * rate.h
 *		Exact limit of a rate: never more than "limit" starts in any window
 *		[x, x + period).
 *
 * A start is *taken* when it is decided, which takes one of the limit at once,
 * because when it will be made is not known yet.  It is then either *begun*,
 * at the time of the real start, and free again one period later; or
 * *returned*, never having been made.  The limit holds exactly as long as no
 * start is begun at a time before it was taken.
 *
 * The newest starts are kept, at least as many as the limit, whether they still
 * count or not: a clock that is set back does not make them forgotten.
 *
 * Times are microseconds of any clock, the same in all calls.  No function
 * allocates; wf_rate_size() tells what one needs: 8 bytes for each start that
 * is kept.
 */
#ifndef WF_CORE_RATE_H
#define WF_CORE_RATE_H

#include "datatype/timestamp.h"

/* keeps memory within 8 MB */
#define WF_RATE_MAX_LIMIT 1000000

typedef struct WfRate WfRate;

/* starts that were charged to a limit on disk before they were made */
typedef struct WfRateUsed
{
	int32 queue_id;
	int32 starts;
	uint64 group; /* wf_group_hash(); 0: of the whole queue */
	TimestampTz reserved_at;
} WfRateUsed;

/*
 * limit from 1 to WF_RATE_MAX_LIMIT, period above 0.  "room" is the number of
 * starts that are kept, from limit to WF_RATE_MAX_LIMIT: no more are needed
 * than the limit, but while it is lowered for a moment; see wf_rate_room().
 */
extern Size wf_rate_size(int room);
extern void wf_rate_init(WfRate *rate, int limit, int room, int64 period);

/*
 * Takes over what "from" knows into "to", newly initialized with another limit
 * or period.  What is taken stays so, also above the new limit: nothing more
 * is free then until enough of it is returned or a period old.
 *
 * Starts that either has no room for are forgotten.  With wf_rate_room() these
 * are none that count now, so they matter only where a longer period makes
 * older starts count again.
 */
extern void wf_rate_carry(WfRate *to, const WfRate *from);

/* Room for what counts now, so that this limit can be raised again at once. */
extern int wf_rate_room(const WfRate *from, int limit, int64 now);

/* False when none is free. */
extern bool wf_rate_take(WfRate *rate, int64 now);
/* One that was taken is not made. */
extern void wf_rate_return(WfRate *rate);
/* One that was taken was made at "at".  In any order of times. */
extern void wf_rate_begun(WfRate *rate, int64 at);

/*
 * n starts that were not taken here count as made at "at": those of an earlier
 * process.  Fast when the times rise from call to call.
 */
extern void wf_rate_used(WfRate *rate, int64 at, int n);

/*
 * When the next can be taken if nothing else happens: "now" if at once,
 * PG_INT64_MAX if not before one is begun or returned.
 */
extern int64 wf_rate_free_at(const WfRate *rate, int64 now);

/* How many of the limit are in use: what is taken, and what still counts. */
extern int wf_rate_in_use(const WfRate *rate, int64 now);

/* How many are taken, and neither begun nor returned. */
extern int wf_rate_taken(const WfRate *rate);

/*
 * How many starts to reserve in the table at once: a tenth of the limit, so
 * that a scheduler that dies costs little of it, 1 to 1000.
 */
extern int wf_rate_batch(int limit);

#endif /* WF_CORE_RATE_H */
