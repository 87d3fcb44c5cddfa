/*
 * queue_status.c
 *		What the views show of queues beside the tables.
 *
 * These functions live in schema _workflow and are called by views only, for
 * rows that the view shows anyway.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/spi.h"
#include "core/workid.h"
#include "ipc/queue_stats.h"
#include "ipc/shmem.h"
#include "store/queue.h"
#include "store/queue_wait.h"

PG_FUNCTION_INFO_V1(workflow_queue_gauges);
PG_FUNCTION_INFO_V1(workflow_queue_counters);
PG_FUNCTION_INFO_V1(workflow_waits_for);
PG_FUNCTION_INFO_V1(workflow_message_waits_for);

/* The row type that the function was declared with. */
static TupleDesc
row_type(FunctionCallInfo fcinfo, int ncolumns)
{
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != ncolumns)
		elog(ERROR, "function must return %d columns", ncolumns);
	return BlessTupleDesc(desc);
}

/* False when there is no scheduler, and what it left behind means nothing. */
static bool
read_gauges(int32 queue_id, WfQueueGauges *out)
{
	WfDatabase *db = wf_database_find(MyDatabaseId);

	if (db == NULL || db->pid == 0)
		return false;
	(void) wf_queue_gauges(MyDatabaseId, queue_id, out);
	return true;
}

#define GAUGE_COLUMNS 7

/* queue_gauges(queue_id): one row, all NULL where there is no scheduler */
Datum
workflow_queue_gauges(PG_FUNCTION_ARGS)
{
	TupleDesc desc = row_type(fcinfo, GAUGE_COLUMNS);
	Datum values[GAUGE_COLUMNS] = {0};
	bool nulls[GAUGE_COLUMNS];
	WfQueueGauges g;
	uint32 started;
	uint32 ended;

	memset(nulls, true, sizeof(nulls));
	if (!PG_ARGISNULL(0) && read_gauges(PG_GETARG_INT32(0), &g))
	{
		memset(nulls, false, sizeof(nulls));
		values[0] = Int64GetDatum(g.ready);
		values[1] = Int64GetDatum(g.delayed);
		values[2] = Int64GetDatum(g.running);
		values[3] = Int64GetDatum(g.active);
		values[4] = TimestampTzGetDatum(g.oldest_ready);
		nulls[4] = g.oldest_ready == 0;
		wf_queue_minute(&g, wf_clock_now(), &started, &ended);
		values[5] = Int64GetDatum(started);
		values[6] = Int64GetDatum(ended);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

#define COUNTER_COLUMNS (WF_QCOUNT_N + 1)

/* queue_counters(queue_id): one row, zeroes when nothing was counted */
Datum
workflow_queue_counters(PG_FUNCTION_ARGS)
{
	TupleDesc desc = row_type(fcinfo, COUNTER_COLUMNS);
	Datum values[COUNTER_COLUMNS];
	bool nulls[COUNTER_COLUMNS] = {false};
	uint64 counts[WF_QCOUNT_N] = {0};
	TimestampTz since = 0;

	if (wf_shared != NULL && !PG_ARGISNULL(0) &&
		!wf_queue_counts(MyDatabaseId, PG_GETARG_INT32(0), counts, &since))
		since = wf_shared->stats_reset;
	for (int i = 0; i < WF_QCOUNT_N; i++)
		values[i] = Int64GetDatum((int64) counts[i]);
	values[WF_QCOUNT_N] = TimestampTzGetDatum(since);
	nulls[WF_QCOUNT_N] = since == 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* ---- what a run waits for that is due and not paused ---- */

/*
 * A query asks for many runs of one group, so what was found of a group is
 * kept until it ends: the cost of listing a queue grows with its length, not
 * with the square of it.
 */
typedef struct GroupKey
{
	int32 queue_id;
	Oid owner;	  /* InvalidOid: not apart */
	uint64 group; /* wf_group_hash() */
} GroupKey;

typedef struct KnownGroup
{
	GroupKey key;
	WfGroupState state;
} KnownGroup;

static HTAB *
known_groups(FunctionCallInfo fcinfo)
{
	FmgrInfo *call = fcinfo->flinfo;

	if (call->fn_extra == NULL)
	{
		HASHCTL info = {0};

		info.keysize = sizeof(GroupKey);
		info.entrysize = sizeof(KnownGroup);
		info.hcxt = call->fn_mcxt;
		call->fn_extra = hash_create("workflow groups", 64, &info,
									 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	return call->fn_extra;
}

static bool
held_by_group(FunctionCallInfo fcinfo, const pg_uuid_t *run_id, int32 queue_id,
			  const text *group, Oid owner, int limit, bool blocks)
{
	GroupKey key = {
		queue_id, owner,
		wf_group_hash(VARDATA_ANY(group), VARSIZE_ANY_EXHDR(group))};
	HTAB *groups = known_groups(fcinfo);
	KnownGroup *known = hash_search(groups, &key, HASH_FIND, NULL);

	if (known == NULL)
	{
		WfGroupState state;
		WfWindow window;

		wf_window_open(&window);
		wf_group_look(queue_id, text_to_cstring(group), owner, limit, blocks,
					  wf_clock_now(), CurrentMemoryContext, &state);
		wf_window_close(&window);
		known = hash_search(groups, &key, HASH_ENTER, NULL);
		known->state = state; /* its names are gone, and not wanted */
	}
	return wf_group_wait(&known->state, limit, run_id) != WF_GROUP_OPEN;
}

/*
 * The arguments after the id: queue_id, group_key, begun,
 * group_max_active, blocks, max_running, max_active, group_owner.  "free" is
 * the word where nothing of queue and group holds it.  Superusers can call it
 * with anything: a limit below zero is none.
 */
static text *
hold_word(FunctionCallInfo fcinfo, const pg_uuid_t *id, const char *free)
{
	int32 queue_id = PG_GETARG_INT32(1);
	bool begun = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	int limit = PG_ARGISNULL(4) ? 0 : Max(PG_GETARG_INT32(4), 0);
	bool blocks = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5);
	Oid owner = PG_ARGISNULL(8) ? InvalidOid : PG_GETARG_OID(8);
	const char *word = free;
	WfQueueGauges g;

	if (!begun && !PG_ARGISNULL(2) && (limit > 0 || blocks) &&
		held_by_group(fcinfo, id, queue_id, PG_GETARG_TEXT_PP(2), owner, limit,
					  blocks))
		word = "group";
	else if (read_gauges(queue_id, &g))
	{
		if ((!PG_ARGISNULL(6) && g.running >= PG_GETARG_INT32(6)) ||
			(!begun && !PG_ARGISNULL(7) && g.active >= PG_GETARG_INT32(7)))
			word = "queue limit";
		else if (!begun && g.rate_free_at > wf_clock_now())
			word = "rate";
	}
	return cstring_to_text(word);
}

/* waits_for(run_id, ...) */
Datum
workflow_waits_for(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(hold_word(fcinfo, PG_GETARG_UUID_P(0), "executor"));
}

/* message_waits_for(message_id, ...) */
Datum
workflow_message_waits_for(PG_FUNCTION_ARGS)
{
	pg_uuid_t id;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	wf_workid_of_message(PG_GETARG_INT64(0), &id);
	PG_RETURN_TEXT_P(hold_word(fcinfo, &id, "receiver"));
}
