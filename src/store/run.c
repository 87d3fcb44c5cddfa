/*
 * run.c
 *		The rows of runs and steps, as an executor reads and writes them.
 *
 * A fresh one-step run costs three operations here: load, insert of the step,
 * update of the run, all through base/table.h; what is rarer goes through SPI.
 * Everything is found by key, so the cost does not depend on how many dead row
 * versions an old snapshot keeps alive.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/spi.h"
#include "core/state.h"
#include "store/attempt.h"
#include "store/columns.h"
#include "store/run.h"

/* ---- reading ---- */

static char *
copy_text(Datum value, MemoryContext cxt)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	char *copy = TextDatumGetCString(value);

	MemoryContextSwitchTo(old);
	return copy;
}

static Jsonb *
copy_jsonb(Datum value, MemoryContext cxt)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Jsonb *copy = DatumGetJsonbPCopy(value);

	MemoryContextSwitchTo(old);
	return copy;
}

bool
wf_run_load(const pg_uuid_t *run_id, ItemPointer tid, MemoryContext cxt,
			WfRun *out)
{
	Datum key[1] = {UUIDPGetDatum(run_id)};
	Datum values[RUN_NATTS];
	bool nulls[RUN_NATTS];
	WfOpenTable open;

	/* a large input is stored apart, and is read below under this snapshot */
	PushActiveSnapshot(GetTransactionSnapshot());
	wf_table_open(&wf_run_table, false, &open);
	out->row = NULL;
	if (tid != NULL)
		out->row = wf_table_fetch_at(&open, tid, cxt, values, nulls);
	/* another row may have taken the place */
	if (out->row == NULL ||
		memcmp(DatumGetUUIDP(values[RUN_run_id]), run_id, UUID_LEN) != 0)
		out->row = wf_table_fetch(&open, key, 1, cxt, values, nulls);
	wf_table_close(&open);
	if (out->row == NULL)
	{
		PopActiveSnapshot();
		return false;
	}

#define TIME_OR(column, if_null) \
	(nulls[column] ? (if_null) : DatumGetTimestampTz(values[column]))
	out->run_id = *run_id;
	out->workflow_id = DatumGetInt32(values[RUN_workflow_id]);
	out->body_id = DatumGetInt32(values[RUN_body_id]);
	out->queue_id = DatumGetInt32(values[RUN_queue_id]);
	out->owner = DatumGetObjectId(values[RUN_owner]);
	out->owner_name = copy_text(values[RUN_owner_name], cxt);
	out->origin = DatumGetInt64(values[RUN_origin]);
	out->state = DatumGetChar(values[RUN_state]);
	out->waiting_for = nulls[RUN_waiting_for]
						   ? WF_WAIT_NONE
						   : DatumGetChar(values[RUN_waiting_for]);
	out->end_state =
		nulls[RUN_end_state] ? '\0' : DatumGetChar(values[RUN_end_state]);
	out->enqueued_at = TIME_OR(RUN_enqueued_at, 0);
	out->run_at = TIME_OR(RUN_run_at, 0);
	out->due_at = TIME_OR(RUN_due_at, 0);
	out->deadline_at = TIME_OR(RUN_deadline_at, DT_NOEND);
	out->started_at = TIME_OR(RUN_started_at, 0);
	out->body_attempts = nulls[RUN_body_attempts]
							 ? 0
							 : DatumGetInt32(values[RUN_body_attempts]);
	out->priority = DatumGetInt32(values[RUN_priority]);
	out->has_parent = !nulls[RUN_parent_run_id];
	if (out->has_parent)
	{
		out->parent_run_id = *DatumGetUUIDP(values[RUN_parent_run_id]);
		out->parent_ordinal = DatumGetInt32(values[RUN_parent_ordinal]);
	}
	out->item = nulls[RUN_item] ? 0 : DatumGetInt32(values[RUN_item]);
	out->paused = !nulls[RUN_paused_at];
	out->finished = !nulls[RUN_finished_at];
	out->retried = !nulls[RUN_retried_at];
	out->seed = *DatumGetUUIDP(values[RUN_seed]);
	out->run_as_by = nulls[RUN_run_as_by]
						 ? InvalidOid
						 : DatumGetObjectId(values[RUN_run_as_by]);
	out->run_as_by_name = nulls[RUN_run_as_by_name]
							  ? NULL
							  : copy_text(values[RUN_run_as_by_name], cxt);
	out->input = copy_jsonb(values[RUN_input], cxt);
#undef TIME_OR
	PopActiveSnapshot();
	return true;
}

static WfStmt load_steps = {
	"SELECT ordinal, kind, state, fingerprint, name, attempt, max_attempts,"
	"       free_retries, due_at, started_at, finished_at, command, result,"
	"       error_code, error_message, error_detail, error_hint, error_context,"
	"       attempts_before, message_id, child_run_id, given"
	"  FROM _workflow.step"
	" WHERE run_id = $1"
	" ORDER BY ordinal",
	1,
	{UUIDOID}};

static void
read_step(uint64 row, MemoryContext cxt, WfStep *step)
{
	char *code;
	bool isnull;

	memset(step, 0, sizeof(*step));
	step->ordinal = wf_spi_get_int32(row, 1, 0);
	step->match.kind = wf_spi_get_char(row, 2, '\0');
	step->match.state = wf_spi_get_char(row, 3, '\0');
	step->match.fingerprint = (uint64) wf_spi_get_int64(row, 4, 0);
	step->match.name = wf_spi_copy_text(row, 5, cxt);
	step->attempt = wf_spi_get_int32(row, 6, 0);
	step->max_attempts = wf_spi_get_int32(row, 7, 0);
	step->free_retries = wf_spi_get_int32(row, 8, 0);
	step->due_at = wf_spi_get_time(row, 9, 0);
	step->started_at = wf_spi_get_time(row, 10, 0);
	step->finished_at = wf_spi_get_time(row, 11, 0);
	step->command = wf_spi_copy_text(row, 12, cxt);
	step->result = wf_spi_copy_jsonb(row, 13, cxt);
	code = wf_spi_copy_text(row, 14, cxt);
	if (code != NULL)
		strlcpy(step->error.code, code, sizeof(step->error.code));
	step->error.message = wf_spi_copy_text(row, 15, cxt);
	step->error.detail = wf_spi_copy_text(row, 16, cxt);
	step->error.hint = wf_spi_copy_text(row, 17, cxt);
	step->error.context = wf_spi_copy_text(row, 18, cxt);
	step->attempts_before = wf_spi_get_int32(row, 19, 0);
	step->message_id = wf_spi_get_int64(row, 20, 0);
	(void) wf_spi_get(row, 21, &isnull);
	step->has_child = !isnull;
	if (step->has_child)
		wf_spi_get_uuid(row, 21, &step->child_run_id);
	step->given = wf_spi_get_bool(row, 22, false);
}

int
wf_step_load_all(const pg_uuid_t *run_id, MemoryContext cxt, WfStep **steps,
				 int *allocated)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};
	uint64 n = wf_spi_run(&load_steps, values, NULL, true, 0);

	*allocated = Max((int) n + 8, 16);
	*steps = MemoryContextAlloc(cxt, mul_size(*allocated, sizeof(WfStep)));
	for (uint64 i = 0; i < n; i++)
		read_step(i, cxt, &(*steps)[i]);
	return (int) n;
}

/* ---- writing ---- */

/* statement arguments, filled one after the other */
typedef struct ArgList
{
	int n;
	Datum values[WF_STMT_MAX_ARGS];
	char nulls[WF_STMT_MAX_ARGS];
} ArgList;

static void
add_datum(ArgList *args, Datum value)
{
	args->values[args->n] = value;
	args->nulls[args->n++] = ' ';
}

static void
add_null(ArgList *args)
{
	args->values[args->n] = (Datum) 0;
	args->nulls[args->n++] = 'n';
}

static void
add_text(ArgList *args, const char *text)
{
	if (text == NULL)
		add_null(args);
	else
		add_datum(args, CStringGetTextDatum(text));
}

static void
add_int(ArgList *args, int32 value, bool zero_is_null)
{
	if (value == 0 && zero_is_null)
		add_null(args);
	else
		add_datum(args, Int32GetDatum(value));
}

static void
add_time(ArgList *args, TimestampTz value)
{
	if (value == 0)
		add_null(args);
	else
		add_datum(args, TimestampTzGetDatum(value));
}

static void
add_jsonb(ArgList *args, const Jsonb *value)
{
	if (value == NULL)
		add_null(args);
	else
		add_datum(args, PointerGetDatum(value));
}

static void
add_error(ArgList *args, const WfError *error)
{
	bool some = error != NULL && error->code[0] != '\0';

	add_text(args, some ? error->code : NULL);
	add_text(args, some ? error->message : NULL);
	add_text(args, some ? error->detail : NULL);
	add_text(args, some ? error->hint : NULL);
	add_text(args, some ? error->context : NULL);
}

/* A row for base/table.h: NULL where there is nothing. */
static void
set_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	if (text != NULL)
		values[column] = CStringGetTextDatum(text);
}

static void
set_datum(Datum *values, bool *nulls, int column, Datum value, bool isnull)
{
	nulls[column] = isnull;
	values[column] = value;
}

void
wf_step_insert(const pg_uuid_t *run_id, const WfStep *step)
{
	Datum values[STEP_NATTS];
	bool nulls[STEP_NATTS];
	const WfError *error = &step->error;
	WfOpenTable open;

#define SET(column, value, isnull) \
	set_datum(values, nulls, STEP_##column, (value), (isnull))
#define SET_TEXT(column, value) set_text(values, nulls, STEP_##column, (value))
	SET(run_id, UUIDPGetDatum(run_id), false);
	SET(fingerprint, Int64GetDatum((int64) step->match.fingerprint), false);
	SET(started_at, TimestampTzGetDatum(step->started_at), false);
	SET(finished_at, TimestampTzGetDatum(step->finished_at),
		step->finished_at == 0);
	SET(ordinal, Int32GetDatum(step->ordinal), false);
	SET(attempt, Int32GetDatum(step->attempt), false);
	SET(max_attempts, Int32GetDatum(step->max_attempts),
		step->max_attempts == 0);
	SET(attempts_before, (Datum) 0, true);
	SET(kind, CharGetDatum(step->match.kind), false);
	SET(state, CharGetDatum(step->match.state), false);
	SET(free_retries, Int16GetDatum((int16) step->free_retries),
		step->free_retries == 0);
	SET(due_at, TimestampTzGetDatum(step->due_at), step->due_at == 0);
	SET(message_id, Int64GetDatum(step->message_id), step->message_id == 0);
	SET(child_run_id, UUIDPGetDatum(&step->child_run_id), !step->has_child);
	SET_TEXT(name, step->match.name);
	SET_TEXT(command, step->command);
	SET(result, PointerGetDatum(step->result), step->result == NULL);
	SET_TEXT(error_code, error->code[0] ? error->code : NULL);
	SET_TEXT(error_message, error->message);
	SET_TEXT(error_detail, error->detail);
	SET_TEXT(error_hint, error->hint);
	SET_TEXT(error_context, error->context);
	SET(given, BoolGetDatum(true), !step->given);
#undef SET
#undef SET_TEXT

	wf_table_open(&wf_step_table, true, &open);
	(void) wf_table_insert(&open, values, nulls);
	wf_table_close(&open);
}

static WfStmt update_step = {
	"UPDATE _workflow.step"
	"   SET kind = $3, state = $4, fingerprint = $5, name = $6, attempt = $7,"
	"       max_attempts = $8, free_retries = $9, due_at = $10,"
	"       started_at = $11, finished_at = $12, command = $13, result = $14,"
	"       error_code = $15, error_message = $16, error_detail = $17,"
	"       error_hint = $18, error_context = $19, message_id = $20,"
	"       child_run_id = $21, given = nullif($22, false)"
	" WHERE run_id = $1 AND ordinal = $2",
	22,
	{UUIDOID,		 INT4OID,		 CHAROID, CHAROID,	INT8OID,
	 TEXTOID,		 INT4OID,		 INT4OID, INT2OID,	TIMESTAMPTZOID,
	 TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, JSONBOID, TEXTOID,
	 TEXTOID,		 TEXTOID,		 TEXTOID, TEXTOID,	INT8OID,
	 UUIDOID,		 BOOLOID}};

void
wf_step_update(const pg_uuid_t *run_id, const WfStep *step)
{
	ArgList args = {0};

	if (step->attempt > 1)
		wf_attempt_keep(run_id, step->ordinal, step->attempt);
	add_datum(&args, UUIDPGetDatum(run_id));
	add_int(&args, step->ordinal, false);
	add_datum(&args, CharGetDatum(step->match.kind));
	add_datum(&args, CharGetDatum(step->match.state));
	add_datum(&args, Int64GetDatum((int64) step->match.fingerprint));
	add_text(&args, step->match.name);
	add_int(&args, step->attempt, false);
	add_int(&args, step->max_attempts, true);
	if (step->free_retries == 0)
		add_null(&args);
	else
		add_datum(&args, Int16GetDatum((int16) step->free_retries));
	add_time(&args, step->due_at);
	add_time(&args, step->started_at);
	add_time(&args, step->finished_at);
	add_text(&args, step->command);
	add_jsonb(&args, step->result);
	add_error(&args, &step->error);
	if (step->message_id == 0)
		add_null(&args);
	else
		add_datum(&args, Int64GetDatum(step->message_id));
	if (step->has_child)
		add_datum(&args, UUIDPGetDatum(&step->child_run_id));
	else
		add_null(&args);
	add_datum(&args, BoolGetDatum(step->given));

	if (wf_spi_run(&update_step, args.values, args.nulls, false, 0) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("step %d of the workflow run has gone",
						step->ordinal)));
}

/* the columns that change when a run ends, over those of its row */
static void
set_end(Datum *values, bool *nulls, const WfRunEnd *end)
{
	const WfError *error = end->error;
	bool parked = end->state == WF_RUN_PARKED;

#define SET(column, value, isnull) \
	set_datum(values, nulls, RUN_##column, (value), (isnull))
#define SET_TEXT(column, value) set_text(values, nulls, RUN_##column, (value))
	SET(state, CharGetDatum(end->state), false);
	SET(waiting_for, CharGetDatum(WF_WAIT_REPAIR), !parked && !end->blocks);
	SET(crashes, (Datum) 0, true);
	SET(crash_step, (Datum) 0, true);
	SET(due_at, (Datum) 0, true);
	SET(started_at, TimestampTzGetDatum(end->started_at),
		end->started_at == 0);
	SET(finished_at, TimestampTzGetDatum(end->finished_at), parked);
	SET(failed_step, Int32GetDatum(end->failed_step), end->failed_step == 0);
	SET(steps_done, Int32GetDatum(end->steps_done), false);
	SET(attempts, Int32GetDatum(end->attempts), false);
	SET_TEXT(reason, end->reason);
	SET_TEXT(error_code, error ? error->code : NULL);
	SET_TEXT(error_message, error ? error->message : NULL);
	SET_TEXT(error_detail, error ? error->detail : NULL);
	SET_TEXT(error_hint, error ? error->hint : NULL);
	SET_TEXT(error_context, error ? error->context : NULL);
	SET(result, PointerGetDatum(end->result), end->result == NULL);
	if (end->progress != NULL)
		SET(progress, PointerGetDatum(end->progress), false);
	if (end->continued_as != NULL)
	{
		SET(continued_as, UUIDPGetDatum(end->continued_as), false);
		SET(dedup_key, (Datum) 0, true);
		SET(parent_run_id, (Datum) 0, true);
		SET(parent_ordinal, (Datum) 0, true);
		SET(item, (Datum) 0, true);
	}
#undef SET
#undef SET_TEXT
}

bool
wf_run_end(const WfRun *run, const WfRunEnd *end)
{
	Datum key[1] = {UUIDPGetDatum(&run->run_id)};
	Datum values[RUN_NATTS];
	bool nulls[RUN_NATTS];
	HeapTuple row = run->row;
	WfOpenTable open;
	bool done = false;

	wf_table_open(&wf_run_table, true, &open);
	if (row != NULL)
		heap_deform_tuple(row, RelationGetDescr(open.rel), values, nulls);
	else
		row =
			wf_table_fetch(&open, key, 1, CurrentMemoryContext, values, nulls);
	while (row != NULL && nulls[RUN_finished_at] && !done)
	{
		set_end(values, nulls, end);
		done = wf_table_update(&open, &row->t_self, values, nulls);
		if (!done) /* there is a newer version */
			row = wf_table_fetch(&open, key, 1, CurrentMemoryContext, values,
								 nulls);
	}
	wf_table_close(&open);
	return done;
}

/*
 * $4: where it is not known yet.  While it is compensated it shows why.
 */
static WfStmt wait_for = {
	"UPDATE _workflow.run"
	"   SET state = CASE WHEN end_state IS NULL THEN 'w'::\"char\""
	"                    ELSE 'k'::\"char\" END,"
	"       waiting_for = $2, due_at = $3,"
	"       started_at = coalesce(started_at, $4), body_attempts = NULL,"
	"       error_code = CASE WHEN end_state IS NOT NULL THEN error_code END,"
	"       error_message = CASE WHEN end_state IS NOT NULL"
	"                       THEN error_message END,"
	"       error_detail = CASE WHEN end_state IS NOT NULL"
	"                      THEN error_detail END,"
	"       error_hint = CASE WHEN end_state IS NOT NULL THEN error_hint END,"
	"       error_context = CASE WHEN end_state IS NOT NULL"
	"                       THEN error_context END,"
	"       progress = coalesce($5, progress)"
	" WHERE run_id = $1 AND finished_at IS NULL",
	5,
	{UUIDOID, CHAROID, TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID}};

void
wf_run_wait(const pg_uuid_t *run_id, char waiting_for, TimestampTz due_at,
			TimestampTz started_at, const Jsonb *progress)
{
	ArgList args = {0};

	add_datum(&args, UUIDPGetDatum(run_id));
	add_datum(&args, CharGetDatum(waiting_for));
	add_time(&args, due_at);
	add_time(&args, started_at);
	add_jsonb(&args, progress);
	(void) wf_spi_run(&wait_for, args.values, args.nulls, false, 0);
}

static WfStmt resume = {
	"UPDATE _workflow.run"
	"   SET state = CASE WHEN end_state IS NULL"
	"               THEN 'q'::\"char\" ELSE 'k'::\"char\" END,"
	"       waiting_for = NULL, due_at = NULL"
	" WHERE run_id = $1 AND finished_at IS NULL",
	1,
	{UUIDOID}};

void
wf_run_resume(const pg_uuid_t *run_id)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};

	(void) wf_spi_run(&resume, values, NULL, false, 0);
}

static WfStmt retry_later = {
	"UPDATE _workflow.run"
	"   SET state = CASE WHEN end_state IS NULL THEN 'q'::\"char\""
	"                    ELSE 'k'::\"char\" END,"
	"       due_at = $2, waiting_for = $3, body_attempts = $4,"
	"       error_code = $5, error_message = $6, error_detail = $7,"
	"       error_hint = $8, error_context = $9,"
	"       progress = coalesce($10, progress),"
	"       started_at = coalesce(started_at, $11)"
	" WHERE run_id = $1 AND finished_at IS NULL",
	11,
	{UUIDOID, TIMESTAMPTZOID, CHAROID, INT4OID, TEXTOID, TEXTOID, TEXTOID,
	 TEXTOID, TEXTOID, JSONBOID, TIMESTAMPTZOID}};

void
wf_run_retry_later(const pg_uuid_t *run_id, TimestampTz due_at,
				   TimestampTz started_at, int32 body_attempts,
				   const WfError *error, const Jsonb *progress)
{
	ArgList args = {0};

	add_datum(&args, UUIDPGetDatum(run_id));
	add_time(&args, due_at);
	add_datum(&args, CharGetDatum(WF_WAIT_RETRY));
	add_int(&args, body_attempts, true);
	add_error(&args, error);
	add_jsonb(&args, progress);
	add_time(&args, started_at);
	(void) wf_spi_run(&retry_later, args.values, args.nulls, false, 0);
}
