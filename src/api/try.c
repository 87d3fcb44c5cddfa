/*
 * try.c
 *		try_workflow().
 *
 * For tests of an application, and for whoever wants to see a workflow work:
 * all that it leaves behind are the effects of its steps, in the caller's
 * transaction.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "api/arguments.h"
#include "api/definition_cache.h"
#include "base/spi.h"
#include "ipc/shmem.h"
#include "ipc/workers.h"
#include "worker/exec.h"
#include "worker/try.h"

PG_FUNCTION_INFO_V1(workflow_try_workflow);

#define TRY_COLUMNS 5 /* ordinal, kind, name, result, error */

/* The words of a body would be refused, or say what the caller cannot. */
static void
check_place(void)
{
	Oid user;
	int sec_context;

	if (wf_executor_has_run())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("workflow.try_workflow() cannot be called while a workflow runs"),
				 errhint("Call it from a session of your own.")));
	GetUserIdAndSecContext(&user, &sec_context);
	if (sec_context != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("workflow.try_workflow() cannot be called here"),
				 errdetail("A SECURITY DEFINER function is running, or a command that restricts what it calls."),
				 errhint("Call it directly, with SET ROLE if it is to be another role's.")));
}

/* As psql shows errors, with the code in place of the severity. */
static Datum
error_text(const WfError *error)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s: %s", error->code,
					 error->message ? error->message : "");
	if (error->detail != NULL)
		appendStringInfo(&text, "\nDETAIL:  %s", error->detail);
	if (error->hint != NULL)
		appendStringInfo(&text, "\nHINT:  %s", error->hint);
	return CStringGetTextDatum(text.data);
}

static void
put_row(ReturnSetInfo *rsinfo, int ordinal, const char *kind, const char *name,
		const Jsonb *result, const WfError *error)
{
	bool failed = error->code[0] != '\0';
	Datum values[TRY_COLUMNS] = {
		Int32GetDatum(ordinal), CStringGetTextDatum(kind),
		CStringGetTextDatum(name ? name : ""), PointerGetDatum(result),
		failed ? error_text(error) : (Datum) 0};
	bool nulls[TRY_COLUMNS] = {ordinal == 0, false, name == NULL,
							   result == NULL, !failed};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
put_call(void *arg, const WfStep *step)
{
	put_row(arg, step->ordinal, wf_call_word(step->match.kind),
			step->match.name, step->result, &step->error);
}

/* Also of a child. */
static void
find_workflow(const char *workflow, WfRun *run)
{
	const WfWorkflow *def = wf_workflow_known(workflow, strlen(workflow));

	run->workflow_id = def->workflow_id;
	run->body_id = def->body_id;
	run->queue_id = def->queue_id;
	wf_runid_draw(&run->run_id);
}

static Jsonb *
object_or_empty(FunctionCallInfo fcinfo, int arg)
{
	if (PG_ARGISNULL(arg))
		return DatumGetJsonbP(
			DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
	return PG_GETARG_JSONB_P(arg);
}

Datum
workflow_try_workflow(PG_FUNCTION_ARGS)
{
	WfRun run = {0};
	WfTryEnd end;
	Jsonb *answers;

	wf_require_preloaded();
	check_place();
	wf_arg_require(fcinfo, 0, "name of a workflow");
	run.input = object_or_empty(fcinfo, 1);
	wf_check_payload(JsonbPGetDatum(run.input), "input");
	answers = object_or_empty(fcinfo, 2);

	find_workflow(text_to_cstring(PG_GETARG_TEXT_PP(0)), &run);

	InitMaterializedSRF(fcinfo, 0);
	wf_try(&run, answers, find_workflow, put_call, fcinfo->resultinfo, &end);
	put_row((ReturnSetInfo *) fcinfo->resultinfo, 0,
			end.failed		? "error"
			: end.continues ? "continue_as_new"
							: "result",
			NULL, end.result, &end.error);
	return (Datum) 0;
}
