/*
 * sched_answers.c
 *		What the plan asks of the tables, and the answers.
 *
 * Requests of a kind go into one transaction, up to WF_PLAN_BATCH of them; they
 * are answered in the order of kinds, which is all the same to the plan.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/stoppoint.h"
#include "scheduler/scheduler.h"
#include "store/rate.h"
#include "store/work.h"

/* ---- starts of rate limits ---- */

static void
reserve(WfScheduler *s, const WfPlanRequest *requests, int n)
{
	TimestampTz now = s->now;
	WfWindow w;

	wf_sched_begin(s, &w, "reserving starts");
	for (int i = 0; i < n; i++)
	{
		const WfPlanRequest *r = &requests[i];

		/* those of one queue come one after the other */
		if (i == 0 || r->queue_id != requests[i - 1].queue_id)
			wf_rate_forget_before(r->queue_id,
								  now - r->period - 2 * WF_RATE_VALID_USEC);
		wf_rate_reserve(r->queue_id, r->group, r->starts, now);
	}
	WF_STOP("sched-reserve-commit");
	wf_sched_commit(s, &w);
	for (int i = 0; i < n; i++)
		wf_plan_reserved(s->plan, s->now, requests[i].queue_id,
						 requests[i].group, requests[i].starts, now);
}

/* ---- roles ---- */

static void
check_roles(WfScheduler *s, const WfPlanRequest *requests, int n)
{
	bool *good = palloc(mul_size(n, sizeof(bool)));
	WfRoleFault fault;
	WfWindow w;

	wf_sched_begin(s, &w, "checking a role");
	for (int i = 0; i < n; i++)
		good[i] = wf_roles_may_connect(requests[i].role, &fault);
	wf_sched_commit(s, &w);
	for (int i = 0; i < n; i++)
		wf_plan_role_checked(s->plan, s->now, requests[i].role, good[i]);
}

/* ---- rows of messages ---- */

static int
compare_work(const void *a, const void *b)
{
	return wf_workid_cmp(&((const WfWork *) a)->id, &((const WfWork *) b)->id);
}

/* The row of a message among those that were found, or NULL. */
static WfWork *
find_work(const WfWorkId *id, WfWork *work, int n)
{
	WfWork key = {.id = *id};

	return n > 0 ? bsearch(&key, work, n, sizeof(WfWork), compare_work) : NULL;
}

static void
look(WfScheduler *s, const WfPlanRequest *requests, int n)
{
	int64 *ids = palloc(mul_size(n, sizeof(int64)));
	WfWork *work;
	int nwork;
	XLogRecPtr lsn;
	WfWindow w;

	for (int i = 0; i < n; i++)
		ids[i] = wf_workid_message(&requests[i].id);
	wf_sched_begin(s, &w, "reading messages");
	nwork = wf_message_look(ids, n, &work);
	work = memcpy(MemoryContextAlloc(s->cycle_cxt,
									 mul_size(Max(nwork, 1), sizeof(WfWork))),
				  work, mul_size(nwork, sizeof(WfWork)));
	lsn = wf_reads_seen_upto();
	WF_STOP("sched-look-commit");
	wf_sched_commit(s, &w);

	qsort(work, nwork, sizeof(WfWork), compare_work);
	for (int i = 0; i < n; i++)
	{
		WfWork *found = find_work(&requests[i].id, work, nwork);

		if (found != NULL)
			found->lsn = lsn;
		wf_plan_looked(s->plan, s->now, &requests[i].id, requests[i].epoch,
					   found);
	}
}

/* ---- what is left in the tables ---- */

static void
count_left(WfScheduler *s, const WfPlanRequest *requests, int n)
{
	for (int i = 0; i < n; i++)
	{
		int64 nleft;
		WfWindow w;

		wf_sched_begin(s, &w, "counting runs");
		nleft = wf_work_count_left(requests[i].queue_id, &requests[i].id);
		wf_sched_commit(s, &w);
		wf_plan_left(s->plan, s->now, requests[i].queue_id, nleft);
	}
}

static void
forward(WfScheduler *s, const WfPlanRequest *requests, int n)
{
	for (int i = 0; i < n; i++)
		wf_reads_forward(s, &requests[i].id);
}

/* ---- all of them ---- */

typedef void (*Answer)(WfScheduler *s, const WfPlanRequest *requests, int n);

static const struct
{
	WfPlanRequestKind kind;
	Answer answer;
	int most; /* in one transaction */
} answers[] = {
	{WF_PLAN_LOOK, look, WF_PLAN_CHUNK},
	{WF_PLAN_LEASE, wf_leases_end, WF_PLAN_BATCH},
	{WF_PLAN_EXPIRE, wf_rows_write, WF_PLAN_BATCH},
	{WF_PLAN_PARK, wf_rows_write, WF_PLAN_BATCH},
	{WF_PLAN_OWNER, wf_rows_write, WF_PLAN_BATCH},
	{WF_PLAN_RESERVE, reserve, WF_PLAN_CHUNK},
	{WF_PLAN_ROLE, check_roles, WF_PLAN_BATCH},
	{WF_PLAN_COUNT, count_left, WF_PLAN_BATCH},
	{WF_PLAN_FORWARD, forward, WF_PLAN_BATCH},
	{WF_PLAN_REFILL, wf_reads_refill, WF_PLAN_BATCH},
};

bool
wf_answers_give(WfScheduler *s)
{
	int n;
	const WfPlanRequest *requests = wf_plan_requests(s->plan, &n);
	WfPlanRequest *batch;

	if (n == 0)
		return false;
	batch = MemoryContextAllocHuge(s->cycle_cxt,
								   mul_size(n, sizeof(WfPlanRequest)));
	for (int i = 0; i < lengthof(answers); i++)
	{
		int nbatch = 0;

		for (int j = 0; j < n; j++)
		{
			if (requests[j].kind == answers[i].kind)
				batch[nbatch++] = requests[j];
		}
		for (int j = 0; j < nbatch; j += answers[i].most)
		{
			CHECK_FOR_INTERRUPTS();
			answers[i].answer(s, batch + j, Min(nbatch - j, answers[i].most));
		}
	}
	pfree(batch);
	return true;
}
