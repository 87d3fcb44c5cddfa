/*
 * task.c
 *		task() and start_task(): steps done by workers outside.
 *
 * The call is recorded as waiting in the commit that sends its message.  The
 * message is the run's: who acknowledges it gives the call its result, and what
 * gives it up its error (see store/message_task.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "api/arguments.h"
#include "api/queue_cache.h"
#include "api/task.h"
#include "base/clock.h"
#include "base/spi.h"
#include "core/state.h"
#include "ipc/order.h"
#include "ipc/wakeup.h"
#include "play/calls.h"
#include "play/word.h"
#include "store/definition.h"
#include "store/message.h"
#include "store/message_task.h"

PG_FUNCTION_INFO_V1(workflow_task);
PG_FUNCTION_INFO_V1(workflow_start_task);

/* ---- the words ---- */

void
wf_task_arguments(FunctionCallInfo fcinfo, WfCall *call, Oid *types,
				  Datum *values, bool *nulls)
{
	WfPolicy policy;
	const Oid all[] = {TEXTOID, TEXTOID, JSONBOID, wf_policy_type(), TEXTOID};

	call->name = wf_arg_name(fcinfo, WF_TASK_NAME, "name of a task");
	call->command = wf_arg_name(fcinfo, WF_TASK_QUEUE, "name of a queue");
	for (int i = 0; i < WF_TASK_NARGS; i++)
	{
		types[i] = all[i];
		nulls[i] = i >= PG_NARGS() || PG_ARGISNULL(i);
		values[i] = nulls[i] ? (Datum) 0 : PG_GETARG_DATUM(i);
	}
	if (!nulls[WF_TASK_GROUP_KEY])
		(void) wf_arg_limited_text(fcinfo, WF_TASK_GROUP_KEY, "group_key",
								   WF_MAX_GROUP);
	/* what is wrong with it is an error of the body, not of the worker */
	if (!nulls[WF_TASK_POLICY])
		wf_policy_from_datum(values[WF_TASK_POLICY], &policy);
}

static const WfStep *
call_task(FunctionCallInfo fcinfo, const char *word, bool starts)
{
	Oid types[WF_TASK_NARGS];
	Datum values[WF_TASK_NARGS];
	bool nulls[WF_TASK_NARGS];
	WfCall call = {.kind = &wf_call_task,
				   .nargs = WF_TASK_NARGS,
				   .types = types,
				   .values = values,
				   .nulls = nulls,
				   .due_at = DT_NOEND,
				   .starts = starts};

	wf_word_check(word, WF_WORD_IN_BODY);
	wf_task_arguments(fcinfo, &call, types, values, nulls);
	return wf_word_call(&call);
}

Datum
workflow_task(PG_FUNCTION_ARGS)
{
	const WfStep *step = call_task(fcinfo, "task", false);

	if (step->result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(step->result);
}

Datum
workflow_start_task(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(call_task(fcinfo, "start_task", true)->ordinal);
}

/* ---- starting ---- */

/* What the worker is told besides the payload. */
static Datum
make_headers(const WfStarting *start)
{
	JsonbParseState *state = NULL;
	/* the run that the user knows of, where the task is an item of a map */
	char *id = DatumGetCString(
		DirectFunctionCall1(uuid_out, UUIDPGetDatum(wf_word_run_id())));
	const char *pairs[][2] = {{"run_id", id},
							  {"step", start->name},
							  {"idempotency_key", wf_word_key()}};
	JsonbValue value;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < lengthof(pairs); i++)
	{
		for (int j = 0; j < 2; j++)
		{
			value.type = jbvString;
			value.val.string.val = unconstify(char *, pairs[i][j]);
			value.val.string.len = strlen(pairs[i][j]);
			(void) pushJsonbValue(&state, j == 0 ? WJB_KEY : WJB_VALUE,
								  &value);
		}
	}
	return JsonbPGetDatum(
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* The policy of the call, else of the workflow; 0: that of the queue. */
static Datum
choose_policy(const WfStarting *start)
{
	WfWindow window;
	Datum policy;

	if (start->nulls[WF_TASK_POLICY] != 'n')
		return start->values[WF_TASK_POLICY];
	wf_window_open(&window);
	policy = wf_task_policy(start->workflow_id, window.save_context);
	wf_window_close(&window);
	return policy;
}

static void
start_task(const WfStarting *start, WfStartedCall *started)
{
	WfNewMessage message = {0};
	const WfQueueSend *queue;
	WfWork info;
	text *name = DatumGetTextPP(start->values[WF_TASK_QUEUE]);

	queue = wf_queue_allowed(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	message.message_id = wf_messageid_draw();
	message.origin = wf_origin();
	message.enqueued_at = message.run_at = wf_clock_now();
	message.queue_id = queue->queue_id;
	message.owner = GetUserId();
	message.owner_name =
		CStringGetTextDatum(GetUserNameFromId(message.owner, false));
	message.headers = make_headers(start);
	message.payload =
		start->nulls[WF_TASK_PAYLOAD] == 'n'
			? DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"))
			: start->values[WF_TASK_PAYLOAD];
	wf_check_payload(message.payload, "payload");
	if (start->nulls[WF_TASK_GROUP_KEY] != 'n')
		message.group_key = start->values[WF_TASK_GROUP_KEY];
	message.run_id = start->run_id;
	message.run_ordinal = start->ordinal;
	message.policy = choose_policy(start);

	wf_message_insert(&message);
	wf_message_describe(&message, &info);
	if (queue->strict)
		wf_order_note(&info);
	wf_note_run(&info);
	wf_queue_count_enqueued(message.queue_id, 1);
	started->message_id = message.message_id;
}

void
wf_task_init(void)
{
	wf_calls_set_starter(&wf_call_task, start_task);
}
