/*
 * call_sleep.c
 *		sleep() and sleep_until(): nothing but the time has to come.
 */
#include "postgres.h"

#include "play/calls.h"
#include "play/trial_call.h"

static void
play_in_trial(WfTrial *trial, WfStep *step)
{
	wf_trial_call_begin(trial, step);
	wf_trial_call_pass(trial, trial->play.asked.due_at);
}

const WfCallKind wf_call_sleep = {
	.letter = WF_STEP_KIND_SLEEP,
	.word = "sleep",
	.event = "sleep",
	.waits_as = WF_WAIT_TIMER,
	.waits = "The run sleeps",
	.is_counted = true,
	.is_plain = true,
	.play_in_trial = play_in_trial,
};
