/*
 * definition.c
 *		create_workflow(), alter_workflow(), drop_workflow(), pause_workflow()
 *		and resume_workflow().
 *
 * Everything is checked before anything is written.  Each change raises the
 * database's counter of definitions at commit, so that what other processes
 * keep of a definition is read again; our own copies go at once.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "api/arguments.h"
#include "api/definition_cache.h"
#include "api/queue.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/spi.h"
#include "ipc/wakeup.h"
#include "store/body.h"
#include "store/definition.h"
#include "store/queue_definition.h"

PG_FUNCTION_INFO_V1(workflow_create_workflow);
PG_FUNCTION_INFO_V1(workflow_alter_workflow);
PG_FUNCTION_INFO_V1(workflow_drop_workflow);
PG_FUNCTION_INFO_V1(workflow_pause_workflow);
PG_FUNCTION_INFO_V1(workflow_resume_workflow);

/* arguments that create_workflow and alter_workflow have in common */
typedef enum Argument
{
	ARG_NAME,
	ARG_BODY,
	ARG_QUEUE,
	ARG_POLICY,
	ARG_RUN_TIMEOUT,
	ARG_ON_FAILURE,
	ARG_RUN_AS,
	ARG_KEEP_SUCCEEDED,
	ARG_KEEP_FAILED,
	ARG_SEARCH_PATH,
	ARG_DESCRIPTION,
	ARG_DEDUP_SCOPE,
	ARG_OR_REPLACE,			   /* of create_workflow */
	ARG_RESET = ARG_OR_REPLACE /* of alter_workflow */
} Argument;

static const char *const argument_names[] = {
	"name",		   "body",		  "queue",		 "policy",
	"run_timeout", "on_failure",  "run_as",		 "keep_succeeded",
	"keep_failed", "search_path", "description", "dedup_scope"};

static const WfResettable resettable = {
	"alter_workflow", lengthof(argument_names), argument_names};

static const Interval week = {.time = 0, .day = 7, .month = 0};

/* ---- values ---- */

static void
set_on_failure(WfWorkflow *w, const char *value)
{
	if (strcmp(value, "fail") == 0)
		w->park = false;
	else if (strcmp(value, "park") == 0)
		w->park = true;
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_failure must be \"fail\" or \"park\""),
				 errdetail("The value is \"%s\".", value),
				 errhint("With \"park\" a run stops at the step that gave up, and goes on from there after retry_run.")));
}

static void
set_dedup_scope(WfWorkflow *w, const char *value)
{
	for (int i = 0; i < lengthof(wf_dedup_scopes); i++)
	{
		if (strcmp(value, wf_dedup_scopes[i]) == 0)
		{
			w->dedup_scope = (WfDedupScope) i;
			return;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("dedup_scope must be \"kept\", \"unfinished\" or \"queued\""),
			 errdetail("The value is \"%s\".", value),
			 errhint("It says among which runs a dedup_key is unique: all that are kept, those that have not ended, or those that have not begun.")));
}

/* The role as which all runs of the workflow run. */
static void
set_run_as(WfWorkflow *w, const char *role_name)
{
	Oid role = get_role_oid(role_name, true);

	if (!OidIsValid(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", role_name),
				 errdetail("It was given as run_as."),
				 errhint("Pass the name of a role exactly as it is written in pg_roles.")));
	if (!has_privs_of_role(GetUserId(), role) ||
		!wf_can_become(GetUserId(), role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to have runs run as \"%s\"",
						role_name),
				 errdetail("\"%s\" is not a member of that role.",
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Be granted the role, or leave run_as out.")));
	w->run_as = role;
	w->run_as_name = pstrdup(role_name);
}

static void
set_search_path(WfWorkflow *w, const char *path)
{
	char *copy = pstrdup(path);
	List *names;

	wf_check_bytes(path, "search_path", WF_MAX_PATH);
	if (!SplitIdentifierString(copy, ',', &names))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("search_path is not a list of schema names"),
				 errdetail("The value is \"%s\".", path),
				 errhint("Write names separated by commas, as in SET search_path.")));
	w->search_path = pstrdup(path);
}

/* What is in force now, unless the body sets its own. */
static void
default_search_path(WfWorkflow *w, Oid function)
{
	char *own = wf_body_own_search_path(function);

	w->search_path =
		own ? own : pstrdup(GetConfigOption("search_path", false, false));
	wf_check_bytes(w->search_path, "search_path", WF_MAX_PATH);
}

/* Finds and checks the body, under the caller's search_path and rights. */
static Oid
set_body(WfWorkflow *w, const char *name)
{
	Oid function = wf_body_resolve(name);
	char *signature = wf_body_signature(function);

	wf_body_check(function, signature);
	if (!wf_body_callable(function, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for body \"%s\"", signature),
				 errdetail("\"%s\" lacks EXECUTE on the function or USAGE on its schema.",
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Grant both to whom is to create and to enqueue the workflow.")));
	w->body = signature;
	return function;
}

static void
set_policy(WfWorkflow *w, Datum policy)
{
	wf_policy_from_datum(policy, &w->policy);
	w->policy_row = policy;
	w->has_policy = true;
}

static void
set_run_timeout(WfWorkflow *w, const Interval *timeout)
{
	w->has_run_timeout = timeout != NULL;
	if (timeout)
		w->run_timeout = *timeout;
}

/* Whoever owns the workflow must be allowed to have runs in the queue. */
static void
set_queue(WfWorkflow *w, const char *name)
{
	WfQueueUse use;
	WfWindow window;
	char *present = GetUserNameFromId(w->owner, true);
	bool same = present != NULL && strcmp(present, w->owner_name) == 0;
	bool found;

	wf_window_open(&window);
	found = wf_queue_use(name, same ? w->owner : InvalidOid, &use);
	wf_window_close(&window);
	if (!found)
		wf_raise_no_queue(name);
	if (!use.allowed)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for queue \"%s\"", name),
				 errdetail("It is closed, and role \"%s\" may not send to it.",
						   w->owner_name),
				 errhint("Ask the owner of the queue for workflow.grant_queue().")));
	w->queue_id = use.queue_id;
}

/* Arguments 2 on, where given, into *w; but not body and search_path. */
static void
take_arguments(FunctionCallInfo fcinfo, WfWorkflow *w)
{
	if (!PG_ARGISNULL(ARG_QUEUE))
		set_queue(w, wf_arg_text(fcinfo, ARG_QUEUE));
	if (!PG_ARGISNULL(ARG_POLICY))
		set_policy(w, PG_GETARG_DATUM(ARG_POLICY));
	if (!PG_ARGISNULL(ARG_RUN_TIMEOUT))
		set_run_timeout(
			w, wf_arg_interval(fcinfo, ARG_RUN_TIMEOUT, "run_timeout", true));
	if (!PG_ARGISNULL(ARG_ON_FAILURE))
		set_on_failure(w, wf_arg_text(fcinfo, ARG_ON_FAILURE));
	if (!PG_ARGISNULL(ARG_RUN_AS))
		set_run_as(w, wf_arg_text(fcinfo, ARG_RUN_AS));
	if (!PG_ARGISNULL(ARG_KEEP_SUCCEEDED))
		w->keep_succeeded = wf_arg_interval(fcinfo, ARG_KEEP_SUCCEEDED,
											"keep_succeeded", false);
	if (!PG_ARGISNULL(ARG_KEEP_FAILED))
		w->keep_failed =
			wf_arg_interval(fcinfo, ARG_KEEP_FAILED, "keep_failed", false);
	if (!PG_ARGISNULL(ARG_DESCRIPTION))
		w->description = wf_arg_note(fcinfo, ARG_DESCRIPTION, "description");
	if (!PG_ARGISNULL(ARG_DEDUP_SCOPE))
		set_dedup_scope(w, wf_arg_text(fcinfo, ARG_DEDUP_SCOPE));
}

/* ---- create ---- */

static void
raise_duplicate(const WfWorkflow *w)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("workflow \"%s\" already exists", w->name),
			 errdetail("Names of workflows are unique in a database."),
			 errhint("Pass or_replace => true, use alter_workflow, or choose another name.")));
}

/* Writes *w as a new workflow or, with "replace", over one of this name. */
static void
store_created(WfWorkflow *w, bool replace)
{
	TimestampTz now = wf_clock_now();
	MemoryContext cxt = CurrentMemoryContext;
	WfWindow window;
	WfWorkflow old;
	bool found;

	wf_window_open(&window);
	found = wf_workflow_lock(w->name, cxt, &old);
	if (!found && !wf_workflow_insert(w, now))
		raise_duplicate(w);
	wf_window_close(&window);
	if (!found)
		return;

	if (!replace)
		raise_duplicate(w);
	wf_require_owner(old.owner, old.owner_name, "workflow", old.name);
	w->workflow_id = old.workflow_id;
	wf_window_open(&window);
	wf_workflow_update(w, now);
	wf_window_close(&window);
}

Datum
workflow_create_workflow(PG_FUNCTION_ARGS)
{
	WfWorkflow w = {0};
	char *body;
	Oid function;
	bool replace;

	wf_require_preloaded();
	wf_require_writable("create_workflow");
	w.name = wf_arg_name(fcinfo, ARG_NAME, "name of a workflow");
	body = wf_arg_text(fcinfo, ARG_BODY);
	replace = !PG_ARGISNULL(ARG_OR_REPLACE) && PG_GETARG_BOOL(ARG_OR_REPLACE);

	/* NULL is a value here: keep for ever */
	w.keep_succeeded = NULL;
	w.owner = GetUserId();
	w.owner_name = GetUserNameFromId(w.owner, false);
	take_arguments(fcinfo, &w);
	function = set_body(&w, body ? body : quote_identifier(w.name));
	if (PG_ARGISNULL(ARG_SEARCH_PATH))
		default_search_path(&w, function);
	else
		set_search_path(&w, wf_arg_text(fcinfo, ARG_SEARCH_PATH));

	store_created(&w, replace);
	wf_definition_changed();
	wf_body_lint(function, w.body);
	PG_RETURN_VOID();
}

/* ---- alter ---- */

/* Puts back to their defaults what reset names; not body and search_path. */
static void
take_resets(ArrayType *reset, WfWorkflow *w)
{
	if (wf_arg_resets(reset, &resettable, ARG_QUEUE))
		w->queue_id = WF_DEFAULT_QUEUE;
	if (wf_arg_resets(reset, &resettable, ARG_POLICY))
		w->has_policy = false;
	if (wf_arg_resets(reset, &resettable, ARG_RUN_TIMEOUT))
		w->has_run_timeout = false;
	if (wf_arg_resets(reset, &resettable, ARG_ON_FAILURE))
		w->park = false;
	if (wf_arg_resets(reset, &resettable, ARG_RUN_AS))
	{
		w->run_as = InvalidOid;
		w->run_as_name = NULL;
	}
	if (wf_arg_resets(reset, &resettable, ARG_KEEP_SUCCEEDED))
		w->keep_succeeded = unconstify(Interval *, &week);
	if (wf_arg_resets(reset, &resettable, ARG_KEEP_FAILED))
		w->keep_failed = NULL;
	if (wf_arg_resets(reset, &resettable, ARG_DESCRIPTION))
		w->description = NULL;
	if (wf_arg_resets(reset, &resettable, ARG_DEDUP_SCOPE))
		w->dedup_scope = WF_SCOPE_KEPT;
}

/* Reads and locks a workflow which the caller may change. */
static void
open_workflow(const char *name, WfWorkflow *w, bool missing_ok)
{
	MemoryContext cxt = CurrentMemoryContext;
	WfWindow window;
	bool found;

	wf_window_open(&window);
	found = wf_workflow_lock(name, cxt, w);
	wf_window_close(&window);
	if (found)
	{
		wf_require_owner(w->owner, w->owner_name, "workflow", name);
		return;
	}
	w->workflow_id = 0;
	if (missing_ok)
		ereport(NOTICE,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("workflow \"%s\" does not exist, skipping", name)));
	else
		wf_raise_no_workflow(name);
}

/* Body and search_path; the function whose source is to be looked at. */
static Oid
take_body(FunctionCallInfo fcinfo, ArrayType *reset, WfWorkflow *w)
{
	Oid function = InvalidOid;

	if (!PG_ARGISNULL(ARG_BODY))
		function = set_body(w, wf_arg_text(fcinfo, ARG_BODY));
	else if (wf_arg_resets(reset, &resettable, ARG_BODY))
		function = set_body(w, quote_identifier(w->name));

	if (!PG_ARGISNULL(ARG_SEARCH_PATH))
		set_search_path(w, wf_arg_text(fcinfo, ARG_SEARCH_PATH));
	else if (OidIsValid(function) ||
			 wf_arg_resets(reset, &resettable, ARG_SEARCH_PATH))
	{
		Oid present = OidIsValid(function) ? function : wf_body_find(w->body);

		wf_body_check(present, w->body);
		default_search_path(w, present);
	}
	return function;
}

Datum
workflow_alter_workflow(PG_FUNCTION_ARGS)
{
	WfWorkflow w;
	WfWindow window;
	char *name;
	ArrayType *reset;
	Oid function;

	wf_require_preloaded();
	wf_require_writable("alter_workflow");
	name = wf_arg_name(fcinfo, ARG_NAME, "name of a workflow");
	reset = PG_ARGISNULL(ARG_RESET) ? NULL : PG_GETARG_ARRAYTYPE_P(ARG_RESET);

	open_workflow(name, &w, false);
	wf_arg_check_resets(fcinfo, reset, &resettable);
	take_resets(reset, &w);
	take_arguments(fcinfo, &w);
	function = take_body(fcinfo, reset, &w);

	wf_window_open(&window);
	wf_workflow_update(&w, wf_clock_now());
	wf_window_close(&window);
	wf_definition_changed();
	if (OidIsValid(function))
		wf_body_lint(function, w.body);
	PG_RETURN_VOID();
}

/* ---- drop, pause, resume ---- */

Datum
workflow_drop_workflow(PG_FUNCTION_ARGS)
{
	WfWorkflow w;
	WfWindow window;
	TimestampTz now = wf_clock_now();
	char *name;
	char *user = GetUserNameFromId(GetUserId(), false);
	bool force = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	bool missing_ok = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	int64 unfinished;

	wf_require_preloaded();
	wf_require_writable("drop_workflow");
	name = wf_arg_name(fcinfo, 0, "name of a workflow");
	open_workflow(name, &w, missing_ok);
	if (w.workflow_id == 0)
		PG_RETURN_VOID();

	wf_window_open(&window);
	unfinished = wf_workflow_unfinished(w.workflow_id);
	if (unfinished > 0 && !force)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot drop workflow \"%s\": it has unfinished runs",
						name),
				 errdetail_plural("There is " INT64_FORMAT " unfinished run.",
								  "There are " INT64_FORMAT " unfinished runs.",
								  (unsigned long) unfinished, unfinished),
				 errhint("Wait for them, or pass force => true to cancel them.")));
	if (unfinished > 0)
	{
		(void) wf_workflow_cancel_all(w.workflow_id, user,
									  "workflow was dropped", now);
		wf_note_events(WF_EVENT_REQUEST);
	}
	wf_workflow_drop(w.workflow_id, now);
	wf_window_close(&window);
	wf_definition_changed();
	PG_RETURN_VOID();
}

static void
set_paused(FunctionCallInfo fcinfo, bool paused, const char *reason)
{
	WfWorkflow w;
	WfWindow window;
	char *name = wf_arg_name(fcinfo, 0, "name of a workflow");
	char *by = paused ? GetUserNameFromId(GetUserId(), false) : NULL;

	open_workflow(name, &w, false);
	wf_window_open(&window);
	wf_workflow_set_paused(w.workflow_id, paused, by, reason, wf_clock_now());
	wf_window_close(&window);
	wf_definition_changed();
}

Datum
workflow_pause_workflow(PG_FUNCTION_ARGS)
{
	wf_require_preloaded();
	wf_require_writable("pause_workflow");
	set_paused(fcinfo, true, wf_arg_note(fcinfo, 1, "reason"));
	PG_RETURN_VOID();
}

Datum
workflow_resume_workflow(PG_FUNCTION_ARGS)
{
	wf_require_preloaded();
	wf_require_writable("resume_workflow");
	set_paused(fcinfo, false, NULL);
	PG_RETURN_VOID();
}
