/*
 * process.c
 *		The process that runs user code: one database, one role, for its life.
 *
 * It is connected as the role whose runs it executes, so there is nothing to
 * escape to.  It takes assignments out of its slot (shmem.h has the protocol),
 * moves each run on until it ends or waits (life.c), and tells the scheduler
 * what came of it.  It never decides what to run.
 *
 * Waiting: `idle` is set before the last look at the cells, and the scheduler
 * looks at `idle` after it has offered a cell, with full barriers on both
 * sides; so an offer is either seen or followed by a wake-up.
 *
 * It ends when it has been idle or alive for too long, when the scheduler sets
 * `retire`, and when a body has made it unsafe to go on.  Cells still OFFERED
 * then go back to the scheduler through the exit callback.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "executor/life.h"
#include "executor/loss.h"
#include "executor/process.h"
#include "executor/settings.h"
#include "executor/show.h"
#include "executor/user_code.h"
#include "ipc/attach.h"
#include "ipc/exits.h"
#include "ipc/marks.h"
#include "ipc/workers.h"
#include "play/version.h"

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
 * waits for its end, or when this slot is about to run dry; else it sees the
 * DONE cell when it next comes round.
 */
static void
give_back(WfExecutor *executor, WfCell *cell, WfOutcome outcome,
		  TimestampTz due_at)
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
		count_offered(executor->slot) <= WF_CELLS / 2)
	{
		WfDatabase *db = wf_database_find(MyDatabaseId);

		if (db != NULL)
			wf_wake_scheduler(db);
	}
}

static void
run_cell(WfExecutor *executor, WfCell *cell)
{
	WfOutcome outcome;
	TimestampTz due_at = 0;

	executor->cell = cell;
	wf_playing = &executor->play;
	outcome = wf_life_run(executor, &due_at);
	wf_playing = NULL;
	executor->cell = NULL;
	wf_show_idle(executor->slot, outcome == WF_OUTCOME_ENDED ||
									 outcome == WF_OUTCOME_FAILED ||
									 outcome == WF_OUTCOME_BLOCKS);
	give_back(executor, cell, outcome, due_at);
	MemoryContextReset(executor->play.record.cxt);
}

/* ---- life ---- */

/*
 * However short the age that is allowed, each process runs at least one; so
 * does one that has to make way for another role, if it was offered something.
 */
static bool
is_over(WfExecutor *executor)
{
	if (executor->retire)
		return true;
	if (pg_atomic_read_u32(&executor->slot->retire) != 0 &&
		(executor->taken_at != 0 || count_offered(executor->slot) == 0))
		return true;
	return wf_executor_max_age >= 0 && executor->taken_at != 0 &&
		   wf_clock_now() >= executor->slot->started_at +
								 wf_executor_max_age * USECS_PER_SEC;
}

/* Milliseconds until the idle time is over, -1 for never. */
static long
idle_left(WfExecutor *executor)
{
	if (wf_executor_idle_timeout < 0)
		return -1;
	return TimestampDifferenceMilliseconds(
		wf_clock_now(), executor->slot->active_at +
							wf_executor_idle_timeout * INT64CONST(1000));
}

/* Sleeps until woken or idle for too long; false: time to end. */
static bool
wait_for_work(WfExecutor *executor)
{
	WfSlot *slot = executor->slot;
	long left = idle_left(executor);

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

static WfExecutor *
make_executor(WfSlot *slot)
{
	WfExecutor *executor =
		MemoryContextAllocZero(TopMemoryContext, sizeof(WfExecutor));

	executor->slot = slot;
	wf_user_code_init(executor);
	wf_play_init(&executor->play, &executor->host, TopMemoryContext);
	executor->play.pending.cxt = AllocSetContextCreate(
		TopMemoryContext, "workflow calls begun", ALLOCSET_SMALL_SIZES);
	return executor;
}

static void
work(WfExecutor *executor)
{
	WfCell *cell;

	for (;;)
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		wf_settings_reload();
		if (is_over(executor))
			return;
		cell = take_cell(executor->slot);
		if (cell != NULL)
		{
			pgstat_report_activity(STATE_RUNNING, "running a workflow");
			run_cell(executor, cell);
			pgstat_report_stat(false);
		}
		else if (!wait_for_work(executor))
			return;
	}
}

void
workflow_executor_main(Datum arg)
{
	WfSlot *slot;
	WfExecutor *executor;

	wf_user_code_set_handlers();
	BackgroundWorkerUnblockSignals();

	slot = wf_executor_attach(DatumGetInt32(arg));
	if (slot == NULL)
		proc_exit(0);
	wf_marks_attach(DatumGetInt32(arg));
	BackgroundWorkerInitializeConnectionByOid(slot->database, slot->role,
											  WF_CONNECT_FLAGS);
	wf_worker_settings();
	wf_exits_watch_commits();
	wf_settings_apply();
	executor = make_executor(slot);
	wf_version_init();
	wf_loss_init(executor);
	slot->active_at = wf_clock_now();

	work(executor);
	proc_exit(0);
}
