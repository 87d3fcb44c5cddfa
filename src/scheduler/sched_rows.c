/*
 * sched_rows.c
 *		Runs that are ended or parked by the scheduler, as they are in no cell.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "base/stoppoint.h"
#include "core/state.h"
#include "ipc/queue_stats.h"
#include "ipc/stats.h"
#include "ipc/wakeup.h"
#include "scheduler/scheduler.h"
#include "store/message_task.h"
#include "store/request.h"

void
wf_rows_withdraw(WfScheduler *s, const pg_uuid_t *run_id)
{
	int64 *ids;
	int n = wf_task_withdraw(run_id, s->cycle_cxt, &ids);

	for (int i = 0; i < n; i++)
		wf_note_message(ids[i]);
}

/* ---- after the commit ---- */

/* The parent of a run that has ended is told, its children are asked to end. */
static void
tell_relatives(WfScheduler *s, const WfEndedOf *of, const WfEndedOf *before)
{
	if (of->has_parent &&
		(before == NULL || !before->has_parent ||
		 memcmp(&before->parent_id, &of->parent_id, UUID_LEN) != 0))
		wf_plan_wake(s->plan, s->now, &of->parent_id);
	if (of->asks)
		s->events |= WF_EVENT_REQUEST;
}

static void
count_end(const WfRowEnd *end)
{
	WfCounter counter = WF_COUNT_CANCELLED;
	WfQueueCounter of_queue = WF_QCOUNT_CANCELLED;

	if (end->over == WF_OVER_FAILED)
	{
		counter = WF_COUNT_FAILED;
		of_queue = WF_QCOUNT_FAILED;
	}
	else if (end->over == WF_OVER_PARKED)
	{
		counter = WF_COUNT_PARKED;
		of_queue = WF_QCOUNT_PARKED;
	}
	wf_stats_add(MyDatabaseId, end->of.workflow_id, counter, 1);
	wf_queue_count(MyDatabaseId, end->of.queue_id, of_queue, 1);
}

void
wf_rows_tell(WfScheduler *s, const WfRowEnd *ends, int n)
{
	for (int i = 0; i < n; i++)
	{
		const WfEndedOf *of = &ends[i].of;

		if (of->undoes)
		{
			wf_plan_again(s->plan, s->now, &of->info, false);
			tell_relatives(s, of, NULL);
			continue;
		}
		wf_plan_over(s->plan, s->now, &ends[i].id,
					 of->workflow_id != 0 ? ends[i].over : WF_OVER_GONE);
		if (of->workflow_id == 0)
			continue;
		tell_relatives(s, of, i > 0 ? &ends[i - 1].of : NULL);
		if (of->queue_id == WF_QUEUE_ITEMS)
			continue;
		count_end(&ends[i]);
		ConditionVariableBroadcast(wf_wait_channel(&ends[i].id));
	}
	wf_retention_touch(s);
}

/* ---- what the plan asks for ---- */

static void
park(const WfPlanRequest *request, WfRowEnd *end)
{
	WfRoleFault fault;

	end->over = WF_OVER_PARKED;
	if (request->kind == WF_PLAN_PARK)
		end->of =
			wf_run_park(&request->id, WF_REASON_TERMINATED, "57P01",
						"executor of the run was terminated again and again",
						"Use workflow.retry_run() when the cause is gone.");
	else if (!wf_roles_may_connect(request->role, &fault))
		end->of = wf_run_park(&request->id, WF_REASON_OWNER, fault.code,
							  fault.message, fault.hint);
	else
		end->over = WF_OVER_NOT;
}

static void
expire(WfScheduler *s, const WfPlanRequest *request, WfRowEnd *end)
{
	end->over = WF_OVER_FAILED;
	end->of = wf_run_expire(&request->id);
	wf_request_delete_for(&request->id);
	wf_rows_withdraw(s, &request->id);
}

/* Works in one transaction. */
int
wf_rows_write(WfScheduler *s, const WfPlanRequest *requests, int n)
{
	WfRowEnd *ends = palloc0(mul_size(n, sizeof(WfRowEnd)));
	bool expires = requests[0].kind == WF_PLAN_EXPIRE;
	WfWorkId *spared = palloc(mul_size(n, sizeof(WfWorkId)));
	int nends = 0;
	int nspared = 0;
	int ndone;
	WfWindow w;

	wf_sched_begin(
		s, &w, expires ? "ending runs whose time is over" : "parking runs");
	for (ndone = 0; ndone < n && !wf_sched_slice_is_over(s, ndone); ndone++)
	{
		WfRowEnd *end = &ends[nends];

		end->id = requests[ndone].id;
		if (expires)
			expire(s, &requests[ndone], end);
		else
			park(&requests[ndone], end);
		if (end->over == WF_OVER_NOT)
			spared[nspared++] = end->id;
		else
			nends++;
	}
	if (expires)
		WF_STOP("sched-expire-commit");
	else
		WF_STOP("sched-park-commit");
	wf_sched_commit(s, &w);
	wf_rows_tell(s, ends, nends);
	for (int i = 0; i < nspared; i++)
		wf_plan_over(s->plan, s->now, &spared[i], WF_OVER_NOT);
	return ndone;
}
