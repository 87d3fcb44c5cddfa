/*
 * retention.c
 *		Removing runs that have ended.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/spi.h"
#include "store/retention.h"

static WfStmt delete_ended = {"DELETE FROM _workflow.run"
							  " WHERE run_id = $1 AND finished_at IS NOT NULL",
							  1,
							  {UUIDOID}};

static WfStmt delete_steps = {
	"DELETE FROM _workflow.step WHERE run_id = $1", 1, {UUIDOID}};

static WfStmt delete_requests = {
	"DELETE FROM _workflow.request WHERE run_id = $1", 1, {UUIDOID}};

static WfStmt delete_signals = {
	"DELETE FROM _workflow.signal WHERE run_id = $1", 1, {UUIDOID}};

static WfStmt delete_audit = {
	"DELETE FROM _workflow.audit WHERE run_id = $1", 1, {UUIDOID}};

bool
wf_run_purge(const pg_uuid_t *run_id)
{
	static WfStmt *const rest[] = {&delete_steps, &delete_requests,
								   &delete_signals, &delete_audit};
	Datum values[1] = {UUIDPGetDatum(run_id)};

	if (wf_spi_run(&delete_ended, values, NULL, false, 0) == 0)
		return false;
	for (int i = 0; i < lengthof(rest); i++)
		(void) wf_spi_run(rest[i], values, NULL, false, 0);
	return true;
}

static WfStmt sweep_audit = {
	"DELETE FROM _workflow.audit a"
	" WHERE a.run_id = $1"
	"   AND NOT EXISTS (SELECT FROM _workflow.run r WHERE r.run_id = $1)",
	1,
	{UUIDOID}};

void
wf_run_sweep(const pg_uuid_t *run_id)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};

	(void) wf_spi_run(&sweep_audit, values, NULL, false, 0);
}
