/*
 * body.c
 *		The words that a body is written in.
 *
 * These functions check and unpack their arguments; worker/exec_words.c does
 * the rest.  None is STRICT: a NULL argument would swallow the call.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api/arguments.h"
#include "api/body.h"
#include "base/compat.h"
#include "base/errors.h"
#include "core/derive.h"
#include "core/state.h"
#include "store/definition.h"

/* the first argument behind name and command */
#define WF_FIRST_ARG 2

typedef struct ArgTypes
{
	bool array; /* VARIADIC array: types differ from call to call */
	Oid policy; /* workflow.policy */
	Oid types[FLEXIBLE_ARRAY_MEMBER];
} ArgTypes;

PG_FUNCTION_INFO_V1(workflow_step);
PG_FUNCTION_INFO_V1(workflow_step_args);
PG_FUNCTION_INFO_V1(workflow_step_text);
PG_FUNCTION_INFO_V1(workflow_step_text_args);
PG_FUNCTION_INFO_V1(workflow_fail);
PG_FUNCTION_INFO_V1(workflow_now);
PG_FUNCTION_INFO_V1(workflow_random);
PG_FUNCTION_INFO_V1(workflow_uuid);
PG_FUNCTION_INFO_V1(workflow_run_id);
PG_FUNCTION_INFO_V1(workflow_attempt);
PG_FUNCTION_INFO_V1(workflow_idempotency_key);

/* ---- step ---- */

static char *
required_text(FunctionCallInfo fcinfo, int arg, const char *what)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", what)));
	return text_to_cstring(PG_GETARG_TEXT_PP(arg));
}

static char *
step_name(FunctionCallInfo fcinfo)
{
	char *name = required_text(fcinfo, 0, "name of a step");
	int length = strlen(name);

	if (length > WF_MAX_NAME)
		length = pg_mbstrlen(name);
	if (length == 0 || length > WF_MAX_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of a step must have 1 to %d characters",
						WF_MAX_NAME),
				 errdetail("It has %d.", length)));
	return name;
}

/*
 * The arguments behind the first two.  Their types are those of the place in
 * the body where the call stands, so they are found once for each.
 */
static const ArgTypes *
find_types(FunctionCallInfo fcinfo)
{
	FmgrInfo *flinfo = fcinfo->flinfo;
	int n = PG_NARGS() - WF_FIRST_ARG;
	ArgTypes *types = flinfo->fn_extra;

	if (types != NULL)
		return types;
	types = MemoryContextAlloc(flinfo->fn_mcxt,
							   offsetof(ArgTypes, types) + n * sizeof(Oid));
	types->array = get_fn_expr_variadic(flinfo);
	types->policy = wf_policy_type();
	for (int i = 0; i < n && !types->array; i++)
	{
		types->types[i] = get_fn_expr_argtype(flinfo, WF_FIRST_ARG + i);
		if (!OidIsValid(types->types[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("could not determine data type for argument %d",
							WF_FIRST_ARG + i + 1)));
	}
	flinfo->fn_extra = types;
	return types;
}

static void
take_arguments(FunctionCallInfo fcinfo, WfCall *call)
{
	int n = PG_NARGS() - WF_FIRST_ARG;
	Datum *values = palloc(n * (sizeof(Datum) + sizeof(bool)));
	bool *nulls = (bool *) (values + n);

	for (int i = 0; i < n; i++)
	{
		nulls[i] = PG_ARGISNULL(WF_FIRST_ARG + i);
		values[i] = nulls[i] ? (Datum) 0 : PG_GETARG_DATUM(WF_FIRST_ARG + i);
	}
	call->nargs = n;
	call->values = values;
	call->nulls = nulls;
}

/* VARIADIC array: its elements, of which there may be none. */
static void
take_array(FunctionCallInfo fcinfo, WfCall *call)
{
	Datum *values;
	Oid *types;
	bool *nulls;
	int n = extract_variadic_args(fcinfo, WF_FIRST_ARG, false, &values, &types,
								  &nulls);

	if (n <= 0)
		return;
	call->nargs = n;
	call->types = types;
	call->values = values;
	call->nulls = nulls;
}

void
wf_body_call(FunctionCallInfo fcinfo, bool variadic, WfCall *call,
			 WfPolicy *policy, Datum *policy_row)
{
	const ArgTypes *known;

	call->due_at = DT_NOEND;
	call->name = step_name(fcinfo);
	call->command = required_text(fcinfo, 1, "command of a step");
	wf_check_payload(PG_GETARG_DATUM(1), "command of a step");
	if (!variadic)
		return;

	known = find_types(fcinfo);
	call->types = known->types;
	if (known->array)
		take_array(fcinfo, call);
	else
		take_arguments(fcinfo, call);
	if (call->nargs > 0 && call->types[0] == known->policy)
	{
		if (!call->nulls[0])
		{
			wf_policy_from_datum(call->values[0], policy);
			call->policy = policy;
			if (policy_row)
				*policy_row = call->values[0];
		}
		call->nargs--, call->values++, call->types++, call->nulls++;
	}
}

/* The step's record; does not return when there is none yet. */
static const WfStep *
ask(FunctionCallInfo fcinfo, const char *word, bool variadic)
{
	WfPolicy policy;
	WfCall call = {.kind = WF_STEP_KIND_STEP};

	wf_word_check(word, WF_WORD_IN_BODY);
	wf_body_call(fcinfo, variadic, &call, &policy, NULL);
	return wf_word_call(&call);
}

static Datum
return_jsonb(FunctionCallInfo fcinfo, const WfStep *step)
{
	if (step->result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(step->result);
}

/* A scalar without quotes, anything else as JSON text; JSON null is NULL. */
static Datum
return_text(FunctionCallInfo fcinfo, const WfStep *step)
{
	JsonbValue scalar;

	if (step->result == NULL)
		PG_RETURN_NULL();
	if (JB_ROOT_IS_SCALAR(step->result) &&
		JsonbExtractScalar(&step->result->root, &scalar))
	{
		if (scalar.type == jbvNull)
			PG_RETURN_NULL();
		if (scalar.type == jbvString)
			PG_RETURN_TEXT_P(cstring_to_text_with_len(scalar.val.string.val,
													  scalar.val.string.len));
	}
	PG_RETURN_TEXT_P(cstring_to_text(
		JsonbToCString(NULL, &step->result->root, VARSIZE(step->result))));
}

Datum
workflow_step(PG_FUNCTION_ARGS)
{
	return return_jsonb(fcinfo, ask(fcinfo, "step", false));
}

Datum
workflow_step_args(PG_FUNCTION_ARGS)
{
	return return_jsonb(fcinfo, ask(fcinfo, "step", true));
}

Datum
workflow_step_text(PG_FUNCTION_ARGS)
{
	return return_text(fcinfo, ask(fcinfo, "step_text", false));
}

Datum
workflow_step_text_args(PG_FUNCTION_ARGS)
{
	return return_text(fcinfo, ask(fcinfo, "step_text", true));
}

/* ---- fail ---- */

Datum
workflow_fail(PG_FUNCTION_ARGS)
{
	char *message;
	char *detail;

	wf_word_check("fail", WF_WORD_IN_RUN);
	message = PG_ARGISNULL(0) ? "workflow failed"
							  : text_to_cstring(PG_GETARG_TEXT_PP(0));
	detail = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	ereport(ERROR,
			(errcode(ERRCODE_WF_FAIL),
			 errmsg_internal("%s", message),
			 detail ? errdetail_internal("%s", detail) : 0));
	PG_RETURN_VOID();
}

/* ---- derived values ---- */

Datum
workflow_now(PG_FUNCTION_ARGS)
{
	wf_word_check("now", WF_WORD_IN_RUN);
	PG_RETURN_TIMESTAMPTZ(wf_word_now());
}

Datum
workflow_random(PG_FUNCTION_ARGS)
{
	wf_word_check("random", WF_WORD_IN_RUN);
	PG_RETURN_FLOAT8(wf_derive_random(wf_word_seed(), wf_word_ordinal(),
									  wf_word_counter()));
}

Datum
workflow_uuid(PG_FUNCTION_ARGS)
{
	pg_uuid_t *uuid = palloc(sizeof(pg_uuid_t));

	wf_word_check("uuid", WF_WORD_IN_RUN);
	wf_derive_uuid(wf_word_seed(), wf_word_ordinal(), wf_word_counter(), uuid);
	PG_RETURN_UUID_P(uuid);
}

/* ---- what a run knows of itself ---- */

Datum
workflow_run_id(PG_FUNCTION_ARGS)
{
	pg_uuid_t *uuid = palloc(sizeof(pg_uuid_t));

	wf_word_check("run_id", WF_WORD_IN_RUN);
	*uuid = *wf_word_run_id();
	PG_RETURN_UUID_P(uuid);
}

Datum
workflow_attempt(PG_FUNCTION_ARGS)
{
	wf_word_check("attempt", WF_WORD_IN_RUN);
	PG_RETURN_INT32(wf_word_attempt());
}

Datum
workflow_idempotency_key(PG_FUNCTION_ARGS)
{
	wf_word_check("idempotency_key", WF_WORD_IN_RUN);
	PG_RETURN_TEXT_P(cstring_to_text(wf_word_key()));
}
