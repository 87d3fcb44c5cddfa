/*
 * error.c
 *		Errors of user code, as they are kept in the record.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "play/error.h"

/* bytes of an error's message, detail, hint and context, each */
#define WF_MAX_ERROR_TEXT 10000

/* Error texts are kept in rows and shown in views: not without limit. */
static char *
clip(char *text)
{
	if (text != NULL && strlen(text) > WF_MAX_ERROR_TEXT)
		text[pg_mbcliplen(text, strlen(text), WF_MAX_ERROR_TEXT)] = '\0';
	return text;
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
}

void
wf_error_set(WfError *error, int sqlerrcode, const char *message, char *detail)
{
	memset(error, 0, sizeof(*error));
	strlcpy(error->code, unpack_sql_state(sqlerrcode), sizeof(error->code));
	error->message = pstrdup(message);
	error->detail = detail;
}
