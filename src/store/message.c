/*
 * message.c
 *		Writing a new row of _workflow.message.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/table.h"
#include "core/state.h"
#include "core/workid.h"
#include "store/columns.h"
#include "store/message.h"
#include "store/queue.h"

static void
set_value(Datum *values, bool *nulls, int column, Datum value)
{
	values[column] = value;
	nulls[column] = false;
}

/* One that may be NULL, which no pointer is. */
static void
set_pointer(Datum *values, bool *nulls, int column, Datum value)
{
	if (DatumGetPointer(value) != NULL)
		set_value(values, nulls, column, value);
}

static int64
place_of(const WfNewMessage *message)
{
	WfWorkId id;

	wf_workid_of_message(message->message_id, &id);
	return wf_workid_place(&id, message->delayed ? message->run_at : 0);
}

static void
fill_row(const WfNewMessage *message, Datum *values, bool *nulls)
{
	memset(nulls, true, MSG_NATTS * sizeof(bool));
#define SET(column, value) set_value(values, nulls, MSG_##column, (value))
#define SET_POINTER(column, value) \
	set_pointer(values, nulls, MSG_##column, (value))
	SET(message_id, Int64GetDatum(message->message_id));
	SET(origin, Int64GetDatum(message->origin));
	SET(enqueued_at, TimestampTzGetDatum(message->enqueued_at));
	SET(run_at, TimestampTzGetDatum(message->run_at));
	SET(place, Int64GetDatum(place_of(message)));
	if (message->delayed)
		SET(due_at, TimestampTzGetDatum(message->run_at));
	SET(queue_id, Int32GetDatum(message->queue_id));
	SET(priority, Int32GetDatum(message->priority));
	SET(owner, ObjectIdGetDatum(message->owner));
	SET(attempt, Int32GetDatum(0));
	if (message->run_id != NULL)
	{
		SET(run_id, UUIDPGetDatum(message->run_id));
		SET(run_ordinal, Int32GetDatum(message->run_ordinal));
	}
	SET(state, CharGetDatum(WF_MESSAGE_QUEUED));
	SET_POINTER(owner_name, message->owner_name);
	SET_POINTER(group_key, message->group_key);
	SET_POINTER(dedup_key, message->dedup_key);
	SET_POINTER(policy, message->policy);
	SET_POINTER(headers, message->headers);
	SET_POINTER(payload, message->payload);
#undef SET
#undef SET_POINTER
}

void
wf_message_insert(WfNewMessage *message)
{
	Datum values[MSG_NATTS];
	bool nulls[MSG_NATTS];
	WfOpenTable table;

	fill_row(message, values, nulls);
	wf_table_open(&wf_message_table, true, &table);
	message->tid = wf_table_insert(&table, values, nulls);
	wf_table_close(&table);
}

/* rows put in at a time: what heap and index keep in memory meanwhile */
#define INSERT_CHUNK 1000

void
wf_message_insert_many(WfNewMessage *messages, int n)
{
	int chunk = Min(n, INSERT_CHUNK);
	Datum *values =
		palloc(mul_size(mul_size(chunk, MSG_NATTS), sizeof(Datum)));
	bool *nulls = palloc(mul_size(mul_size(chunk, MSG_NATTS), sizeof(bool)));
	ItemPointerData *tids = palloc(mul_size(chunk, sizeof(ItemPointerData)));
	WfOpenTable table;

	wf_table_open(&wf_message_table, true, &table);
	for (int done = 0; done < n; done += chunk)
	{
		int rows = Min(chunk, n - done);

		for (int i = 0; i < rows; i++)
			fill_row(&messages[done + i], values + (Size) i * MSG_NATTS,
					 nulls + (Size) i * MSG_NATTS);
		wf_table_insert_many(&table, rows, values, nulls, tids);
		for (int i = 0; i < rows; i++)
			messages[done + i].tid = tids[i];
	}
	wf_table_close(&table);
	pfree(values);
	pfree(nulls);
	pfree(tids);
}

void
wf_message_describe(const WfNewMessage *message, WfWork *info)
{
	memset(info, 0, sizeof(*info));
	wf_workid_of_message(message->message_id, &info->id);
	info->last_id = info->id;
	info->owner = message->owner;
	info->queue_id = message->queue_id;
	info->priority = message->priority;
	info->due_at = message->delayed ? message->run_at : 0;
	info->place = place_of(message);
	info->deadline_at = DT_NOEND;
	info->tid = message->tid;
	if (DatumGetPointer(message->group_key) != NULL)
	{
		text *key = DatumGetTextPP(message->group_key);

		info->group = wf_group_hash(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	}
}
