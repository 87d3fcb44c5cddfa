/*
 * status.c
 *		What the views show beside the tables: slots, counters, the scheduler.
 *
 * These functions live in schema _workflow and are called by views only.  A
 * function in a view runs as whoever reads the view, so the filters are made
 * for the current user.
 *
 * Everything is read from shared memory, without a lock where a torn read does
 * no harm; no count(*) over a table anywhere.
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/spi.h"
#include "ipc/shmem.h"
#include "ipc/shortage.h"
#include "ipc/stats.h"

PG_FUNCTION_INFO_V1(workflow_clock);
PG_FUNCTION_INFO_V1(workflow_origin);
PG_FUNCTION_INFO_V1(workflow_live_slots);
PG_FUNCTION_INFO_V1(workflow_server_status);
PG_FUNCTION_INFO_V1(workflow_counters);

/* ---- this moment and this database ---- */

/* clock(): the time that due times are compared with */
Datum
workflow_clock(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(wf_clock_now());
}

/* origin(): what rows of this database carry */
Datum
workflow_origin(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(wf_origin());
}

/* ---- slots ---- */

static void
set_time(Datum *value, bool *null, TimestampTz time)
{
	*value = TimestampTzGetDatum(time);
	*null = time == 0;
}

static bool
has_run(const WfSlot *slot)
{
	static const pg_uuid_t none;

	return memcmp(&slot->run_id, &none, sizeof(none)) != 0;
}

#define SLOT_COLUMNS 14

/* One executor of this database; see the columns of _workflow.live_slots. */
static void
put_slot(ReturnSetInfo *rsinfo, const WfSlot *slot)
{
	Datum values[SLOT_COLUMNS];
	bool nulls[SLOT_COLUMNS] = {false};
	pg_uuid_t run_id = slot->run_id;
	bool busy = has_run(slot);
	bool in_step = busy && slot->ordinal > 0;

	values[0] = Int32GetDatum(slot->pid);
	values[1] = ObjectIdGetDatum(slot->role);
	values[2] = CStringGetTextDatum(busy ? "running" : "idle");
	values[3] = UUIDPGetDatum(&run_id);
	values[4] = Int32GetDatum(slot->workflow_id);
	nulls[3] = nulls[4] = !busy;
	values[5] = Int32GetDatum(slot->ordinal);
	values[6] = CStringGetTextDatum(in_step ? slot->step_name : "");
	values[7] = Int32GetDatum(slot->attempt);
	nulls[5] = nulls[6] = nulls[7] = !in_step;
	set_time(&values[8], &nulls[8], busy ? slot->since : slot->active_at);
	set_time(&values[9], &nulls[9], slot->started_at);
	set_time(&values[10], &nulls[10], slot->active_at);
	values[11] = Int64GetDatum((int64) slot->runs);
	values[12] = Int64GetDatum((int64) slot->steps);
	values[13] = PointerGetDatum(slot->progress);
	nulls[13] = !busy || !slot->has_progress;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* live_slots(): the executors of this database */
Datum
workflow_live_slots(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; wf_shared != NULL && i < wf_shared->nslots; i++)
	{
		WfSlot slot;

		if (wf_slot_read(&wf_slots[i], &slot) && slot.database == MyDatabaseId)
			put_slot(rsinfo, &slot);
	}
	return (Datum) 0;
}

/* ---- one row for the server and this database ---- */

/* Executors that are there, of this database. */
static int
count_executors(void)
{
	int n = 0;

	for (int i = 0; i < wf_shared->nslots; i++)
	{
		WfSlot slot;

		if (wf_slot_read(&wf_slots[i], &slot) && slot.database == MyDatabaseId)
			n++;
	}
	return n;
}

#define STATUS_COLUMNS 15

/* server_status(): see the columns of the function */
Datum
workflow_server_status(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	Datum values[STATUS_COLUMNS] = {0};
	bool nulls[STATUS_COLUMNS];
	WfDatabase *db;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != STATUS_COLUMNS)
		elog(ERROR, "_workflow.server_status() must return %d columns",
			 STATUS_COLUMNS);
	memset(nulls, true, sizeof(nulls));
	values[0] = BoolGetDatum(wf_shared != NULL);
	values[11] = Int64GetDatum(wf_origin());
	nulls[0] = nulls[11] = false;

	if (wf_shared != NULL)
	{
		TimestampTz since;
		WfShortage shortage;

		values[1] = BoolGetDatum(wf_enabled);
		values[2] = Int32GetDatum(wf_shared->launcher_pid);
		nulls[2] = wf_shared->launcher_pid == 0;
		values[5] = Int32GetDatum(count_executors());
		values[6] = Int32GetDatum(wf_executors);
		values[12] = CStringGetTextDatum(wf_site ? wf_site : "");
		values[13] = Int32GetDatum(wf_max_executors);
		nulls[1] = nulls[5] = nulls[6] = nulls[12] = nulls[13] = false;

		db = wf_database_find(MyDatabaseId);
		if (db != NULL)
		{
			bool there = db->pid != 0;

			values[3] = Int32GetDatum(db->pid);
			nulls[3] = !there;
			set_time(&values[4], &nulls[4], there ? db->scheduler_since : 0);
			values[7] = Int64GetDatum(db->ready);
			values[8] = Int64GetDatum(db->timers);
			nulls[7] = nulls[8] = !there;
			set_time(&values[9], &nulls[9], there ? db->oldest_ready : 0);
		}
		shortage = wf_shortage_shown(db, &since);
		set_time(&values[10], &nulls[10],
				 shortage != WF_SHORTAGE_NONE ? since : 0);
		if (shortage != WF_SHORTAGE_NONE)
		{
			values[14] = CStringGetTextDatum(wf_shortage_kind_word(shortage));
			nulls[14] = false;
		}
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* ---- counters ---- */

static Datum
usec_interval(uint64 usec)
{
	Interval *interval = palloc0(sizeof(Interval));

	interval->time = (TimeOffset) usec;
	return IntervalPGetDatum(interval);
}

#define COUNTER_COLUMNS (WF_COUNT_N + 1)

/* counters(workflow_id): one row, zeroes when nothing was counted */
Datum
workflow_counters(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	Datum values[COUNTER_COLUMNS];
	bool nulls[COUNTER_COLUMNS] = {false};
	uint64 counts[WF_COUNT_N] = {0};
	TimestampTz since = 0;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != COUNTER_COLUMNS)
		elog(ERROR, "_workflow.counters() must return %d columns",
			 COUNTER_COLUMNS);
	if (wf_shared != NULL && !PG_ARGISNULL(0) &&
		!wf_stats_get(MyDatabaseId, PG_GETARG_INT32(0), counts, &since))
		since = wf_shared->stats_reset;
	for (int i = 0; i < WF_COUNT_N; i++)
		values[i] = i == WF_COUNT_RUN_USEC || i == WF_COUNT_STEP_USEC
						? usec_interval(counts[i])
						: Int64GetDatum((int64) counts[i]);
	set_time(&values[WF_COUNT_N], &nulls[WF_COUNT_N], since);
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
