/*
 * call_map.c
 *		map() and map_task(): a step or a task for each item, done by chunks.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/jsonb.h"

#include "play/calls.h"
#include "play/chunk_write.h"
#include "play/items.h"
#include "play/trial_call.h"
#include "store/definition.h"

static bool
begin(WfPlay *play, const WfWanted *asked, WfStep *step)
{
	return wf_chunk_write_map(play, asked) == 0;
}

static bool
settle(WfPlay *play, WfStep *step, TimestampTz now)
{
	return wf_items_settle(play, step, WF_OUTCOME_OF_MAP);
}

static void
play_one(WfTrial *trial, void *arg, Jsonb *item, WfStep *one)
{
	WfWanted *wanted = &trial->play.wanted;
	Oid type = JSONBOID;
	Datum value = JsonbPGetDatum(item);
	char null = ' ';

	wanted->nargs = 1;
	wanted->types = &type;
	wanted->values = &value;
	wanted->nulls = &null;
	wf_trial_call_attempt(trial, one);
}

static void
play_in_trial(WfTrial *trial, WfStep *step)
{
	WfWanted *wanted = &trial->play.wanted;

	if (wf_items_are_tasks(&trial->play.asked))
	{
		wf_trial_call_answer(trial, step, "WF004");
		return;
	}
	wf_trial_call_begin(trial, step);
	wf_play_adopt(&trial->play);
	if (wanted->nulls[WF_MAP_POLICY] != 'n')
	{
		wf_policy_from_datum(wanted->values[WF_MAP_POLICY], &wanted->policy);
		wanted->has_policy = true;
	}
	wf_items_play(trial, step, DatumGetJsonbP(wanted->values[WF_MAP_ITEMS]),
				  wf_items_collect(wanted), play_one, NULL);
}

static void
explain(StringInfo out, const WfStep *step, const WfMapState *map)
{
	appendStringInfo(
		out,
		"The run waits for items of a map, which has ended %d of its %d parts,",
		map->total - map->unfinished, map->total);
}

const WfCallKind wf_call_map = {
	.letter = WF_STEP_KIND_MAP,
	.word = "map",
	.event = "map",
	.waits_as = WF_WAIT_CHILD,
	.runs = WF_CALL_MANY_RUNS,
	.is_plain = true,
	.begin = begin,
	.settle = settle,
	.play_in_trial = play_in_trial,
	.explain = explain,
};
