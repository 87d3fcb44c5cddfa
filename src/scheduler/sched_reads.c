/*
 * sched_reads.c
 *		Walks over what is unfinished, which the plan asks for.
 *
 * A walk takes one chunk each cycle, so that dispatching goes on meanwhile.
 * What it has seen may be the work of transactions that committed
 * asynchronously: it is flushed before it can be dispatched.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "miscadmin.h"

#include "base/stoppoint.h"
#include "ipc/marks.h"
#include "ipc/queue_stats.h"
#include "ipc/stats.h"
#include "scheduler/scheduler.h"
#include "store/continue.h"
#include "store/work.h"

/* walks for one run each that are made in a cycle */
#define MAX_SINGLE_SCANS 100

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
									   .crash_id =
										   (int64) marks[i].crash_id});
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

/*
 * Up to where WAL has to be flushed for all that a snapshot taken before has
 * seen to be on disk.  The insert position may lie just past a page header
 * that nobody has written yet, which XLogFlush() does not accept.
 */
XLogRecPtr
wf_reads_seen_upto(void)
{
	XLogRecPtr lsn = GetXLogInsertRecPtr();

	if (XLogSegmentOffset(lsn, wal_segment_size) == SizeOfXLogLongPHD)
		lsn -= SizeOfXLogLongPHD;
	else if (lsn % XLOG_BLCKSZ == SizeOfXLogShortPHD)
		lsn -= SizeOfXLogShortPHD;
	return lsn;
}

/* Once, after the initial load. */
static void
log_loaded(WfScheduler *s, const WfScan *scan)
{
	WfPlanTotals totals;

	wf_plan_totals(s->plan, &totals);
	elog(
		DEBUG1,
		"workflow scheduler has read all unfinished runs: %u ready, %u waiting for a time",
		totals.ready, totals.timers);
	if (scan->foreign > 0 && !s->control.foreign)
		ereport(LOG,
				(errmsg(INT64_FORMAT " workflow runs and messages of another database are not started",
						scan->foreign),
				 errdetail("They were restored or copied into this database."),
				 errhint("If they should run here, use \"SELECT workflow.start()\".")));
}

/* The next chunk of the walk at work. */
static void
read_chunk(WfScheduler *s)
{
	WfScan scan = *wf_plan_scan(s->plan);
	bool loading = wf_plan_is_loading(s->plan);
	XLogRecPtr lsn;
	WfWindow w;
	int n;

	wf_sched_begin(s, &w, "reading runs");
	n = wf_work_scan(&scan, s->rows, WF_PLAN_CHUNK);
	lsn = wf_reads_seen_upto();
	WF_STOP("sched-scan-commit");
	wf_sched_commit(s, &w);
	if (n > 0)
		XLogFlush(lsn);
	wf_plan_read(s->plan, s->now, &scan, s->rows, n);

	if (loading && !wf_plan_is_loading(s->plan))
	{
		log_loaded(s, &scan);
		/* what was told to the scheduler before us is in the table */
		wf_reads_stranded(s);
	}
}

void
wf_reads_go_on(WfScheduler *s)
{
	int nsingle = 0;

	if (wf_plan_scan(s->plan) != NULL)
		read_chunk(s);
	/* they come one for one with what is enqueued, so do not fall behind */
	while (wf_plan_scan(s->plan) != NULL && wf_plan_scan(s->plan)->single &&
		   nsingle++ < MAX_SINGLE_SCANS)
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

void
wf_reads_stranded(WfScheduler *s)
{
	pg_uuid_t *ids;
	WfWindow w;
	int n;
	int nwakes = 0;

	wf_sched_begin(s, &w, "looking for signals");
	n = wf_continue_stranded(s->cycle_cxt, &ids);
	for (int i = 0; i < n; i++)
	{
		pg_uuid_t last;

		if (wf_continue_forward(&ids[i], &last))
			ids[nwakes++] = last;
	}
	wf_sched_commit(s, &w);
	for (int i = 0; i < nwakes; i++)
		wf_plan_wake(s->plan, s->now, &ids[i]);
}
