/*
 * executor.c
 *		The process that runs user code: one database, one role, for its life.
 *
 * It is connected as the role whose runs it executes, so there is nothing to
 * escape to.  It takes assignments out of its slot (shmem.h has the protocol),
 * moves each run on until it ends or waits (exec_run.c), and tells the
 * scheduler what came of it.  It never decides what to run.
 *
 * Waiting: `idle` is set before the last look at the cells, and the scheduler
 * looks at `idle` after it has offered a cell, with full barriers on both
 * sides; so an offer is either seen or followed by a wake-up.
 *
 * Cancelling: cancel interrupts are held except around user code, so SIGINT
 * cannot hit the engine's own statements, nor its commits.
 *
 * It ends when it has been idle or alive for too long, when the scheduler sets
 * `retire`, and when a body has made it unsafe to go on.  Cells still OFFERED
 * then go back to the scheduler through the exit callback.
 */
#include "postgres.h"

#include "libpq/pqsignal.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "worker/attach.h"
#include "worker/exec.h"
#include "worker/marks.h"
#include "worker/workers.h"

WfExec *wf_exec = NULL;

static TimeoutId timer_id;

/* ---- the timer ---- */

static void
timer_fired(void)
{
	wf_exec->timed_out = true;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

/*
 * Raises QUERY_CANCELED after "usec", and again every "repeat_usec" (0: never)
 * as user code may catch it.
 */
void
wf_timer_start(int64 usec, int64 repeat_usec)
{
	TimestampTz due = wf_clock_system() + usec;

	if (repeat_usec > 0)
		enable_timeout_every(timer_id, due, (int) (repeat_usec / 1000));
	else
		enable_timeout_at(timer_id, due);
}

void
wf_timer_stop(void)
{
	disable_timeout(timer_id, false);
}

/* ---- death of the postmaster ---- */

#ifdef USE_POSTMASTER_DEATH_SIGNAL

/* as in core's pmsignal.c, which does not tell */
#ifdef SIGINFO
#define WF_POSTMASTER_DEATH_SIGNAL SIGINFO
#else
#define WF_POSTMASTER_DEATH_SIGNAL SIGPWR
#endif

/*
 * User code that never waits would not notice, and nobody could start the
 * server again while it goes on.
 */
static void
postmaster_died(SIGNAL_ARGS)
{
	int save_errno = errno;

	postmaster_possibly_dead = true;
	ProcDiePending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
	errno = save_errno;
}
#endif

/* ---- what the views show ---- */

static void
begin_show(WfSlot *slot)
{
	pg_atomic_fetch_add_u32(&slot->changecount, 1);
	pg_write_barrier();
}

static void
end_show(WfSlot *slot)
{
	pg_write_barrier();
	pg_atomic_fetch_add_u32(&slot->changecount, 1);
}

void
wf_show_run(WfExec *exec)
{
	WfSlot *slot = exec->slot;

	begin_show(slot);
	slot->run_id = exec->run.run_id;
	slot->workflow_id = exec->run.workflow_id;
	slot->ordinal = 0;
	slot->attempt = 0;
	slot->step_name[0] = '\0';
	slot->since = exec->taken_at;
	slot->has_progress = false;
	end_show(slot);
	exec->progress_place = 0;
}

void
wf_show_step(WfExec *exec, int ordinal, int attempt, const char *name)
{
	WfSlot *slot = exec->slot;
	int len = pg_mbcliplen(name, strlen(name), sizeof(slot->step_name) - 1);

	begin_show(slot);
	slot->ordinal = ordinal;
	slot->attempt = attempt;
	memcpy(slot->step_name, name, len);
	slot->step_name[len] = '\0';
	slot->since = exec->step_started_at;
	end_show(slot);
}

void
wf_show_progress(WfExec *exec, const Jsonb *progress)
{
	WfSlot *slot = exec->slot;

	Assert(VARSIZE(progress) <= WF_MAX_PROGRESS);
	if (wf_exec_is_trial(exec))
		return;
	begin_show(slot);
	memcpy(slot->progress, progress, VARSIZE(progress));
	slot->has_progress = true;
	end_show(slot);
}

Jsonb *
wf_shown_progress(WfExec *exec)
{
	WfSlot *slot = exec->slot;

	return slot->has_progress ? (Jsonb *) slot->progress : NULL;
}

static void
show_idle(WfExec *exec, bool ended)
{
	WfSlot *slot = exec->slot;

	begin_show(slot);
	memset(&slot->run_id, 0, sizeof(slot->run_id));
	slot->workflow_id = 0;
	slot->ordinal = 0;
	slot->attempt = 0;
	slot->step_name[0] = '\0';
	slot->has_progress = false;
	slot->active_at = slot->since = wf_clock_now();
	if (ended)
		slot->runs++;
	end_show(slot);
}

/* ---- around user code ---- */

/*
 * SIGINT outside user code is dropped, not kept: a commit that waits for a
 * synchronous standby would take it for the order to wait no longer.  What it
 * was sent for stands in the cell.
 */
static void
cancel_asked(SIGNAL_ARGS)
{
	if (QueryCancelHoldoffCount == 0)
		StatementCancelHandler(postgres_signal_arg);
}

/* Exactly, and at once, only where starts are counted against a rate limit. */
static void
tell_begun(WfExec *exec)
{
	WfCell *cell = exec->cell;
	WfDatabase *db;

	if (!(cell->flags & WF_ASSIGN_RATED))
	{
		cell->begun_at = exec->taken_at;
		return;
	}
	cell->begun_at = wf_clock_now();
	pg_memory_barrier();
	db = wf_database_find(MyDatabaseId);
	if (db != NULL)
		wf_wake_scheduler(db);
}

void
wf_user_code_begin(WfExec *exec, int ordinal, int attempt)
{
	if (wf_exec_is_trial(exec))
		return;
	/* a crash is the fault of the run that checks */
	if (!exec->checks)
		wf_mark_set(&exec->run.run_id, ordinal, attempt);
	exec->slot->in_user_code = true;
	if (exec->cell->begun_at == 0)
		tell_begun(exec);

	/* forget what came for another run, but not what came for this one */
	QueryCancelPending = false;
	QueryCancelHoldoffCount = 0;
	pg_memory_barrier();
	if (wf_exec_request(exec) & (WF_REQ_CANCEL | WF_REQ_TIMEOUT))
	{
		InterruptPending = true;
		QueryCancelPending = true;
	}
}

void
wf_user_code_end(WfExec *exec)
{
	if (wf_exec_is_trial(exec))
		return;
	QueryCancelHoldoffCount = 1;
	QueryCancelPending = false;
	exec->slot->in_user_code = false;
	if (!exec->checks)
		wf_mark_clear();
}

/* ---- assignments ---- */

/* The OFFERED cell with the lowest number becomes ours, or NULL. */
static WfCell *
take_cell(WfSlot *slot)
{
	for (;;)
	{
		WfCell *best = NULL;
		uint32 expected = WF_CELL_OFFERED;

		for (int i = 0; i < WF_CELLS; i++)
		{
			WfCell *cell = &slot->cells[i];

			if (pg_atomic_read_u32(&cell->state) != WF_CELL_OFFERED)
				continue;
			pg_read_barrier();
			if (best == NULL || cell->seq < best->seq)
				best = cell;
		}
		if (best == NULL)
			return NULL;
		if (pg_atomic_compare_exchange_u32(&best->state, &expected,
										   WF_CELL_TAKEN))
			return best;
	}
}

static int
count_offered(WfSlot *slot)
{
	int n = 0;

	for (int i = 0; i < WF_CELLS; i++)
		n += pg_atomic_read_u32(&slot->cells[i].state) == WF_CELL_OFFERED;
	return n;
}

/*
 * The scheduler has to know at once when a run is not over, when another one
 * waits for its end, or when this slot is about to run dry; else it sees the DONE cell when it next comes round.
 */
static void
give_back(WfExec *exec, WfCell *cell, WfOutcome outcome, TimestampTz due_at)
{
	bool tells = cell->tells_parent;

	cell->outcome = outcome;
	cell->due_at = due_at;
	pg_write_barrier();
	pg_atomic_write_u32(&cell->state, WF_CELL_DONE);
	pg_memory_barrier();
	if (pg_atomic_read_u32(&cell->request) & (WF_REQ_CANCEL | WF_REQ_TIMEOUT))
	{
		/* a signal on its way must not come in the next run */
		LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
		LWLockRelease(wf_shared->lock);
	}
	if (outcome != WF_OUTCOME_ENDED || tells ||
		pg_atomic_read_u32(&cell->request) != 0 ||
		count_offered(exec->slot) <= WF_CELLS / 2)
	{
		WfDatabase *db = wf_database_find(MyDatabaseId);

		if (db != NULL)
			wf_wake_scheduler(db);
	}
}

static void
run_cell(WfExec *exec, WfCell *cell)
{
	WfOutcome outcome;
	TimestampTz due_at = 0;

	exec->cell = cell;
	outcome = wf_exec_run(exec, &due_at);
	exec->cell = NULL;
	show_idle(exec, outcome == WF_OUTCOME_ENDED ||
						outcome == WF_OUTCOME_FAILED ||
						outcome == WF_OUTCOME_BLOCKS);
	give_back(exec, cell, outcome, due_at);
	MemoryContextReset(exec->run_cxt);
}

/* ---- settings ---- */

/*
 * A step's commit often waits for a flush, and many executors commit all the
 * time: with a short pause the one that flushes takes more of them along.
 * PostgreSQL leaves the pause out while few transactions are open.
 */
static void
set_commit_delay(void)
{
	static int present = -1;
	char value[16];

	if (present == wf_commit_delay)
		return;
	present = wf_commit_delay;
	snprintf(value, sizeof(value), "%d", present);
	SetConfigOption("commit_delay", value, PGC_SUSET, PGC_S_OVERRIDE);
}

void
wf_exec_reload(void)
{
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	set_commit_delay();
}

/* ---- life ---- */

/* However short the age that is allowed, each process runs at least one. */
static bool
is_over(WfExec *exec)
{
	if (exec->retire || pg_atomic_read_u32(&exec->slot->retire) != 0)
		return true;
	return wf_executor_max_age >= 0 && exec->taken_at != 0 &&
		   wf_clock_now() >=
			   exec->slot->started_at + wf_executor_max_age * USECS_PER_SEC;
}

/* Milliseconds until the idle time is over, -1 for never. */
static long
idle_left(WfExec *exec)
{
	if (wf_executor_idle_timeout < 0)
		return -1;
	return TimestampDifferenceMilliseconds(
		wf_clock_now(),
		exec->slot->active_at + wf_executor_idle_timeout * INT64CONST(1000));
}

/* Sleeps until woken or idle for too long; false: time to end. */
static bool
wait_for_work(WfExec *exec)
{
	WfSlot *slot = exec->slot;
	long left = idle_left(exec);

	pg_atomic_write_u32(&slot->idle, 1);
	pg_memory_barrier();
	if (count_offered(slot) == 0 && pg_atomic_read_u32(&slot->retire) == 0)
	{
		if (left == 0)
			return false;
		pgstat_report_stat(true);
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
							 (left >= 0 ? WL_TIMEOUT : 0),
						 left, wf_wait_event(WF_WAIT_EXECUTOR));
	}
	pg_atomic_write_u32(&slot->idle, 0);
	return true;
}

static WfExec *
make_exec(WfSlot *slot)
{
	WfExec *exec = MemoryContextAllocZero(TopMemoryContext, sizeof(WfExec));

	exec->slot = slot;
	exec->run_cxt = AllocSetContextCreate(TopMemoryContext, "workflow run",
										  ALLOCSET_DEFAULT_SIZES);
	exec->turn_cxt = AllocSetContextCreate(TopMemoryContext, "workflow turn",
										   ALLOCSET_DEFAULT_SIZES);
	exec->wanted_cxt = AllocSetContextCreate(
		TopMemoryContext, "workflow wanted step", ALLOCSET_SMALL_SIZES);
	exec->pending_cxt = AllocSetContextCreate(
		TopMemoryContext, "workflow calls begun", ALLOCSET_SMALL_SIZES);
	exec->asked_cxt = AllocSetContextCreate(
		TopMemoryContext, "workflow step asked for", ALLOCSET_SMALL_SIZES);
	return exec;
}

static void
work(WfExec *exec)
{
	WfCell *cell;

	for (;;)
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
			wf_exec_reload();
		if (is_over(exec))
			return;
		cell = take_cell(exec->slot);
		if (cell != NULL)
		{
			pgstat_report_activity(STATE_RUNNING, "running a workflow");
			run_cell(exec, cell);
			pgstat_report_stat(false);
		}
		else if (!wait_for_work(exec))
			return;
	}
}

void
workflow_executor_main(Datum arg)
{
	WfSlot *slot;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, cancel_asked);
#ifdef USE_POSTMASTER_DEATH_SIGNAL
	pqsignal(WF_POSTMASTER_DEATH_SIGNAL, postmaster_died);
#endif
	QueryCancelHoldoffCount = 1;
	BackgroundWorkerUnblockSignals();

	slot = wf_executor_attach(DatumGetInt32(arg));
	if (slot == NULL)
		proc_exit(0);
	wf_marks_attach(DatumGetInt32(arg));
	BackgroundWorkerInitializeConnectionByOid(slot->database, slot->role,
											  WF_CONNECT_FLAGS);
	wf_worker_settings();
	set_commit_delay();
	timer_id = RegisterTimeout(USER_TIMEOUT, timer_fired);
	wf_exec = make_exec(slot);
	wf_body_init();
	slot->active_at = wf_clock_now();

	work(wf_exec);
	proc_exit(0);
}
