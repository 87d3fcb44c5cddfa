/*
 * prepared.c
 *		Places of work, as they are written when it is committed; and table
 *		_workflow.prepared_work, lists of what was prepared.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/spi.h"
#include "store/columns.h"
#include "store/prepared.h"
#include "store/queue.h"

/* ---- places ---- */

/* the columns of a table of work that matter here */
typedef struct PlaceColumns
{
	WfTable *table;
	int place;
	int finished_at;
	int queue_id;
	int group_key;
	int id;
} PlaceColumns;

static const PlaceColumns of_runs = {&wf_run_table,	  RUN_place,
									 RUN_finished_at, RUN_queue_id,
									 RUN_group_key,	  RUN_run_id};
static const PlaceColumns of_messages = {&wf_message_table, MSG_place,
										 MSG_finished_at,	MSG_queue_id,
										 MSG_group_key,		MSG_message_id};

static bool
is_row_of(const PlaceColumns *c, const WfWorkId *id, Datum value)
{
	if (c == &of_messages)
		return DatumGetInt64(value) == wf_workid_message(id);
	return memcmp(DatumGetUUIDP(value), id, UUID_LEN) == 0;
}

/* By its place on disk or, where that is not known or has changed, by key. */
static bool
fetch(const PlaceColumns *c, WfOpenTable *table, const WfWorkId *id,
	  ItemPointer tid, Datum *values, bool *nulls)
{
	Datum key = c == &of_messages ? Int64GetDatum(wf_workid_message(id))
								  : UUIDPGetDatum(id);
	HeapTuple row = wf_table_fetch_newest_at(table, tid, CurrentMemoryContext,
											 values, nulls);

	if (row == NULL || !is_row_of(c, id, values[c->id]))
		row = wf_table_fetch_newest(table, &key, 1, CurrentMemoryContext,
									values, nulls);
	if (row == NULL)
		return false;
	*tid = row->t_self;
	return true;
}

static bool
write_place(const PlaceColumns *c, const WfWorkId *id, ItemPointer tid,
			int64 place, int32 *queue_id, uint64 *group)
{
	Datum values[Max((int) RUN_NATTS, (int) MSG_NATTS)];
	bool nulls[Max((int) RUN_NATTS, (int) MSG_NATTS)];
	WfOpenTable table;
	bool written = false;

	wf_table_open(c->table, true, &table);
	if (fetch(c, &table, id, tid, values, nulls) && nulls[c->finished_at])
	{
		values[c->place] = Int64GetDatum(place);
		written =
			wf_table_replace(&table, tid, values, nulls, false) == WF_ROW_DONE;
	}
	if (written && queue_id != NULL)
	{
		*queue_id = DatumGetInt32(values[c->queue_id]);
		*group = 0;
		if (!nulls[c->group_key])
		{
			text *key = DatumGetTextPP(values[c->group_key]);

			*group = wf_group_hash(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
		}
	}
	wf_table_close(&table);
	return written;
}

bool
wf_place_write(const WfWorkId *id, ItemPointer tid, int64 place,
			   int32 *queue_id, uint64 *group)
{
	MemoryContext cxt = AllocSetContextCreate(
		CurrentMemoryContext, "workflow place", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	bool pushed = !ActiveSnapshotSet();
	bool written;

	/* what is toasted must be safe from vacuum */
	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	written = write_place(wf_workid_is_message(id) ? &of_messages : &of_runs,
						  id, tid, place, queue_id, group);
	if (pushed)
		PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	return written;
}

/* ---- lists ---- */

enum
{
	LIST_xid,
	LIST_work_ids,
	LIST_NATTS
};

static const char *const list_columns[] = {"xid", "work_ids"};

static WfTable list_table = {.name = "prepared_work",
							 .columns = list_columns,
							 .natts = LIST_NATTS,
							 .indexes = {{"prepared_work_pkey", NULL}}};

void
wf_prepared_list(TransactionId xid, const WfWorkId *ids, int n)
{
	Datum *elements = MemoryContextAllocHuge(CurrentMemoryContext,
											 mul_size(n, sizeof(Datum)));
	Datum values[LIST_NATTS];
	bool nulls[LIST_NATTS] = {false};
	WfOpenTable table;

	for (int i = 0; i < n; i++)
		elements[i] = UUIDPGetDatum(&ids[i]);
	values[LIST_xid] = Int64GetDatum((int64) xid);
	values[LIST_work_ids] = PointerGetDatum(
		construct_array(elements, n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	wf_table_open(&list_table, true, &table);
	(void) wf_table_insert(&table, values, nulls);
	wf_table_close(&table);
	pfree(DatumGetPointer(values[LIST_work_ids]));
	pfree(elements);
}

WfWorkId *
wf_prepared_take(TransactionId xid, bool wait, int *n)
{
	Datum key = Int64GetDatum((int64) xid);
	Datum values[LIST_NATTS];
	bool nulls[LIST_NATTS];
	WfWorkId *ids = NULL;
	WfOpenTable table;
	HeapTuple row;
	bool pushed = !ActiveSnapshotSet();

	/* see wf_place_write() */
	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	*n = 0;
	wf_table_open(&list_table, true, &table);
	row = wf_table_fetch_newest(&table, &key, 1, CurrentMemoryContext, values,
								nulls);
	if (row != NULL)
	{
		ArrayType *array = DatumGetArrayTypeP(values[LIST_work_ids]);

		*n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
		ids = MemoryContextAllocHuge(CurrentMemoryContext,
									 mul_size(*n, sizeof(WfWorkId)));
		memcpy(ids, ARR_DATA_PTR(array), mul_size(*n, sizeof(WfWorkId)));
		if (wf_table_delete(&table, &row->t_self, wait) != WF_ROW_DONE)
			ids = NULL;
	}
	wf_table_close(&table);
	if (pushed)
		PopActiveSnapshot();
	return ids;
}

static WfStmt list_xids = {
	"SELECT p.xid FROM _workflow.prepared_work p ORDER BY p.xid",
	0,
	{0},
	NULL};

TransactionId *
wf_prepared_xids(int *n)
{
	uint64 rows = wf_spi_run(&list_xids, NULL, NULL, true, 0);
	TransactionId *xids = palloc(mul_size(Max(rows, 1), sizeof(*xids)));

	for (uint64 i = 0; i < rows; i++)
		xids[i] = (TransactionId) wf_spi_get_int64(i, 1, 0);
	*n = (int) rows;
	return xids;
}

/* $1: ids of what was read */
static WfStmt find_listed = {"SELECT w.id"
							 "  FROM _workflow.prepared_work p,"
							 "       pg_catalog.unnest(p.work_ids) AS w (id)"
							 " WHERE w.id = ANY ($1)"
							 " ORDER BY w.id",
							 1,
							 {UUIDARRAYOID},
							 NULL};

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

int
wf_prepared_filter(WfWork *rows, int n)
{
	Datum *elements = palloc(mul_size(Max(n, 1), sizeof(Datum)));
	Datum values[1];
	pg_uuid_t *listed;
	uint64 nlisted;
	int left = 0;

	for (int i = 0; i < n; i++)
		elements[i] = UUIDPGetDatum(&rows[i].id);
	values[0] = PointerGetDatum(
		construct_array(elements, n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	nlisted = wf_spi_run(&find_listed, values, NULL, true, 0);
	if (nlisted == 0)
		return n;
	listed = wf_spi_copy_uuids(nlisted, 1, CurrentMemoryContext);
	for (int i = 0; i < n; i++)
	{
		if (bsearch(&rows[i].id, listed, nlisted, sizeof(pg_uuid_t),
					compare_ids) == NULL)
			rows[left++] = rows[i];
	}
	return left;
}
