/*
 * queue_arguments.c
 *		The arguments that create_queue() and alter_queue() have in common.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "api/arguments.h"
#include "api/queue_arguments.h"
#include "base/compat.h"
#include "store/definition.h"

StaticAssertDecl(ARG_RESET == WF_QUEUE_ARG_LAST, "as the script has it");

static const char *const argument_names[] = {"name",
											 "max_running",
											 "max_active",
											 "group_max_active",
											 "on_group_failure",
											 "fair",
											 "group_weights",
											 "rate_limit",
											 "rate_period",
											 "group_rate_limit",
											 "group_by_owner",
											 "policy",
											 "closed",
											 "lease",
											 "dedup_window",
											 "dedup_scope",
											 "keep_acked",
											 "keep_dead",
											 "notify_channel",
											 "alert",
											 "alert_depth",
											 "alert_age",
											 "alert_dead_letters",
											 "owner",
											 "description"};

StaticAssertDecl(lengthof(argument_names) == ARG_RESET, "one for each");

static const WfResettable resettable = {
	"alter_queue", lengthof(argument_names), argument_names};

static const Interval second = {.time = USECS_PER_SEC, .day = 0, .month = 0};

#define MAX_RATE	   1000000 /* starts in a period */
#define MAX_RATE_DAYS  366	   /* of a period */
#define MAX_WEIGHT	   1000
#define MAX_WEIGHTS	   10000 /* groups that have one */
#define MAX_GROUP_NAME 200	 /* characters, as of a group_key */

/* ---- values ---- */

static void
set_on_group_failure(WfQueue *queue, const char *value)
{
	if (strcmp(value, "continue") == 0)
		queue->blocks = false;
	else if (strcmp(value, "block") == 0)
		queue->blocks = true;
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_group_failure must be \"continue\" or \"block\""),
				 errdetail("The value is \"%s\".", value),
				 errhint("With \"block\" a failed run keeps its place in the group until retry_run has repaired it.")));
}

/* Takes over a limit, if it is given; "max" is the highest allowed. */
static void
take_limit(FunctionCallInfo fcinfo, WfQueueArgument arg, int32 max,
		   int32 *limit)
{
	int32 value;

	if (PG_ARGISNULL(arg))
		return;
	value = PG_GETARG_INT32(arg);
	if (value < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be greater than zero", argument_names[arg]),
				 errdetail("The value is %d.", value),
				 errhint("Leave it out where no limit is meant; alter_queue takes one away with reset. To let nothing start use pause_queue.")));
	if (value > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range", argument_names[arg]),
				 errdetail("The value is %d, %d is the most.", value, max),
				 errhint("Leave it out where no limit is meant.")));
	*limit = value;
}

static void
set_rate_period(WfQueue *queue, FunctionCallInfo fcinfo)
{
	Interval *period =
		wf_arg_interval(fcinfo, ARG_RATE_PERIOD, "rate_period", true);

	if (wf_interval_usec(period, "rate_period", 1) >
		MAX_RATE_DAYS * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rate_period is out of range"),
				 errdetail("The value is \"%s\", a year is the most.",
						   DatumGetCString(DirectFunctionCall1(interval_out,
															   IntervalPGetDatum(period)))),
				 errhint("Pass a shorter period and a smaller limit.")));
	queue->rate_period = *period;
}

static void
set_policy(WfQueue *queue, Datum policy)
{
	WfPolicy checked;

	wf_policy_from_datum(policy, &checked);
	queue->policy_row = policy;
	queue->has_policy = true;
}

Oid
wf_queue_role(const char *role_name, const char *argument)
{
	Oid role = get_role_oid(role_name, true);

	if (!OidIsValid(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", role_name),
				 errdetail("It was given as %s.", argument),
				 errhint("Pass the name of a role exactly as it is written in pg_roles.")));
	return role;
}

/* Whoever gives a queue away must be able to act as its new owner. */
static void
set_owner(WfQueue *queue, const char *role_name)
{
	Oid role = wf_queue_role(role_name, "owner");

	if (!has_privs_of_role(GetUserId(), role) ||
		!wf_can_become(GetUserId(), role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to make \"%s\" the owner of a queue",
						role_name),
				 errdetail("\"%s\" is not a member of that role.",
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Be granted the role, or leave owner out.")));
	queue->owner = role;
	queue->owner_name = pstrdup(role_name);
}

/* ---- weights ---- */

/* One member of group_weights; detail of the error, or NULL. */
static char *
weight_error(const JsonbValue *key, const JsonbValue *value)
{
	char *group = pnstrdup(key->val.string.val, key->val.string.len);
	int length = pg_mbstrlen(group);
	double weight;

	if (length == 0)
		return pstrdup("The name of a group is empty.");
	if (length > MAX_GROUP_NAME)
		return psprintf(
			"The name of a group has %d characters, %d is the most.", length,
			MAX_GROUP_NAME);
	if (value->type != jbvNumeric)
		return psprintf("The weight of group \"%s\" is not a number.", group);
	weight = DatumGetFloat8(DirectFunctionCall1(
		numeric_float8, NumericGetDatum(value->val.numeric)));
	if (weight < 1 || weight > MAX_WEIGHT || weight != floor(weight))
		return psprintf(
			"The weight of group \"%s\" is %s.", group,
			DatumGetCString(DirectFunctionCall1(
				numeric_out, NumericGetDatum(value->val.numeric))));
	return NULL;
}

/* What is wrong with group_weights, or NULL. */
static char *
weights_error(Jsonb *weights)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue key = {0};
	JsonbValue value;
	char *error = NULL;

	if (!JB_ROOT_IS_OBJECT(weights))
		return pstrdup("The value is not an object.");
	if (JB_ROOT_COUNT(weights) > MAX_WEIGHTS)
		return psprintf("The value names %d groups, %d is the most.",
						(int) JB_ROOT_COUNT(weights), MAX_WEIGHTS);
	it = JsonbIteratorInit(&weights->root);
	while (error == NULL &&
		   (token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = value;
		else if (token == WJB_VALUE)
			error = weight_error(&key, &value);
	}
	return error;
}

static void
set_group_weights(WfQueue *queue, Jsonb *weights)
{
	char *error = weights_error(weights);

	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("group_weights must be an object of integers from 1 to %d",
						MAX_WEIGHT),
				 errdetail_internal("%s", error),
				 errhint("Write it as {\"group\": 3}; a group that is not named has the weight 1.")));
	wf_check_payload(JsonbPGetDatum(weights), "group_weights");
	queue->group_weights = weights;
}

/* ---- all of them ---- */

void
wf_queue_init(WfQueue *queue)
{
	memset(queue, 0, sizeof(*queue));
	queue->owner = GetUserId();
	queue->owner_name = GetUserNameFromId(queue->owner, false);
	queue->rate_period = second;
	wf_queue_init_messages(queue);
}

void
wf_queue_take_arguments(FunctionCallInfo fcinfo, WfQueue *queue)
{
	take_limit(fcinfo, ARG_MAX_RUNNING, PG_INT32_MAX, &queue->max_running);
	take_limit(fcinfo, ARG_MAX_ACTIVE, PG_INT32_MAX, &queue->max_active);
	take_limit(fcinfo, ARG_GROUP_MAX_ACTIVE, PG_INT32_MAX,
			   &queue->group_max_active);
	if (!PG_ARGISNULL(ARG_ON_GROUP_FAILURE))
		set_on_group_failure(queue, wf_arg_text(fcinfo, ARG_ON_GROUP_FAILURE));
	if (!PG_ARGISNULL(ARG_FAIR))
		queue->fair = PG_GETARG_BOOL(ARG_FAIR);
	if (!PG_ARGISNULL(ARG_GROUP_WEIGHTS))
		set_group_weights(queue, PG_GETARG_JSONB_P(ARG_GROUP_WEIGHTS));
	take_limit(fcinfo, ARG_RATE_LIMIT, MAX_RATE, &queue->rate_limit);
	if (!PG_ARGISNULL(ARG_RATE_PERIOD))
		set_rate_period(queue, fcinfo);
	take_limit(fcinfo, ARG_GROUP_RATE_LIMIT, MAX_RATE,
			   &queue->group_rate_limit);
	if (!PG_ARGISNULL(ARG_GROUP_BY_OWNER))
		queue->group_by_owner = PG_GETARG_BOOL(ARG_GROUP_BY_OWNER);
	if (!PG_ARGISNULL(ARG_POLICY))
		set_policy(queue, PG_GETARG_DATUM(ARG_POLICY));
	if (!PG_ARGISNULL(ARG_CLOSED))
		queue->closed = PG_GETARG_BOOL(ARG_CLOSED);
	wf_queue_take_messages(fcinfo, queue);
	if (!PG_ARGISNULL(ARG_OWNER))
		set_owner(queue, wf_arg_text(fcinfo, ARG_OWNER));
	if (!PG_ARGISNULL(ARG_DESCRIPTION))
		queue->description =
			wf_arg_note(fcinfo, ARG_DESCRIPTION, "description");

	if (queue->group_weights != NULL && !queue->fair)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("group_weights needs a fair queue"),
				 errdetail("A weight is the number of starts that a group has in its turn, and groups take turns only in a fair queue."),
				 errhint("Pass fair => true, or leave out or reset group_weights.")));
	wf_queue_check_alerts(queue);
}

bool
wf_queue_resets(ArrayType *reset, WfQueueArgument arg)
{
	return wf_arg_resets(reset, &resettable, arg);
}

bool
wf_queue_regroups(FunctionCallInfo fcinfo)
{
	ArrayType *reset =
		PG_ARGISNULL(ARG_RESET) ? NULL : PG_GETARG_ARRAYTYPE_P(ARG_RESET);

	return !PG_ARGISNULL(ARG_GROUP_BY_OWNER) ||
		   wf_queue_resets(reset, ARG_GROUP_BY_OWNER);
}

void
wf_queue_take_resets(FunctionCallInfo fcinfo, WfQueue *queue)
{
	ArrayType *reset =
		PG_ARGISNULL(ARG_RESET) ? NULL : PG_GETARG_ARRAYTYPE_P(ARG_RESET);

	wf_arg_check_resets(fcinfo, reset, &resettable);
#define RESETS(arg) wf_queue_resets(reset, (arg))
	if (RESETS(ARG_MAX_RUNNING))
		queue->max_running = 0;
	if (RESETS(ARG_MAX_ACTIVE))
		queue->max_active = 0;
	if (RESETS(ARG_GROUP_MAX_ACTIVE))
		queue->group_max_active = 0;
	if (RESETS(ARG_ON_GROUP_FAILURE))
		queue->blocks = false;
	if (RESETS(ARG_FAIR))
		queue->fair = false;
	if (RESETS(ARG_GROUP_WEIGHTS))
		queue->group_weights = NULL;
	if (RESETS(ARG_RATE_LIMIT))
		queue->rate_limit = 0;
	if (RESETS(ARG_RATE_PERIOD))
		queue->rate_period = second;
	if (RESETS(ARG_GROUP_RATE_LIMIT))
		queue->group_rate_limit = 0;
	if (RESETS(ARG_GROUP_BY_OWNER))
		queue->group_by_owner = false;
	if (RESETS(ARG_POLICY))
		queue->has_policy = false;
	if (RESETS(ARG_CLOSED))
		queue->closed = false;
	wf_queue_reset_messages(reset, queue);
	if (RESETS(ARG_OWNER))
		set_owner(queue, GetUserNameFromId(GetUserId(), false));
	if (RESETS(ARG_DESCRIPTION))
		queue->description = NULL;
#undef RESETS
}
