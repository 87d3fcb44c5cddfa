/*
 * times.c
 *		The times of a schedule; see times.h.
 */
#include "postgres.h"

#include "core/civil.h"
#include "core/times.h"

#define USECS INT64CONST(1000000)

static int64
seconds_of(int64 usec)
{
	return usec / USECS - (usec % USECS < 0 ? 1 : 0);
}

static bool
has_date(const WfTimes *times, int64 day)
{
	int low = 0;
	int high = times->ndates;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (times->dates[middle] == day)
			return true;
		if (times->dates[middle] < day)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static bool
is_excluded(const WfTimes *times, const WfZone *zone, int64 due)
{
	int64 local;

	if (times->nexclude == 0 && times->ndates == 0)
		return false;
	local = wf_zone_local(zone, seconds_of(due));
	for (int i = 0; i < times->nexclude; i++)
	{
		if (wf_cron_matches(&times->exclude[i], local))
			return true;
	}
	return has_date(times, wf_civil_day(local));
}

static WfSearch
next_tick(const WfTimes *times, const WfZone *zone, int64 after, int64 *due)
{
	int64 second;
	WfSearch result;

	if (times->has_every)
		return wf_tick_every(&times->every, zone, times->rules, after, due);
	result = wf_tick_cron(&times->cron, zone, times->rules, seconds_of(after),
						  &second);
	if (result == WF_SEARCH_FOUND)
		*due = second * USECS;
	return result;
}

WfSearch
wf_times_next(const WfTimes *times, const WfZone *zone, int64 after,
			  int64 *due)
{
	int64 from = Max(after, times->starts_at - 1);

	if (times->starts_at == PG_INT64_MIN)
		from = after;
	for (int skipped = 0; skipped < WF_TIMES_PAUSE; skipped++)
	{
		WfSearch result = next_tick(times, zone, from, due);

		/* what is known to be excluded is not searched again */
		if (result == WF_SEARCH_NEEDS_ZONE && skipped > 0)
		{
			*due = from;
			return WF_SEARCH_EXCLUDED;
		}
		if (result != WF_SEARCH_FOUND)
			return result;
		if (*due > times->ends_at)
			return WF_SEARCH_NONE;
		if (!is_excluded(times, zone, *due))
			return WF_SEARCH_FOUND;
		from = *due;
	}
	return WF_SEARCH_EXCLUDED;
}

int64
wf_times_zone_from(const WfTimes *times, int64 after)
{
	int64 from = after;

	if (times->starts_at != PG_INT64_MIN)
		from = Max(from, times->starts_at);
	if (times->has_every)
		from = Min(from, times->every.anchor);
	return seconds_of(from) - WF_ZONE_REACH;
}
