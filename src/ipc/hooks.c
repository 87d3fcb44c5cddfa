/*
 * hooks.c
 *		Commands of others that concern our workers.
 *
 * DROP DATABASE, ALTER DATABASE RENAME and SET TABLESPACE, and CREATE DATABASE
 * with one of ours as template fail while anybody is connected, so our workers
 * are kept out (hold.c) while such a command runs; likewise for DROP EXTENSION
 * workflow, which would wait for their locks.  A command on a database that
 * will be refused has no effect on them: need.c looks for all that can be
 * known beforehand, and waits for others first.
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

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/inval.h"

#include "base/spi.h"
#include "ipc/entries.h"
#include "ipc/hooks.h"
#include "ipc/need.h"
#include "ipc/order.h"
#include "ipc/receivers.h"
#include "ipc/wakeup.h"

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

/* ---- the hooks ---- */

static bool
is_end_of_prepared(Node *stmt)
{
	return IsA(stmt, TransactionStmt) &&
		   (((TransactionStmt *) stmt)->kind == TRANS_STMT_COMMIT_PREPARED ||
			((TransactionStmt *) stmt)->kind == TRANS_STMT_ROLLBACK_PREPARED);
}

static void
after_prepared(const WfPrepared *before, bool committed)
{
	/* it may have been a CREATE EXTENSION */
	AcceptInvalidationMessages();
	if (wf_database_find(MyDatabaseId) == NULL && !OidIsValid(wf_schema_oid()))
		return;
	wf_wakeup_prepared_after(before);
	if (committed && TransactionIdIsValid(before->xid))
		wf_order_prepared(before->xid);
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
			bool alone = context == PROCESS_UTILITY_TOPLEVEL &&
						 !IsTransactionBlock() &&
						 (MyXactFlags & XACT_FLAGS_PIPELINING) == 0;
			WfNeed need;

			if (wf_need_find(stmt, alone, &need) && wf_need_secure(&need))
				wf_hold(need.database);
		}
	}

	next(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest,
		 qc);

	if (prepared)
		after_prepared(&before, ((TransactionStmt *) stmt)->kind ==
									TRANS_STMT_COMMIT_PREPARED);
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
	{
		wf_database_no_extension(MyDatabaseId);
		wf_receivers_changed(MyDatabaseId);
	}
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
