/*
 * error.c
 *		Errors of user code, as they are kept in the record.
 */
#include "postgres.h"

#include "base/text.h"
#include "play/error.h"

/* Error texts are kept in rows and shown in views: not without limit. */
static char *
clip(char *text)
{
	return wf_text_clip(text, WF_MAX_ERROR_TEXT);
}

/*
 * PL/pgSQL's RAISE, and what PL/Python has for it.  RAISE without arguments
 * passes on the error that was caught, and that says where it came from.
 */
static bool
is_by_hand(const ErrorData *edata)
{
	return edata->funcname != NULL &&
		   (strcmp(edata->funcname, "exec_stmt_raise") == 0 ||
			strcmp(edata->funcname, "PLy_output") == 0);
}

void
wf_error_take(MemoryContext cxt, WfError *error)
{
	ErrorData *edata;

	MemoryContextSwitchTo(cxt);
	edata = CopyErrorData();
	FlushErrorState();

	memset(error, 0, sizeof(*error));
	strlcpy(error->code, unpack_sql_state(edata->sqlerrcode),
			sizeof(error->code));
	error->message = edata->message ? clip(edata->message) : pstrdup("");
	error->detail = clip(edata->detail);
	error->hint = clip(edata->hint);
	error->context = clip(edata->context);
	error->by_hand = is_by_hand(edata);
}

void
wf_error_set(WfError *error, int sqlerrcode, const char *message, char *detail)
{
	memset(error, 0, sizeof(*error));
	strlcpy(error->code, unpack_sql_state(sqlerrcode), sizeof(error->code));
	error->message = pstrdup(message);
	error->detail = detail;
}
