/*
 * message_key.c
 *		Which dedup_keys have been used.
 *
 * The name of the owner is part of the key, not his oid: in a restored
 * database an oid may be somebody else's.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/spi.h"
#include "store/message_key.h"

static WfStmt insert_key = {
	"INSERT INTO _workflow.message_key (queue_id, owner, message_id,"
	"       expires_at, owner_name, dedup_key)"
	"VALUES ($1, $2, $3, $4, $5, $6)"
	"    ON CONFLICT (queue_id, owner_name, dedup_key) DO NOTHING",
	6,
	{INT4OID, OIDOID, INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID}};

bool
wf_message_key_claim(const WfNewMessage *message, TimestampTz expires_at)
{
	Datum values[6];

	values[0] = Int32GetDatum(message->queue_id);
	values[1] = ObjectIdGetDatum(message->owner);
	values[2] = Int64GetDatum(message->message_id);
	values[3] = TimestampTzGetDatum(expires_at);
	values[4] = message->owner_name;
	values[5] = message->dedup_key;
	return wf_spi_run(&insert_key, values, NULL, false, 0) == 1;
}

#define FIND_KEY                                                     \
	"SELECT k.message_id, k.expires_at, m.state IN ('q', 'l'),"      \
	"       m.state = 'q' AND m.attempt = 0, m.enqueued_at"          \
	"  FROM _workflow.message_key k"                                 \
	"  LEFT JOIN _workflow.message m ON m.message_id = k.message_id" \
	" WHERE k.queue_id = $1 AND k.owner_name = $2"                   \
	"   AND k.dedup_key = $3"

static WfStmt find_key = {FIND_KEY, 3, {INT4OID, TEXTOID, TEXTOID}};

static WfStmt lock_key = {
	FIND_KEY " FOR UPDATE OF k", 3, {INT4OID, TEXTOID, TEXTOID}};

bool
wf_message_key_find(const WfNewMessage *message, bool lock, WfUsedKey *out)
{
	Datum values[3];
	uint64 found;

	values[0] = Int32GetDatum(message->queue_id);
	values[1] = message->owner_name;
	values[2] = message->dedup_key;
	if (lock)
		found = wf_spi_run(&lock_key, values, NULL, false, 1);
	else
	{
		/* newer than what was waited for, also in REPEATABLE READ */
		PushActiveSnapshot(GetLatestSnapshot());
		found = wf_spi_run(&find_key, values, NULL, true, 1);
		PopActiveSnapshot();
	}
	if (found == 0)
		return false;
	out->message_id = wf_spi_get_int64(0, 1, 0);
	out->expires_at = wf_spi_get_time(0, 2, 0);
	out->unfinished = wf_spi_get_bool(0, 3, false);
	out->untouched = wf_spi_get_bool(0, 4, false);
	out->enqueued_at = wf_spi_get_time(0, 5, 0);
	return true;
}

static WfStmt move_key = {
	"UPDATE _workflow.message_key"
	"   SET message_id = $5, expires_at = $6, owner = $7"
	" WHERE queue_id = $1 AND owner_name = $2 AND dedup_key = $3"
	"   AND message_id = $4",
	7,
	{INT4OID, TEXTOID, TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID, OIDOID}};

bool
wf_message_key_move(const WfNewMessage *message, int64 from,
					TimestampTz expires_at)
{
	Datum values[7];

	values[0] = Int32GetDatum(message->queue_id);
	values[1] = message->owner_name;
	values[2] = message->dedup_key;
	values[3] = Int64GetDatum(from);
	values[4] = Int64GetDatum(message->message_id);
	values[5] = TimestampTzGetDatum(expires_at);
	values[6] = ObjectIdGetDatum(message->owner);
	return wf_spi_run(&move_key, values, NULL, false, 0) == 1;
}
