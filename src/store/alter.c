/*
 * alter.c
 *		Runs and messages that are given another place in another queue.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "base/clock.h"
#include "base/spi.h"
#include "core/state.h"
#include "core/workid.h"
#include "store/alter.h"
#include "store/run_info.h"

bool
wf_alter_is_mild(const WfAlter *alter)
{
	return !alter->has_start && !alter->has_queue &&
		   alter->group_key == NULL && !alter->no_group_key &&
		   alter->attributes == NULL && !alter->no_attributes;
}

/* ---- runs ---- */

/* An object with what is altered; an absent key leaves a column alone. */
Datum
wf_alter_request(const WfAlter *alter)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "{\"mild\": %s",
					 wf_alter_is_mild(alter) ? "true" : "false");
	if (alter->has_priority)
		appendStringInfo(&out, ", \"priority\": %d", alter->priority);
	if (alter->has_queue)
		appendStringInfo(&out, ", \"queue_id\": %d", alter->queue_id);
	if (alter->no_group_key)
		appendStringInfoString(&out, ", \"group_key\": null");
	if (alter->group_key != NULL)
	{
		appendStringInfoString(&out, ", \"group_key\": ");
		escape_json(&out, alter->group_key);
	}
	if (alter->no_attributes)
		appendStringInfoString(&out, ", \"attributes\": null");
	if (alter->attributes != NULL)
		appendStringInfo(&out, ", \"attributes\": %s",
						 JsonbToCString(NULL, &alter->attributes->root,
										VARSIZE(alter->attributes)));
	appendStringInfoChar(&out, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data));
}

/*
 * $1 request, $2 now, $3 origin, $4 the place of the start that is asked for,
 * $5 that of the id, by which it stands in another queue or group.  A run that has not begun is as if it had been
 * enqueued like this, so its time-out is as long as it was.
 */
static WfStmt alter_run = {
	"UPDATE _workflow.run r"
	"   SET priority = coalesce((q.value->>'priority')::pg_catalog.int4,"
	"                           r.priority),"
	"       queue_id = coalesce((q.value->>'queue_id')::pg_catalog.int4,"
	"                           r.queue_id),"
	"       group_key = CASE WHEN q.value ? 'group_key'"
	"                        THEN q.value->>'group_key' ELSE r.group_key END,"
	"       attributes = CASE WHEN q.value ? 'attributes'"
	"                         THEN nullif(q.value->'attributes', 'null')"
	"                         ELSE r.attributes END,"
	"       place = CASE WHEN q.due_at IS NOT NULL THEN $4"
	"                    WHEN q.value ?| ARRAY['queue_id', 'group_key']"
	"                         AND coalesce(r.due_at <= $2, true) THEN $5"
	"                    ELSE r.place END,"
	"       run_at = coalesce(q.due_at, r.run_at),"
	"       due_at = CASE WHEN q.due_at IS NULL OR r.state <> 'q'::\"char\""
	"                     THEN r.due_at"
	"                     WHEN q.due_at > $2 THEN q.due_at END,"
	"       deadline_at = r.deadline_at"
	"                     + (coalesce(q.due_at, r.run_at) - r.run_at)"
	"  FROM _workflow.request q"
	" WHERE q.request_id = $1 AND r.run_id = q.run_id"
	"   AND r.finished_at IS NULL AND r.origin = $3"
	"   AND ((q.value->>'mild')::pg_catalog.bool OR " WF_HAS_BEGUN
	" IS NOT TRUE)"
	" RETURNING " WF_INFO_COLUMNS ", r.state <> 'p'::\"char\"",
	5,
	{INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID}};

bool
wf_alter_run(const WfRequest *request, WfWork *info, bool *planned)
{
	TimestampTz now = wf_clock_now();
	Datum values[5] = {
		Int64GetDatum(request->request_id), TimestampTzGetDatum(now),
		Int64GetDatum(wf_origin()),
		Int64GetDatum(wf_workid_place(
			&request->run_id, request->due_at > now ? request->due_at : 0)),
		Int64GetDatum(wf_workid_place(&request->run_id, 0))};

	if (wf_spi_run(&alter_run, values, NULL, false, 0) == 0)
		return false;
	wf_info_fill(0, info);
	*planned = wf_spi_get_bool(0, WF_INFO_N + 1, false);
	return true;
}

/* ---- messages ---- */

/*
 * $2 priority, $3 start, $4 queue, $5 group, $6 whether that is to be set, $7
 * now, $8 and $9 places as above.  A message in back-off has begun.
 */
static WfStmt alter_message = {
	"UPDATE _workflow.message m"
	"   SET priority = coalesce($2, m.priority),"
	"       run_at = coalesce($3, m.run_at),"
	"       due_at = CASE WHEN $3 IS NULL THEN m.due_at"
	"                     WHEN $3 > $7 THEN $3 END,"
	"       place = CASE WHEN $3 IS NOT NULL THEN $8"
	"                    WHEN ($4 IS NOT NULL OR $6)"
	"                         AND coalesce(m.due_at <= $7, true) THEN $9"
	"                    ELSE m.place END,"
	"       queue_id = coalesce($4, m.queue_id),"
	"       group_key = CASE WHEN $6 THEN $5 ELSE m.group_key END"
	" WHERE m.message_id ="
	"       (SELECT o.message_id"
	"          FROM _workflow.message o"
	"         WHERE o.message_id = $1 AND o.state = 'q'::\"char\""
	"           FOR UPDATE SKIP LOCKED)",
	9,
	{INT8OID, INT4OID, TIMESTAMPTZOID, INT4OID, TEXTOID, BOOLOID,
	 TIMESTAMPTZOID, INT8OID, INT8OID}};

/* one that somebody has in hand, which that one does not lose by it */
static WfStmt alter_priority = {"UPDATE _workflow.message m"
								"   SET priority = $2"
								" WHERE m.message_id ="
								"       (SELECT o.message_id"
								"          FROM _workflow.message o"
								"         WHERE o.message_id = $1"
								"           FOR UPDATE SKIP LOCKED)",
								2,
								{INT8OID, INT4OID}};

bool
wf_alter_message(int64 message_id, const WfAlter *alter)
{
	TimestampTz now = wf_clock_now();
	bool later = alter->has_start && alter->start > now;
	char nulls[] = "         ";
	WfWorkId id;
	Datum values[9] = {
		Int64GetDatum(message_id),
		Int32GetDatum(alter->priority),
		TimestampTzGetDatum(alter->start),
		Int32GetDatum(alter->queue_id),
		wf_text_or_null(alter->group_key, &nulls[4]),
		BoolGetDatum(alter->group_key != NULL || alter->no_group_key),
		TimestampTzGetDatum(now)};

	wf_workid_of_message(message_id, &id);
	values[7] = Int64GetDatum(wf_workid_place(&id, later ? alter->start : 0));
	values[8] = Int64GetDatum(wf_workid_place(&id, 0));
	if (wf_alter_is_mild(alter))
		return wf_spi_run(&alter_priority, values, NULL, false, 0) == 1;
	if (!alter->has_priority)
		nulls[1] = 'n';
	if (!alter->has_start)
		nulls[2] = 'n';
	if (!alter->has_queue)
		nulls[3] = 'n';
	return wf_spi_run(&alter_message, values, nulls, false, 0) == 1;
}
