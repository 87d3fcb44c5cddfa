/*
 * call_map_child.c
 *		map_child(): a child for each item.
 */
#include "postgres.h"

#include "utils/jsonb.h"

#include "play/calls.h"
#include "play/items.h"
#include "play/trial_call.h"

static bool
settle(WfPlay *play, WfStep *step, TimestampTz now)
{
	return wf_items_settle(play, step, WF_OUTCOME_OF_CHILD);
}

static void
play_one(WfTrial *trial, void *arg, Jsonb *item, WfStep *one)
{
	const WfWanted *wanted = arg;

	wf_trial_call_child(trial, wanted->name, wanted->command, item, one);
}

/* The items are the second argument of the call, on_error is the fifth. */
static void
play_in_trial(WfTrial *trial, WfStep *step)
{
	WfWanted *wanted = &trial->play.wanted;
	text *on_error;

	wf_trial_call_begin(trial, step);
	wf_play_adopt(&trial->play);
	on_error = DatumGetTextPP(wanted->values[4]);
	wf_items_play(trial, step, DatumGetJsonbP(wanted->values[1]),
				  VARSIZE_ANY_EXHDR(on_error) == strlen("collect"), play_one,
				  wanted);
}

static void
explain(StringInfo out, const WfStep *step, const WfMapState *map)
{
	appendStringInfo(
		out,
		"The run waits for children of a map, of which %d of %d have ended,",
		map->total - map->unfinished, map->total);
}

const WfCallKind wf_call_map_child = {
	.letter = WF_STEP_KIND_MAP_CHILD,
	.word = "map",
	.event = "call",
	.waits_as = WF_WAIT_CHILD,
	.runs = WF_CALL_MANY_RUNS,
	.is_counted = true,
	.settle = settle,
	.play_in_trial = play_in_trial,
	.explain = explain,
};
