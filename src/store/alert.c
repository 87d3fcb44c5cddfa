/*
 * alert.c
 *		The functions that are told of what happens in a queue.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "utils/syscache.h"

#include "base/guc.h"
#include "store/alert.h"
#include "store/body.h"

static const WfFunctionUse as_alert = {"alert function", "An alert function",
									   "the alert function of a queue",
									   "alert", "f(alert jsonb) RETURNS void"};

Oid
wf_alert_resolve(const char *name)
{
	return wf_function_resolve(name, &as_alert);
}

static Oid
function_owner(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

void
wf_alert_check(Oid function, const char *name)
{
	wf_function_check_kind(function, name, &as_alert);
	if (!wf_body_callable(function, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", name),
				 errdetail("\"%s\", as whom it is to be called, may not execute it.",
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Be granted EXECUTE on it and USAGE on its schema.")));
	if (superuser() && !wf_allow_superuser_runs &&
		!superuser_arg(function_owner(function)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("function %s cannot be called as a superuser", name),
				 errdetail("It belongs to a role that is none."),
				 errhint("Set the alert as another role, or set workflow.allow_superuser_runs.")));
}
