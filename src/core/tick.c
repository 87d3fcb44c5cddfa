/*
 * tick.c
 *		When a cron pattern, or an interval, is due in a zone; see tick.h.
 *
 * A search for a pattern goes from span to span of the zone.  In a span local
 * time and instant differ by a constant, so the calendar alone tells the next
 * local time.  At the beginning of a span whose offset is larger than that of
 * the one before, a fixed pattern is also asked for what the gap left out.
 * Where the calendar names no time for months, the spans until then are left
 * out: a gap can hide no time that is earlier than the next one named.
 */
#include "postgres.h"

#include "core/civil.h"
#include "core/tick.h"

#define NEVER PG_INT64_MAX

/* ---- patterns ---- */

typedef struct Search
{
	const WfCron *cron;
	const WfZone *zone;
	WfClockRules rules;
} Search;

static bool
is_other_pass(const Search *s, int span, int64 local)
{
	switch (s->rules.fold)
	{
		case WF_FOLD_FIRST:
			return wf_zone_shown_before(s->zone, span, local);
		case WF_FOLD_SECOND:
			return wf_zone_shown_after(s->zone, span, local);
		case WF_FOLD_BOTH:
			break;
	}
	return false;
}

/* The first due local time of a span, at or after "from", or NEVER. */
static int64
first_in_span(const Search *s, int span, int64 from)
{
	int64 end = wf_zone_end(s->zone, span) + s->zone->spans[span].offset;
	int64 local = from;

	while (wf_cron_next(s->cron, local, &local) && local < end)
	{
		if (!s->cron->fixed || !is_other_pass(s, span, local))
			return local;
		local++;
	}
	return NEVER;
}

/*
 * Where the search goes on behind a span in which nothing is due: at the next
 * span, or shortly before the next local time that the pattern names.  Later
 * spans may show local times again that this one has shown.  NEVER: the pattern
 * names nothing any more.
 */
static int64
go_on_from(const Search *s, int span)
{
	int64 end = wf_zone_end(s->zone, span);
	int64 named;

	if (!wf_cron_next(s->cron,
					  end + s->zone->spans[span].offset - WF_ZONE_REACH,
					  &named))
		return NEVER;
	return Max(end, named - WF_ZONE_REACH);
}

/*
 * When what the gap before a span left out is due, at or after "from"; NEVER
 * where nothing is.
 */
static int64
first_of_gap(const Search *s, int span, int64 from)
{
	int64 begin = s->zone->spans[span].begin;
	int32 before;
	int64 local;

	if (!s->cron->fixed || s->rules.gap == WF_GAP_SKIP || span == 0)
		return NEVER;
	before = s->zone->spans[span - 1].offset;
	if (before >= s->zone->spans[span].offset)
		return NEVER;
	if (s->rules.gap == WF_GAP_NEXT && begin < from)
		return NEVER;

	local = begin + before;
	if (s->rules.gap == WF_GAP_SHIFT)
		local = Max(local, from + before);
	while (wf_cron_next(s->cron, local, &local) &&
		   local < begin + s->zone->spans[span].offset)
	{
		if (!wf_zone_shown_before(s->zone, span, local) &&
			!wf_zone_shown_after(s->zone, span, local))
			return s->rules.gap == WF_GAP_NEXT ? begin : local - before;
		local++;
	}
	return NEVER;
}

/* What gaps shortly before an instant have shifted to it, or behind it. */
static int64
first_shifted(const Search *s, int span, int64 from)
{
	int64 due = NEVER;

	for (int i = span; i > 0 && s->zone->spans[i].begin > from - WF_ZONE_REACH;
		 i--)
		due = Min(due, first_of_gap(s, i, from));
	return due;
}

WfSearch
wf_tick_cron(const WfCron *cron, const WfZone *zone, WfClockRules rules,
			 int64 after, int64 *due)
{
	Search s = {cron, zone, rules};
	int64 from = after + 1;
	int64 certain = zone->upto - WF_ZONE_REACH;

	while (from < certain)
	{
		int span = wf_zone_span(zone, from);
		int32 offset = zone->spans[span].offset;
		int64 local = first_in_span(&s, span, from + offset);
		int64 found = local == NEVER ? NEVER : local - offset;

		found = Min(found, first_shifted(&s, span, from));
		if (found != NEVER)
		{
			*due = found;
			return found < certain ? WF_SEARCH_FOUND : WF_SEARCH_NEEDS_ZONE;
		}
		from = go_on_from(&s, span);
		if (from == NEVER)
			return WF_SEARCH_NONE;
	}
	return WF_SEARCH_NEEDS_ZONE;
}

/* ---- intervals ---- */

#define USECS INT64CONST(1000000)

/* The instants of a local time by the rules, 0 to 2 of them, in order. */
static int
instants_of(const WfZone *zone, WfClockRules rules, int64 local, int64 *out)
{
	int first = wf_zone_span(zone, local - WF_ZONE_REACH);
	int n = 0;

	for (int i = first;
		 i < zone->nspans && zone->spans[i].begin <= local + WF_ZONE_REACH;
		 i++)
	{
		int64 instant = local - zone->spans[i].offset;

		if (instant < zone->spans[i].begin || instant >= wf_zone_end(zone, i))
			continue;
		if (rules.fold != WF_FOLD_BOTH && n == 1)
		{
			if (rules.fold == WF_FOLD_SECOND)
				out[0] = instant;
		}
		else if (n < 2)
			out[n++] = instant;
	}
	for (int i = Max(first, 1); n == 0 && i < zone->nspans; i++)
	{
		int64 begin = zone->spans[i].begin;
		int32 before = zone->spans[i - 1].offset;

		if (begin > local + WF_ZONE_REACH)
			break;
		if (local < begin + before || local >= begin + zone->spans[i].offset)
			continue;
		if (rules.gap != WF_GAP_SKIP)
			out[n++] = rules.gap == WF_GAP_NEXT ? begin : local - before;
		break;
	}
	return n;
}

/* Floor of a quotient. */
static int64
divide(int64 a, int64 b)
{
	return a / b - (a % b < 0 ? 1 : 0);
}

/* The local second of tick k, before the exact part is added. */
static int64
civil_of(const WfEvery *every, int64 k)
{
	int64 second = divide(every->local, USECS);
	WfDate date = wf_civil_date(wf_civil_day(second));
	int64 months = date.month - 1 + k * every->months;
	int length;

	date.year += (int) (months / 12);
	date.month = (int) (months % 12) + 1;
	length = wf_civil_month_length(date.year, date.month);
	date.day = Min(date.day, length);
	return (wf_civil_days(date) + k * every->days) * WF_DAY_SECONDS +
		   wf_civil_second(second);
}

/* The first instant of tick k that is later than "after", or NEVER. */
static WfSearch
tick_after(const WfEvery *every, const WfZone *zone, WfClockRules rules,
		   int64 k, int64 after, int64 *due)
{
	int64 exact = k * every->usec;
	int64 part = every->local - divide(every->local, USECS) * USECS;
	int64 instants[2];
	int64 local;
	int n;

	*due = NEVER;
	if (every->months == 0 && every->days == 0)
	{
		if (every->anchor + exact > after)
			*due = every->anchor + exact;
		return WF_SEARCH_FOUND;
	}
	local = civil_of(every, k);
	if (local >= zone->upto - 2 * WF_ZONE_REACH)
		return WF_SEARCH_NEEDS_ZONE;
	n = instants_of(zone, rules, local, instants);
	for (int i = n - 1; i >= 0; i--)
	{
		int64 instant = instants[i] * USECS + part + exact;

		if (instant > after)
			*due = instant;
	}
	return WF_SEARCH_FOUND;
}

WfSearch
wf_tick_every(const WfEvery *every, const WfZone *zone, WfClockRules rules,
			  int64 after, int64 *due)
{
	/* no tick is longer after the one before than this */
	int64 longest = (every->months * INT64CONST(31) + every->days) *
						WF_DAY_SECONDS * USECS +
					every->usec;
	int64 elapsed = after - every->anchor;
	int64 k = elapsed <= 0 ? 0 : Max(elapsed / longest - 3, 0);
	int64 found = NEVER;

	/* a changed clock can put a tick behind the next ones, by days at most */
	for (int more = 0; more < 4; k++)
	{
		int64 at;
		WfSearch result = tick_after(every, zone, rules, k, after, &at);

		if (result != WF_SEARCH_FOUND)
			return found == NEVER ? result : (*due = found, WF_SEARCH_FOUND);
		found = Min(found, at);
		if (found != NEVER)
			more++;
	}
	*due = found;
	return WF_SEARCH_FOUND;
}
