/*
 * body.h
 *		The function that is a workflow's body.
 *
 * A body is stored as text, "schema.name(jsonb)" quoted as needed, and found
 * again by it whenever it is called; never by oid, which a dump would lose.
 *
 * No function here needs a window; all look at the catalogs through the
 * syscache only, in a transaction.
 */
#ifndef WF_STORE_BODY_H
#define WF_STORE_BODY_H

#include "postgres_ext.h"

/* what a function that takes a jsonb is to be, in words of error messages */
typedef struct WfFunctionUse
{
	const char *noun;	  /* "body" */
	const char *one;	  /* "a body" */
	const char *article;  /* "A body" */
	const char *role;	  /* "the body of a workflow" */
	const char *argument; /* that names it */
	const char *form;	  /* how it is declared */
} WfFunctionUse;

/*
 * The function as a user names it: 'fn', 'schema.fn' or 'schema.fn(jsonb)',
 * looked up under the caller's search_path.  Raises 42883, 42P13 or 42725 when
 * there is none that takes a jsonb.
 */
extern Oid wf_function_resolve(const char *name, const WfFunctionUse *use);

/* Raises 42809 unless it is a plain function, 42P13 when it returns a set. */
extern void wf_function_check_kind(Oid function, const char *name,
								   const WfFunctionUse *use);

/* The same of a body. */
extern Oid wf_body_resolve(const char *name);

/* "schema.name(jsonb)", palloc'd; NULL when the function is gone. */
extern char *wf_body_signature(Oid function);

/* The function a stored signature means, or InvalidOid. */
extern Oid wf_body_find(const char *signature);

/*
 * Raises 42P13 or 42809 unless the function may be a body: f(jsonb) returning
 * jsonb, no set, no aggregate, window function or procedure, not variadic, not
 * SECURITY DEFINER.
 */
extern void wf_body_check(Oid function, const char *signature);

/*
 * True when "role" may call it: USAGE on its schema and EXECUTE on itself.
 */
extern bool wf_body_callable(Oid function, Oid role);

/* The function's own SET search_path, palloc'd, or NULL. */
extern char *wf_body_own_search_path(Oid function);

/*
 * Warns of calls in the source whose value differs from replay to replay.
 */
extern void wf_body_lint(Oid function, const char *signature);

#endif /* WF_STORE_BODY_H */
