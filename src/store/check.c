/*
 * check.c
 *		Table _workflow.check_run: what check_workflow() asked for.
 *
 * The hidden workflow is written, by the install script, as one that was
 * dropped: nobody can enqueue, alter or see it, and its name is free; but runs
 * of it are executed like all others.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "store/check.h"

static WfStmt find_candidates = {
	"SELECT r.run_id, r.owner, r.owner_name"
	"  FROM _workflow.run r"
	" WHERE r.finished_at IS NULL AND r.workflow_id = $1 AND r.origin = $2"
	"   AND r.end_state IS NULL"
	"   AND EXISTS (SELECT FROM _workflow.step s WHERE s.run_id = r.run_id)"
	" ORDER BY r.run_id",
	2,
	{INT4OID, INT8OID}};

int
wf_check_candidates(int32 workflow_id, MemoryContext cxt, WfToCheck **out)
{
	Datum values[2] = {Int32GetDatum(workflow_id), Int64GetDatum(wf_origin())};
	uint64 n = wf_spi_run(&find_candidates, values, NULL, true, 0);

	*out = MemoryContextAllocHuge(cxt, mul_size(Max(n, 1), sizeof(WfToCheck)));
	for (uint64 i = 0; i < n; i++)
	{
		wf_spi_get_uuid(i, 1, &(*out)[i].run_id);
		(*out)[i].owner = wf_spi_get_oid(i, 2);
		(*out)[i].owner_name = wf_spi_copy_text(i, 3, cxt);
	}
	return (int) n;
}

static WfStmt forget_checks = {
	"DELETE FROM _workflow.check_run c"
	" WHERE NOT EXISTS (SELECT FROM _workflow.run r"
	"                    WHERE r.run_id = c.checker)",
	0,
	{0}};

static WfStmt next_check = {
	"SELECT pg_catalog.nextval('_workflow.check_run_check_id_seq')", 0, {0}};

int64
wf_check_begin(void)
{
	(void) wf_spi_run(&forget_checks, NULL, NULL, false, 0);
	(void) wf_spi_run(&next_check, NULL, NULL, false, 1);
	return wf_spi_get_int64(0, 1, 0);
}

static WfStmt insert_check = {
	"INSERT INTO _workflow.check_run (check_id, run_id, checker, body_id)"
	"VALUES ($1, $2, $3, $4)",
	4,
	{INT8OID, UUIDOID, UUIDOID, INT4OID}};

void
wf_check_insert(int64 check_id, const pg_uuid_t *run_id,
				const pg_uuid_t *checker, int32 body_id)
{
	Datum values[4] = {Int64GetDatum(check_id), UUIDPGetDatum(run_id),
					   UUIDPGetDatum(checker), Int32GetDatum(body_id)};

	(void) wf_spi_run(&insert_check, values, NULL, false, 0);
}

/* a body of another workflow is nobody's to be checked with */
static WfStmt find_check = {
	"SELECT c.run_id, c.body_id"
	"  FROM _workflow.check_run c"
	"  JOIN _workflow.body b ON b.body_id = c.body_id"
	"  JOIN _workflow.run r ON r.run_id = c.run_id"
	" WHERE c.check_id = $1 AND c.run_id = $2 AND c.checker = $3"
	"   AND b.workflow_id = r.workflow_id",
	3,
	{INT8OID, UUIDOID, UUIDOID}};

bool
wf_check_find(int64 check_id, const pg_uuid_t *run_id,
			  const pg_uuid_t *checker, int32 *body_id)
{
	Datum values[3] = {Int64GetDatum(check_id), UUIDPGetDatum(run_id),
					   UUIDPGetDatum(checker)};

	if (wf_spi_run(&find_check, values, NULL, true, 1) == 0)
		return false;
	*body_id = wf_spi_get_int32(0, 2, 0);
	return true;
}
