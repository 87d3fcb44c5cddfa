/*
 * sched_show.c
 *		What views show: of each queue, and of all together.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "ipc/queue_stats.h"
#include "scheduler/scheduler.h"

static void
show_queue(void *arg, int32 queue_id, const WfQueueGauges *g,
		   const WfFlowCounts *counts)
{
	wf_queue_publish(MyDatabaseId, queue_id, g);
	wf_alerts_gauges(arg, queue_id, g);
	if (counts->started > 0)
		wf_queue_count(MyDatabaseId, queue_id, WF_QCOUNT_STARTED,
					   counts->started);
	if (counts->succeeded > 0)
		wf_queue_count(MyDatabaseId, queue_id, WF_QCOUNT_SUCCEEDED,
					   counts->succeeded);
	if (counts->failed > 0)
		wf_queue_count(MyDatabaseId, queue_id, WF_QCOUNT_FAILED,
					   counts->failed);
}

void
wf_show_all(WfScheduler *s)
{
	WfDatabase *db = s->db;
	WfPlanTotals totals;

	wf_plan_totals(s->plan, &totals);
	if (db->ready != totals.ready)
		db->ready = totals.ready;
	if (db->timers != totals.timers)
		db->timers = totals.timers;
	if (db->oldest_ready != totals.oldest_ready)
		db->oldest_ready = totals.oldest_ready;
	if (s->ended != totals.ended)
		wf_retention_touch(s);
	s->ended = totals.ended;
	wf_plan_show(s->plan, show_queue, s);
}
