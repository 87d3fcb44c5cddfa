/*
 * ack.c
 *		ack(), ack_batch(), nack() and extend().
 *
 * All of them write the row of a message in the caller's transaction, if and
 * only if the receipt still holds: so what a worker has written together with
 * it is committed only by one that held the message to the end.  A lease that
 * is over holds on until the message is given to somebody else or is back in
 * its queue.
 *
 * Locking: the row, waiting for who has it locked: another with the same
 * receipt, or the scheduler for a moment.  ack_batch() goes in the order of the
 * messages, so that two do not wait for each other.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/receipt.h"
#include "api/receive_cache.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/spi.h"
#include "base/stoppoint.h"
#include "core/mix.h"
#include "core/state.h"
#include "ipc/receivers.h"
#include "ipc/wakeup.h"
#include "store/attempt.h"
#include "store/message_task.h"

PG_FUNCTION_INFO_V1(workflow_ack);
PG_FUNCTION_INFO_V1(workflow_ack_batch);
PG_FUNCTION_INFO_V1(workflow_nack);
PG_FUNCTION_INFO_V1(workflow_extend);

/* ---- receipts ---- */

static WfReceipt
read_receipt(FunctionCallInfo fcinfo)
{
	text *receipt;

	wf_arg_require(fcinfo, 0, "receipt");
	receipt = PG_GETARG_TEXT_PP(0);
	return wf_receipt_parse(VARDATA_ANY(receipt), VARSIZE_ANY_EXHDR(receipt));
}

/* Reads the row; does the receipt hold? */
static bool
find_held(WfOpenTable *table, const WfReceipt *receipt, WfDelivery *row)
{
	ItemPointerData tid;
	bool known = wf_receive_tid(receipt->message_id, &tid);

	row->state = '\0';
	return wf_delivery_read(table, receipt->message_id, known ? &tid : NULL,
							CurrentMemoryContext, row) &&
		   row->state == WF_MESSAGE_LEASED &&
		   (row->token == receipt->token || WF_BROKEN("stale-receipts"));
}

/*
 * "row" as find_held() has left it.  A stranger is not told what has become of
 * the message, nor that there is one.
 */
static void
raise_stale(const WfReceipt *receipt, const WfDelivery *row)
{
	const char *why = "It was acknowledged or deleted.";

	if (row->state == '\0' || !wf_queue_may_receive(row->queue_id))
		;
	else if (row->state == WF_MESSAGE_LEASED)
		why = "Its lease ended, and it was given to somebody else.";
	else if (row->state == WF_MESSAGE_QUEUED)
		why =
			"Its lease ended or it was given back, and it waits to be received again.";
	else if (row->state == WF_MESSAGE_DEAD)
		why = "It was given up, and is a dead letter.";
	ereport(ERROR,
			(errcode(ERRCODE_WF_STALE_RECEIPT),
			 errmsg("receipt of message " INT64_FORMAT " does not hold any more",
					receipt->message_id),
			 errdetail("%s", why),
			 errhint("Roll back what was done for it. If work takes longer than the lease, call workflow.extend() meanwhile, or receive with a longer one.")));
}

/*
 * The row of a receipt that holds, and its queue, for whoever may receive.  So
 * that nobody learns of messages by guessing, rights come second.
 */
static const WfQueueReceive *
find_or_raise(WfOpenTable *table, const WfReceipt *receipt, WfDelivery *row)
{
	CHECK_FOR_INTERRUPTS();
	if (!find_held(table, receipt, row))
		raise_stale(receipt, row);
	return wf_queue_receivable_of(row->queue_id);
}

/* A run may wait for it. */
static void
settle(const WfDelivery *row, Datum result, const WfFault *fault)
{
	WfWork wake;
	WfWindow window;

	if (!wf_message_is_task(row))
		return;
	wf_window_open(&window);
	wf_task_settled(row, result, fault, &wake);
	wf_window_close(&window);
	wf_note_wake(&wake.id);
}

/* ---- ack ---- */

/* False when the receipt does not hold, unless "strictly". */
static bool
ack_one(WfOpenTable *table, const WfReceipt *receipt, Datum result,
		bool strictly)
{
	WfDelivery row;

	for (;;)
	{
		const WfQueueReceive *queue;

		if (!strictly && !find_held(table, receipt, &row))
			return false;
		queue = find_or_raise(table, receipt, &row);
		if (wf_delivery_ack(table, &row, queue->keeps_acked, result, true) ==
			WF_ROW_DONE)
			break;
		/* somebody was faster: what is there now? */
	}
	settle(&row, result, NULL);
	wf_receive_note(WF_NEWS_DONE, row.message_id);
	return true;
}

Datum
workflow_ack(PG_FUNCTION_ARGS)
{
	WfReceipt receipt;
	WfOpenTable table;
	Datum result = (Datum) 0;

	wf_require_preloaded();
	wf_require_writable("ack");
	receipt = read_receipt(fcinfo);
	if (!PG_ARGISNULL(1))
	{
		result = PG_GETARG_DATUM(1);
		wf_check_payload(result, "result");
	}
	wf_delivery_open(true, &table);
	(void) ack_one(&table, &receipt, result, true);
	wf_table_close(&table);
	PG_RETURN_VOID();
}

typedef struct Acked
{
	WfReceipt receipt;
	Datum result;
} Acked;

static int
compare_acked(const void *a, const void *b)
{
	int64 x = ((const Acked *) a)->receipt.message_id;
	int64 y = ((const Acked *) b)->receipt.message_id;

	return (x > y) - (x < y);
}

/* Results for the receipts, or none. */
static void
read_results(FunctionCallInfo fcinfo, Acked *acked, int n)
{
	Datum *elements;
	bool *nulls;
	int nresults;

	if (PG_ARGISNULL(1))
		return;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), JSONBOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &nresults);
	if (nresults != n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("results must have as many elements as receipts"),
				 errdetail("There are %d receipts and %d results.", n,
						   nresults),
				 errhint("Pass NULL for a message without a result.")));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			continue;
		acked[i].result = elements[i];
		wf_check_payload(elements[i], "result");
	}
}

static Acked *
read_batch(FunctionCallInfo fcinfo, int *n)
{
	Acked *acked;
	Datum *elements;
	bool *nulls;

	wf_arg_require(fcinfo, 0, "receipts");
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, n);
	acked = palloc0(mul_size(Max(*n, 1), sizeof(Acked)));
	for (int i = 0; i < *n; i++)
	{
		text *receipt;

		if (nulls[i] && !WF_BROKEN("heedless-nulls"))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("receipts must not contain NULL"),
					 errdetail("Element %d is NULL.", i + 1),
					 errhint("Pass the receipts of messages that were received.")));
		receipt = DatumGetTextPP(elements[i]);
		acked[i].receipt =
			wf_receipt_parse(VARDATA_ANY(receipt), VARSIZE_ANY_EXHDR(receipt));
	}
	read_results(fcinfo, acked, *n);
	qsort(acked, *n, sizeof(Acked), compare_acked);
	return acked;
}

Datum
workflow_ack_batch(PG_FUNCTION_ARGS)
{
	bool skip_stale = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	MemoryContext row_cxt;
	MemoryContext old;
	WfOpenTable table;
	Acked *acked;
	int n;
	int done = 0;

	wf_require_preloaded();
	wf_require_writable("ack_batch");
	acked = read_batch(fcinfo, &n);
	wf_receive_reserve_notes(n);
	row_cxt = AllocSetContextCreate(CurrentMemoryContext, "ack_batch",
									ALLOCSET_DEFAULT_SIZES);
	wf_delivery_open(true, &table);
	old = MemoryContextSwitchTo(row_cxt);
	for (int i = 0; i < n; i++)
	{
		done +=
			ack_one(&table, &acked[i].receipt, acked[i].result, !skip_stale);
		MemoryContextReset(row_cxt);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(row_cxt);
	wf_table_close(&table);
	PG_RETURN_INT32(done);
}

/* ---- nack ---- */

enum
{
	NACK_RECEIPT,
	NACK_ERROR,
	NACK_DELAY,
	NACK_FINAL,
	NACK_COUNTS,
	NACK_DETAIL
};

typedef struct Nack
{
	WfFault fault;
	bool final;
	bool counts;
	bool delayed; /* due_at was given */
	TimestampTz due_at;
} Nack;

static void
read_nack(FunctionCallInfo fcinfo, Nack *nack)
{
	TimestampTz now = wf_clock_now();
	Interval *delay = wf_arg_interval(fcinfo, NACK_DELAY, "delay", false);

	memset(nack, 0, sizeof(*nack));
	nack->fault.message = wf_arg_error_text(fcinfo, NACK_ERROR);
	nack->fault.detail = wf_arg_error_text(fcinfo, NACK_DETAIL);
	nack->fault.code = unpack_sql_state(ERRCODE_WF_TASK_FAILED);
	nack->final = !PG_ARGISNULL(NACK_FINAL) && PG_GETARG_BOOL(NACK_FINAL);
	nack->counts = PG_ARGISNULL(NACK_COUNTS) || PG_GETARG_BOOL(NACK_COUNTS);
	if (nack->final && (!nack->counts || delay != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a final nack has no delay, and always counts"),
				 errdetail("The message will not be tried again."),
				 errhint("Leave out \"final\", or \"delay\" and \"counts\".")));
	nack->delayed = delay != NULL;
	if (delay != NULL)
		nack->due_at = wf_time_after(now, delay);
	if (nack->due_at <= now)
		nack->due_at = 0;
}

/* Is there no further attempt after this one? */
static bool
is_last(const Nack *nack, const WfDelivery *row, const WfPolicy *policy)
{
	if (!nack->counts)
		return false;
	return nack->final || policy->at_most_once ||
		   (policy->max_attempts > 0 &&
			row->attempts_used >= policy->max_attempts);
}

/* The run's timeline tells of it. */
static void
keep_attempt(const WfDelivery *row, const WfFault *fault)
{
	WfWindow window;

	if (!wf_message_is_task(row))
		return;
	wf_window_open(&window);
	wf_attempt_of_task(row, fault, false);
	wf_window_close(&window);
}

static WfRowResult
nack_row(WfOpenTable *table, WfDelivery *row, const WfPolicy *of_queue,
		 Nack *nack)
{
	WfPolicy buffer;
	const WfPolicy *policy = wf_delivery_policy(row, of_queue, &buffer);
	TimestampTz due_at = nack->due_at;
	const WfFault *fault = NULL;
	WfRowResult result;

	if (is_last(nack, row, policy))
	{
		WfFault fault = nack->fault;

		fault.reason = nack->final || policy->at_most_once
						   ? WF_REASON_ERROR
						   : WF_REASON_ATTEMPTS;
		if (fault.message == NULL)
			fault.message = "the worker gave the message up";
		result = wf_delivery_bury(table, row, &fault, true);
		if (result == WF_ROW_DONE)
			settle(row, (Datum) 0, &fault);
		return result;
	}
	if (!nack->delayed)
		due_at = wf_clock_now() +
				 wf_policy_delay(policy, row->attempts_used,
								 wf_mix_in((uint64) row->message_id,
										   (uint64) row->attempt));
	if (nack->fault.message != NULL || nack->fault.detail != NULL)
		fault = &nack->fault;
	if (!nack->counts)
		row->attempt--;
	result = wf_delivery_give_back(table, row, due_at, fault, true);
	if (result == WF_ROW_DONE && nack->counts)
		keep_attempt(row, fault);
	return result;
}

Datum
workflow_nack(PG_FUNCTION_ARGS)
{
	const WfQueueReceive *queue;
	WfReceipt receipt;
	WfOpenTable table;
	WfDelivery row;
	Nack nack;

	wf_require_preloaded();
	wf_require_writable("nack");
	receipt = read_receipt(fcinfo);
	read_nack(fcinfo, &nack);
	wf_delivery_open(true, &table);
	do
		queue = find_or_raise(&table, &receipt, &row);
	while (nack_row(&table, &row, &queue->policy, &nack) != WF_ROW_DONE);
	wf_table_close(&table);
	wf_receive_note(WF_NEWS_LOOK, receipt.message_id);
	PG_RETURN_VOID();
}

/* ---- extend ---- */

Datum
workflow_extend(PG_FUNCTION_ARGS)
{
	const WfQueueReceive *queue;
	WfReceipt receipt;
	WfOpenTable table;
	WfDelivery row;
	Datum progress;
	TimestampTz until;

	wf_require_preloaded();
	wf_require_writable("extend");
	receipt = read_receipt(fcinfo);
	progress = wf_arg_progress(fcinfo, 2);
	wf_delivery_open(true, &table);
	do
	{
		queue = find_or_raise(&table, &receipt, &row);
		until = wf_clock_now() + wf_arg_lease(fcinfo, 1, queue);
	} while (wf_delivery_extend(&table, &row, until, progress, true) !=
			 WF_ROW_DONE);
	wf_table_close(&table);
	wf_receive_note(WF_NEWS_LOOK, receipt.message_id);
	PG_RETURN_TIMESTAMPTZ(until);
}
