/*
 * attach.c
 *		Taking and leaving one's place in shared memory.
 *
 * Two things make it safe at any moment of a process's life.  The exit
 * callback is registered before the place is taken; a process that has none
 * does nothing in it.  And it is an on_shmem_exit callback from before the
 * connection, so it runs after ShutdownPostgres (transaction aborted) and
 * after RemoveProcFromArray (no longer counted by DROP DATABASE), but before
 * ProcKill, while the process can still take a lightweight lock.
 *
 * A process that is killed without running callbacks (SIGKILL, a crash) makes
 * the postmaster restart everything, shared memory included.
 *
 * A scheduler that somebody ends with SIGTERM has not failed, however often
 * that happens; only its own errors make the next one wait.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

#include "base/compat.h"
#include "base/stoppoint.h"
#include "ipc/attach.h"
#include "ipc/entries.h"
#include "ipc/shortage.h"
#include "ipc/workers.h"

static int my_index = -1; /* entry or slot; -1 when not attached */
static uint32 my_generation;
static bool am_scheduler;
static bool connected = false;
static bool no_extension = false;

/* SIGTERM has come */
static volatile sig_atomic_t told_to_end = false;

void
wf_worker_die(SIGNAL_ARGS)
{
	told_to_end = true;
	die(postgres_signal_arg);
}

static void
leave(int code, Datum arg)
{
	int index = my_index;

	if (index < 0)
		return;
	my_index = -1;
	if (am_scheduler)
		wf_scheduler_left(index, my_generation, no_extension, told_to_end);
	else
		wf_executor_left(index, my_generation, connected);
}

static bool
attach(int index, bool scheduler)
{
	WfStart start;

	StaticAssertStmt(sizeof(WfStart) <= BGW_EXTRALEN, "WfStart too large");
	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(start));

	my_generation = start.generation;
	am_scheduler = scheduler;
	on_shmem_exit(leave, (Datum) 0);
	if (scheduler ? !wf_scheduler_came(index, start.generation)
				  : !wf_executor_came(index, start.generation))
	{
		elog(DEBUG1, "%s is not wanted any more", MyBgworkerEntry->bgw_name);
		return false;
	}
	my_index = index;
	wf_shortage_watch(scheduler ? &wf_databases[index]
								: wf_database_find(start.database),
					  !scheduler);
	return true;
}

WfDatabase *
wf_scheduler_attach(int index)
{
	WF_STOP("scheduler-attach");
	if (!attach(index, true))
		return NULL;
	WF_STOP("scheduler-attached");
	return &wf_databases[index];
}

WfSlot *
wf_executor_attach(int index)
{
	WF_STOP("executor-attach");
	if (!attach(index, false))
		return NULL;
	WF_STOP("executor-attached");
	return &wf_slots[index];
}

void
wf_scheduler_ready(void)
{
	wf_scheduler_loaded(my_index);
}

void
wf_scheduler_detach_no_extension(void)
{
	no_extension = true; /* for the exit callback */
	WF_STOP("scheduler-no-extension");
}

/*
 * Settings of the database or role must not change how our own statements
 * run.  A step that wants another isolation level or read-only mode can SET it
 * for itself; statement_timeout is left as the role has it.
 */
void
wf_worker_settings(void)
{
	static const char *const settings[][2] = {
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"idle_in_transaction_session_timeout", "0"},
		{"idle_session_timeout", "0"},
#if WF_HAS_TRANSACTION_TIMEOUT
		{"transaction_timeout", "0"},
#endif
	};

	for (int i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET,
						PGC_S_OVERRIDE);

	connected = true;
	if (my_index >= 0 && !am_scheduler)
	{
		wf_shortage_unwatch();
		wf_executor_connected(my_index);
	}
}
