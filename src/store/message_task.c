/*
 * message_task.c
 *		Messages that a run waits for.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/spi.h"
#include "core/state.h"
#include "store/definition.h"
#include "store/message_task.h"
#include "store/signal.h"

static WfStmt read_policy = {"SELECT policy"
							 "  FROM _workflow.workflow"
							 " WHERE workflow_id = $1",
							 1,
							 {INT4OID}};

Datum
wf_task_policy(int32 workflow_id, MemoryContext cxt)
{
	Datum values[1] = {Int32GetDatum(workflow_id)};
	WfPolicy policy;
	Datum row;

	if (wf_spi_run(&read_policy, values, NULL, true, 1) == 0 ||
		!wf_policy_read(1, cxt, &policy, &row))
		return (Datum) 0;
	return row;
}

/*
 * Who receives or acknowledges one just now is not waited for.  What undoes the
 * run stays.
 */
static WfStmt withdraw = {
	"DELETE FROM _workflow.message"
	" WHERE message_id = ANY (ARRAY(SELECT m.message_id"
	"                                 FROM _workflow.message m"
	"                                WHERE m.run_id = $1"
	"                                  AND NOT EXISTS ("
	"                                      SELECT"
	"                                        FROM _workflow.step s"
	"                                       WHERE s.run_id = $1"
	"                                         AND s.ordinal = m.run_ordinal"
	"                                         AND s.kind = 'U'::\"char\")"
	"                                  FOR UPDATE SKIP LOCKED))"
	" RETURNING message_id",
	1,
	{UUIDOID}};

int
wf_task_withdraw(const pg_uuid_t *run_id, MemoryContext cxt, int64 **ids)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};
	uint64 n = wf_spi_run(&withdraw, values, NULL, false, 0);

	*ids = MemoryContextAlloc(cxt, mul_size(Max(n, 1), sizeof(int64)));
	for (uint64 i = 0; i < n; i++)
		(*ids)[i] = wf_spi_get_int64(i, 1, 0);
	return (int) n;
}

void
wf_task_settled(const WfDelivery *message, Datum result, const WfFault *fault,
				WfWork *wake)
{
	pg_uuid_t *run_id = DatumGetUUIDP(message->values[MSG_run_id]);
	char *by = GetUserNameFromId(GetSessionUserId(), false);
	WfError error = {0};
	WfTaskAttempt attempt = {.number = message->attempt};

	attempt.is_last = fault != NULL && fault->reason != NULL &&
					  strcmp(fault->reason, WF_REASON_ATTEMPTS) == 0;
	if (fault != NULL)
	{
		strlcpy(error.code,
				fault->code != NULL ? fault->code
									: unpack_sql_state(ERRCODE_WF_TASK_FAILED),
				sizeof(error.code));
		error.message =
			pstrdup(fault->message != NULL ? fault->message : "task failed");
		if (fault->detail != NULL)
			error.detail = pstrdup(fault->detail);
	}
	wf_signal_insert_task(
		run_id, DatumGetInt32(message->values[MSG_run_ordinal]), result, by,
		fault != NULL ? &error : NULL, &attempt, wf_clock_now());
	memset(wake, 0, sizeof(*wake));
	wake->id = wake->last_id = *run_id;
	wake->deadline_at = DT_NOEND;
	wake->flags = WF_ASSIGN_WAKE | WF_ASSIGN_REREAD;
}

static WfStmt run_goes_on = {
	"SELECT FROM _workflow.run WHERE run_id = $1 AND finished_at IS NULL",
	1,
	{UUIDOID}};

bool
wf_task_is_orphaned(const WfDelivery *message)
{
	Datum values[1] = {message->values[MSG_run_id]};

	return wf_spi_run(&run_goes_on, values, NULL, true, 1) == 0;
}
