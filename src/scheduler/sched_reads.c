/*
 * sched_reads.c
 *		Walks over what is unfinished, which the plan asks for.
 *
 * A walk takes one chunk each cycle, so that dispatching goes on meanwhile.
 * What it has seen may be the work of transactions that committed
 * asynchronously: whoever is handed it flushes up to where it was seen.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"

#include "base/stoppoint.h"
#include "ipc/exits.h"
#include "ipc/marks.h"
#include "ipc/order.h"
#include "ipc/queue_stats.h"
#include "ipc/stats.h"
#include "scheduler/scheduler.h"
#include "store/continue.h"
#include "store/prepared.h"
#include "store/work.h"

/* ---- strikes ---- */

/*
 * Charges whoever took the server down, and remembers who may have.  Returns
 * true when there were marks, which are settled after the commit.
 */
bool
wf_reads_strikes(WfScheduler *s)
{
	WfMark *marks;
	int n = wf_marks_read(MyDatabaseId, &marks);
	WfWorkId *suspects =
		MemoryContextAlloc(s->life_cxt, mul_size(Max(n, 1), sizeof(WfWorkId)));
	int nsuspects = 0;

	for (int i = 0; i < n; i++)
	{
		WfEndedOf of;

		if (!marks[i].culprit)
		{
			suspects[nsuspects++] = marks[i].run_id;
			continue;
		}
		of = wf_run_strike(&(WfStrike){.run_id = &marks[i].run_id,
									   .ordinal = marks[i].ordinal,
									   .attempt = marks[i].attempt,
									   .step_name = marks[i].step_name,
									   .crash_id = (int64) marks[i].crash_id});
		if ((of.workflow_id == 0 && !of.undoes) ||
			of.queue_id == WF_QUEUE_ITEMS)
			continue;
		wf_rows_withdraw(s, &marks[i].run_id);
		if (of.undoes)
			continue;
		wf_stats_add(MyDatabaseId, of.workflow_id, WF_COUNT_FAILED, 1);
		wf_queue_count(MyDatabaseId, of.queue_id, WF_QCOUNT_FAILED, 1);
	}
	wf_plan_suspect(s->plan, suspects, nsuspects);
	return n > 0;
}

/* ---- walks ---- */

/* Once, after the initial load. */
static void
log_loaded(WfScheduler *s)
{
	WfPlanTotals totals;

	wf_plan_totals(s->plan, &totals);
	elog(
		DEBUG1,
		"workflow scheduler has read all unfinished runs: %u ready, %u waiting for a time",
		totals.ready, totals.timers);
	if (s->nforeign > 0 && !s->control.foreign)
		ereport(LOG,
				(errmsg(INT64_FORMAT " workflow runs and messages of another database are not started",
						s->nforeign),
				 errdetail("They were restored or copied into this database."),
				 errhint("If they should run here, use \"SELECT workflow.start()\".")));
}

/* The next chunk of the walk at work. */
static void
read_chunk(WfScheduler *s)
{
	WfScan scan = *wf_plan_scan(s->plan);
	bool loading = wf_plan_is_loading(s->plan);
	/* before the snapshot: what it shows was prepared earlier */
	bool prepared = s->db->prepared;
	XLogRecPtr lsn;
	WfWindow w;
	int n;

	pg_memory_barrier();
	wf_sched_begin(s, &w, "reading runs");
	n = wf_work_scan(&scan, s->rows, WF_PLAN_CHUNK);
	if (loading)
		s->nforeign += scan.foreign - wf_plan_scan(s->plan)->foreign;
	if (prepared && n > 0)
		n = wf_prepared_filter(s->rows, n);
	lsn = wf_exits_seen_upto();
	WF_STOP("sched-scan-commit");
	wf_sched_commit(s, &w);
	for (int i = 0; i < n; i++)
		s->rows[i].lsn = lsn;
	wf_plan_read(s->plan, s->now, &scan, s->rows, n);

	if (loading && !wf_plan_is_loading(s->plan))
	{
		log_loaded(s);
		/* what was told to the scheduler before us is in the table */
		wf_signals_look(s, false);
	}
}

/* ---- more of a group ---- */

/*
 * Reads the rows of a group that come next.  The plan is told of no commit
 * between the snapshot and its answer.
 */
static void
refill(WfScheduler *s, const WfPlanRequest *request)
{
	WfScan scan = {.kind = WF_SCAN_GROUP,
				   .after_queue = request->queue_id,
				   .after = request->after.id,
				   .after_place = request->after.place};
	int max = Min(request->starts, WF_PLAN_CHUNK);
	bool prepared = s->db->prepared;
	char *key;
	XLogRecPtr lsn;
	WfSpot to;
	WfWindow w;
	int n = 0;

	pg_memory_barrier();
	wf_sched_begin(s, &w, "reading a group");
	key = wf_work_group_key(&request->id, s->cycle_cxt, &scan.group_owner);
	if (key != NULL)
	{
		scan.group_key = key;
		scan.upto_place = request->upto;
		n = wf_work_scan(&scan, s->rows, max);
	}
	to.place = scan.after_place;
	to.id = scan.after;
	if (prepared && n > 0)
		n = wf_prepared_filter(s->rows, n);
	lsn = wf_exits_seen_upto();
	WF_STOP("sched-refill-commit");
	wf_sched_commit(s, &w);
	for (int i = 0; i < n; i++)
		s->rows[i].lsn = lsn;
	wf_plan_refilled(s->plan, s->now, request,
					 key == NULL ? WF_REFILL_LOST
					 : scan.done ? WF_REFILL_ALL
								 : WF_REFILL_SOME,
					 &to, s->rows, n);
}

int
wf_reads_refill(WfScheduler *s, const WfPlanRequest *requests, int n)
{
	instr_time began;
	int ndone;

	INSTR_TIME_SET_CURRENT(began);
	for (ndone = 0; ndone < n && !wf_slice_is_over(&began, ndone); ndone++)
		refill(s, &requests[ndone]);
	/* what was committed before a row that was read is known, too */
	wf_news_catch_up(s);
	return ndone;
}

/* Work that was prepared, and committed by who could not give it its place. */
void
wf_reads_settle(WfScheduler *s)
{
	if (s->control.foreign)
		return;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	pgstat_report_activity(STATE_RUNNING, "placing prepared runs");
	wf_order_settle();
	WF_STOP("sched-settle-commit");
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(s->cycle_cxt);
}

void
wf_reads_all(WfScheduler *s, bool loads)
{
	WfPlanQueues queues;
	int32 *ids;
	WfWindow w;

	wf_sched_begin(s, &w, "looking for work");
	queues.nruns = wf_work_queues(false, s->cycle_cxt, &ids);
	queues.of_runs = ids;
	queues.nmessages = wf_work_queues(true, s->cycle_cxt, &ids);
	queues.of_messages = ids;
	wf_sched_commit(s, &w);
	if (loads)
		wf_plan_load(s->plan, s->now, &queues);
	else
		wf_plan_rescan(s->plan, s->now, &queues);
}

void
wf_reads_go_on(WfScheduler *s)
{
	int nsingle = 0;
	instr_time began;

	INSTR_TIME_SET_CURRENT(began);
	if (wf_plan_scan(s->plan) != NULL)
		read_chunk(s);
	/* they come one for one with what is enqueued, so do not fall behind */
	while (wf_plan_scan(s->plan) != NULL && wf_plan_scan(s->plan)->single &&
		   !wf_slice_is_over(&began, nsingle++))
		read_chunk(s);
}

/* ---- signals that wait for a run that goes on as another ---- */

void
wf_reads_forward(WfScheduler *s, const WfWorkId *id)
{
	pg_uuid_t last;
	bool some;
	WfWindow w;

	wf_sched_begin(s, &w, "looking for signals");
	some = wf_continue_forward(id, &last);
	wf_sched_commit(s, &w);
	if (some)
		wf_plan_wake(s->plan, s->now, &last);
}
