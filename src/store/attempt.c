/*
 * attempt.c
 *		Attempts that another one came after.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/spi.h"
#include "store/attempt.h"

static WfStmt keep = {
	"INSERT INTO _workflow.attempt (run_id, ordinal, attempt, started_at,"
	"                               finished_at, error_code, error_message,"
	"                               kind, name)"
	"SELECT s.run_id, s.ordinal, s.attempt, s.started_at, s.finished_at,"
	"       s.error_code, s.error_message, s.kind, s.name"
	"  FROM _workflow.step s"
	" WHERE s.run_id = $1 AND s.attempt < $3"
	"   AND s.ordinal = coalesce(nullif($2, 0),"
	"                            (SELECT r.failed_step"
	"                               FROM _workflow.run r"
	"                              WHERE r.run_id = $1))"
	"   AND s.state = ANY (ARRAY['r', 'f']::\"char\"[])"
	"   AND s.error_code IS NOT NULL"
	"    ON CONFLICT DO NOTHING"
	" RETURNING ordinal, attempt",
	3,
	{UUIDOID, INT4OID, INT4OID}};

static WfStmt drop_old = {
	"DELETE FROM _workflow.attempt"
	" WHERE run_id = $1 AND ordinal = $2 AND attempt <= $3",
	3,
	{UUIDOID, INT4OID, INT4OID}};

/* "attempt" was kept just now */
static void
keep_newest(Datum run_id, int32 ordinal, int32 attempt)
{
	Datum values[3] = {run_id, Int32GetDatum(ordinal),
					   Int32GetDatum(attempt - WF_ATTEMPTS_KEPT)};

	if (attempt > WF_ATTEMPTS_KEPT)
		(void) wf_spi_run(&drop_old, values, NULL, false, 0);
}

void
wf_attempt_keep(const pg_uuid_t *run_id, int32 ordinal, int32 below)
{
	Datum values[3] = {UUIDPGetDatum(run_id), Int32GetDatum(ordinal),
					   Int32GetDatum(below)};

	if (wf_spi_run(&keep, values, NULL, false, 0) > 0)
		keep_newest(values[0], wf_spi_get_int32(0, 1, 0),
					wf_spi_get_int32(0, 2, 0));
}

static WfStmt insert_of_task = {
	"INSERT INTO _workflow.attempt (run_id, ordinal, attempt, finished_at,"
	"                               error_code, error_message)"
	"VALUES ($1, $2, $3, $4, $5, $6)"
	"    ON CONFLICT DO NOTHING",
	6,
	{UUIDOID, INT4OID, INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID}};

void
wf_attempt_of_task(const WfDelivery *task, const WfFault *fault, bool expired)
{
	const char *code = unpack_sql_state(ERRCODE_WF_TASK_FAILED);
	const char *message =
		expired ? "lease expired" : "the worker gave the task back";
	Datum values[6];

	if (fault != NULL && fault->code != NULL)
		code = fault->code;
	if (fault != NULL && fault->message != NULL)
		message = fault->message;
	values[0] = task->values[MSG_run_id];
	values[1] = task->values[MSG_run_ordinal];
	values[2] = Int32GetDatum(task->attempt);
	values[3] = TimestampTzGetDatum(wf_clock_now());
	values[4] = CStringGetTextDatum(code);
	values[5] = CStringGetTextDatum(message);
	(void) wf_spi_run(&insert_of_task, values, NULL, false, 0);
	keep_newest(values[0], DatumGetInt32(values[1]), task->attempt);
}

static WfStmt insert_of_body = {
	"INSERT INTO _workflow.attempt (run_id, ordinal, attempt, started_at,"
	"                               finished_at, error_code, error_message)"
	"VALUES ($1, 0, $2, $3, $4, $5, $6)"
	"    ON CONFLICT (run_id, ordinal, attempt) DO UPDATE"
	"   SET started_at = excluded.started_at,"
	"       finished_at = excluded.finished_at,"
	"       error_code = excluded.error_code,"
	"       error_message = excluded.error_message",
	6,
	{UUIDOID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID}};

void
wf_attempt_of_body(const pg_uuid_t *run_id, int32 attempt,
				   TimestampTz started_at, const WfError *error)
{
	Datum values[6] = {UUIDPGetDatum(run_id), Int32GetDatum(attempt),
					   TimestampTzGetDatum(started_at),
					   TimestampTzGetDatum(wf_clock_now()),
					   CStringGetTextDatum(error->code),
					   CStringGetTextDatum(error->message ? error->message
														  : "")};

	(void) wf_spi_run(&insert_of_body, values, NULL, false, 0);
	keep_newest(values[0], 0, attempt);
}

static WfStmt forget = {
	"DELETE FROM _workflow.attempt WHERE run_id = $1", 1, {UUIDOID}};

void
wf_attempts_forget(const pg_uuid_t *run_id)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};

	(void) wf_spi_run(&forget, values, NULL, false, 0);
}
