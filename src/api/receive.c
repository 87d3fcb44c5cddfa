/*
 * receive.c
 *		receive() and wait_for_messages().
 *
 * What is received was decided by the scheduler; here the rows are written.
 * They are read as committed by now, so that a transaction of any isolation
 * level gets what it was handed, and none is waited for.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/wait_event.h"

#include "api/arguments.h"
#include "api/freshness.h"
#include "api/receipt.h"
#include "api/receive_cache.h"
#include "api/served.h"
#include "api/wait_place.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/spi.h"
#include "base/stoppoint.h"
#include "core/state.h"
#include "ipc/receivers.h"
#include "store/delivery.h"
#include "store/message_task.h"

PG_FUNCTION_INFO_V1(workflow_receive);
PG_FUNCTION_INFO_V1(workflow_wait_for_messages);

#define MOST_MESSAGES 10000

/* a wait that is shorter is told when the scheduler has found nothing */
#define SHORT_USEC (100 * 1000)

/* ... and takes that long at most when there is none */
#define MAX_LOOK_USEC (2 * USECS_PER_SEC)

/* rounds in which all that was handed out turned out to be gone */
#define MAX_VAIN_ROUNDS 10

/* ---- receive ---- */

typedef struct Call
{
	ReturnSetInfo *rsinfo;
	WfOpenTable table;
	MemoryContext row_cxt; /* reset for each row */
	int32 queue_id;
	int64 lease;
} Call;

static int
read_max(FunctionCallInfo fcinfo)
{
	int max = PG_ARGISNULL(1) ? 1 : PG_GETARG_INT32(1);

	if (max < 1 || max > MOST_MESSAGES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_messages is out of range"),
				 errdetail("The value is %d, allowed is 1 to %d.", max,
						   MOST_MESSAGES),
				 errhint("Receive again for more.")));
	return max;
}

/* A value that needs nothing of the table any more. */
static Datum
whole(Datum value)
{
	struct varlena *pointer = (struct varlena *) DatumGetPointer(value);

	return VARATT_IS_EXTERNAL(pointer)
			   ? PointerGetDatum(detoast_external_attr(pointer))
			   : value;
}

/* A task's headers also say which attempt this is. */
static Datum
headers_of_task(Datum headers, int attempt)
{
	char *added = psprintf("{\"attempt\": %d}", attempt);

	return DirectFunctionCall2(
		jsonb_concat, headers,
		DirectFunctionCall1(jsonb_in, CStringGetDatum(added)));
}

static void
put_row(const Call *call, const WfDelivery *row)
{
	Datum values[8] = {0};
	bool nulls[8] = {false};

	values[0] = Int64GetDatum(row->message_id);
	values[1] = wf_receipt_text(row->message_id, row->token);
	values[2] = whole(row->values[MSG_payload]);
	nulls[3] = row->nulls[MSG_headers];
	if (!nulls[3])
		values[3] = whole(row->values[MSG_headers]);
	if (wf_message_is_task(row))
		values[3] = headers_of_task(values[3], row->attempt);
	values[4] = row->values[MSG_group_key];
	nulls[4] = row->nulls[MSG_group_key];
	values[5] = Int32GetDatum(row->attempt);
	values[6] = row->values[MSG_enqueued_at];
	values[7] = TimestampTzGetDatum(row->lease_until);
	tuplestore_putvalues(call->rsinfo->setResult, call->rsinfo->setDesc,
						 values, nulls);
}

/* Writes the row as received, and returns it; false when it cannot be had. */
static bool
take(Call *call, WfHanded *handed)
{
	TimestampTz now = wf_clock_now();
	MemoryContext old = MemoryContextSwitchTo(call->row_cxt);
	WfRowResult result = WF_ROW_CHANGED;
	WfDelivery row;

	if (wf_delivery_read(&call->table, handed->message_id, &handed->tid,
						 call->row_cxt, &row) &&
		row.state == WF_MESSAGE_QUEUED && row.queue_id == call->queue_id &&
		row.due_at <= now && row.origin == wf_origin())
		result = wf_delivery_take(&call->table, &row, now + call->lease);
	if (result == WF_ROW_DONE)
	{
		wf_receive_took(row.message_id, &row.tid, row.token);
		put_row(call, &row);
	}
	else
		wf_receive_left(handed->message_id, result == WF_ROW_LOCKED);
	MemoryContextSwitchTo(old);
	MemoryContextReset(call->row_cxt);
	return result == WF_ROW_DONE;
}

static void
receive(Call *call, int max)
{
	WfHanded *handed = palloc(WF_HANDED_MAX * sizeof(WfHanded));
	int vain = 0;
	int all = 0;

	while (max > 0 && vain < MAX_VAIN_ROUNDS)
	{
		int wanted = Min(max, WF_HANDED_MAX);
		int n = wf_receive_ask(call->queue_id, wanted, call->lease, handed);
		int got = 0;

		for (int i = 0; i < n; i++)
			got += take(call, &handed[i]);
		max -= got;
		all += got;
		vain = got == 0 ? vain + 1 : 0;
		/* fewer than were asked for: there were no more */
		if (n < wanted)
			break;
	}
	if (all == 0)
		wf_served_tell();
}

Datum
workflow_receive(PG_FUNCTION_ARGS)
{
	const WfQueueReceive *queue;
	text *name;
	Call call;
	int max;

	wf_require_preloaded();
	wf_require_writable("receive");
	wf_arg_require(fcinfo, 0, "name of a queue");
	max = read_max(fcinfo);
	name = PG_GETARG_TEXT_PP(0);
	queue = wf_queue_receivable(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	call.queue_id = queue->queue_id;
	call.lease = wf_arg_lease(fcinfo, 2, queue);
	if (WF_BROKEN("short-lease"))
		call.lease /= 4;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	call.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	call.row_cxt = AllocSetContextCreate(CurrentMemoryContext, "receive",
										 ALLOCSET_DEFAULT_SIZES);
	wf_delivery_open(true, &call.table);
	receive(&call, max);
	wf_table_close(&call.table);
	return (Datum) 0;
}

/* ---- wait_for_messages ---- */

/* a queue that is waited for */
typedef struct Waited
{
	const text *name;
	int32 queue_id;
	WfStamp stamp; /* of the last look at it */
} Waited;

/* Is it there, and may we receive from it?  Else an error is raised. */
static void
look_for_queue(void *arg)
{
	Waited *waited = arg;
	const WfQueueReceive *queue;

	queue = wf_queue_receivable(VARDATA_ANY(waited->name),
								VARSIZE_ANY_EXHDR(waited->name));
	waited->queue_id = queue->queue_id;
}

/*
 * A DROP EXTENSION wakes us before the catalogs tell of it: the look then waits
 * for its locks, and finds that the tables are gone.
 */
static void
look(Waited *waited)
{
	wf_stamp_take(&waited->stamp);
	PG_TRY();
	{
		wf_wait_look(look_for_queue, waited);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_UNDEFINED_TABLE)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"workflow\" does not exist in this database"),
				 errdetail("It was dropped during the wait."),
				 errhint("Run CREATE EXTENSION workflow.")));
	}
	PG_END_TRY();
}

/*
 * Sleeps until woken, until definitions have changed, or until the time is
 * over, holding neither snapshot nor lock.  However short that is, what is
 * there is found.  The scheduler that comes after one that ended finds us in
 * shared memory.
 */
static void
sleep_until(TimestampTz end, const WfStamp *stamp)
{
	TimestampTz looked = wf_clock_system() + MAX_LOOK_USEC;

	while (!wf_receive_is_woken() && !wf_stamp_has_moved(stamp))
	{
		long ms = end == DT_NOEND ? -1 : wf_clock_ms_until(end);

		if (ms == 0)
		{
			ms = (looked - wf_clock_system()) / 1000;
			if (wf_receive_has_looked() || ms <= 0)
				break;
		}
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
							 (ms < 0 ? 0 : WL_TIMEOUT),
						 ms, wf_wait_event(WF_WAIT_MESSAGE));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* One wait after the other, as long as it is only definitions that change. */
static bool
wait_for_queue(const char *me, Waited *waited, TimestampTz end)
{
	for (;;)
	{
		bool ready;

		wf_wait_drop_snapshot(me);
		wf_receive_wait_begin(waited->queue_id,
							  end <= wf_clock_now() + SHORT_USEC);
		sleep_until(end, &waited->stamp);
		ready = wf_receive_wait_end();
		EnsurePortalSnapshotExists();
		if (!wf_stamp_has_moved(&waited->stamp))
			return ready;
		look(waited);
		if (ready || (end != DT_NOEND && wf_clock_ms_until(end) == 0))
			return ready;
	}
}

Datum
workflow_wait_for_messages(PG_FUNCTION_ARGS)
{
	static const char *const me = "wait_for_messages";
	TupleDesc desc;
	TimestampTz end;
	Datum value;
	bool isnull = false;
	Waited waited;

	wf_require_preloaded();
	wf_arg_require(fcinfo, 0, "name of a queue");
	end = wf_wait_end(fcinfo, 1);
	wf_wait_check_place(fcinfo, me);
	(void) wf_database_get(MyDatabaseId);
	waited.name = PG_GETARG_TEXT_PP(0);
	look(&waited);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "workflow.wait_for_messages() must return a row");
	desc = BlessTupleDesc(desc);

	value = BoolGetDatum(wait_for_queue(me, &waited, end));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, &value, &isnull)));
}
