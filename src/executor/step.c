/*
 * step.c
 *		Running a step: one SQL statement, at top level, to its end.
 *
 * The statement runs in the transaction itself; a subtransaction around it
 * would double the transaction ids used.  What it can leave behind, besides
 * the rows it wrote, is put away (settle.c) before anything of ours is
 * written.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "base/guc.h"
#include "executor/settle.h"
#include "executor/step.h"
#include "executor/user_code.h"
#include "play/statement.h"

/* A statement_timeout of role or database does not count: policies do. */
int64
wf_step_timeout(const WfPolicy *policy)
{
	if (policy->timeout > 0)
		return policy->timeout;
	return wf_default_step_timeout * INT64CONST(1000);
}

Jsonb *
wf_step_run(WfExecutor *executor, const WfPolicy *policy, MemoryContext cxt)
{
	WfPlay *play = &executor->play;
	int64 timeout = wf_step_timeout(policy);
	int nest = NewGUCNestLevel();
	Jsonb *value;

	play->place = WF_PLACE_STEP;
	play->replay.derived = PG_INT32_MAX; /* apart from what the body derives */
	if (timeout > 0)
		wf_user_code_start_timer(timeout, true);

	value = wf_statement_run(play, cxt);
	wf_settle_step(nest);
	CHECK_FOR_INTERRUPTS();
	if (wf_user_code_is_interrupted(executor))
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("the step caught the error that was to end it")));
	if (timeout > 0)
		wf_user_code_stop_timer();
	play->place = WF_PLACE_ENGINE;

	if (GetCurrentTransactionNestLevel() != 1 ||
		GetUserId() != play->record.run.owner ||
		InSecurityRestrictedOperation() || InLocalUserIdChange())
		elog(ERROR, "a step has left its transaction in an unexpected state");
	return value;
}
