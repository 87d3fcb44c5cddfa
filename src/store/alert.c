/*
 * alert.c
 *		The functions that are told of what happens in a queue.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/guc.h"
#include "base/spi.h"
#include "store/alert.h"
#include "store/body.h"
#include "store/definition.h"
#include "store/enqueue.h"

static const WfFunctionUse as_alert = {"alert function",
									   "an alert function",
									   "An alert function",
									   "the alert function of a queue",
									   "alert",
									   "f(alert jsonb) RETURNS void"};

Oid
wf_alert_resolve(const char *name)
{
	return wf_function_resolve(name, &as_alert);
}

static Oid
function_owner(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

void
wf_alert_check(Oid function, const char *name)
{
	wf_function_check_kind(function, name, &as_alert);
	if (!wf_body_callable(function, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", name),
				 errdetail("\"%s\", as whom it is to be called, may not execute it.",
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Be granted EXECUTE on it and USAGE on its schema.")));
	if (superuser() && !wf_allow_superuser_runs &&
		!superuser_arg(function_owner(function)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("function %s cannot be called as a superuser", name),
				 errdetail("It belongs to a role that is none."),
				 errhint("Set the alert as another role, or set workflow.allow_superuser_runs.")));
}

/* ---- who is told ---- */

/* a role counts only where its name is the one written down with it */
static WfStmt read_rules = {
	"SELECT q.queue_id, q.name, q.notify_channel, q.alert,"
	"       (SELECT a.oid FROM pg_catalog.pg_roles a"
	"         WHERE a.oid = q.alert_role AND a.rolname = q.alert_role_name),"
	"       q.alert_role_name, q.alert_depth,"
	"       (extract(epoch FROM q.alert_age) * 1000000)::pg_catalog.int8,"
	"       q.alert_dead_letters"
	"  FROM _workflow.queue q"
	" WHERE q.notify_channel IS NOT NULL OR q.alert IS NOT NULL"
	" ORDER BY q.queue_id",
	0,
	{0}};

int
wf_alert_rules(MemoryContext cxt, WfAlertRule **out)
{
	uint64 n = wf_spi_run(&read_rules, NULL, NULL, true, 0);

	*out =
		MemoryContextAllocZero(cxt, mul_size(Max(n, 1), sizeof(WfAlertRule)));
	for (uint64 i = 0; i < n; i++)
	{
		WfAlertRule *rule = &(*out)[i];

		rule->queue_id = wf_spi_get_int32(i, 1, 0);
		rule->queue = wf_spi_copy_text(i, 2, cxt);
		rule->channel = wf_spi_copy_text(i, 3, cxt);
		rule->function = wf_spi_copy_text(i, 4, cxt);
		rule->role = wf_spi_get_oid(i, 5);
		rule->role_name = wf_spi_copy_text(i, 6, cxt);
		rule->depth = wf_spi_get_int32(i, 7, 0);
		rule->age = wf_spi_get_int64(i, 8, 0);
		rule->dead_letters = wf_spi_get_int32(i, 9, 0);
	}
	return (int) n;
}

/* no further than needed: there may be a million */
static WfStmt count_dead = {
	"SELECT pg_catalog.count(*)"
	"  FROM (SELECT FROM _workflow.run r"
	"         WHERE r.queue_id = $1 AND r.state = 'f'::\"char\""
	"         UNION ALL"
	"        SELECT FROM _workflow.message m"
	"         WHERE m.queue_id = $1 AND m.finished_at IS NOT NULL"
	"           AND m.state = 'd'::\"char\""
	"         LIMIT $2) d",
	2,
	{INT4OID, INT8OID}};

bool
wf_alert_exceeds_dead(int32 queue_id, int32 limit)
{
	Datum values[2];

	values[0] = Int32GetDatum(queue_id);
	values[1] = Int64GetDatum((int64) limit + 1);
	(void) wf_spi_run(&count_dead, values, NULL, true, 1);
	return wf_spi_get_int64(0, 1, 0) > limit;
}

/* {"alert": ..., "function": ...} */
static Jsonb *
input_of(const WfAlertRule *rule, Jsonb *alert)
{
	JsonbParseState *state = NULL;
	JsonbValue value;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	value.type = jbvString;
	value.val.string.val = "alert";
	value.val.string.len = strlen("alert");
	(void) pushJsonbValue(&state, WJB_KEY, &value);
	value.type = jbvBinary;
	value.val.binary.data = &alert->root;
	value.val.binary.len = VARSIZE(alert) - VARHDRSZ;
	(void) pushJsonbValue(&state, WJB_VALUE, &value);
	value.type = jbvString;
	value.val.string.val = "function";
	value.val.string.len = strlen("function");
	(void) pushJsonbValue(&state, WJB_KEY, &value);
	value.val.string.val = rule->function;
	value.val.string.len = strlen(rule->function);
	(void) pushJsonbValue(&state, WJB_VALUE, &value);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

void
wf_alert_enqueue(const WfAlertRule *rule, Jsonb *alert, WfWork *info)
{
	WfNewRun run = {.run_id = info->id};

	run.origin = wf_origin();
	run.enqueued_at = run.run_at = wf_clock_now();
	run.deadline_at = DT_NOEND;
	run.workflow_id = WF_ALERT_WORKFLOW;
	run.body_id = WF_ALERT_BODY;
	run.queue_id = WF_DEFAULT_QUEUE;
	run.owner = rule->role;
	run.owner_name = CStringGetTextDatum(rule->role_name);
	run.input = JsonbPGetDatum(input_of(rule, alert));
	ItemPointerSetInvalid(&run.tid);
	wf_run_insert(&run);
	wf_run_describe(&run, info);
}
