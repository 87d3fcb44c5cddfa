/*
 * exec_settle.c
 *		What user code leaves behind in its process, and how it is put away.
 *
 * A step's statement can leave work for the commit: deferred triggers and
 * WITH HOLD cursors.  A trigger that fires then can defer the next one by SET
 * CONSTRAINTS, or open the next cursor.  All of this must run as the user code
 * that it is: under the step's time-out, where a cancel reaches it, and before
 * anything is put back.  So the end of a step does what PostgreSQL's commit
 * would do, in the same order, until there is no more to do:
 *
 *	1. deferred triggers and constraints fire, until none is left
 *	2. the trigger queue is replaced by an empty one, and cursors are closed
 *	   without being kept; should that queue a trigger, it begins anew
 *	3. settings go back, SET ROLE and SET SESSION AUTHORIZATION included
 *	4. LISTEN is undone, temporary tables are dropped
 *	5. session locks, prepared statements, sequence caches and the origin of
 *	   replication go (wf_session_clean(), also used after each replay and
 *	   after an abort, which undoes only 1 to 4)
 *
 * From 3 on nothing of the user's runs.  Dropping a temporary table fires no
 * event trigger, as it is an internal deletion, and its ON COMMIT action goes
 * with it; our own tables have no trigger, rule, policy or expression; settings
 * have assign hooks in C alone.  wf_settle_check() makes sure of that before
 * the commit: where anything has been queued or opened since, the turn fails
 * rather than run it.
 *
 * A function that catches the error of a cancel goes on, here as in a step.
 * What lies outside of this server's transaction is beyond reach: postgres_fdw
 * commits its remote transactions in our commit, and what is deferred there
 * fires there.
 *
 * What PostgreSQL keeps for the life of a process stays: the name of a custom
 * setting, and whatever a procedural language or a library keeps in variables
 * of its own.  random() is seeded anew for each run.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/async.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/memnodes.h"
#include "replication/origin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "base/entropy.h"
#include "worker/exec.h"

/* of the context that PostgreSQL makes with the first event of a queue */
#define TRIGGER_EVENTS_CONTEXT "AfterTriggerEvents"

/* Does the queue have memory, as it has from its first event on? */
static bool
trigger_is_queued(void)
{
	MemoryContext cxt;

	for (cxt = TopTransactionContext->firstchild; cxt != NULL;
		 cxt = cxt->nextchild)
	{
		if (strcmp(cxt->name, TRIGGER_EVENTS_CONTEXT) == 0)
			return true;
	}
	return false;
}

/*
 * Fires what is deferred, then closes cursors, as long as there is something.
 * The new queue after the last event was fired also forgets SET CONSTRAINTS.
 */
static void
run_deferred(void)
{
	do
	{
		CHECK_FOR_INTERRUPTS();
		AfterTriggerFireDeferred();
		AfterTriggerEndXact(true);
		AfterTriggerBeginXact();
		PortalHashTableDeleteAll();
	} while (trigger_is_queued());
}

void
wf_settle_step(int nest)
{
	run_deferred();
	AtEOXact_GUC(false, nest);
	Async_UnlistenAll();
	if (MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE)
	{
		/* deleting from catalogs needs one, lest TOAST pointers dangle */
		PushActiveSnapshot(GetTransactionSnapshot());
		ResetTempTableNamespace();
		PopActiveSnapshot();
	}
	wf_session_clean();
}

void
wf_session_clean(void)
{
	LockReleaseSession(USER_LOCKMETHOD);
	DropAllPreparedStatements();
	ResetSequenceCaches();
	if (replorigin_session_origin != InvalidRepOriginId)
	{
		replorigin_session_reset();
		replorigin_session_origin = InvalidRepOriginId;
		replorigin_session_origin_lsn = InvalidXLogRecPtr;
		replorigin_session_origin_timestamp = 0;
	}
}

void
wf_settle_check(void)
{
	if (GetCurrentTransactionNestLevel() != 1 || !ThereAreNoReadyPortals() ||
		trigger_is_queued())
		elog(ERROR, "user code has left something to be done by the commit");
}

/* A seed is in [-1, 1]: 53 bits for the fraction, and the sign. */
void
wf_settle_seed(void)
{
	uint64 bits = wf_entropy();
	double seed = (double) (bits >> 11) / (double) (UINT64CONST(1) << 53);

	if (bits & 1)
		seed = -seed;
	(void) DirectFunctionCall1(setseed, Float8GetDatum(seed));
}
