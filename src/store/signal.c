/*
 * signal.c
 *		What was sent to runs.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "base/stoppoint.h"
#include "core/state.h"
#include "store/signal.h"

static WfStmt insert_signal = {
	"INSERT INTO _workflow.signal (run_id, sent_at, kind, name, sent_by,"
	"                              dedup_key, payload)"
	"VALUES ($1, $2, $3, $4, $5, $6, $7)"
	"    ON CONFLICT (run_id, dedup_key) WHERE dedup_key IS NOT NULL"
	"       DO NOTHING",
	7,
	{UUIDOID, TIMESTAMPTZOID, CHAROID, TEXTOID, TEXTOID, TEXTOID, JSONBOID}};

bool
wf_signal_insert(const pg_uuid_t *run_id, const char *name,
				 const Jsonb *payload, const char *dedup_key, const char *by,
				 TimestampTz now)
{
	char nulls[] = "       ";
	Datum values[7] = {
		UUIDPGetDatum(run_id),			TimestampTzGetDatum(now),
		CharGetDatum(WF_SIGNAL_CLIENT), CStringGetTextDatum(name),
		CStringGetTextDatum(by),		wf_text_or_null(dedup_key, &nulls[5]),
		PointerGetDatum(payload)};

	return wf_spi_run(&insert_signal, values, nulls, false, 0) == 1;
}

static WfStmt has_signal = {"SELECT FROM _workflow.signal"
							" WHERE run_id = $1 AND name = $2 AND payload = $3"
							" LIMIT 1",
							3,
							{UUIDOID, TEXTOID, JSONBOID}};

bool
wf_signal_has(const pg_uuid_t *run_id, const char *name, const Jsonb *payload)
{
	Datum values[3] = {UUIDPGetDatum(run_id), CStringGetTextDatum(name),
					   PointerGetDatum(payload)};

	return wf_spi_run(&has_signal, values, NULL, false, 1) == 1;
}

static WfStmt move_signals = {
	"UPDATE _workflow.signal SET run_id = $2 WHERE run_id = $1",
	2,
	{UUIDOID, UUIDOID}};

void
wf_signal_move(const pg_uuid_t *from, const pg_uuid_t *to)
{
	Datum values[2] = {UUIDPGetDatum(from), UUIDPGetDatum(to)};

	(void) wf_spi_run(&move_signals, values, NULL, false, 0);
}

static WfStmt take_signal = {
	"UPDATE _workflow.signal"
	"   SET taken_at = $4, ordinal = $2"
	" WHERE signal_id = (SELECT s.signal_id"
	"                      FROM _workflow.signal s"
	"                     WHERE s.run_id = $1 AND s.taken_at IS NULL"
	"                       AND s.kind = 's'::\"char\""
	"                       AND s.name = ANY ($3::pg_catalog.text[])"
	"                     ORDER BY s.signal_id"
	"                     LIMIT 1)"
	" RETURNING CASE WHEN pg_catalog.cardinality($3::pg_catalog.text[]) = 1"
	"                THEN payload"
	"                ELSE pg_catalog.jsonb_build_object('name', name,"
	"                                                   'payload', payload)"
	"           END",
	4,
	{UUIDOID, INT4OID, TEXTOID, TIMESTAMPTZOID}};

/* a deliberate defect of test builds */
static WfStmt forget_taken = {"UPDATE _workflow.signal SET taken_at = NULL"
							  " WHERE run_id = $1 AND ordinal = $2",
							  2,
							  {UUIDOID, INT4OID}};

bool
wf_signal_take(const pg_uuid_t *run_id, int32 ordinal, const char *names,
			   TimestampTz now, MemoryContext cxt, Jsonb **value)
{
	Datum values[4] = {UUIDPGetDatum(run_id), Int32GetDatum(ordinal),
					   CStringGetTextDatum(names), TimestampTzGetDatum(now)};

	if (wf_spi_run(&take_signal, values, NULL, false, 0) == 0)
		return false;
	*value = wf_spi_copy_jsonb(0, 1, cxt);
	if (WF_BROKEN("forget-taken"))
		(void) wf_spi_run(&forget_taken, values, NULL, false, 0);
	return true;
}

/* ---- outcomes of tasks ---- */

static WfStmt insert_task = {
	"INSERT INTO _workflow.signal (run_id, sent_at, ordinal, kind, name,"
	"                              sent_by, payload, error_code,"
	"                              error_message, error_detail, attempt,"
	"                              exhausted)"
	"SELECT r.run_id, $3, $2, 't',"
	"       coalesce((SELECT s.name FROM _workflow.step s"
	"                  WHERE s.run_id = $1 AND s.ordinal = $2), 'task'),"
	"       $4, $5, $6, $7, $8, nullif($9, 0), nullif($10, false)"
	"  FROM _workflow.run r"
	" WHERE r.run_id = $1 AND r.finished_at IS NULL",
	10,
	{UUIDOID, INT4OID, TIMESTAMPTZOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID,
	 TEXTOID, INT4OID, BOOLOID}};

void
wf_signal_insert_task(const pg_uuid_t *run_id, int32 ordinal, Datum result,
					  const char *by, const WfError *error,
					  const WfTaskAttempt *attempt, TimestampTz now)
{
	char nulls[] = "          ";
	Datum values[10] = {UUIDPGetDatum(run_id), Int32GetDatum(ordinal),
						TimestampTzGetDatum(now), CStringGetTextDatum(by),
						result};

	if (DatumGetPointer(result) == NULL)
		nulls[4] = 'n';
	values[5] = wf_text_or_null(error ? error->code : NULL, &nulls[5]);
	values[6] = wf_text_or_null(error ? error->message : NULL, &nulls[6]);
	values[7] = wf_text_or_null(error ? error->detail : NULL, &nulls[7]);
	values[8] = Int32GetDatum(attempt->number);
	values[9] = BoolGetDatum(attempt->is_last);
	(void) wf_spi_run(&insert_task, values, nulls, false, 0);
}

static WfStmt take_task = {
	"DELETE FROM _workflow.signal"
	" WHERE run_id = $1 AND ordinal = $2 AND kind = 't'::\"char\""
	"   AND taken_at IS NULL"
	" RETURNING payload, error_code, error_message, error_detail, attempt,"
	"           exhausted",
	2,
	{UUIDOID, INT4OID}};

bool
wf_signal_take_task(const pg_uuid_t *run_id, int32 ordinal, MemoryContext cxt,
					Jsonb **result, WfError *error, WfTaskAttempt *attempt)
{
	Datum values[2] = {UUIDPGetDatum(run_id), Int32GetDatum(ordinal)};
	char *code;

	memset(error, 0, sizeof(*error));
	if (wf_spi_run(&take_task, values, NULL, false, 0) == 0)
		return false;
	*result = wf_spi_copy_jsonb(0, 1, cxt);
	code = wf_spi_copy_text(0, 2, cxt);
	if (code != NULL)
		strlcpy(error->code, code, sizeof(error->code));
	error->message = wf_spi_copy_text(0, 3, cxt);
	error->detail = wf_spi_copy_text(0, 4, cxt);
	attempt->number = wf_spi_get_int32(0, 5, 0);
	attempt->is_last = wf_spi_get_bool(0, 6, false);
	return true;
}

/* ---- for the scheduler ---- */

/*
 * The subquery goes over the index of what was not taken, and no further than
 * to the last run that is wanted.
 */
static WfStmt find_receivers = {
	"SELECT s.run_id, coalesce(r.origin = $1, false),"
	"       r.continued_as IS NOT NULL, r.finished_at IS NULL"
	"  FROM (SELECT DISTINCT run_id"
	"          FROM _workflow.signal"
	"         WHERE taken_at IS NULL AND run_id > $2"
	"         ORDER BY run_id"
	"         LIMIT $3) s"
	"  LEFT JOIN _workflow.run r ON r.run_id = s.run_id"
	" ORDER BY s.run_id",
	3,
	{INT8OID, UUIDOID, INT8OID}};

int
wf_signal_receivers(const pg_uuid_t *after, WfReceiverOf *out, int max)
{
	Datum values[3] = {Int64GetDatum(wf_origin()), UUIDPGetDatum(after),
					   Int64GetDatum(max)};
	int n = (int) wf_spi_run(&find_receivers, values, NULL, true, max);

	for (int i = 0; i < n; i++)
	{
		bool ours = wf_spi_get_bool(i, 2, false);

		wf_spi_get_uuid(i, 1, &out[i].run_id);
		out[i].has_gone_on = ours && wf_spi_get_bool(i, 3, false);
		out[i].is_unfinished = ours && wf_spi_get_bool(i, 4, false);
	}
	return n;
}
