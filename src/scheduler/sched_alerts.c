/*
 * sched_alerts.c
 *		Who is told of what happens in a queue.
 *
 * What is told:
 *
 *	dead_letter		runs or messages died since the cycle before
 *	depth			more are ready than alert_depth
 *	age				the oldest that is ready waits longer than alert_age
 *	dead_letters	there are more than alert_dead_letters
 *	ready			messages can be received, and nobody waits for them; told
 *					on the channel alone
 *
 * Each but the first is told once per *episode*, which begins when it comes
 * true and ends when it is true no more.  Episodes are in memory: a scheduler
 * that takes over may tell again what goes on.
 *
 * What is in memory costs no query; dead letters are counted, up to their
 * limit, when they have changed.  All that a cycle has to tell goes out in one
 * transaction: an alert function is called by a run, which belongs to who set
 * it, and a channel gets a NOTIFY.  A transaction that fails is tried again,
 * for the queue of notifications of the whole server may be full.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/stoppoint.h"
#include "core/runid.h"
#include "core/workid.h"
#include "ipc/queue_stats.h"
#include "ipc/wakeup.h"
#include "scheduler/scheduler.h"
#include "store/alert.h"

/* ids that are told of those that died */
#define MAX_DEAD_IDS 10

/* after a transaction that failed */
#define RETRY_USEC (10 * USECS_PER_SEC)

/*
 * Where messages come one by one, each may begin an episode of ALERT_READY; so
 * much lies between two at least, and the second is told late.
 */
#define READY_PAUSE_USEC USECS_PER_SEC

typedef enum What
{
	ALERT_DEAD_LETTER,
	ALERT_DEPTH,
	ALERT_AGE,
	ALERT_DEAD_LETTERS,
	ALERT_READY,
	ALERT_N
} What;

static const char *const words[ALERT_N] = {"dead_letter", "depth", "age",
										   "dead_letters", "ready"};

typedef struct Watch
{
	WfAlertRule rule;
	bool goes_on[ALERT_N]; /* an episode */
	bool untold[ALERT_N];

	uint32 ready; /* as of the last look */
	TimestampTz oldest_ready;
	TimestampTz ready_told_at;
	bool recount; /* dead letters may be more, or fewer, than before */
	uint32 ndied; /* not told yet */
	pg_uuid_t died[MAX_DEAD_IDS]; /* the newest of them, [n % MAX_DEAD_IDS] */
} Watch;

typedef struct WfAlerts
{
	MemoryContext cxt; /* of these */
	Watch *watches;	   /* by queue_id */
	int nwatches;
	TimestampTz not_before; /* after a failure */
} WfAlerts;

void
wf_alerts_init(WfScheduler *s)
{
	s->alerts = MemoryContextAllocZero(s->life_cxt, sizeof(WfAlerts));
}

/* ---- what is watched ---- */

static int
compare_watches(const void *a, const void *b)
{
	int32 x = ((const Watch *) a)->rule.queue_id;
	int32 y = ((const Watch *) b)->rule.queue_id;

	return (x > y) - (x < y);
}

static Watch *
find_watch(const WfAlerts *a, int32 queue_id)
{
	Watch key = {.rule = {.queue_id = queue_id}};

	if (a->nwatches == 0)
		return NULL;
	return bsearch(&key, a->watches, a->nwatches, sizeof(Watch),
				   compare_watches);
}

/* One that is new, or has been watched before. */
static void
init_watch(Watch *watch, const WfAlertRule *rule, const Watch *before)
{
	WfQueueGauges g;

	if (before != NULL)
		*watch = *before;
	else
	{
		memset(watch, 0, sizeof(*watch));
		(void) wf_queue_gauges(MyDatabaseId, rule->queue_id, &g);
		watch->ready = g.ready;
		watch->oldest_ready = g.oldest_ready;
	}
	watch->rule = *rule;
	watch->recount = true;
}

void
wf_alerts_read(WfScheduler *s)
{
	WfAlerts *a = s->alerts;
	MemoryContext cxt = AllocSetContextCreate(s->life_cxt, "workflow alerts",
											  ALLOCSET_SMALL_SIZES);
	WfAlertRule *rules;
	Watch *fresh;
	int n = wf_alert_rules(cxt, &rules);

	fresh = MemoryContextAlloc(cxt, mul_size(Max(n, 1), sizeof(Watch)));
	for (int i = 0; i < n; i++)
		init_watch(&fresh[i], &rules[i], find_watch(a, rules[i].queue_id));
	if (a->cxt != NULL)
		MemoryContextDelete(a->cxt);
	a->cxt = cxt;
	a->watches = fresh;
	a->nwatches = n;
}

static void
note_death(WfAlerts *a, const WfDeath *death)
{
	Watch *watch = find_watch(a, death->queue_id);

	/* an alert that fails must not raise the next */
	if (watch == NULL || death->workflow_id == WF_ALERT_WORKFLOW)
		return;
	watch->died[watch->ndied++ % MAX_DEAD_IDS] = death->id;
	watch->untold[ALERT_DEAD_LETTER] = true;
	watch->recount = true;
}

void
wf_alerts_recount(WfScheduler *s)
{
	WfAlerts *a = s->alerts;

	for (int i = 0; i < a->nwatches; i++)
		a->watches[i].recount = true;
}

/* True when it is so now: told when it was not before. */
static void
set_episode(Watch *watch, What what, bool now)
{
	if (now && !watch->goes_on[what])
		watch->untold[what] = true;
	else if (!now)
		watch->untold[what] = false;
	watch->goes_on[what] = now;
}

void
wf_alerts_gauges(WfScheduler *s, int32 queue_id, const WfQueueGauges *g)
{
	Watch *watch = find_watch(s->alerts, queue_id);

	if (watch == NULL)
		return;
	watch->ready = g->ready;
	watch->oldest_ready = g->oldest_ready;
}

/* ---- what there is to tell ---- */

/* Is it to be told now? */
static bool
is_due(WfScheduler *s, const Watch *watch, What what)
{
	TimestampTz at = watch->ready_told_at + READY_PAUSE_USEC;

	if (!watch->untold[what] || what != ALERT_READY || at <= s->now)
		return watch->untold[what];
	wf_scheduler_wake_at(s, at);
	return false;
}

/* What can be said without a query; true when anything is left to be done. */
static bool
look(WfScheduler *s, Watch *watch)
{
	const WfAlertRule *rule = &watch->rule;
	TimestampTz old_at = DT_NOEND;

	set_episode(watch, ALERT_DEPTH,
				rule->depth > 0 && watch->ready > rule->depth);
	if (rule->age > 0 && watch->oldest_ready != 0)
		old_at = watch->oldest_ready + rule->age;
	set_episode(watch, ALERT_AGE, old_at <= s->now);
	if (old_at > s->now && old_at != DT_NOEND)
		wf_scheduler_wake_at(s, old_at);

	set_episode(watch, ALERT_READY,
				rule->channel != NULL &&
					wf_plan_is_unattended(s->plan, s->now, rule->queue_id));
	if (rule->dead_letters == 0)
	{
		watch->recount = false;
		watch->goes_on[ALERT_DEAD_LETTERS] = false;
		watch->untold[ALERT_DEAD_LETTERS] = false;
	}
	if (watch->recount)
		return true;
	for (int i = 0; i < ALERT_N; i++)
	{
		if (is_due(s, watch, i))
			return true;
	}
	return false;
}

static void
append_ids(StringInfo out, const Watch *watch, bool messages)
{
	int n = Min(watch->ndied, MAX_DEAD_IDS);
	bool first = true;

	for (int i = 0; i < n; i++)
	{
		const pg_uuid_t *id =
			&watch->died[(watch->ndied - n + i) % MAX_DEAD_IDS];

		if (wf_workid_is_message(id) != messages)
			continue;
		appendStringInfoString(out, first ? "" : ", ");
		first = false;
		if (messages)
			appendStringInfo(out, INT64_FORMAT, wf_workid_message(id));
		else
			appendStringInfo(out, "\"%s\"",
							 DatumGetCString(DirectFunctionCall1(
								 uuid_out, UUIDPGetDatum(id))));
	}
}

/* {"queue": ..., "event": ..., "at": ...}, and what there is to it */
static char *
text_of(const WfScheduler *s, const Watch *watch, What what)
{
	const WfAlertRule *rule = &watch->rule;
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, "{\"queue\": ");
	escape_json(&out, rule->queue);
	appendStringInfo(&out, ", \"event\": \"%s\", \"at\": ", words[what]);
	escape_json(&out, timestamptz_to_str(s->now));
	if (what == ALERT_DEPTH)
		appendStringInfo(&out, ", \"ready\": %u, \"alert_depth\": %d",
						 watch->ready, rule->depth);
	else if (what == ALERT_AGE)
	{
		appendStringInfoString(&out, ", \"oldest_ready_at\": ");
		escape_json(&out, timestamptz_to_str(watch->oldest_ready));
	}
	else if (what == ALERT_DEAD_LETTERS)
		appendStringInfo(&out, ", \"alert_dead_letters\": %d",
						 rule->dead_letters);
	else if (what == ALERT_DEAD_LETTER)
	{
		appendStringInfo(&out, ", \"count\": %u, \"run_ids\": [",
						 watch->ndied);
		append_ids(&out, watch, false);
		appendStringInfoString(&out, "], \"message_ids\": [");
		append_ids(&out, watch, true);
		appendStringInfoChar(&out, ']');
	}
	appendStringInfoChar(&out, '}');
	return out.data;
}

/* In a window. */
static void
tell(const WfScheduler *s, const Watch *watch, What what)
{
	char *text = text_of(s, watch, what);
	WfWork info = {0};

	if (watch->rule.channel != NULL)
		Async_Notify(watch->rule.channel, text);
	if (watch->rule.function == NULL || what == ALERT_READY)
		return;
	wf_runid_draw(&info.id);
	wf_alert_enqueue(
		&watch->rule,
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text))),
		&info);
	wf_note_run(&info);
}

/* After the commit of what was due at "now". */
static void
forget_told(Watch *watch, TimestampTz now)
{
	bool ready = watch->untold[ALERT_READY];
	bool told = watch->ready_told_at + READY_PAUSE_USEC <= now;

	watch->ndied = 0;
	memset(watch->untold, false, sizeof(watch->untold));
	if (ready && told)
		watch->ready_told_at = now;
	else
		watch->untold[ALERT_READY] = ready;
}

static void
tell_all(WfScheduler *s)
{
	WfAlerts *a = s->alerts;
	TimestampTz now;
	WfWindow w;

	wf_sched_begin(s, &w, "telling of queues");
	for (int i = 0; i < a->nwatches; i++)
	{
		Watch *watch = &a->watches[i];

		if (watch->recount)
			set_episode(watch, ALERT_DEAD_LETTERS,
						wf_alert_exceeds_dead(watch->rule.queue_id,
											  watch->rule.dead_letters));
		watch->recount = false;
		for (int j = 0; j < ALERT_N; j++)
		{
			if (is_due(s, watch, j))
				tell(s, watch, j);
		}
	}
	now = s->now;
	WF_STOP("sched-alert-commit");
	wf_sched_commit(s, &w);

	for (int i = 0; i < a->nwatches; i++)
		forget_told(&a->watches[i], now);
}

/* What could not be told stays untold. */
static void
tell_or_wait(WfScheduler *s)
{
	WfAlerts *a = s->alerts;
	PG_TRY();
	{
		tell_all(s);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(s->cycle_cxt);
		HOLD_INTERRUPTS();
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		RESUME_INTERRUPTS();
		MemoryContextSwitchTo(s->cycle_cxt);
		a->not_before = wf_clock_now() + RETRY_USEC;
	}
	PG_END_TRY();
}

void
wf_alerts_run(WfScheduler *s)
{
	WfAlerts *a = s->alerts;
	bool any = false;
	int n;
	const WfDeath *deaths = wf_plan_deaths(s->plan, &n);

	for (int i = 0; i < n; i++)
		note_death(a, &deaths[i]);

	if (s->halted || wf_plan_is_loading(s->plan))
		return;
	for (int i = 0; i < a->nwatches; i++)
		any |= look(s, &a->watches[i]);
	if (!any)
		return;
	if (a->not_before <= s->now)
		tell_or_wait(s);
	if (a->not_before > s->now)
		wf_scheduler_wake_at(s, a->not_before);
}
