/*
 * times.h
 *		The times of a schedule: a pattern or an interval, less what is
 *		excluded, within its bounds.
 *
 * A tick is excluded whose local time matches one of the patterns to exclude,
 * or whose local date is one of the dates.
 *
 * All times are microseconds since 1970.
 *
 * Lifetime: points to what the caller made; nothing is allocated here.
 */
#ifndef WF_CORE_TIMES_H
#define WF_CORE_TIMES_H

#include "core/tick.h"

/* ticks that are excluded, one after the other, before a search pauses */
#define WF_TIMES_PAUSE 10000

typedef struct WfTimes
{
	bool has_every; /* else cron */
	WfCron cron;
	WfEvery every;
	WfClockRules rules;
	int nexclude;
	const WfCron *exclude;
	int ndates;
	const int64 *dates; /* days since 1970, rising */
	int64 starts_at;	/* PG_INT64_MIN for no bound */
	int64 ends_at;		/* PG_INT64_MAX for no bound */
} WfTimes;

/*
 * The first tick after "after" that is due.  WF_SEARCH_NONE: there is none any
 * more.  WF_SEARCH_NEEDS_ZONE: ask again with more of the zone, and the same
 * "after".  WF_SEARCH_EXCLUDED: all up to *due is excluded; ask again from
 * there, where that is still of interest.
 */
extern WfSearch wf_times_next(const WfTimes *times, const WfZone *zone,
							  int64 after, int64 *due);

/* How many seconds before "after" the zone must be known. */
extern int64 wf_times_zone_from(const WfTimes *times, int64 after);

#endif /* WF_CORE_TIMES_H */
