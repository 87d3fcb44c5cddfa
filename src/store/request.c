/*
 * request.c
 *		What clients ask of a run, and what they are told about it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/spi.h"
#include "core/state.h"
#include "store/request.h"
#include "store/run_info.h"

static WfStmt view_run = {
	"SELECT w.name, r.owner, r.owner_name, r.origin, r.state, r.waiting_for,"
	"       r.run_at, r.due_at, r.finished_at, r.failed_step, r.steps_done,"
	"       r.reason, r.error_code, r.error_message, r.error_detail,"
	"       r.error_hint, r.error_context, r.result,"
	"       w.paused_at IS NOT NULL, w.paused_by, w.pause_reason,"
	"       r.paused_at, r.paused_by, r.pause_reason,"
	"       (SELECT q.kind FROM _workflow.request q"
	"         WHERE q.run_id = r.run_id"
	"           AND q.kind = ANY (ARRAY['p', 'u']::\"char\"[])"
	"         ORDER BY q.request_id DESC LIMIT 1),"
	"       EXISTS (SELECT FROM _workflow.request q"
	"                WHERE q.run_id = r.run_id AND q.kind = 'c'),"
	"       EXISTS (SELECT FROM _workflow.request q"
	"                WHERE q.run_id = r.run_id"
	"                  AND q.kind = ANY (ARRAY['r', 's']::\"char\"[])),"
	"       r.workflow_id, r.body_id, r.queue_id,"
	"       r.end_state, r.continued_as,"
	"       coalesce(" WF_HAS_BEGUN ", false)"
	"  FROM _workflow.run r"
	"  JOIN _workflow.workflow w ON w.workflow_id = r.workflow_id"
	" WHERE r.run_id = $1 AND r.queue_id <> -1",
	1,
	{UUIDOID}};

/* Five columns from "col" on. */
static void
read_error(int col, MemoryContext cxt, WfError *error)
{
	char *code = wf_spi_copy_text(0, col, cxt);

	memset(error, 0, sizeof(*error));
	if (code == NULL)
		return;
	strlcpy(error->code, code, sizeof(error->code));
	error->message = wf_spi_copy_text(0, col + 1, cxt);
	error->detail = wf_spi_copy_text(0, col + 2, cxt);
	error->hint = wf_spi_copy_text(0, col + 3, cxt);
	error->context = wf_spi_copy_text(0, col + 4, cxt);
}

bool
wf_run_view(const pg_uuid_t *run_id, MemoryContext cxt, WfRunView *out)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};
	bool isnull;

	/* not read-only: whoever waits wants to see what was committed since */
	if (wf_spi_run(&view_run, values, NULL, false, 1) == 0)
		return false;

	out->run_id = *run_id;
	out->workflow = wf_spi_copy_text(0, 1, cxt);
	out->owner = wf_spi_get_oid(0, 2);
	out->owner_name = wf_spi_copy_text(0, 3, cxt);
	out->origin = wf_spi_get_int64(0, 4, 0);
	out->state = wf_spi_get_char(0, 5, '\0');
	out->waiting_for = wf_spi_get_char(0, 6, WF_WAIT_NONE);
	out->run_at = wf_spi_get_time(0, 7, 0);
	out->due_at = wf_spi_get_time(0, 8, 0);
	out->finished_at = wf_spi_get_time(0, 9, 0);
	out->failed_step = wf_spi_get_int32(0, 10, 0);
	out->steps_done = wf_spi_get_int32(0, 11, 0);
	out->reason = wf_spi_copy_text(0, 12, cxt);
	read_error(13, cxt, &out->error);
	out->result = wf_spi_copy_jsonb(0, 18, cxt);
	out->paused = wf_spi_get_bool(0, 19, false);
	out->paused_by = wf_spi_copy_text(0, 20, cxt);
	out->pause_reason = wf_spi_copy_text(0, 21, cxt);
	out->held_at = wf_spi_get_time(0, 22, 0);
	out->held_by = wf_spi_copy_text(0, 23, cxt);
	out->hold_reason = wf_spi_copy_text(0, 24, cxt);
	out->to_hold = wf_spi_get_char(0, 25, '\0');
	out->cancelling = wf_spi_get_bool(0, 26, false);
	out->retrying = wf_spi_get_bool(0, 27, false);
	out->workflow_id = wf_spi_get_int32(0, 28, 0);
	out->body_id = wf_spi_get_int32(0, 29, 0);
	out->queue_id = wf_spi_get_int32(0, 30, 0);
	out->end_state = wf_spi_get_char(0, 31, '\0');
	(void) wf_spi_get(0, 32, &isnull);
	out->continued = !isnull;
	if (out->continued)
		wf_spi_get_uuid(0, 32, &out->continued_as);
	out->begun = wf_spi_get_bool(0, 33, false);
	return true;
}

static WfStmt view_step = {
	"SELECT ordinal, attempt, max_attempts, due_at, state, name,"
	"       error_code, error_message, error_detail, error_hint,"
	"       error_context, kind, child_run_id"
	"  FROM _workflow.step"
	" WHERE run_id = $1 AND state <> 'd'"
	" ORDER BY ordinal DESC"
	" LIMIT 1",
	1,
	{UUIDOID}};

bool
wf_step_view(const pg_uuid_t *run_id, MemoryContext cxt, WfStep *out)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};
	bool no_child;

	memset(out, 0, sizeof(*out));
	if (wf_spi_run(&view_step, values, NULL, false, 1) == 0)
		return false;
	out->ordinal = wf_spi_get_int32(0, 1, 0);
	out->attempt = wf_spi_get_int32(0, 2, 0);
	out->max_attempts = wf_spi_get_int32(0, 3, 0);
	out->due_at = wf_spi_get_time(0, 4, 0);
	out->match.state = wf_spi_get_char(0, 5, '\0');
	out->match.name = wf_spi_copy_text(0, 6, cxt);
	read_error(7, cxt, &out->error);
	out->match.kind = wf_spi_get_char(0, 12, '\0');
	(void) wf_spi_get(0, 13, &no_child);
	out->has_child = !no_child;
	if (out->has_child)
		wf_spi_get_uuid(0, 13, &out->child_run_id);
	return true;
}

static WfStmt insert_request = {
	"INSERT INTO _workflow.request (run_id, kind, due_at, requested_at,"
	"                               requested_by, reason, compensate,"
	"                               ordinal, body_id, value, repeat_unknown)"
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
	11,
	{UUIDOID, CHAROID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID,
	 BOOLOID, INT4OID, INT4OID, JSONBOID, BOOLOID}};

void
wf_request_insert(const pg_uuid_t *run_id, const WfNewRequest *request,
				  const char *by)
{
	char nulls[12] = "           ";
	Datum values[11];

	values[0] = UUIDPGetDatum(run_id);
	values[1] = CharGetDatum(request->kind);
	values[2] = TimestampTzGetDatum(request->due_at);
	nulls[2] = request->due_at == 0 ? 'n' : ' ';
	values[3] = TimestampTzGetDatum(wf_clock_now());
	values[4] = CStringGetTextDatum(by);
	values[5] = wf_text_or_null(request->reason, &nulls[5]);
	values[6] = BoolGetDatum(false);
	nulls[6] = request->no_undo ? ' ' : 'n';
	values[7] = Int32GetDatum(request->ordinal);
	nulls[7] = request->ordinal == 0 ? 'n' : ' ';
	values[8] = Int32GetDatum(request->body_id);
	nulls[8] = request->body_id == 0 ? 'n' : ' ';
	values[9] = request->value;
	nulls[9] = DatumGetPointer(request->value) == NULL ? 'n' : ' ';
	values[10] = BoolGetDatum(true);
	nulls[10] = request->repeat_unknown ? ' ' : 'n';
	(void) wf_spi_run(&insert_request, values, nulls, false, 0);
}

static WfStmt delete_requests_for = {"DELETE FROM _workflow.request"
									 " WHERE run_id = $1",
									 1,
									 {UUIDOID}};

void
wf_request_delete_for(const pg_uuid_t *run_id)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};

	(void) wf_spi_run(&delete_requests_for, values, NULL, false, 0);
}

static WfStmt is_to_stop = {
	"SELECT FROM _workflow.request"
	" WHERE run_id = $1 AND kind = ANY (ARRAY['c', 'p']::\"char\"[])"
	" LIMIT 1",
	1,
	{UUIDOID}};

bool
wf_request_is_to_stop(const pg_uuid_t *run_id)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};

	return wf_spi_run(&is_to_stop, values, NULL, false, 1) > 0;
}

static WfStmt insert_audit = {
	"INSERT INTO _workflow.audit (run_id, at, action, role_name, reason,"
	"                             detail)"
	"VALUES ($1, $2, $3, $4, $5, $6::pg_catalog.jsonb)",
	6,
	{UUIDOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}};

void
wf_audit_insert(const pg_uuid_t *run_id, const char *action, const char *by,
				const char *reason, const char *detail)
{
	char nulls[7] = "      ";
	Datum values[6];

	values[0] = UUIDPGetDatum(run_id);
	values[1] = TimestampTzGetDatum(wf_clock_now());
	values[2] = CStringGetTextDatum(action);
	values[3] = CStringGetTextDatum(by);
	values[4] = wf_text_or_null(reason, &nulls[4]);
	values[5] = wf_text_or_null(detail, &nulls[5]);
	(void) wf_spi_run(&insert_audit, values, nulls, false, 0);
}

/* Of a chunk its parent tells.  Nobody has asked for it, so no role is named. */
static WfStmt insert_terminated = {
	"INSERT INTO _workflow.audit (run_id, at, action, role_name, reason)"
	"SELECT CASE r.queue_id WHEN -1 THEN r.parent_run_id ELSE r.run_id END,"
	"       $2, 'terminated', '', $3"
	"  FROM _workflow.run r"
	" WHERE r.run_id = $1",
	3,
	{UUIDOID, TIMESTAMPTZOID, TEXTOID}};

void
wf_audit_terminated(const pg_uuid_t *run_id, const char *reason)
{
	Datum values[3] = {UUIDPGetDatum(run_id),
					   TimestampTzGetDatum(wf_clock_now()),
					   CStringGetTextDatum(reason)};

	(void) wf_spi_run(&insert_terminated, values, NULL, false, 0);
}
