/*
 * chunk_write.c
 *		Writing the chunks of a map, or the one of a step beside the body.
 *
 * A map has about 64 chunks, or as many more as it takes for none to have over
 * MAX_CHUNK items: the replay before each item costs more the more were done
 * before.  With max_parallel it has at least four times as many, lest few of
 * them take long at the end.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/spi.h"
#include "ipc/wakeup.h"
#include "play/chunk.h"
#include "play/chunk_write.h"
#include "play/fingerprint.h"
#include "play/items.h"
#include "play/play.h"
#include "store/child.h"

#define GOOD_CHUNKS 64
#define MAX_CHUNK	100

/* ---- writing a chunk's input ---- */

/* Types and values of these arguments, each as the text that names it. */
static void
push_arguments(JsonbParseState **state, const WfWanted *asked, int from,
			   int upto)
{
	wf_json_push_key(state, "types");
	(void) pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = from; i < upto; i++)
		wf_json_push_text(state, WJB_ELEM,
						  format_type_be_qualified(asked->types[i]));
	(void) pushJsonbValue(state, WJB_END_ARRAY, NULL);
	wf_json_push_key(state, "values");
	(void) pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = from; i < upto; i++)
		wf_json_push_text(state, WJB_ELEM,
						  asked->nulls[i] == 'n'
							  ? NULL
							  : wf_fingerprint_text(asked->types[i],
													asked->values[i], true));
	(void) pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

static void
begin_input(JsonbParseState **state, WfPlay *play, const WfWanted *asked)
{
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	wf_json_push_key(state, "name");
	wf_json_push_text(state, WJB_VALUE, asked->name);
	wf_json_push_key(state, "command");
	wf_json_push_text(state, WJB_VALUE, asked->command);
	wf_json_push_key(state, "queue");
	wf_json_push_int(state, WJB_VALUE, play->record.run.queue_id);
}

static Jsonb *
end_input(JsonbParseState **state)
{
	return JsonbValueToJsonb(pushJsonbValue(state, WJB_END_OBJECT, NULL));
}

static Jsonb *
step_input(WfPlay *play, const WfWanted *asked)
{
	JsonbParseState *state = NULL;

	begin_input(&state, play, asked);
	push_arguments(&state, asked, 0, asked->nargs);
	return end_input(&state);
}

/* The next "n" items that "it" comes to. */
static Jsonb *
map_input(WfPlay *play, const WfWanted *asked, JsonbIterator **it, int first,
		  int n)
{
	JsonbParseState *state = NULL;
	bool policy = asked->nulls[WF_MAP_POLICY] != 'n';
	JsonbValue v;

	begin_input(&state, play, asked);
	push_arguments(&state, asked, WF_MAP_POLICY,
				   WF_MAP_POLICY + (policy ? 1 : 0));
	wf_json_push_key(&state, "first");
	wf_json_push_int(&state, WJB_VALUE, first);
	wf_json_push_key(&state, "collects");
	wf_json_push_bool(&state, WJB_VALUE, wf_items_collect(asked));
	wf_json_push_key(&state, "tasks");
	wf_json_push_bool(&state, WJB_VALUE, wf_items_are_tasks(asked));
	wf_json_push_key(&state, "items");
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	while (n > 0)
	{
		if (JsonbIteratorNext(it, &v, true) != WJB_ELEM)
			continue;
		(void) pushJsonbValue(&state, WJB_ELEM, &v);
		n--;
	}
	(void) pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	return end_input(&state);
}

/* ---- writing chunks ---- */

static void
init_chunk(WfPlay *play, int ordinal, WfNewRun *chunk)
{
	memset(chunk, 0, sizeof(*chunk));
	chunk->origin = wf_origin();
	chunk->enqueued_at = chunk->run_at = wf_clock_now();
	chunk->deadline_at = DT_NOEND;
	chunk->workflow_id = play->record.run.workflow_id;
	chunk->body_id = play->record.run.body_id;
	chunk->queue_id = WF_QUEUE_ITEMS;
	chunk->priority = play->record.run.priority;
	chunk->owner = play->record.run.owner;
	chunk->owner_name = CStringGetTextDatum(play->record.run.owner_name);
	chunk->run_as_by = play->record.run.run_as_by;
	if (play->record.run.run_as_by_name != NULL)
		chunk->run_as_by_name =
			CStringGetTextDatum(play->record.run.run_as_by_name);
	chunk->has_parent = true;
	chunk->parent_run_id = play->record.run.run_id;
	chunk->parent_ordinal = ordinal;
	chunk->on_close = WF_CLOSE_CANCEL;
}

static void
write_chunk(WfNewRun *chunk, int item, const Jsonb *input, bool held)
{
	chunk->item = item;
	chunk->input = PointerGetDatum(input);
	chunk->held = held;
	wf_runid_draw(&chunk->run_id);
	wf_run_insert(chunk);
}

/* fresh: it has no steps yet */
static void
note_chunk(const WfNewRun *chunk, bool fresh)
{
	WfWork info;

	if (chunk->held)
		return;
	wf_run_describe(chunk, &info);
	if (!fresh)
		info.flags &= ~WF_ASSIGN_FRESH;
	wf_note_run(&info);
}

static int
max_parallel_of(const WfWanted *asked)
{
	if (asked->nulls[WF_MAP_MAX_PARALLEL] == 'n')
		return PG_INT32_MAX;
	return DatumGetInt32(asked->values[WF_MAP_MAX_PARALLEL]);
}

static int
chunk_size(int nitems, int max_parallel)
{
	int size = Min(Max(nitems / GOOD_CHUNKS, 1), MAX_CHUNK);

	if (max_parallel < nitems)
		size = Min(size, Max(nitems / 4 / max_parallel, 1));
	return size;
}

/* How many chunks it has. */
static int
write_map(WfPlay *play, const WfWanted *asked)
{
	Jsonb *items = DatumGetJsonbP(asked->values[WF_MAP_ITEMS]);
	int nitems = JB_ROOT_COUNT(items);
	int max_parallel = max_parallel_of(asked);
	int size = wf_items_are_tasks(asked) && max_parallel < nitems
				   ? 1
				   : chunk_size(nitems, max_parallel);
	MemoryContext scratch = AllocSetContextCreate(
		CurrentMemoryContext, "workflow map input", ALLOCSET_DEFAULT_SIZES);
	JsonbIterator *it = JsonbIteratorInit(&items->root);
	WfNewRun chunk;
	int number = 0;

	init_chunk(play, asked->ordinal, &chunk);
	for (int done = 0; done < nitems; done += size)
	{
		/* the iterator keeps what it needs where it was made */
		MemoryContext old = MemoryContextSwitchTo(scratch);
		Jsonb *input =
			map_input(play, asked, &it, done + 1, Min(size, nitems - done));

		number++;
		write_chunk(&chunk, number, input, number > max_parallel);
		MemoryContextSwitchTo(old);
		note_chunk(&chunk, true);
		MemoryContextReset(scratch);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(scratch);
	return number;
}

/* ---- once more ---- */

/*
 * The call has a record, so retry_run() has it tried again.  Is it what its
 * chunks were made for?  They must have ended.
 */
static bool
can_go_on(WfPlay *play, const WfWanted *asked)
{
	const pg_uuid_t *run_id = &play->record.run.run_id;
	const WfStep *before;
	bool same;
	WfWindow window;

	if (asked->ordinal > play->record.nsteps)
		return false;
	before = &play->record.steps[asked->ordinal - 1];
	wf_window_open(&window);
	if (wf_map_has_unfinished(run_id, asked->ordinal))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("items of \"%s\" are still being cancelled",
						before->match.name)));
	same = before->match.kind == asked->kind->letter &&
		   (asked->kind->runs != WF_CALL_MANY_RUNS ||
			wf_map_is_same(run_id, asked->ordinal,
						   DatumGetJsonbP(asked->values[WF_MAP_ITEMS]),
						   wf_items_are_tasks(asked)));
	if (!same)
		wf_children_forget(run_id, asked->ordinal);
	wf_window_close(&window);
	return same;
}

/*
 * The input of a chunk that takes the place of another one: for the same items,
 * but as the call is worded now.
 */
static Jsonb *
input_again(WfPlay *play, const WfWanted *asked, const Jsonb *input)
{
	const Jsonb *items = JsonbValueToJsonb(wf_chunk_field(input, "items"));
	JsonbIterator *it = JsonbIteratorInit(&unconstify(Jsonb *, items)->root);
	int first = DatumGetInt32(DirectFunctionCall1(
		numeric_int4,
		NumericGetDatum(wf_chunk_field(input, "first")->val.numeric)));

	return map_input(play, asked, &it, first, JB_ROOT_COUNT(items));
}

/*
 * The work of chunks that is done stays done.  Each chunk that did not succeed
 * is replaced by another one, with another id, as an executor may just be
 * leaving it.
 */
static int
write_again(WfPlay *play, const WfWanted *asked)
{
	bool collects = wf_items_collect(asked);
	int max_parallel = max_parallel_of(asked);
	WfNewRun chunk;
	WfMapRedo *redo;
	WfWindow window;
	int n;

	init_chunk(play, asked->ordinal, &chunk);
	wf_window_open(&window);
	n = wf_map_redo(&play->record.run.run_id, asked->ordinal, play->scratch,
					&redo);
	for (int i = 0; i < n; i++)
	{
		write_chunk(&chunk, redo[i].item,
					input_again(play, asked, redo[i].input),
					i >= max_parallel);
		wf_chunk_replace(&redo[i].run_id, &chunk.run_id, collects,
						 asked->name);
		note_chunk(&chunk, false);
	}
	wf_window_close(&window);
	return n;
}

/* A step beside the body that is begun again takes over an unknown outcome. */
static void
take_over(WfPlay *play, const WfWanted *asked, const WfNewRun *chunk)
{
	const WfStep *before = &play->record.steps[asked->ordinal - 1];
	WfWindow window;

	if (!before->has_child)
		return;
	wf_window_open(&window);
	wf_chunk_replace(&before->child_run_id, &chunk->run_id, false,
					 asked->name);
	wf_window_close(&window);
}

void
wf_chunk_write_step(WfPlay *play, const WfWanted *asked, WfStep *step)
{
	MemoryContext old = MemoryContextSwitchTo(play->scratch);
	WfNewRun chunk;

	bool again = can_go_on(play, asked);

	init_chunk(play, asked->ordinal, &chunk);
	write_chunk(&chunk, 1, step_input(play, asked), false);
	if (again)
		take_over(play, asked, &chunk);
	note_chunk(&chunk, !again);
	step->has_child = true;
	step->child_run_id = chunk.run_id;
	MemoryContextSwitchTo(old);
}

int
wf_chunk_write_map(WfPlay *play, const WfWanted *asked)
{
	MemoryContext old = MemoryContextSwitchTo(play->scratch);
	int n = can_go_on(play, asked) ? write_again(play, asked)
								   : write_map(play, asked);

	MemoryContextSwitchTo(old);
	return n;
}
