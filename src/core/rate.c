/*
 * rate.c
 *		Exact limit of a rate.
 *
 * The starts that were made are kept sorted in a ring, the newest "room" of
 * them.  With t more taken, another one may start when at most limit - t - 1
 * count, which is when the (limit - t)th newest does not.  So one element
 * decides, and nothing has to be removed because it has become old.
 *
 * Why it is exact: of the starts in one window, look at the one taken last.
 * Each of the others was taken before, and at that moment either had not
 * begun, or had begun in the window, so less than a period ago, as the window
 * was not over.  All of them counted, and there were less than the limit.
 */
#include "postgres.h"

#include "core/rate.h"

struct WfRate
{
	int64 period;
	int limit;
	int room;  /* elements of "made", at least the limit */
	int taken; /* neither begun nor returned */
	int first; /* index of the oldest in "made" */
	int n;	   /* elements used */
	int64 made[FLEXIBLE_ARRAY_MEMBER];
};

Size
wf_rate_size(int room)
{
	Assert(room >= 1 && room <= WF_RATE_MAX_LIMIT);
	return offsetof(WfRate, made) + (Size) room * sizeof(int64);
}

void
wf_rate_init(WfRate *rate, int limit, int room, int64 period)
{
	Assert(limit >= 1 && limit <= room && room <= WF_RATE_MAX_LIMIT);
	Assert(period > 0);
	memset(rate, 0, offsetof(WfRate, made));
	rate->limit = limit;
	rate->room = room;
	rate->period = period;
}

/* Where the start is kept that has "older" before it. */
static int
slot(const WfRate *rate, int older)
{
	int i = rate->first + older;

	return i >= rate->room ? i - rate->room : i;
}

/* When a start made at "at" counts no more. */
static int64
expiry(const WfRate *rate, int64 at)
{
	return at > PG_INT64_MAX - rate->period ? PG_INT64_MAX : at + rate->period;
}

/* Puts in n starts made at "at"; the oldest go where there is no room. */
static void
insert(WfRate *rate, int64 at, int n)
{
	int older = rate->n;
	int excess;
	int dropped;

	n = Min(n, rate->room);
	while (older > 0 && rate->made[slot(rate, older - 1)] > at)
		older--;

	excess = Max(rate->n + n - rate->room, 0);
	dropped = Min(excess, older);
	rate->first = slot(rate, dropped);
	rate->n -= dropped;
	older -= dropped;
	n -= excess - dropped;

	for (int i = rate->n - 1; i >= older; i--)
		rate->made[slot(rate, i + n)] = rate->made[slot(rate, i)];
	for (int i = 0; i < n; i++)
		rate->made[slot(rate, older + i)] = at;
	rate->n += n;
}

void
wf_rate_carry(WfRate *to, const WfRate *from)
{
	for (int i = Max(from->n - to->room, 0); i < from->n; i++)
		insert(to, from->made[slot(from, i)], 1);
	to->taken += from->taken;
}

int
wf_rate_room(const WfRate *from, int limit, int64 now)
{
	return Min(Max(wf_rate_in_use(from, now), limit), WF_RATE_MAX_LIMIT);
}

bool
wf_rate_take(WfRate *rate, int64 now)
{
	if (wf_rate_free_at(rate, now) > now)
		return false;
	rate->taken++;
	return true;
}

void
wf_rate_return(WfRate *rate)
{
	Assert(rate->taken > 0);
	if (rate->taken > 0)
		rate->taken--;
}

void
wf_rate_begun(WfRate *rate, int64 at)
{
	Assert(rate->taken > 0);
	if (rate->taken > 0)
		rate->taken--;
	insert(rate, at, 1);
}

void
wf_rate_used(WfRate *rate, int64 at, int n)
{
	Assert(n >= 0);
	insert(rate, at, n);
}

int64
wf_rate_free_at(const WfRate *rate, int64 now)
{
	int newer = rate->limit - rate->taken;

	if (newer <= 0)
		return PG_INT64_MAX;
	if (rate->n < newer)
		return now;
	return Max(expiry(rate, rate->made[slot(rate, rate->n - newer)]), now);
}

int
wf_rate_in_use(const WfRate *rate, int64 now)
{
	int low = 0;
	int high = rate->n;

	/* the first that counts */
	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (expiry(rate, rate->made[slot(rate, middle)]) > now)
			high = middle;
		else
			low = middle + 1;
	}
	return rate->taken + rate->n - low;
}

int
wf_rate_taken(const WfRate *rate)
{
	return rate->taken;
}

int
wf_rate_batch(int limit)
{
	return Min(Max(limit / 10, 1), 1000);
}
