/*
 * zone.c
 *		Looks into the spans of a zone; see zone.h.
 */
#include "postgres.h"

#include "core/zone.h"

int
wf_zone_span(const WfZone *zone, int64 instant)
{
	int low = 0;
	int high = zone->nspans - 1;

	while (low < high)
	{
		int middle = (low + high + 1) / 2;

		if (zone->spans[middle].begin <= instant)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

int64
wf_zone_end(const WfZone *zone, int span)
{
	return span + 1 < zone->nspans ? zone->spans[span + 1].begin : zone->upto;
}

static bool
shows(const WfZone *zone, int span, int64 local)
{
	int64 instant = local - zone->spans[span].offset;

	return instant >= zone->spans[span].begin &&
		   instant < wf_zone_end(zone, span);
}

bool
wf_zone_shown_before(const WfZone *zone, int span, int64 local)
{
	int64 reach = zone->spans[span].begin - WF_ZONE_REACH;

	for (int i = span - 1; i >= 0 && wf_zone_end(zone, i) > reach; i--)
	{
		if (shows(zone, i, local))
			return true;
	}
	return false;
}

bool
wf_zone_shown_after(const WfZone *zone, int span, int64 local)
{
	int64 reach = wf_zone_end(zone, span) + WF_ZONE_REACH;

	for (int i = span + 1; i < zone->nspans && zone->spans[i].begin < reach;
		 i++)
	{
		if (shows(zone, i, local))
			return true;
	}
	return false;
}
