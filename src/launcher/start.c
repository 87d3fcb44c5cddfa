/*
 * start.c
 *		Getting schedulers and executors started.
 *
 * Each is registered once (BGW_NEVER_RESTART), after its entry or slot was
 * made STARTING.  From then on it is watched until it attaches:
 *
 * - The registration fails, as no worker slot is free: WANTED again; tried
 *	 every second, and one executor of a database that has several is asked to
 *	 end when another database has none.
 * - The process ends before it attaches: its handle says so.
 * - It was registered by an earlier launcher: there is no handle.  After some
 *	 seconds it is taken for lost, and WANTED again.  Should it come later, its
 *	 generation is not right any more.
 *
 * Owns: the handles.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/stoppoint.h"
#include "ipc/workers.h"
#include "launcher/launcher.h"

#define WF_RETRY_MS		1000
#define WF_LOST_MS		5000
#define WF_LOG_AFTER_MS 2000
#define WF_LOG_EVERY_MS 60000

/* a process that was started and has not attached yet */
typedef struct Watched
{
	WfStart start;
	BackgroundWorkerHandle *handle; /* NULL: of an earlier launcher */
	TimestampTz lost_at;			/* without a handle */
} Watched;

static MemoryContext life;
static Watched *watched;
static int nwatched = 0;
static int max_watched;

/* STARTING, and not registered yet */
static WfStart in_hand;
static bool has_in_hand = false;

void
wf_starter_init(MemoryContext cxt)
{
	TimestampTz now = wf_clock_now();
	WfStart start;
	int pos = 0;

	life = cxt;
	max_watched = wf_shared->nslots + wf_shared->ndatabases;
	watched = MemoryContextAllocZero(cxt, max_watched * sizeof(Watched));
	while (wf_start_list(&pos, &start))
	{
		watched[nwatched].start = start;
		watched[nwatched].lost_at =
			TimestampTzPlusMilliseconds(now, WF_LOST_MS);
		nwatched++;
	}
}

void
wf_starter_leave(void)
{
	if (has_in_hand)
		wf_start_failed(&in_hand, true, wf_clock_now());
	has_in_hand = false;
}

/* ---- what was started ---- */

static void
unwatch(int i)
{
	if (watched[i].handle != NULL)
		pfree(watched[i].handle);
	watched[i] = watched[--nwatched];
}

static void
watch_all(TimestampTz now, TimestampTz *next_due)
{
	for (int i = nwatched - 1; i >= 0; i--)
	{
		Watched *w = &watched[i];
		BgwHandleStatus status = BGWH_NOT_YET_STARTED;
		pid_t pid;

		/* the clock may have been set back meanwhile */
		w->lost_at =
			Min(w->lost_at, TimestampTzPlusMilliseconds(now, WF_LOST_MS));
		/* in this order: it may attach and end in between */
		if (w->handle != NULL)
			status = GetBackgroundWorkerPid(w->handle, &pid);
		if (!wf_start_pending(&w->start))
			unwatch(i);
		else if (w->handle != NULL && status == BGWH_STOPPED)
		{
			wf_start_failed(&w->start, false, now);
			unwatch(i);
		}
		else if (w->handle == NULL && now >= w->lost_at)
		{
			wf_start_failed(&w->start, true, now);
			unwatch(i);
		}
		else if (w->handle == NULL)
			*next_due = Min(*next_due, w->lost_at);
	}
}

/* ---- starting ---- */

/* "for bob in shop", cut to fit; in a transaction */
static void
name_worker(BackgroundWorker *worker, const WfStart *start)
{
	char *database = get_database_name(start->database);

	if (database == NULL)
		database = psprintf("%u", start->database);
	if (!OidIsValid(start->role))
		snprintf(worker->bgw_name, BGW_MAXLEN, "%s for database %s",
				 WF_TYPE_SCHEDULER, database);
	else
	{
		char *role = GetUserNameFromId(start->role, true);

		if (role == NULL)
			role = psprintf("%u", start->role);
		snprintf(worker->bgw_name, BGW_MAXLEN, "%s for role %s in database %s",
				 WF_TYPE_EXECUTOR, role, database);
	}
}

/* In a transaction.  False when there was no worker slot. */
static bool
register_worker(const WfStart *start)
{
	bool scheduler = !OidIsValid(start->role);
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;
	MemoryContext save = CurrentMemoryContext;
	bool registered;

	worker.bgw_flags =
		BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	worker.bgw_main_arg = Int32GetDatum(start->index);
	strlcpy(worker.bgw_library_name, "workflow", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name,
			scheduler ? "workflow_scheduler_main" : "workflow_executor_main",
			BGW_MAXLEN);
	strlcpy(worker.bgw_type, scheduler ? WF_TYPE_SCHEDULER : WF_TYPE_EXECUTOR,
			BGW_MAXLEN);
	name_worker(&worker, start);
	memcpy(worker.bgw_extra, start, sizeof(*start));

	MemoryContextSwitchTo(life);
	registered = RegisterDynamicBackgroundWorker(&worker, &handle);
	MemoryContextSwitchTo(save);
	if (!registered)
		return false;

	has_in_hand = false;
	watched[nwatched].start = *start;
	watched[nwatched].handle = handle;
	nwatched++;
	return true;
}

/*
 * Said when it has lasted for a moment, then once a minute while it lasts or
 * comes back; and once when it is over.
 */
static void
tell_short(bool is_short, TimestampTz now)
{
	static TimestampTz logged = 0;
	static bool told = false;

	if (!is_short)
	{
		if (wf_short_over() && told)
			ereport(LOG,
					(errmsg("workflow has enough background worker slots again")));
		told = false;
		return;
	}
	if (!TimestampDifferenceExceeds(wf_shared->short_since, now,
									WF_LOG_AFTER_MS) ||
		(logged != 0 &&
		 !TimestampDifferenceExceeds(logged, now, WF_LOG_EVERY_MS)))
		return;
	logged = now;
	told = true;
	ereport(WARNING,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("out of background worker slots for workflow"),
			 errdetail("A scheduler or an executor is wanted and cannot be started."),
			 errhint("You might need to increase \"%s\", or lower \"%s\".",
					 "max_worker_processes", "workflow.max_executors")));
}

/*
 * A process for a database that is not there any more, is left of an
 * interrupted DROP or allows no connections would only end, with a line in the
 * log.  Connections may be allowed again, of which nobody tells: such a database
 * is looked at again every few seconds.
 */
static bool
start_one(const WfStart *start, TimestampTz now)
{
	bool done = true;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	WF_STOP("launcher-start");
	switch (wf_probe_standing(start->database))
	{
		case WF_STANDING_GONE:
			wf_start_failed(start, true, now);
			wf_database_forget(start->database);
			break;
		case WF_STANDING_CLOSED:
			wf_start_closed(start, now);
			break;
		case WF_STANDING_OPEN:
			done = register_worker(start);
			if (!done)
				wf_start_short(start, now);
			break;
	}
	CommitTransactionCommand();
	return done;
}

void
wf_starter_cycle(TimestampTz now, TimestampTz *next_due)
{
	MemoryContext scratch = CurrentMemoryContext;
	bool is_short = false;
	bool started = false;
	WfStart start;

	watch_all(now, next_due);
	wf_slots_sweep();
	while (!is_short && nwatched < max_watched &&
		   wf_start_next(now, next_due, &start))
	{
		in_hand = start;
		has_in_hand = true;
		is_short = !start_one(&start, now);
		has_in_hand = false;
		started = true;
		MemoryContextSwitchTo(scratch);
	}
	if (started)
		pgstat_report_stat(true);

	tell_short(is_short, now);
	if (wf_short_retire_one(now) || is_short)
	{
		TimestampTz retry = TimestampTzPlusMilliseconds(now, WF_RETRY_MS);

		*next_due = Min(*next_due, retry);
	}
}
