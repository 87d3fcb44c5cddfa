/*
 * exec_turn.c
 *		The turns of a run (see exec.h): what happens before anything is
 *		written.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/spi.h"
#include "base/stoppoint.h"
#include "core/derive.h"
#include "core/machine.h"
#include "core/state.h"
#include "worker/exec_turn.h"
#include "worker/marks.h"
#include "worker/stats.h"

/*
 * From so many records on a transaction replays the body but once: PL/pgSQL
 * evaluates an expression that an error has left the slow way for the rest of
 * the transaction.
 */
#define WF_LONG_RECORD 100

/* ---- ends ---- */

/* A chunk is nothing that anybody could repair: it fails, and its parent parks. */
static bool
parks(WfExec *exec)
{
	return !wf_run_is_chunk(&exec->run) && wf_body_parks(exec->body);
}

void
wf_turn_end_run(WfExec *exec, WfTurn *turn, char state, const char *reason)
{
	WfRunEnd *end = &turn->end;

	Assert(wf_run_may(exec->run.state, state));
	memset(end, 0, sizeof(*end));
	if (state == WF_RUN_PARKED && exec->cell->queue_id == WF_QUEUE_ITEMS)
		state = WF_RUN_FAILED;
	turn->has_end = true;
	turn->next = WF_NEXT_NONE;
	end->blocks =
		state == WF_RUN_FAILED && (exec->cell->flags & WF_ASSIGN_BLOCKS) != 0;
	if (state == WF_RUN_PARKED)
		turn->outcome = WF_OUTCOME_PARKED;
	else
		turn->outcome = end->blocks				 ? WF_OUTCOME_BLOCKS
						: state == WF_RUN_FAILED ? WF_OUTCOME_FAILED
												 : WF_OUTCOME_ENDED;
	end->state = state;
	end->reason = reason;
	end->finished_at = wf_clock_now();
	end->started_at = exec->run.started_at;
	if (end->started_at == 0)
		end->started_at = exec->taken_at;
	for (int i = 0; i < exec->nsteps; i++)
	{
		/* the first steps of a fork are of another run */
		if (exec->steps[i].started_at >= exec->run.enqueued_at)
			end->started_at = Min(end->started_at, exec->steps[i].started_at);
		end->attempts += exec->steps[i].attempt;
		if (exec->steps[i].match.state == WF_STEP_DONE)
			end->steps_done++;
	}
	if (state == WF_RUN_SUCCEEDED)
		end->result = exec->result;
	else
		end->error = &exec->error;
}

/* The run ends because of the newest step, which gave up. */
static const char *
reason_of_step(const WfStep *step)
{
	return step->max_attempts > 1 && step->attempt >= step->max_attempts
			   ? WF_REASON_ATTEMPTS
			   : WF_REASON_ERROR;
}

/*
 * The step whose recorded error the body let through; NULL when the error is
 * the body's own: it may have caught a step's and met another one later.
 */
static const WfStep *
step_to_blame(WfExec *exec)
{
	const WfStep *step;
	const char *message;

	if (exec->raised_step == 0)
		return NULL;
	step = &exec->steps[exec->raised_step - 1];
	message = step->error.message ? step->error.message : "";
	if (strcmp(step->error.code, exec->error.code) != 0 ||
		strcmp(message, exec->error.message) != 0)
		return NULL;
	return step;
}

void
wf_turn_park_at_step(WfExec *exec, WfTurn *turn, const WfStep *step)
{
	exec->error = step->error;
	wf_turn_end_run(exec, turn, WF_RUN_PARKED,
					wf_undo_runs(exec) ? WF_REASON_UNDO
									   : reason_of_step(step));
	turn->end.failed_step = step->ordinal;
}

/*
 * Of what other runs did the body hears first, as it may deal with it; a step's
 * failure has parked the run before, where workflows park.
 */
static void
end_with_error(WfExec *exec, WfTurn *turn, const WfStep *blamed)
{
	if (blamed != NULL && blamed->match.kind != WF_STEP_KIND_STEP &&
		parks(exec))
	{
		wf_turn_park_at_step(exec, turn, blamed);
		return;
	}

	wf_turn_end_run(exec, turn, WF_RUN_FAILED,
					blamed ? reason_of_step(blamed) : WF_REASON_ERROR);
	turn->end.failed_step = blamed ? blamed->ordinal : 0;
}

/* cancel_run() or run_timeout, whichever the scheduler asked for */
static void
end_from_outside(WfExec *exec, WfTurn *turn)
{
	uint32 request = pg_atomic_read_u32(&exec->cell->request);

	memset(&exec->error, 0, sizeof(exec->error));
	if (request & WF_REQ_CANCEL)
		wf_turn_end_run(exec, turn, WF_RUN_CANCELLED, NULL);
	else
	{
		strlcpy(exec->error.code, "WF009", sizeof(exec->error.code));
		exec->error.message = "run timed out";
		wf_turn_end_run(exec, turn, WF_RUN_FAILED, WF_REASON_TIMEOUT);
	}
}

/* A transient error of the body itself, outside any step. */
static void
retry_body(WfExec *exec, WfTurn *turn)
{
	WfPolicy policy;
	int attempt = exec->run.body_attempts + 1;
	WfVerdict verdict;

	wf_turn_body_policy(exec, &policy);
	policy.at_most_once = false;
	verdict = wf_policy_judge(&policy, exec->error.code, attempt,
							  WF_MAX_FREE_RETRIES);
	wf_stats_add(MyDatabaseId, exec->run.workflow_id, WF_COUNT_STEP_FAILURES,
				 1);
	if (verdict != WF_VERDICT_RETRY)
	{
		wf_turn_end_run(exec, turn, WF_RUN_FAILED,
						verdict == WF_VERDICT_EXHAUSTED ? WF_REASON_ATTEMPTS
														: WF_REASON_ERROR);
		return;
	}
	turn->has_later = true;
	turn->body_attempts = attempt;
	turn->due_at =
		wf_clock_now() +
		wf_policy_delay(&policy, attempt,
						wf_derive_bits(&exec->run.run_id, 0, attempt));
	turn->next = WF_NEXT_NONE;
	turn->outcome = WF_OUTCOME_LATER;
	wf_stats_add(MyDatabaseId, exec->run.workflow_id, WF_COUNT_RETRIES, 1);
}

/*
 * What the last replay asked for is the step to run.  Until the turn of the
 * replay has committed, the step before may yet have to be run again.
 */
void
wf_turn_adopt(WfExec *exec)
{
	WfWanted wanted = exec->wanted;
	MemoryContext cxt = exec->wanted_cxt;

	exec->wanted = exec->asked_for;
	exec->wanted_cxt = exec->asked_cxt;
	exec->asked_for = wanted;
	exec->asked_cxt = cxt;
	exec->free_retries = 0;
}

/*
 * Replays, and again as long as a call that waits finds what it waits for at
 * once, or only starts something.  WANTS then means a step.  A body that starts
 * very much does not keep the commit waiting.
 */
static WfReplayEnd
replay(WfExec *exec, bool bounded)
{
	TimestampTz begun = wf_clock_system();

	for (;;)
	{
		WfReplayEnd end = wf_body_replay(exec, bounded);
		bool again = false;

		if (exec->npending > 0)
			wf_wait_begin_pending(exec, end != WF_REPLAY_WANTS &&
											end != WF_REPLAY_WAITS);
		if (end == WF_REPLAY_WAITS)
			again = wf_wait_settle(exec);
		else if (end == WF_REPLAY_WANTS &&
				 wf_wait_is_plain(exec->asked_for.kind))
		{
			again = wf_wait_begin(exec, &exec->asked_for);
			end = WF_REPLAY_WAITS;
		}
		if (!again)
			return end;
		if (exec->nwrites >= WF_MAX_TURN_WRITES ||
			(bounded && wf_clock_system() - begun > WF_BOUNDED_REPLAY_USEC))
			return WF_REPLAY_LATER;
	}
}

/* What a replay showed; true when a step can be run in this transaction. */
static bool
take_replay(WfExec *exec, WfTurn *turn, WfReplayEnd end)
{
	const WfStep *blamed;

	switch (end)
	{
		case WF_REPLAY_WANTS:
			turn->next = WF_NEXT_STEP;
			/* nothing may follow from what was taken before that is durable */
			return exec->nwrites == 0 && exec->nsteps < WF_LONG_RECORD;
		case WF_REPLAY_WAITS:
			wf_wait_leave(exec, turn);
			break;
		case WF_REPLAY_ENDED:
			wf_turn_end_run(exec, turn, WF_RUN_SUCCEEDED, NULL);
			break;
		case WF_REPLAY_CONTINUES:
			/* what the step has enqueued comes before, in its own commit */
			if (exec->nwrites > 0)
				turn->next = WF_NEXT_REPLAY;
			else
			{
				wf_turn_end_run(exec, turn, WF_RUN_SUCCEEDED, NULL);
				turn->continues = exec->continues;
			}
			break;
		case WF_REPLAY_ERROR:
			blamed = step_to_blame(exec);
			if (blamed == NULL && wf_sqlstate_is_transient(exec->error.code))
				retry_body(exec, turn);
			else
				end_with_error(exec, turn, blamed);
			break;
		case WF_REPLAY_DIFFERENT:
			wf_turn_end_run(exec, turn, WF_RUN_PARKED, WF_REASON_REPLAY);
			break;
		case WF_REPLAY_SWALLOWED:
			memset(&exec->error, 0, sizeof(exec->error));
			strlcpy(exec->error.code, "55000", sizeof(exec->error.code));
			exec->error.message =
				"body keeps catching the error that ends its replay";
			exec->error.hint =
				"Let errors of class QUERY_CANCELED through. After repair of the body call workflow.retry_run().";
			wf_turn_end_run(exec, turn, WF_RUN_PARKED, WF_REASON_BODY);
			break;
		case WF_REPLAY_CANCELLED:
			end_from_outside(exec, turn);
			break;
		case WF_REPLAY_LATER:
			turn->next = WF_NEXT_REPLAY;
			break;
	}
	return false;
}

/* ---- turns ---- */

void
wf_turn_leave(WfTurn *turn, WfOutcome outcome)
{
	turn->next = WF_NEXT_NONE;
	turn->outcome = outcome;
}

/* Reads run and record; false when there is nothing to run (turn says why). */
static bool
load_run(WfExec *exec, WfTurn *turn)
{
	bool found;

	/* not user code, but a row that kills us must not do so for ever */
	wf_mark_set(&exec->cell->work_id, 0, 0);
	found = wf_run_load(&exec->cell->work_id, &exec->cell->tid, exec->run_cxt,
						&exec->run);
	/* a fork that came in a range is taken for fresh */
	wf_record_load(exec, found && (!(exec->cell->flags & WF_ASSIGN_FRESH) ||
								   exec->run.retried));
	wf_mark_clear();

	if (!found || wf_run_is_final(exec->run.state))
	{
		/* whoever ended it may not have come to tell its parent */
		wf_turn_leave(turn, WF_OUTCOME_ENDED);
		exec->cell->tells_parent = found && exec->run.has_parent;
		exec->cell->parent_id = exec->run.parent_run_id;
	}
	else if (exec->run.state != WF_RUN_QUEUED &&
			 exec->run.state != WF_RUN_WAITING && !wf_undo_runs(exec))
		wf_turn_leave(turn, WF_OUTCOME_PARKED);
	else if (exec->run.origin != wf_origin())
		wf_turn_leave(turn, WF_OUTCOME_FOREIGN);
	else if (exec->run.waiting_for == WF_WAIT_HELD)
		wf_turn_leave(turn, WF_OUTCOME_WAITS);
	else if (exec->run.paused)
		wf_turn_leave(turn, WF_OUTCOME_PAUSED);
	else if (exec->run.state != WF_RUN_WAITING &&
			 Max(exec->run.due_at, exec->run.run_at) > wf_clock_now())
	{
		wf_turn_leave(turn, WF_OUTCOME_LATER);
		turn->due_at = Max(exec->run.due_at, exec->run.run_at);
	}
	else
		return true;
	return false;
}

static bool
load_turn(WfExec *exec, WfTurn *turn)
{
	if (!load_run(exec, turn))
		return false;
	wf_load_check_owner(exec);
	wf_body_prepare(exec);
	wf_show_run(exec);
	if (wf_undo_runs(exec))
		return wf_undo_load(exec, turn);
	if (exec->nsteps > 0 &&
		exec->records[exec->nsteps - 1].state == WF_STEP_STARTED)
	{
		wf_load_settle_unknown(exec);
		if (parks(exec))
		{
			wf_turn_park_at_step(exec, turn, &exec->steps[exec->nsteps - 1]);
			return false;
		}
	}
	if (exec->run.deadline_at <= wf_clock_now())
	{
		pg_atomic_fetch_or_u32(&exec->cell->request, WF_REQ_TIMEOUT);
		end_from_outside(exec, turn);
		return false;
	}
	if (exec->run.state == WF_RUN_WAITING)
		(void) wf_wait_settle(exec);
	return take_replay(exec, turn, replay(exec, false));
}

/* The durable start of an at-most-once step, in a commit of its own. */
static void
commit_start(WfExec *exec, const WfPolicy *policy)
{
	WfWindow window;
	WfStep step;

	wf_turn_fill_step(exec, policy, &step);
	step.match.state = WF_STEP_STARTED;
	step.started_at = wf_clock_now();
	exec->writing = true;
	if (step.ordinal > exec->nsteps)
		wf_step_insert(&exec->run.run_id, &step);
	else
	{
		/* it failed, and retry_run() wants it once more */
		wf_window_open(&window);
		wf_step_update(&exec->run.run_id, &step);
		wf_window_close(&window);
	}
	exec->writing = false;
	ForceSyncCommit();
	CommitTransactionCommand();
	exec->run.row = NULL;
	wf_record_step(exec, &step);
	WF_STOP("exec-started");

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(exec->turn_cxt);
}

/* A call whose outcome comes from elsewhere, once it is started. */
static void
start_turn(WfExec *exec, WfTurn *turn, const WfPolicy *policy)
{
	WfStep step;

	exec->where = WF_IN_STEP;
	exec->permanent = false;
	wf_turn_fill_step(exec, policy, &step);
	step.max_attempts = 0;
	step.started_at = wf_clock_now();
	wf_show_step(exec, step.ordinal, step.attempt, step.match.name);
	/* it may wait for a client that is using the same dedup_key */
	wf_user_code_begin(exec, step.ordinal, step.attempt);
	wf_wait_start(exec, &step);
	wf_user_code_end(exec);
	WF_STOP("exec-after-start");
	wf_record_write(exec, &step);
	if (wf_undo_runs(exec))
		wf_undo_wait(exec, turn);
	else
		(void) take_replay(exec, turn, replay(exec, true));
}

static void
step_turn(WfExec *exec, WfTurn *turn)
{
	WfPolicy policy;
	WfStep step;
	TimestampTz started_at;

	wf_turn_policy(exec, &policy);
	if (wf_wait_is_started(&exec->wanted))
	{
		start_turn(exec, turn, &policy);
		return;
	}
	if (policy.at_most_once)
		commit_start(exec, &policy);

	exec->where = WF_IN_STEP;
	exec->permanent = false;
	started_at = wf_clock_now();
	wf_turn_fill_step(exec, &policy, &step);
	wf_show_step(exec, step.ordinal, step.attempt, step.match.name);
	WF_STOP("exec-before-step");

	wf_user_code_begin(exec, step.ordinal, step.attempt);
	step.result = wf_step_run(exec, &policy, exec->run_cxt);
	wf_user_code_end(exec);
	WF_STOP("exec-after-step");

	step.match.state = WF_STEP_DONE;
	step.started_at = started_at;
	step.finished_at = wf_clock_now();
	wf_record_write(exec, &step);
	if (wf_undo_runs(exec))
		wf_undo_after(exec, turn);
	else if (exec->slow)
		turn->next = WF_NEXT_REPLAY;
	else
		(void) take_replay(exec, turn, replay(exec, true));
}

/*
 * The step's last attempt failed (exec->step_error): it will be tried again
 * later, or it gave up and the body is to hear of it.
 */
static void
failure_turn(WfExec *exec, WfTurn *turn)
{
	WfPolicy policy;
	WfStep step;

	wf_turn_policy(exec, &policy);
	wf_turn_fill_step(exec, &policy, &step);
	step.error = exec->step_error;
	step.started_at = exec->step_started_at;
	step.finished_at = wf_clock_now();

	if (exec->verdict == WF_VERDICT_RETRY)
	{
		step.match.state = WF_STEP_RETRYING;
		step.due_at =
			step.finished_at +
			wf_policy_delay(
				&policy, step.attempt,
				wf_derive_bits(&exec->run.run_id, step.ordinal, step.attempt));
		wf_record_write(exec, &step);
		turn->has_later = true;
		turn->due_at = step.due_at;
		turn->body_attempts = exec->run.body_attempts;
		exec->error = exec->step_error;
		wf_turn_leave(turn, WF_OUTCOME_LATER);
		return;
	}

	step.match.state = WF_STEP_FAILED;
	wf_record_write(exec, &step);
	if (wf_undo_runs(exec) || parks(exec))
	{
		wf_turn_park_at_step(exec, turn, &step);
		return;
	}
	(void) take_replay(exec, turn, replay(exec, true));
}

/* ---- all of it ---- */

/*
 * A run with a dedup_key may be replaced while it has not begun, and an abort
 * makes it such again: it is locked first, and looked at again after an abort.
 */
static bool
is_still_ours(WfExec *exec, WfNext what, WfTurn *turn)
{
	WfRun run;

	if (!(exec->cell->flags & WF_ASSIGN_DEDUP))
		return true;
	if (!wf_run_lock(&exec->cell->work_id))
	{
		/* being replaced; that transaction's end also tells the scheduler */
		wf_turn_leave(turn, WF_OUTCOME_LATER);
		turn->due_at = wf_clock_now() + USECS_PER_SEC;
		return false;
	}
	if (exec->aborted && what != WF_NEXT_LOAD &&
		!wf_run_load(&exec->cell->work_id, NULL, exec->turn_cxt, &run))
	{
		wf_turn_leave(turn, WF_OUTCOME_ENDED);
		return false;
	}
	exec->aborted = false;
	return true;
}

void
wf_turn_do(WfExec *exec, WfNext what, WfTurn *turn)
{
	bool adopt = false;
	bool undo = false;

	if (!is_still_ours(exec, what, turn))
		return;
	if (what != WF_NEXT_LOAD)
		wf_body_force_path(exec->body);
	if (what == WF_NEXT_LOAD)
		adopt = load_turn(exec, turn);
	else if (what == WF_NEXT_REPLAY)
		adopt = take_replay(exec, turn, replay(exec, false));
	else if (what == WF_NEXT_FAILURE)
		failure_turn(exec, turn);
	else if (what == WF_NEXT_SETTLE)
		end_from_outside(exec, turn);
	else if (what == WF_NEXT_UNDO)
		undo = wf_undo_next(exec, turn);

	if (adopt && !wf_undo_runs(exec))
		wf_turn_adopt(exec);
	if (adopt || undo || what == WF_NEXT_STEP)
	{
		exec->step_started_at = wf_clock_now();
		step_turn(exec, turn);
	}
	wf_undo_take_over(exec, turn);
}
