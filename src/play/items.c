/*
 * items.c
 *		What the two kinds of maps have in common.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/spi.h"
#include "ipc/wakeup.h"
#include "play/error.h"
#include "play/items.h"
#include "play/trial_call.h"
#include "store/child.h"
#include "store/definition.h"

bool
wf_items_collect(const WfWanted *asked)
{
	text *on_error = DatumGetTextPP(asked->values[WF_MAP_ON_ERROR]);

	return VARSIZE_ANY_EXHDR(on_error) == strlen("collect");
}

/* ---- outcomes ---- */

/* A chunk's result is an array of what its items came to. */
static void
push_elements(JsonbParseState **state, Jsonb *chunk)
{
	JsonbIterator *it = JsonbIteratorInit(&chunk->root);
	JsonbValue v;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM)
			(void) pushJsonbValue(state, WJB_ELEM, &v);
	}
}

/* What all children of a map that have ended came to, in order. */
static Jsonb *
gather(WfPlay *play, const WfStep *step, WfOutcomeOf of)
{
	JsonbParseState *state = NULL;
	WfChildEnd *ends;
	WfError error;
	MemoryContext scratch = CurrentMemoryContext;
	int n = wf_map_ends(&play->record.run.run_id, step->ordinal, 0, scratch,
						&ends);

	MemoryContextSwitchTo(scratch); /* SPI has left its own */
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
	{
		const WfChildEnd *end = &ends[i];
		bool failed = end->state != WF_RUN_SUCCEEDED;

		if (of == WF_OUTCOME_OF_MAP)
			push_elements(&state, end->result);
		else if (!play->replay.collects)
			wf_json_push(&state, WJB_ELEM, end->result);
		else
		{
			if (failed)
				wf_outcome_failure(end, of, step->match.name, &error);
			wf_outcome_push(&state, end->result, failed ? &error : NULL);
		}
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

static void
set_gathered(WfPlay *play, WfStep *step, WfOutcomeOf of)
{
	MemoryContext scratch = AllocSetContextCreate(
		play->record.cxt, "workflow map result", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	Jsonb *result = gather(play, step, of);

	MemoryContextSwitchTo(play->record.cxt);
	step->finished_at = wf_clock_now();
	if (VARSIZE(result) > (int64) wf_max_payload * 1024)
	{
		step->match.state = WF_STEP_FAILED;
		wf_error_set(
			&step->error, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
			"result of the map is too large",
			psprintf("It has %zu bytes, workflow.max_payload allows %d kB.",
					 (size_t) VARSIZE(result), wf_max_payload));
		step->error.hint = pstrdup(
			"Let the items keep what they find in a table, and return keys.");
	}
	else
	{
		step->match.state = WF_STEP_DONE;
		step->result =
			memcpy(palloc(VARSIZE(result)), result, VARSIZE(result));
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

/* The first one that has failed decides, and the others are of no use then. */
static void
set_failed(WfPlay *play, WfStep *step, WfOutcomeOf of, int32 item)
{
	MemoryContext old = CurrentMemoryContext;
	WfChildEnd *ends;

	if (wf_map_ends(&play->record.run.run_id, step->ordinal, item,
					play->record.cxt, &ends) == 0)
		elog(ERROR, "child %d of the map is gone", item);
	if (wf_children_cancel(&play->record.run.run_id, step->ordinal) > 0)
		wf_note_events(WF_EVENT_REQUEST);

	MemoryContextSwitchTo(play->record.cxt);
	step->match.state = WF_STEP_FAILED;
	step->finished_at = wf_clock_now();
	wf_outcome_failure(&ends[0], of, step->match.name, &step->error);
	MemoryContextSwitchTo(old);
}

/*
 * As many held ones may start as have ended since.  Not before the turn writes:
 * user code may run until then, and whoever cancels one would wait for it.
 */
static void
note_room(WfPlay *play, const WfStep *step, const WfMapState *map)
{
	int nheld = map->unfinished - map->started;

	if (play->replay.max_parallel == 0 || nheld == 0 ||
		map->started >= play->replay.max_parallel)
		return;
	play->replay.room_for = step->ordinal;
	play->replay.room = Min(nheld, play->replay.max_parallel - map->started);
}

void
wf_items_release(WfPlay *play)
{
	WfReplay *replay = &play->replay;
	WfWork *infos;
	WfWindow window;
	int n;

	if (replay->room_for == 0)
		return;
	infos = palloc(mul_size(replay->room, sizeof(WfWork)));
	wf_window_open(&window);
	n = wf_map_release(&play->record.run.run_id, replay->room_for,
					   replay->room, infos);
	wf_window_close(&window);
	for (int i = 0; i < n; i++)
		wf_note_run(&infos[i]);
	replay->room_for = 0;
}

bool
wf_items_settle(WfPlay *play, WfStep *step, WfOutcomeOf of)
{
	const WfReplay *replay = &play->replay;
	bool children = of == WF_OUTCOME_OF_CHILD;
	WfMapState map;

	/* what its arguments were is known once the body asks for its outcome */
	if (!replay->blocked || replay->blocked_on != step->ordinal)
		return false;
	wf_map_look(&play->record.run.run_id, step->ordinal, &map);
	if (map.failed > 0 && !(children && replay->collects))
		set_failed(play, step, of, map.failed);
	else if (map.unfinished == 0)
		set_gathered(play, step, of);
	else
	{
		if (children)
			note_room(play, step, &map);
		return false;
	}
	return true;
}

/* ---- in a trial ---- */

/*
 * The items of a trial one after another.  The first that fails ends it, unless
 * errors are collected.
 */
void
wf_items_play(WfTrial *trial, WfStep *step, Jsonb *items, bool collects,
			  WfItemsPlayOne play_one, void *arg)
{
	WfRecord *record = &trial->play.record;
	JsonbParseState *state = NULL;
	JsonbIterator *it = JsonbIteratorInit(&items->root);
	JsonbIteratorToken token;
	JsonbValue v;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		/* what is pushed has to stay */
		WfStep *one = palloc0(sizeof(WfStep));

		if (token != WJB_ELEM)
			continue;
		one->match.state = WF_STEP_DONE;
		play_one(trial, arg, JsonbValueToJsonb(&v), one);
		if (one->match.state != WF_STEP_FAILED)
			memset(&one->error, 0, sizeof(one->error));
		/* attempts are counted for each item */
		record->nsteps = step->ordinal - 1;
		if (collects)
			wf_outcome_push(&state, one->result,
							one->error.code[0] ? &one->error : NULL);
		else if (one->error.code[0] != '\0')
		{
			step->match.state = WF_STEP_FAILED;
			step->error = one->error;
			return;
		}
		else
			wf_json_push(&state, WJB_ELEM, one->result);
	}
	step->result =
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}
