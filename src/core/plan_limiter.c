/*
 * plan_limiter.c
 *		Rate limits of queues and groups.
 *
 * A start is counted when its run is admitted, and counts until one period
 * after its user code began (core/rate.h); so however long it is on its way to
 * an executor, no window of that length holds too many.
 *
 * Starts are on disk before they are made: a few at a time, good for
 * WF_RATE_VALID_USEC from the time that stands with them, within which their
 * runs must be offered to an executor.  Who comes after a crash takes all that
 * was reserved lately for made, as late as it could have been.
 */
#include "postgres.h"

#include "core/plan_parts.h"


/* between a start as we know it and the first line of user code */
#define MAX_SLACK_USEC (10 * 1000)

static int64
slack(const WfLimiter *limiter)
{
	return Min(limiter->period / 50, MAX_SLACK_USEC);
}

void
wf_limiter_set(WfPlan *plan, WfLimiter *limiter, int32 limit, int64 period)
{
	WfRate *old = limiter->rate;

	if (limiter->limit == limit && limiter->period == period)
		return;
	limiter->rate = NULL;
	limiter->reserved = 0;
	limiter->wished = false;
	if (limit > 0)
	{
		int room = old != NULL ? wf_rate_room(old, limit, plan->now) : limit;

		limiter->rate =
			wf_memory_get(&plan->memory, WF_MEMORY_ANY, wf_rate_size(room));
		wf_rate_init(limiter->rate, limit, room, period);
		if (old != NULL)
			wf_rate_carry(limiter->rate, old);
	}
	limiter->limit = limit;
	limiter->period = period;
	if (old != NULL)
		wf_memory_give_back(&plan->memory, old);
}

TimestampTz
wf_limiter_free_at(const WfPlan *plan, const WfLimiter *limiter)
{
	int64 at;

	if (limiter->rate == NULL)
		return 0;
	at = wf_rate_free_at(limiter->rate, plan->now);
	return at == PG_INT64_MAX ? DT_NOEND : at;
}

bool
wf_limiter_in_use(const WfPlan *plan, const WfLimiter *limiter)
{
	return limiter->rate != NULL &&
		   wf_rate_in_use(limiter->rate, plan->now) > 0;
}

bool
wf_limiter_wants_reserve(const WfPlan *plan, const WfLimiter *limiter)
{
	return limiter->rate != NULL &&
		   (limiter->reserved <= 0 || limiter->until <= plan->now) &&
		   !wf_plan_is_broken(plan, WF_BREAK_RESERVE);
}

void
wf_limiter_reserve_soon(WfPlan *plan, WfQueue *queue, WfGroup *group)
{
	WfLimiter *limiter = group != NULL ? &group->limiter : &queue->limiter;
	WfPlanRequest request = {.kind = WF_PLAN_RESERVE,
							 .queue_id = queue->rules.queue_id,
							 .group = group != NULL ? group->hash : 0,
							 .starts = wf_rate_batch(limiter->limit),
							 .period = limiter->period};

	/* both sides of a queue may ask for it */
	if (limiter->wished)
		return;
	limiter->wished = true;
	queue->nwishes++;
	wf_request_add(plan, &request);
}

bool
wf_limiter_may_take(WfPlan *plan, WfLimiter *limiter, WfQueue *queue)
{
	TimestampTz free_at = wf_limiter_free_at(plan, limiter);

	if (free_at > plan->now)
	{
		/* DT_NOEND: an executor tells us when one begins */
		if (free_at != DT_NOEND)
			wf_plan_wake_at(plan, free_at);
		queue->rate_short = true;
		return false;
	}
	if (wf_limiter_wants_reserve(plan, limiter))
	{
		wf_limiter_reserve_soon(plan, queue, NULL);
		return false;
	}
	return true;
}

TimestampTz
wf_limiter_take(WfPlan *plan, WfLimiter *limiter)
{
	if (limiter->rate == NULL)
		return DT_NOEND;
	limiter->reserved--;
	(void) wf_rate_take(limiter->rate, plan->now);
	return limiter->until;
}

void
wf_limiter_return(WfLimiter *limiter, TimestampTz until)
{
	if (limiter->rate == NULL)
		return;
	wf_rate_return(limiter->rate);
	/* it may be of an earlier reservation, which is used up */
	if (limiter->until == until)
		limiter->reserved++;
}

void
wf_limiter_begun(WfPlan *plan, WfLimiter *limiter, TimestampTz at)
{
	if (limiter->rate == NULL)
		return;
	if (wf_plan_is_broken(plan, WF_BREAK_RATES))
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

/*
 * Good only as long as who comes after a crash takes for granted that they may
 * have been made.
 */
void
wf_limiter_reserved(WfLimiter *limiter, int32 starts, TimestampTz reserved_at)
{
	if (limiter->rate == NULL)
		return;
	limiter->reserved = starts;
	limiter->until = reserved_at + WF_RATE_VALID_USEC;
}
