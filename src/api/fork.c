/*
 * fork.c
 *		fork_run(): a new run with what another has recorded so far.
 *
 * Whoever forks a run must have the rights of its owner, as he gets its input
 * and results, and those of an enqueue, as he starts a run: it belongs to whom
 * a run would that he enqueued.  That must be the owner of the other run, who
 * has chosen its body, its input and, with set_step_result(), its results: as
 * somebody else they would be believed.  Nothing of the other run is written,
 * so it may go on meanwhile.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/definition_cache.h"
#include "api/queue_cache.h"
#include "api/runs.h"
#include "base/clock.h"
#include "base/spi.h"
#include "ipc/order.h"
#include "ipc/wakeup.h"
#include "store/fork.h"

PG_FUNCTION_INFO_V1(workflow_fork_run);

/* Raises an error unless everything below "from" has an outcome. */
static void
check_record(const pg_uuid_t *run_id, int32 from)
{
	WfForkRecord record;
	WfWindow window;

	if (from < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("from_ordinal must be at least 1"),
				 errdetail("The value is %d.", from),
				 errhint("Pass the ordinal of the first call that is to be made anew; 1 takes nothing over.")));
	wf_window_open(&window);
	wf_fork_look(run_id, from, &record);
	wf_window_close(&window);
	if (record.nrecorded < from - 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("from_ordinal is beyond what the run has recorded"),
				 errdetail("The value is %d, and %d calls are recorded.",
						   from, record.nrecorded),
				 errhint("The view workflow.steps shows what is recorded.")));
	if (record.unsettled != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the run has no outcome of call %d yet",
						record.unsettled),
				 errdetail("Only calls that are done, or have failed, can be taken over."),
				 errhint("Pass from_ordinal => %d, or wait for its outcome.",
						 record.unsettled)));
}

/* Raises an error where what the run has done is not what its record says. */
static void
check_state(const WfRunView *run, int32 from)
{
	if (run->origin != wf_origin())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the run was written in another database"),
				 errdetail("It came here with a dump, a copy or by replication."),
				 errhint("Take over such runs with workflow.start().")));
	if (run->end_state != '\0' && from > 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("what the run has done is being undone, or has been"),
				 errdetail("A fork that took over its results would rely on what is there no more."),
				 errhint("Pass from_ordinal => 1, which takes nothing over.")));
}

/* The workflow of a run, which the current user may enqueue. */
static const WfKnownWorkflow *
workflow_of(const WfRunView *run)
{
	const WfKnownWorkflow *known =
		wf_workflow_allowed(run->workflow, strlen(run->workflow));

	/* another one has its name by now */
	if (known->def.workflow_id != run->workflow_id)
		wf_raise_no_workflow(run->workflow);
	return known;
}

static void
require_same_owner(const WfRunView *run, const WfKnownWorkflow *known)
{
	char *id;

	if (run->owner == known->run_owner)
		return;
	id = DatumGetCString(
		DirectFunctionCall1(uuid_out, UUIDPGetDatum(&run->run_id)));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to fork run %s as \"%s\"", id,
					GetUserNameFromId(known->run_owner, false)),
			 errdetail("It belongs to role \"%s\", who has chosen what the fork would take over.",
					   run->owner_name),
			 errhint("Call it as that role with SET ROLE, or enqueue the workflow anew.")));
}

/* In the audit of both. */
static void
insert_audit(const pg_uuid_t *from, const pg_uuid_t *to, int32 ordinal,
			 const char *by, const char *reason)
{
	Datum from_text = DirectFunctionCall1(uuid_out, UUIDPGetDatum(from));
	Datum to_text = DirectFunctionCall1(uuid_out, UUIDPGetDatum(to));

	wf_audit_insert(from, "fork_run", by, reason,
					psprintf("{\"fork\": \"%s\", \"from_ordinal\": %d}",
							 DatumGetCString(to_text), ordinal));
	wf_audit_insert(to, "fork_run", by, reason,
					psprintf("{\"fork_of\": \"%s\", \"from_ordinal\": %d}",
							 DatumGetCString(from_text), ordinal));
}

Datum
workflow_fork_run(PG_FUNCTION_ARGS)
{
	const WfKnownWorkflow *known;
	WfFork fork = {.now = wf_clock_now(), .deadline_at = DT_NOEND};
	WfRunView run;
	WfWork info;
	WfWindow window;
	pg_uuid_t *run_id;
	pg_uuid_t *result;
	char *reason = wf_arg_note(fcinfo, 3, "reason");
	char *by;
	int32 from;
	bool strict;

	wf_require_preloaded();
	wf_require_writable("fork_run");
	run_id = wf_arg_run_id(fcinfo, 0);
	wf_arg_require(fcinfo, 1, "from_ordinal");
	from = PG_GETARG_INT32(1);
	if (!PG_ARGISNULL(2))
	{
		fork.input = PG_GETARG_DATUM(2);
		wf_check_payload(fork.input, "input");
	}
	wf_run_look(run_id, &run);
	check_state(&run, from);
	check_record(run_id, from);
	known = workflow_of(&run);
	require_same_owner(&run, known);
	strict = wf_queue_allowed_of(run.workflow, run.queue_id)->strict;
	if (known->def.has_run_timeout)
		fork.deadline_at = DatumGetTimestampTz(DirectFunctionCall2(
			timestamptz_pl_interval, TimestampTzGetDatum(fork.now),
			IntervalPGetDatum(&known->def.run_timeout)));
	fork.owner = known->run_owner;
	fork.owner_name = known->run_owner_name;
	wf_workflow_vouch(known, &fork.run_as_by, &fork.run_as_by_name);
	wf_runid_draw(&fork.run_id);
	by = GetUserNameFromId(GetUserId(), false);

	wf_window_open(&window);
	wf_fork_insert(run_id, from, &fork, &info);
	insert_audit(run_id, &fork.run_id, from, by, reason);
	wf_window_close(&window);
	if (strict)
		wf_order_note(&info);
	wf_note_run(&info);
	if (known->def.paused)
		wf_note_events(WF_EVENT_CONTROL);
	wf_count_enqueued(info.workflow_id, info.queue_id);

	result = palloc(sizeof(pg_uuid_t));
	*result = fork.run_id;
	PG_RETURN_UUID_P(result);
}
