/*
 * body_wait.c
 *		The words with which a body waits: sleep(), sleep_until(),
 *		wait_for_signal().
 *
 * A time that a call waits until is counted from the time of the checkpoint
 * before it (workflow.now()), so it is the same in every replay.  What is
 * compared in a replay are the arguments, not the time that follows from them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "core/state.h"
#include "play/calls.h"
#include "play/word.h"

PG_FUNCTION_INFO_V1(workflow_sleep);
PG_FUNCTION_INFO_V1(workflow_sleep_until);
PG_FUNCTION_INFO_V1(workflow_wait_for_signal);
PG_FUNCTION_INFO_V1(workflow_wait_for_signals);

/* So much later than the body comes to the wait; NULL: never. */
static TimestampTz
after(const Interval *interval)
{
	if (interval == NULL)
		return DT_NOEND;
	return DatumGetTimestampTz(DirectFunctionCall2(
		timestamptz_pl_interval, TimestampTzGetDatum(wf_word_wait_start()),
		IntervalPGetDatum(interval)));
}

/* ---- time ---- */

static void
sleep_for(const char *name, Oid type, Datum argument, TimestampTz due_at)
{
	bool isnull = false;
	WfCall call = {.kind = &wf_call_sleep,
				   .name = name,
				   .command = "",
				   .nargs = 1,
				   .types = &type,
				   .values = &argument,
				   .nulls = &isnull,
				   .due_at = due_at};

	(void) wf_word_call(&call);
}

Datum
workflow_sleep(PG_FUNCTION_ARGS)
{
	Interval *interval;

	wf_word_check("sleep", WF_WORD_IN_BODY);
	wf_arg_require(fcinfo, 0, "duration");
	interval = wf_arg_interval(fcinfo, 0, "duration", false);
	sleep_for("sleep", INTERVALOID, IntervalPGetDatum(interval),
			  after(interval));
	PG_RETURN_VOID();
}

Datum
workflow_sleep_until(PG_FUNCTION_ARGS)
{
	TimestampTz until;

	wf_word_check("sleep_until", WF_WORD_IN_BODY);
	wf_arg_require(fcinfo, 0, "until_time");
	until = PG_GETARG_TIMESTAMPTZ(0);
	if (TIMESTAMP_NOT_FINITE(until))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("until_time must be finite"),
				 errdetail("The value is \"%s\".", timestamptz_to_str(until)),
				 errhint("To wait until something happens use workflow.wait_for_signal().")));
	/* where 0 is no time: the same moment, but for a microsecond */
	sleep_for("sleep_until", TIMESTAMPTZOID, TimestampTzGetDatum(until),
			  until == 0 ? 1 : until);
	PG_RETURN_VOID();
}

/* ---- signals ---- */

static char *
text_of(ArrayType *names)
{
	Oid output;
	bool varlena;

	getTypeOutputInfo(TEXTARRAYOID, &output, &varlena);
	return OidOutputFunctionCall(output, PointerGetDatum(names));
}

static Datum
wait_for(FunctionCallInfo fcinfo, const char *name, ArrayType *names)
{
	static const Oid types[2] = {TEXTARRAYOID, INTERVALOID};
	Interval *timeout = wf_arg_interval(fcinfo, 1, "timeout", false);
	Datum values[2] = {PointerGetDatum(names), IntervalPGetDatum(timeout)};
	bool nulls[2] = {false, timeout == NULL};
	WfCall call = {.kind = &wf_call_signal,
				   .name = name,
				   .command = text_of(names),
				   .nargs = 2,
				   .types = types,
				   .values = values,
				   .nulls = nulls,
				   .due_at = after(timeout)};
	const WfStep *step = wf_word_call(&call);

	if (step->result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(step->result);
}

Datum
workflow_wait_for_signal(PG_FUNCTION_ARGS)
{
	char *name;
	Datum element;

	wf_word_check("wait_for_signal", WF_WORD_IN_BODY);
	name = wf_arg_name(fcinfo, 0, "signal");
	element = CStringGetTextDatum(name);
	return wait_for(
		fcinfo, name,
		construct_array(&element, 1, TEXTOID, -1, false, TYPALIGN_INT));
}

Datum
workflow_wait_for_signals(PG_FUNCTION_ARGS)
{
	ArrayType *names;
	Datum *elements;
	bool *nulls;
	int n;

	wf_word_check("wait_for_signals", WF_WORD_IN_BODY);
	wf_arg_require(fcinfo, 0, "names of signals");
	names = PG_GETARG_ARRAYTYPE_P(0);
	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, &n);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("names of signals must not be empty"),
				 errhint("Name at least one.")));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("name of a signal must not be null")));
		wf_check_length(pg_mbstrlen(TextDatumGetCString(elements[i])),
						"signal", WF_MAX_NAME);
	}
	return wait_for(fcinfo, TextDatumGetCString(elements[0]), names);
}
