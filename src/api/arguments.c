/*
 * arguments.c
 *		Arguments of the SQL functions: taken out and checked.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "api/arguments.h"
#include "base/guc.h"
#include "base/spi.h"
#include "base/text.h"
#include "ipc/shmem.h"
#include "ipc/workers.h"
#include "store/definition.h"

void
wf_arg_require(FunctionCallInfo fcinfo, int arg, const char *what)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", what),
				 errdetail("The argument has no default and no meaning for NULL."),
				 errhint("Pass a value for it.")));
}

char *
wf_arg_text(FunctionCallInfo fcinfo, int arg)
{
	return PG_ARGISNULL(arg) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(arg));
}

void
wf_check_length(int length, const char *what, int max)
{
	if (length == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", what),
				 errdetail("It can have 1 to %d characters.", max),
				 errhint("Pass a value that tells it from others.")));
	if (length > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is too long", what),
				 errdetail("It has %d characters, %d is the most.",
						   length, max),
				 errhint("Pass a shorter value, or a hash of it.")));
}

char *
wf_arg_limited_text(FunctionCallInfo fcinfo, int arg, const char *what,
					int max)
{
	char *value = wf_arg_text(fcinfo, arg);

	if (value != NULL)
		wf_check_length(pg_mbstrlen(value), what, max);
	return value;
}

char *
wf_arg_name(FunctionCallInfo fcinfo, int arg, const char *what)
{
	wf_arg_require(fcinfo, arg, what);
	return wf_arg_limited_text(fcinfo, arg, what, WF_MAX_NAME);
}

void
wf_check_bytes(const char *value, const char *what, int max)
{
	if (value == NULL || strlen(value) <= max)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("%s is too long", what),
			 errdetail("It has %zu bytes, %d are allowed.", strlen(value),
					   max),
			 errhint("Pass a shorter text, and keep the rest in a table of your own.")));
}

char *
wf_arg_note(FunctionCallInfo fcinfo, int arg, const char *what)
{
	char *value = wf_arg_text(fcinfo, arg);

	wf_check_bytes(value, what, WF_MAX_NOTE);
	return value;
}

char *
wf_arg_error_text(FunctionCallInfo fcinfo, int arg)
{
	return wf_text_clip(wf_arg_text(fcinfo, arg), WF_MAX_ERROR_TEXT);
}

char *
wf_arg_command(FunctionCallInfo fcinfo, int arg)
{
	wf_arg_require(fcinfo, arg, "command of a step");
	wf_check_payload(PG_GETARG_DATUM(arg), "command of a step");
	return wf_arg_text(fcinfo, arg);
}

Datum
wf_arg_progress(FunctionCallInfo fcinfo, int arg)
{
	Jsonb *progress;

	if (PG_ARGISNULL(arg))
		return (Datum) 0;
	progress = PG_GETARG_JSONB_P(arg);
	if (VARSIZE(progress) > WF_MAX_PROGRESS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("progress is too large"),
				 errdetail("It has %zu bytes, %d are allowed.",
						   (size_t) VARSIZE(progress), WF_MAX_PROGRESS),
				 errhint("Show numbers, and keep the rest in a table of your own.")));
	return JsonbPGetDatum(progress);
}

pg_uuid_t *
wf_arg_run_id(FunctionCallInfo fcinfo, int arg)
{
	wf_arg_require(fcinfo, arg, "run_id");
	return PG_GETARG_UUID_P(arg);
}

Interval *
wf_arg_interval(FunctionCallInfo fcinfo, int arg, const char *what,
				bool positive)
{
	if (PG_ARGISNULL(arg))
		return NULL;
	(void) wf_interval_usec(PG_GETARG_INTERVAL_P(arg), what, positive ? 1 : 0);
	return PG_GETARG_INTERVAL_P(arg);
}

TimestampTz
wf_time_after(TimestampTz now, const Interval *delay)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(now),
												   IntervalPGetDatum(delay)));
}

TimestampTz
wf_arg_start(FunctionCallInfo fcinfo, int delay_arg, int run_at_arg,
			 const char *what, TimestampTz now)
{
	TimestampTz run_at;

	if (PG_ARGISNULL(delay_arg) && PG_ARGISNULL(run_at_arg))
		return now;
	if (!PG_ARGISNULL(delay_arg) && !PG_ARGISNULL(run_at_arg))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("delay and run_at exclude each other"),
				 errdetail("Both say when the %s may start at the earliest.",
						   what),
				 errhint("Leave out one of the two.")));
	if (!PG_ARGISNULL(delay_arg))
		return wf_time_after(
			now, wf_arg_interval(fcinfo, delay_arg, "delay", false));

	run_at = PG_GETARG_TIMESTAMPTZ(run_at_arg);
	if (TIMESTAMP_NOT_FINITE(run_at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("run_at must be finite"),
				 errdetail("The value is \"%s\".",
						   timestamptz_to_str(run_at)),
				 errhint("Leave it out to start at once.")));
	return Max(run_at, now);
}

bool
wf_arg_resets(ArrayType *reset, const WfResettable *of, int arg)
{
	Datum *elems;
	bool *nulls;
	int n;
	bool found = false;

	if (reset == NULL)
		return false;
	deconstruct_array(reset, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls,
					  &n);
	for (int i = 0; i < n; i++)
	{
		char *name = nulls[i] ? NULL : TextDatumGetCString(elems[i]);
		bool known = false;

		for (int j = 1; name && j < of->n; j++)
			known |= strcmp(name, of->names[j]) == 0;
		if (!known)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("reset must name arguments of %s", of->function),
					 name ? errdetail("Element %d is \"%s\".", i + 1, name) :
					 errdetail("Element %d is NULL.", i + 1),
					 errhint("Each of them can be named but \"name\" and \"reset\".")));
		found |= strcmp(name, of->names[arg]) == 0;
	}
	return found;
}

void
wf_arg_check_resets(FunctionCallInfo fcinfo, ArrayType *reset,
					const WfResettable *of)
{
	for (int i = 1; i < of->n; i++)
	{
		if (!PG_ARGISNULL(i) && wf_arg_resets(reset, of, i))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s is both given and reset", of->names[i]),
					 errdetail("An argument named in reset goes back to its default."),
					 errhint("Leave out one of the two.")));
	}
}

void
wf_require_writable(const char *function)
{
	if (!XactReadOnly)
		return;
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot execute workflow.%s() on a standby", function),
				 errdetail("The server is in recovery and cannot write."),
				 errhint("Connect to the primary server.")));
	ereport(ERROR,
			(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
			 errmsg("cannot execute workflow.%s() in a read-only transaction",
					function),
			 wf_executor_has_run() ?
			 errdetail("A workflow's body is replayed, and so it must not write.") :
			 errdetail("The transaction was started as READ ONLY."),
			 wf_executor_has_run() ?
			 errhint("Use a step: workflow.step('name', 'SELECT workflow.%s(...)').",
					 function) :
			 errhint("Use a transaction that is READ WRITE.")));
}

void
wf_check_payload(Datum value, const char *what)
{
	Size size = toast_raw_datum_size(value);

	if (size <= (Size) wf_max_payload * 1024)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("%s is too large", what),
			 errdetail("It has %zu bytes, workflow.max_payload is %d kB.",
					   size, wf_max_payload),
			 errhint("Keep large values in a table and pass their key, or raise workflow.max_payload.")));
}

void
wf_check_object(const Jsonb *value, const char *what, const char *example)
{
	if (JB_ROOT_IS_OBJECT(value))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s must be a JSON object", what),
			 errdetail("It is something else, such as an array or a string."),
			 errhint("Pass names and values: '%s'.", example)));
}

bool
wf_is_owner(Oid owner, const char *owner_name)
{
	char *present = GetUserNameFromId(owner, true);

	return superuser() ||
		   (present != NULL && strcmp(present, owner_name) == 0 &&
			has_privs_of_role(GetUserId(), owner));
}

void
wf_require_owner(Oid owner, const char *owner_name, const char *object,
				 const char *name)
{
	if (wf_is_owner(owner, owner_name))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for %s \"%s\"", object, name),
			 errdetail("It belongs to role \"%s\", of which \"%s\" is not a member.",
					   owner_name, GetUserNameFromId(GetUserId(), false)),
			 errhint("Ask its owner, or be granted that role.")));
}

/* Owner of schema _workflow, who is the owner of the extension. */
static Oid
extension_owner(void)
{
	Oid schema = wf_schema_oid();
	HeapTuple tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"workflow\" does not exist in this database"),
				 errhint("Run CREATE EXTENSION workflow.")));
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

void
wf_require_extension_owner(const char *function)
{
	Oid owner = extension_owner();

	if (has_privs_of_role(GetUserId(), owner))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for workflow.%s()", function),
			 errdetail("The extension belongs to role \"%s\", of which \"%s\" is not a member.",
					   GetUserNameFromId(owner, false),
					   GetUserNameFromId(GetUserId(), false)),
			 errhint("Ask a superuser, or the owner of the extension.")));
}
