/*
 * body_parallel.c
 *		Words with which a body does several things at a time: start_step(),
 *		map(), map_task(), await(), await_all(), await_any().
 *
 * A handle is the ordinal of the call that started something, so it is the
 * same in every replay.  await() and await_all() make no records: whether the
 * body gets past them depends on nothing but recorded outcomes.  await_any()
 * does, as which of several ended first is nothing that a replay could find
 * out again.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/body_parallel.h"
#include "base/json.h"
#include "core/state.h"
#include "play/calls.h"
#include "play/word.h"
#include "store/definition.h"

PG_FUNCTION_INFO_V1(workflow_start_step);
PG_FUNCTION_INFO_V1(workflow_start_step_args);
PG_FUNCTION_INFO_V1(workflow_map);
PG_FUNCTION_INFO_V1(workflow_map_task);
PG_FUNCTION_INFO_V1(workflow_await);
PG_FUNCTION_INFO_V1(workflow_await_all);
PG_FUNCTION_INFO_V1(workflow_await_any);

/* ---- arguments ---- */

Jsonb *
wf_arg_items(FunctionCallInfo fcinfo, int arg)
{
	Jsonb *items;

	wf_arg_require(fcinfo, arg, "items");
	items = PG_GETARG_JSONB_P(arg);
	if (!JB_ROOT_IS_ARRAY(items) || JB_ROOT_IS_SCALAR(items))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("items must be a JSON array"),
				 errdetail("It is something else, such as an object or a string."),
				 errhint("Make one with jsonb_agg() in a step, or with to_jsonb(array).")));
	wf_check_payload(JsonbPGetDatum(items), "items");
	return items;
}

int
wf_arg_max_parallel(FunctionCallInfo fcinfo, int arg)
{
	int value;

	if (PG_ARGISNULL(arg))
		return 0;
	value = PG_GETARG_INT32(arg);
	if (value < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_parallel must be greater than zero"),
				 errdetail("The value is %d.", value),
				 errhint("Leave it out for as many at a time as there are executors.")));
	return value;
}

bool
wf_arg_collects(FunctionCallInfo fcinfo, int arg)
{
	char *value = wf_arg_text(fcinfo, arg);

	if (value == NULL || strcmp(value, "raise") == 0)
		return false;
	if (strcmp(value, "collect") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_error must be \"raise\" or \"collect\""),
				 errdetail("The value is \"%s\".", value),
				 errhint("It says what an item that fails means for the others.")));
	return true;
}

/* ---- steps beside the body, items of a map ---- */

static Datum
start_step(FunctionCallInfo fcinfo, bool variadic)
{
	Datum *values = NULL;
	Oid *types = NULL;
	bool *nulls = NULL;
	int nargs = 0;
	WfCall call = {.kind = &wf_call_item, .due_at = DT_NOEND, .starts = true};

	wf_word_check("start_step", WF_WORD_IN_BODY);
	call.name = wf_arg_name(fcinfo, 0, "step");
	call.command = wf_arg_command(fcinfo, 1);
	if (variadic)
		nargs =
			extract_variadic_args(fcinfo, 2, false, &values, &types, &nulls);
	/* VARIADIC NULL gives -1: no arguments */
	call.nargs = Max(nargs, 0);
	if (call.nargs > 0 && types[0] == wf_policy_type() && nulls[0])
		call.nargs--, values++, types++, nulls++;
	call.types = types;
	call.values = values;
	call.nulls = nulls;
	PG_RETURN_INT32(wf_word_call(&call)->ordinal);
}

Datum
workflow_start_step(PG_FUNCTION_ARGS)
{
	return start_step(fcinfo, false);
}

Datum
workflow_start_step_args(PG_FUNCTION_ARGS)
{
	return start_step(fcinfo, true);
}

/*
 * The arguments of the call are as play/items.h wants them; map_task()
 * has its queue in place of a command, and as one more.
 */
static Datum
map_items(FunctionCallInfo fcinfo, const char *word, int nargs)
{
	Oid types[5] = {JSONBOID, TEXTOID, INT4OID, wf_policy_type(), TEXTOID};
	Datum values[5];
	bool nulls[5] = {false, false, PG_ARGISNULL(3), PG_ARGISNULL(4), false};
	WfPolicy policy;
	WfCall call = {.kind = &wf_call_map,
				   .nargs = nargs,
				   .types = types,
				   .values = values,
				   .nulls = nulls,
				   .due_at = DT_NOEND};
	bool collects;

	wf_word_check(word, WF_WORD_IN_BODY);
	call.name = wf_arg_name(fcinfo, 0, "map");
	if (nargs == 5)
		call.command = wf_arg_name(fcinfo, 1, "name of a queue");
	else
		call.command = wf_arg_command(fcinfo, 1);
	values[0] = JsonbPGetDatum(wf_arg_items(fcinfo, 2));
	(void) wf_arg_max_parallel(fcinfo, 3);
	/* what is wrong with it is an error of the body, not of an item */
	if (!nulls[3])
		wf_policy_from_datum(PG_GETARG_DATUM(4), &policy);
	collects = wf_arg_collects(fcinfo, 5);
	values[1] = CStringGetTextDatum(collects ? "collect" : "raise");
	values[2] = PG_GETARG_DATUM(3);
	values[3] = PG_GETARG_DATUM(4);
	values[4] = PG_GETARG_DATUM(1);
	PG_RETURN_JSONB_P(wf_word_call(&call)->result);
}

Datum
workflow_map(PG_FUNCTION_ARGS)
{
	return map_items(fcinfo, "map", 4);
}

Datum
workflow_map_task(PG_FUNCTION_ARGS)
{
	return map_items(fcinfo, "map_task", 5);
}

/* ---- waiting for what was started ---- */

static void
check_handle(int handle)
{
	const WfStep *step = wf_word_recorded(handle);

	if (step == NULL || !wf_calls_get(step->match.kind)->is_handle)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d is no handle of this run", handle),
				 errhint("Pass what workflow.start_step() or workflow.start_child() returned.")));
}

/* Checks an array of handles, and takes it apart; at least "least" of them. */
static int
read_handles(FunctionCallInfo fcinfo, int least, Datum **handles)
{
	bool *nulls;
	int n;

	wf_arg_require(fcinfo, 0, "handles");
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), INT4OID, sizeof(int32), true,
					  TYPALIGN_INT, handles, &nulls, &n);
	if (n < least)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("handles must not be empty"),
				 errhint("Pass at least one.")));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("handle must not be null")));
		check_handle(DatumGetInt32((*handles)[i]));
	}
	return n;
}

Datum
workflow_await(PG_FUNCTION_ARGS)
{
	const WfStep *step;

	wf_word_check("await", WF_WORD_IN_BODY);
	wf_arg_require(fcinfo, 0, "handle");
	check_handle(PG_GETARG_INT32(0));
	step = wf_word_await(PG_GETARG_INT32(0));
	if (step->result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(step->result);
}

/*
 * In the order of the array, not of the ends: which one failed first is not
 * recorded, so a replay could meet another error first.
 */
Datum
workflow_await_all(PG_FUNCTION_ARGS)
{
	JsonbParseState *state = NULL;
	Datum *handles;
	int n;

	wf_word_check("await_all", WF_WORD_IN_BODY);
	n = read_handles(fcinfo, 0, &handles);
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
		wf_json_push(&state, WJB_ELEM,
					 wf_word_await(DatumGetInt32(handles[i]))->result);
	PG_RETURN_JSONB_P(
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
}

Datum
workflow_await_any(PG_FUNCTION_ARGS)
{
	static const Oid types[2] = {INT4ARRAYOID, INTERVALOID};
	Interval *timeout = wf_arg_interval(fcinfo, 1, "timeout", false);
	Datum values[2];
	bool nulls[2] = {false, timeout == NULL};
	WfCall call = {.kind = &wf_call_any,
				   .name = "await_any",
				   .nargs = 2,
				   .types = types,
				   .values = values,
				   .nulls = nulls,
				   .due_at = DT_NOEND};
	const WfStep *step;
	JsonbValue handle;
	Oid output;
	bool varlena;
	Datum *handles;

	wf_word_check("await_any", WF_WORD_IN_BODY);
	(void) read_handles(fcinfo, 1, &handles);
	values[0] = PG_GETARG_DATUM(0);
	values[1] = IntervalPGetDatum(timeout);
	if (timeout != NULL)
		call.due_at = DatumGetTimestampTz(DirectFunctionCall2(
			timestamptz_pl_interval, TimestampTzGetDatum(wf_word_wait_start()),
			IntervalPGetDatum(timeout)));
	getTypeOutputInfo(INT4ARRAYOID, &output, &varlena);
	call.command = OidOutputFunctionCall(output, values[0]);
	step = wf_word_call(&call);
	if (step->result == NULL)
		PG_RETURN_NULL();
	(void) JsonbExtractScalar(&step->result->root, &handle);
	PG_RETURN_DATUM(DirectFunctionCall1(numeric_int4,
										NumericGetDatum(handle.val.numeric)));
}
