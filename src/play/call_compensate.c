/*
 * call_compensate.c
 *		compensate() and compensate_task(): what undoes the run, registered.
 */
#include "postgres.h"

#include "core/state.h"
#include "play/calls.h"

const WfCallKind wf_call_compensate = {
	.letter = WF_STEP_KIND_COMPENSATE,
	.word = "compensate",
	.event = "compensate",
	.is_counted = true,
	.is_plain = true,
};
