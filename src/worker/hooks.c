/*
 * hooks.c
 *		Commands of others that concern our workers.
 *
 * DROP DATABASE, ALTER DATABASE RENAME and SET TABLESPACE, and CREATE DATABASE
 * with one of ours as template fail while anybody is connected, so our workers
 * are kept out (hold.c) while such a command runs; likewise for DROP EXTENSION
 * workflow, which would wait for their locks.  Before that the caller's rights
 * are checked, as the command will check them: nobody who could not run it can
 * end our workers by trying.  Whatever else is wrong with a command is left
 * for it to say.
 *
 * LOCK TABLE is looked at as well, see lock_table.c.
 *
 * What was created or dropped is noted by the object access hook, which sees
 * it in whatever way it came (CASCADE, DROP OWNED, inside of a function), and
 * told at commit.
 *
 * On a standby, and in binary upgrade, nothing of this happens.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/spi.h"
#include "worker/entries.h"
#include "worker/hooks.h"
#include "worker/wakeup.h"

#define WF_EXTENSION "workflow"

static ProcessUtility_hook_type next_utility = NULL;
static object_access_hook_type next_access = NULL;

/* what this transaction did */
static bool extension_created = false;
static bool extension_found = false; /* at PRE_COMMIT, by the above */
static bool extension_dropped = false;
static bool extension_gone = false; /* at PRE_COMMIT, likewise */
static Oid database_created = InvalidOid;
static Oid database_dropped = InvalidOid;

/* ---- rights ---- */

static bool
has_createdb(void)
{
	HeapTuple tuple;
	bool result = false;

	if (superuser())
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
		ReleaseSysCache(tuple);
	}
	return result;
}

/* May this database be used as template by us? */
static bool
may_copy(Oid database)
{
	HeapTuple tuple;
	bool is_template = false;

	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (HeapTupleIsValid(tuple))
	{
		is_template = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
		ReleaseSysCache(tuple);
	}
	return is_template || wf_database_ownercheck(database, GetUserId());
}

/* ---- which database does a command need for itself? ---- */

static DefElem *
find_option(List *options, const char *name)
{
	ListCell *lc;

	foreach (lc, options)
	{
		DefElem *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, name) == 0)
			return option;
	}
	return NULL;
}

static Oid
need_of_create(CreatedbStmt *stmt)
{
	DefElem *option = find_option(stmt->options, "template");
	const char *template = "template1";
	Oid database;

	if (option != NULL && option->arg != NULL)
		template = defGetString(option);
	database = get_database_oid(template, true);
	if (!OidIsValid(database) || !has_createdb() || !may_copy(database))
		return InvalidOid;
	return database;
}

/* a database that the caller owns, and is not in */
static Oid
need_of_owner(const char *name)
{
	Oid database = get_database_oid(name, true);

	if (!OidIsValid(database) || database == MyDatabaseId ||
		!wf_database_ownercheck(database, GetUserId()))
		return InvalidOid;
	return database;
}

static Oid
need_of_drop_extension(DropStmt *stmt)
{
	ListCell *lc;

	foreach (lc, stmt->objects)
	{
		Oid extension;

		if (strcmp(strVal(lfirst(lc)), WF_EXTENSION) != 0)
			continue;
		extension = get_extension_oid(WF_EXTENSION, true);
		if (OidIsValid(extension) &&
			wf_extension_ownercheck(extension, GetUserId()))
			return MyDatabaseId;
	}
	return InvalidOid;
}

/*
 * The database that a command needs without our workers, or InvalidOid: it
 * needs none, or will be refused.
 */
static Oid
database_needed(Node *stmt, bool can_be_toplevel)
{
	if (IsA(stmt, DropStmt))
	{
		if (((DropStmt *) stmt)->removeType == OBJECT_EXTENSION)
			return need_of_drop_extension((DropStmt *) stmt);
		return InvalidOid;
	}

	/* all the others are refused inside of a transaction block */
	if (!can_be_toplevel)
		return InvalidOid;
	switch (nodeTag(stmt))
	{
		case T_CreatedbStmt:
			return need_of_create((CreatedbStmt *) stmt);
		case T_DropdbStmt:
			return need_of_owner(((DropdbStmt *) stmt)->dbname);
		case T_AlterDatabaseStmt:
			if (find_option(((AlterDatabaseStmt *) stmt)->options,
							"tablespace") == NULL)
				return InvalidOid;
			return need_of_owner(((AlterDatabaseStmt *) stmt)->dbname);
		case T_RenameStmt:
			if (((RenameStmt *) stmt)->renameType != OBJECT_DATABASE ||
				!has_createdb())
				return InvalidOid;
			return need_of_owner(((RenameStmt *) stmt)->subname);
		default:
			return InvalidOid;
	}
}

/* ---- the hooks ---- */

static bool
is_end_of_prepared(Node *stmt)
{
	return IsA(stmt, TransactionStmt) &&
		   (((TransactionStmt *) stmt)->kind == TRANS_STMT_COMMIT_PREPARED ||
			((TransactionStmt *) stmt)->kind == TRANS_STMT_ROLLBACK_PREPARED);
}

static void
after_prepared(const WfPrepared *before)
{
	/* it may have been a CREATE EXTENSION */
	AcceptInvalidationMessages();
	if (wf_database_find(MyDatabaseId) == NULL && !OidIsValid(wf_schema_oid()))
		return;
	wf_wakeup_prepared_after(before);
}

static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest,
				QueryCompletion *qc)
{
	ProcessUtility_hook_type next =
		next_utility ? next_utility : standard_ProcessUtility;
	Node *stmt = pstmt->utilityStmt;
	bool prepared = false;
	WfPrepared before;

	if (wf_shared != NULL && !RecoveryInProgress() && !IsBinaryUpgrade)
	{
		if (is_end_of_prepared(stmt))
		{
			prepared = true;
			wf_wakeup_prepared_before(&before,
									  ((TransactionStmt *) stmt)->gid);
		}
		else if (IsA(stmt, LockStmt))
			wf_lock_table_check((LockStmt *) stmt);
		else if (!IsA(stmt, TransactionStmt))
		{
			Oid database;

			database =
				database_needed(stmt, context == PROCESS_UTILITY_TOPLEVEL &&
										  !IsTransactionBlock());
			if (OidIsValid(database))
				wf_hold(database);
		}
	}

	next(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest,
		 qc);

	if (prepared)
		after_prepared(&before);
}

static void
access_object(ObjectAccessType access, Oid classId, Oid objectId, int subId,
			  void *arg)
{
	if (next_access)
		next_access(access, classId, objectId, subId, arg);
	if (wf_shared == NULL)
		return;

	if (classId == DatabaseRelationId)
	{
		if (access == OAT_POST_CREATE)
			database_created = objectId;
		else if (access == OAT_DROP)
			database_dropped = objectId;
	}
	else if (classId == ExtensionRelationId)
	{
		char *name;

		/* at creation its row cannot be seen yet */
		if (access == OAT_POST_CREATE)
			extension_created = true;
		if (access != OAT_DROP)
			return;
		name = get_extension_name(objectId);
		if (name != NULL && strcmp(name, WF_EXTENSION) == 0)
			extension_dropped = true;
	}
}

/* In the COMMIT arm nothing may fail. */
static void
tell(void)
{
	if (extension_found)
		(void) wf_database_get(MyDatabaseId);
	if (extension_gone)
		wf_database_no_extension(MyDatabaseId);
	if (OidIsValid(database_created))
		(void) wf_database_get(database_created);
	if (OidIsValid(database_dropped))
		wf_database_forget(database_dropped);
}

static void
at_xact_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (extension_created || extension_dropped)
			{
				bool exists = OidIsValid(wf_schema_oid());

				extension_found = extension_created && exists;
				extension_gone = extension_dropped && !exists;
			}
			return;
		case XACT_EVENT_COMMIT:
			if (extension_found || extension_gone ||
				OidIsValid(database_created) || OidIsValid(database_dropped))
				tell();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	extension_created = extension_found = false;
	extension_dropped = extension_gone = false;
	database_created = database_dropped = InvalidOid;
}

void
wf_hooks_init(void)
{
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	next_access = object_access_hook;
	object_access_hook = access_object;

	/* called last first: a dropped database is forgotten, then released */
	wf_hold_init();
	RegisterXactCallback(at_xact_end, NULL);
}
