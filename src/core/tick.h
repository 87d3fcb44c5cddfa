/*
 * tick.h
 *		When a cron pattern, or an interval, is due in a zone.
 *
 * A pattern that runs in real time is due at every instant whose local time
 * matches.  A fixed one names local times, of which a change of the clocks may
 * leave out some (a *gap*) and show others twice (a *fold*):
 *
 *	on_gap	next	at the end of the gap, once, however many fall into it
 *			shift	later by the length of the gap
 *			skip	not at all
 *	on_fold	first, second, or both passes
 *
 * An instant is due once.
 *
 * An interval is due at anchor + k * interval, added at once for each k: months
 * and days to the anchor's local time, with on_gap and on_fold as above, then
 * the rest to the instant.
 *
 * A search needs zone data for two days before the instant that it starts from
 * and two behind the one that it finds; where the zone's end comes first, it
 * says so, and the caller reads further years.
 */
#ifndef WF_CORE_TICK_H
#define WF_CORE_TICK_H

#include "core/cron.h"
#include "core/zone.h"

typedef enum WfGap
{
	WF_GAP_NEXT,
	WF_GAP_SHIFT,
	WF_GAP_SKIP
} WfGap;

typedef enum WfFold
{
	WF_FOLD_FIRST,
	WF_FOLD_SECOND,
	WF_FOLD_BOTH
} WfFold;

typedef enum WfSearch
{
	WF_SEARCH_FOUND,
	WF_SEARCH_NONE,		  /* the pattern matches nothing any more */
	WF_SEARCH_NEEDS_ZONE, /* ... within what is known of the zone */
	WF_SEARCH_EXCLUDED	  /* see times.h */
} WfSearch;

/* how a fixed pattern, or a civil interval, deals with changes of clocks */
typedef struct WfClockRules
{
	WfGap gap;
	WfFold fold;
} WfClockRules;

/* an interval between ticks, in its three parts, none of them negative */
typedef struct WfEvery
{
	int64 anchor; /* instant of tick 0, in microseconds */
	int64 local;  /* ... and its local time, likewise */
	int32 months;
	int32 days;
	int64 usec;
} WfEvery;

/* The first instant after "after" at which the pattern is due. */
extern WfSearch wf_tick_cron(const WfCron *cron, const WfZone *zone,
							 WfClockRules rules, int64 after, int64 *due);

/*
 * The same of an interval; "after" and "due" are microseconds since 1970.  The
 * zone must be known from the anchor on.
 */
extern WfSearch wf_tick_every(const WfEvery *every, const WfZone *zone,
							  WfClockRules rules, int64 after, int64 *due);

#endif /* WF_CORE_TICK_H */
