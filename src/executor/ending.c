/*
 * ending.c
 *		How a turn ends a run, parks it, or lets it go.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "base/errors.h"
#include "core/derive.h"
#include "core/machine.h"
#include "executor/ending.h"
#include "ipc/shortage.h"
#include "ipc/stats.h"
#include "play/version.h"

void
wf_ending_leave(WfTurn *turn, WfOutcome outcome)
{
	turn->next = WF_NEXT_NONE;
	turn->outcome = outcome;
}

/* A chunk is nothing that anybody could repair: it fails, and its parent parks. */
bool
wf_ending_parks(const WfExecutor *executor)
{
	const WfPlay *play = &executor->play;

	return !wf_run_is_chunk(&play->record.run) &&
		   wf_version_parks(play->version);
}

/* What the row of the run says of its steps together. */
static void
sum_up(const WfRecord *record, WfRunEnd *end)
{
	for (int i = 0; i < record->nsteps; i++)
	{
		const WfStep *step = &record->steps[i];

		/* the first steps of a fork are of another run */
		if (step->started_at >= record->run.enqueued_at &&
			(end->started_at == 0 || step->started_at < end->started_at))
			end->started_at = step->started_at;
		end->attempts += step->attempt;
		if (step->match.state == WF_STEP_DONE)
			end->steps_done++;
	}
}

void
wf_ending_set(WfExecutor *executor, WfTurn *turn, char state,
			  const char *reason)
{
	const WfCell *cell = executor->cell;
	const WfRun *run = &executor->play.record.run;
	WfRunEnd *end = &turn->end;

	Assert(executor->play.park_reason != NULL ||
		   wf_run_may(run->state, state));
	memset(end, 0, sizeof(*end));
	if (state == WF_RUN_PARKED && cell->queue_id == WF_QUEUE_ITEMS)
		state = WF_RUN_FAILED;
	turn->has_end = true;
	end->blocks =
		state == WF_RUN_FAILED && (cell->flags & WF_ASSIGN_BLOCKS) != 0;
	wf_ending_leave(turn, state == WF_RUN_PARKED   ? WF_OUTCOME_PARKED
						  : end->blocks			   ? WF_OUTCOME_BLOCKS
						  : state == WF_RUN_FAILED ? WF_OUTCOME_FAILED
												   : WF_OUTCOME_ENDED);
	end->state = state;
	end->reason = reason;
	end->finished_at = wf_clock_now();
	end->started_at = run->started_at;
	/* one that is parked before any user code has not begun */
	if (end->started_at == 0 &&
		(state != WF_RUN_PARKED || cell->begun_at != 0))
		end->started_at = executor->taken_at;
	sum_up(&executor->play.record, end);
	if (state == WF_RUN_SUCCEEDED)
		end->result = executor->play.replay.result;
	else
		end->error = &turn->error;
}

/* ---- because of a step ---- */

/* The run ends because of the newest step, which gave up. */
static const char *
reason_of_step(const WfStep *step)
{
	return step->max_attempts > 1 && step->attempt >= step->max_attempts
			   ? WF_REASON_ATTEMPTS
			   : WF_REASON_ERROR;
}

void
wf_ending_park_at_step(WfExecutor *executor, WfTurn *turn, const WfStep *step)
{
	bool undoing = executor->play.record.run.state == WF_RUN_COMPENSATING;

	turn->error = step->error;
	wf_ending_set(executor, turn, WF_RUN_PARKED,
				  undoing ? WF_REASON_UNDO : reason_of_step(step));
	turn->end.failed_step = step->ordinal;
}

/* ---- because of the body ---- */

/*
 * The step whose recorded error the body let through; NULL when the error is
 * the body's own: it may have caught a step's and met another one later.
 */
static const WfStep *
step_to_blame(const WfPlay *play)
{
	const WfError *error = &play->replay.error;
	const WfStep *step;
	const char *message;

	if (play->replay.raised_step == 0)
		return NULL;
	step = &play->record.steps[play->replay.raised_step - 1];
	message = step->error.message ? step->error.message : "";
	if (strcmp(step->error.code, error->code) != 0 ||
		strcmp(message, error->message) != 0)
		return NULL;
	return step;
}

/*
 * Of what other runs did the body hears first, as it may deal with it, and of a
 * step whose outcome is unknown after retry_run(); any other step's failure has
 * parked the run before, where workflows park.
 */
static void
end_with_error(WfExecutor *executor, WfTurn *turn, const WfStep *blamed)
{
	if (blamed != NULL && wf_ending_parks(executor))
	{
		wf_ending_park_at_step(executor, turn, blamed);
		return;
	}

	wf_ending_set(executor, turn, WF_RUN_FAILED,
				  blamed ? reason_of_step(blamed) : WF_REASON_ERROR);
	turn->end.failed_step = blamed ? blamed->ordinal : 0;
}

/* A transient error of the body itself, outside any step. */
static void
retry_body(WfExecutor *executor, WfTurn *turn)
{
	const WfRun *run = &executor->play.record.run;
	WfPolicy policy;
	int attempt = run->body_attempts + 1;
	WfVerdict verdict;

	wf_play_body_policy(&executor->play, &policy);
	policy.at_most_once = false;
	verdict = wf_policy_judge(&policy, turn->error.code, attempt,
							  WF_MAX_FREE_RETRIES);
	wf_stats_add(MyDatabaseId, run->workflow_id, WF_COUNT_STEP_FAILURES, 1);
	if (verdict != WF_VERDICT_RETRY)
	{
		wf_ending_set(executor, turn, WF_RUN_FAILED,
					  verdict == WF_VERDICT_EXHAUSTED ? WF_REASON_ATTEMPTS
													  : WF_REASON_ERROR);
		return;
	}
	/* what a body meets may be its own fault, as what a step does */
	executor->cell->shortage = wf_shortage_of(&turn->error, false);
	turn->has_later = true;
	turn->body_attempts = attempt;
	turn->due_at = wf_clock_now() +
				   wf_policy_delay(&policy, attempt,
								   wf_derive_bits(&run->run_id, 0, attempt));
	wf_ending_leave(turn, WF_OUTCOME_LATER);
	wf_stats_add(MyDatabaseId, run->workflow_id, WF_COUNT_RETRIES, 1);
}

void
wf_ending_by_body(WfExecutor *executor, WfTurn *turn)
{
	const WfStep *blamed = step_to_blame(&executor->play);

	turn->error = executor->play.replay.error;
	if (blamed == NULL && wf_sqlstate_is_transient(turn->error.code))
		retry_body(executor, turn);
	else
		end_with_error(executor, turn, blamed);
}

/* ---- because of others ---- */

void
wf_ending_from_outside(WfExecutor *executor, WfTurn *turn)
{
	uint32 request = pg_atomic_read_u32(&executor->cell->request);

	memset(&turn->error, 0, sizeof(turn->error));
	if (request & WF_REQ_CANCEL)
		wf_ending_set(executor, turn, WF_RUN_CANCELLED, NULL);
	else
	{
		strlcpy(turn->error.code, "WF009", sizeof(turn->error.code));
		turn->error.message = "run timed out";
		wf_ending_set(executor, turn, WF_RUN_FAILED, WF_REASON_TIMEOUT);
	}
}
