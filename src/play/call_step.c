/*
 * call_step.c
 *		step(): a statement, run by the run's executor.
 */
#include "postgres.h"

#include "play/calls.h"
#include "play/trial_call.h"
#include "play/version.h"

static void
play_in_trial(WfTrial *trial, WfStep *step)
{
	WfPlay *play = &trial->play;

	if (!wf_trial_call_answered(trial, step, "P0001"))
	{
		wf_play_adopt(play);
		wf_trial_call_attempt(trial, step);
	}
	if (step->match.state == WF_STEP_FAILED && wf_version_parks(play->version))
	{
		trial->error = step->error;
		if (trial->error.hint == NULL)
			trial->error.hint =
				"The run would be parked here, to go on after repair with workflow.retry_run().";
		trial->stopped = true;
	}
}

const WfCallKind wf_call_step = {
	.letter = WF_STEP_KIND_STEP,
	.word = "step",
	.event = "step",
	.is_counted = true,
	.play_in_trial = play_in_trial,
};
