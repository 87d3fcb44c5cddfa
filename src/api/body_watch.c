/*
 * body_watch.c
 *		Tells whoever replaces a body that runs will be replayed with it.
 *
 * CREATE FUNCTION and CREATE OR REPLACE FUNCTION call the object access hook
 * alike; the look at the catalogs tells them apart.
 */
#include "postgres.h"

#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"

#include "api/body_watch.h"
#include "store/definition.h"

static object_access_hook_type previous_hook = NULL;

static void
body_watch_hook(ObjectAccessType access, Oid classId, Oid objectId, int subId,
				void *arg)
{
	if (previous_hook)
		previous_hook(access, classId, objectId, subId, arg);

	if (access == OAT_POST_CREATE && classId == ProcedureRelationId &&
		OidIsValid(MyDatabaseId) && IsNormalProcessingMode())
		wf_definition_check_replaced(objectId);
}

void
wf_body_watch_init(void)
{
	previous_hook = object_access_hook;
	object_access_hook = body_watch_hook;
}
