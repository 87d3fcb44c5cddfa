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
#include "store/work.h"
#include "worker/attach.h"
#include "worker/marks.h"
#include "worker/receivers.h"
#include "worker/sched.h"
#include "worker/shelf.h"
#include "worker/wakeup.h"
#include "worker/workers.h"

WfSched wf_sched;

/* ---- transactions ---- */

void
wf_sched_begin(WfWindow *w, const char *activity)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	pgstat_report_activity(STATE_RUNNING, activity);
	wf_window_open(w);
}

void
wf_sched_commit(WfWindow *w)
{
	wf_window_close(w);
	CommitTransactionCommand();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(wf_sched.cycle_cxt);

	/* what was read may be due since the cycle began: it is not a timer */
	wf_sched.now = wf_clock_now();
}

/* ---- start-up ---- */

/*
 * Plans of our few statements are made when the tables may still be empty, and
 * kept: they must go by index whatever the statistics say then.
 */
static void
fix_plans(void)
{
	static const char *const off[] = {"enable_seqscan", "enable_bitmapscan",
									  "enable_sort", "jit"};

	for (int i = 0; i < lengthof(off); i++)
		SetConfigOption(off[i], "off", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("plan_cache_mode", "force_generic_plan", PGC_USERSET,
					PGC_S_OVERRIDE);
}

static void
make_contexts(void)
{
	wf_sched.life_cxt = AllocSetContextCreate(
		TopMemoryContext, "workflow scheduler", ALLOCSET_DEFAULT_SIZES);
	wf_sched.cycle_cxt = AllocSetContextCreate(
		TopMemoryContext, "workflow scheduler cycle", ALLOCSET_DEFAULT_SIZES);
	wf_gates_init(wf_sched.life_cxt);
	wf_ready_init(&wf_sched.ready, wf_sched.life_cxt);
	wf_seats_init();
	wf_messages_init();
	wf_receivers_init();
	wf_sched.infos = MemoryContextAlloc(
		wf_sched.life_cxt, 2 * WF_SCHED_CHUNK * sizeof(WfRunInfo));
	wf_sched.scans_allocated = 8;
	wf_sched.scans = MemoryContextAlloc(
		wf_sched.life_cxt, wf_sched.scans_allocated * sizeof(WfScan));
	MemoryContextSwitchTo(wf_sched.cycle_cxt);
}

static Oid
look_for_extension(void)
{
	Oid extension;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	extension = get_extension_oid("workflow", true);
	CommitTransactionCommand();
	MemoryContextSwitchTo(wf_sched.cycle_cxt);
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
lock_extension(void)
{
	LOCKTAG tag;

	wf_sched.extension = look_for_extension();
	if (OidIsValid(wf_sched.extension))
	{
		SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId,
						   wf_sched.extension, 1);
		StartTransactionCommand();
		(void) LockAcquire(&tag, ExclusiveLock, true, false);
		before_shmem_exit(unlock_extension,
						  ObjectIdGetDatum(wf_sched.extension));
		CommitTransactionCommand();
		MemoryContextSwitchTo(wf_sched.cycle_cxt);
		if (look_for_extension() == wf_sched.extension)
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
start_up(void)
{
	WfWindow w;
	bool struck;

	lock_extension();
	wf_sched.now = wf_clock_now();
	wf_queue_unpublish(MyDatabaseId);

	wf_sched_begin(&w, "starting");
	raise_run_ids();
	wf_wakeup_prepared_look(wf_sched.db);
	struck = wf_load_strikes();
	if (struck)
		ForceSyncCommit();
	wf_control_refresh();
	WF_STOP("sched-strike-commit");
	wf_sched_commit(&w);
	if (struck)
		wf_marks_settle(MyDatabaseId);

	wf_load_cells();
	wf_control_apply();
	wf_load_discard_ring();
	wf_messages_discard_news();
	wf_shelf_clear();
	wf_sched.loading = true;
	wf_load_add_scan(NULL, NULL);
	wf_sched.events = WF_EVENT_REQUEST;
	wf_sched.db->scheduler_since = wf_sched.now;
}

/* ---- a cycle ---- */

static void
reload(void)
{
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	/* workflow.site and workflow.enabled decide over everything */
	wf_sched.events |= WF_EVENT_CONTROL;
}

/* is there nothing that could be done now? */
static bool
is_idle(void)
{
	const WfReady *ready = &wf_sched.ready;

	return !wf_sched.more && !wf_sched.loading && wf_sched.nscans == 0 &&
		   (wf_sched.halted || wf_gates_are_idle()) && wf_sched.events == 0 &&
		   ready->ncells == 0 && (wf_sched.halted || ready->nready == 0);
}

/* What views show.  Written only where it changed. */
static void
publish(void)
{
	WfDatabase *db = wf_sched.db;
	TimestampTz oldest = wf_ready_oldest(&wf_sched.ready);

	if (db->ready != wf_sched.ready.nready)
		db->ready = wf_sched.ready.nready;
	if (db->timers != wf_sched.ready.ntimers)
		db->timers = wf_sched.ready.ntimers;
	if (db->oldest_ready != oldest)
		db->oldest_ready = oldest;
	if (db->stopped != wf_sched.control.stopped)
		db->stopped = wf_sched.control.stopped;
	if (db->foreign != wf_sched.control.foreign)
		db->foreign = wf_sched.control.foreign;
	wf_flow_publish();
}

/* Whoever asked before this cycle began may know that all is quiet. */
static void
answer_idle(uint64 asked)
{
	WfDatabase *db = wf_sched.db;

	if (pg_atomic_read_u64(&db->idle_answered) == asked || !is_idle())
		return;
	pg_atomic_write_u64(&db->idle_answered, asked);
	ConditionVariableBroadcast(&db->idle_cv);
}

static void
cycle(void)
{
	WfDatabase *db = wf_sched.db;
	bool loading = wf_sched.loading;
	uint64 changes = wf_shelf_changes(db);
	uint64 asked = pg_atomic_read_u64(&db->idle_asked);

	wf_sched.now = wf_clock_now();
	wf_sched.wake_at = DT_NOEND;
	wf_sched.more = false;

	wf_seats_reap();
	wf_load_ring();
	wf_messages_news();
	/* after the ring: events that came with a run count for it */
	if (pg_atomic_read_u32(&db->events) != 0)
		wf_sched.events |= pg_atomic_exchange_u32(&db->events, 0);
	wf_sched_events();
	wf_spill_refill();
	wf_load_scan();
	wf_messages_expire();
	wf_ready_fire_timers(&wf_sched.ready, wf_sched.now);
	wf_sched_deadlines();
	wf_shelf_check();
	wf_gates_open();
	wf_receivers_answer();
	wf_shelf_fill();
	/* else something may be unread */
	if (!wf_sched.more && wf_sched.events == 0)
		wf_shelf_heed(db, changes);
	wf_dispatch();
	wf_executors_adjust();
	wf_retention_run();

	publish();
	wf_alerts_run();
	answer_idle(asked);
	if (loading && !wf_sched.loading)
		wf_scheduler_ready();
	if (wf_sched.events != 0)
		wf_sched.more = true;
}

/* how often news are read that nobody wakes us up for */
#define READ_NEWS_MS 5

/* Until something happens, or is due; idle, nothing wakes us up. */
static void
wait_for_events(void)
{
	TimestampTz due = wf_ready_due(&wf_sched.ready, !wf_sched.control.foreign);
	long timeout = -1;
	int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

	if (wf_sched.more)
		return;
	due = Min(due, wf_sched.wake_at);
	if (due != DT_NOEND)
	{
		timeout = wf_clock_ms_until(due);
		events |= WL_TIMEOUT;
	}
	if (wf_receivers_are_busy())
	{
		wf_news_attend(wf_sched.db);
		timeout = timeout < 0 ? READ_NEWS_MS : Min(timeout, READ_NEWS_MS);
		events |= WL_TIMEOUT;
	}
	else if (!wf_news_leave(wf_sched.db))
		return;
	(void) WaitLatch(MyLatch, events, timeout,
					 wf_wait_event(WF_WAIT_SCHEDULER));
}

void
workflow_scheduler_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, SIG_IGN);
	BackgroundWorkerUnblockSignals();

	wf_sched.db = wf_scheduler_attach(DatumGetInt32(arg));
	if (wf_sched.db == NULL)
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(wf_sched.db->database,
											  InvalidOid, 0);
	wf_worker_settings();
	fix_plans();
	make_contexts();
	start_up();

	for (;;)
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
			reload();
		if (catchupInterruptPending)
			ProcessCatchupInterrupt();
		MemoryContextSwitchTo(wf_sched.cycle_cxt);
		cycle();
		MemoryContextReset(wf_sched.cycle_cxt);
		wait_for_events();
	}
}
