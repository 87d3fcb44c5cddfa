/*
 * guard.c
 *		Keeps everybody but the engine from writing its tables.
 *
 * Whoever could write a run's row could have any role's executor do what he
 * likes.  Nobody is granted that, but pg_write_all_data needs no grant, and
 * default privileges or a mistake may give one.  So a query that writes or
 * locks rows of a relation of the extension is refused unless the user whose
 * rights it uses is a superuser or has the privileges of the extension's owner,
 * whatever the relation's own privileges say.  The views count as well: some
 * may be written through, with the rights of their owner.
 *
 * It is a hook at the start of a query, where permissions are checked anyway:
 * row security would keep pg_dump from reading for a member of
 * pg_read_all_data, and triggers would be paid for by each row.  A query that
 * only reads costs a look at its list of relations, one that writes the
 * namespace of each that it writes.
 *
 * Must not: look at more than catalogs.  The hook runs in every process, in
 * parallel workers and in owner windows too.
 *
 * LOCK TABLE does not come by here, see lock_table.c; nextval() and setval()
 * do not either, and stay PostgreSQL's own business.
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "base/spi.h"
#include "ipc/guard.h"

/* SELECT FOR UPDATE and FOR SHARE are ACL_UPDATE */
#define WRITING (ACL_INSERT | ACL_UPDATE | ACL_DELETE)

static ExecutorCheckPerms_hook_type next_check = NULL;

/* Is it a table or view of the extension? */
static bool
is_ours(Oid relid)
{
	Oid schema = get_rel_namespace(relid);
	Oid internal = wf_schema_oid();

	if (!OidIsValid(internal))
		return false;
	if (schema != internal && schema != wf_public_schema_oid())
		return false;
	return getExtensionOfObject(RelationRelationId, relid) ==
		   wf_extension_oid();
}

static void
refuse(Oid relid, Oid user)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to write to \"%s\"",
					get_rel_name(relid)),
			 errdetail("Role \"%s\" does not have the privileges of \"%s\", who owns the extension \"workflow\". No other privilege allows to write or lock rows of its tables.",
					   GetUserNameFromId(user, false),
					   GetUserNameFromId(wf_owner_oid(), false)),
			 errhint("Use the functions of schema \"workflow\".")));
}

static bool
check_permissions(WF_CHECK_PERMS_ARGS)
{
	ListCell *lc;

	if (next_check && !next_check(WF_CHECK_PERMS_PASS))
		return false;
	if (IsBinaryUpgrade)
		return true;

	foreach (lc, WF_CHECK_PERMS_LIST)
	{
		WfPermission *permission = lfirst(lc);
		Oid user;

		if ((permission->requiredPerms & WRITING) == 0 ||
			!OidIsValid(permission->relid))
			continue;
		user = OidIsValid(permission->checkAsUser) ? permission->checkAsUser
												   : GetUserId();
		if (superuser_arg(user) || !is_ours(permission->relid) ||
			has_privs_of_role(user, wf_owner_oid()))
			continue;
		if (raise)
			refuse(permission->relid, user);
		return false;
	}
	return true;
}

void
wf_guard_init(void)
{
	next_check = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = check_permissions;
}
