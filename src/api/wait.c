/*
 * wait.c
 *		wait_for_run() and wait_until_idle().
 *
 * They are procedures because a function runs inside a query, whose snapshot
 * would keep VACUUM from removing anything for as long as the wait lasts; see
 * wait_place.h.
 *
 * Whoever ends a run broadcasts its channel after the commit.  A look at the
 * table every WF_LOOK_AGAIN ms is the backstop for a broadcast that its sender
 * did not live to make.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "api/arguments.h"
#include "api/runs.h"
#include "api/wait_place.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/spi.h"
#include "core/state.h"
#include "ipc/exits.h"
#include "ipc/shmem.h"

PG_FUNCTION_INFO_V1(workflow_wait_for_run);
PG_FUNCTION_INFO_V1(workflow_wait_until_idle);

#define WF_LOOK_AGAIN 10000 /* ms */

/* ---- time ---- */

/* Milliseconds to sleep now; 0 when the time is over. */
static long
time_to_sleep(TimestampTz end)
{
	if (end == DT_NOEND)
		return WF_LOOK_AGAIN;
	return Min(wf_clock_ms_until(end), WF_LOOK_AGAIN);
}

/* ---- wait_for_run ---- */

/* state, result and error of the run, as the procedure's row */
static Datum
make_row(FunctionCallInfo fcinfo, const WfRunView *run)
{
	TupleDesc desc;
	Datum values[3] = {0};
	bool nulls[3] = {false, true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != 3)
		elog(ERROR, "workflow.wait_for_run() must return three columns");
	values[0] = CStringGetTextDatum(wf_run_state_word(run));
	if (run->result && run->state == WF_RUN_SUCCEEDED)
	{
		values[1] = JsonbPGetDatum(run->result);
		nulls[1] = false;
	}
	if (run->error.message &&
		(run->state == WF_RUN_FAILED || run->state == WF_RUN_PARKED))
	{
		values[2] = CStringGetTextDatum(run->error.message);
		nulls[2] = false;
	}
	return HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* Ended or parked, and nobody has asked for that to change. */
static bool
has_stopped(const WfRunView *run)
{
	if (run->retrying)
		return false;
	return wf_run_is_final(run->state) ||
		   (run->state == WF_RUN_PARKED && !run->cancelling);
}

/* a run that is waited for, and how it was seen last */
typedef struct Waited
{
	pg_uuid_t run_id;
	WfRunView run;
	MemoryContext cxt; /* one look may follow another for hours */
} Waited;

static void
look_for_run(void *arg)
{
	Waited *waited = arg;
	MemoryContext old;

	MemoryContextReset(waited->cxt);
	old = MemoryContextSwitchTo(waited->cxt);
	wf_run_look(&waited->run_id, &waited->run);
	MemoryContextSwitchTo(old);
}

Datum
workflow_wait_for_run(PG_FUNCTION_ARGS)
{
	static const char *const me = "wait_for_run";
	TimestampTz end;
	Waited waited;
	ConditionVariable *channel;

	wf_require_preloaded();
	waited.run_id = *wf_arg_run_id(fcinfo, 0);
	end = wf_wait_end(fcinfo, 1);
	wf_wait_check_place(fcinfo, me);
	channel = wf_wait_channel(&waited.run_id);
	waited.cxt = AllocSetContextCreate(CurrentMemoryContext, "wait_for_run",
									   ALLOCSET_SMALL_SIZES);
	for (;;)
	{
		long ms;

		ConditionVariablePrepareToSleep(channel);
		wf_wait_look(look_for_run, &waited);
		if (has_stopped(&waited.run))
			break;
		ms = time_to_sleep(end);
		if (ms == 0)
			break;
		wf_wait_drop_snapshot(me);
		(void) ConditionVariableTimedSleep(channel, ms,
										   wf_wait_event(WF_WAIT_RUN));
		EnsurePortalSnapshotExists();
	}
	ConditionVariableCancelSleep();
	wf_exit_answer();
	PG_RETURN_DATUM(make_row(fcinfo, &waited.run));
}

/* ---- wait_until_idle ---- */

static void
raise_still_busy(const WfDatabase *db)
{
	bool live = db != NULL && db->state == WF_DB_LIVE;

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("workflows of this database did not become idle in time"),
			 live ? errdetail("%u runs are ready or running.", db->ready) :
			 errdetail("The scheduler of this database is not running."),
			 errhint("The views workflow.status and workflow.stat_executors show what is going on.")));
}

static void
look_for_extension(void *arg)
{
	if (!OidIsValid(wf_schema_oid()))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"workflow\" is not installed in this database"),
				 errhint("Run CREATE EXTENSION workflow.")));
}

Datum
workflow_wait_until_idle(PG_FUNCTION_ARGS)
{
	static const char *const me = "wait_until_idle";
	TimestampTz end;
	WfDatabase *db;
	uint64 asked;

	wf_require_preloaded();
	end = wf_wait_end(fcinfo, 0);
	wf_wait_check_place(fcinfo, me);
	wf_wait_look(look_for_extension, NULL);
	db = wf_database_get(MyDatabaseId);
	if (db == NULL)
		raise_still_busy(db);

	asked = pg_atomic_add_fetch_u64(&db->idle_asked, 1);
	wf_wake_scheduler(db);
	for (;;)
	{
		long ms;

		ConditionVariablePrepareToSleep(&db->idle_cv);
		if (pg_atomic_read_u64(&db->idle_answered) >= asked)
			break;
		ms = time_to_sleep(end);
		if (ms == 0)
		{
			ConditionVariableCancelSleep();
			raise_still_busy(db);
		}
		wf_wait_drop_snapshot(me);
		(void) ConditionVariableTimedSleep(&db->idle_cv, ms,
										   wf_wait_event(WF_WAIT_IDLE));
		EnsurePortalSnapshotExists();
		wf_wait_look(look_for_extension, NULL);
	}
	ConditionVariableCancelSleep();
	wf_exit_answer();
	PG_RETURN_VOID();
}
