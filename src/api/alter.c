/*
 * alter.c
 *		alter_run() and alter_message(): another place in another queue.
 *
 * Both return false where the run or message has moved on, or has begun and is
 * to get more than another priority; so they can be called on whole sets.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/messages.h"
#include "api/queue_cache.h"
#include "api/runs.h"
#include "base/clock.h"
#include "base/spi.h"
#include "core/state.h"
#include "ipc/wakeup.h"
#include "store/alter.h"

PG_FUNCTION_INFO_V1(workflow_alter_run);
PG_FUNCTION_INFO_V1(workflow_alter_message);

/* arguments that the two have in common, and where they are */
typedef struct Places
{
	const char *function;
	const char *what;
	int priority;
	int delay;
	int run_at;
	int queue;
	int group_key;
	int attributes; /* -1: there are none */
	int reset;
	int reason;
} Places;

static const Places of_run = {"alter_run", "run", 1, 2, 3, 4, 5, 6, 7, 8};
static const Places of_message = {
	"alter_message", "message", 1, 2, 3, 4, 5, -1, 6, 7};

/* ---- arguments ---- */

static void
check_unset(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s is both given and reset", name),
			 errdetail("An argument named in reset goes back to its default."),
			 errhint("Leave out one of the two.")));
}

/* Applies one element of reset. */
static void
reset_one(FunctionCallInfo fcinfo, const Places *of, const char *name,
		  WfAlter *alter)
{
	if (name != NULL && strcmp(name, "group_key") == 0)
	{
		check_unset(fcinfo, of->group_key, name);
		alter->no_group_key = true;
	}
	else if (name != NULL && strcmp(name, "delay") == 0)
	{
		check_unset(fcinfo, of->delay, name);
		check_unset(fcinfo, of->run_at, "run_at");
		alter->has_start = true;
		alter->start = wf_clock_now();
	}
	else if (name != NULL && strcmp(name, "attributes") == 0 &&
			 of->attributes >= 0)
	{
		check_unset(fcinfo, of->attributes, name);
		alter->no_attributes = true;
	}
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reset must name arguments of workflow.%s() that can be left out",
						of->function),
				 name ? errdetail("One of its elements is \"%s\".", name) :
				 errdetail("One of its elements is NULL."),
				 of->attributes < 0 ?
				 errhint("These are group_key and delay.") :
				 errhint("These are group_key, attributes and delay.")));
}

static void
read_reset(FunctionCallInfo fcinfo, const Places *of, WfAlter *alter)
{
	Datum *names;
	bool *nulls;
	int n;

	if (PG_ARGISNULL(of->reset))
		return;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(of->reset), TEXTOID, -1, false,
					  TYPALIGN_INT, &names, &nulls, &n);
	for (int i = 0; i < n; i++)
		reset_one(fcinfo, of, nulls[i] ? NULL : TextDatumGetCString(names[i]),
				  alter);
}

static void
read_attributes(FunctionCallInfo fcinfo, const Places *of, WfAlter *alter)
{
	if (of->attributes < 0 || PG_ARGISNULL(of->attributes))
		return;
	alter->attributes = PG_GETARG_JSONB_P(of->attributes);
	wf_check_object(alter->attributes, "attributes",
					"{\"region\": \"north\"}");
	wf_check_payload(JsonbPGetDatum(alter->attributes), "attributes");
}

/* The queue is looked up later, by whoever may know of it. */
static void
read_arguments(FunctionCallInfo fcinfo, const Places *of, WfAlter *alter)
{
	memset(alter, 0, sizeof(*alter));
	alter->has_priority = !PG_ARGISNULL(of->priority);
	if (alter->has_priority)
		alter->priority = PG_GETARG_INT32(of->priority);
	if (!PG_ARGISNULL(of->delay) || !PG_ARGISNULL(of->run_at))
	{
		alter->has_start = true;
		alter->start = wf_arg_start(fcinfo, of->delay, of->run_at, of->what,
									wf_clock_now());
	}
	alter->group_key =
		wf_arg_limited_text(fcinfo, of->group_key, "group_key", WF_MAX_GROUP);
	read_attributes(fcinfo, of, alter);
	read_reset(fcinfo, of, alter);
}

static void
read_queue(FunctionCallInfo fcinfo, const Places *of, WfAlter *alter)
{
	text *name;

	if (PG_ARGISNULL(of->queue))
		return;
	name = PG_GETARG_TEXT_PP(of->queue);
	alter->queue_id =
		wf_queue_allowed(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name))->queue_id;
	alter->has_queue = true;
}

/* ---- runs ---- */

static void
add_text(StringInfo out, const char *name, const char *value)
{
	appendStringInfo(out, ", \"%s\": ", name);
	if (value == NULL)
		appendStringInfoString(out, "null");
	else
		escape_json(out, value);
}

/* Gives the altered properties, as the audit keeps them; NULL: none. */
static char *
describe(FunctionCallInfo fcinfo, const WfAlter *alter)
{
	StringInfoData out;

	initStringInfo(&out);
	if (alter->has_priority)
		appendStringInfo(&out, ", \"priority\": %d", alter->priority);
	if (alter->has_start)
		add_text(&out, "run_at", timestamptz_to_str(alter->start));
	if (alter->has_queue)
		add_text(&out, "queue", wf_arg_text(fcinfo, of_run.queue));
	if (alter->group_key != NULL || alter->no_group_key)
		add_text(&out, "group_key", alter->group_key);
	if (alter->no_attributes)
		add_text(&out, "attributes", NULL);
	if (alter->attributes != NULL)
		appendStringInfo(&out, ", \"attributes\": %s",
						 JsonbToCString(NULL, &alter->attributes->root,
										VARSIZE(alter->attributes)));
	return out.len == 0 ? NULL : psprintf("{%s}", out.data + 2);
}

Datum
workflow_alter_run(PG_FUNCTION_ARGS)
{
	WfNewRequest request = {.kind = WF_REQUEST_ALTER};
	WfAlter alter;
	WfRunView run;
	WfSlot slot;
	WfWindow window;
	pg_uuid_t *run_id;
	char *by;

	wf_require_preloaded();
	wf_require_writable("alter_run");
	run_id = wf_arg_run_id(fcinfo, 0);
	request.reason = wf_arg_note(fcinfo, of_run.reason, "reason");
	read_arguments(fcinfo, &of_run, &alter);
	wf_run_look(run_id, &run);
	read_queue(fcinfo, &of_run, &alter);
	if (wf_run_is_final(run.state) || run.origin != wf_origin())
		PG_RETURN_BOOL(false);
	if (!wf_alter_is_mild(&alter) &&
		(run.begun || wf_run_find_slot(run_id, &slot)))
		PG_RETURN_BOOL(false);

	request.value = wf_alter_request(&alter);
	if (alter.has_start)
		request.due_at = alter.start;
	by = GetUserNameFromId(GetUserId(), false);
	wf_window_open(&window);
	wf_request_insert(run_id, &request, by);
	wf_audit_insert(run_id, "alter_run", by, request.reason,
					describe(fcinfo, &alter));
	wf_window_close(&window);
	wf_note_events(WF_EVENT_REQUEST);
	PG_RETURN_BOOL(true);
}

/* ---- messages ---- */

Datum
workflow_alter_message(PG_FUNCTION_ARGS)
{
	WfAlter alter;
	WfMessageView message;
	WfWindow window;
	int64 message_id;
	bool done;

	wf_require_preloaded();
	wf_require_writable("alter_message");
	(void) wf_arg_note(fcinfo, of_message.reason, "reason");
	read_arguments(fcinfo, &of_message, &alter);
	message_id = wf_messages_look(fcinfo, &message);
	read_queue(fcinfo, &of_message, &alter);
	if (message.origin != wf_origin() ||
		(message.state != WF_MESSAGE_QUEUED && !wf_alter_is_mild(&alter)))
		PG_RETURN_BOOL(false);

	wf_window_open(&window);
	done = wf_alter_message(message_id, &alter);
	wf_window_close(&window);
	if (done)
		wf_note_message(message_id);
	PG_RETURN_BOOL(done);
}
