/*
 * queue_grant.c
 *		grant_queue() and revoke_queue().
 *
 * "public", which no role can be named, is every role; its oid is 0.
 *
 * 'send' matters only while the queue is closed, 'receive' always: who may
 * put messages in may not for that reason take out those of others.  What was
 * granted is revoked by name, so that what was left behind by a role that is no more can go too.
 */
#include "postgres.h"

#include "utils/acl.h"

#include "api/arguments.h"
#include "api/queue.h"
#include "base/spi.h"

PG_FUNCTION_INFO_V1(workflow_grant_queue);
PG_FUNCTION_INFO_V1(workflow_revoke_queue);

/* Arguments of grant_queue and revoke_queue */
enum
{
	ARG_QUEUE,
	ARG_ROLE,
	ARG_PRIVILEGE
};

static const char *
read_privilege(FunctionCallInfo fcinfo)
{
	char *value = wf_arg_text(fcinfo, ARG_PRIVILEGE);

	if (value == NULL || strcmp(value, "send") == 0)
		return "send";
	if (strcmp(value, "receive") == 0)
		return "receive";
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown privilege \"%s\"", value),
			 errdetail("It was given as what a role may do with a queue."),
			 errhint("Pass \"send\", which lets a role put work in a closed queue, or \"receive\", which lets it take messages.")));
}

/* Reads the arguments both have, and locks the queue. */
static const char *
open_for_grant(FunctionCallInfo fcinfo, WfQueue *queue, char **role_name)
{
	const char *privilege;
	char *name = wf_arg_name(fcinfo, ARG_QUEUE, "name of a queue");

	wf_arg_require(fcinfo, ARG_ROLE, "role");
	*role_name = wf_arg_text(fcinfo, ARG_ROLE);
	privilege = read_privilege(fcinfo);
	wf_queue_open(name, false, false, queue);
	return privilege;
}

Datum
workflow_grant_queue(PG_FUNCTION_ARGS)
{
	WfQueue queue;
	WfWindow window;
	const char *privilege;
	char *role_name;
	Oid role;

	wf_require_preloaded();
	wf_require_writable("grant_queue");
	privilege = open_for_grant(fcinfo, &queue, &role_name);
	role = strcmp(role_name, "public") == 0 ? InvalidOid
											: wf_queue_role(role_name, "role");

	wf_window_open(&window);
	wf_queue_grant(queue.queue_id, role, role_name, privilege);
	wf_window_close(&window);
	wf_queue_changed();
	PG_RETURN_VOID();
}

Datum
workflow_revoke_queue(PG_FUNCTION_ARGS)
{
	WfQueue queue;
	WfWindow window;
	const char *privilege;
	char *role_name;
	bool revoked;

	wf_require_preloaded();
	wf_require_writable("revoke_queue");
	privilege = open_for_grant(fcinfo, &queue, &role_name);

	wf_window_open(&window);
	revoked = wf_queue_revoke(queue.queue_id, role_name, privilege);
	wf_window_close(&window);
	if (!revoked && strcmp(role_name, "public") != 0)
		(void) wf_queue_role(role_name, "role");
	wf_queue_changed();
	PG_RETURN_VOID();
}
