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

#include "base/compat.h"
#include "base/errors.h"
#include "core/derive.h"
#include "core/state.h"
#include "store/definition.h"
#include "worker/words.h"

#define WF_MAX_NAME 200

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
	int length = pg_mbstrlen(name);

	if (length == 0 || length > WF_MAX_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of a step must have 1 to %d characters",
						WF_MAX_NAME),
				 errdetail("It has %d.", length)));
	return name;
}

/* The step's record; does not return when there is none yet. */
static const WfStep *
ask(FunctionCallInfo fcinfo, const char *word, bool variadic)
{
	char *name;
	char *command;
	Datum *values = NULL;
	Oid *types = NULL;
	bool *nulls = NULL;
	int nargs = 0;
	WfPolicy policy;
	WfCall call = {.kind = WF_STEP_KIND_STEP, .due_at = DT_NOEND};

	wf_word_check(word, WF_WORD_IN_BODY);
	name = step_name(fcinfo);
	command = required_text(fcinfo, 1, "command of a step");
	if (variadic)
		nargs =
			extract_variadic_args(fcinfo, 2, false, &values, &types, &nulls);
	if (nargs < 0)
		nargs = 0; /* VARIADIC NULL: no arguments */

	if (nargs > 0 && types[0] == wf_policy_type())
	{
		if (!nulls[0])
		{
			wf_policy_from_datum(values[0], &policy);
			call.policy = &policy;
		}
		nargs--, values++, types++, nulls++;
	}
	call.name = name;
	call.command = command;
	call.nargs = nargs;
	call.types = types;
	call.values = values;
	call.nulls = nulls;
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
