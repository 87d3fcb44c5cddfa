/*
 * call_item.c
 *		start_step(): a step beside the body, done by a chunk.
 */
#include "postgres.h"

#include "play/calls.h"
#include "play/chunk_write.h"
#include "play/trial_call.h"
#include "store/definition.h"

static bool
begin(WfPlay *play, const WfWanted *asked, WfStep *step)
{
	wf_chunk_write_step(play, asked, step);
	return false;
}

/* The first of its arguments may be a policy. */
static void
play_in_trial(WfTrial *trial, WfStep *step)
{
	WfWanted *wanted = &trial->play.wanted;

	wf_play_adopt(&trial->play);
	if (wanted->nargs > 0 && wanted->types[0] == wf_policy_type())
	{
		wf_policy_from_datum(wanted->values[0], &wanted->policy);
		wanted->has_policy = true;
		wanted->nargs--, wanted->types++, wanted->values++, wanted->nulls++;
	}
	wf_trial_call_attempt(trial, step);
}

static void
explain(StringInfo out, const WfStep *step, const struct WfMapState *map)
{
	appendStringInfoString(out, "The run waits for a step beside its body");
}

const WfCallKind wf_call_item = {
	.letter = WF_STEP_KIND_ITEM,
	.word = "step",
	.event = "step",
	.waits_as = WF_WAIT_CHILD,
	.runs = WF_CALL_ONE_CHUNK,
	.is_handle = true,
	.is_plain = true,
	.begin = begin,
	.play_in_trial = play_in_trial,
	.explain = explain,
};
