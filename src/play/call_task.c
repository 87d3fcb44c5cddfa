/*
 * call_task.c
 *		task() and start_task(): a step done by a worker outside.
 */
#include "postgres.h"

#include "play/calls.h"
#include "play/task_outcome.h"
#include "play/trial_call.h"

static void
play_in_trial(WfTrial *trial, WfStep *step)
{
	wf_trial_call_answer(trial, step, "WF004");
}

const WfCallKind wf_call_task = {
	.letter = WF_STEP_KIND_TASK,
	.word = "task",
	.event = "task",
	.waits_as = WF_WAIT_TASK,
	.waits = "The run waits for a task",
	.is_handle = true,
	.is_counted = true,
	.settle = wf_task_outcome_take,
	.play_in_trial = play_in_trial,
};
