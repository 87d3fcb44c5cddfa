/*
 * alert.c
 *		The body of the runs that call the alert functions of queues.
 *
 * One step does it, so that an alert has a transaction, retries and a dead
 * letter like everything else.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

#include "core/state.h"
#include "play/calls.h"
#include "play/word.h"
#include "store/alert.h"
#include "store/body.h"

PG_FUNCTION_INFO_V1(workflow_run_alert);

/*
 * The scheduler writes the input, but a superuser's own body can call the
 * function with anything.
 */
static JsonbValue *
member(Jsonb *input, const char *name, enum jbvType type)
{
	JsonbValue *value = NULL;

	if (JB_ROOT_IS_OBJECT(input))
		value = getKeyJsonValueFromContainer(&input->root, name, strlen(name),
											 NULL);
	if (value == NULL || value->type != type)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("alert has no member \"%s\"", name),
				 errdetail("The function is the body of the runs that call alert functions, and of no other use.")));
	return value;
}

/* "SELECT schema.name($1)"; raises an error where that may not be called. */
static char *
command_for(const char *signature)
{
	Oid function = wf_body_find(signature);

	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("alert function %s does not exist", signature),
				 errhint("Create it again and call workflow.retry_run(), or set another with workflow.alter_queue().")));
	wf_alert_check(function, signature);
	return psprintf("SELECT %s($1)",
					quote_qualified_identifier(
						get_namespace_name(get_func_namespace(function)),
						get_func_name(function)));
}

/* run_alert({"function": ..., "alert": ...}) */
Datum
workflow_run_alert(PG_FUNCTION_ARGS)
{
	Jsonb *input;
	JsonbValue *function;
	Oid type = JSONBOID;
	Datum value;
	bool null = false;
	WfCall call = {.kind = &wf_call_step,
				   .name = "alert",
				   .nargs = 1,
				   .types = &type,
				   .values = &value,
				   .nulls = &null,
				   .due_at = DT_NOEND};
	const WfStep *step;

	wf_word_check_engine("run_alert", WF_ALERT_BODY);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	input = PG_GETARG_JSONB_P(0);
	function = member(input, "function", jbvString);
	value =
		JsonbPGetDatum(JsonbValueToJsonb(member(input, "alert", jbvBinary)));
	call.command = command_for(
		pnstrdup(function->val.string.val, function->val.string.len));
	step = wf_word_call(&call);
	if (step->result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(step->result);
}
