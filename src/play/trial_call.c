/*
 * trial_call.c
 *		What the calls of a trial need.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/clock.h"
#include "play/error.h"
#include "play/statement.h"
#include "play/trial_call.h"

/* of a step; nobody wants to see it fail 25 times */
#define MAX_ATTEMPTS 3

void
wf_trial_call_raise(const WfError *error)
{
	if (strcmp(error->code, "57014") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg_internal("%s", error->message)));
}

void
wf_trial_call_stop(WfTrial *trial)
{
	const WfWanted *asked = &trial->play.asked;
	WfError *error = &trial->error;

	memset(error, 0, sizeof(*error));
	strlcpy(error->code, "22023", sizeof(error->code));
	error->message =
		psprintf("no answer for %s \"%s\"", asked->kind->word, asked->name);
	error->hint = psprintf(
		"Pass one more in answers, for instance '{\"%s\": {\"a\": 1}}'; an array has one for each call.",
		asked->name);
	trial->stopped = true;
}

TimestampTz
wf_trial_call_now(const WfTrial *trial)
{
	return wf_clock_now() + trial->ahead;
}

void
wf_trial_call_begin(WfTrial *trial, WfStep *step)
{
	const WfWanted *asked = &trial->play.asked;

	memset(step, 0, sizeof(*step));
	step->ordinal = asked->ordinal;
	step->match.kind = asked->kind->letter;
	step->match.state = WF_STEP_DONE;
	step->match.fingerprint = asked->fingerprint;
	step->match.name = pstrdup(asked->name);
	step->command = pstrdup(asked->command);
	step->attempt = 1;
	step->started_at = wf_trial_call_now(trial);
}

void
wf_trial_call_pass(WfTrial *trial, TimestampTz until)
{
	TimestampTz now = wf_trial_call_now(trial);

	if (until > now)
		trial->ahead += until - now;
}

bool
wf_trial_call_answered(WfTrial *trial, WfStep *step, const char *code)
{
	const WfWanted *asked = &trial->play.asked;
	WfAnswer answer;

	if (!wf_answers_take(trial->answers, asked->name, false, code, &answer))
		return false;
	wf_trial_call_begin(trial, step);
	step->result = answer.failed ? NULL : answer.value;
	step->error = answer.error;
	if (answer.failed)
		step->match.state = WF_STEP_FAILED;
	return true;
}

void
wf_trial_call_answer(WfTrial *trial, WfStep *step, const char *code)
{
	if (wf_trial_call_answered(trial, step, code))
		return;
	wf_trial_call_begin(trial, step);
	wf_trial_call_stop(trial);
}

/* One attempt, in a subtransaction; false when it failed. */
static bool
attempt_step(WfTrial *trial, WfStep *step)
{
	WfPlay *play = &trial->play;
	MemoryContext save_context = CurrentMemoryContext;
	ResourceOwner save_owner = CurrentResourceOwner;
	volatile bool good = false;

	play->place = WF_PLACE_STEP;
	play->wanted.permanent = false;
	play->replay.derived = PG_INT32_MAX; /* as in an executor */
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(play->scratch);
	PG_TRY();
	{
		int nest = NewGUCNestLevel();

		step->result = wf_statement_run(play, play->record.cxt);
		AtEOXact_GUC(false, nest);
		ReleaseCurrentSubTransaction();
		good = true;
	}
	PG_CATCH();
	{
		wf_error_take(play->record.cxt, &step->error);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	play->place = WF_PLACE_ENGINE;
	MemoryContextSwitchTo(save_context);
	CurrentResourceOwner = save_owner;
	return good;
}

void
wf_trial_call_attempt(WfTrial *trial, WfStep *step)
{
	WfPlay *play = &trial->play;
	WfPolicy policy;

	wf_play_policy(play, &policy);
	if (policy.max_attempts == 0 || policy.max_attempts > MAX_ATTEMPTS)
		policy.max_attempts = MAX_ATTEMPTS;
	for (;;)
	{
		WfVerdict verdict;

		CHECK_FOR_INTERRUPTS();
		wf_play_fill_step(play, &policy, step);
		step->match.state = WF_STEP_DONE;
		step->started_at = wf_trial_call_now(trial);
		if (attempt_step(trial, step))
			return;

		wf_trial_call_raise(&step->error);
		/* nothing that is free of charge is so here, or it might never end */
		verdict = wf_policy_judge(&policy, step->error.code,
								  step->attempt + WF_MAX_FREE_RETRIES,
								  WF_MAX_FREE_RETRIES);
		if (play->wanted.permanent || verdict != WF_VERDICT_RETRY)
			break;
		step->match.state = WF_STEP_RETRYING;
		wf_record_put(&play->record, step);
	}
	step->match.state = WF_STEP_FAILED;
}

void
wf_trial_call_child(WfTrial *trial, const char *name, const char *workflow,
					Jsonb *input, WfStep *step)
{
	WfAnswer answer;
	WfTrialEnd end;

	if (wf_answers_take(trial->answers, name, false, "WF005", &answer))
	{
		step->result = answer.failed ? NULL : answer.value;
		step->error = answer.error;
	}
	else
	{
		trial->play_child(trial, workflow, input, &end);
		step->result = end.result;
		if (end.failed)
		{
			strlcpy(step->error.code, "WF005", sizeof(step->error.code));
			/* as wf_outcome_failure() has it of a run */
			step->error.message =
				end.error.message ? end.error.message : "child failed";
			step->error.detail =
				psprintf("The run failed with SQLSTATE %s.%s%s",
						 end.error.code, end.error.detail ? " " : "",
						 end.error.detail ? end.error.detail : "");
			step->error.hint = end.error.hint;
		}
	}
	if (step->error.code[0] != '\0')
		step->match.state = WF_STEP_FAILED;
}
