/*
 * sound.c
 *		Whether a run's row and record are what the machine can have written.
 *
 * What is asked here is what the code that executes a run takes for granted,
 * and what would let a forged row do more than its owner's body asks for: most
 * of all that a run which is compensated has registered what it undoes.
 */
#include "postgres.h"

#include "core/sound.h"
#include "core/state.h"

/* letters of a run that is to be executed; '\0' is in none of them */
#define WAITS	   "tgcmah"
#define END_STATES "fc"

static bool
is_one_of(char letter, const char *letters)
{
	return letter != '\0' && strchr(letters, letter) != NULL;
}

const char *
wf_sound_run(const WfSoundRun *run)
{
	if (wf_run_is_final(run->state))
		return run->finished ? NULL
							 : "The run has ended, but has no end time.";
	if (run->finished)
		return "The run has an end time, but has not ended.";
	if (run->chunk && !run->has_parent)
		return "The run is part of another run, but names none.";
	if (run->end_state != '\0' && !is_one_of(run->end_state, END_STATES))
		return "The state in which the run is to end is not known.";

	switch (run->state)
	{
		case WF_RUN_QUEUED:
			if (run->end_state != '\0')
				return "The run is queued, but was being compensated.";
			if (run->waiting_for != WF_WAIT_NONE &&
				run->waiting_for != WF_WAIT_RETRY)
				return "The run is queued, but waits for something.";
			return NULL;
		case WF_RUN_WAITING:
			if (run->end_state != '\0')
				return "The run waits, but was being compensated.";
			if (!is_one_of(run->waiting_for, WAITS))
				return "The run waits, but not for anything that is known.";
			return NULL;
		case WF_RUN_COMPENSATING:
			if (run->chunk)
				return "A part of another run is being compensated.";
			if (run->end_state == '\0')
				return "The run is being compensated, but it is not recorded how it is to end.";
			if (!run->began)
				return "The run is being compensated, but has never begun.";
			if (run->waiting_for != WF_WAIT_NONE &&
				run->waiting_for != WF_WAIT_RETRY &&
				run->waiting_for != WF_WAIT_TASK)
				return "The run is being compensated, but waits for something.";
			return NULL;
		case WF_RUN_PARKED:
			return NULL;
		default:
			return "The state of the run is not known.";
	}
}

/* One record for itself. */
static const char *
check_call(const WfSoundCall *call)
{
	if (!call->is_known)
		return "The kind of the call is not known.";
	switch (call->state)
	{
		case WF_STEP_DONE:
			break;
		case WF_STEP_FAILED:
			if (!call->has_error)
				return "The call has failed, but has no error.";
			break;
		case WF_STEP_RETRYING:
			break;
		case WF_STEP_STARTED:
			if (call->kind != WF_STEP_KIND_STEP &&
				call->kind != WF_STEP_KIND_UNDO)
				return "Only a step is started at most once.";
			break;
		case WF_STEP_WAITING:
			if (!call->may_wait)
				return "The call waits, but is of a kind that does not.";
			break;
		default:
			return "The state of the call is not known.";
	}
	if (call->at_once && call->state != WF_STEP_DONE)
		return "The call is done by being made, but is not done.";
	if (call->kind == WF_STEP_KIND_COMPENSATE &&
		(!call->has_command || !call->has_result))
		return "The call registers an undo, but not what that is.";
	return NULL;
}

/*
 * Undos stand behind all other calls, in the opposite order of what is
 * registered; *left is the one that the undo before belongs to.
 */
static const char *
check_undo(const WfSoundRun *run, const WfSoundCall *calls, int i, int *left)
{
	bool after_undo = i > 0 && calls[i - 1].kind == WF_STEP_KIND_UNDO;

	if (calls[i].kind != WF_STEP_KIND_UNDO)
		return after_undo ? "The call was made after an undo." : NULL;
	if (run->end_state == '\0')
		return "The call is an undo, but the run is not being compensated.";
	if (after_undo && calls[i - 1].state != WF_STEP_DONE)
		return "The call is an undo, but the one before it is not done.";
	if (!after_undo)
		*left = i;
	do
		--*left;
	while (*left >= 0 && !calls[*left].obliges);
	if (*left < 0)
		return "The call is an undo, but nothing is registered for it.";
	if (strcmp(calls[*left].name, calls[i].name) != 0)
		return "The call is an undo, but another one was registered.";
	return NULL;
}

const char *
wf_sound_record(const WfSoundRun *run, const WfSoundCall *calls, int n,
				int *at)
{
	bool registered = false;
	int left = -1;

	for (int i = 0; i < n; i++)
	{
		const char *wrong;

		*at = i + 1;
		if (calls[i].ordinal != i + 1)
			return "The calls are not numbered without a gap.";
		wrong = check_call(&calls[i]);
		if (wrong == NULL)
			wrong = check_undo(run, calls, i, &left);
		if (wrong != NULL)
			return wrong;
		registered |= calls[i].obliges;
	}
	*at = 0;
	if (run->state == WF_RUN_COMPENSATING && !registered)
		return "The run is being compensated, but has registered nothing.";
	return NULL;
}
