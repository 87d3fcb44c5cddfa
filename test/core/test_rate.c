/*
 * test_rate.c
 *		Exact limit of a rate, against a list of all starts.
 */
#include "postgres.h"

#include <limits.h>

#include "core/rate.h"

#include "core_test.h"
#include "random.h"

#define OPERATIONS 1000000
#define MAX_STARTS 2000 /* of one case */
#define MAX_TAKEN  256
#define MAX_RATE   40

static uint64 rnd = UINT64CONST(19991231);

static WfRate *
new_rate_with_room(int limit, int room, int64 period)
{
	WfRate *rate = malloc(wf_rate_size(room));

	/* rubbish, so that a sanitizer is not all that sees what is not set */
	memset(rate, 0x7f, wf_rate_size(room));
	wf_rate_init(rate, limit, room, period);
	return rate;
}

static WfRate *
new_rate(int limit, int64 period)
{
	return new_rate_with_room(limit, limit, period);
}

/* ---- single rules ---- */

static void
check_window(void)
{
	WfRate *rate = new_rate(2, 100);

	ok(wf_rate_free_at(rate, 7) == 7 && wf_rate_in_use(rate, 7) == 0,
	   "all of it is free at first");
	ok(wf_rate_take(rate, 10) && wf_rate_take(rate, 10) &&
		   !wf_rate_take(rate, 10),
	   "as many as the limit can be taken");
	ok(wf_rate_free_at(rate, 10) == PG_INT64_MAX &&
		   !wf_rate_take(rate, 1000000),
	   "nothing is free as long as none of them is begun");
	wf_rate_begun(rate, 30);
	ok(wf_rate_free_at(rate, 30) == 130 && !wf_rate_take(rate, 129),
	   "one that is begun counts from the start on, not from the taking");
	ok(wf_rate_in_use(rate, 129) == 2 && wf_rate_in_use(rate, 130) == 1,
	   "... for one period, without its end");
	wf_rate_return(rate);
	ok(wf_rate_in_use(rate, 30) == 1 && wf_rate_free_at(rate, 30) == 30,
	   "one that is returned is free at once");
	ok(wf_rate_take(rate, 40) && wf_rate_taken(rate) == 1 &&
		   !wf_rate_take(rate, 129) && wf_rate_take(rate, 130),
	   "... and can be taken again");
	wf_rate_begun(rate, 135);
	wf_rate_begun(rate, 131);
	ok(wf_rate_free_at(rate, 140) == 231 && wf_rate_free_at(rate, 233) == 233,
	   "starts may be told in any order");
	ok(!wf_rate_take(rate, 50), "a clock set back makes nothing forgotten");
	free(rate);
}

static void
check_used(void)
{
	WfRate *rate = new_rate(10, 100);

	wf_rate_used(rate, 50, 4);
	wf_rate_used(rate, 50, 0);
	ok(wf_rate_in_use(rate, 60) == 4 && wf_rate_free_at(rate, 60) == 60,
	   "starts of another process count");
	wf_rate_used(rate, 60, INT_MAX);
	ok(wf_rate_in_use(rate, 60) == 10 && wf_rate_free_at(rate, 60) == 160,
	   "... also more than the limit");
	wf_rate_used(rate, 40, 1000);
	ok(wf_rate_free_at(rate, 60) == 160 && wf_rate_in_use(rate, 159) == 10 &&
		   wf_rate_in_use(rate, 160) == 0,
	   "... where the newest decide");
	free(rate);
}

static void
check_carry(void)
{
	WfRate *old = new_rate(4, 100);
	WfRate *less = new_rate(2, 100);
	WfRate *more = new_rate(6, 200);

	wf_rate_used(old, 10, 1);
	wf_rate_used(old, 20, 1);
	wf_rate_used(old, 30, 1);
	(void) wf_rate_take(old, 30);
	wf_rate_carry(less, old);
	ok(wf_rate_in_use(less, 30) == 3 && wf_rate_taken(less) == 1 &&
		   wf_rate_free_at(less, 30) == 130,
	   "a smaller limit counts what has been started");
	wf_rate_carry(more, old);
	ok(wf_rate_in_use(more, 150) == 4 && wf_rate_in_use(more, 215) == 3 &&
		   wf_rate_free_at(more, 31) == 31,
	   "a longer period counts older starts again");
	wf_rate_return(less);
	wf_rate_begun(more, 40);
	ok(wf_rate_taken(less) == 0 && wf_rate_taken(more) == 0,
	   "what was taken before is returned or begun after");
	free(old);
	free(less);
	free(more);
}

/* lowered for a moment, and raised again */
static void
check_room(void)
{
	WfRate *old = new_rate(4, 100);
	WfRate *less;
	WfRate *again;
	int room;

	wf_rate_used(old, 10, 1);
	wf_rate_used(old, 20, 2);
	(void) wf_rate_take(old, 30);
	room = wf_rate_room(old, 2, 30);
	ok(room == 4 && wf_rate_room(old, 2, 111) == 3 &&
		   wf_rate_room(old, 9, 30) == 9,
	   "room for all that counts, and for the limit");
	less = new_rate_with_room(2, room, 100);
	wf_rate_carry(less, old);
	ok(wf_rate_in_use(less, 40) == 4 && !wf_rate_take(less, 40),
	   "nothing is free under the lower limit");
	room = wf_rate_room(less, 4, 41);
	again = new_rate_with_room(4, room, 100);
	wf_rate_carry(again, less);
	ok(wf_rate_in_use(again, 41) == 4 && !wf_rate_take(again, 41) &&
		   wf_rate_free_at(again, 41) == 110,
	   "... and no more than before when it is raised again");
	free(old);
	free(less);
	free(again);
}

static void
check_extremes(void)
{
	WfRate *rate = new_rate(1, PG_INT64_MAX);
	WfRate *big = new_rate(WF_RATE_MAX_LIMIT, 1);

	ok(wf_rate_take(rate, PG_INT64_MIN / 2), "times may be negative");
	wf_rate_begun(rate, 5);
	ok(wf_rate_free_at(rate, 6) == PG_INT64_MAX &&
		   wf_rate_in_use(rate, 6) == 1,
	   "no overflow with the longest period");
	wf_rate_used(big, 1, WF_RATE_MAX_LIMIT);
	wf_rate_used(big, 2, WF_RATE_MAX_LIMIT - 1);
	ok(wf_rate_in_use(big, 1) == WF_RATE_MAX_LIMIT &&
		   wf_rate_in_use(big, 2) == WF_RATE_MAX_LIMIT - 1 &&
		   wf_rate_free_at(big, 0) == 2,
	   "a million starts");
	ok(wf_rate_batch(1) == 1 && wf_rate_batch(19) == 1 &&
		   wf_rate_batch(20) == 2 && wf_rate_batch(10000) == 1000 &&
		   wf_rate_batch(INT_MAX) == 1000,
	   "a tenth is reserved at once, 1 to 1000");
	free(rate);
	free(big);
}

/* ---- random operations ---- */

/* A case: what was really done, and what the limiter can know of it. */
typedef struct Oracle
{
	int limit;
	int room;
	int64 period;
	int64 now;
	int64 taken[MAX_TAKEN]; /* when, of those not begun */
	bool mine[MAX_TAKEN];	/* ... under this limit */
	int ntaken;
	int64 known[MAX_STARTS]; /* no order */
	int nknown;
	int64 own[MAX_STARTS]; /* of those known, taken under this limit */
	int nown;
} Oracle;

static int wrong = 0;
static int refused = 0;
static int granted = 0;

static int
compare_times(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

static int
counting(const Oracle *o, int64 now)
{
	int n = o->ntaken;

	for (int i = 0; i < o->nknown; i++)
		n += o->known[i] + o->period > now;
	return n;
}

/* The first moment from "now" on with room: each start makes room once. */
static int64
first_room(const Oracle *o, int64 now)
{
	int64 best = PG_INT64_MAX;

	if (counting(o, now) < o->limit)
		return now;
	for (int i = 0; i < o->nknown; i++)
	{
		int64 then = o->known[i] + o->period;

		if (then > now && then < best && counting(o, then) < o->limit)
			best = then;
	}
	return best;
}

static void
expect(bool condition, const char *what)
{
	if (!condition && wrong++ < 10)
		ok(false, "%s", what);
}

static void
take(Oracle *o, WfRate *rate)
{
	bool free = counting(o, o->now) < o->limit;

	if (o->ntaken == MAX_TAKEN)
		return;
	expect(wf_rate_take(rate, o->now) == free, "take");
	if (free)
	{
		o->mine[o->ntaken] = true;
		o->taken[o->ntaken++] = o->now;
	}
	granted += free;
	refused += !free;
}

static void
forget_taken(Oracle *o, int i)
{
	o->ntaken--;
	o->taken[i] = o->taken[o->ntaken];
	o->mine[i] = o->mine[o->ntaken];
}

/* One of those taken was begun somewhere between then and now. */
static void
begin(Oracle *o, WfRate *rate)
{
	int i;
	int64 at;

	if (o->ntaken == 0)
		return;
	i = random_below(&rnd, o->ntaken);
	at = o->taken[i] + random_below(&rnd, (int) (o->now - o->taken[i]) + 1);
	o->known[o->nknown++] = at;
	if (o->mine[i])
		o->own[o->nown++] = at;
	forget_taken(o, i);
	wf_rate_begun(rate, at);
}

static void
give_back(Oracle *o, WfRate *rate)
{
	if (o->ntaken == 0)
		return;
	forget_taken(o, random_below(&rnd, o->ntaken));
	wf_rate_return(rate);
}

static void
use(Oracle *o, WfRate *rate)
{
	int64 at = o->now - random_below(&rnd, (int) o->period + 20);
	int n = random_below(&rnd, 4);

	for (int i = 0; i < n; i++)
		o->known[o->nknown++] = at;
	wf_rate_used(rate, at, n);
}

/* No window of the period holds more of the limiter's own starts. */
static void
check_windows(Oracle *o)
{
	qsort(o->own, o->nown, sizeof(int64), compare_times);
	for (int i = 0; i + o->limit < o->nown; i++)
		expect(o->own[i + o->limit] - o->own[i] >= o->period,
			   "too many starts in one window");
	o->nown = 0;
}

static void
forget_oldest(Oracle *o, int room)
{
	int excess = o->nknown - room;

	if (excess <= 0)
		return;
	memmove(o->known, o->known + excess, room * sizeof(int64));
	o->nknown = room;
}

static WfRate *
change(Oracle *o, WfRate *old)
{
	WfRate *rate;

	check_windows(o);
	/* what the old one had no room for is not known any more */
	qsort(o->known, o->nknown, sizeof(int64), compare_times);
	forget_oldest(o, o->room);
	memset(o->mine, 0, sizeof(o->mine));
	o->limit = 1 + random_below(&rnd, MAX_RATE);
	o->room = Max(Min(counting(o, o->now), o->room + o->ntaken), o->limit);
	expect(wf_rate_room(old, o->limit, o->now) == o->room, "room");
	forget_oldest(o, o->room);
	o->period = 1 + random_below(&rnd, 200);
	rate = new_rate_with_room(o->limit, o->room, o->period);
	wf_rate_carry(rate, old);
	free(old);
	return rate;
}

static int
random_case(void)
{
	static Oracle oracle;
	Oracle *o = &oracle;
	int pace = 1 + random_below(&rnd, 30);
	int done = 0;
	WfRate *rate;

	memset(o, 0, sizeof(*o));
	o->limit = 1 + random_below(&rnd, MAX_RATE);
	o->room = o->limit;
	o->period = 1 + random_below(&rnd, 200);
	o->now = random_below(&rnd, 1000);
	rate = new_rate(o->limit, o->period);
	while (o->nknown < MAX_STARTS - 4 && done < 500)
	{
		int kind = random_below(&rnd, 1000);

		if (kind < 400)
			take(o, rate);
		else if (kind < 700)
			begin(o, rate);
		else if (kind < 760)
			give_back(o, rate);
		else if (kind < 770)
			use(o, rate);
		else if (kind < 773)
			rate = change(o, rate);
		else
			o->now += random_below(&rnd, pace);
		expect(wf_rate_in_use(rate, o->now) ==
				   Min(counting(o, o->now), o->ntaken + o->room),
			   "number in use");
		if (done++ % 16 == 0)
			expect(wf_rate_free_at(rate, o->now) == first_room(o, o->now),
				   "when the next is free");
	}
	check_windows(o);
	free(rate);
	return done;
}

static void
check_random(void)
{
	int done = 0;

	while (done < OPERATIONS)
		done += random_case();
	ok(wrong == 0, "%d random operations do what a list of all starts says",
	   OPERATIONS);
	ok(refused > OPERATIONS / 20 && granted > OPERATIONS / 20,
	   "... and many starts were granted, and many refused");
}

int
main(void)
{
	check_window();
	check_used();
	check_carry();
	check_room();
	check_extremes();
	check_random();
	return done_testing();
}
