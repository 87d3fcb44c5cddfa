/*
 * zone.h
 *		A time zone for some years: when its clocks change, and by how much.
 *
 * A zone is a row of *spans*, in each of which the offset from UTC is the same;
 * spans that follow each other differ in it (a change of the zone's name alone
 * is none).  The first begins at "from" and the last ends at "upto": outside
 * nothing is known.
 *
 * All times are seconds since 1970; local ones as in civil.h.
 */
#ifndef WF_CORE_ZONE_H
#define WF_CORE_ZONE_H

typedef struct WfSpan
{
	int64 begin;  /* instant of its first second */
	int32 offset; /* local time less UTC, in seconds */
} WfSpan;

typedef struct WfZone
{
	int64 from;
	int64 upto;
	int nspans; /* at least 1 */
	WfSpan *spans;
} WfZone;

/* The index of the span of an instant, which must be known. */
extern int wf_zone_span(const WfZone *zone, int64 instant);

/* The first instant that is not of this span any more. */
extern int64 wf_zone_end(const WfZone *zone, int span);

static inline int64
wf_zone_local(const WfZone *zone, int64 instant)
{
	return instant + zone->spans[wf_zone_span(zone, instant)].offset;
}

/*
 * Is there a span before this one (after: behind it) in which clocks show the
 * local time, too?  Offsets differ by no more than WF_ZONE_REACH.
 */
extern bool wf_zone_shown_before(const WfZone *zone, int span, int64 local);
extern bool wf_zone_shown_after(const WfZone *zone, int span, int64 local);

/* clocks of one zone never differ by more: Samoa left out a day */
#define WF_ZONE_REACH (2 * INT64CONST(86400))

#endif /* WF_CORE_ZONE_H */
