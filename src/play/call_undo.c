/*
 * call_undo.c
 *		What compensate() has registered, carried out.
 *
 * No body asks for it: executor/undoing.c does, when the run has failed or was
 * cancelled.
 */
#include "postgres.h"

#include "play/calls.h"
#include "play/task_outcome.h"

const WfCallKind wf_call_undo = {
	.letter = WF_STEP_KIND_UNDO,
	.word = "undo",
	.event = "undo",
	.is_counted = true,
	.settle = wf_task_outcome_take,
};
