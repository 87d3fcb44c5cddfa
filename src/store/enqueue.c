/*
 * enqueue.c
 *		Writing a new row of _workflow.run.
 *
 * The hot path of every client.  A run without a dedup_key cannot conflict
 * with anything, as ids are drawn from one counter, so its row goes straight
 * into table and indexes; the others pay for an INSERT ... ON CONFLICT.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/entropy.h"
#include "base/spi.h"
#include "base/table.h"
#include "core/state.h"
#include "core/workid.h"
#include "store/columns.h"
#include "store/control.h"
#include "store/enqueue.h"
#include "store/queue.h"
#include "store/request.h"

static void
set_value(Datum *values, bool *nulls, int column, Datum value)
{
	values[column] = value;
	nulls[column] = false;
}

static int64
place_of(const WfNewRun *run)
{
	return wf_workid_place(&run->run_id, run->delayed ? run->run_at : 0);
}

void
wf_run_insert(WfNewRun *run)
{
	Datum values[RUN_NATTS];
	bool nulls[RUN_NATTS];
	pg_uuid_t seed;
	WfOpenTable table;

	wf_entropy_seed(&seed);
	memset(nulls, true, sizeof(nulls));
#define SET(column, value) set_value(values, nulls, RUN_##column, (value))
	SET(run_id, UUIDPGetDatum(&run->run_id));
	SET(origin, Int64GetDatum(run->origin));
	SET(enqueued_at, TimestampTzGetDatum(run->enqueued_at));
	SET(run_at, TimestampTzGetDatum(run->run_at));
	SET(place, Int64GetDatum(place_of(run)));
	SET(workflow_id, Int32GetDatum(run->workflow_id));
	SET(body_id, Int32GetDatum(run->body_id));
	SET(queue_id, Int32GetDatum(run->queue_id));
	SET(priority, Int32GetDatum(run->priority));
	SET(owner, ObjectIdGetDatum(run->owner));
	SET(seed, UUIDPGetDatum(&seed));
	SET(dedup_no, Int32GetDatum(0));
	SET(state, CharGetDatum(run->held ? WF_RUN_WAITING : WF_RUN_QUEUED));
	if (run->held)
		SET(waiting_for, CharGetDatum(WF_WAIT_HELD));
	if (run->has_parent)
	{
		SET(parent_run_id, UUIDPGetDatum(&run->parent_run_id));
		SET(parent_ordinal, Int32GetDatum(run->parent_ordinal));
		SET(on_close, CharGetDatum(run->on_close));
	}
	if (run->item > 0)
		SET(item, Int32GetDatum(run->item));
	if (run->delayed)
		SET(due_at, TimestampTzGetDatum(run->run_at));
	if (run->deadline_at != DT_NOEND)
		SET(deadline_at, TimestampTzGetDatum(run->deadline_at));
	SET(owner_name, run->owner_name);
	if (DatumGetPointer(run->run_as_by_name) != NULL)
	{
		SET(run_as_by, ObjectIdGetDatum(run->run_as_by));
		SET(run_as_by_name, run->run_as_by_name);
	}
	if (DatumGetPointer(run->group_key) != NULL)
		SET(group_key, run->group_key);
	if (DatumGetPointer(run->attributes) != NULL)
		SET(attributes, run->attributes);
	SET(input, run->input);
#undef SET

	wf_table_open(&wf_run_table, true, &table);
	run->tid = wf_table_insert(&table, values, nulls);
	wf_table_close(&table);
}

#define INSERT_ARGS 24

/*
 * A run of another origin (a restored one) belongs to the role of its owner's
 * name, whatever its oid says; workflow.start() will give it that role's oid.
 * Where the key is unique among all that are kept, one with any dedup_no has it.
 */
static WfStmt insert_unique_run = {
	"INSERT INTO _workflow.run (run_id, origin, enqueued_at, run_at,"
	"       workflow_id, body_id, queue_id, priority, owner, state, due_at,"
	"       deadline_at, owner_name, dedup_key, group_key, attributes, input,"
	"       parent_run_id, parent_ordinal, on_close, seed, run_as_by,"
	"       run_as_by_name, place, dedup_no)"
	"SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 'q', $10, $11, $12, $13,"
	"       $14, $15, $16, $17, $18, $19, $20, $21, $22,"
	"       $23, $24"
	" WHERE NOT EXISTS (SELECT FROM _workflow.run r"
	"                    WHERE r.workflow_id = $5 AND r.owner_name = $12"
	"                      AND r.dedup_key = $13"
	"                      AND $24 = 0"
	"                      AND (r.owner = $9 OR r.origin <> $2))"
	"ON CONFLICT (workflow_id, owner_name, dedup_key, owner, dedup_no)"
	"            WHERE dedup_key IS NOT NULL DO NOTHING",
	INSERT_ARGS,
	{UUIDOID,		 INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID,
	 INT4OID,		 INT4OID, INT4OID,		  OIDOID,		  TIMESTAMPTZOID,
	 TIMESTAMPTZOID, TEXTOID, TEXTOID,		  TEXTOID,		  JSONBOID,
	 JSONBOID,		 UUIDOID, INT4OID,		  CHAROID,		  UUIDOID,
	 OIDOID,		 TEXTOID, INT8OID,		  INT4OID},
	NULL};

bool
wf_run_insert_unique(const WfNewRun *run)
{
	char nulls[INSERT_ARGS + 1] = "                        ";
	pg_uuid_t seed;
	Datum values[INSERT_ARGS] = {UUIDPGetDatum(&run->run_id),
								 Int64GetDatum(run->origin),
								 TimestampTzGetDatum(run->enqueued_at),
								 TimestampTzGetDatum(run->run_at),
								 Int32GetDatum(run->workflow_id),
								 Int32GetDatum(run->body_id),
								 Int32GetDatum(run->queue_id),
								 Int32GetDatum(run->priority),
								 ObjectIdGetDatum(run->owner),
								 TimestampTzGetDatum(run->run_at),
								 TimestampTzGetDatum(run->deadline_at),
								 run->owner_name,
								 run->dedup_key,
								 run->group_key,
								 run->attributes,
								 run->input,
								 UUIDPGetDatum(&run->parent_run_id),
								 Int32GetDatum(run->parent_ordinal),
								 CharGetDatum(run->on_close),
								 UUIDPGetDatum(&seed),
								 ObjectIdGetDatum(run->run_as_by),
								 run->run_as_by_name,
								 Int64GetDatum(place_of(run)),
								 Int32GetDatum(run->dedup_no)};

	wf_entropy_seed(&seed);
	if (!run->has_parent)
		nulls[16] = nulls[17] = nulls[18] = 'n';
	if (!run->delayed)
		nulls[9] = 'n';
	if (run->deadline_at == DT_NOEND)
		nulls[10] = 'n';
	if (DatumGetPointer(run->group_key) == NULL)
		nulls[13] = 'n';
	if (DatumGetPointer(run->attributes) == NULL)
		nulls[14] = 'n';
	if (DatumGetPointer(run->run_as_by_name) == NULL)
		nulls[20] = nulls[21] = 'n';

	return wf_spi_run(&insert_unique_run, values, nulls, false, 0) == 1;
}

static WfStmt find_kept = {
	"SELECT r.run_id, r.state, r.enqueued_at,"
	"       r.state = 'q' AND r.waiting_for IS NULL AND r.started_at IS NULL"
	"       AND r.parent_run_id IS NULL"
	"       AND r.body_attempts IS NULL AND r.crashes IS NULL"
	"       AND NOT EXISTS (SELECT FROM _workflow.step s"
	"                        WHERE s.run_id = r.run_id),"
	"       r.parent_run_id, r.dedup_no,"
	"       r.started_at IS NOT NULL OR r.retried_at IS NOT NULL"
	"       OR r.state <> 'q' AND r.waiting_for IS DISTINCT FROM 'h'"
	"       OR r.waiting_for = 'r' OR r.body_attempts IS NOT NULL"
	"       OR r.crashes IS NOT NULL"
	"       OR EXISTS (SELECT FROM _workflow.step s"
	"                   WHERE s.run_id = r.run_id),"
	"       coalesce(r.due_at, r.run_at)"
	"  FROM _workflow.run r"
	" WHERE r.workflow_id = $1 AND r.owner_name = $3 AND r.dedup_key = $4"
	"   AND (r.owner = $2 OR r.origin <> $5)"
	" ORDER BY r.dedup_no DESC, r.run_id DESC"
	" LIMIT 1",
	5,
	{INT4OID, OIDOID, TEXTOID, TEXTOID, INT8OID},
	NULL};

bool
wf_run_find_kept(int32 workflow_id, Oid owner, Datum owner_name,
				 Datum dedup_key, WfKeptRun *out)
{
	Datum values[5];
	uint64 found;
	bool no_parent;

	values[0] = Int32GetDatum(workflow_id);
	values[1] = ObjectIdGetDatum(owner);
	values[2] = owner_name;
	values[3] = dedup_key;
	values[4] = Int64GetDatum(wf_origin());
	/*
	 * Newer than what was waited for, and than the snapshot of a transaction
	 * that is REPEATABLE READ: since then the run may have begun.
	 */
	PushActiveSnapshot(GetLatestSnapshot());
	found = wf_spi_run(&find_kept, values, NULL, true, 1);
	PopActiveSnapshot();
	if (found == 0)
		return false;
	wf_spi_get_uuid(0, 1, &out->run_id);
	out->state = wf_spi_get_char(0, 2, '\0');
	out->enqueued_at = wf_spi_get_time(0, 3, 0);
	out->untouched = wf_spi_get_bool(0, 4, false);
	(void) wf_spi_get(0, 5, &no_parent);
	out->has_parent = !no_parent;
	if (out->has_parent)
		wf_spi_get_uuid(0, 5, &out->parent_run_id);
	out->dedup_no = wf_spi_get_int32(0, 6, 0);
	out->begun = wf_spi_get_bool(0, 7, false);
	out->due_at = wf_spi_get_time(0, 8, 0);
	return true;
}

static WfStmt rewrite_run = {
	"UPDATE _workflow.run"
	"   SET input = $2, priority = $3, attributes = $4, run_at = $5,"
	"       due_at = $5, deadline_at = $6, place = $9"
	" WHERE run_id = $1 AND queue_id = $7"
	"   AND group_key IS NOT DISTINCT FROM $8"
	"   AND deadline_at - run_at IS NOT DISTINCT FROM $6 - $5",
	9,
	{UUIDOID, JSONBOID, INT4OID, JSONBOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	 INT4OID, TEXTOID, INT8OID}};

bool
wf_run_rewrite(const pg_uuid_t *run_id, const WfNewRun *run)
{
	char nulls[] = "         ";
	Datum values[9];

	values[0] = UUIDPGetDatum(run_id);
	values[1] = run->input;
	values[2] = Int32GetDatum(run->priority);
	values[3] = run->attributes;
	if (DatumGetPointer(run->attributes) == NULL)
		nulls[3] = 'n';
	values[4] = TimestampTzGetDatum(run->run_at);
	values[5] = TimestampTzGetDatum(run->deadline_at);
	if (run->deadline_at == DT_NOEND)
		nulls[5] = 'n';
	values[6] = Int32GetDatum(run->queue_id);
	values[7] = run->group_key;
	if (DatumGetPointer(run->group_key) == NULL)
		nulls[7] = 'n';
	values[8] = Int64GetDatum(wf_workid_place(run_id, run->run_at));
	return wf_spi_run(&rewrite_run, values, nulls, false, 0) == 1;
}

static WfStmt delete_run = {
	"DELETE FROM _workflow.run WHERE run_id = $1", 1, {UUIDOID}, NULL};

void
wf_run_delete(const pg_uuid_t *run_id)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};

	wf_request_delete_for(run_id);
	(void) wf_spi_run(&delete_run, values, NULL, false, 0);
}

void
wf_run_describe(const WfNewRun *run, WfWork *info)
{
	memset(info, 0, sizeof(*info));
	info->id = run->run_id;
	info->last_id = run->run_id;
	info->owner = run->owner;
	info->workflow_id = run->workflow_id;
	info->queue_id = run->queue_id;
	info->priority = run->priority;
	info->due_at = run->delayed ? run->run_at : 0;
	info->place = place_of(run);
	info->deadline_at = run->deadline_at;
	info->flags = WF_ASSIGN_FRESH;
	info->tid = run->tid;
	if (DatumGetPointer(run->dedup_key) != NULL)
		info->flags |= WF_ASSIGN_DEDUP;
	if (DatumGetPointer(run->group_key) != NULL)
	{
		text *key = DatumGetTextPP(run->group_key);

		info->group = wf_group_hash(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	}
}
