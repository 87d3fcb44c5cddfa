/*
 * undo.c
 *		A run that failed or was cancelled, while what it did is undone.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "core/state.h"
#include "store/definition.h"
#include "store/run_info.h"
#include "store/undo.h"

/* ---- the run's row ---- */

/*
 * $2 end_state, $3 started_at where that is not known yet, $4 reason, $5 failed
 * step, $6.. error, $11 also where it is parked, $12 something is registered
 */
static WfStmt begin = {
	"UPDATE _workflow.run r"
	"   SET state = 'k'::\"char\", end_state = $2, waiting_for = NULL,"
	"       paused_at = CASE WHEN $2 = 'f'::\"char\" THEN r.paused_at END,"
	"       due_at = NULL, crashes = NULL, crash_step = NULL,"
	"       body_attempts = NULL, reason = $4, failed_step = $5,"
	"       error_code = $6, error_message = $7, error_detail = $8,"
	"       error_hint = $9, error_context = $10,"
	"       cause = pg_catalog.jsonb_build_object("
	"                   'reason', $4, 'failed_step', $5, 'code', $6,"
	"                   'message', $7, 'detail', $8, 'hint', $9,"
	"                   'context', $10),"
	"       started_at = coalesce(r.started_at, $3,"
	"                             (SELECT s.started_at"
	"                                FROM _workflow.step s"
	"                               WHERE s.run_id = $1 AND s.ordinal = 1))"
	" WHERE r.run_id = $1 AND r.finished_at IS NULL AND r.end_state IS NULL"
	"   AND ($11 OR r.state <> 'p'::\"char\")"
	"   AND ($12 OR EXISTS (SELECT FROM _workflow.step s"
	"                        WHERE s.run_id = $1 AND s.kind = 'u'::\"char\""
	"                          AND s.fingerprint <> 0))"
	" RETURNING " WF_INFO_COLUMNS,
	12,
	{UUIDOID, CHAROID, TIMESTAMPTZOID, TEXTOID, INT4OID, TEXTOID, TEXTOID,
	 TEXTOID, TEXTOID, TEXTOID, BOOLOID, BOOLOID}};

static bool
begin_undo(const pg_uuid_t *run_id, const WfRunEnd *end, bool parked_too,
		   bool registered)
{
	static const WfError none = {""};
	const WfError *error = end->error ? end->error : &none;
	char nulls[] = "            ";
	Datum values[12] = {
		UUIDPGetDatum(run_id),
		CharGetDatum(end->state),
		TimestampTzGetDatum(end->started_at),
		wf_text_or_null(end->reason, &nulls[3]),
		Int32GetDatum(end->failed_step),
		wf_text_or_null(error->code[0] ? error->code : NULL, &nulls[5]),
		wf_text_or_null(error->message, &nulls[6]),
		wf_text_or_null(error->detail, &nulls[7]),
		wf_text_or_null(error->hint, &nulls[8]),
		wf_text_or_null(error->context, &nulls[9]),
		BoolGetDatum(parked_too),
		BoolGetDatum(registered)};

	if (end->started_at == 0)
		nulls[2] = 'n';
	if (end->failed_step == 0)
		nulls[4] = 'n';
	return wf_spi_run(&begin, values, nulls, false, 0) > 0;
}

bool
wf_undo_begin(const pg_uuid_t *run_id, const WfRunEnd *end)
{
	return begin_undo(run_id, end, true, true);
}

bool
wf_undo_begin_idle(const pg_uuid_t *run_id, const WfRunEnd *end,
				   bool parked_too, WfWork *info)
{
	if (!begin_undo(run_id, end, parked_too, false))
		return false;
	wf_info_fill(0, info);
	return true;
}

static WfStmt look = {"SELECT " WF_INFO_COLUMNS "  FROM _workflow.run r"
					  " WHERE r.run_id = $1 AND r.state = 'k'::\"char\"",
					  1,
					  {UUIDOID}};

bool
wf_undo_look(const pg_uuid_t *run_id, WfWork *info)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};

	if (wf_spi_run(&look, values, NULL, true, 1) == 0)
		return false;
	wf_info_fill(0, info);
	return true;
}

static WfStmt finish = {
	"UPDATE _workflow.run r"
	"   SET state = r.end_state, finished_at = $2, due_at = NULL,"
	"       waiting_for = CASE WHEN $3 THEN 'x'::\"char\" END,"
	"       crashes = NULL, crash_step = NULL,"
	"       reason = r.cause->>'reason',"
	"       failed_step = (r.cause->>'failed_step')::pg_catalog.int4,"
	"       error_code = r.cause->>'code',"
	"       error_message = r.cause->>'message',"
	"       error_detail = r.cause->>'detail',"
	"       error_hint = r.cause->>'hint',"
	"       error_context = r.cause->>'context', cause = NULL,"
	"       steps_done = (SELECT count(*)"
	"                       FROM _workflow.step s"
	"                      WHERE s.run_id = $1 AND s.state = 'd'::\"char\"),"
	"       attempts = coalesce(r.body_attempts, 0)"
	"                  + (SELECT coalesce(sum(s.attempt), 0)"
	"                     FROM _workflow.step s"
	"                    WHERE s.run_id = $1)"
	" WHERE r.run_id = $1 AND r.state = 'k'::\"char\""
	" RETURNING r.error_code",
	3,
	{UUIDOID, TIMESTAMPTZOID, BOOLOID}};

bool
wf_undo_finish(const pg_uuid_t *run_id, TimestampTz now, bool blocks,
			   char code[6])
{
	Datum values[3] = {UUIDPGetDatum(run_id), TimestampTzGetDatum(now),
					   BoolGetDatum(blocks)};
	char *text;

	if (wf_spi_run(&finish, values, NULL, false, 0) == 0)
		return false;
	text = wf_spi_copy_text(0, 1, CurrentMemoryContext);
	strlcpy(code, text ? text : "", 6);
	return true;
}

/* ---- what was registered ---- */

static WfStmt read_args = {"SELECT a.arg->>'type', a.arg->>'value'"
						   "  FROM pg_catalog.jsonb_array_elements($1->'args')"
						   "       WITH ORDINALITY AS a (arg, n)"
						   " ORDER BY a.n",
						   1,
						   {JSONBOID}};

static WfStmt read_policy = {
	"SELECT p.*::workflow.policy"
	"  FROM pg_catalog.jsonb_populate_record(NULL::workflow.policy,"
	"                                        $1->'policy') p"
	" WHERE $1 ? 'policy'",
	1,
	{JSONBOID}};

void
wf_undo_read_args(const Jsonb *kept, MemoryContext cxt, WfUndoArgs *out)
{
	Datum values[1] = {PointerGetDatum(kept)};
	int n = (int) wf_spi_run(&read_args, values, NULL, true, 0);

	out->nargs = n;
	out->is_task =
		getKeyJsonValueFromContainer(unconstify(JsonbContainer *, &kept->root),
									 "task", strlen("task"), NULL) != NULL;
	out->types = MemoryContextAlloc(cxt, sizeof(char *) * Max(n, 1));
	out->values = MemoryContextAlloc(cxt, sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		out->types[i] = wf_spi_copy_text(i, 1, cxt);
		out->values[i] = wf_spi_copy_text(i, 2, cxt);
	}
	out->has_policy = wf_spi_run(&read_policy, values, NULL, true, 1) > 0 &&
					  wf_policy_read(1, cxt, &out->policy, NULL);
}
