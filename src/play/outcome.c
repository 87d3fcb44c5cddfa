/*
 * outcome.c
 *		What became of the runs that a call has started.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/json.h"
#include "play/error.h"
#include "play/outcome.h"

void
wf_outcome_failure(const WfChildEnd *end, WfOutcomeOf of, const char *name,
				   WfError *out)
{
	char *id = DatumGetCString(
		DirectFunctionCall1(uuid_out, UUIDPGetDatum(&end->run_id)));
	const WfError *error = &end->error;

	if (end->state == '\0')
		wf_error_set(out, ERRCODE_WF_CHILD_CANCELLED, "child is gone",
					 psprintf("There is no run %s any more.", id));
	else if (end->state == WF_RUN_CANCELLED)
		wf_error_set(
			out, ERRCODE_WF_CHILD_CANCELLED, "child was cancelled",
			of != WF_OUTCOME_OF_CHILD ? NULL : psprintf("It was run %s.", id));
	else if (of != WF_OUTCOME_OF_CHILD)
	{
		*out = *error;
		if (of == WF_OUTCOME_OF_MAP && end->failed_item > 0)
			out->detail = psprintf(
				"It was item %d of map \"%s\".%s%s", end->failed_item, name,
				error->detail ? " " : "", error->detail ? error->detail : "");
	}
	else
	{
		wf_error_set(out, ERRCODE_WF_CHILD_FAILED,
					 error->message ? error->message : "child failed",
					 psprintf("Run %s failed with SQLSTATE %s.%s%s", id,
							  error->code, error->detail ? " " : "",
							  error->detail ? error->detail : ""));
		out->hint = error->hint;
	}
}

void
wf_outcome_set(WfStep *step, const WfChildEnd *end, WfOutcomeOf of)
{
	step->finished_at = end->finished_at;
	if (end->state == WF_RUN_SUCCEEDED)
	{
		step->match.state = WF_STEP_DONE;
		step->result = end->result;
		return;
	}
	if (end->state == '\0')
		step->finished_at = wf_clock_now();
	step->match.state = WF_STEP_FAILED;
	wf_outcome_failure(end, of, step->match.name, &step->error);
}

/* {"ok": true, "value": ...} or {"ok": false, "code": ..., "message": ...} */
void
wf_outcome_push(JsonbParseState **state, const Jsonb *value,
				const WfError *error)
{
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	wf_json_push_key(state, "ok");
	wf_json_push_bool(state, WJB_VALUE, error == NULL);
	if (error == NULL)
	{
		wf_json_push_key(state, "value");
		wf_json_push(state, WJB_VALUE, value);
	}
	else
	{
		wf_json_push_key(state, "code");
		wf_json_push_text(state, WJB_VALUE, error->code);
		wf_json_push_key(state, "message");
		wf_json_push_text(state, WJB_VALUE,
						  error->message ? error->message : "");
		if (error->detail != NULL)
		{
			wf_json_push_key(state, "detail");
			wf_json_push_text(state, WJB_VALUE, error->detail);
		}
	}
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}
