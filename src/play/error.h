/*
 * error.h
 *		Errors of user code, as they are kept in the record.
 */
#ifndef WF_PLAY_ERROR_H
#define WF_PLAY_ERROR_H

#include "store/run.h"

/*
 * In PG_CATCH: copies the error being handled into *error, allocated in "cxt",
 * and is done with it.  "cxt" is the current context from then on.
 */
extern void wf_error_take(MemoryContext cxt, WfError *error);

/* Sets code, message and detail, which is kept as it is; no hint. */
extern void wf_error_set(WfError *error, int sqlerrcode, const char *message,
						 char *detail);

#endif /* WF_PLAY_ERROR_H */
