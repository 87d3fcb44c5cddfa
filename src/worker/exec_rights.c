/*
 * exec_rights.c
 *		What the owner of a run needs to have it go on.
 *
 * The same is asked at the enqueue (api/definition_cache.c); but a run may wait
 * for a year, and what its owner, or whoever lent him to a workflow by run_as,
 * might do then he may not do now.  Whatever the run is about to do: its body,
 * a step, an undo or an item of a map.
 *
 * The verdict is kept by exec_body.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/spi.h"
#include "core/state.h"
#include "store/body.h"
#include "store/role.h"
#include "worker/exec.h"

/* What to do after repair, for the end of a hint. */
const char *
wf_rights_then_retry(void)
{
	return wf_exec_is_trial(wf_exec) ? "" : ", then call workflow.retry_run()";
}

/* run_as gave the run to its owner: the same question as at its definition. */
static void
check_run_as(const WfRun *run)
{
	char *name;

	if (run->run_as_by_name == NULL)
		return;
	name = GetUserNameFromId(run->run_as_by, true);
	if (name == NULL || strcmp(name, run->run_as_by_name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", run->run_as_by_name),
				 errdetail("Its workflow runs as \"%s\" on its behalf.",
						   run->owner_name),
				 errhint("Create the role and call workflow.start(), or cancel the run.")));
	if (!wf_can_become(run->run_as_by, run->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to have the run go on as \"%s\"",
						run->owner_name),
				 errdetail("It runs so by run_as of a workflow of \"%s\", who is no longer a member of that role.",
						   run->run_as_by_name),
				 errhint("Grant the role again, then call workflow.retry_run(), or cancel the run.")));
}

void
wf_rights_check_owner(WfExec *exec)
{
	const char *detail;
	const char *hint;

	/* a trial is in the session of whoever asked for it */
	if (wf_exec_is_trial(exec))
		return;
	exec->park_reason = WF_REASON_OWNER;
	if (wf_role_lacks(GetUserId(), &detail, &hint))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" cannot have runs",
						GetUserNameFromId(GetUserId(), false)),
				 errdetail("%s", detail),
				 errhint("%s, then call workflow.retry_run().", hint)));
	check_run_as(&exec->run);
	exec->park_reason = NULL;
}

/* Both who wrote the body and who chose its search_path must be superusers. */
static void
check_superuser(Oid function, const WfBodyRow *row)
{
	HeapTuple tuple;
	Oid author;

	if (wf_allow_superuser_runs || !superuser())
		return;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	author = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);

	if (!superuser_arg(author) || !superuser_arg(row->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a superuser's run cannot use body %s", row->body),
				 errdetail("The function or the workflow is not owned by a superuser."),
				 errhint("Enqueue as another role, or set workflow.allow_superuser_runs.")));
}

void
wf_rights_check_body(WfExec *exec, Oid function, const WfBodyRow *row)
{
	exec->park_reason = WF_REASON_BODY;
	/* our own needs no grants */
	if (row->body_id > 0 && !wf_body_callable(function, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", row->body),
				 errhint("Grant EXECUTE on it and USAGE on its schema to the run's owner%s.",
						 wf_rights_then_retry())));
	check_superuser(function, row);
	exec->park_reason = NULL;
}
