/*
 * exec_load.c
 *		What an executor reads of a run before it moves it on.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/spi.h"
#include "core/state.h"
#include "worker/exec_turn.h"

void
wf_load_check_owner(WfExec *exec)
{
	char *name = GetUserNameFromId(GetUserId(), true);

	exec->park_reason = WF_REASON_OWNER;
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role that owns the run does not exist"),
				 errhint("Create the role \"%s\" again, call workflow.start() to give it its runs back, then workflow.retry_run().",
						 exec->run.owner_name)));
	if (exec->run.owner != GetUserId() ||
		strcmp(name, exec->run.owner_name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the run's owner \"%s\" is not role \"%s\"",
						exec->run.owner_name, name),
				 errhint("If the role was renamed, give it its name back, then call workflow.retry_run().")));
	exec->park_reason = NULL;
}

/*
 * An at-most-once step was started by a process that is no more: nobody knows
 * how far it came, so the body gets WF002 for it.  Committed at once, as the
 * step that comes next may abort this transaction.
 */
void
wf_load_settle_unknown(WfExec *exec)
{
	WfStep *step = &exec->steps[exec->nsteps - 1];
	WfWindow window;

	step->match.state = WF_STEP_FAILED;
	step->finished_at = wf_clock_now();
	strlcpy(step->error.code, "WF002", sizeof(step->error.code));
	step->error.message = "outcome of the step is unknown";
	step->error.detail =
		"It was started at most once, and its executor ended before the outcome was recorded.";
	exec->records[exec->nsteps - 1] = step->match;

	wf_window_open(&window);
	wf_step_update(&exec->run.run_id, step);
	wf_window_close(&window);
	CommitTransactionCommand();
	exec->run.row = NULL;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(exec->turn_cxt);
}
