/*
 * chunk_body.c
 *		The body of a chunk.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "base/json.h"
#include "play/calls.h"
#include "play/chunk.h"
#include "play/chunk_body.h"
#include "play/outcome.h"
#include "play/play.h"
#include "play/word.h"
#include "store/definition.h"

static char *
text_field(const Jsonb *input, const char *key)
{
	JsonbValue *v = wf_chunk_field(input, key);

	if (v == NULL || v->type != jbvString)
		elog(ERROR, "input of a chunk lacks \"%s\"", key);
	return pnstrdup(v->val.string.val, v->val.string.len);
}

static JsonbContainer *
array_field(const Jsonb *input, const char *key)
{
	JsonbValue *v = wf_chunk_field(input, key);

	return v != NULL && v->type == jbvBinary ? v->val.binary.data : NULL;
}

static char *
element_text(JsonbContainer *array, int i)
{
	JsonbValue *v = getIthJsonbValueFromContainer(array, i);

	return v->type == jbvNull ? NULL
							  : pnstrdup(v->val.string.val, v->val.string.len);
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
ask_for_items(WfPlay *play, WfCall *call, JsonbContainer *items, int n,
			  int arg)
{
	Oid *types = unconstify(Oid *, call->types);
	Datum *values = unconstify(Datum *, call->values);

	types[arg] = JSONBOID;
	while (play->replay.asked < n)
	{
		JsonbValue *item =
			getIthJsonbValueFromContainer(items, play->replay.asked);

		values[arg] = PointerGetDatum(JsonbValueToJsonb(item));
		(void) wf_word_call(call);
	}
}

static Jsonb *
result_of_items(WfPlay *play, int n, bool collects)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
	{
		const WfStep *step = &play->record.steps[i];
		bool failed = step->match.state == WF_STEP_FAILED;

		if (collects)
			wf_outcome_push(&state, step->result,
							failed ? &step->error : NULL);
		else
			wf_json_push(&state, WJB_ELEM, step->result);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/* Is this record one that ask_for_items() need not look at again? */
static bool
is_settled(const WfPlay *play, int i, bool starts)
{
	char state = play->record.matches[i].state;

	return state == WF_STEP_DONE ||
		   ((state == WF_STEP_FAILED || state == WF_STEP_WAITING) && starts);
}

static bool
flag_field(const Jsonb *input, const char *key)
{
	JsonbValue *v = wf_chunk_field(input, key);

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
	call->kind = &wf_call_task;
	call->policy = NULL;
	call->nargs = TASK_NARGS;
	call->types = types;
	call->values = values;
	call->nulls = nulls;
}

/* All were sent: one that failed ends the chunk, else the first is waited for. */
static void
await_tasks(WfPlay *play, int n, bool collects)
{
	for (int i = 0; i < n && !collects; i++)
	{
		if (play->record.matches[i].state == WF_STEP_FAILED)
			(void) wf_word_await(i + 1);
	}
	for (int i = 0; i < n; i++)
	{
		if (play->record.matches[i].state == WF_STEP_WAITING)
			(void) wf_word_await(i + 1);
	}
}

Jsonb *
wf_chunk_body_run(WfPlay *play)
{
	const Jsonb *input = play->record.run.input;
	JsonbContainer *items = array_field(input, "items");
	bool collects = flag_field(input, "collects");
	bool tasks = flag_field(input, "tasks");
	WfCall call = {.kind = &wf_call_step, .due_at = DT_NOEND};
	WfPolicy policy;
	int n;

	/* a body that is built in asks for the same in each replay */
	call.starts = collects || tasks;
	play->replay.asked = play->record.nsteps;
	if (play->record.nsteps > 0 &&
		!is_settled(play, play->record.nsteps - 1, call.starts))
		play->replay.asked--;
	if (play->replay.asked > 0)
		play->replay.now =
			play->record.steps[play->replay.asked - 1].finished_at;

	call.name = text_field(input, "name");
	call.command = text_field(input, "command");
	read_arguments(input, &call, &policy);
	if (items == NULL)
	{
		play->replay.asked = 0;
		return wf_word_call(&call)->result;
	}
	n = JsonContainerSize(items);
	if (tasks)
	{
		make_task(&call);
		ask_for_items(play, &call, items, n, TASK_PAYLOAD);
		await_tasks(play, n, collects);
	}
	else
		ask_for_items(play, &call, items, n, call.nargs++);
	return result_of_items(play, n, collects);
}
