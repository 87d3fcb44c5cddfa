/*
 * arguments.h
 *		Arguments of the SQL functions: taken out and checked.
 *
 * Nothing is STRICT: a required NULL raises 22004, an optional one means its
 * default.  Strings returned are palloc'd in the current context.
 */
#ifndef WF_API_ARGUMENTS_H
#define WF_API_ARGUMENTS_H

#include "fmgr.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define WF_MAX_NAME	 200 /* characters: workflows, steps, queues */
#define WF_MAX_KEY	 500 /* characters: dedup_key */
#define WF_MAX_GROUP 200 /* characters: group_key */
#define WF_MAX_NOTE	 1024 /* bytes: reason, description */
#define WF_MAX_PATH	 8192 /* bytes: search_path */

/* Raises 22004 when argument "arg", called "what", is NULL. */
extern void wf_arg_require(FunctionCallInfo fcinfo, int arg, const char *what);

/* A text argument, or NULL. */
extern char *wf_arg_text(FunctionCallInfo fcinfo, int arg);

/* A required name of 1 to WF_MAX_NAME characters, else 22023. */
extern char *wf_arg_name(FunctionCallInfo fcinfo, int arg, const char *what);

/* A text argument of 1 to "max" characters, or NULL. */
extern char *wf_arg_limited_text(FunctionCallInfo fcinfo, int arg,
								 const char *what, int max);

/* Raises 22023 unless a text has 1 to "max" characters. */
extern void wf_check_length(int length, const char *what, int max);

/* Raises 54000 when a text has more than "max" bytes; NULL has none. */
extern void wf_check_bytes(const char *value, const char *what, int max);

/* A text for people of at most WF_MAX_NOTE bytes, else 54000; or NULL. */
extern char *wf_arg_note(FunctionCallInfo fcinfo, int arg, const char *what);

/* A text of an error, cut to what is kept of one; or NULL. */
extern char *wf_arg_error_text(FunctionCallInfo fcinfo, int arg);

/* A required command of a step, no larger than workflow.max_payload. */
extern char *wf_arg_command(FunctionCallInfo fcinfo, int arg);

/* A jsonb of at most WF_MAX_PROGRESS bytes, else 54000; or 0 for NULL. */
extern Datum wf_arg_progress(FunctionCallInfo fcinfo, int arg);

/* A required run id. */
extern pg_uuid_t *wf_arg_run_id(FunctionCallInfo fcinfo, int arg);

/*
 * An interval, or NULL; raises 22023 when it is negative or, with "positive",
 * zero.
 */
extern Interval *wf_arg_interval(FunctionCallInfo fcinfo, int arg,
								 const char *what, bool positive);

/*
 * When something may start that is enqueued at "now": what delay or run_at say,
 * of which one may be given (22023), and never earlier.  "what" is "run".
 */
extern TimestampTz wf_arg_start(FunctionCallInfo fcinfo, int delay_arg,
								int run_at_arg, const char *what,
								TimestampTz now);

/* what can be reset: the arguments of an alter function but the last one */
typedef struct WfResettable
{
	const char *function;
	int n;
	const char *const *names; /* by position; the first is the object's name */
} WfResettable;

/*
 * Is the argument at this position named in "reset", which may be NULL?
 * Raises 22023 for names there are none of.
 */
extern bool wf_arg_resets(ArrayType *reset, const WfResettable *of, int arg);

/* Raises 22023 when an argument is both given and named in reset. */
extern void wf_arg_check_resets(FunctionCallInfo fcinfo, ArrayType *reset,
								const WfResettable *of);

/*
 * Raises 25006 in a read-only transaction: on a standby, in a body, or because
 * the user asked for it.
 */
extern void wf_require_writable(const char *function);

/* Raises 54000 when a value is larger than workflow.max_payload. */
extern void wf_check_payload(Datum value, const char *what);

/* Raises 22023 unless it is an object; "example" shows one. */
extern void wf_check_object(const Jsonb *value, const char *what,
							const char *example);

/* "now" and this much later */
extern TimestampTz wf_time_after(TimestampTz now, const Interval *delay);

/*
 * Has the current user the rights of the owner, in whose name an oid must
 * agree: after a restore it may be another role's.
 */
extern bool wf_is_owner(Oid owner, const char *owner_name);

/* Raises 42501 unless the current user has the rights of the owner. */
extern void wf_require_owner(Oid owner, const char *owner_name,
							 const char *object, const char *name);

/* Raises 42501 unless the current user has the rights of the extension's. */
extern void wf_require_extension_owner(const char *function);

#endif /* WF_API_ARGUMENTS_H */
