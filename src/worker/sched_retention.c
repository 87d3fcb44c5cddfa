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

#include "access/xact.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/stoppoint.h"
#include "store/retention.h"
#include "worker/sched.h"

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

static MemoryContext keeps_cxt = NULL; /* of this pass */
static WfKeep *keeps = NULL;		   /* NULL: no pass is under way */
static int nkeeps;
static int at;				  /* the one at work */
static TimestampTz next_over; /* of those before it */
static int64 shortest = 0;	  /* time that anything is kept */
static TimestampTz due = 0;	  /* of the next batch or pass */

void
wf_retention_touch(void)
{
	if (keeps == NULL && due - shortest > wf_sched.now)
		due = wf_sched.now + shortest;
	else if (keeps != NULL && next_over - shortest > wf_sched.now)
		next_over = wf_sched.now + shortest;
}

void
wf_retention_restart(void)
{
	if (keeps == NULL)
		due = Min(due, wf_sched.now + RESTART_USEC);
	else
		at = -1;
}

/* In a window. */
static void
begin_pass(void)
{
	if (keeps_cxt == NULL)
		keeps_cxt = AllocSetContextCreate(
			wf_sched.life_cxt, "workflow retention", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(keeps_cxt);
	nkeeps = wf_retention_list(keeps_cxt, &keeps, &shortest);
	at = 0;
	next_over = DT_NOEND;
}

static void
end_pass(void)
{
	int64 pause = Max(shortest / PASS_PART, MIN_PASS_USEC);

	keeps = NULL;
	due = Max(next_over, wf_sched.now + Min(pause, MAX_PASS_USEC));
}

/* One transaction. */
static void
run_batch(void)
{
	TimestampTz began = wf_clock_now();
	WfWindow w;
	int rows = 0;

	wf_sched_begin(&w, "deleting what was kept long enough");
	/* whoever comes after a crash deletes it again */
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	if (keeps == NULL || at < 0)
		begin_pass();
	for (int i = 0; i < BATCH_KEEPS && at < nkeeps && rows == 0; i++)
	{
		rows = wf_retention_delete(&keeps[at], wf_sched.now, BATCH_ROWS);
		if (rows > 0)
			break; /* look at the same again */
		next_over = Min(next_over, wf_retention_next(&keeps[at]));
		at++;
	}
	WF_STOP("sched-retention-commit");
	wf_sched_commit(&w);
	due = wf_sched.now + PAUSE * Max(wf_sched.now - began, 100);
	if (at == nkeeps)
		end_pass();
}

void
wf_retention_run(void)
{
	if (wf_sched.halted || wf_sched.loading)
		return;
	if (due <= wf_sched.now)
		run_batch();
	if (due != DT_NOEND)
		wf_sched_wake_at(due);
}
