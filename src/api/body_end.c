/*
 * body_end.c
 *		The words continue_as_new() and set_progress() of a body.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/jsonb.h"

#include "api/arguments.h"
#include "worker/words.h"

PG_FUNCTION_INFO_V1(workflow_continue_as_new);
PG_FUNCTION_INFO_V1(workflow_set_progress);

Datum
workflow_continue_as_new(PG_FUNCTION_ARGS)
{
	wf_word_check("continue_as_new", WF_WORD_IN_BODY);
	wf_arg_require(fcinfo, 0, "input");
	wf_check_payload(PG_GETARG_DATUM(0), "input");
	wf_word_continue(PG_GETARG_JSONB_P(0));
	PG_RETURN_VOID();
}

Datum
workflow_set_progress(PG_FUNCTION_ARGS)
{
	wf_word_check("set_progress", WF_WORD_IN_RUN);
	wf_arg_require(fcinfo, 0, "progress");
	wf_word_progress(DatumGetJsonbP(wf_arg_progress(fcinfo, 0)));
	PG_RETURN_VOID();
}
