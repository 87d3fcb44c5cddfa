/*
 * load.c
 *		What an executor reads of a run before it moves it on, and makes sure of.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/spi.h"
#include "executor/ending.h"
#include "executor/load.h"
#include "ipc/marks.h"
#include "play/sanity.h"
#include "play/version.h"
#include "store/control.h"
#include "store/request.h"

/* Reads run and record; false when there is no such run. */
static bool
read_run(WfExecutor *executor)
{
	WfCell *cell = executor->cell;
	WfRecord *record = &executor->play.record;
	bool found;

	/* not user code, but a row that kills us must not do so for ever */
	wf_mark_set(&cell->work_id, 0, 0, NULL);
	found = wf_run_load(&cell->work_id, &cell->tid, record->cxt, &record->run);
	/* a fork that came in a range is taken for fresh */
	wf_record_load(
		record, &cell->work_id,
		found && (!(cell->flags & WF_ASSIGN_FRESH) || record->run.retried));
	wf_mark_clear();
	return found;
}

/*
 * While the scheduler goes through thousands of requests it offers runs of
 * which it has not read what was asked: such a run is not begun.
 */
static bool
is_to_stop(const WfCell *cell)
{
	WfWindow window;
	bool result;

	if (!(cell->flags & WF_ASSIGN_ASKED))
		return false;
	wf_window_open(&window);
	result = wf_request_is_to_stop(&cell->work_id);
	wf_window_close(&window);
	return result;
}

bool
wf_load_run(WfExecutor *executor, WfTurn *turn)
{
	WfCell *cell = executor->cell;
	WfRun *run = &executor->play.record.run;
	bool found = read_run(executor);

	if (found && run->origin == wf_origin())
		wf_sanity_check(&executor->play);
	if (!found || wf_run_is_final(run->state))
	{
		/* whoever ended it may not have come to tell its parent */
		wf_ending_leave(turn, WF_OUTCOME_ENDED);
		cell->tells_parent = found && run->has_parent;
		cell->parent_id = run->parent_run_id;
	}
	else if (run->state != WF_RUN_QUEUED && run->state != WF_RUN_WAITING &&
			 run->state != WF_RUN_COMPENSATING)
		wf_ending_leave(turn, WF_OUTCOME_PARKED);
	else if (run->origin != wf_origin())
		wf_ending_leave(turn, WF_OUTCOME_FOREIGN);
	else if (run->waiting_for == WF_WAIT_HELD)
		wf_ending_leave(turn, WF_OUTCOME_WAITS);
	else if (run->paused)
		wf_ending_leave(turn, WF_OUTCOME_PAUSED);
	else if (run->state != WF_RUN_WAITING &&
			 Max(run->due_at, run->run_at) > wf_clock_now())
	{
		wf_ending_leave(turn, WF_OUTCOME_LATER);
		turn->due_at = Max(run->due_at, run->run_at);
	}
	else if (is_to_stop(cell))
		wf_ending_leave(turn, WF_OUTCOME_YIELDED);
	else
		return true;
	return false;
}

void
wf_load_check_owner(WfExecutor *executor)
{
	WfPlay *play = &executor->play;
	const WfRun *run = &play->record.run;
	char *name = GetUserNameFromId(GetUserId(), true);

	play->park_reason = WF_REASON_OWNER;
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role that owns the run does not exist"),
				 errhint("Create the role \"%s\" again, call workflow.start() to give it its runs back, then workflow.retry_run().",
						 run->owner_name)));
	if (run->owner != GetUserId() || strcmp(name, run->owner_name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the run's owner \"%s\" is not role \"%s\"",
						run->owner_name, name),
				 errhint("If the role was renamed, give it its name back, then call workflow.retry_run().")));
	play->park_reason = NULL;
}

void
wf_load_recheck(WfExecutor *executor)
{
	if (wf_version_is_checked(&executor->play))
		return;
	wf_load_check_owner(executor);
	wf_version_prepare(&executor->play);
}

/*
 * Committed at once, as the step that comes next may abort this transaction.
 */
void
wf_load_settle_unknown(WfExecutor *executor, WfStep *step)
{
	WfRecord *record = &executor->play.record;
	WfWindow window;

	step->match.state = WF_STEP_FAILED;
	step->finished_at = wf_clock_now();
	strlcpy(step->error.code, "WF002", sizeof(step->error.code));
	step->error.message = "outcome of the step is unknown";
	step->error.detail =
		"It was started at most once, and its executor ended before the outcome was recorded.";
	record->matches[step->ordinal - 1] = step->match;

	wf_window_open(&window);
	wf_step_update(&record->run.run_id, step);
	wf_window_close(&window);
	CommitTransactionCommand();
	record->run.row = NULL;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(executor->play.scratch);
}
