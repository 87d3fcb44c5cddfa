/*
 * wait_place.c
 *		Whether a procedure may wait where it was called, without a snapshot
 *		and without locks (see wait_place.h).
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "nodes/parsenodes.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/portal.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/wait_place.h"
#include "base/clock.h"
#include "play/word.h"

static void
refuse(const char *procedure, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			 errmsg("workflow.%s() cannot wait here", procedure),
			 errdetail("%s", detail),
			 errhint("%s", hint)));
}

/*
 * Outside a transaction block nobody has asked for the default isolation level
 * of this transaction, and nothing was read in it: another one takes its place,
 * whose statements see what is new.  False where that cannot be.
 */
static bool
restart_transaction(FunctionCallInfo fcinfo)
{
	const CallContext *context = (const CallContext *) fcinfo->context;

	if (context == NULL || !IsA(context, CallContext) || context->atomic ||
		TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return false;
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	SPI_commit();
	XactIsoLevel = XACT_READ_COMMITTED;
	SPI_finish();
	EnsurePortalSnapshotExists();
	return true;
}

void
wf_wait_check_place(FunctionCallInfo fcinfo, const char *procedure)
{
	if (wf_word_has_run())
		refuse(
			procedure, "It was called by a workflow.",
			"A body or step that waits would keep its executor from all other work.");
	if (IsolationUsesXactSnapshot() && !restart_transaction(fcinfo))
		refuse(
			procedure,
			"The transaction is REPEATABLE READ or SERIALIZABLE and sees nothing newer than its snapshot.",
			"Wait in a transaction that is READ COMMITTED, or outside a transaction block.");
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		refuse(
			procedure,
			"The transaction has written something that others cannot see before it commits.",
			"Commit first.");
}

void
wf_wait_drop_snapshot(const char *procedure)
{
	static const char *const detail =
		"It was called inside a function, a query or beside an open cursor, whose snapshot would be held.";
	static const char *const hint =
		"Call it as a statement of its own, or in a DO block or a procedure outside a transaction block.";

	if (ActivePortal == NULL || ActivePortal->portalSnapshot == NULL ||
		!ActiveSnapshotSet() ||
		GetActiveSnapshot() != ActivePortal->portalSnapshot)
		refuse(procedure, detail, hint);
	PopActiveSnapshot();
	ActivePortal->portalSnapshot = NULL;

	/*
	 * A CALL that returns a row has its snapshot registered, too, lest TOAST
	 * pointers in the row lose what they point to.  Our rows have none.
	 */
	if (ActivePortal->holdSnapshot)
	{
		UnregisterSnapshotFromOwner(ActivePortal->holdSnapshot,
									ActivePortal->resowner);
		ActivePortal->holdSnapshot = NULL;
	}
	InvalidateCatalogSnapshot();
	if (HaveRegisteredOrActiveSnapshot())
		refuse(procedure, detail, hint);
}

/*
 * An error leaves the owner to the end of the (sub)transaction, as a child of
 * the one that was current.  No subtransaction: its abort would end the sleep
 * on a condition variable that a look comes after.
 */
void
wf_wait_look(void (*look)(void *), void *arg)
{
	ResourceOwner old = CurrentResourceOwner;
	ResourceOwner owner = ResourceOwnerCreate(old, "workflow look");

	CurrentResourceOwner = owner;
	AcceptInvalidationMessages();
	look(arg);
	CurrentResourceOwner = old;
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_LOCKS, false, false);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
	ResourceOwnerDelete(owner);
}

TimestampTz
wf_wait_end(FunctionCallInfo fcinfo, int arg)
{
	Interval *timeout = wf_arg_interval(fcinfo, arg, "timeout", false);

	if (timeout == NULL)
		return DT_NOEND;
	return DatumGetTimestampTz(DirectFunctionCall2(
		timestamptz_pl_interval, TimestampTzGetDatum(wf_clock_now()),
		IntervalPGetDatum(timeout)));
}
