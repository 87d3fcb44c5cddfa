/*
 * sched_roles.c
 *		May a role have an executor?
 *
 * Looked up before each request for one, and nowhere else; if it may not, its
 * runs are parked.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "scheduler/scheduler.h"

bool
wf_roles_may_connect(Oid oid, WfRoleFault *fault)
{
	HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(oid));
	Form_pg_authid role;
	bool ok = false;

	if (!HeapTupleIsValid(tuple))
	{
		fault->code = "42704";
		strlcpy(fault->message, "role that owns the run does not exist",
				sizeof(fault->message));
		fault->hint = "Create the role again and use workflow.retry_run().";
		return false;
	}
	role = (Form_pg_authid) GETSTRUCT(tuple);
	fault->code = "42501";
	if (WF_ROLE_NEEDS_LOGIN && !role->rolcanlogin)
	{
		snprintf(fault->message, sizeof(fault->message),
				 "role \"%s\" is not permitted to log in",
				 NameStr(role->rolname));
		fault->hint =
			"Its workflows are executed by a process connected as this role. Give it LOGIN and use workflow.retry_run().";
	}
	else if (wf_database_aclcheck(MyDatabaseId, oid, ACL_CONNECT) !=
			 ACLCHECK_OK)
	{
		snprintf(fault->message, sizeof(fault->message),
				 "role \"%s\" may not connect to the database",
				 NameStr(role->rolname));
		fault->hint =
			"Grant CONNECT on the database and use workflow.retry_run().";
	}
	else
		ok = true;
	ReleaseSysCache(tuple);
	return ok;
}
