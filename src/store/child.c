/*
 * child.c
 *		Runs that another run has started: what becomes of them.
 *
 * The index run_parent holds them by parent, ordinal and number.  Nothing here
 * goes through all children of a map for each that ends: a map may have many.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/spi.h"
#include "core/state.h"
#include "store/attempt.h"
#include "store/child.h"
#include "store/run_info.h"

/* ---- ends ---- */

#define END_COLUMNS                                                         \
	"r.state, r.finished_at, r.item, r.result, r.error_code,"               \
	" r.error_message, r.error_detail, r.error_hint,"                       \
	" CASE WHEN r.queue_id = -1 AND r.failed_step > 0"                      \
	"      THEN (r.input ->> 'first')::pg_catalog.int4 + r.failed_step - 1" \
	" END"

/* where a child goes on as another run, that one counts */
static WfStmt find_ends = {
	"WITH RECURSIVE chain (id, n, run_id) AS ("
	"    SELECT i.id, i.n, i.id"
	"      FROM pg_catalog.unnest($1) WITH ORDINALITY AS i (id, n)"
	"     UNION ALL"
	"    SELECT c.id, c.n, p.continued_as"
	"      FROM chain c"
	"      JOIN _workflow.run p ON p.run_id = c.run_id"
	"     WHERE p.continued_as IS NOT NULL)"
	"SELECT i.id, " END_COLUMNS "  FROM chain i"
	"  LEFT JOIN _workflow.run r ON r.run_id = i.run_id"
	" WHERE r.run_id IS NULL"
	"    OR r.finished_at IS NOT NULL AND r.continued_as IS NULL"
	" ORDER BY r.finished_at, i.n",
	1,
	{UUIDARRAYOID}};

/* $3: one of them, or 0 */
static WfStmt find_map_ends = {
	"SELECT r.run_id, " END_COLUMNS "  FROM _workflow.run r"
	" WHERE r.parent_run_id = $1 AND r.parent_ordinal = $2"
	"   AND (r.item = $3 OR $3 = 0 AND r.item IS NOT NULL)"
	"   AND r.finished_at IS NOT NULL"
	" ORDER BY r.item",
	3,
	{UUIDOID, INT4OID, INT4OID}};

static void
read_end(uint64 row, MemoryContext cxt, WfChildEnd *end)
{
	char *code;

	memset(end, 0, sizeof(*end));
	wf_spi_get_uuid(row, 1, &end->run_id);
	end->state = wf_spi_get_char(row, 2, '\0');
	end->finished_at = wf_spi_get_time(row, 3, 0);
	end->item = wf_spi_get_int32(row, 4, 0);
	end->result = wf_spi_copy_jsonb(row, 5, cxt);
	code = wf_spi_copy_text(row, 6, cxt);
	if (code != NULL)
		strlcpy(end->error.code, code, sizeof(end->error.code));
	end->error.message = wf_spi_copy_text(row, 7, cxt);
	end->error.detail = wf_spi_copy_text(row, 8, cxt);
	end->error.hint = wf_spi_copy_text(row, 9, cxt);
	end->failed_item = wf_spi_get_int32(row, 10, 0);
}

static int
read_ends(uint64 n, MemoryContext cxt, WfChildEnd **out)
{
	*out =
		MemoryContextAllocHuge(cxt, mul_size(Max(n, 1), sizeof(WfChildEnd)));
	for (uint64 i = 0; i < n; i++)
		read_end(i, cxt, &(*out)[i]);
	return (int) n;
}

int
wf_child_ends(const pg_uuid_t *ids, int n, MemoryContext cxt, WfChildEnd **out)
{
	Datum *elements = palloc(mul_size(Max(n, 1), sizeof(Datum)));
	Datum values[1];

	for (int i = 0; i < n; i++)
		elements[i] = UUIDPGetDatum(&ids[i]);
	values[0] = PointerGetDatum(
		construct_array(elements, n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	/* not read-only: one of them may be of this very transaction */
	return read_ends(wf_spi_run(&find_ends, values, NULL, false, 0), cxt, out);
}

int
wf_map_ends(const pg_uuid_t *parent, int32 ordinal, int32 item,
			MemoryContext cxt, WfChildEnd **out)
{
	Datum values[3] = {UUIDPGetDatum(parent), Int32GetDatum(ordinal),
					   Int32GetDatum(item)};

	return read_ends(wf_spi_run(&find_map_ends, values, NULL, false, 0), cxt,
					 out);
}

/* ---- how far a map is ---- */

static WfStmt look_at_map = {
	"SELECT count(*) FILTER (WHERE r.finished_at IS NULL)"
	"                      ::pg_catalog.int4,"
	"       count(*) FILTER (WHERE r.finished_at IS NULL"
	"                          AND r.waiting_for"
	"                              IS DISTINCT FROM 'h'::\"char\")"
	"                      ::pg_catalog.int4,"
	"       min(r.item) FILTER (WHERE r.state"
	"                                 = ANY (ARRAY['f', 'c']::\"char\"[])),"
	"       count(*)::pg_catalog.int4"
	"  FROM _workflow.run r"
	" WHERE r.parent_run_id = $1 AND r.parent_ordinal = $2"
	"   AND r.item IS NOT NULL",
	2,
	{UUIDOID, INT4OID}};

void
wf_map_look(const pg_uuid_t *parent, int32 ordinal, WfMapState *out)
{
	Datum values[2] = {UUIDPGetDatum(parent), Int32GetDatum(ordinal)};

	(void) wf_spi_run(&look_at_map, values, NULL, false, 1);
	out->unfinished = wf_spi_get_int32(0, 1, 0);
	out->started = wf_spi_get_int32(0, 2, 0);
	out->failed = wf_spi_get_int32(0, 3, 0);
	out->total = wf_spi_get_int32(0, 4, 0);
}

/* from the end, as they are started from the beginning */
static WfStmt find_unfinished = {
	"SELECT FROM _workflow.run r"
	" WHERE r.parent_run_id = $1 AND r.parent_ordinal = $2"
	"   AND r.item IS NOT NULL AND r.finished_at IS NULL"
	" ORDER BY r.item DESC"
	" LIMIT 1",
	2,
	{UUIDOID, INT4OID}};

bool
wf_map_has_unfinished(const pg_uuid_t *parent, int32 ordinal)
{
	Datum values[2] = {UUIDPGetDatum(parent), Int32GetDatum(ordinal)};

	return wf_spi_run(&find_unfinished, values, NULL, true, 1) > 0;
}

/* ---- held children ---- */

static WfStmt release_held = {
	"UPDATE _workflow.run r"
	"   SET state = 'q'::\"char\", waiting_for = NULL"
	" WHERE r.run_id = ANY (ARRAY(SELECT h.run_id"
	"                               FROM _workflow.run h"
	"                              WHERE h.parent_run_id = $1"
	"                                AND h.parent_ordinal = $2"
	"                                AND h.item IS NOT NULL"
	"                                AND h.finished_at IS NULL"
	"                                AND h.waiting_for = 'h'::\"char\""
	"                              ORDER BY h.item"
	"                              LIMIT $3"
	"                                FOR UPDATE SKIP LOCKED))"
	" RETURNING " WF_INFO_COLUMNS,
	3,
	{UUIDOID, INT4OID, INT8OID}};

int
wf_map_release(const pg_uuid_t *parent, int32 ordinal, int max, WfWork *out)
{
	Datum values[3] = {UUIDPGetDatum(parent), Int32GetDatum(ordinal),
					   Int64GetDatum(max)};
	int n = (int) wf_spi_run(&release_held, values, NULL, false, 0);

	for (int i = 0; i < n; i++)
		wf_info_fill(i, &out[i]);
	return n;
}

/* ---- a map that is tried again ---- */

/* all its items together, in their order */
static WfStmt compare_items = {
	"SELECT coalesce(pg_catalog.jsonb_agg(e.item ORDER BY r.item, e.n),"
	"                '[]'::pg_catalog.jsonb) = $3"
	"  FROM _workflow.run r,"
	"       LATERAL pg_catalog.jsonb_array_elements(r.input->'items')"
	"               WITH ORDINALITY AS e (item, n)"
	" WHERE r.parent_run_id = $1 AND r.parent_ordinal = $2"
	"   AND r.item IS NOT NULL AND r.queue_id = -1"
	"   AND r.input ? 'first' AND (r.input->'tasks')::pg_catalog.bool = $4",
	4,
	{UUIDOID, INT4OID, JSONBOID, BOOLOID}};

bool
wf_map_is_same(const pg_uuid_t *parent, int32 ordinal, const Jsonb *items,
			   bool tasks)
{
	Datum values[4] = {UUIDPGetDatum(parent), Int32GetDatum(ordinal),
					   PointerGetDatum(items), BoolGetDatum(tasks)};

	return wf_spi_run(&compare_items, values, NULL, false, 1) > 0 &&
		   wf_spi_get_bool(0, 1, false);
}

static WfStmt forget_steps = {
	"DELETE FROM _workflow.step s"
	" USING _workflow.run r"
	" WHERE r.parent_run_id = $1 AND r.parent_ordinal = $2"
	"   AND r.queue_id = -1 AND r.finished_at IS NOT NULL"
	"   AND s.run_id = r.run_id",
	2,
	{UUIDOID, INT4OID}};

static WfStmt forget_chunks = {
	"DELETE FROM _workflow.run r"
	" WHERE r.parent_run_id = $1 AND r.parent_ordinal = $2"
	"   AND r.queue_id = -1 AND r.finished_at IS NOT NULL",
	2,
	{UUIDOID, INT4OID}};

static WfStmt forget_children = {
	"UPDATE _workflow.run r"
	"   SET item = NULL, parent_ordinal = NULL"
	" WHERE r.parent_run_id = $1 AND r.parent_ordinal = $2",
	2,
	{UUIDOID, INT4OID}};

void
wf_children_forget(const pg_uuid_t *parent, int32 ordinal)
{
	Datum values[2] = {UUIDPGetDatum(parent), Int32GetDatum(ordinal)};

	(void) wf_spi_run(&forget_steps, values, NULL, false, 0);
	(void) wf_spi_run(&forget_chunks, values, NULL, false, 0);
	(void) wf_spi_run(&forget_children, values, NULL, false, 0);
}

static WfStmt find_redo = {
	"SELECT r.run_id, r.item, r.input"
	"  FROM _workflow.run r"
	" WHERE r.parent_run_id = $1 AND r.parent_ordinal = $2"
	"   AND r.item IS NOT NULL AND r.finished_at IS NOT NULL"
	"   AND r.state <> 's'::\"char\""
	" ORDER BY r.item",
	2,
	{UUIDOID, INT4OID}};

int
wf_map_redo(const pg_uuid_t *parent, int32 ordinal, MemoryContext cxt,
			WfMapRedo **out)
{
	Datum values[2] = {UUIDPGetDatum(parent), Int32GetDatum(ordinal)};
	uint64 n = wf_spi_run(&find_redo, values, NULL, false, 0);

	*out = MemoryContextAllocHuge(cxt, mul_size(Max(n, 1), sizeof(WfMapRedo)));
	for (uint64 i = 0; i < n; i++)
	{
		wf_spi_get_uuid(i, 1, &(*out)[i].run_id);
		(*out)[i].item = wf_spi_get_int32(i, 2, 0);
		(*out)[i].input = wf_spi_copy_jsonb(i, 3, cxt);
	}
	return (int) n;
}

/*
 * Up to the first without such an outcome: of tasks there may be gaps.  A step
 * that was started at most once keeps its start, whatever came of it.  As the
 * call may be worded otherwise now, nothing is compared but kind and name.
 */
static WfStmt move_done = {
	"UPDATE _workflow.step s"
	"   SET run_id = $2, fingerprint = 0, name = $4"
	" WHERE s.run_id = $1"
	"   AND NOT EXISTS (SELECT FROM _workflow.step o"
	"                    WHERE o.run_id = $1 AND o.ordinal <= s.ordinal"
	"                      AND o.state <> ALL (ARRAY['d', 's']::\"char\"[])"
	"                      AND NOT (o.state = 'f'::\"char\""
	"                               AND ($3 OR o.error_code = 'WF002')))",
	4,
	{UUIDOID, UUIDOID, BOOLOID, TEXTOID}};

static WfStmt delete_steps = {
	"DELETE FROM _workflow.step WHERE run_id = $1", 1, {UUIDOID}};

void
wf_chunk_replace(const pg_uuid_t *from, const pg_uuid_t *to, bool failed_too,
				 const char *name)
{
	Datum values[4] = {UUIDPGetDatum(from), UUIDPGetDatum(to),
					   BoolGetDatum(failed_too), CStringGetTextDatum(name)};

	(void) wf_spi_run(&move_done, values, NULL, false, 0);
	(void) wf_spi_run(&delete_steps, values, NULL, false, 0);
	wf_attempts_forget(from);
	wf_run_delete(from);
}

static WfStmt detach = {"UPDATE _workflow.run r"
						"   SET item = NULL, parent_ordinal = NULL"
						" WHERE r.parent_run_id = $1 AND r.parent_ordinal = $2"
						"   AND r.item IS NOT NULL"
						"   AND r.state = ANY (ARRAY['f', 'c']::\"char\"[])",
						2,
						{UUIDOID, INT4OID}};

static WfStmt find_items = {
	"SELECT r.item"
	"  FROM _workflow.run r"
	" WHERE r.parent_run_id = $1 AND r.parent_ordinal = $2"
	"   AND r.item IS NOT NULL"
	" ORDER BY r.item",
	2,
	{UUIDOID, INT4OID}};

int
wf_map_detach(const pg_uuid_t *parent, int32 ordinal, MemoryContext cxt,
			  bool **done)
{
	Datum values[2] = {UUIDPGetDatum(parent), Int32GetDatum(ordinal)};
	uint64 n;
	int last;

	*done = NULL;
	(void) wf_spi_run(&detach, values, NULL, false, 0);
	n = wf_spi_run(&find_items, values, NULL, false, 0);
	if (n == 0)
		return 0;
	last = wf_spi_get_int32(n - 1, 1, 0);
	*done = MemoryContextAllocZero(cxt, last + 1);
	for (uint64 i = 0; i < n; i++)
		(*done)[wf_spi_get_int32(i, 1, 0)] = true;
	return last + 1;
}

/* ---- the end of a parent ---- */

static WfStmt cancel_children = {
	"INSERT INTO _workflow.request (run_id, kind, requested_at, requested_by,"
	"                               reason)"
	"SELECT r.run_id, 'c'::\"char\", $3, r.owner_name, 'its parent needs it no more'"
	"  FROM _workflow.run r"
	" WHERE r.parent_run_id = $1 AND ($2 = 0 OR r.parent_ordinal = $2)"
	"   AND r.finished_at IS NULL AND r.on_close = 'c'::\"char\""
	" ORDER BY r.parent_ordinal, r.item",
	3,
	{UUIDOID, INT4OID, TIMESTAMPTZOID}};

int64
wf_children_cancel(const pg_uuid_t *parent, int32 ordinal)
{
	Datum values[3] = {UUIDPGetDatum(parent), Int32GetDatum(ordinal),
					   TimestampTzGetDatum(wf_clock_now())};

	return (int64) wf_spi_run(&cancel_children, values, NULL, false, 0);
}
