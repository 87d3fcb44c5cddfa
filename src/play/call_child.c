/*
 * call_child.c
 *		child() and start_child(): another run, whose outcome is the call's.
 *
 * What becomes of children is looked up for all of them at once (children.c).
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "play/calls.h"
#include "play/trial_call.h"

/* The workflow is the first argument of the call, its input the second. */
static void
play_in_trial(WfTrial *trial, WfStep *step)
{
	const WfWanted *asked = &trial->play.asked;
	Jsonb *input = asked->nulls[1] == 'n'
					   ? DatumGetJsonbP(DirectFunctionCall1(
							 jsonb_in, CStringGetDatum("{}")))
					   : DatumGetJsonbP(asked->values[1]);

	wf_trial_call_begin(trial, step);
	wf_trial_call_child(trial, asked->name, asked->command, input, step);
}

static void
explain(StringInfo out, const WfStep *step, const struct WfMapState *map)
{
	appendStringInfo(out, "The run waits for its child, run %s,",
					 DatumGetCString(DirectFunctionCall1(
						 uuid_out, UUIDPGetDatum(&step->child_run_id))));
}

const WfCallKind wf_call_child = {
	.letter = WF_STEP_KIND_CHILD,
	.word = "child",
	.event = "child",
	.waits_as = WF_WAIT_CHILD,
	.runs = WF_CALL_ONE_CHILD,
	.is_handle = true,
	.is_counted = true,
	.play_in_trial = play_in_trial,
	.explain = explain,
};
