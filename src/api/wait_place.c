/*
 * wait_place.c
 *		Whether a procedure may wait where it was called, and without a
 *		snapshot.
 */
#include "postgres.h"

#include "access/xact.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/wait_place.h"
#include "base/clock.h"
#include "ipc/workers.h"

static void
refuse(const char *procedure, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			 errmsg("workflow.%s() cannot wait here", procedure),
			 errdetail("%s", detail),
			 errhint("%s", hint)));
}

void
wf_wait_check_place(const char *procedure)
{
	if (wf_executor_has_run())
		refuse(
			procedure, "It was called by a workflow.",
			"A body or step that waits would keep its executor from all other work.");
	if (IsolationUsesXactSnapshot())
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
