/*
 * sched_answers.c
 *		What the plan asks of the tables, and the answers.
 *
 * Requests of a kind go into one transaction, up to WF_PLAN_BATCH of them; they
 * are answered in the order of kinds, which is all the same to the plan.  What
 * a slice has no time for stays in "asked" for the next cycle.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/stoppoint.h"
#include "ipc/exits.h"
#include "scheduler/scheduler.h"
#include "store/rate.h"
#include "store/work.h"

/* ---- starts of rate limits ---- */

static int
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
	wf_sched_commit_durable(s, &w);
	for (int i = 0; i < n; i++)
		wf_plan_reserved(s->plan, s->now, requests[i].queue_id,
						 requests[i].group, requests[i].starts, now);
	return n;
}

/* ---- roles ---- */

static int
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
	return n;
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

static int
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
	lsn = wf_exits_seen_upto();
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
	return n;
}

/* ---- what is left in the tables ---- */

/* A page of it; 0: it goes on. */
static int
count_left(WfScheduler *s, const WfPlanRequest *requests, int n)
{
	WfCounting *counting = &s->counting;
	const WfPlanRequest *r = &requests[0];
	bool done;
	WfWindow w;

	if (!counting->under_way)
	{
		memset(counting, 0, sizeof(*counting));
		counting->under_way = true;
		counting->left.runs_after = wf_workid_bound_of_runs(&r->id);
		counting->left.messages_after = wf_workid_bound_of_messages(&r->id);
	}
	wf_sched_begin(s, &w, "counting runs");
	done = wf_work_count_left(r->queue_id, &counting->left);
	wf_sched_commit(s, &w);
	if (!done)
		return 0;
	counting->under_way = false;
	wf_plan_left(s->plan, s->now, r->queue_id, counting->left.n);
	return 1;
}

static int
forward(WfScheduler *s, const WfPlanRequest *requests, int n)
{
	for (int i = 0; i < n; i++)
		wf_reads_forward(s, &requests[i].id);
	return n;
}

/* ---- all of them ---- */

/* Answers the first of n requests, as many as a slice has time for: how many. */
typedef int (*Answer)(WfScheduler *s, const WfPlanRequest *requests, int n);

/* In the order in which they are answered: first what a start waits for. */
static const struct
{
	WfPlanRequestKind kind;
	Answer answer;
	int most; /* in one transaction */
} answers[] = {
	{WF_PLAN_RESERVE, reserve, WF_PLAN_CHUNK},
	{WF_PLAN_ROLE, check_roles, WF_PLAN_BATCH},
	{WF_PLAN_REFILL, wf_reads_refill, 1},
	{WF_PLAN_LOOK, look, WF_PLAN_BATCH},
	{WF_PLAN_LEASE, wf_leases_end, WF_PLAN_BATCH},
	{WF_PLAN_EXPIRE, wf_rows_write, WF_PLAN_BATCH},
	{WF_PLAN_PARK, wf_rows_write, WF_PLAN_BATCH},
	{WF_PLAN_OWNER, wf_rows_write, WF_PLAN_BATCH},
	{WF_PLAN_FORWARD, forward, WF_PLAN_BATCH},
	{WF_PLAN_COUNT, count_left, 1},
};

/* New requests of the plan go behind those that it made before. */
static void
take_over(WfScheduler *s)
{
	int n;
	const WfPlanRequest *requests = wf_plan_requests(s->plan, &n);

	if (n == 0)
		return;
	if (s->nasked + n > s->asked_allocated)
	{
		Size size;

		s->asked_allocated = Max(2 * s->asked_allocated, s->nasked + n);
		size = mul_size(s->asked_allocated, sizeof(WfPlanRequest));
		s->asked = s->asked == NULL ? MemoryContextAllocHuge(s->life_cxt, size)
									: repalloc_huge(s->asked, size);
	}
	memcpy(s->asked + s->nasked, requests, mul_size(n, sizeof(*requests)));
	s->nasked += n;
}

/* Takes the first requests of a kind out of what is asked; how many. */
static int
take_out(WfScheduler *s, WfPlanRequestKind kind, WfPlanRequest *out, int most)
{
	int nout = 0;
	int nleft = 0;

	for (int i = 0; i < s->nasked; i++)
	{
		if (s->asked[i].kind == kind && nout < most)
			out[nout++] = s->asked[i];
		else
		{
			if (nout > 0)
				s->asked[nleft] = s->asked[i];
			nleft++;
		}
	}
	s->nasked = nleft;
	return nout;
}

/* There was no time for these: they are the first again. */
static void
put_back(WfScheduler *s, const WfPlanRequest *requests, int n)
{
	memmove(s->asked + n, s->asked, mul_size(s->nasked, sizeof(*requests)));
	memcpy(s->asked, requests, mul_size(n, sizeof(*requests)));
	s->nasked += n;
}

/* Up to two slices: what one kind had no time for waits for the next cycle. */
bool
wf_answers_give(WfScheduler *s)
{
	WfPlanRequest *batch;
	instr_time began;
	bool any = false;

	take_over(s);
	if (s->nasked == 0)
		return false;
	INSTR_TIME_SET_CURRENT(began);
	batch = palloc(WF_PLAN_CHUNK * sizeof(WfPlanRequest));
	for (int i = 0; i < lengthof(answers); i++)
	{
		/* what is handed out depends on the rows that are looked at by key */
		bool all = answers[i].kind == WF_PLAN_LOOK;
		int n;

		while ((all || !any || !wf_slice_is_over(&began, 1)) &&
			   (n = take_out(s, answers[i].kind, batch, answers[i].most)) > 0)
		{
			int answered;

			CHECK_FOR_INTERRUPTS();
			answered = answers[i].answer(s, batch, n);
			put_back(s, batch + answered, n - answered);
			any = true;
		}
	}
	pfree(batch);
	return any;
}

bool
wf_answers_are_due(const WfScheduler *s)
{
	return s->nasked > 0;
}
