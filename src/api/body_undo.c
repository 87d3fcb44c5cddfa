/*
 * body_undo.c
 *		The words compensate(), compensate_task() and patched() of a body.
 *
 * A compensation is run when the body is not there any more, so its arguments
 * are kept in the record: by the names of their types and as texts, in styles
 * that any later session reads alike.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

#include "api/arguments.h"
#include "api/body.h"
#include "api/task.h"
#include "play/call_patch.h"
#include "play/calls.h"
#include "store/definition.h"

PG_FUNCTION_INFO_V1(workflow_compensate);
PG_FUNCTION_INFO_V1(workflow_compensate_args);
PG_FUNCTION_INFO_V1(workflow_compensate_task);
PG_FUNCTION_INFO_V1(workflow_patched);

/* ---- compensate ---- */

static void
set_style(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

static void
add_argument(StringInfo out, Oid type, Datum value, bool isnull)
{
	char *text;

	appendStringInfoString(out, "{\"type\": ");
	escape_json(out,
				format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY));
	appendStringInfoString(out, ", \"value\": ");
	if (isnull)
		appendStringInfoString(out, "null");
	else
	{
		Oid output;
		bool varlena;

		getTypeOutputInfo(type, &output, &varlena);
		text = OidOutputFunctionCall(output, value);
		escape_json(out, text);
	}
	appendStringInfoChar(out, '}');
}

/*
 * See wf_undo_read_args().  The policy of a task is an argument of its call, as
 * the worker's queue goes by it.
 */
static Jsonb *
keep_arguments(const WfCall *call, Datum policy_row, bool is_task)
{
	int nest = NewGUCNestLevel();
	StringInfoData out;
	Datum kept;

	set_style("datestyle", "ISO, YMD");
	set_style("intervalstyle", "postgres");
	set_style("extra_float_digits", "1");
	initStringInfo(&out);
	appendStringInfoString(&out, "{\"args\": [");
	for (int i = 0; i < call->nargs; i++)
	{
		if (i > 0)
			appendStringInfoString(&out, ", ");
		add_argument(&out, call->types[i], call->values[i], call->nulls[i]);
	}
	appendStringInfoChar(&out, ']');
	if (is_task)
		appendStringInfoString(&out, ", \"task\": true");
	if (call->policy != NULL)
	{
		appendStringInfoString(&out, ", \"policy\": ");
		appendStringInfoString(&out, TextDatumGetCString(DirectFunctionCall1(
										 row_to_json, policy_row)));
	}
	appendStringInfoChar(&out, '}');
	AtEOXact_GUC(true, nest);
	kept = DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data));
	wf_check_payload(kept, "arguments of a compensation");
	return DatumGetJsonbP(kept);
}

static Datum
compensate(FunctionCallInfo fcinfo, bool variadic)
{
	WfCall call = {.kind = &wf_call_compensate};
	WfPolicy policy;
	Datum policy_row = (Datum) 0;

	wf_word_check("compensate", WF_WORD_IN_BODY);
	wf_body_call(fcinfo, variadic, &call, &policy, &policy_row);
	if (wf_word_is_new())
		call.outcome = keep_arguments(&call, policy_row, false);
	(void) wf_word_call(&call);
	PG_RETURN_VOID();
}

Datum
workflow_compensate(PG_FUNCTION_ARGS)
{
	return compensate(fcinfo, false);
}

Datum
workflow_compensate_args(PG_FUNCTION_ARGS)
{
	return compensate(fcinfo, true);
}

Datum
workflow_compensate_task(PG_FUNCTION_ARGS)
{
	Oid types[WF_TASK_NARGS];
	Datum values[WF_TASK_NARGS];
	bool nulls[WF_TASK_NARGS];
	WfCall call = {.kind = &wf_call_compensate,
				   .nargs = WF_TASK_NARGS,
				   .types = types,
				   .values = values,
				   .nulls = nulls};

	wf_word_check("compensate_task", WF_WORD_IN_BODY);
	wf_task_arguments(fcinfo, &call, types, values, nulls);
	if (wf_word_is_new())
		call.outcome = keep_arguments(&call, (Datum) 0, true);
	(void) wf_word_call(&call);
	PG_RETURN_VOID();
}

/* ---- patched ---- */

Datum
workflow_patched(PG_FUNCTION_ARGS)
{
	wf_word_check("patched", WF_WORD_IN_BODY);
	PG_RETURN_BOOL(wf_call_patch_has(wf_arg_name(fcinfo, 0, "patch")));
}
