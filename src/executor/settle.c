/*
 * settle.c
 *		What user code leaves behind in its process, and how it is put away.
 *
 *	1. deferred triggers and constraints fire now, as the run's owner
 *	2. portals are closed, so that no WITH HOLD cursor runs at commit
 *	3. GUCs go back, SET ROLE and SET SESSION AUTHORIZATION included
 *	4. LISTEN is undone, temporary tables are dropped
 *	5. advisory locks of the session, prepared statements and sequence caches
 *	   are dropped (by wf_settle_session(), also used after each replay)
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/async.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "executor/settle.h"

void
wf_settle_step(int nest)
{
	ConstraintsSetStmt all_immediate = {
		.type = T_ConstraintsSetStmt, .constraints = NIL, .deferred = false};

	AfterTriggerSetState(&all_immediate);
	PortalHashTableDeleteAll();
	AtEOXact_GUC(false, nest);
	Async_UnlistenAll();
	if (MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE)
	{
		/* deleting from catalogs needs one, lest TOAST pointers dangle */
		PushActiveSnapshot(GetTransactionSnapshot());
		ResetTempTableNamespace();
		PopActiveSnapshot();
	}
	wf_settle_session();
}

void
wf_settle_session(void)
{
	LockReleaseSession(USER_LOCKMETHOD);
	DropAllPreparedStatements();
	ResetSequenceCaches();
}
