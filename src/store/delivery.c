/*
 * delivery.c
 *		Table _workflow.message: its rows as they are received, acknowledged and
 *		given back.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/entropy.h"
#include "base/stoppoint.h"
#include "core/state.h"
#include "store/definition.h"
#include "store/delivery.h"

void
wf_delivery_open(bool write, WfOpenTable *table)
{
	wf_table_open(&wf_message_table, write, table);
}

/* ---- reading ---- */

static int64
get_int64(const WfDelivery *row, int column)
{
	return row->nulls[column] ? 0 : DatumGetInt64(row->values[column]);
}

static int32
get_int32(const WfDelivery *row, int column)
{
	return row->nulls[column] ? 0 : DatumGetInt32(row->values[column]);
}

/* One that locks it among others is not told of: we do not lock rows. */
static TransactionId
writer_of(HeapTuple tuple)
{
	if (tuple->t_data->t_infomask & (HEAP_XMAX_INVALID | HEAP_XMAX_IS_MULTI))
		return InvalidTransactionId;
	return HeapTupleHeaderGetRawXmax(tuple->t_data);
}

static void
fill(HeapTuple tuple, WfDelivery *row)
{
	row->writer = writer_of(tuple);
	row->tid = tuple->t_self;
	row->message_id = get_int64(row, MSG_message_id);
	row->origin = get_int64(row, MSG_origin);
	row->queue_id = get_int32(row, MSG_queue_id);
	row->state = DatumGetChar(row->values[MSG_state]);
	row->attempt = get_int32(row, MSG_attempt);
	row->attempts_used = row->attempt - get_int32(row, MSG_attempts_before);
	row->token = get_int64(row, MSG_receipt);
	row->received = !row->nulls[MSG_receipt];
	row->lease_until = get_int64(row, MSG_lease_until);
	row->due_at = get_int64(row, MSG_due_at);
}

bool
wf_delivery_read(WfOpenTable *table, int64 message_id, ItemPointer tid,
				 MemoryContext cxt, WfDelivery *out)
{
	Datum key = Int64GetDatum(message_id);
	HeapTuple tuple = NULL;

	if (tid != NULL)
		tuple =
			wf_table_fetch_newest_at(table, tid, cxt, out->values, out->nulls);
	/* the place may be another row's by now */
	if (tuple == NULL ||
		DatumGetInt64(out->values[MSG_message_id]) != message_id)
		tuple = wf_table_fetch_newest(table, &key, 1, cxt, out->values,
									  out->nulls);
	if (tuple == NULL)
		return false;
	fill(tuple, out);
	return true;
}

const WfPolicy *
wf_delivery_policy(const WfDelivery *row, const WfPolicy *of_queue,
				   WfPolicy *buffer)
{
	if (row->nulls[MSG_policy])
		return of_queue;
	wf_policy_from_datum(row->values[MSG_policy], buffer);
	return buffer;
}

/* ---- writing ---- */

static void
set(WfDelivery *row, int column, Datum value)
{
	row->values[column] = value;
	row->nulls[column] = false;
}

/* 0 and NULL are NULL */
static void
set_time(WfDelivery *row, int column, TimestampTz value)
{
	row->values[column] = TimestampTzGetDatum(value);
	row->nulls[column] = value == 0;
}

static void
set_text(WfDelivery *row, int column, const char *value)
{
	row->nulls[column] = value == NULL;
	row->values[column] =
		value == NULL ? (Datum) 0 : CStringGetTextDatum(value);
}

static void
set_fault(WfDelivery *row, const WfFault *fault)
{
	set_text(row, MSG_error_code, fault->code);
	set_text(row, MSG_error_message, fault->message);
	set_text(row, MSG_error_detail, fault->detail);
}

static WfRowResult
write_row(WfOpenTable *table, WfDelivery *row, bool wait)
{
	return wf_table_replace(table, &row->tid, row->values, row->nulls, wait);
}

WfRowResult
wf_delivery_take(WfOpenTable *table, WfDelivery *row, TimestampTz lease_until)
{
	row->attempt++;
	row->token = (int64) wf_entropy();
	row->lease_until = lease_until;
	set(row, MSG_state, CharGetDatum(WF_MESSAGE_LEASED));
	set(row, MSG_attempt, Int32GetDatum(row->attempt));
	set(row, MSG_receipt, Int64GetDatum(row->token));
	set_time(row, MSG_lease_until, lease_until);
	return write_row(table, row, false);
}

WfRowResult
wf_delivery_extend(WfOpenTable *table, WfDelivery *row,
				   TimestampTz lease_until, Datum progress, bool wait)
{
	row->lease_until = lease_until;
	set_time(row, MSG_lease_until, lease_until);
	if (DatumGetPointer(progress) != NULL)
		set(row, MSG_progress, progress);
	return write_row(table, row, wait);
}

void
wf_delivery_renew(int64 message_id, ItemPointer tid, int64 token,
				  TimestampTz lease_until)
{
	WfOpenTable table;
	WfDelivery row;
	bool pushed = !ActiveSnapshotSet();

	/* what is toasted must be safe from vacuum */
	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	wf_delivery_open(true, &table);
	if (wf_delivery_read(&table, message_id, tid, CurrentMemoryContext,
						 &row) &&
		row.state == WF_MESSAGE_LEASED && row.token == token &&
		row.lease_until < lease_until)
		(void) wf_delivery_extend(&table, &row, lease_until, (Datum) 0, true);
	wf_table_close(&table);
	if (pushed)
		PopActiveSnapshot();
}

void
wf_delivery_lost(WfDelivery *row)
{
	set(row, MSG_losses, Int32GetDatum(get_int32(row, MSG_losses) + 1));
}

/* Nobody has it any more. */
static void
end_lease(WfDelivery *row)
{
	row->lease_until = 0;
	set_time(row, MSG_lease_until, 0);
}

WfRowResult
wf_delivery_ack(WfOpenTable *table, WfDelivery *row, bool keep, Datum result,
				bool wait)
{
	if (WF_BROKEN("lose-ack"))
		return WF_ROW_DONE;
	if (!keep)
		return wf_table_delete(table, &row->tid, wait);
	end_lease(row);
	set(row, MSG_state, CharGetDatum(WF_MESSAGE_ACKED));
	set_time(row, MSG_finished_at, wf_clock_now());
	set_time(row, MSG_due_at, 0);
	row->nulls[MSG_result] = DatumGetPointer(result) == NULL;
	row->values[MSG_result] = result;
	return write_row(table, row, wait);
}

WfRowResult
wf_delivery_give_back(WfOpenTable *table, WfDelivery *row, TimestampTz due_at,
					  const WfFault *fault, bool wait)
{
	/* a due_at that is over is left, so that the row stays on its page */
	if (due_at != 0 || row->due_at > wf_clock_now())
		set_time(row, MSG_due_at, due_at);
	end_lease(row);
	set(row, MSG_state, CharGetDatum(WF_MESSAGE_QUEUED));
	set(row, MSG_attempt, Int32GetDatum(row->attempt));
	/* it has been received, be it by a transaction that was rolled back */
	if (!row->received)
		set(row, MSG_receipt, Int64GetDatum((int64) wf_entropy()));
	if (fault != NULL)
		set_fault(row, fault);
	return write_row(table, row, wait);
}

WfRowResult
wf_delivery_bury(WfOpenTable *table, WfDelivery *row, const WfFault *fault,
				 bool wait)
{
	/* of a task its run knows */
	if (!row->nulls[MSG_run_id])
		return wf_delivery_ack(table, row, false, (Datum) 0, wait);
	end_lease(row);
	set(row, MSG_state, CharGetDatum(WF_MESSAGE_DEAD));
	set(row, MSG_attempt, Int32GetDatum(row->attempt));
	set_time(row, MSG_finished_at, wf_clock_now());
	set_time(row, MSG_due_at, 0);
	set_text(row, MSG_reason, fault->reason);
	set_fault(row, fault);
	return write_row(table, row, wait);
}
