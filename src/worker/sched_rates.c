/*
 * sched_rates.c
 *		Rate limits of queues and groups.
 *
 * A start is counted when its run is admitted, and counts until one period
 * after its user code began (core/rate.h); so however long it is on its way to
 * an executor, no window of that length holds too many.
 *
 * Starts are on disk, in _workflow.rate, before they are made: a few at a time,
 * good for WF_RATE_VALID_USEC, within which their runs must be offered to an
 * executor.  Who comes after a crash takes all that was reserved lately for
 * made, as late as it could have been.
 *
 * All reservations of a cycle are written in one transaction.
 */
#include "postgres.h"

#include "base/stoppoint.h"
#include "store/rate.h"
#include "worker/sched.h"
#include "worker/sched_gates.h"

/* between a start as we know it and the first line of user code */
#define MAX_SLACK_USEC (10 * 1000)

typedef struct Wish
{
	WfQueue *queue;
	WfGroup *group; /* NULL: for the queue */
	int32 starts;
} Wish;

static Wish *wishes = NULL; /* of this cycle */
static int nwishes = 0;
static int wishes_allocated = 0;

static WfRateRow *used = NULL; /* what others have reserved; until applied */
static int nused = 0;

static int64
slack(const WfLimiter *limiter)
{
	return Min(limiter->period / 50, MAX_SLACK_USEC);
}

void
wf_limiter_set(WfLimiter *limiter, int32 limit, int64 period)
{
	WfRate *old = limiter->rate;

	if (limiter->limit == limit && limiter->period == period)
		return;
	limiter->rate = NULL;
	limiter->reserved = 0;
	limiter->wished = false;
	if (limit > 0)
	{
		int room =
			old != NULL ? wf_rate_room(old, limit, wf_sched.now) : limit;

		limiter->rate =
			MemoryContextAllocHuge(wf_gates.cxt, wf_rate_size(room));
		wf_rate_init(limiter->rate, limit, room, period);
		if (old != NULL)
			wf_rate_carry(limiter->rate, old);
	}
	limiter->limit = limit;
	limiter->period = period;
	if (old != NULL)
		pfree(old);
}

TimestampTz
wf_limiter_free_at(const WfLimiter *limiter)
{
	int64 at;

	if (limiter->rate == NULL)
		return 0;
	at = wf_rate_free_at(limiter->rate, wf_sched.now);
	return at == PG_INT64_MAX ? DT_NOEND : at;
}

bool
wf_limiter_in_use(const WfLimiter *limiter)
{
	return limiter->rate != NULL &&
		   wf_rate_in_use(limiter->rate, wf_sched.now) > 0;
}

bool
wf_limiter_wants_reserve(const WfLimiter *limiter)
{
	return limiter->rate != NULL &&
		   (limiter->reserved <= 0 || limiter->until <= wf_sched.now);
}

void
wf_limiter_reserve_soon(WfQueue *queue, WfGroup *group)
{
	WfLimiter *limiter = group != NULL ? &group->limiter : &queue->limiter;

	/* both sides of a queue may ask for it */
	if (limiter->wished)
		return;
	limiter->wished = true;
	if (nwishes == wishes_allocated)
	{
		Size size;

		wishes_allocated = Max(2 * wishes_allocated, 16);
		size = mul_size(wishes_allocated, sizeof(Wish));
		wishes = wishes == NULL ? MemoryContextAlloc(wf_gates.cxt, size)
								: repalloc(wishes, size);
	}
	wishes[nwishes].queue = queue;
	wishes[nwishes].group = group;
	wishes[nwishes++].starts = wf_rate_batch(limiter->limit);
}

bool
wf_limiter_may_take(WfLimiter *limiter, WfQueue *queue)
{
	TimestampTz free_at = wf_limiter_free_at(limiter);

	if (free_at > wf_sched.now)
	{
		/* DT_NOEND: an executor tells us when one begins */
		if (free_at != DT_NOEND)
			wf_sched_wake_at(free_at);
		queue->rate_short = true;
		return false;
	}
	if (wf_limiter_wants_reserve(limiter))
	{
		wf_limiter_reserve_soon(queue, NULL);
		return false;
	}
	return true;
}

TimestampTz
wf_limiter_take(WfLimiter *limiter)
{
	if (limiter->rate == NULL)
		return DT_NOEND;
	limiter->reserved--;
	(void) wf_rate_take(limiter->rate, wf_sched.now);
	return limiter->until;
}

void
wf_limiter_return(WfLimiter *limiter)
{
	if (limiter->rate == NULL)
		return;
	wf_rate_return(limiter->rate);
	limiter->reserved++;
}

void
wf_limiter_begun(WfLimiter *limiter, TimestampTz at)
{
	if (limiter->rate == NULL)
		return;
	if (WF_BROKEN("ignore-limits"))
		wf_rate_return(limiter->rate);
	else
		wf_rate_begun(limiter->rate, at + slack(limiter));
}

void
wf_limiter_used(WfLimiter *limiter, TimestampTz at, int32 n)
{
	if (limiter->rate != NULL)
		wf_rate_used(limiter->rate, at + slack(limiter), n);
}

/* ---- reservations ---- */

static WfLimiter *
limiter_of(const Wish *wish)
{
	return wish->group != NULL ? &wish->group->limiter : &wish->queue->limiter;
}

bool
wf_limiters_reserve(void)
{
	WfWindow w;
	int n = nwishes;

	if (n == 0)
		return false;
	nwishes = 0;
	wf_sched_begin(&w, "reserving starts");
	for (int i = 0; i < n; i++)
	{
		WfQueue *queue = wishes[i].queue;

		/* those of one queue come one after the other */
		if (i == 0 || queue != wishes[i - 1].queue)
			wf_rate_forget_before(queue->rules.queue_id,
								  wf_sched.now - queue->rules.rate_period -
									  2 * WF_RATE_VALID_USEC);
		wf_rate_reserve(queue->rules.queue_id,
						wishes[i].group != NULL ? wishes[i].group->hash : 0,
						wishes[i].starts, wf_sched.now);
	}
	WF_STOP("sched-reserve-commit");
	wf_sched_commit(&w);

	for (int i = 0; i < n; i++)
	{
		WfLimiter *limiter = limiter_of(&wishes[i]);

		limiter->wished = false;
		limiter->reserved = wishes[i].starts;
		limiter->until = wf_sched.now + WF_RATE_VALID_USEC;
		if (wishes[i].group != NULL)
			wf_group_settle(wishes[i].group);
	}
	return true;
}

/* ---- what was reserved before we came ---- */

void
wf_limiters_read(void)
{
	nused = wf_rate_load(wf_gates.cxt, &used);
}

/* As late as it can have been. */
static TimestampTz
latest_start(TimestampTz reserved_at)
{
	return Min(reserved_at + WF_RATE_VALID_USEC, wf_sched.now);
}

/*
 * The groups exist by now only where something waits in them; of the others a
 * start that nobody waits behind is of no consequence until something comes,
 * so these are made as well, and go when their starts count no more.
 */
void
wf_limiters_apply(void)
{
	for (int i = 0; i < nused; i++)
	{
		WfQueue *queue = wf_gate_queue(used[i].queue_id, false);
		TimestampTz at = latest_start(used[i].reserved_at);

		if (queue == NULL || at + queue->rules.rate_period < wf_sched.now)
			continue;
		if (used[i].group == 0)
			wf_limiter_used(&queue->limiter, at, used[i].starts);
		else
		{
			WfGroup *group = wf_gate_group(queue, used[i].group);

			if (group != NULL)
			{
				wf_limiter_used(&group->limiter, at, used[i].starts);
				wf_group_settle(group);
			}
		}
	}
	if (used != NULL)
		pfree(used);
	used = NULL;
	nused = 0;
}
