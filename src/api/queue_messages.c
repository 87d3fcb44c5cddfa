/*
 * queue_messages.c
 *		What create_queue() and alter_queue() say of messages: leases, keys,
 *		what is kept, and who is told.
 *
 * The function of "alert" runs as whoever set it, so he must be able to call
 * it, and a superuser's must belong to a superuser, as with bodies.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/arguments.h"
#include "api/queue_arguments.h"
#include "store/alert.h"
#include "store/body.h"
#include "store/definition.h"

/* a lease or a window of this length is a mistake */
#define MAX_DAYS 366

static const Interval default_lease = {
	.time = 30 * USECS_PER_SEC, .day = 0, .month = 0};
static const Interval default_window = {
	.time = 5 * USECS_PER_MINUTE, .day = 0, .month = 0};

void
wf_queue_init_messages(WfQueue *queue)
{
	queue->lease = default_lease;
	queue->dedup_window = default_window;
	queue->dedup_scope = WF_KEY_WINDOW;
}

/* ---- values ---- */

/* An interval greater than zero and up to a year. */
static void
take_span(FunctionCallInfo fcinfo, WfQueueArgument arg, const char *name,
		  Interval *span)
{
	Interval *value = wf_arg_interval(fcinfo, arg, name, true);

	if (value == NULL)
		return;
	if (wf_interval_usec(value, name, 1) > MAX_DAYS * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range", name),
				 errdetail("The value is \"%s\", a year is the most.",
						   DatumGetCString(DirectFunctionCall1(
							   interval_out, IntervalPGetDatum(value)))),
				 errhint("Pass a shorter one.")));
	*span = *value;
}

static void
take_threshold(FunctionCallInfo fcinfo, WfQueueArgument arg, const char *name,
			   int32 *threshold)
{
	if (PG_ARGISNULL(arg))
		return;
	if (PG_GETARG_INT32(arg) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be greater than zero", name),
				 errdetail("The value is %d.", PG_GETARG_INT32(arg)),
				 errhint("Leave it out where no alert is meant; alter_queue takes one away with reset.")));
	*threshold = PG_GETARG_INT32(arg);
}

static void
take_channel(FunctionCallInfo fcinfo, WfQueue *queue)
{
	char *channel = wf_arg_text(fcinfo, ARG_NOTIFY_CHANNEL);

	if (channel == NULL)
		return;
	if (channel[0] == '\0' || strlen(channel) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("notify_channel must have 1 to %d bytes",
						NAMEDATALEN - 1),
				 errdetail("The value has %zu.", strlen(channel)),
				 errhint("Pass the name of a channel as LISTEN takes it.")));
	queue->notify_channel = channel;
}

static void
take_alert(FunctionCallInfo fcinfo, WfQueue *queue)
{
	char *name = wf_arg_text(fcinfo, ARG_ALERT);
	Oid function;

	if (name == NULL)
		return;
	function = wf_alert_resolve(name);
	queue->alert = wf_body_signature(function);
	wf_alert_check(function, queue->alert);
	queue->alert_role = GetUserId();
	queue->alert_role_name = GetUserNameFromId(queue->alert_role, false);
}

static void
take_scope(FunctionCallInfo fcinfo, WfQueue *queue)
{
	char *value = wf_arg_text(fcinfo, ARG_DEDUP_SCOPE);

	if (value == NULL)
		return;
	for (int i = 0; i < lengthof(wf_key_scopes); i++)
	{
		if (strcmp(value, wf_key_scopes[i]) == 0)
		{
			queue->dedup_scope = (WfKeyScope) i;
			return;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("dedup_scope must be \"window\", \"unfinished\" or \"queued\""),
			 errdetail("The value is \"%s\".", value),
			 errhint("It says for how long a message has its dedup_key: for dedup_window, until it is done, or until it is first received.")));
}

/* ---- all of them ---- */

void
wf_queue_take_messages(FunctionCallInfo fcinfo, WfQueue *queue)
{
	take_span(fcinfo, ARG_LEASE, "lease", &queue->lease);
	take_span(fcinfo, ARG_DEDUP_WINDOW, "dedup_window", &queue->dedup_window);
	take_scope(fcinfo, queue);
	if (!PG_ARGISNULL(ARG_KEEP_ACKED))
		queue->keep_acked =
			wf_arg_interval(fcinfo, ARG_KEEP_ACKED, "keep_acked", true);
	if (!PG_ARGISNULL(ARG_KEEP_DEAD))
		queue->keep_dead =
			wf_arg_interval(fcinfo, ARG_KEEP_DEAD, "keep_dead", true);
	take_channel(fcinfo, queue);
	take_alert(fcinfo, queue);
	take_threshold(fcinfo, ARG_ALERT_DEPTH, "alert_depth",
				   &queue->alert_depth);
	if (!PG_ARGISNULL(ARG_ALERT_AGE))
		queue->alert_age =
			wf_arg_interval(fcinfo, ARG_ALERT_AGE, "alert_age", true);
	take_threshold(fcinfo, ARG_ALERT_DEAD_LETTERS, "alert_dead_letters",
				   &queue->alert_dead_letters);
}

void
wf_queue_check_alerts(const WfQueue *queue)
{
	const char *threshold = queue->alert_depth > 0	   ? "alert_depth"
							: queue->alert_age != NULL ? "alert_age"
							: queue->alert_dead_letters > 0
								? "alert_dead_letters"
								: NULL;

	if (threshold == NULL || queue->alert != NULL ||
		queue->notify_channel != NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s needs alert or notify_channel", threshold),
			 errdetail("Nobody would be told when it is exceeded."),
			 errhint("Pass alert or notify_channel, or leave out or reset %s.",
					 threshold)));
}

void
wf_queue_reset_messages(ArrayType *reset, WfQueue *queue)
{
	if (wf_queue_resets(reset, ARG_LEASE))
		queue->lease = default_lease;
	if (wf_queue_resets(reset, ARG_DEDUP_WINDOW))
		queue->dedup_window = default_window;
	if (wf_queue_resets(reset, ARG_DEDUP_SCOPE))
		queue->dedup_scope = WF_KEY_WINDOW;
	if (wf_queue_resets(reset, ARG_KEEP_ACKED))
		queue->keep_acked = NULL;
	if (wf_queue_resets(reset, ARG_KEEP_DEAD))
		queue->keep_dead = NULL;
	if (wf_queue_resets(reset, ARG_NOTIFY_CHANNEL))
		queue->notify_channel = NULL;
	if (wf_queue_resets(reset, ARG_ALERT))
	{
		queue->alert = NULL;
		queue->alert_role = InvalidOid;
		queue->alert_role_name = NULL;
	}
	if (wf_queue_resets(reset, ARG_ALERT_DEPTH))
		queue->alert_depth = 0;
	if (wf_queue_resets(reset, ARG_ALERT_AGE))
		queue->alert_age = NULL;
	if (wf_queue_resets(reset, ARG_ALERT_DEAD_LETTERS))
		queue->alert_dead_letters = 0;
}
