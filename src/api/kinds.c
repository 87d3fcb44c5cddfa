/*
 * kinds.c
 *		How calls of a kind are named, for the views and for timeline().
 *
 * The names are those of the table of kinds (play/calls.h), so that no text of
 * SQL has to list the kinds.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "play/calls.h"

PG_FUNCTION_INFO_V1(workflow_call_word);
PG_FUNCTION_INFO_V1(workflow_call_event);

/* The kind of a letter that is an argument, or NULL. */
static const WfCallKind *
arg_kind(FunctionCallInfo fcinfo, int arg)
{
	return PG_ARGISNULL(arg) ? NULL : wf_calls_find(PG_GETARG_CHAR(arg));
}

Datum
workflow_call_word(PG_FUNCTION_ARGS)
{
	const WfCallKind *kind = arg_kind(fcinfo, 0);

	if (kind == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(kind->word));
}

Datum
workflow_call_event(PG_FUNCTION_ARGS)
{
	const WfCallKind *kind = arg_kind(fcinfo, 0);

	PG_RETURN_TEXT_P(cstring_to_text(kind != NULL ? kind->event : "call"));
}
