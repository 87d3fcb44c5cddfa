/*
 * message_task.c
 *		Messages that a run waits for.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "core/state.h"
#include "store/definition.h"
#include "store/message_task.h"

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

/* who receives or acknowledges one just now is not waited for */
static WfStmt withdraw = {
	"DELETE FROM _workflow.message"
	" WHERE message_id = ANY (ARRAY(SELECT m.message_id"
	"                                 FROM _workflow.message m"
	"                                WHERE m.run_id = $1"
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
