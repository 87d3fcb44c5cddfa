/*
 * send.c
 *		send() and send_batch().
 *
 * As with enqueue_workflow(), a call writes rows in the caller's transaction
 * and leaves a note for the scheduler, delivered at commit; nothing else.  A
 * message without a dedup_key needs no SQL, and many are put in at once.
 *
 * Locking: a dedup_key waits for a transaction that has claimed the same key,
 * "replace" and a key whose time is over also for one that moves it to another
 * message.  Two transactions that send the same keys in opposite order can so
 * wait for each other, as they could at any unique index: 40P01 for one.  Rows
 * of messages are never waited for.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "api/arguments.h"
#include "api/place.h"
#include "api/queue_cache.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/spi.h"
#include "ipc/order.h"
#include "ipc/wakeup.h"
#include "store/message_admin.h"
#include "store/message_key.h"

PG_FUNCTION_INFO_V1(workflow_send);
PG_FUNCTION_INFO_V1(workflow_send_batch);

/* those of send_batch are the same, in the plural */
typedef enum Argument
{
	ARG_QUEUE,
	ARG_PAYLOAD,
	ARG_HEADERS,
	ARG_GROUP_KEY,
	ARG_DEDUP_KEY,
	ARG_ON_DUPLICATE,
	ARG_PRIORITY,
	ARG_DELAY,
	ARG_RUN_AT,
	ARG_DEBOUNCE, /* of send() */
	ARG_DEBOUNCE_MAX
} Argument;

/* ---- what all messages of a call have in common ---- */

typedef struct Sending
{
	const WfQueueSend *queue;
	WfOnDuplicate on_duplicate;
	WfDebounce debounce;
	WfNewMessage common;
} Sending;

static void
read_common(FunctionCallInfo fcinfo, const char *function, Sending *s)
{
	WfNewMessage *common = &s->common;
	text *name;

	wf_require_preloaded();
	wf_require_writable(function);
	wf_arg_require(fcinfo, ARG_QUEUE, "name of a queue");
	memset(&s->debounce, 0, sizeof(s->debounce));
	s->on_duplicate = wf_arg_on_duplicate(fcinfo, ARG_ON_DUPLICATE, false);
	memset(common, 0, sizeof(*common));
	common->enqueued_at = wf_clock_now();
	common->run_at = wf_arg_start(fcinfo, ARG_DELAY, ARG_RUN_AT, "message",
								  common->enqueued_at);
	common->delayed = common->run_at > common->enqueued_at;
	common->priority =
		PG_ARGISNULL(ARG_PRIORITY) ? 0 : PG_GETARG_INT32(ARG_PRIORITY);

	name = PG_GETARG_TEXT_PP(ARG_QUEUE);
	s->queue = wf_queue_allowed(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	common->queue_id = s->queue->queue_id;
	common->origin = wf_origin();
	common->owner = GetUserId();
	common->owner_name =
		CStringGetTextDatum(GetUserNameFromId(common->owner, false));
	ItemPointerSetInvalid(&common->tid);
}

static void
check_payload(Datum payload)
{
	wf_check_payload(payload, "payload");
}

static Datum
checked_headers(Datum value)
{
	Jsonb *headers = DatumGetJsonbP(value);

	wf_check_object(headers, "headers", "{\"trace\": \"a1\"}");
	wf_check_payload(JsonbPGetDatum(headers), "headers");
	return JsonbPGetDatum(headers);
}

/* ---- keys ---- */

static void
raise_duplicate(const Sending *s, const WfNewMessage *message, int64 kept)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("queue \"%s\" already had a message with this dedup_key",
					s->queue->name),
			 errdetail("Key \"%s\" belongs to message " INT64_FORMAT ".",
					   TextDatumGetCString(message->dedup_key), kept),
			 errhint("Pass on_duplicate => 'return' to get its id, or use another key.")));
}

/*
 * Until when a message has its key at least, where the window decides: it can
 * be no duplicate of what may not even be received yet.
 */
static TimestampTz
end_of_window(const Sending *s, const WfNewMessage *message)
{
	return Max(message->enqueued_at + s->queue->dedup_window, message->run_at);
}

/* Does the message still have the key that it was sent with? */
static bool
has_key(const Sending *s, const WfUsedKey *used, TimestampTz now)
{
	switch (s->queue->dedup_scope)
	{
		case WF_KEY_UNFINISHED:
			return used->unfinished;
		case WF_KEY_QUEUED:
			return used->untouched;
		default:
			return used->expires_at > now;
	}
}

/*
 * Is a message put in as soon as it has its key?  The next one of a batch may
 * have to find it.
 */
static bool
inserts_at_once(const Sending *s)
{
	return s->on_duplicate == WF_DUPLICATE_REPLACE ||
		   s->queue->dedup_scope != WF_KEY_WINDOW;
}

/*
 * Takes the key for this message from one that was never received, which goes;
 * false when that is not so, or not any more.
 */
static bool
replace_untouched(const WfNewMessage *message, TimestampTz expires_at,
				  int64 *replaced)
{
	WfUsedKey used;

	/* waits for another client that replaces the same message */
	if (!wf_message_key_find(message, true, &used) ||
		!wf_message_delete_untouched(used.message_id))
		return false;
	wf_note_message(used.message_id);
	*replaced = used.message_id;
	return wf_message_key_move(message, used.message_id, expires_at);
}

/*
 * debounce: writes what this call asks for into the message that has the key,
 * and was not received.  False when it was after all, or is being received.
 */
static bool
put_off(const Sending *s, const WfNewMessage *message, int64 *kept)
{
	WfNewMessage rewritten = *message;
	WfUsedKey used;
	WfRewrite result;

	/* waits for another client that does the same */
	if (!wf_message_key_find(message, true, &used) || !used.untouched)
		return false;
	rewritten.message_id = used.message_id;
	rewritten.run_at = wf_debounce_start(&s->debounce, used.enqueued_at,
										 message->enqueued_at);
	result = wf_message_rewrite(&rewritten);
	if (result == WF_REWRITE_DIFFERS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a debounced call must equal the first one"),
				 errdetail("Message " INT64_FORMAT ", which was not received, was sent with another group_key.",
						   used.message_id),
				 errhint("Only payload, headers, priority and the time may differ. Pass another dedup_key where another message is meant.")));
	if (result == WF_REWRITE_GONE)
		return false;
	wf_note_message(used.message_id);
	*kept = used.message_id;
	return true;
}

/*
 * In a window: claims the message's key.  False when another message has it,
 * whose id is set in *kept; true also sets that, to one that it replaces, or 0.
 */
static bool
claim_key(const Sending *s, const WfNewMessage *message, int64 *kept)
{
	TimestampTz now = message->enqueued_at;
	TimestampTz expires_at = end_of_window(s, message);
	WfUsedKey used;

	*kept = 0;
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (wf_message_key_claim(message, expires_at))
		{
			wf_note_events(WF_EVENT_KEPT);
			return true;
		}
		/* gone again: its time was over, or its message was deleted */
		if (!wf_message_key_find(message, false, &used))
			continue;
		if (!has_key(s, &used, now))
		{
			if (wf_message_key_move(message, used.message_id, expires_at))
				return true;
			continue;
		}
		if (s->debounce.given)
		{
			if (put_off(s, message, kept))
				return false;
			/* it is being received just now: the key is free */
			if (wf_message_key_move(message, used.message_id, expires_at))
				return true;
			continue;
		}
		if (s->on_duplicate == WF_DUPLICATE_REPLACE &&
			replace_untouched(message, expires_at, kept))
			return true;
		/* whoever was waited for may have replaced it */
		if (!wf_message_key_find(message, false, &used))
			continue;
		*kept = used.message_id;
		return false;
	}
}

/* Has the scheduler told, at commit. */
static void
note_sent(const Sending *s, const WfNewMessage *message)
{
	WfWork info;

	wf_message_describe(message, &info);
	if (s->queue->strict)
		wf_order_note(&info);
	wf_note_run(&info);
}

/* ---- send ---- */

static void
read_debounce(FunctionCallInfo fcinfo, Sending *s)
{
	WfNewMessage *message = &s->common;
	bool plain = !PG_ARGISNULL(ARG_DEDUP_KEY) &&
				 s->on_duplicate == WF_DUPLICATE_RETURN &&
				 PG_ARGISNULL(ARG_DELAY) && PG_ARGISNULL(ARG_RUN_AT);

	wf_arg_debounce(fcinfo, ARG_DEBOUNCE, plain, &s->debounce);
	if (!s->debounce.given)
		return;
	if (s->queue->dedup_scope != WF_KEY_QUEUED)
		wf_raise_debounce_scope("queue", s->queue->name);
	message->run_at = wf_debounce_start(&s->debounce, message->enqueued_at,
										message->enqueued_at);
	message->delayed = message->run_at > message->enqueued_at;
}


Datum
workflow_send(PG_FUNCTION_ARGS)
{
	Sending s;
	WfNewMessage *message = &s.common;
	int64 kept;

	read_common(fcinfo, "send", &s);
	read_debounce(fcinfo, &s);
	wf_arg_require(fcinfo, ARG_PAYLOAD, "payload");
	message->payload = PG_GETARG_DATUM(ARG_PAYLOAD);
	check_payload(message->payload);
	if (!PG_ARGISNULL(ARG_HEADERS))
		message->headers = checked_headers(PG_GETARG_DATUM(ARG_HEADERS));
	if (!PG_ARGISNULL(ARG_GROUP_KEY))
	{
		(void) wf_arg_limited_text(fcinfo, ARG_GROUP_KEY, "group_key",
								   WF_MAX_GROUP);
		message->group_key = PointerGetDatum(PG_GETARG_TEXT_PP(ARG_GROUP_KEY));
	}
	message->message_id = wf_messageid_draw();
	if (!PG_ARGISNULL(ARG_DEDUP_KEY))
	{
		WfWindow window;
		bool claimed;

		(void) wf_arg_limited_text(fcinfo, ARG_DEDUP_KEY, "dedup_key",
								   WF_MAX_KEY);
		message->dedup_key = PointerGetDatum(PG_GETARG_TEXT_PP(ARG_DEDUP_KEY));
		wf_window_open(&window);
		claimed = claim_key(&s, message, &kept);
		wf_window_close(&window);
		if (!claimed && s.on_duplicate == WF_DUPLICATE_REJECT)
			raise_duplicate(&s, message, kept);
		if (!claimed && s.on_duplicate == WF_DUPLICATE_SKIP)
			PG_RETURN_NULL();
		if (!claimed)
			PG_RETURN_INT64(kept);
	}

	wf_message_insert(message);
	note_sent(&s, message);
	wf_queue_count_enqueued(message->queue_id, 1);
	PG_RETURN_INT64(message->message_id);
}

/* ---- send_batch ---- */

/* an argument that has one element per message, or was left out */
typedef struct Column
{
	const char *what;
	Datum *values; /* NULL: left out */
	bool *nulls;
	int n;
} Column;

static void
read_column(FunctionCallInfo fcinfo, Argument arg, const char *what, Oid type,
			Column *column)
{
	memset(column, 0, sizeof(*column));
	column->what = what;
	if (!PG_ARGISNULL(arg))
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(arg), type, -1, false,
						  TYPALIGN_INT, &column->values, &column->nulls,
						  &column->n);
}

static void
check_length(const Column *column, int n)
{
	if (column->values != NULL && column->n != n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have as many elements as payloads",
						column->what),
				 errdetail("It has %d, payloads has %d.", column->n, n),
				 errhint("Pass one for each payload, NULL where there is none, or leave %s out.",
						 column->what)));
}

/* The element, or 0 where there is none. */
static Datum
element(const Column *column, int i)
{
	if (column->values == NULL || column->nulls[i])
		return (Datum) 0;
	return column->values[i];
}

/* The same of a key with up to "max" characters. */
static Datum
key_element(const Column *column, int i, const char *what, int max)
{
	Datum value = element(column, i);
	text *key;
	int length;

	if (DatumGetPointer(value) == NULL)
		return value;
	key = DatumGetTextPP(value);
	length = pg_mbstrlen_with_len(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	wf_check_length(length, what, max);
	return PointerGetDatum(key);
}

static WfNewMessage *
read_messages(FunctionCallInfo fcinfo, const Sending *s, int *n)
{
	Column payloads;
	Column headers;
	Column group_keys;
	Column dedup_keys;
	WfNewMessage *messages;

	read_column(fcinfo, ARG_PAYLOAD, "payloads", JSONBOID, &payloads);
	read_column(fcinfo, ARG_HEADERS, "headers", JSONBOID, &headers);
	read_column(fcinfo, ARG_GROUP_KEY, "group_keys", TEXTOID, &group_keys);
	read_column(fcinfo, ARG_DEDUP_KEY, "dedup_keys", TEXTOID, &dedup_keys);
	*n = payloads.n;
	check_length(&headers, *n);
	check_length(&group_keys, *n);
	check_length(&dedup_keys, *n);

	messages = MemoryContextAllocHuge(
		CurrentMemoryContext, mul_size(Max(*n, 1), sizeof(WfNewMessage)));
	for (int i = 0; i < *n; i++)
	{
		WfNewMessage *message = &messages[i];

		*message = s->common;
		if (payloads.nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("payload must not be null"),
					 errdetail("Element %d of payloads is NULL.", i + 1),
					 errhint("Pass JSON's null, which is 'null'::jsonb, where that is meant.")));
		message->payload = payloads.values[i];
		check_payload(message->payload);
		message->headers = element(&headers, i);
		if (DatumGetPointer(message->headers) != NULL)
			message->headers = checked_headers(message->headers);
		message->group_key =
			key_element(&group_keys, i, "group_key", WF_MAX_GROUP);
		message->dedup_key =
			key_element(&dedup_keys, i, "dedup_key", WF_MAX_KEY);
	}
	return messages;
}

static int
compare_ids(const void *a, const void *b)
{
	int64 left = *(const int64 *) a;
	int64 right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

/*
 * Gives each message of a batch that a later one has replaced the id of the last
 * one of its key.  drawn[i] is the id that message i was to have, which rise;
 * replaced[i] is what it has replaced, or 0.
 */
static void
name_survivors(int64 *ids, const int64 *drawn, const int64 *replaced, int n)
{
	/* from the end, so that what a replacing one was replaced by is known */
	for (int i = n - 1; i > 0; i--)
	{
		const int64 *found = NULL;

		if (replaced[i] != 0)
			found =
				bsearch(&replaced[i], drawn, i, sizeof(int64), compare_ids);
		if (found != NULL)
			ids[found - drawn] = ids[i];
	}
}

/*
 * Claims the keys of those that have one, and sets the ids to be returned, 0
 * for NULL.  Those to be sent are moved to the front; their number.  With
 * inserts_at_once() they have been inserted.  Of those with one key all get the
 * id of the message that is left in the end.
 */
static int
claim_keys(const Sending *s, WfNewMessage *messages, int n, int64 *ids)
{
	int nsent = 0;
	int64 *replaced = palloc(mul_size(Max(n, 1), sizeof(int64)));
	int64 *drawn = palloc(mul_size(Max(n, 1), sizeof(int64)));
	WfWindow window;
	bool open = false;

	for (int i = 0; i < n; i++)
	{
		WfNewMessage *message = &messages[i];
		int64 kept = 0;
		bool claimed = true;

		if (DatumGetPointer(message->dedup_key) != NULL)
		{
			if (!open)
				wf_window_open(&window);
			open = true;
			claimed = claim_key(s, message, &kept);
		}
		drawn[i] = ids[i] = message->message_id;
		replaced[i] = claimed ? kept : 0;
		if (claimed && inserts_at_once(s))
			wf_message_insert(message);
		if (claimed)
			messages[nsent++] = *message;
		else if (s->on_duplicate == WF_DUPLICATE_REJECT)
			raise_duplicate(s, message, kept);
		else
			ids[i] = s->on_duplicate == WF_DUPLICATE_SKIP ? 0 : kept;
	}
	if (open)
		wf_window_close(&window);
	name_survivors(ids, drawn, replaced, n);
	return nsent;
}

Datum
workflow_send_batch(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Sending s;
	WfNewMessage *messages;
	int64 *ids;
	int n;
	int nsent;

	read_common(fcinfo, "send_batch", &s);
	wf_arg_require(fcinfo, ARG_PAYLOAD, "payloads");
	messages = read_messages(fcinfo, &s, &n);
	ids = palloc(mul_size(Max(n, 1), sizeof(int64)));
	for (int i = 0; i < n; i++)
		messages[i].message_id = wf_messageid_draw();
	nsent = claim_keys(&s, messages, n, ids);
	if (nsent > 0)
	{
		if (!inserts_at_once(&s))
			wf_message_insert_many(messages, nsent);
		for (int i = 0; i < nsent; i++)
			note_sent(&s, &messages[i]);
		wf_queue_count_enqueued(s.common.queue_id, nsent);
	}

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < n; i++)
	{
		Datum value = Int64GetDatum(ids[i]);
		bool null = ids[i] == 0;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value,
							 &null);
	}
	return (Datum) 0;
}
