/*
 * body.c
 *		The function that is a workflow's body.
 *
 * A stored signature always has the form schema.name(jsonb).  The part before
 * the last parenthesis is parsed as a qualified name each time it is looked
 * up; that costs a microsecond, and callers keep the oid while no catalog
 * invalidation says otherwise.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/proclang.h"
#include "parser/parse_func.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "base/compat.h"
#include "core/lint.h"
#include "store/body.h"

#define MAX_LINT_HITS 12

static const WfFunctionUse as_body = {
	"body",	  "a body",
	"A body", "the body of a workflow",
	"body",	  "f(input jsonb) RETURNS jsonb"};

/* ---- finding ---- */

/* The name before "(jsonb)", palloc'd; NULL when other arguments are there. */
static char *
strip_arguments(const char *name)
{
	const char *open = strrchr(name, '(');
	char *type;
	size_t len;

	if (open == NULL || name[strlen(name) - 1] != ')')
		return pstrdup(name);
	len = strlen(open + 1) - 1;
	type = pnstrdup(open + 1, len);
	while (len > 0 && isspace((unsigned char) type[len - 1]))
		type[--len] = '\0';
	while (isspace((unsigned char) *type))
		type++;
	if (pg_strcasecmp(type, "jsonb") != 0 &&
		pg_strcasecmp(type, "pg_catalog.jsonb") != 0)
		return NULL;
	return pnstrdup(name, open - name);
}

/* The parts of a name, one or two of them. */
static List *
split_name(const char *name, char *bare, const WfFunctionUse *use)
{
	List *parts;

	if (!SplitIdentifierString(pstrdup(bare), '.', &parts) || parts == NIL ||
		list_length(parts) > 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not the name of a function", name),
				 errdetail("%s is named as function, schema.function or schema.function(jsonb).",
						   use->article),
				 errhint("Put names in double quotes that have other characters than a to z, 0 to 9 and _.")));
	return textToQualifiedNameList(cstring_to_text(bare));
}

Oid
wf_function_resolve(const char *name, const WfFunctionUse *use)
{
	char *bare = strip_arguments(name);
	List *names;
	FuncCandidateList candidates;

	if (bare == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("\"%s\" cannot be %s", name, use->role),
				 errdetail("%s takes one argument of type jsonb.",
						   use->article),
				 errhint("Declare it as %s.", use->form)));

	/* not LookupFuncName(), to which a procedure is not there */
	names = split_name(name, bare, use);
	candidates =
		FuncnameGetCandidates(names, -1, NIL, false, false, false, true);
	for (FuncCandidateList c = candidates; c != NULL; c = c->next)
	{
		if (c->nargs == 1 && c->args[0] == JSONBOID)
			return c->oid;
	}

	if (candidates != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("\"%s\" cannot be %s", name, use->role),
				 errdetail("There is a function of this name, but none that takes one argument of type jsonb."),
				 errhint("Declare it as %s.", use->form)));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("%s \"%s\" does not exist", use->noun, name),
			 errdetail("No function %s(jsonb) is in the search path \"%s\".",
					   bare, namespace_search_path),
			 errhint("Create the function first, or name it with its schema in the argument \"%s\".",
					 use->argument)));
}

Oid
wf_body_resolve(const char *name)
{
	return wf_function_resolve(name, &as_body);
}

char *
wf_body_signature(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc proc;
	char *schema;
	char *signature;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	schema = get_namespace_name(proc->pronamespace);
	signature =
		psprintf("%s(jsonb)",
				 quote_qualified_identifier(schema, NameStr(proc->proname)));
	ReleaseSysCache(tuple);
	return signature;
}

Oid
wf_body_find(const char *signature)
{
	Oid argtype = JSONBOID;
	char *bare = strip_arguments(signature);
	List *names;
	Oid schema;

	if (bare == NULL)
		return InvalidOid;
	names = textToQualifiedNameList(cstring_to_text(bare));
	if (list_length(names) != 2)
		return InvalidOid;
	schema = get_namespace_oid(strVal(linitial(names)), true);
	if (!OidIsValid(schema))
		return InvalidOid;
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum(strVal(lsecond(names))),
						   PointerGetDatum(buildoidvector(&argtype, 1)),
						   ObjectIdGetDatum(schema));
}

/* ---- checking ---- */

/* Why the function cannot be a body, in words, or NULL. */
static const char *
unfit_signature(Form_pg_proc proc)
{
	if (proc->pronargs != 1 || proc->proargtypes.values[0] != JSONBOID)
		return "A body takes one argument of type jsonb.";
	if (OidIsValid(proc->provariadic))
		return "A body cannot be variadic.";
	if (proc->proretset)
		return "A body cannot return a set.";
	if (proc->prorettype != JSONBOID)
		return "A body returns jsonb.";
	return NULL;
}

static void
check_kind(char kind, const char *name, const WfFunctionUse *use)
{
	if (kind == PROKIND_FUNCTION)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" cannot be %s", name, use->role),
			 errdetail("It is %s, %s is a plain function.",
					   kind == PROKIND_PROCEDURE ? "a procedure" :
					   kind == PROKIND_AGGREGATE ? "an aggregate" :
					   "a window function",
					   use->one),
			 errhint("Declare it as %s.", use->form)));
}

void
wf_function_check_kind(Oid function, const char *name,
					   const WfFunctionUse *use)
{
	check_kind(get_func_prokind(function), name, use);
	if (get_func_retset(function))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("\"%s\" cannot be %s", name, use->role),
				 errdetail("It returns a set."),
				 errhint("Declare it as %s.", use->form)));
}

void
wf_body_check(Oid function, const char *signature)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc proc;
	const char *unfit;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("body \"%s\" does not exist", signature),
				 errdetail("The function was dropped or renamed after the workflow was created."),
				 errhint("Create it again, or give the workflow another body with alter_workflow.")));
	proc = (Form_pg_proc) GETSTRUCT(tuple);

	check_kind(proc->prokind, signature, &as_body);
	unfit = unfit_signature(proc);
	if (unfit)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("\"%s\" cannot be the body of a workflow", signature),
				 errdetail("%s", unfit),
				 errhint("Declare it as %s.", "f(input jsonb) RETURNS jsonb")));
	if (proc->prosecdef)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("\"%s\" cannot be the body of a workflow", signature),
				 errdetail("It is SECURITY DEFINER, but a run belongs to the role that enqueued it."),
				 errhint("Make it SECURITY INVOKER and set run_as, or call a SECURITY DEFINER function in a step.")));
	ReleaseSysCache(tuple);
}

bool
wf_body_callable(Oid function, Oid role)
{
	Oid schema = get_func_namespace(function);

	return OidIsValid(schema) &&
		   wf_namespace_aclcheck(schema, role, ACL_USAGE) == ACLCHECK_OK &&
		   wf_proc_aclcheck(function, role) == ACLCHECK_OK;
}

char *
wf_body_own_search_path(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Datum config;
	bool isnull;
	char *result = NULL;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	config = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proconfig, &isnull);
	if (!isnull)
	{
		Datum *elems;
		int n;

		deconstruct_array(DatumGetArrayTypeP(config), TEXTOID, -1, false,
						  TYPALIGN_INT, &elems, NULL, &n);
		for (int i = 0; i < n; i++)
		{
			char *setting = TextDatumGetCString(elems[i]);

			if (strncmp(setting, "search_path=", 12) == 0)
				result = pstrdup(setting + 12);
		}
	}
	ReleaseSysCache(tuple);
	return result;
}

/* ---- lint ---- */

/* The source of a SQL or PL/pgSQL function, palloc'd, or NULL. */
static char *
sql_source(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid language;
	Datum source;
	bool isnull;
	char *result = NULL;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	language = ((Form_pg_proc) GETSTRUCT(tuple))->prolang;
	if (language == SQLlanguageId ||
		language == get_language_oid("plpgsql", true))
	{
		(void) SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosqlbody,
							   &isnull);
		if (!isnull) /* BEGIN ATOMIC: there is no source */
			source = DirectFunctionCall1(pg_get_function_sqlbody,
										 ObjectIdGetDatum(function));
		else
			source =
				SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
		result = TextDatumGetCString(source);
	}
	ReleaseSysCache(tuple);
	return result;
}

void
wf_body_lint(Oid function, const char *signature)
{
	WfLintHit hits[MAX_LINT_HITS];
	char *source = sql_source(function);
	StringInfoData found;
	int n;

	if (source == NULL)
		return;
	n = wf_lint_source(source, hits, MAX_LINT_HITS);
	if (n == 0)
		return;
	initStringInfo(&found);
	for (int i = 0; i < n; i++)
		appendStringInfo(&found, "%s%s in line %d", i > 0 ? ", " : "",
						 hits[i].word, hits[i].line);
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("body \"%s\" asks for something that differs in each replay",
					signature),
			 errdetail("Found %s.", found.data),
			 errhint("Use workflow.now(), workflow.random() or workflow.uuid(), or ask for it in a step.")));
}
