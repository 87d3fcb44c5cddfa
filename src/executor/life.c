/*
 * life.c
 *		The life of a run in an executor, turn by turn.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "executor/announce.h"
#include "executor/ending.h"
#include "executor/life.h"
#include "executor/settings.h"
#include "executor/settle.h"
#include "executor/trouble.h"
#include "executor/turn.h"
#include "executor/undoing.h"
#include "executor/user_code.h"
#include "executor/write.h"
#include "ipc/exits.h"
#include "ipc/stats.h"

static void
begin_turn(WfExecutor *executor, WfTurn *turn)
{
	WfPlay *play = &executor->play;

	memset(turn, 0, sizeof(*turn));
	play->replay.room_for = 0;
	play->park_reason = NULL;
	play->record.run.row = NULL; /* VACUUM FULL may have moved it since */
	wf_user_code_begin_turn(executor);
	MemoryContextReset(play->scratch);
	MemoryContextSwitchTo(play->scratch);
	if (!PostmasterIsAlive())
		proc_exit(1);
	CHECK_FOR_INTERRUPTS();
	wf_settings_reload();
	SetCurrentStatementStartTimestamp();
}

/* One turn, to its commit or to what its failure means. */
static void
do_turn(WfExecutor *executor, WfNext what, WfTurn *turn)
{
	volatile bool committed = false;

	begin_turn(executor, turn);
	PG_TRY();
	{
		StartTransactionCommand();
		MemoryContextSwitchTo(executor->play.scratch);
		wf_turn_do(executor, what, turn);
		wf_write_turn(executor, turn);
		committed = true;
	}
	PG_CATCH();
	{
		wf_trouble_handle(executor, turn);
	}
	PG_END_TRY();
	if (!committed)
		return;

	wf_announce_turn(executor, turn);
	if (turn->undo_begins)
	{
		executor->play.record.run.end_state = turn->end.state;
		wf_undoing_shield(executor);
	}
	if (turn->next == WF_NEXT_STEP)
		wf_play_adopt(&executor->play);
}

/* Between two turns of a run that could go on: has somebody asked to stop? */
static void
look_for_requests(WfExecutor *executor, WfTurn *turn)
{
	if (turn->next == WF_NEXT_NONE || turn->next == WF_NEXT_FAILURE ||
		turn->next == WF_NEXT_SETTLE)
		return;
	if (wf_user_code_is_asked(executor))
		turn->next = WF_NEXT_SETTLE;
	else if (wf_user_code_request(executor) & WF_REQ_YIELD)
		wf_ending_leave(turn, WF_OUTCOME_YIELDED);
}

static void
begin(WfExecutor *executor)
{
	wf_play_begin(&executor->play);
	executor->taken_at = wf_clock_now();
	executor->aborted = false;
	executor->reloads = 0;
	executor->failed = (WfFailed){0};
	wf_settle_seed();

	/* what started the run must be on disk before anything comes of it */
	wf_exit_flush(executor->cell->lsn);
}

WfOutcome
wf_life_run(WfExecutor *executor, TimestampTz *due_at)
{
	WfTurn turn = {.next = WF_NEXT_LOAD};
	int32 workflow_id;

	begin(executor);
	while (turn.next != WF_NEXT_NONE)
	{
		do_turn(executor, turn.next, &turn);
		look_for_requests(executor, &turn);
	}

	workflow_id = executor->play.record.run.workflow_id;
	if (workflow_id != 0)
		wf_stats_add(MyDatabaseId, workflow_id, WF_COUNT_RUN_USEC,
					 Max(wf_clock_now() - executor->taken_at, 0));
	*due_at = turn.due_at;
	return turn.outcome;
}
