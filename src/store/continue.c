/*
 * continue.c
 *		A run that goes on as another one: continue_as_new().
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "core/workid.h"
#include "store/continue.h"
#include "store/run_info.h"

static WfStmt read_run = {
	"SELECT dedup_key, parent_run_id, parent_ordinal, item, dedup_no"
	"  FROM _workflow.run"
	" WHERE run_id = $1",
	1,
	{UUIDOID}};

void
wf_continue_read(const pg_uuid_t *run_id, MemoryContext cxt, WfHandover *out)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};
	bool isnull;

	memset(out, 0, sizeof(*out));
	out->item = -1;
	if (wf_spi_run(&read_run, values, NULL, false, 1) == 0)
		return;
	out->dedup_key = wf_spi_copy_text(0, 1, cxt);
	(void) wf_spi_get(0, 2, &isnull);
	out->has_parent = !isnull;
	if (out->has_parent)
		wf_spi_get_uuid(0, 2, &out->parent_run_id);
	out->parent_ordinal = wf_spi_get_int32(0, 3, 0);
	out->item = wf_spi_get_int32(0, 4, -1);
	out->dedup_no = wf_spi_get_int32(0, 5, 0);
}

/*
 * $3 now, $4 input, $5 dedup_key, $6.. parent, $9 seed, $10 place.  With started_at it counts as
 * begun from its first moment, so that it keeps the place of its predecessor
 * in queue and group whoever looks.
 */
static WfStmt insert_next = {
	"INSERT INTO _workflow.run AS r ("
	"       run_id, origin, enqueued_at, run_at, workflow_id, body_id,"
	"       queue_id, priority, owner, state, deadline_at, started_at,"
	"       parent_ordinal, item, parent_run_id, on_close, owner_name,"
	"       dedup_key, group_key, attributes, input, continued_from, seed,"
	"       run_as_by, run_as_by_name, place, dedup_no)"
	"SELECT $2, o.origin, $3, $3, o.workflow_id, w.body_id, o.queue_id,"
	"       o.priority, o.owner, 'q'::\"char\","
	"       $3 + (o.deadline_at - coalesce(o.retried_at, o.run_at)), $3, $7,"
	"       $8, $6, o.on_close, o.owner_name, $5, o.group_key, o.attributes,"
	"       $4, o.run_id, $9, o.run_as_by, o.run_as_by_name, $10,"
	"       $11"
	"  FROM _workflow.run o"
	"  JOIN _workflow.workflow w ON w.workflow_id = o.workflow_id"
	" WHERE o.run_id = $1"
	" RETURNING " WF_INFO_COLUMNS,
	11,
	{UUIDOID, UUIDOID, TIMESTAMPTZOID, JSONBOID, TEXTOID, UUIDOID, INT4OID,
	 INT4OID, UUIDOID, INT8OID, INT4OID}};

static WfStmt move_signals = {"UPDATE _workflow.signal"
							  "   SET run_id = $2"
							  " WHERE run_id = $1 AND taken_at IS NULL",
							  2,
							  {UUIDOID, UUIDOID}};

/* The parent is to find it even when this run's row has been deleted. */
static WfStmt replace_child = {"UPDATE _workflow.step"
							   "   SET child_run_id = $2"
							   " WHERE run_id = $3 AND ordinal = $4"
							   "   AND child_run_id = $1"
							   "   AND state = 'w'::\"char\"",
							   4,
							   {UUIDOID, UUIDOID, UUIDOID, INT4OID}};

void
wf_continue_insert(const pg_uuid_t *run_id, const pg_uuid_t *next,
				   const WfHandover *from, const Jsonb *input, TimestampTz now,
				   WfWork *info)
{
	char nulls[] = "           ";
	Datum values[11] = {UUIDPGetDatum(run_id),
						UUIDPGetDatum(next),
						TimestampTzGetDatum(now),
						PointerGetDatum(input),
						wf_text_or_null(from->dedup_key, &nulls[4]),
						UUIDPGetDatum(&from->parent_run_id),
						Int32GetDatum(from->parent_ordinal),
						Int32GetDatum(from->item),
						UUIDPGetDatum(&from->seed),
						Int64GetDatum(wf_workid_place(next, 0)),
						Int32GetDatum(from->dedup_no)};

	if (!from->has_parent)
		nulls[5] = nulls[6] = 'n';
	if (from->item < 0)
		nulls[7] = 'n';
	if (wf_spi_run(&insert_next, values, nulls, false, 0) != 1)
		elog(ERROR, "the row of a workflow run has gone");
	wf_info_fill(0, info);
	(void) wf_spi_run(&move_signals, values, NULL, false, 0);
	if (from->has_parent && from->item < 0)
	{
		Datum child[4] = {UUIDPGetDatum(run_id), UUIDPGetDatum(next),
						  UUIDPGetDatum(&from->parent_run_id),
						  Int32GetDatum(from->parent_ordinal)};

		(void) wf_spi_run(&replace_child, child, NULL, false, 0);
	}
}

/* all of a run's successors, of which the last has none */
#define CHAIN                             \
	"WITH RECURSIVE chain AS ("           \
	"    SELECT r.run_id, r.continued_as" \
	"      FROM _workflow.run r"          \
	"     WHERE r.run_id = $1"            \
	"     UNION ALL"                      \
	"    SELECT r.run_id, r.continued_as" \
	"      FROM chain c"                  \
	"      JOIN _workflow.run r ON r.run_id = c.continued_as)"

/* what was sent to it as well is the same signal */
static WfStmt drop_duplicates = {
	CHAIN
	"DELETE FROM _workflow.signal s"
	" USING chain c"
	" WHERE s.run_id = $1 AND s.taken_at IS NULL AND c.run_id <> $1"
	"   AND c.continued_as IS NULL"
	"   AND EXISTS (SELECT FROM _workflow.signal o"
	"                WHERE o.run_id = c.run_id AND o.dedup_key = s.dedup_key)",
	1,
	{UUIDOID}};

static WfStmt forward = {
	CHAIN "UPDATE _workflow.signal s"
		  "   SET run_id = c.run_id"
		  "  FROM chain c"
		  " WHERE s.run_id = $1 AND s.taken_at IS NULL AND c.run_id <> $1"
		  "   AND c.continued_as IS NULL"
		  " RETURNING s.run_id",
	1,
	{UUIDOID}};

bool
wf_continue_forward(const pg_uuid_t *run_id, pg_uuid_t *last)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};

	(void) wf_spi_run(&drop_duplicates, values, NULL, false, 0);
	if (wf_spi_run(&forward, values, NULL, false, 0) == 0)
		return false;
	wf_spi_get_uuid(0, 1, last);
	return true;
}
