/*
 * ending.c
 *		How a turn ends a run, parks it, or lets it go.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/text.h"
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
	end->attempts = run->body_attempts;
	sum_up(&executor->play.record, end);
	if (state == WF_RUN_SUCCEEDED)
		end->result = executor->play.replay.result;
	else
		end->error = &turn->error;
}

/* ---- because of a step ---- */

/* The run ends because of this step, which gave up. */
static const char *
reason_of_step(const WfStep *step)
{
	const char *code = step->error.code;

	if (strcmp(code, "WF002") == 0)
		return WF_REASON_UNKNOWN;
	/* of one attempt it is the last also of an error that nothing can heal */
	if (step->max_attempts == 0 ||
		step->attempt - step->free_retries < step->max_attempts ||
		(step->max_attempts == 1 && wf_sqlstate_is_permanent(code)))
		return WF_REASON_ERROR;
	return WF_REASON_ATTEMPTS;
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
	/* nothing is free of charge here, as if that were used up */
	verdict = wf_policy_judge(&policy, turn->error.code,
							  attempt + WF_MAX_FREE_RETRIES,
							  WF_MAX_FREE_RETRIES);
	wf_stats_add(MyDatabaseId, run->workflow_id, WF_COUNT_STEP_FAILURES, 1);
	if (verdict != WF_VERDICT_RETRY)
	{
		wf_ending_set(executor, turn, WF_RUN_FAILED,
					  verdict == WF_VERDICT_EXHAUSTED ? WF_REASON_ATTEMPTS
													  : WF_REASON_ERROR);
		turn->end.attempts++;
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
	if (blamed == NULL && wf_policy_retries_body(turn->error.code))
		retry_body(executor, turn);
	else
		end_with_error(executor, turn, blamed);
}

/* ---- because of others ---- */

/* The call that the run has come to: one that is tried again, or waits. */
static const WfStep *
find_unsettled(const WfRecord *record)
{
	for (int i = record->nsteps - 1; i >= 0; i--)
	{
		if (record->matches[i].state == WF_STEP_RETRYING ||
			record->matches[i].state == WF_STEP_WAITING)
			return &record->steps[i];
	}
	return NULL;
}

static void
set_timed_out(WfError *error, const WfStep *at)
{
	strlcpy(error->code, "WF009", sizeof(error->code));
	error->message = "run timed out";
	error->detail = "It did not end within its run_timeout.";
	if (at != NULL && at->error.code[0] != '\0')
		error->detail = psprintf(
			"It did not end within its run_timeout. The last error of \"%s\" was %s: %s",
			at->match.name, at->error.code,
			wf_text_clip(pstrdup(at->error.message ? at->error.message : ""),
						 WF_MAX_SIDE));
}

/*
 * A step that was at work has a record of that attempt, unless it has one of
 * its start already, with which nobody knows how far it came.
 */
static void
note_interrupted(WfExecutor *executor, const WfError *error)
{
	WfPlay *play = &executor->play;
	const WfRecord *record = &play->record;
	int ordinal = play->wanted.ordinal;
	WfPolicy policy;
	WfStep step;

	if (!executor->failed.interrupted ||
		(ordinal <= record->nsteps &&
		 record->matches[ordinal - 1].state != WF_STEP_RETRYING))
		return;
	executor->failed.interrupted = false;
	wf_play_policy(play, &policy);
	wf_play_fill_step(play, &policy, &step);
	step.match.state = WF_STEP_RETRYING;
	step.started_at = executor->failed.started_at;
	step.finished_at = wf_clock_now();
	if (error->code[0] != '\0')
		step.error = *error;
	else
	{
		strlcpy(step.error.code, "57014", sizeof(step.error.code));
		step.error.message = "cancelled with its run";
	}
	wf_record_write(&play->record, &step);
}

void
wf_ending_from_outside(WfExecutor *executor, WfTurn *turn)
{
	uint32 request = pg_atomic_read_u32(&executor->cell->request);
	const WfRecord *record = &executor->play.record;
	bool interrupted = executor->failed.interrupted;
	const WfStep *at = find_unsettled(record);
	int ordinal = interrupted ? executor->play.wanted.ordinal
				  : at != NULL ? at->ordinal
							   : 0;

	memset(&turn->error, 0, sizeof(turn->error));
	if (!(request & WF_REQ_CANCEL))
		set_timed_out(&turn->error, at);
	note_interrupted(executor, &turn->error);
	if (request & WF_REQ_CANCEL)
		wf_ending_set(executor, turn, WF_RUN_CANCELLED, NULL);
	else
	{
		wf_ending_set(executor, turn, WF_RUN_FAILED, WF_REASON_TIMEOUT);
		turn->end.failed_step = ordinal;
	}
}
