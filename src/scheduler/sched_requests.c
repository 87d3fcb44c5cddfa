/*
 * sched_requests.c
 *		What clients ask of runs.
 *
 * Whoever has a run writes its row: for a run in a TAKEN cell the wish is
 * passed to the executor through the cell; every other is dealt with here, once
 * the plan has said that no executor will have it meanwhile.  A request row
 * stays until the write that answers it, so none is lost with a process.
 */
#include "postgres.h"

#include "miscadmin.h"
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
 * One batch of requests after *after; how many there were.  They take effect
 * in the order in which they were made.
 */
static int
request_batch(WfScheduler *s, int64 *after)
{
	WfRequest *requests = palloc(WF_PLAN_BATCH * sizeof(WfRequest));
	Effect *effects = palloc(WF_PLAN_BATCH * sizeof(Effect));
	int neffects = 0;
	int napplied = 0;
	int n;
	WfWindow w;

	wf_sched_begin(s, &w, "reading requests");
	n = wf_request_read(*after, requests, WF_PLAN_BATCH);
	for (int i = 0; i < n; i++)
	{
		*after = requests[i].request_id;
		if (apply_request(s, &requests[i], &effects[neffects]))
			neffects++;
	}
	WF_STOP("sched-request-commit");
	wf_sched_commit(s, &w);

	for (int i = 0; i < neffects; i++)
	{
		take_effect(s, &effects[i]);
		napplied += effects[i].applied != WF_APPLIED_NOTHING;
	}
	log_deleted(effects, neffects);
	if (napplied > 0)
		wf_alerts_recount(s); /* a dead letter may be one no more */
	return n;
}

void
wf_requests_read(WfScheduler *s)
{
	int64 after = PG_INT64_MIN;

	while (request_batch(s, &after) == WF_PLAN_BATCH)
		CHECK_FOR_INTERRUPTS();
}
