/*
 * turn.c
 *		The turns of a run: what happens before anything is written.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/spi.h"
#include "base/stoppoint.h"
#include "core/derive.h"
#include "executor/ending.h"
#include "executor/load.h"
#include "executor/settle.h"
#include "executor/show.h"
#include "executor/step.h"
#include "executor/turn.h"
#include "executor/undoing.h"
#include "executor/user_code.h"
#include "play/player.h"
#include "play/version.h"
#include "play/waiting.h"

/*
 * From so many records on a transaction replays the body but once: PL/pgSQL
 * evaluates an expression that an error has left the slow way for the rest of
 * the transaction.
 */
#define WF_LONG_RECORD 100

/* ---- replays ---- */

/*
 * Replays, and again as long as a call that waits finds what it waits for at
 * once, or only starts something.  WANTS then means a step.  A body that starts
 * very much does not keep the commit waiting.
 */
static WfReplayEnd
replay(WfPlay *play, bool bounded)
{
	TimestampTz begun = wf_clock_system();

	for (;;)
	{
		WfReplayEnd end = wf_player_replay(play, bounded);
		bool again = false;

		if (play->pending.n > 0)
			wf_waiting_begin_pending(play, end != WF_REPLAY_WANTS &&
											   end != WF_REPLAY_WAITS);
		if (end == WF_REPLAY_WAITS)
			again = wf_waiting_settle(play);
		else if (end == WF_REPLAY_WANTS && play->asked.kind->is_plain)
		{
			again = wf_waiting_begin(play, &play->asked);
			end = WF_REPLAY_WAITS;
		}
		if (!again)
		{
			wf_waiting_mark_given(play);
			return end;
		}
		if (play->record.nwrites >= WF_MAX_TURN_WRITES ||
			(bounded && wf_clock_system() - begun > WF_BOUNDED_REPLAY_USEC))
			return WF_REPLAY_LATER;
	}
}

/* The run leaves the executor until something comes for one of its calls. */
static void
wait_for_call(const WfPlay *play, WfTurn *turn)
{
	const WfRun *run = &play->record.run;

	turn->waiting_for = wf_waiting_for(play, &turn->due_at);
	turn->has_wait =
		play->record.nwrites > 0 || run->state != WF_RUN_WAITING ||
		run->waiting_for != turn->waiting_for || run->due_at != turn->due_at;
	wf_ending_leave(turn, WF_OUTCOME_WAITS);
}

/* The body keeps catching what is to end it. */
static void
park_swallowed(WfExecutor *executor, WfTurn *turn)
{
	wf_player_set_swallowed(&turn->error);
	turn->error.hint =
		"Let errors of class QUERY_CANCELED through. After repair of the body call workflow.retry_run().";
	wf_ending_set(executor, turn, WF_RUN_PARKED, WF_REASON_BODY);
}

/* What a replay showed; true when a step can be run in this transaction. */
static bool
take_replay(WfExecutor *executor, WfTurn *turn, WfReplayEnd end)
{
	const WfPlay *play = &executor->play;

	/* what the body met may come of a right that it has lost meanwhile */
	if ((end == WF_REPLAY_ERROR || end == WF_REPLAY_DIFFERENT) &&
		!wf_version_is_checked(play))
		end = WF_REPLAY_LATER;
	switch (end)
	{
		case WF_REPLAY_WANTS:
			turn->next = WF_NEXT_STEP;
			/* nothing may follow from what was taken before that is durable */
			return play->record.nwrites == 0 &&
				   play->record.nsteps < WF_LONG_RECORD;
		case WF_REPLAY_WAITS:
			wait_for_call(play, turn);
			break;
		case WF_REPLAY_ENDED:
			wf_ending_set(executor, turn, WF_RUN_SUCCEEDED, NULL);
			break;
		case WF_REPLAY_CONTINUES:
			/* what the step has enqueued comes before, in its own commit */
			if (play->record.nwrites > 0)
				turn->next = WF_NEXT_REPLAY;
			else
			{
				wf_ending_set(executor, turn, WF_RUN_SUCCEEDED, NULL);
				turn->continues = play->replay.continues;
			}
			break;
		case WF_REPLAY_ERROR:
			wf_ending_by_body(executor, turn);
			break;
		case WF_REPLAY_DIFFERENT:
			turn->error = play->replay.error;
			wf_ending_set(executor, turn, WF_RUN_PARKED, WF_REASON_REPLAY);
			break;
		case WF_REPLAY_SWALLOWED:
			park_swallowed(executor, turn);
			break;
		case WF_REPLAY_CANCELLED:
			wf_ending_from_outside(executor, turn);
			break;
		case WF_REPLAY_LATER:
			turn->next = WF_NEXT_REPLAY;
			break;
	}
	return false;
}

/* The same of a replay that is made now. */
static bool
go_on(WfExecutor *executor, WfTurn *turn, bool bounded)
{
	return take_replay(executor, turn, replay(&executor->play, bounded));
}

/* ---- load ---- */

/*
 * The call that has no outcome, and never will (see commit_start), or NULL.
 * Behind it are others only where retry_run() began an older call again.
 */
static WfStep *
find_unknown(const WfRecord *record)
{
	for (int i = record->nsteps - 1; i >= 0; i--)
	{
		if (record->matches[i].state == WF_STEP_STARTED)
			return &record->steps[i];
	}
	return NULL;
}

static bool
load_turn(WfExecutor *executor, WfTurn *turn)
{
	WfPlay *play = &executor->play;
	WfRecord *record = &play->record;
	WfStep *unknown;

	if (!wf_load_run(executor, turn))
		return false;
	wf_load_check_owner(executor);
	wf_version_prepare(play);
	wf_show_run(executor->slot, &record->run, executor->taken_at);
	play->progress_place = 0;
	if (wf_undoing_runs(executor))
		return wf_undoing_load(executor, turn);
	unknown = find_unknown(record);
	if (unknown != NULL)
	{
		wf_load_settle_unknown(executor, unknown);
		if (wf_ending_parks(executor))
		{
			wf_ending_park_at_step(executor, turn, unknown);
			return false;
		}
	}
	if (record->run.deadline_at <= wf_clock_now())
	{
		pg_atomic_fetch_or_u32(&executor->cell->request, WF_REQ_TIMEOUT);
		wf_ending_from_outside(executor, turn);
		return false;
	}
	if (record->run.state == WF_RUN_WAITING)
		(void) wf_waiting_settle(play);
	return go_on(executor, turn, false);
}

/* ---- step ---- */

/* The durable start of an at-most-once step, in a commit of its own. */
static void
commit_start(WfExecutor *executor, WfTurn *turn, const WfPolicy *policy)
{
	WfPlay *play = &executor->play;
	WfRun *run = &play->record.run;
	WfWindow window;
	WfStep step;

	wf_play_fill_step(play, policy, &step);
	step.match.state = WF_STEP_STARTED;
	step.started_at = wf_clock_now();
	turn->writing = true;
	if (step.ordinal > play->record.nsteps)
		wf_step_insert(&run->run_id, &step);
	else
	{
		/* it failed, and retry_run() wants it once more */
		wf_window_open(&window);
		wf_step_update(&run->run_id, &step);
		wf_window_close(&window);
	}
	turn->writing = false;
	ForceSyncCommit();
	wf_settle_check();
	CommitTransactionCommand();
	run->row = NULL;
	wf_record_put(&play->record, &step);
	WF_STOP("exec-started");

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(play->scratch);
}

/* A call whose outcome comes from elsewhere, once it is started. */
static void
start_turn(WfExecutor *executor, WfTurn *turn, const WfPolicy *policy)
{
	WfPlay *play = &executor->play;
	WfStep step;

	turn->where = WF_IN_STEP;
	play->wanted.permanent = false;
	wf_play_fill_step(play, policy, &step);
	step.max_attempts = 0;
	step.started_at = wf_clock_now();
	wf_show_step(executor->slot, &step, executor->failed.started_at);
	/* it may wait for a client that is using the same dedup_key */
	wf_user_code_enter(executor, step.ordinal, step.attempt);
	wf_waiting_start(play, &step);
	wf_user_code_leave(executor);
	WF_STOP("exec-after-start");
	wf_record_write(&play->record, &step);
	if (wf_undoing_runs(executor))
		wf_undoing_wait(executor, turn);
	else
		(void) go_on(executor, turn, true);
}

static void
step_turn(WfExecutor *executor, WfTurn *turn)
{
	WfPlay *play = &executor->play;
	WfPolicy policy;
	WfStep step;
	TimestampTz started_at;

	executor->failed.started_at = wf_clock_now();
	wf_play_policy(play, &policy);
	if (wf_waiting_is_started(play))
	{
		start_turn(executor, turn, &policy);
		return;
	}
	if (policy.at_most_once)
		commit_start(executor, turn, &policy);

	turn->where = WF_IN_STEP;
	play->wanted.permanent = false;
	started_at = wf_clock_now();
	wf_play_fill_step(play, &policy, &step);
	wf_show_step(executor->slot, &step, executor->failed.started_at);
	WF_STOP("exec-before-step");

	wf_user_code_enter(executor, step.ordinal, step.attempt);
	step.result = wf_step_run(executor, &policy, play->record.cxt);
	wf_user_code_leave(executor);
	WF_STOP("exec-after-step");

	step.match.state = WF_STEP_DONE;
	step.started_at = started_at;
	step.finished_at = wf_clock_now();
	wf_record_write(&play->record, &step);
	if (wf_undoing_runs(executor))
		wf_undoing_after(executor, turn);
	else if (play->replay.slow)
		turn->next = WF_NEXT_REPLAY;
	else
		(void) go_on(executor, turn, true);
}

/* How long to wait after the attempt that has failed. */
static int64
delay_after(const WfExecutor *executor, const WfPolicy *policy,
			const WfStep *step)
{
	uint64 seed = wf_derive_bits(&executor->play.record.run.run_id,
								 step->ordinal, step->attempt);

	if (executor->failed.verdict == WF_VERDICT_FREE_RETRY)
		return wf_policy_free_delay(step->free_retries, seed);
	return wf_policy_delay(policy, step->attempt - step->free_retries, seed);
}

/*
 * The step's last attempt failed (executor->failed): it will be tried again
 * later, or it gave up and the body is to hear of it.
 */
static void
failure_turn(WfExecutor *executor, WfTurn *turn)
{
	WfPlay *play = &executor->play;
	const WfFailed *failed = &executor->failed;
	WfPolicy policy;
	WfStep step;

	wf_play_policy(play, &policy);
	wf_play_fill_step(play, &policy, &step);
	step.error = failed->error;
	step.started_at = failed->started_at;
	step.finished_at = wf_clock_now();

	if (failed->verdict == WF_VERDICT_RETRY ||
		failed->verdict == WF_VERDICT_FREE_RETRY)
	{
		step.match.state = WF_STEP_RETRYING;
		step.due_at = step.finished_at + delay_after(executor, &policy, &step);
		if (failed->verdict == WF_VERDICT_FREE_RETRY)
			step.free_retries++;
		wf_record_write(&play->record, &step);
		turn->has_later = true;
		turn->due_at = step.due_at;
		turn->body_attempts = play->record.run.body_attempts;
		turn->error = failed->error;
		wf_ending_leave(turn, WF_OUTCOME_LATER);
		return;
	}

	step.match.state = WF_STEP_FAILED;
	wf_record_write(&play->record, &step);
	if (wf_undoing_runs(executor) || wf_ending_parks(executor))
	{
		wf_ending_park_at_step(executor, turn, &step);
		return;
	}
	/* the failure is recorded, whatever has become of the owner's rights */
	if (!wf_version_is_checked(play))
		turn->next = WF_NEXT_REPLAY;
	else
		(void) go_on(executor, turn, true);
}

/* ---- all of it ---- */

/*
 * A run with a dedup_key may be replaced while it has not begun, and an abort
 * makes it such again: it is locked first, and looked at again after an abort.
 */
static bool
is_still_ours(WfExecutor *executor, WfNext what, WfTurn *turn)
{
	const WfCell *cell = executor->cell;
	WfRun run;

	if (!(cell->flags & WF_ASSIGN_DEDUP))
		return true;
	if (!wf_run_lock(&cell->work_id))
	{
		/* being replaced; that transaction's end also tells the scheduler */
		wf_ending_leave(turn, WF_OUTCOME_LATER);
		turn->due_at = wf_clock_now() + USECS_PER_SEC;
		return false;
	}
	if (executor->aborted && what != WF_NEXT_LOAD &&
		!wf_run_load(&cell->work_id, NULL, executor->play.scratch, &run))
	{
		wf_ending_leave(turn, WF_OUTCOME_ENDED);
		return false;
	}
	executor->aborted = false;
	return true;
}

void
wf_turn_do(WfExecutor *executor, WfNext what, WfTurn *turn)
{
	bool adopt = false;
	bool undo = false;

	if (!is_still_ours(executor, what, turn))
		return;
	/* what ends a run from outside needs no right, nor a body */
	if (what == WF_NEXT_REPLAY || what == WF_NEXT_STEP || what == WF_NEXT_UNDO)
		wf_load_recheck(executor);
	if (what != WF_NEXT_LOAD && what != WF_NEXT_SETTLE)
		wf_version_force_path(&executor->play);
	if (what == WF_NEXT_LOAD)
		adopt = load_turn(executor, turn);
	else if (what == WF_NEXT_REPLAY)
		adopt = go_on(executor, turn, false);
	else if (what == WF_NEXT_FAILURE)
		failure_turn(executor, turn);
	else if (what == WF_NEXT_SETTLE)
		wf_ending_from_outside(executor, turn);
	else if (what == WF_NEXT_UNDO)
		undo = wf_undoing_next(executor, turn);

	if (adopt && !wf_undoing_runs(executor))
		wf_play_adopt(&executor->play);
	if (adopt || undo || what == WF_NEXT_STEP)
		step_turn(executor, turn);
	wf_undoing_take_over(executor, turn);
}
