/*
 * sched_retention.c
 *		Deletes what was kept long enough.
 *
 * A *pass* looks at everything that is kept for some time only, and deletes
 * what is over, in small transactions with long pauses in between: while one
 * is under way nothing is dispatched, so it must be short.  At its end it knows
 * when the next row will be over, and sleeps until then.  What ends later is
 * kept at least the shortest time there is (wf_retention_touch()), so where
 * nothing is kept nothing ever wakes up.
 *
 * A copied or stopped database is left as it is.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/clock.h"
#include "base/stoppoint.h"
#include "scheduler/scheduler.h"
#include "store/retention.h"

/* rows in one transaction, and kinds of rows looked at */
#define BATCH_ROWS	200
#define BATCH_KEEPS 50

/* the part of its time that the scheduler gives to this: 1 / (1 + PAUSE) */
#define PAUSE 9

/* between two passes, as part of what is kept the shortest time */
#define PASS_PART	  100
#define MIN_PASS_USEC (100 * 1000)
#define MAX_PASS_USEC USECS_PER_MINUTE

/* after a change of definitions, which seldom come alone */
#define RESTART_USEC USECS_PER_SEC

typedef struct WfRetention
{
	MemoryContext keeps_cxt; /* of this pass */
	WfKeep *keeps;			 /* NULL: no pass is under way */
	int nkeeps;
	int at;				   /* the one at work; -1: begin again */
	TimestampTz next_over; /* of those before it */
	int64 shortest;		   /* time that anything is kept */
	TimestampTz due;	   /* of the next batch or pass */
} WfRetention;

void
wf_retention_init(WfScheduler *s)
{
	s->retention = MemoryContextAllocZero(s->life_cxt, sizeof(WfRetention));
	s->retention->keeps_cxt = AllocSetContextCreate(
		s->life_cxt, "workflow retention", ALLOCSET_SMALL_SIZES);
}

void
wf_retention_touch(WfScheduler *s)
{
	WfRetention *r = s->retention;
	if (r->keeps == NULL && r->due - r->shortest > s->now)
		r->due = s->now + r->shortest;
	else if (r->keeps != NULL && r->next_over - r->shortest > s->now)
		r->next_over = s->now + r->shortest;
}

void
wf_retention_restart(WfScheduler *s)
{
	WfRetention *r = s->retention;
	if (r->keeps == NULL)
		r->due = Min(r->due, s->now + RESTART_USEC);
	else
		r->at = -1;
}

/* In a window. */
static void
begin_pass(WfRetention *r)
{
	MemoryContextReset(r->keeps_cxt);
	r->nkeeps = wf_retention_list(r->keeps_cxt, &r->keeps, &r->shortest);
	r->at = 0;
	r->next_over = DT_NOEND;
}

static void
end_pass(WfScheduler *s)
{
	WfRetention *r = s->retention;
	int64 pause = Max(r->shortest / PASS_PART, MIN_PASS_USEC);

	r->keeps = NULL;
	r->due = Max(r->next_over, s->now + Min(pause, MAX_PASS_USEC));
}

/* Works in one transaction. */
static void
run_batch(WfScheduler *s)
{
	WfRetention *r = s->retention;
	TimestampTz began = wf_clock_now();
	WfWindow w;
	int rows = 0;

	wf_sched_begin(s, &w, "deleting what was kept long enough");
	if (r->keeps == NULL || r->at < 0)
		begin_pass(r);
	for (int i = 0; i < BATCH_KEEPS && r->at < r->nkeeps && rows == 0; i++)
	{
		rows = wf_retention_delete(&r->keeps[r->at], s->now, BATCH_ROWS);
		if (rows > 0)
			break; /* look at the same again */
		r->next_over = Min(r->next_over, wf_retention_next(&r->keeps[r->at]));
		r->at++;
	}
	WF_STOP("sched-retention-commit");
	wf_sched_commit(s, &w);
	r->due = s->now + PAUSE * Max(s->now - began, 100);
	if (r->at == r->nkeeps)
		end_pass(s);
}

void
wf_retention_run(WfScheduler *s)
{
	WfRetention *r = s->retention;
	if (s->halted || wf_plan_is_loading(s->plan))
		return;
	if (r->due <= s->now)
		run_batch(s);
	if (r->due != DT_NOEND)
		wf_scheduler_wake_at(s, r->due);
}
