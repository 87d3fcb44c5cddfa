/*
 * scheduler.c
 *		The process that decides what runs when: one per database.
 *
 * It sleeps on its latch.  Whatever happens (a commit that enqueued, a run
 * that ended, a request, an executor that came or went, a time that is due)
 * sets the latch, and one *cycle* deals with all of it in a fixed order: what
 * executors finished, what is new, what is asked, what is due, and then who
 * gets what.  Between a commit and the assignment there is no transaction and
 * no SQL.
 *
 * Everything it knows is in its private memory and can be made anew from the
 * tables and the slots; so an ERROR ends the process, and the launcher starts
 * another one.
 *
 * Locking: a session lock of its own makes it the only one in its database; no
 * command can ask for it.  wf_shared->lock for moments; never while it runs
 * SQL.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/stoppoint.h"
#include "ipc/attach.h"
#include "ipc/exits.h"
#include "ipc/marks.h"
#include "ipc/queue_stats.h"
#include "ipc/receivers.h"
#include "ipc/shelf.h"
#include "ipc/wakeup.h"
#include "ipc/workers.h"
#include "scheduler/scheduler.h"
#include "store/work.h"

/* entries of each queue that may wait in memory, however full it is */
#define SPILL_FLOOR 2000

/* decisions in one cycle */
#define MAX_DECISIONS 20

/* ---- start-up ---- */

/*
 * Plans of our few statements are made when the tables may still be empty, and
 * kept: they must go by index whatever the statistics say then.
 */
static void
fix_settings(void)
{
	static const char *const off[] = {"enable_seqscan", "enable_bitmapscan",
									  "enable_sort", "jit"};

	for (int i = 0; i < lengthof(off); i++)
		SetConfigOption(off[i], "off", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("plan_cache_mode", "force_generic_plan", PGC_USERSET,
					PGC_S_OVERRIDE);
	/* whoever lets something out that rests on our commits flushes them */
	SetConfigOption("synchronous_commit", "off", PGC_USERSET, PGC_S_OVERRIDE);
}

static void
make_plan(WfScheduler *s)
{
	WfPlanPort port = {.take_back = wf_cells_take_back, .arg = s};
	WfMemory memory;

	wf_sched_make_contexts(s);
	memory = wf_sched_memory(s);
	s->plan =
		wf_plan_create(&memory, &port, wf_shared->nslots, wf_receiver_count());
	s->rows =
		MemoryContextAlloc(s->life_cxt, 2 * WF_PLAN_CHUNK * sizeof(WfWork));
	wf_alerts_init(s);
	wf_retention_init(s);
	wf_grace_init(s);
}

static Oid
look_for_extension(WfScheduler *s)
{
	Oid extension;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	extension = get_extension_oid("workflow", true);
	CommitTransactionCommand();
	MemoryContextSwitchTo(s->cycle_cxt);
	return extension;
}

/* A session lock is released by an abort, but not by the end of a process. */
static void
unlock_extension(int code, Datum extension)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId,
					   DatumGetObjectId(extension), 1);
	(void) LockRelease(&tag, ExclusiveLock, true);
}

/*
 * There is exactly one scheduler for an extension: waits until the one before
 * us has gone.  The lock is of a kind that no SQL command asks for.
 */
static void
lock_extension(WfScheduler *s)
{
	LOCKTAG tag;

	s->extension = look_for_extension(s);
	if (OidIsValid(s->extension))
	{
		SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId,
						   s->extension, 1);
		StartTransactionCommand();
		(void) LockAcquire(&tag, ExclusiveLock, true, false);
		before_shmem_exit(unlock_extension, ObjectIdGetDatum(s->extension));
		CommitTransactionCommand();
		MemoryContextSwitchTo(s->cycle_cxt);
		if (look_for_extension(s) == s->extension)
			return;
	}
	wf_scheduler_detach_no_extension();
	proc_exit(0);
}

/* Ids drawn from now on sort after all there are. */
static void
raise_run_ids(void)
{
	uint64 ticks;
	uint64 present;

	wf_work_last_ticks(&ticks);
	present = pg_atomic_read_u64(&wf_shared->runid_ticks);
	while (present < ticks && !pg_atomic_compare_exchange_u64(
								  &wf_shared->runid_ticks, &present, ticks))
		;
}

/*
 * In this order: strikes are on disk before anything can be dispatched; the
 * ring is emptied before the scan begins, which sees all that was in it; and
 * what executors have in hand is known before the scan meets it.
 */
static void
start_up(WfScheduler *s)
{
	WfWindow w;
	bool struck;

	lock_extension(s);
	s->now = wf_clock_now();
	wf_queue_unpublish(MyDatabaseId);

	wf_sched_begin(s, &w, "starting");
	raise_run_ids();
	wf_wakeup_prepared_look(s->db);
	struck = wf_reads_strikes(s);
	wf_control_refresh(s);
	WF_STOP("sched-strike-commit");
	wf_sched_commit_durable(s, &w);
	if (struck)
		wf_marks_settle(MyDatabaseId);

	wf_reads_settle(s);
	wf_cells_load(s);
	wf_control_apply(s);
	wf_news_discard(s);
	wf_reads_all(s, true);
	wf_sched_shortage_take_over(s);
	s->events = WF_EVENT_REQUEST;
	s->db->scheduler_since = s->now;
}

/* ---- a cycle ---- */

static void
reload(WfScheduler *s)
{
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	/* workflow.site and workflow.enabled decide over everything */
	s->events |= WF_EVENT_CONTROL;
}

/* is there nothing that could be done now? */
static bool
is_idle(WfScheduler *s)
{
	return !s->more && s->events == 0 && !wf_answers_are_due(s) &&
		   wf_plan_is_idle(s->plan);
}

/* Whoever asked before this cycle began may know that all is quiet. */
static void
answer_idle(WfScheduler *s, uint64 asked)
{
	WfDatabase *db = s->db;

	if (pg_atomic_read_u64(&db->idle_answered) == asked || !is_idle(s))
		return;
	pg_atomic_write_u64(&db->idle_answered, asked);
	ConditionVariableBroadcast(&db->idle_cv);
}

/* How many there may be in this database, whatever others have. */
static int
most_executors(void)
{
	return wf_max_executors >= 0 ? Min(wf_executors, wf_max_executors)
								 : wf_executors;
}

static void
set_plan(WfScheduler *s)
{
	WfPlanSettings settings = {
		.executors = most_executors(),
		.per_role = wf_executors_per_role,
		.memory = wf_scheduler_memory * INT64CONST(1024),
		.floor = SPILL_FLOOR,
		.short_of_slots =
			*(volatile TimestampTz *) &wf_shared->short_since != 0};

	wf_plan_set(s->plan, &settings);
#ifdef WF_TEST_BUILD
	wf_plan_break(s->plan, WF_BROKEN("ignore-limits")
							   ? WF_BREAK_LIMITS | WF_BREAK_RATES
						   : WF_BROKEN("ignore-shortages") ? WF_BREAK_SHORTAGE
														   : 0);
#endif
}

/*
 * Decides, and carries out what follows, until nothing follows from that; but
 * not for so long that nobody reads the news.
 */
static void
decide(WfScheduler *s)
{
	bool answered = true;

	for (int i = 0; i < MAX_DECISIONS && answered; i++)
	{
		wf_plan_decide(s->plan, s->now);
		wf_actions_carry_out(s);
		answered = wf_answers_give(s);
	}
	wf_actions_carry_out(s);
	/* what was answered last has yet to be decided on */
	if (answered)
		s->more = true;
}

static void
cycle(WfScheduler *s)
{
	WfDatabase *db = s->db;
	bool loading = wf_plan_is_loading(s->plan);
	uint64 changes = wf_shelf_changes(db);
	uint64 asked = pg_atomic_read_u64(&db->idle_asked);

	s->now = wf_clock_now();
	s->wake_at = DT_NOEND;
	s->more = false;
	set_plan(s);

	wf_cells_reap(s);
	/* before the ring: what was committed before a row that is read is in it */
	wf_reads_go_on(s);
	wf_grace_run(s);
	wf_news_tell(s);
	/* after the ring: events that came with a run count for it */
	if (pg_atomic_read_u32(&db->events) != 0)
		s->events |= pg_atomic_exchange_u32(&db->events, 0);
	wf_control_events(s);
	/* a slice of each kind of bulk work */
	wf_requests_go_on(s);
	wf_signals_go_on(s);
	/* who asks for messages is given what was given back before */
	(void) wf_answers_give(s);
	decide(s);
	/* else something may be unread */
	if (!s->more && s->events == 0 && !wf_plan_is_busy(s->plan) &&
		!wf_answers_are_due(s))
		wf_shelf_heed(db, changes);
	wf_retention_run(s);

	wf_show_all(s);
	wf_sched_shortage_show(s);
	wf_alerts_run(s);
	answer_idle(s, asked);
	if (loading && !wf_plan_is_loading(s->plan))
		wf_scheduler_ready();
	if (s->events != 0 || wf_plan_is_busy(s->plan) || wf_answers_are_due(s))
		s->more = true;
}

/* how often news are read that nobody wakes us up for */
#define READ_NEWS_MS 5

/* Until something happens, or is due; idle, nothing wakes us up. */
static void
wait_for_events(WfScheduler *s)
{
	TimestampTz due = Min(wf_plan_due(s->plan), s->wake_at);
	long timeout = -1;
	int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

	if (s->more)
		return;
	if (due != DT_NOEND)
	{
		timeout = wf_clock_ms_until(due);
		events |= WL_TIMEOUT;
	}
	if (wf_news_are_expected(s))
	{
		wf_news_attend(s->db);
		timeout = timeout < 0 ? READ_NEWS_MS : Min(timeout, READ_NEWS_MS);
		events |= WL_TIMEOUT;
	}
	else if (!wf_news_leave(s->db))
		return;
	(void) WaitLatch(MyLatch, events, timeout,
					 wf_wait_event(WF_WAIT_SCHEDULER));
}

void
workflow_scheduler_main(Datum arg)
{
	WfScheduler scheduler = {0};
	WfScheduler *s = &scheduler;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, wf_worker_die);
	pqsignal(SIGINT, SIG_IGN);
	BackgroundWorkerUnblockSignals();

	s->db = wf_scheduler_attach(DatumGetInt32(arg));
	if (s->db == NULL)
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(s->db->database, InvalidOid, 0);
	wf_worker_settings();
	fix_settings();
	wf_exits_watch_commits();
	make_plan(s);
	start_up(s);

	for (;;)
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
			reload(s);
		if (catchupInterruptPending)
			ProcessCatchupInterrupt();
		MemoryContextSwitchTo(s->cycle_cxt);
		cycle(s);
		MemoryContextReset(s->cycle_cxt);
		wait_for_events(s);
	}
}
