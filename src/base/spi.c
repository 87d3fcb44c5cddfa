/*
 * spi.c
 *		SQL against the extension's own tables, run as the extension's owner.
 *
 * What an ERROR in a window leaves behind is put right by the abort of the
 * transaction or subtransaction the window was opened in: user id and security
 * context by AbortTransaction() and AbortSubTransaction() themselves, the rest
 * by AtEOXact_Namespace() or AtEOXact_GUC(), AtEOXact_SPI() and
 * AtEOXact_Snapshot(), or by their twins for subtransactions.
 *
 * That the extension is there is looked up once, and again after any change
 * of pg_namespace.  The name of the schema alone proves nothing: whoever may
 * create schemas could make one called _workflow in a database without the
 * extension and have our workers run its triggers.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/hashfn.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/spi.h"

/* ---- where the tables are ---- */

typedef struct Installed
{
	Oid schema;
	Oid public_schema;
	Oid owner; /* of the schema */
	Oid extension;
	int64 origin;
} Installed;

static Installed installed;
static bool installed_valid = false;
static uint64 namespace_changes = 0;

static void
namespace_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	namespace_changes++;
	installed_valid = false;
}

static int64
compute_origin(Oid extension)
{
	struct
	{
		uint64 system;
		Oid database;
		Oid extension;
	} key = {GetSystemIdentifier(), MyDatabaseId, extension};

	return (int64) hash_bytes_extended((const unsigned char *) &key,
									   sizeof(key), 0);
}

/* Fills "installed"; false where the extension is missing. */
static bool
find_installed(void)
{
	static bool registered = false;
	uint64 changes;
	HeapTuple tuple;
	Installed found;

	if (installed_valid)
		return true;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(NAMESPACEOID, namespace_changed,
									  (Datum) 0);
		registered = true;
	}

	changes = namespace_changes;
	found.schema = get_namespace_oid("_workflow", true);
	if (!OidIsValid(found.schema))
		return false;
	found.extension = get_extension_oid("workflow", true);
	if (!OidIsValid(found.extension) ||
		getExtensionOfObject(NamespaceRelationId, found.schema) !=
			found.extension)
		return false;

	found.public_schema = get_namespace_oid("workflow", true);
	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(found.schema));
	if (!HeapTupleIsValid(tuple))
		return false;
	found.owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);

	found.origin = compute_origin(found.extension);
	installed = found;
	/* a change that came in during the lookups may have been missed */
	installed_valid = changes == namespace_changes;
	return true;
}

static void
require_installed(void)
{
	if (!find_installed())
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"workflow\" does not exist in this database"),
				 errhint("Run CREATE EXTENSION workflow.")));
}

Oid
wf_schema_oid(void)
{
	return find_installed() ? installed.schema : InvalidOid;
}

Oid
wf_public_schema_oid(void)
{
	return installed.public_schema;
}

Oid
wf_extension_oid(void)
{
	return installed.extension;
}

Oid
wf_owner_oid(void)
{
	return installed.owner;
}

int64
wf_origin(void)
{
	require_installed();
	return installed.origin;
}

void
wf_require_preloaded(void)
{
	if (!wf_preloaded)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("library \"workflow\" was not loaded at server start"),
				 errhint("Add \"workflow\" to shared_preload_libraries and restart the server.")));
}

/* ---- windows ---- */

void
wf_window_open(WfWindow *w)
{
	require_installed();

	w->save_context = CurrentMemoryContext;
	GetUserIdAndSecContext(&w->save_user, &w->save_sec);
	SetUserIdAndSecContext(installed.owner,
						   w->save_sec | SECURITY_LOCAL_USERID_CHANGE);
	w->save_nest = wf_search_path_push();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* statements that write take a newer one, but expect one to be there */
	PushActiveSnapshot(GetTransactionSnapshot());
}

void
wf_window_close(WfWindow *w)
{
	PopActiveSnapshot();
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	wf_search_path_pop(w->save_nest);
	SetUserIdAndSecContext(w->save_user, w->save_sec);
	Assert(CurrentMemoryContext == w->save_context);
}

/* ---- statements ---- */

static void
prepare(WfStmt *stmt)
{
	SPIPlanPtr plan = SPI_prepare(stmt->sql, stmt->nargs, stmt->argtypes);

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", stmt->sql,
			 SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep the plan of \"%s\"", stmt->sql);
	stmt->plan = plan;
}

/*
 * Our statements find rows by key.  A plan made while a table happens to be
 * empty would scan it, and be kept until the statistics change: a burst of a
 * million runs may come first.  So nothing the statistics or the session's
 * settings say may talk the planner into that.  The variables are set as such
 * because that costs next to nothing, and put back on every way out.
 */
static int
execute(WfStmt *stmt, Datum *values, const char *nulls, bool read_only,
		long limit)
{
	volatile int result = 0;
	bool save_seqscan = enable_seqscan;
	bool save_indexscan = enable_indexscan;
	bool save_jit = jit_enabled;
	int save_mode = plan_cache_mode;

	PG_TRY();
	{
		enable_seqscan = false;
		enable_indexscan = true;
		jit_enabled = false;
		plan_cache_mode = PLAN_CACHE_MODE_FORCE_GENERIC_PLAN;
		result = SPI_execute_plan(stmt->plan, values, nulls, read_only, limit);
	}
	PG_FINALLY();
	{
		enable_seqscan = save_seqscan;
		enable_indexscan = save_indexscan;
		jit_enabled = save_jit;
		plan_cache_mode = save_mode;
	}
	PG_END_TRY();
	return result;
}

uint64
wf_spi_run(WfStmt *stmt, Datum *values, const char *nulls, bool read_only,
		   long limit)
{
	int result;

	if (stmt->plan == NULL)
		prepare(stmt);
	result = execute(stmt, values, nulls, read_only, limit);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", stmt->sql,
			 SPI_result_code_string(result));
	return SPI_processed;
}

/* ---- results ---- */

Datum
wf_spi_get(uint64 row, int col, bool *isnull)
{
	Datum value;

	if (SPI_tuptable == NULL || row >= SPI_tuptable->numvals)
		elog(ERROR, "row " UINT64_FORMAT " of an SPI result is not there",
			 row);
	value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col,
						  isnull);
	if (SPI_result == SPI_ERROR_NOATTRIBUTE)
		elog(ERROR, "column %d of an SPI result is not there", col);
	return value;
}

/* As wf_spi_get(), for a column that has to be of this type. */
static Datum
get_typed(uint64 row, int col, Oid type, bool *isnull)
{
	Datum value = wf_spi_get(row, col, isnull);

	if (SPI_gettypeid(SPI_tuptable->tupdesc, col) != type)
		elog(ERROR, "column %d of an SPI result is of type %u, not %u", col,
			 SPI_gettypeid(SPI_tuptable->tupdesc, col), type);
	return value;
}

/* Any integer type that fits. */
static int64
get_integer(uint64 row, int col, int64 if_null)
{
	bool isnull;
	Datum value = wf_spi_get(row, col, &isnull);

	if (isnull)
		return if_null;
	switch (SPI_gettypeid(SPI_tuptable->tupdesc, col))
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
			return DatumGetInt64(value);
		default:
			elog(ERROR, "column %d of an SPI result is no integer", col);
			return 0;
	}
}

int32
wf_spi_get_int32(uint64 row, int col, int32 if_null)
{
	int64 value = get_integer(row, col, if_null);

	if (value < PG_INT32_MIN || value > PG_INT32_MAX)
		elog(ERROR, "column %d of an SPI result is out of range", col);
	return (int32) value;
}

int64
wf_spi_get_int64(uint64 row, int col, int64 if_null)
{
	return get_integer(row, col, if_null);
}

char
wf_spi_get_char(uint64 row, int col, char if_null)
{
	bool isnull;
	Datum value = get_typed(row, col, CHAROID, &isnull);

	return isnull ? if_null : DatumGetChar(value);
}

Oid
wf_spi_get_oid(uint64 row, int col)
{
	bool isnull;
	Datum value = get_typed(row, col, OIDOID, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

bool
wf_spi_get_bool(uint64 row, int col, bool if_null)
{
	bool isnull;
	Datum value = get_typed(row, col, BOOLOID, &isnull);

	return isnull ? if_null : DatumGetBool(value);
}

TimestampTz
wf_spi_get_time(uint64 row, int col, TimestampTz if_null)
{
	bool isnull;
	Datum value = get_typed(row, col, TIMESTAMPTZOID, &isnull);

	return isnull ? if_null : DatumGetTimestampTz(value);
}

/* NULL gives the nil uuid, which no run has. */
void
wf_spi_get_uuid(uint64 row, int col, pg_uuid_t *uuid)
{
	bool isnull;
	Datum value = get_typed(row, col, UUIDOID, &isnull);

	if (isnull)
		memset(uuid, 0, sizeof(*uuid));
	else
		*uuid = *DatumGetUUIDP(value);
}

TransactionId
wf_spi_get_xid(uint64 row, int col)
{
	bool isnull;
	Datum value = get_typed(row, col, XIDOID, &isnull);

	return isnull ? InvalidTransactionId : DatumGetTransactionId(value);
}

void
wf_spi_get_tid(uint64 row, int col, ItemPointer tid)
{
	bool isnull;
	Datum value = get_typed(row, col, TIDOID, &isnull);

	if (isnull)
		ItemPointerSetInvalid(tid);
	else
		*tid = *(ItemPointer) DatumGetPointer(value);
}

pg_uuid_t *
wf_spi_copy_uuids(uint64 n, int col, MemoryContext cxt)
{
	pg_uuid_t *ids =
		MemoryContextAllocHuge(cxt, mul_size(Max(n, 1), sizeof(pg_uuid_t)));

	for (uint64 i = 0; i < n; i++)
		wf_spi_get_uuid(i, col, &ids[i]);
	return ids;
}

char *
wf_spi_copy_text(uint64 row, int col, MemoryContext cxt)
{
	bool isnull;
	Datum value = get_typed(row, col, TEXTOID, &isnull);
	MemoryContext old;
	char *copy;

	if (isnull)
		return NULL;
	old = MemoryContextSwitchTo(cxt);
	copy = TextDatumGetCString(value);
	MemoryContextSwitchTo(old);
	return copy;
}

Jsonb *
wf_spi_copy_jsonb(uint64 row, int col, MemoryContext cxt)
{
	bool isnull;
	Datum value = get_typed(row, col, JSONBOID, &isnull);
	MemoryContext old;
	Jsonb *copy;

	if (isnull)
		return NULL;
	old = MemoryContextSwitchTo(cxt);
	copy = DatumGetJsonbPCopy(value);
	MemoryContextSwitchTo(old);
	return copy;
}

Datum
wf_text_or_null(const char *value, char *null)
{
	if (value == NULL)
	{
		*null = 'n';
		return (Datum) 0;
	}
	return CStringGetTextDatum(value);
}
