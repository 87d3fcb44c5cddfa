/*
 * exec_items.c
 *		Steps on other executors: chunks of a map, and steps beside the body.
 *
 * A chunk is a run of its own (core/state.h), so that its steps are ordinary
 * ones, with transactions, retries, records and crash accounting; but its body
 * is built in, and it is nobody's business but its parent's.  It has workflow
 * and body version of its parent, for search_path, policy and pauses.
 *
 * Its input:
 *
 *	name, command	of each step
 *	types, values	of its arguments, as text; a policy is the first
 *	items			map: of each step one, which is the argument after these
 *	first			map: number of the first of them, from 1
 *	collects		map: a step that fails does not end it
 *	tasks			map: each step is a task, and the command a queue
 *	queue			of the parent, for its policy
 *
 * Its result is what the step came to; for a map an array with what each item
 * came to.
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
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/spi.h"
#include "core/state.h"
#include "store/child.h"
#include "store/definition.h"
#include "worker/exec_turn.h"
#include "worker/wakeup.h"

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
		wf_json_push_text(
			state, WJB_ELEM,
			asked->nulls[i] == 'n'
				? NULL
				: wf_value_text(asked->types[i], asked->values[i], true));
	(void) pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

static void
begin_input(JsonbParseState **state, WfExec *exec, const WfWanted *asked)
{
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	wf_json_push_key(state, "name");
	wf_json_push_text(state, WJB_VALUE, asked->name);
	wf_json_push_key(state, "command");
	wf_json_push_text(state, WJB_VALUE, asked->command);
	wf_json_push_key(state, "queue");
	wf_json_push_int(state, WJB_VALUE, exec->run.queue_id);
}

static Jsonb *
end_input(JsonbParseState **state)
{
	return JsonbValueToJsonb(pushJsonbValue(state, WJB_END_OBJECT, NULL));
}

static Jsonb *
step_input(WfExec *exec, const WfWanted *asked)
{
	JsonbParseState *state = NULL;

	begin_input(&state, exec, asked);
	push_arguments(&state, asked, 0, asked->nargs);
	return end_input(&state);
}

bool
wf_map_collects(const WfWanted *asked)
{
	text *on_error = DatumGetTextPP(asked->values[WF_MAP_ON_ERROR]);

	return VARSIZE_ANY_EXHDR(on_error) == strlen("collect");
}

/* The next "n" items that "it" comes to. */
static Jsonb *
map_input(WfExec *exec, const WfWanted *asked, JsonbIterator **it, int first,
		  int n)
{
	JsonbParseState *state = NULL;
	bool policy = asked->nulls[WF_MAP_POLICY] != 'n';
	JsonbValue v;

	begin_input(&state, exec, asked);
	push_arguments(&state, asked, WF_MAP_POLICY,
				   WF_MAP_POLICY + (policy ? 1 : 0));
	wf_json_push_key(&state, "first");
	wf_json_push_int(&state, WJB_VALUE, first);
	wf_json_push_key(&state, "collects");
	wf_json_push_bool(&state, WJB_VALUE, wf_map_collects(asked));
	wf_json_push_key(&state, "tasks");
	wf_json_push_bool(&state, WJB_VALUE, wf_map_has_tasks(asked));
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
init_chunk(WfExec *exec, int ordinal, WfNewRun *chunk)
{
	memset(chunk, 0, sizeof(*chunk));
	chunk->origin = wf_origin();
	chunk->enqueued_at = chunk->run_at = wf_clock_now();
	chunk->deadline_at = DT_NOEND;
	chunk->workflow_id = exec->run.workflow_id;
	chunk->body_id = exec->run.body_id;
	chunk->queue_id = WF_QUEUE_ITEMS;
	chunk->priority = exec->run.priority;
	chunk->owner = exec->run.owner;
	chunk->owner_name = CStringGetTextDatum(exec->run.owner_name);
	chunk->has_parent = true;
	chunk->parent_run_id = exec->run.run_id;
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
write_map(WfExec *exec, const WfWanted *asked)
{
	Jsonb *items = DatumGetJsonbP(asked->values[WF_MAP_ITEMS]);
	int nitems = JB_ROOT_COUNT(items);
	int max_parallel = max_parallel_of(asked);
	int size = wf_map_has_tasks(asked) && max_parallel < nitems
				   ? 1
				   : chunk_size(nitems, max_parallel);
	MemoryContext scratch = AllocSetContextCreate(
		CurrentMemoryContext, "workflow map input", ALLOCSET_DEFAULT_SIZES);
	JsonbIterator *it = JsonbIteratorInit(&items->root);
	WfNewRun chunk;
	int number = 0;

	init_chunk(exec, asked->ordinal, &chunk);
	for (int done = 0; done < nitems; done += size)
	{
		/* the iterator keeps what it needs where it was made */
		MemoryContext old = MemoryContextSwitchTo(scratch);
		Jsonb *input =
			map_input(exec, asked, &it, done + 1, Min(size, nitems - done));

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
 * retry_run() has the call tried again: what its chunks have done stays done.
 * Each that did not succeed is replaced by another one, with another id, as an
 * executor may just be leaving it.
 */
static int
write_again(WfExec *exec, const WfWanted *asked)
{
	bool collects = wf_map_collects(asked);
	int max_parallel = max_parallel_of(asked);
	WfNewRun chunk;
	WfMapRedo *redo;
	WfWindow window;
	int n;

	init_chunk(exec, asked->ordinal, &chunk);
	wf_window_open(&window);
	if (wf_map_has_unfinished(&exec->run.run_id, asked->ordinal))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("items of \"%s\" are still being cancelled",
						asked->name)));
	n = wf_map_redo(&exec->run.run_id, asked->ordinal, exec->turn_cxt, &redo);
	for (int i = 0; i < n; i++)
	{
		write_chunk(&chunk, redo[i].item, redo[i].input, i >= max_parallel);
		wf_chunk_replace(&redo[i].run_id, &chunk.run_id, collects);
		note_chunk(&chunk, false);
	}
	wf_window_close(&window);
	return n;
}

bool
wf_items_begin(WfExec *exec, const WfWanted *asked, WfStep *step)
{
	MemoryContext old = MemoryContextSwitchTo(exec->turn_cxt);
	WfNewRun chunk;
	int n = 1;

	if (asked->kind == WF_STEP_KIND_ITEM)
	{
		init_chunk(exec, asked->ordinal, &chunk);
		write_chunk(&chunk, 1, step_input(exec, asked), false);
		note_chunk(&chunk, true);
		step->has_child = true;
		step->child_run_id = chunk.run_id;
	}
	else if (asked->ordinal <= exec->nsteps)
		n = write_again(exec, asked);
	else
		n = write_map(exec, asked);
	MemoryContextSwitchTo(old);
	return n > 0;
}

/* ---- the body of a chunk ---- */

/* A field of the input, or NULL. */
static JsonbValue *
field(const Jsonb *input, const char *key)
{
	return getKeyJsonValueFromContainer(&unconstify(Jsonb *, input)->root, key,
										strlen(key), NULL);
}

static char *
text_field(const Jsonb *input, const char *key)
{
	JsonbValue *v = field(input, key);

	if (v == NULL || v->type != jbvString)
		elog(ERROR, "input of a chunk lacks \"%s\"", key);
	return pnstrdup(v->val.string.val, v->val.string.len);
}

static JsonbContainer *
array_field(const Jsonb *input, const char *key)
{
	JsonbValue *v = field(input, key);

	return v != NULL && v->type == jbvBinary ? v->val.binary.data : NULL;
}

static char *
element_text(JsonbContainer *array, int i)
{
	JsonbValue *v = getIthJsonbValueFromContainer(array, i);

	return v->type == jbvNull ? NULL
							  : pnstrdup(v->val.string.val, v->val.string.len);
}

int32
wf_items_queue(const WfRun *run)
{
	JsonbValue *queue;

	if (!wf_run_is_chunk(run))
		return run->queue_id;
	queue = field(run->input, "queue");
	if (queue == NULL || queue->type != jbvNumeric)
		elog(ERROR, "input of a chunk lacks its queue");
	return DatumGetInt32(DirectFunctionCall1(
		numeric_int4, NumericGetDatum(queue->val.numeric)));
}

int32
wf_items_number(const WfRun *run, int ordinal)
{
	JsonbValue *first = field(run->input, "first");

	if (first == NULL || first->type != jbvNumeric)
		return 0;
	return DatumGetInt32(DirectFunctionCall1(
			   numeric_int4, NumericGetDatum(first->val.numeric))) +
		   ordinal - 1;
}

static Datum
read_value(Oid type, char *text)
{
	Oid input;
	Oid ioparam;

	if (type == UNKNOWNOID)
		return CStringGetDatum(text);
	getTypeInputInfo(type, &input, &ioparam);
	return OidInputFunctionCall(input, text, ioparam, -1);
}

/* The arguments that all steps have, with room for one more. */
static void
read_arguments(const Jsonb *input, WfCall *call, WfPolicy *policy)
{
	JsonbContainer *types = array_field(input, "types");
	JsonbContainer *values = array_field(input, "values");
	int n = types == NULL ? 0 : JsonContainerSize(types);
	Oid *oids = palloc(sizeof(Oid) * (n + 1));
	Datum *datums = palloc0(sizeof(Datum) * (n + 1));
	bool *nulls = palloc0(n + 1);

	for (int i = 0; i < n; i++)
	{
		char *value = element_text(values, i);

		oids[call->nargs] = DatumGetObjectId(DirectFunctionCall1(
			regtypein, CStringGetDatum(element_text(types, i))));
		nulls[call->nargs] = value == NULL;
		if (value != NULL)
			datums[call->nargs] = read_value(oids[call->nargs], value);
		if (i > 0 || oids[0] != wf_policy_type())
			call->nargs++;
		else if (value != NULL)
		{
			wf_policy_from_datum(datums[0], policy);
			call->policy = policy;
		}
	}
	call->types = oids;
	call->values = datums;
	call->nulls = nulls;
}

/* Asks for one step that is not recorded yet after the other. */
static void
ask_for_items(WfExec *exec, WfCall *call, JsonbContainer *items, int n,
			  int arg)
{
	Oid *types = unconstify(Oid *, call->types);
	Datum *values = unconstify(Datum *, call->values);

	types[arg] = JSONBOID;
	while (exec->asked < n)
	{
		JsonbValue *item = getIthJsonbValueFromContainer(items, exec->asked);

		values[arg] = PointerGetDatum(JsonbValueToJsonb(item));
		(void) wf_word_call(call);
	}
}

static Jsonb *
result_of_items(WfExec *exec, int n, bool collects)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
	{
		const WfStep *step = &exec->steps[i];
		bool failed = step->match.state == WF_STEP_FAILED;

		if (collects)
			wf_collect_push(&state, step->result,
							failed ? &step->error : NULL);
		else
			wf_json_push(&state, WJB_ELEM, step->result);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/* Is this record one that ask_for_items() need not look at again? */
static bool
is_settled(const WfExec *exec, int i, bool starts)
{
	char state = exec->records[i].state;

	return state == WF_STEP_DONE ||
		   ((state == WF_STEP_FAILED || state == WF_STEP_WAITING) && starts);
}

static bool
flag_field(const Jsonb *input, const char *key)
{
	JsonbValue *v = field(input, key);

	return v != NULL && v->type == jbvBool && v->val.boolean;
}

/* The arguments of a task, as api/task.c has them; the payload is to come. */
#define TASK_NARGS	 5
#define TASK_PAYLOAD 2
#define TASK_POLICY	 3

static void
make_task(WfCall *call)
{
	Oid *types = palloc(sizeof(Oid) * TASK_NARGS);
	Datum *values = palloc0(sizeof(Datum) * TASK_NARGS);
	bool *nulls = palloc(TASK_NARGS);

	for (int i = 0; i < TASK_NARGS; i++)
	{
		types[i] = TEXTOID;
		nulls[i] = true;
	}
	values[0] = CStringGetTextDatum(call->name);
	values[1] = CStringGetTextDatum(call->command);
	types[TASK_POLICY] = wf_policy_type();
	values[TASK_POLICY] = call->policy != NULL ? call->values[0] : (Datum) 0;
	nulls[0] = nulls[1] = nulls[TASK_PAYLOAD] = false;
	nulls[TASK_POLICY] = call->policy == NULL;
	call->kind = WF_STEP_KIND_TASK;
	call->policy = NULL;
	call->nargs = TASK_NARGS;
	call->types = types;
	call->values = values;
	call->nulls = nulls;
}

/* All were sent: one that failed ends the chunk, else the first is waited for. */
static void
await_tasks(WfExec *exec, int n, bool collects)
{
	for (int i = 0; i < n && !collects; i++)
	{
		if (exec->records[i].state == WF_STEP_FAILED)
			(void) wf_word_await(i + 1);
	}
	for (int i = 0; i < n; i++)
	{
		if (exec->records[i].state == WF_STEP_WAITING)
			(void) wf_word_await(i + 1);
	}
}

Jsonb *
wf_items_body(WfExec *exec)
{
	const Jsonb *input = exec->run.input;
	JsonbContainer *items = array_field(input, "items");
	bool collects = flag_field(input, "collects");
	bool tasks = flag_field(input, "tasks");
	WfCall call = {.kind = WF_STEP_KIND_STEP, .due_at = DT_NOEND};
	WfPolicy policy;
	int n;

	/* a body that is built in asks for the same in each replay */
	call.starts = collects || tasks;
	exec->asked = exec->nsteps;
	if (exec->nsteps > 0 && !is_settled(exec, exec->nsteps - 1, call.starts))
		exec->asked--;
	if (exec->asked > 0)
		exec->now = exec->steps[exec->asked - 1].finished_at;

	call.name = text_field(input, "name");
	call.command = text_field(input, "command");
	read_arguments(input, &call, &policy);
	if (items == NULL)
	{
		exec->asked = 0;
		return wf_word_call(&call)->result;
	}
	n = JsonContainerSize(items);
	if (tasks)
	{
		make_task(&call);
		ask_for_items(exec, &call, items, n, TASK_PAYLOAD);
		await_tasks(exec, n, collects);
	}
	else
		ask_for_items(exec, &call, items, n, call.nargs++);
	return result_of_items(exec, n, collects);
}
