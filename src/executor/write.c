/*
 * write.c
 *		What a turn has worked out is written, in one commit.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "base/spi.h"
#include "base/stoppoint.h"
#include "executor/family.h"
#include "executor/handover.h"
#include "executor/settle.h"
#include "executor/show.h"
#include "executor/undoing.h"
#include "executor/write.h"
#include "ipc/stats.h"
#include "ipc/wakeup.h"
#include "play/calls.h"
#include "play/items.h"
#include "store/attempt.h"
#include "store/message_task.h"
#include "store/request.h"
#include "store/undo.h"

/* ---- steps ---- */

static void
write_steps(const WfRecord *record)
{
	const pg_uuid_t *run_id = &record->run.run_id;
	WfWindow window;

	for (int i = 0; i < record->nwrites; i++)
	{
		const WfWrite *write = &record->writes[i];
		const WfStep *step = &record->steps[write->ordinal - 1];

		if (!write->exists)
		{
			wf_step_insert(run_id, step);
			continue;
		}
		wf_window_open(&window);
		wf_step_update(run_id, step);
		wf_window_close(&window);
	}
}

/* What was written is committed. */
static void
count_steps(WfExecutor *executor)
{
	WfRecord *record = &executor->play.record;
	int32 workflow_id = record->run.workflow_id;

	for (int i = 0; i < record->nwrites; i++)
	{
		const WfStep *step = &record->steps[record->writes[i].ordinal - 1];

		/* what chunks did is counted with them */
		if (step->match.state == WF_STEP_DONE &&
			wf_calls_get(step->match.kind)->is_counted)
		{
			wf_stats_add(MyDatabaseId, workflow_id, WF_COUNT_STEPS, 1);
			executor->slot->steps++;
		}
		if (step->match.kind == WF_STEP_KIND_STEP)
			wf_stats_add(MyDatabaseId, workflow_id, WF_COUNT_STEP_USEC,
						 Max(step->finished_at - step->started_at, 0));
	}
	record->nwrites = 0;
}

/* ---- the run ---- */

WF_NORETURN static void
raise_gone(WfTurn *turn)
{
	turn->gone = true;
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("the workflow run has ended otherwise")));
	pg_unreachable();
}

/* The run's row, where it ends. */
static void
write_end(WfExecutor *executor, WfTurn *turn)
{
	const WfRun *run = &executor->play.record.run;
	WfRunEnd *end = &turn->end;
	WfWindow window;
	bool done;

	end->progress = wf_show_shown(executor->slot);
	if (turn->continues != NULL)
		done = wf_handover_write(executor, turn);
	else if (!turn->undo_ends)
		done = wf_run_end(run, end);
	else
	{
		wf_window_open(&window);
		done = wf_undo_finish(&run->run_id, end->finished_at, end->blocks,
							  turn->error.code);
		wf_window_close(&window);
	}
	if (!done)
		raise_gone(turn);
}

/* What the run has waited for is taken: nothing may wait for that any more. */
static bool
has_resumed(const WfRecord *record)
{
	const WfRun *run = &record->run;

	return record->nwrites > 0 && (run->state == WF_RUN_WAITING ||
								   (run->state == WF_RUN_COMPENSATING &&
									run->waiting_for == WF_WAIT_TASK));
}

/* The run's row, where it has not ended; the state it is in then. */
static char
write_run(WfExecutor *executor, WfTurn *turn)
{
	WfRun *run = &executor->play.record.run;
	WfWindow window;
	char state = wf_undoing_runs(executor) ? WF_RUN_COMPENSATING
				 : turn->has_wait		   ? WF_RUN_WAITING
										   : WF_RUN_QUEUED;

	if (!turn->has_later && !turn->has_wait && !turn->undo_begins &&
		!has_resumed(&executor->play.record) &&
		!(turn->has_end && turn->end.state == WF_RUN_CANCELLED))
		return run->state;
	wf_window_open(&window);
	if (turn->undo_begins)
	{
		if (!wf_undo_begin(&run->run_id, &turn->end))
			raise_gone(turn);
		wf_request_delete_for(&run->run_id);
		state = WF_RUN_COMPENSATING;
	}
	else if (turn->has_later)
	{
		if (turn->body_attempts > run->body_attempts)
			wf_attempt_of_body(&run->run_id, turn->body_attempts,
							   executor->taken_at, &turn->error);
		wf_run_retry_later(&run->run_id, turn->due_at, executor->taken_at,
						   turn->body_attempts, &turn->error,
						   wf_show_shown(executor->slot));
	}
	else if (turn->has_wait)
		wf_run_wait(&run->run_id, turn->waiting_for, turn->due_at,
					run->started_at, wf_show_shown(executor->slot));
	else if (turn->has_end)
		wf_request_delete_for(&run->run_id);
	else
	{
		wf_run_resume(&run->run_id);
		run->waiting_for = '\0';
	}
	wf_window_close(&window);
	return turn->has_end ? run->state : state;
}

/* Nobody waits for the tasks of a run that has ended. */
static void
withdraw_tasks(const WfPlay *play)
{
	const WfRecord *record = &play->record;
	WfWindow window;
	int64 *ids;
	int n;
	bool any = false;

	for (int i = 0; i < record->nsteps && !any; i++)
		any = record->steps[i].message_id != 0 &&
			  record->steps[i].match.state == WF_STEP_WAITING;
	if (!any)
		return;
	wf_window_open(&window);
	n = wf_task_withdraw(&record->run.run_id, play->scratch, &ids);
	wf_window_close(&window);
	for (int i = 0; i < n; i++)
		wf_note_message(ids[i]);
}

/* ---- all of it ---- */

void
wf_write_turn(WfExecutor *executor, WfTurn *turn)
{
	WfPlay *play = &executor->play;
	char state;

	if (WF_BROKEN("commit-step-apart") && play->record.nwrites > 0)
	{
		CommitTransactionCommand();
		WF_STOP("exec-before-checkpoint");
		StartTransactionCommand();
	}
	turn->writing = true;
	if (!WF_BROKEN("lose-checkpoint"))
		write_steps(&play->record);
	if (turn->has_end || turn->undo_begins)
		wf_family_before_end(executor, turn);
	else
		wf_items_release(play);
	if (turn->has_end)
		write_end(executor, turn);
	state = write_run(executor, turn);
	if (turn->undo_begins ||
		(turn->has_end && wf_run_is_final(turn->end.state)))
		withdraw_tasks(play);
	turn->writing = false;
	WF_STOP("exec-before-commit");
	wf_settle_check();
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		executor->cell->wrote = true;
	CommitTransactionCommand();
	play->record.run.state = state;
	count_steps(executor);
	WF_STOP("exec-after-commit");
}
