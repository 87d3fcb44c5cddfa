/*
 * check.c
 *		check_workflow(), and the body of the runs it makes.
 *
 * A function cannot wait, as it holds its snapshot, and user code runs in
 * executors only, as the owner of the run.  So each run is checked by a run of
 * its own, which starts when the transaction commits; the view workflow.checks
 * shows the verdicts.
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "api/arguments.h"
#include "api/definition_cache.h"
#include "base/clock.h"
#include "base/spi.h"
#include "ipc/wakeup.h"
#include "play/check_run.h"
#include "play/word.h"
#include "store/body.h"
#include "store/check.h"
#include "store/definition.h"
#include "store/enqueue.h"
#include "store/queue.h"

PG_FUNCTION_INFO_V1(workflow_check_workflow);
PG_FUNCTION_INFO_V1(workflow_check_run);

/* ---- asking ---- */

/* The version that the body to be checked has, or would have. */
static int32
take_body(const WfWorkflow *w, const char *name)
{
	Oid function = wf_body_resolve(name);
	char *signature = wf_body_signature(function);
	char *search_path = wf_body_own_search_path(function);
	WfWindow window;
	int32 body_id;

	wf_body_check(function, signature);
	if (!wf_body_callable(function, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for body \"%s\"", signature),
				 errdetail("\"%s\" lacks EXECUTE on the function or USAGE on its schema.",
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Grant both to whom is to create and to enqueue the workflow.")));
	if (search_path == NULL)
		search_path = pstrdup(GetConfigOption("search_path", false, false));
	wf_window_open(&window);
	body_id = wf_body_version(w->workflow_id, signature, search_path,
							  wf_clock_now());
	wf_window_close(&window);
	return body_id;
}

static void
enqueue_check(WfNewRun *run, const WfToCheck *to_check, int64 check_id,
			  int32 body_id)
{
	char *run_id = DatumGetCString(
		DirectFunctionCall1(uuid_out, UUIDPGetDatum(&to_check->run_id)));
	WfWork info;
	WfWindow window;

	wf_runid_draw(&run->run_id);
	run->owner = to_check->owner;
	run->owner_name = CStringGetTextDatum(to_check->owner_name);
	run->input = DirectFunctionCall1(
		jsonb_in,
		CStringGetDatum(
			psprintf("{\"run_id\": \"%s\", \"check_id\": " INT64_FORMAT "}",
					 run_id, check_id)));
	wf_run_insert(run);
	wf_window_open(&window);
	wf_check_insert(check_id, &to_check->run_id, &run->run_id, body_id);
	wf_window_close(&window);
	wf_run_describe(run, &info);
	wf_note_run(&info);
}

Datum
workflow_check_workflow(PG_FUNCTION_ARGS)
{
	char *name;
	char *body;
	const WfWorkflow *w;
	WfNewRun run = {.deadline_at = DT_NOEND};
	WfToCheck *runs;
	WfWindow window;
	MemoryContext cxt = CurrentMemoryContext;
	int64 check_id;
	int32 body_id;
	int n;

	wf_require_preloaded();
	wf_require_writable("check_workflow");
	name = wf_arg_name(fcinfo, 0, "name of a workflow");
	body = wf_arg_text(fcinfo, 1);
	w = wf_workflow_known(name, strlen(name));
	wf_require_owner(w->owner, w->owner_name, "workflow", name);
	body_id = body ? take_body(w, body) : w->body_id;

	run.origin = wf_origin();
	run.enqueued_at = run.run_at = wf_clock_now();
	run.workflow_id = WF_CHECK_WORKFLOW;
	run.body_id = WF_CHECK_BODY;
	run.queue_id = WF_DEFAULT_QUEUE;
	wf_window_open(&window);
	n = wf_check_candidates(w->workflow_id, cxt, &runs);
	check_id = wf_check_begin();
	wf_window_close(&window);

	for (int i = 0; i < n; i++)
	{
		if (wf_is_owner(runs[i].owner, runs[i].owner_name))
			enqueue_check(&run, &runs[i], check_id, body_id);
	}
	PG_RETURN_INT64(check_id);
}

/* ---- answering ---- */

static void
add_member(StringInfo out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(out, ", \"%s\": ", name);
	escape_json(out, value);
}

/* A required member of the input, as text; anybody can call with anything. */
static char *
member(Jsonb *input, const char *name)
{
	JsonbValue *value = NULL;

	if (JB_ROOT_IS_OBJECT(input))
		value = getKeyJsonValueFromContainer(&input->root, name, strlen(name),
											 NULL);
	if (value != NULL && value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value != NULL && value->type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(
			numeric_out, NumericGetDatum(value->val.numeric)));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("input has no member \"%s\"", name),
			 errdetail("The function is the body of the runs that check_workflow() makes, and of no other use.")));
}

/*
 * What the run in hand is to check: its input says where that is recorded, and
 * what counts is the record.
 */
static void
find_check(Jsonb *input, pg_uuid_t *run_id, int32 *body_id)
{
	Datum id =
		DirectFunctionCall1(uuid_in, CStringGetDatum(member(input, "run_id")));
	int64 check_id = DatumGetInt64(DirectFunctionCall1(
		int8in, CStringGetDatum(member(input, "check_id"))));
	WfWindow window;
	bool found;

	*run_id = *DatumGetUUIDP(id);
	wf_window_open(&window);
	found = wf_check_find(check_id, run_id, wf_word_run_id(), body_id);
	wf_window_close(&window);
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the run is not to be checked with that body"),
				 errdetail("No call of workflow.check_workflow() asked for it.")));
}

Datum
workflow_check_run(PG_FUNCTION_ARGS)
{
	pg_uuid_t run_id;
	int32 body_id;
	WfChecked checked;
	StringInfoData out;

	wf_word_check_engine("check_run", WF_CHECK_BODY);
	wf_arg_require(fcinfo, 0, "input");
	find_check(PG_GETARG_JSONB_P(0), &run_id, &body_id);
	wf_check_run(&run_id, body_id, &checked);

	initStringInfo(&out);
	appendStringInfo(&out, "{\"ok\": %s", checked.ok ? "true" : "false");
	if (checked.ordinal > 0)
		appendStringInfo(&out, ", \"ordinal\": %d", checked.ordinal);
	if (!checked.ok)
	{
		add_member(&out, "error_code", checked.error.code);
		add_member(&out, "error_message", checked.error.message);
		add_member(&out, "error_detail", checked.error.detail);
	}
	appendStringInfoChar(&out, '}');
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data)));
}
