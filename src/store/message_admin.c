/*
 * message_admin.c
 *		Messages that are looked at, retried and deleted by hand.
 *
 * A key goes with a message that was deleted before it was acknowledged: what
 * it stands for has not been done, so sending it again is no repetition.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/spi.h"
#include "core/state.h"
#include "core/workid.h"
#include "store/message_admin.h"
#include "store/signal.h"

static WfStmt view_message = {
	"SELECT queue_id, origin, state, run_id IS NOT NULL"
	"  FROM _workflow.message"
	" WHERE message_id = $1",
	1,
	{INT8OID}};

bool
wf_message_view(int64 message_id, WfMessageView *out)
{
	Datum values[1] = {Int64GetDatum(message_id)};
	uint64 found;

	PushActiveSnapshot(GetLatestSnapshot());
	found = wf_spi_run(&view_message, values, NULL, true, 1);
	PopActiveSnapshot();
	if (found == 0)
		return false;
	out->queue_id = wf_spi_get_int32(0, 1, 0);
	out->origin = wf_spi_get_int64(0, 2, 0);
	out->state = wf_spi_get_char(0, 3, '\0');
	out->task = wf_spi_get_bool(0, 4, false);
	return true;
}

/* what its attempts were used for stays to be seen, but for the reason */
static WfStmt retry_message = {
	"UPDATE _workflow.message m"
	"   SET state = 'q', finished_at = NULL, reason = NULL,"
	"       due_at = coalesce($2, CASE WHEN m.run_at > $3 THEN $3 END),"
	"       attempts_before = CASE WHEN m.state = 'd'::\"char\" THEN m.attempt"
	"                              ELSE m.attempts_before END,"
	"       receipt = CASE WHEN m.state = 'q'::\"char\" THEN m.receipt END"
	" WHERE m.message_id ="
	"       (SELECT o.message_id"
	"          FROM _workflow.message o"
	"         WHERE o.message_id = $1"
	"           AND (o.state = 'd'::\"char\" AND o.run_id IS NULL"
	"                OR o.state = 'q'::\"char\" AND o.due_at > $3)"
	"           AND NOT EXISTS (SELECT FROM _workflow.message_key k, _workflow.queue q,"
	"                                       _workflow.message t"
	"                            WHERE o.finished_at IS NOT NULL"
	"                              AND k.queue_id = o.queue_id"
	"                              AND k.owner_name = o.owner_name"
	"                              AND k.dedup_key = o.dedup_key"
	"                              AND q.queue_id = k.queue_id"
	"                              AND q.dedup_scope = 'unfinished'"
	"                              AND t.message_id = k.message_id"
	"                              AND t.message_id <> o.message_id"
	"                              AND t.finished_at IS NULL)"
	"           FOR UPDATE OF o SKIP LOCKED)",
	3,
	{INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

bool
wf_message_retry(int64 message_id, TimestampTz due_at, TimestampTz now)
{
	Datum values[3];
	const char nulls[] = {' ', due_at != 0 ? ' ' : 'n', ' ', '\0'};

	values[0] = Int64GetDatum(message_id);
	values[1] = TimestampTzGetDatum(due_at);
	values[2] = TimestampTzGetDatum(now);
	return wf_spi_run(&retry_message, values, nulls, false, 0) == 1;
}

/* ---- deleting ---- */

/* messages of a set "chosen", their keys, and how many there were */
#define DELETE_CHOSEN                                                     \
	", gone AS"                                                           \
	" (DELETE FROM _workflow.message m"                                   \
	"   USING chosen c"                                                   \
	"   WHERE m.message_id = c.message_id"                                \
	"  RETURNING m.message_id, m.queue_id, m.owner_name, m.dedup_key,"    \
	"            m.state),"                                               \
	" freed AS"                                                           \
	" (DELETE FROM _workflow.message_key k"                               \
	"   USING gone g"                                                     \
	"   WHERE g.dedup_key IS NOT NULL AND g.state <> 'a'::\"char\""       \
	"     AND k.queue_id = g.queue_id AND k.owner_name = g.owner_name"    \
	"     AND k.dedup_key = g.dedup_key AND k.message_id = g.message_id)" \
	"SELECT pg_catalog.count(*) FROM gone"

static WfStmt delete_message = {"WITH chosen AS"
								" (SELECT message_id"
								"    FROM _workflow.message"
								"   WHERE message_id = $1 AND run_id IS NULL"
								"     FOR UPDATE SKIP LOCKED)" DELETE_CHOSEN,
								1,
								{INT8OID}};

/* its key is about to be another's */
static WfStmt delete_untouched = {
	"DELETE FROM _workflow.message"
	" WHERE message_id ="
	"       (SELECT message_id"
	"          FROM _workflow.message"
	"         WHERE message_id = $1 AND state = 'q'::\"char\""
	"           AND attempt = 0 AND run_id IS NULL"
	"           FOR UPDATE SKIP LOCKED)",
	1,
	{INT8OID}};

static WfStmt lock_untouched = {
	"SELECT group_key IS NOT DISTINCT FROM $2"
	"  FROM _workflow.message"
	" WHERE message_id = $1 AND state = 'q'::\"char\" AND attempt = 0"
	"   FOR UPDATE SKIP LOCKED",
	2,
	{INT8OID, TEXTOID}};

static WfStmt rewrite = {
	"UPDATE _workflow.message"
	"   SET payload = $2, headers = $3, priority = $4,"
	"       run_at = $5, due_at = $5, place = $6"
	" WHERE message_id = $1",
	6,
	{INT8OID, JSONBOID, JSONBOID, INT4OID, TIMESTAMPTZOID, INT8OID}};

WfRewrite
wf_message_rewrite(const WfNewMessage *message)
{
	char nulls[] = "      ";
	Datum values[6] = {Int64GetDatum(message->message_id), message->group_key};
	WfWorkId id;

	nulls[1] = DatumGetPointer(message->group_key) == NULL ? 'n' : ' ';
	if (wf_spi_run(&lock_untouched, values, nulls, false, 1) == 0)
		return WF_REWRITE_GONE;
	if (!wf_spi_get_bool(0, 1, false))
		return WF_REWRITE_DIFFERS;
	values[1] = message->payload;
	values[2] = message->headers;
	nulls[1] = ' ';
	nulls[2] = DatumGetPointer(message->headers) == NULL ? 'n' : ' ';
	values[3] = Int32GetDatum(message->priority);
	values[4] = TimestampTzGetDatum(message->run_at);
	wf_workid_of_message(message->message_id, &id);
	values[5] = Int64GetDatum(wf_workid_place(&id, message->run_at));
	(void) wf_spi_run(&rewrite, values, nulls, false, 0);
	return WF_REWRITTEN;
}

static WfStmt purge_queue = {
	"WITH chosen AS"
	" (SELECT message_id"
	"    FROM _workflow.message"
	"   WHERE queue_id = $1 AND finished_at IS NULL AND state = 'q'::\"char\""
	"     AND run_id IS NULL"
	"     FOR UPDATE SKIP LOCKED)" DELETE_CHOSEN,
	1,
	{INT4OID}};

bool
wf_message_delete(int64 message_id)
{
	Datum values[1] = {Int64GetDatum(message_id)};

	(void) wf_spi_run(&delete_message, values, NULL, false, 0);
	return wf_spi_get_int64(0, 1, 0) == 1;
}

bool
wf_message_delete_untouched(int64 message_id)
{
	Datum values[1] = {Int64GetDatum(message_id)};

	return wf_spi_run(&delete_untouched, values, NULL, false, 0) == 1;
}

int64
wf_message_purge(int32 queue_id)
{
	Datum values[1] = {Int32GetDatum(queue_id)};

	(void) wf_spi_run(&purge_queue, values, NULL, false, 0);
	return wf_spi_get_int64(0, 1, 0);
}

/* ---- queues that are dropped ---- */

static WfStmt count_unfinished = {
	"SELECT pg_catalog.count(*)"
	"  FROM _workflow.message"
	" WHERE finished_at IS NULL AND queue_id = $1",
	1,
	{INT4OID}};

int64
wf_message_unfinished(int32 queue_id)
{
	Datum values[1] = {Int32GetDatum(queue_id)};

	(void) wf_spi_run(&count_unfinished, values, NULL, false, 0);
	return wf_spi_get_int64(0, 1, 0);
}

static WfStmt drop_unfinished = {"DELETE FROM _workflow.message"
								 " WHERE finished_at IS NULL AND queue_id = $1"
								 " RETURNING run_id, run_ordinal",
								 1,
								 {INT4OID}};

static WfStmt drop_finished = {
	"DELETE FROM _workflow.message"
	" WHERE finished_at IS NOT NULL AND queue_id = $1",
	1,
	{INT4OID}};

static WfStmt drop_keys = {
	"DELETE FROM _workflow.message_key WHERE queue_id = $1", 1, {INT4OID}};

int
wf_message_drop_all(int32 queue_id, const char *by, pg_uuid_t **waiting)
{
	Datum values[1] = {Int32GetDatum(queue_id)};
	WfError error = {.message = "queue of the task was dropped"};
	WfTaskAttempt none = {0};
	uint64 rows = wf_spi_run(&drop_unfinished, values, NULL, false, 0);
	int32 *ordinals = palloc(mul_size(Max(rows, 1), sizeof(int32)));
	int n = 0;

	strlcpy(error.code, unpack_sql_state(ERRCODE_WF_TASK_FAILED),
			sizeof(error.code));
	*waiting = palloc(mul_size(Max(rows, 1), sizeof(pg_uuid_t)));
	for (uint64 i = 0; i < rows; i++)
	{
		bool no_run;

		(void) wf_spi_get(i, 1, &no_run);
		if (no_run)
			continue;
		wf_spi_get_uuid(i, 1, &(*waiting)[n]);
		ordinals[n++] = wf_spi_get_int32(i, 2, 0);
	}
	for (int i = 0; i < n; i++)
		wf_signal_insert_task(&(*waiting)[i], ordinals[i], (Datum) 0, by,
							  &error, &none, wf_clock_now());
	(void) wf_spi_run(&drop_finished, values, NULL, false, 0);
	(void) wf_spi_run(&drop_keys, values, NULL, false, 0);
	return n;
}
