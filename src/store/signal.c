/*
 * signal.c
 *		What was sent to runs.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/spi.h"
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

bool
wf_signal_take(const pg_uuid_t *run_id, int32 ordinal, const char *names,
			   TimestampTz now, MemoryContext cxt, Jsonb **value)
{
	Datum values[4] = {UUIDPGetDatum(run_id), Int32GetDatum(ordinal),
					   CStringGetTextDatum(names), TimestampTzGetDatum(now)};

	if (wf_spi_run(&take_signal, values, NULL, false, 0) == 0)
		return false;
	*value = wf_spi_copy_jsonb(0, 1, cxt);
	return true;
}

static WfStmt find_receivers = {
	"SELECT DISTINCT s.run_id"
	"  FROM _workflow.signal s"
	"  JOIN _workflow.run r ON r.run_id = s.run_id"
	" WHERE s.taken_at IS NULL AND r.finished_at IS NULL AND r.origin = $1",
	1,
	{INT8OID}};

int
wf_signal_receivers(MemoryContext cxt, pg_uuid_t **out)
{
	Datum values[1] = {Int64GetDatum(wf_origin())};
	uint64 n = wf_spi_run(&find_receivers, values, NULL, true, 0);

	*out = MemoryContextAllocHuge(cxt, mul_size(Max(n, 1), sizeof(pg_uuid_t)));
	for (uint64 i = 0; i < n; i++)
		wf_spi_get_uuid(i, 1, &(*out)[i]);
	return (int) n;
}
