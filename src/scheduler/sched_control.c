/*
 * sched_control.c
 *		Stop and start, pauses and the rules of queues; what is asked of the
 *		scheduler as a whole.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "base/stoppoint.h"
#include "ipc/attach.h"
#include "scheduler/scheduler.h"
#include "store/definition.h"
#include "store/queue.h"
#include "store/rate.h"
#include "store/work.h"

/* ---- control ---- */

static int
compare_ids(const void *a, const void *b)
{
	int32 x = *(const int32 *) a;
	int32 y = *(const int32 *) b;

	return (x > y) - (x < y);
}

/* Says once per episode that, and why, nothing is dispatched. */
static void
log_foreign(WfScheduler *s, const WfControl *control)
{
	if (control->foreign && (!s->control_known || !s->control.foreign))
		ereport(LOG,
				(errmsg("workflows of database \"%s\" are not started",
						get_database_name(MyDatabaseId)),
				 errdetail("Reason: %s.", control->why),
				 errhint("If this is where they should run from now on, use \"SELECT workflow.start()\" in that database.")));
	else if (!control->foreign && s->control_known && s->control.foreign)
		ereport(LOG,
				(errmsg("workflows of database \"%s\" are started again",
						get_database_name(MyDatabaseId))));
}

/* ---- rules ---- */

/*
 * In a window: rules of queues, and of those that count anew what was started
 * before, the work that was.
 */
static void
read_rules(WfScheduler *s, WfPlanRules *out)
{
	MemoryContext cxt = s->rules_cxt;
	WfQueueRules *queues;
	WfStarted *started;
	WfRateUsed *used;
	int32 *ids;
	int n = 0;

	MemoryContextReset(cxt);
	out->nqueues = wf_queue_rules(cxt, &queues);
	out->queues = queues;
	wf_rate_forget_dropped();
	ids = palloc(mul_size(Max(out->nqueues, 1), sizeof(int32)));
	for (int i = 0; i < out->nqueues; i++)
	{
		if (wf_plan_counts_anew(s->plan, &queues[i]))
			ids[n++] = queues[i].queue_id;
	}
	out->nstarted = wf_work_scan_started(ids, n, cxt, &started);
	out->started = started;
	if (!s->rates_told)
	{
		out->nused = wf_rate_load(cxt, &used);
		out->used = used;
	}
}

void
wf_control_refresh(WfScheduler *s)
{
	WfControl control;

	wf_control_read(true, &control);
	log_foreign(s, &control);
	s->control = control;
	s->control_known = true;

	if (s->paused != NULL)
		pfree(s->paused);
	s->npaused = wf_workflow_paused(&s->paused, s->life_cxt);
	qsort(s->paused, s->npaused, sizeof(int32), compare_ids);
	read_rules(s, s->rules);
	wf_alerts_read(s);
}

/* Before anybody is refused for that: who gets nothing may ask why. */
static void
show_stopped(const WfScheduler *s)
{
	WfDatabase *db = s->db;

	if ((s->control.stopped || s->control.foreign) && !db->stopped &&
		!db->foreign)
		db->stops++;
	db->stopped = s->control.stopped;
	db->foreign = s->control.foreign;
}

void
wf_control_apply(WfScheduler *s)
{
	WfPlanRules *rules = s->rules;

	show_stopped(s);

	s->halted = s->control.stopped || s->control.foreign || !wf_enabled;
	rules->halted = s->halted;
	rules->foreign = s->control.foreign;
	rules->paused = s->paused;
	rules->npaused = s->npaused;
	wf_plan_rules(s->plan, s->now, rules);
	s->rates_told = true;
	memset(rules, 0, sizeof(*rules));
	MemoryContextReset(s->rules_cxt);
	wf_retention_restart(s);
}

static void
read_control(WfScheduler *s)
{
	WfWindow w;

	wf_sched_begin(s, &w, "reading settings");
	wf_control_refresh(s);
	WF_STOP("sched-control-commit");
	wf_sched_commit(s, &w);
	wf_control_apply(s);
}

/* ---- the extension is gone ---- */

static void
leave_if_dropped(WfScheduler *s)
{
	Oid extension;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	extension = get_extension_oid("workflow", true);
	CommitTransactionCommand();
	MemoryContextSwitchTo(s->cycle_cxt);
	if (extension == s->extension)
		return;

	ereport(LOG,
			(errmsg("workflow scheduler ends, because the extension was dropped")));
	wf_plan_leave(s->plan, s->now);
	wf_actions_carry_out(s);
	/* another extension may be there already: then the launcher starts anew */
	if (OidIsValid(extension))
		proc_exit(1);
	wf_scheduler_detach_no_extension();
	proc_exit(0);
}

void
wf_control_events(WfScheduler *s)
{
	uint32 events = s->events;

	if (events == 0)
		return;
	s->events = 0;
	if (events & WF_EVENT_EXIT)
		leave_if_dropped(s);
	if (events & WF_EVENT_CONTROL)
		read_control(s);
	if (events & WF_EVENT_PREPARED)
		wf_reads_settle(s);
	if (events & WF_EVENT_RESCAN)
		wf_reads_all(s, false);
	if (events & WF_EVENT_REQUEST)
		wf_requests_look(s);
	if (events & WF_EVENT_SIGNALS)
		wf_signals_look(s, true);
	if (events & WF_EVENT_DEAD)
		wf_alerts_recount(s);
	if (events & WF_EVENT_KEPT)
		wf_retention_touch(s);
}
