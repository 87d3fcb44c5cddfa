/*
 * sched_requests.c
 *		What clients ask of runs.
 *
 * Whoever has a run writes its row: for a run in a TAKEN cell the wish is
 * passed to the executor through the cell; every other is dealt with here, once
 * the plan has said that no executor will have it meanwhile.  A request row
 * stays until the write that answers it, so none is lost with a process.
 *
 * A *walk* goes over all requests there are, a slice in each cycle, so that a
 * hundred thousand of them hold nobody up.  What is asked meanwhile is done at
 * once, but for what goes behind an older request for the same run.  The first
 * slice comes before anything is decided, so a run that is paused or cancelled
 * in the transaction that enqueued it does not start.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/stoppoint.h"
#include "core/state.h"
#include "scheduler/scheduler.h"

/* what is to be done in memory, once the answer in the table has committed */
typedef struct Effect
{
	const WfRequest *request;
	WfApplied applied;
	bool claimed;
	WfWork info;
	WfEndedOf of; /* cancelled: whose it was */
} Effect;

static uint32
bits_of(const WfRequest *request)
{
	if (request->kind == WF_REQUEST_PAUSE)
		return WF_REQ_YIELD | WF_REQ_AGAIN;
	if (request->kind == WF_REQUEST_ALTER)
		return WF_REQ_AGAIN;
	return request->no_undo ? WF_REQ_CANCEL | WF_REQ_NO_UNDO : WF_REQ_CANCEL;
}

/*
 * May the row be written?  When an executor has the run, the request is passed
 * to it and stays until the cell is given back, or is for nothing.
 */
typedef enum Way
{
	WAY_FREE,	/* nobody has the run */
	WAY_PASSED, /* nothing is left to do now */
	WAY_NOTHING /* a run that is in a cell is on its way: nothing to repair */
} Way;

static Way
find_way(WfScheduler *s, const WfRequest *request)
{
	const pg_uuid_t *id = &request->run_id;

	switch (request->kind)
	{
		case WF_REQUEST_CANCEL:
		case WF_REQUEST_PAUSE:
		case WF_REQUEST_ALTER:
			return wf_plan_claim(s->plan, s->now, id, bits_of(request))
					   ? WAY_FREE
					   : WAY_PASSED;
		case WF_REQUEST_RESUME:
			if (!wf_plan_has_taken(s->plan, id))
				break;
			/* behind the pause that waits for the end of the step */
			wf_plan_interrupt(s->plan, id, WF_REQ_AGAIN);
			return WAY_PASSED;
		case WF_REQUEST_DELETE:
			if (!wf_plan_has_taken(s->plan, id))
				break;
			if (!wf_run_ended_at(id, request->due_at))
				return WAY_NOTHING;
			/* its executor has yet to give the cell back */
			wf_plan_interrupt(s->plan, id, WF_REQ_AGAIN);
			return WAY_PASSED;
		default:
			if (!wf_plan_has_taken(s->plan, id))
				break;
			if (!wf_run_has_stopped(id))
				return WAY_NOTHING;
			wf_plan_interrupt(s->plan, id, WF_REQ_AGAIN);
			return WAY_PASSED;
	}
	(void) wf_plan_claim(s->plan, s->now, id, 0);
	return WAY_FREE;
}

/* In the transaction; false when there is nothing to do after it. */
static bool
apply_request(WfScheduler *s, const WfRequest *request, Effect *effect)
{
	Way way = find_way(s, request);

	effect->request = request;
	effect->applied = WF_APPLIED_NOTHING;
	effect->claimed = way == WAY_FREE;
	if (way == WAY_PASSED)
		return false;
	if (way == WAY_FREE)
	{
		effect->applied =
			wf_request_apply(request, &effect->info, &effect->of);
		if (effect->applied == WF_APPLIED_CANCELLED ||
			effect->applied == WF_APPLIED_UNDOES)
			wf_rows_withdraw(s, &request->run_id);
	}
	wf_request_delete(request->request_id);
	return effect->claimed || effect->applied != WF_APPLIED_NOTHING;
}

/* The audit of a run goes with it; this remains. */
static void
log_deleted(const Effect *effects, int n)
{
	const WfRequest *first = NULL;
	int ndeleted = 0;

	for (int i = 0; i < n; i++)
	{
		if (effects[i].applied != WF_APPLIED_DELETED)
			continue;
		if (ndeleted++ == 0)
			first = effects[i].request;
	}
	if (ndeleted > 0)
		ereport(LOG,
				(errmsg_plural("%d workflow run was deleted",
							   "%d workflow runs were deleted",
							   ndeleted, ndeleted),
				 errdetail("The first is %s, deleted by role \"%s\".",
						   DatumGetCString(DirectFunctionCall1(uuid_out,
															   UUIDPGetDatum(&first->run_id))),
						   first->by)));
}

/* After the commit. */
static void
take_effect(WfScheduler *s, const Effect *effect)
{
	const WfWorkId *id = &effect->info.id;
	WfRowEnd end = {.id = *id, .of = effect->of, .over = WF_OVER_GONE};

	if (effect->claimed)
		wf_plan_release(s->plan, s->now, &effect->request->run_id);
	switch (effect->applied)
	{
		case WF_APPLIED_NOTHING:
		case WF_APPLIED_NOTED:
			break;
		case WF_APPLIED_CANCELLED:
		case WF_APPLIED_UNDOES:
			wf_rows_tell(s, &end, 1);
			break;
		case WF_APPLIED_QUEUED:
		case WF_APPLIED_ALTERED:
			wf_plan_again(s->plan, s->now, &effect->info, false);
			break;
		case WF_APPLIED_WOKEN:
			wf_plan_again(s->plan, s->now, &effect->info, true);
			break;
		case WF_APPLIED_PAUSED:
			wf_plan_pause(s->plan, s->now, id, true);
			break;
		case WF_APPLIED_RESUMED:
			wf_plan_pause(s->plan, s->now, id, false);
			break;
		case WF_APPLIED_DELETED:
			wf_plan_over(s->plan, s->now, id, WF_OVER_GONE);
			break;
	}
}

/*
 * Requests behind *after, as many as a slice has time for; true when there are
 * no more.  They take effect in the order in which they were made.  "newest":
 * out of their turn, so what was asked of the same run before goes first; all
 * of a slice's rows, whatever the time, as they may be of runs that are ready.
 */
static bool
slice(WfScheduler *s, int64 *after, bool newest)
{
	WfRequestWalk *walk = &s->requests;
	WfRequest *requests = palloc(WF_SLICE_ROWS * sizeof(WfRequest));
	Effect *effects = palloc(WF_SLICE_ROWS * sizeof(Effect));
	int neffects = 0;
	int n;
	int i;
	WfWindow w;

	wf_sched_begin(s, &w, "reading requests");
	n = wf_request_read(*after, requests, WF_SLICE_ROWS);
	for (i = 0; i < n && (newest || !wf_sched_slice_is_over(s, i)); i++)
	{
		*after = requests[i].request_id;
		if (newest && wf_request_has_older(&requests[i]))
			continue;
		if (apply_request(s, &requests[i], &effects[neffects]))
			neffects++;
	}
	WF_STOP("sched-request-commit");
	wf_sched_commit(s, &w);

	for (int j = 0; j < neffects; j++)
	{
		take_effect(s, &effects[j]);
		walk->applied |= effects[j].applied != WF_APPLIED_NOTHING;
	}
	log_deleted(effects, neffects);
	return i == n && n < WF_SLICE_ROWS;
}

/* Where the newest requests begin: so many that one slice may do them. */
static int64
newest_from(WfScheduler *s)
{
	int64 last;
	WfWindow w;

	wf_sched_begin(s, &w, "reading requests");
	last = wf_request_last();
	wf_sched_commit(s, &w);
	return last == PG_INT64_MIN ? last : last - WF_SLICE_ROWS;
}

/* Out of their turn, so that nobody waits behind a hundred thousand others. */
static void
do_newest(WfScheduler *s)
{
	WfRequestWalk *walk = &s->requests;

	walk->newest_after = Max(walk->newest_after, newest_from(s));
	walk->has_newer = !slice(s, &walk->newest_after, true);
}

static void
begin_walk(WfRequestWalk *walk)
{
	memset(walk, 0, sizeof(*walk));
	walk->under_way = true;
	walk->after = walk->newest_after = PG_INT64_MIN;
}

/*
 * Begins a walk, as requests were made.  A transaction that drew the numbers
 * of its requests early may commit late, so each walk begins with the first
 * there is.
 */
void
wf_requests_look(WfScheduler *s)
{
	WfRequestWalk *walk = &s->requests;

	if (walk->under_way)
		walk->again = walk->has_newer = true;
	else
		begin_walk(walk);
}

void
wf_requests_go_on(WfScheduler *s)
{
	WfRequestWalk *walk = &s->requests;
	bool first = walk->after == PG_INT64_MIN;

	if (!walk->under_way)
		return;
	if (slice(s, &walk->after, false))
	{
		if (walk->applied)
			wf_alerts_recount(s); /* a dead letter may be one no more */
		if (walk->again)
			begin_walk(walk);
		else
			walk->under_way = false;
	}
	else if (first || walk->has_newer)
		do_newest(s);
	s->more |= walk->under_way;
}
