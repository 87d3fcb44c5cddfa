/*
 * hold.c
 *		Keeping our workers out of a database while a command needs it.
 *
 * The hold is counted in the entry of the database, which is made where there
 * is none: the launcher might be about to look into that database.  From then
 * on nothing is started there and nothing can attach, so it is enough to end
 * what is attached, and to wait for that.  A worker reports its end after it
 * was taken out of the list of backends, so the command finds nobody.
 *
 * A hold lasts to the end of the transaction.  Released earlier, a scheduler
 * could start between a DROP DATABASE and its commit, only to fail.
 *
 * Locking: none beyond entries.c.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "storage/ipc.h"

#include "base/compat.h"
#include "ipc/entries.h"
#include "ipc/hooks.h"

#define WF_HOLD_MAX		   4
#define WF_HOLD_TIMEOUT_MS 10000

static Oid held[WF_HOLD_MAX];
static int nheld = 0;

static bool
is_held(Oid database)
{
	for (int i = 0; i < nheld; i++)
	{
		if (held[i] == database)
			return true;
	}
	return false;
}

static void
release_all(void)
{
	while (nheld > 0)
		wf_hold_end(held[--nheld]);
}

static void
at_xact_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		release_all();
}

static void
at_exit(int code, Datum arg)
{
	release_all();
}

void
wf_hold_init(void)
{
	RegisterXactCallback(at_xact_end, NULL);
}

/* counts, and signals where asked to, our processes there; lock held */
static int
visit_processes(Oid database, int signo)
{
	WfDatabase *db = wf_entry_lookup(database);
	int n = 0;

	if (db != NULL && db->pid != 0 && db->pid != MyProcPid)
	{
		n++;
		if (signo != 0)
			kill(db->pid, signo);
	}
	for (int i = 0; i < wf_shared->nslots; i++)
	{
		WfSlot *slot = &wf_slots[i];

		if (slot->pid == 0 || slot->pid == MyProcPid ||
			slot->database != database)
			continue;
		n++;
		if (signo != 0)
			kill(slot->pid, signo);
	}
	return n;
}

static int
tell_workers(Oid database, int signo)
{
	int n;

	LWLockAcquire(wf_shared->lock, LW_SHARED);
	n = visit_processes(database, signo);
	LWLockRelease(wf_shared->lock);
	return n;
}

static void
wait_until_gone(Oid database)
{
	instr_time start;
	int left;

	if (tell_workers(database, SIGTERM) == 0)
		return;
	INSTR_TIME_SET_CURRENT(start);
	ConditionVariablePrepareToSleep(&wf_shared->gone_cv);
	while ((left = tell_workers(database, 0)) > 0)
	{
		instr_time waited;

		INSTR_TIME_SET_CURRENT(waited);
		INSTR_TIME_SUBTRACT(waited, start);
		if (INSTR_TIME_GET_MILLISEC(waited) > WF_HOLD_TIMEOUT_MS)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("workers of extension \"%s\" did not leave the database in time",
							"workflow"),
					 errdetail_plural("%d worker was told to end and is still running.",
									  "%d workers were told to end and are still running.",
									  left, left),
					 errhint("Try again when the step that it runs has ended.")));
		(void) ConditionVariableTimedSleep(
			&wf_shared->gone_cv, WF_HOLD_TIMEOUT_MS / 10,
			wf_wait_event(WF_WAIT_WORKERS_GONE));
	}
	ConditionVariableCancelSleep();
}

/* In a transaction; an ERROR on the way releases at its end. */
void
wf_hold(Oid database)
{
	static bool registered = false;

	if (wf_shared == NULL || is_held(database))
		return;
	if (nheld == WF_HOLD_MAX)
		elog(ERROR, "too many databases held");
	if (!registered)
	{
		before_shmem_exit(at_exit, (Datum) 0);
		registered = true;
	}
	if (!wf_hold_begin(database))
		return;
	held[nheld++] = database;
	wait_until_gone(database);
}

void
wf_release(Oid database)
{
	for (int i = 0; i < nheld; i++)
	{
		if (held[i] != database)
			continue;
		held[i] = held[--nheld];
		wf_hold_end(database);
		return;
	}
}
