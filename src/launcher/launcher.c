/*
 * launcher.c
 *		The process that starts schedulers and executors.
 *
 * There is one in the cluster.  It is a static background worker, started when
 * recovery has ended, so never on a standby, and started again one second
 * after it ended for whatever reason.  It is connected to shared catalogs
 * only.  All it does is in two parts: which databases have the extension
 * (probe.c), and getting processes started (start.c).  What
 * is to be done stands in shared memory, so nothing is lost with a launcher
 * but its handles of processes just being started.
 *
 * It waits on its latch, which is set by whoever wants something, and by the
 * postmaster when a process it registered starts or ends.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/compat.h"
#include "ipc/marks.h"
#include "ipc/workers.h"
#include "launcher/launcher.h"

#define WF_RESTART_SECONDS 1
#define WF_LOG_EVERY_MS	   60000

void
wf_launcher_register(void)
{
	BackgroundWorker worker = {0};

	if (IsBinaryUpgrade)
		return;

	worker.bgw_flags =
		BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = WF_RESTART_SECONDS;
	strlcpy(worker.bgw_library_name, "workflow", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "workflow_launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, WF_TYPE_LAUNCHER, BGW_MAXLEN);
	strlcpy(worker.bgw_type, WF_TYPE_LAUNCHER, BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

static void
detach(int code, Datum arg)
{
	wf_starter_leave();
	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	if (wf_shared->launcher_pid == MyProcPid)
	{
		wf_shared->launcher_pid = 0;
		wf_shared->launcher_proc = NULL;
	}
	LWLockRelease(wf_shared->lock);
}

/* False when there is another launcher, which can only be by mistake. */
static bool
attach(void)
{
	bool first;

	on_shmem_exit(detach, (Datum) 0);
	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	first = (wf_shared->launcher_pid == 0);
	if (first)
	{
		wf_shared->launcher_pid = MyProcPid;
		wf_shared->launcher_proc = MyProc;
	}
	LWLockRelease(wf_shared->lock);
	return first;
}

/* No entry was left for a database: said once a minute, while it lasts. */
static void
warn_when_full(TimestampTz now)
{
	static TimestampTz logged = 0;

	if (wf_shared->full_since == 0)
	{
		logged = 0;
		return;
	}
	if (logged != 0 &&
		!TimestampDifferenceExceeds(logged, now, WF_LOG_EVERY_MS))
		return;
	logged = now;
	ereport(WARNING,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("workflows do not run in some databases"),
			 errdetail("There are more databases than \"%s\" (%d).",
					   "workflow.max_databases", wf_shared->ndatabases),
			 errhint("Increase \"%s\" and restart the server.",
					 "workflow.max_databases")));
}

static void
loop(MemoryContext scratch)
{
	for (;;)
	{
		TimestampTz now;
		TimestampTz next_due = DT_NOEND;
		int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
		long timeout = -1;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}

		MemoryContextSwitchTo(scratch);
		now = wf_clock_now();
		wf_probe_cycle(now, &next_due);
		wf_starter_cycle(now, &next_due);
		warn_when_full(now);
		MemoryContextReset(scratch);

		if (next_due != DT_NOEND)
		{
			events |= WL_TIMEOUT;
			timeout = wf_clock_ms_until(next_due);
		}
		(void) WaitLatch(MyLatch, events, timeout,
						 wf_wait_event(WF_WAIT_LAUNCHER));
	}
}

void
workflow_launcher_main(Datum arg)
{
	MemoryContext life;
	MemoryContext scratch;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	if (!attach())
		proc_exit(0);
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	pgstat_report_appname(WF_TYPE_LAUNCHER);

	life = AllocSetContextCreate(TopMemoryContext, "workflow launcher",
								 ALLOCSET_DEFAULT_SIZES);
	scratch = AllocSetContextCreate(life, "workflow launcher cycle",
									ALLOCSET_DEFAULT_SIZES);

	/* before anything is started: who took the server down? */
	wf_marks_collect();

	wf_starter_init(life);
	wf_probe_init(life);
	ereport(DEBUG1, (errmsg_internal("workflow launcher started")));
	loop(scratch);
}
