/*
 * definition.c
 *		Tables _workflow.workflow and _workflow.body.
 *
 * Owns both tables.  Definitions change seldom: nothing here is made for
 * speed but wf_workflow_load(), whose result api/enqueue.c keeps.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/syscache.h"

#include "base/spi.h"
#include "store/body.h"
#include "store/definition.h"

/* ---- reading ---- */

#define WORKFLOW_COLUMNS                                                  \
	"SELECT w.workflow_id, w.name, w.body_id, b.function, b.search_path," \
	"       w.owner, w.owner_name, w.run_as, w.run_as_name, w.queue_id,"  \
	"       w.policy, w.run_timeout, w.on_failure, w.paused_at,"          \
	"       w.keep_succeeded, w.keep_failed, w.description,"              \
	"       w.dedup_scope"                                                \
	"  FROM _workflow.workflow w"                                         \
	"  JOIN _workflow.body b ON b.body_id = w.body_id"                    \
	" WHERE w.name = $1 AND w.dropped_at IS NULL"

const char *const wf_dedup_scopes[3] = {"kept", "unfinished", "queued"};

static WfDedupScope
scope_of(const char *word)
{
	for (int i = 0; i < lengthof(wf_dedup_scopes); i++)
	{
		if (strcmp(word, wf_dedup_scopes[i]) == 0)
			return (WfDedupScope) i;
	}
	return WF_SCOPE_KEPT;
}

static WfStmt load_workflow = {WORKFLOW_COLUMNS, 1, {TEXTOID}, NULL};

static WfStmt lock_workflow = {
	WORKFLOW_COLUMNS " FOR UPDATE OF w", 1, {TEXTOID}, NULL};

/* A copy of column "col" of the only row, NULL where the column is null. */
static Interval *
copy_interval(int col, MemoryContext cxt)
{
	bool isnull;
	Datum value = wf_spi_get(0, col, &isnull);
	Interval *copy;

	if (isnull)
		return NULL;
	copy = MemoryContextAlloc(cxt, sizeof(Interval));
	*copy = *DatumGetIntervalP(value);
	return copy;
}

static bool
load_by_name(WfStmt *stmt, const char *name, MemoryContext cxt,
			 WfWorkflow *out)
{
	Datum values[1] = {CStringGetTextDatum(name)};
	Interval *timeout;
	char *on_failure;
	bool isnull;

	if (wf_spi_run(stmt, values, NULL, stmt == &load_workflow, 1) == 0)
		return false;

	memset(out, 0, sizeof(*out));
	out->workflow_id = wf_spi_get_int32(0, 1, 0);
	out->name = wf_spi_copy_text(0, 2, cxt);
	out->body_id = wf_spi_get_int32(0, 3, 0);
	out->body = wf_spi_copy_text(0, 4, cxt);
	out->search_path = wf_spi_copy_text(0, 5, cxt);
	out->owner = wf_spi_get_oid(0, 6);
	out->owner_name = wf_spi_copy_text(0, 7, cxt);
	(void) wf_spi_get(0, 8, &isnull);
	out->run_as = isnull ? InvalidOid : wf_spi_get_oid(0, 8);
	out->run_as_name = wf_spi_copy_text(0, 9, cxt);
	out->queue_id = wf_spi_get_int32(0, 10, 0);
	out->has_policy = wf_policy_read(11, cxt, &out->policy, &out->policy_row);
	timeout = copy_interval(12, cxt);
	if (timeout)
	{
		out->has_run_timeout = true;
		out->run_timeout = *timeout;
	}
	on_failure = wf_spi_copy_text(0, 13, cxt);
	out->park = strcmp(on_failure, "park") == 0;
	(void) wf_spi_get(0, 14, &isnull);
	out->paused = !isnull;
	out->keep_succeeded = copy_interval(15, cxt);
	out->keep_failed = copy_interval(16, cxt);
	out->description = wf_spi_copy_text(0, 17, cxt);
	out->dedup_scope = scope_of(wf_spi_copy_text(0, 18, cxt));
	return true;
}

bool
wf_workflow_load(const char *name, MemoryContext cxt, WfWorkflow *out)
{
	return load_by_name(&load_workflow, name, cxt, out);
}

bool
wf_workflow_lock(const char *name, MemoryContext cxt, WfWorkflow *out)
{
	return load_by_name(&lock_workflow, name, cxt, out);
}

static WfStmt load_body = {
	"SELECT b.workflow_id, w.name, b.function, b.search_path,"
	"       coalesce(w.policy, (SELECT q.policy FROM _workflow.queue q"
	"                            WHERE q.queue_id = $2)),"
	"       w.on_failure = 'park',"
	"       (SELECT a.oid FROM pg_catalog.pg_roles a"
	"         WHERE a.oid = w.owner AND a.rolname = w.owner_name)"
	"  FROM _workflow.body b"
	"  JOIN _workflow.workflow w"
	"    ON w.workflow_id = b.workflow_id"
	" WHERE b.body_id = $1",
	2,
	{INT4OID, INT4OID},
	NULL};

bool
wf_body_load(int32 body_id, int32 queue_id, MemoryContext cxt, WfBodyRow *out)
{
	Datum values[2] = {Int32GetDatum(body_id), Int32GetDatum(queue_id)};

	if (wf_spi_run(&load_body, values, NULL, true, 1) == 0)
		return false;

	memset(out, 0, sizeof(*out));
	out->body_id = body_id;
	out->workflow_id = wf_spi_get_int32(0, 1, 0);
	out->workflow = wf_spi_copy_text(0, 2, cxt);
	out->body = wf_spi_copy_text(0, 3, cxt);
	out->search_path = wf_spi_copy_text(0, 4, cxt);
	out->has_policy = wf_policy_read(5, cxt, &out->policy, NULL);
	out->park = wf_spi_get_bool(0, 6, false);
	out->owner = wf_spi_get_oid(0, 7);
	return true;
}

/* ---- writing ---- */

static WfStmt find_body = {"SELECT body_id"
						   "  FROM _workflow.body"
						   " WHERE workflow_id = $1"
						   "   AND function = $2"
						   "   AND search_path = $3"
						   " ORDER BY body_id DESC",
						   3,
						   {INT4OID, TEXTOID, TEXTOID},
						   NULL};

static WfStmt insert_body = {
	"INSERT INTO _workflow.body (workflow_id, function, search_path,"
	"                            created_at)"
	"VALUES ($1, $2, $3, $4)"
	"RETURNING body_id",
	4,
	{INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID},
	NULL};

int32
wf_body_version(int32 workflow_id, const char *body, const char *search_path,
				TimestampTz now)
{
	Datum values[4];

	values[0] = Int32GetDatum(workflow_id);
	values[1] = CStringGetTextDatum(body);
	values[2] = CStringGetTextDatum(search_path);
	values[3] = TimestampTzGetDatum(now);
	if (wf_spi_run(&find_body, values, NULL, false, 1) == 0)
		(void) wf_spi_run(&insert_body, values, NULL, false, 1);
	return wf_spi_get_int32(0, 1, 0);
}

static WfStmt insert_workflow = {
	"INSERT INTO _workflow.workflow (name, body_id, queue_id, owner,"
	"       owner_name, created_at, on_failure, altered_at)"
	"VALUES ($1, 0, 0, $2, $3, $4, 'fail', $4)"
	"ON CONFLICT (name) WHERE dropped_at IS NULL DO NOTHING "
	"RETURNING workflow_id",
	4,
	{TEXTOID, OIDOID, TEXTOID, TIMESTAMPTZOID},
	NULL};

bool
wf_workflow_insert(WfWorkflow *w, TimestampTz now)
{
	Datum values[4];

	values[0] = CStringGetTextDatum(w->name);
	values[1] = ObjectIdGetDatum(w->owner);
	values[2] = CStringGetTextDatum(w->owner_name);
	values[3] = TimestampTzGetDatum(now);
	if (wf_spi_run(&insert_workflow, values, NULL, false, 1) == 0)
		return false;
	w->workflow_id = wf_spi_get_int32(0, 1, 0);
	wf_workflow_update(w, now);
	return true;
}

/* its statement is made at first use: the type's oid is not a constant */
static WfStmt update_workflow = {
	"UPDATE _workflow.workflow"
	"   SET body_id = $2, queue_id = $3, run_as = $4, run_as_name = $5,"
	"       policy = $6, run_timeout = $7, on_failure = $8,"
	"       keep_succeeded = $9, keep_failed = $10, description = $11,"
	"       altered_at = $12, dedup_scope = $13"
	" WHERE workflow_id = $1",
	13,
	{INT4OID, INT4OID, INT4OID, OIDOID, TEXTOID, InvalidOid, INTERVALOID,
	 TEXTOID, INTERVALOID, INTERVALOID, TEXTOID, TIMESTAMPTZOID, TEXTOID},
	NULL};

#define UPDATE_POLICY_ARG 5

static Datum
interval_or_null(const Interval *value, char *null)
{
	if (value == NULL)
		*null = 'n';
	return IntervalPGetDatum(value);
}

void
wf_workflow_update(WfWorkflow *w, TimestampTz now)
{
	Datum values[13];
	char nulls[14] = "             ";

	w->body_id = wf_body_version(w->workflow_id, w->body, w->search_path, now);
	wf_policy_bind(&update_workflow, UPDATE_POLICY_ARG);

	values[0] = Int32GetDatum(w->workflow_id);
	values[1] = Int32GetDatum(w->body_id);
	values[2] = Int32GetDatum(w->queue_id);
	values[3] = ObjectIdGetDatum(w->run_as);
	if (!OidIsValid(w->run_as))
		nulls[3] = 'n';
	values[4] = wf_text_or_null(w->run_as_name, &nulls[4]);
	values[5] = w->policy_row;
	if (!w->has_policy)
		nulls[5] = 'n';
	values[6] = interval_or_null(w->has_run_timeout ? &w->run_timeout : NULL,
								 &nulls[6]);
	values[7] = CStringGetTextDatum(w->park ? "park" : "fail");
	values[8] = interval_or_null(w->keep_succeeded, &nulls[8]);
	values[9] = interval_or_null(w->keep_failed, &nulls[9]);
	values[10] = wf_text_or_null(w->description, &nulls[10]);
	values[11] = TimestampTzGetDatum(now);
	values[12] = CStringGetTextDatum(wf_dedup_scopes[w->dedup_scope]);
	(void) wf_spi_run(&update_workflow, values, nulls, false, 0);
}

static WfStmt pause_workflow = {
	"UPDATE _workflow.workflow"
	"   SET paused_at = CASE WHEN $2 THEN $5 END,"
	"       paused_by = $3, pause_reason = $4"
	" WHERE workflow_id = $1",
	5,
	{INT4OID, BOOLOID, TEXTOID, TEXTOID, TIMESTAMPTZOID},
	NULL};

void
wf_workflow_set_paused(int32 workflow_id, bool paused, const char *by,
					   const char *reason, TimestampTz now)
{
	Datum values[5];
	char nulls[6] = "     ";

	values[0] = Int32GetDatum(workflow_id);
	values[1] = BoolGetDatum(paused);
	values[2] = wf_text_or_null(by, &nulls[2]);
	values[3] = wf_text_or_null(reason, &nulls[3]);
	values[4] = TimestampTzGetDatum(now);
	(void) wf_spi_run(&pause_workflow, values, nulls, false, 0);
}

static WfStmt count_unfinished = {
	"SELECT pg_catalog.count(*)"
	"  FROM _workflow.run"
	" WHERE finished_at IS NULL AND workflow_id = $1 AND queue_id >= 0",
	1,
	{INT4OID},
	NULL};

int64
wf_workflow_unfinished(int32 workflow_id)
{
	Datum values[1] = {Int32GetDatum(workflow_id)};

	(void) wf_spi_run(&count_unfinished, values, NULL, false, 0);
	return wf_spi_get_int64(0, 1, 0);
}

static WfStmt cancel_unfinished = {
	"WITH asked AS ("
	"  INSERT INTO _workflow.request (run_id, kind, requested_at,"
	"                                 requested_by, reason)"
	"  SELECT run_id, 'c', $2, $3, $4"
	"    FROM _workflow.run"
	"   WHERE finished_at IS NULL AND workflow_id = $1"
	"   ORDER BY run_id"
	"  RETURNING run_id)"
	"INSERT INTO _workflow.audit (run_id, at, action, role_name, reason)"
	"SELECT run_id, $2, 'drop_workflow', $3, $4"
	"  FROM asked",
	4,
	{INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID},
	NULL};

int64
wf_workflow_cancel_all(int32 workflow_id, const char *by, const char *reason,
					   TimestampTz now)
{
	Datum values[4];
	char nulls[5] = "    ";

	values[0] = Int32GetDatum(workflow_id);
	values[1] = TimestampTzGetDatum(now);
	values[2] = CStringGetTextDatum(by);
	values[3] = wf_text_or_null(reason, &nulls[3]);
	return (int64) wf_spi_run(&cancel_unfinished, values, nulls, false, 0);
}

static WfStmt drop_workflow = {"UPDATE _workflow.workflow"
							   "   SET dropped_at = $2"
							   " WHERE workflow_id = $1",
							   2,
							   {INT4OID, TIMESTAMPTZOID},
							   NULL};

void
wf_workflow_drop(int32 workflow_id, TimestampTz now)
{
	Datum values[2];

	values[0] = Int32GetDatum(workflow_id);
	values[1] = TimestampTzGetDatum(now);
	(void) wf_spi_run(&drop_workflow, values, NULL, false, 0);
}

/* ---- replaced bodies ---- */

static WfStmt count_by_body = {
	"SELECT pg_catalog.count(*)"
	"  FROM _workflow.run r"
	"  JOIN _workflow.body b ON b.body_id = r.body_id"
	" WHERE r.finished_at IS NULL AND b.function = $1 AND r.queue_id >= 0",
	1,
	{TEXTOID},
	NULL};

int64
wf_body_unfinished(const char *signature)
{
	Datum values[1] = {CStringGetTextDatum(signature)};

	(void) wf_spi_run(&count_by_body, values, NULL, true, 0);
	return wf_spi_get_int64(0, 1, 0);
}

/* True for f(jsonb), of whatever kind: all else cannot be a body. */
static bool
takes_one_jsonb(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc proc;
	bool result;

	/* a function that is being made is not visible yet: nothing replaced */
	if (!HeapTupleIsValid(tuple))
		return false;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	result = proc->pronargs == 1 && proc->proargtypes.values[0] == JSONBOID;
	ReleaseSysCache(tuple);
	return result;
}

void
wf_definition_check_replaced(Oid function)
{
	WfWindow window;
	char *signature;
	int64 count;

	if (!takes_one_jsonb(function) || !OidIsValid(wf_schema_oid()))
		return;
	signature = wf_body_signature(function);
	if (signature == NULL)
		return;

	wf_window_open(&window);
	count = wf_body_unfinished(signature);
	wf_window_close(&window);

	if (count > 0)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg_plural("" INT64_FORMAT " unfinished run has \"%s\" as its body",
							   "" INT64_FORMAT " unfinished runs have \"%s\" as their body",
							   (unsigned long) count, count, signature),
				 errdetail("They are replayed with the new definition, and are parked where it asks for other steps than those recorded."),
				 errhint("Give the changed body a name of its own, and pass it to alter_workflow: runs keep the body they were enqueued with.")));
}
