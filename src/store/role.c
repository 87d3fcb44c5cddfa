/*
 * role.c
 *		What a role needs to have runs.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/spi.h"
#include "store/role.h"

/* Executors connect as the owner, who needs LOGIN for that before 17. */
static bool
may_log_in(Oid role)
{
	HeapTuple tuple;
	bool login;

	if (!WF_ROLE_NEEDS_LOGIN)
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for role %u", role);
	login = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);
	return login;
}

bool
wf_role_lacks(Oid role, const char **detail, const char **hint)
{
	if (!may_log_in(role))
	{
		*detail =
			"It lacks LOGIN, which PostgreSQL before 17 needs to run something as a role in the background.";
		*hint = "Use ALTER ROLE ... LOGIN (no password is needed)";
		return true;
	}
	if (wf_database_aclcheck(MyDatabaseId, role, ACL_CONNECT) != ACLCHECK_OK)
	{
		*detail = "It lacks CONNECT on this database.";
		*hint = "Use GRANT CONNECT ON DATABASE";
		return true;
	}
	if (OidIsValid(wf_schema_oid()) &&
		wf_namespace_aclcheck(wf_public_schema_oid(), role, ACL_USAGE) !=
			ACLCHECK_OK)
	{
		*detail = "It may not use schema \"workflow\".";
		*hint = psprintf("Use workflow.grant_usage(%s)",
						 quote_literal_cstr(GetUserNameFromId(role, false)));
		return true;
	}
	return false;
}
