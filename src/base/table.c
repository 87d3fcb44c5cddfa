/*
 * table.c
 *		Rows of our own tables by the table access method, without SPI.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/spi.h"
#include "base/table.h"

/* rises whenever any of our tables or indexes may have changed */
static uint64 generation = 0;

static void
relation_changed(Datum arg, Oid relid)
{
	generation++;
}

/* ---- opening ---- */

/*
 * Looks the oids up, and compares columns and indexes.  Only an invalidation
 * of some relation can make this necessary again.
 */
static void
examine(WfTable *table, Relation rel)
{
	TupleDesc desc = RelationGetDescr(rel);
	List *indexes = RelationGetIndexList(rel);
	int n = 0;

	if (desc->natts != table->natts)
		elog(ERROR, "table _workflow.%s has %d columns, not %d", table->name,
			 desc->natts, table->natts);
	for (int i = 0; i < desc->natts; i++)
	{
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname),
				   table->columns[i]) != 0)
			elog(ERROR, "column %d of table _workflow.%s is not \"%s\"", i + 1,
				 table->name, table->columns[i]);
	}

	table->known = true;
	while (n < WF_TABLE_INDEXES && table->indexes[n].name != NULL)
	{
		table->index_oids[n] = get_relname_relid(table->indexes[n].name,
												 rel->rd_rel->relnamespace);
		if (!list_member_oid(indexes, table->index_oids[n]))
			table->known = false;
		n++;
	}
	if (n != list_length(indexes))
		table->known = false;
	list_free(indexes);
}

void
wf_table_open(WfTable *table, bool write, WfOpenTable *open)
{
	static bool registered = false;
	Oid schema = wf_schema_oid();

	if (write)
		PreventCommandIfReadOnly("writing to a table of workflow");
	if (!OidIsValid(schema))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"workflow\" is not installed in this database"),
				 errhint("Run CREATE EXTENSION workflow.")));
	if (!registered)
	{
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		registered = true;
		generation = 1;
	}

	if (table->checked != generation)
		table->oid = get_relname_relid(table->name, schema);
	open->table = table;
	open->rel =
		table_open(table->oid, write ? RowExclusiveLock : AccessShareLock);
	/* with the lock held, what examine() finds stays as it is */
	if (table->checked != generation)
	{
		uint64 present = generation;

		examine(table, open->rel);
		table->checked = present;
	}
}

void
wf_table_close(WfOpenTable *open)
{
	table_close(open->rel, NoLock);
}

/* ---- indexes ---- */

/* The way of the executor: whatever indexes there are. */
static void
feed_any_indexes(Relation rel, TupleTableSlot *slot, bool update)
{
	EState *estate = CreateExecutorState();
	ResultRelInfo *info = makeNode(ResultRelInfo);

	/* 0: in no range table, there being none to look for changed columns */
	InitResultRelInfo(info, rel, 0, NULL, 0);
	ExecOpenIndices(info, false);
	if (info->ri_NumIndices > 0)
		(void) wf_insert_index_tuples(info, slot, estate, update);
	ExecCloseIndices(info);
	FreeExecutorState(estate);
}

/* One of our own: its keys are plain columns. */
static void
feed_index(Relation rel, Relation index, IndexInfo *info, ItemPointer tid,
		   const Datum *values, const bool *nulls)
{
	Datum keys[INDEX_MAX_KEYS];
	bool key_nulls[INDEX_MAX_KEYS];

	for (int k = 0; k < info->ii_NumIndexAttrs; k++)
	{
		int column = index->rd_index->indkey.values[k] - 1;

		keys[k] = values[column];
		key_nulls[k] = nulls[column];
	}
	(void) index_insert(index, keys, key_nulls, tid, rel,
						info->ii_Unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
						false, info);
}

/*
 * The rows whose columns stand one after the other, at these places; each
 * index is opened once, and only where a row belongs in it.
 */
static void
feed_known_indexes(WfOpenTable *open, int n, const ItemPointerData *tids,
				   const Datum *values, const bool *nulls)
{
	WfTable *table = open->table;

	for (int i = 0; i < WF_TABLE_INDEXES && table->indexes[i].name; i++)
	{
		Relation index = NULL;
		IndexInfo *info = NULL;

		for (int r = 0; r < n; r++)
		{
			const Datum *row = values + (Size) r * table->natts;
			const bool *row_nulls = nulls + (Size) r * table->natts;
			ItemPointerData tid = tids[r];

			if (table->indexes[i].wants &&
				!table->indexes[i].wants(row, row_nulls))
				continue;
			if (index == NULL)
			{
				index = index_open(table->index_oids[i], RowExclusiveLock);
				info = makeNode(IndexInfo);
				info->ii_NumIndexAttrs = index->rd_index->indnatts;
				info->ii_NumIndexKeyAttrs = index->rd_index->indnkeyatts;
				info->ii_Unique = index->rd_index->indisunique;
				info->ii_ReadyForInserts = true;
			}
			feed_index(open->rel, index, info, &tid, row, row_nulls);
		}
		if (index != NULL)
		{
			pfree(info);
			index_close(index, NoLock);
		}
	}
}

static void
feed_indexes(WfOpenTable *open, TupleTableSlot *slot, Datum *values,
			 bool *nulls, bool update)
{
	if (open->table->known)
		feed_known_indexes(open, 1, &slot->tts_tid, values, nulls);
	else
		feed_any_indexes(open->rel, slot, update);
}

/* ---- rows ---- */

static TupleTableSlot *
make_slot(Relation rel, Datum *values, bool *nulls)
{
	TupleTableSlot *slot =
		MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	HeapTuple tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);

	ExecStoreHeapTuple(tuple, slot, true);
	slot->tts_tableOid = RelationGetRelid(rel);
	return slot;
}

ItemPointerData
wf_table_insert(WfOpenTable *open, Datum *values, bool *nulls)
{
	TupleTableSlot *slot = make_slot(open->rel, values, nulls);
	bool pushed = !ActiveSnapshotSet();
	ItemPointerData tid;

	/* what is toasted must be safe from vacuum until it is referenced */
	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	table_tuple_insert(open->rel, slot, GetCurrentCommandId(true), 0, NULL);
	feed_indexes(open, slot, values, nulls, false);
	tid = slot->tts_tid;
	ExecDropSingleTupleTableSlot(slot);
	if (pushed)
		PopActiveSnapshot();
	CommandCounterIncrement();
	return tid;
}

void
wf_table_insert_many(WfOpenTable *open, int n, Datum *values, bool *nulls,
					 ItemPointerData *tids)
{
	TupleTableSlot **slots = palloc(mul_size(n, sizeof(TupleTableSlot *)));
	int natts = open->table->natts;
	bool pushed = !ActiveSnapshotSet();

	for (int i = 0; i < n; i++)
		slots[i] = make_slot(open->rel, values + (Size) i * natts,
							 nulls + (Size) i * natts);
	/* see wf_table_insert() */
	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	table_multi_insert(open->rel, slots, n, GetCurrentCommandId(true), 0,
					   NULL);
	for (int i = 0; i < n; i++)
		tids[i] = slots[i]->tts_tid;
	if (open->table->known)
		feed_known_indexes(open, n, tids, values, nulls);
	else
	{
		for (int i = 0; i < n; i++)
			feed_any_indexes(open->rel, slots[i], false);
	}
	for (int i = 0; i < n; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	if (pushed)
		PopActiveSnapshot();
	CommandCounterIncrement();
	pfree(slots);
}

HeapTuple
wf_slot_copy_row(TupleTableSlot *slot, MemoryContext cxt, Datum *values,
				 bool *nulls)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	HeapTuple copy = ExecCopySlotHeapTuple(slot);

	MemoryContextSwitchTo(old);
	copy->t_self = slot->tts_tid;
	if (values != NULL)
		heap_deform_tuple(copy, slot->tts_tupleDescriptor, values, nulls);
	return copy;
}

static HeapTuple
fetch_by_key(WfOpenTable *open, const Datum *key, int nkeys,
			 Snapshot new_snapshot, MemoryContext cxt, Datum *values,
			 bool *nulls)
{
	Snapshot snapshot = RegisterSnapshot(new_snapshot);
	Relation index = index_open(open->table->index_oids[0], AccessShareLock);
	TupleTableSlot *slot = table_slot_create(open->rel, NULL);
	IndexScanDesc scan;
	ScanKeyData keys[INDEX_MAX_KEYS];
	HeapTuple copy = NULL;

	for (int i = 0; i < nkeys; i++)
	{
		Oid family = index->rd_opfamily[i];
		Oid type = index->rd_opcintype[i];
		Oid equal =
			get_opfamily_member(family, type, type, BTEqualStrategyNumber);

		ScanKeyInit(&keys[i], i + 1, BTEqualStrategyNumber, get_opcode(equal),
					key[i]);
	}
	scan = wf_index_beginscan(open->rel, index, snapshot, nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);
	if (index_getnext_slot(scan, ForwardScanDirection, slot))
		copy = wf_slot_copy_row(slot, cxt, values, nulls);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	UnregisterSnapshot(snapshot);
	return copy;
}

HeapTuple
wf_table_fetch(WfOpenTable *open, const Datum *key, int nkeys,
			   MemoryContext cxt, Datum *values, bool *nulls)
{
	return fetch_by_key(open, key, nkeys, GetTransactionSnapshot(), cxt,
						values, nulls);
}

HeapTuple
wf_table_fetch_newest(WfOpenTable *open, const Datum *key, int nkeys,
					  MemoryContext cxt, Datum *values, bool *nulls)
{
	return fetch_by_key(open, key, nkeys, GetLatestSnapshot(), cxt, values,
						nulls);
}

static HeapTuple
fetch_at(WfOpenTable *open, ItemPointer tid, Snapshot snapshot,
		 MemoryContext cxt, Datum *values, bool *nulls)
{
	TupleTableSlot *slot = table_slot_create(open->rel, NULL);
	HeapTuple copy = NULL;

	if (table_tuple_fetch_row_version(open->rel, tid, snapshot, slot))
		copy = wf_slot_copy_row(slot, cxt, values, nulls);
	ExecDropSingleTupleTableSlot(slot);
	return copy;
}

/* The table may have been cut off, or written anew, since it was there. */
static bool
is_within(WfOpenTable *open, ItemPointer tid)
{
	return ItemPointerIsValid(tid) && ItemPointerGetBlockNumber(tid) <
										  RelationGetNumberOfBlocks(open->rel);
}

HeapTuple
wf_table_fetch_at(WfOpenTable *open, ItemPointer tid, MemoryContext cxt,
				  Datum *values, bool *nulls)
{
	Snapshot snapshot;
	HeapTuple copy;

	if (!is_within(open, tid))
		return NULL;
	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	copy = fetch_at(open, tid, snapshot, cxt, values, nulls);
	UnregisterSnapshot(snapshot);
	return copy;
}

HeapTuple
wf_table_fetch_newest_at(WfOpenTable *open, ItemPointer tid, MemoryContext cxt,
						 Datum *values, bool *nulls)
{
	if (!is_within(open, tid))
		return NULL;
	return fetch_at(open, tid, SnapshotSelf, cxt, values, nulls);
}

static WfRowResult
row_result(TM_Result result)
{
	switch (result)
	{
		case TM_Ok:
			return WF_ROW_DONE;
		case TM_BeingModified:
		case TM_WouldBlock:
			return WF_ROW_LOCKED;
		default:
			return WF_ROW_CHANGED;
	}
}

/*
 * Locks the row as updating (or deleting) it does, if nobody else has.  The
 * heap cannot update without waiting for who holds a lock, so whoever must not
 * wait takes it first.  The snapshot would matter for newer versions only.
 */
static TM_Result
lock_free_row(WfOpenTable *open, ItemPointer tid, LockTupleMode mode)
{
	TupleTableSlot *slot = table_slot_create(open->rel, NULL);
	TM_FailureData failure;
	TM_Result result;

	result = table_tuple_lock(open->rel, tid, SnapshotSelf, slot,
							  GetCurrentCommandId(true), mode, LockWaitSkip, 0,
							  &failure);
	ExecDropSingleTupleTableSlot(slot);
	return result;
}

WfRowResult
wf_table_replace(WfOpenTable *open, ItemPointer tid, Datum *values,
				 bool *nulls, bool wait)
{
	TupleTableSlot *slot = make_slot(open->rel, values, nulls);
	Snapshot snapshot = RegisterSnapshot(GetTransactionSnapshot());
	TM_Result result = TM_Ok;
	bool feed = false;

	if (!wait)
		result = lock_free_row(open, tid, LockTupleNoKeyExclusive);
	if (result == TM_Ok)
		result = wf_tuple_update(open->rel, tid, slot,
								 GetCurrentCommandId(true), snapshot, &feed);
	if (result == TM_Ok)
	{
		*tid = slot->tts_tid;
		if (feed)
			feed_indexes(open, slot, values, nulls, true);
	}
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	if (result == TM_Ok)
		CommandCounterIncrement();
	return row_result(result);
}

bool
wf_table_update(WfOpenTable *open, ItemPointer tid, Datum *values, bool *nulls)
{
	ItemPointerData at = *tid;

	return wf_table_replace(open, &at, values, nulls, true) == WF_ROW_DONE;
}

WfRowResult
wf_table_delete(WfOpenTable *open, ItemPointer tid, bool wait)
{
	Snapshot snapshot = RegisterSnapshot(GetTransactionSnapshot());
	TM_FailureData failure;
	TM_Result result = TM_Ok;

	if (!wait)
		result = lock_free_row(open, tid, LockTupleExclusive);
	if (result == TM_Ok)
		result = table_tuple_delete(open->rel, tid, GetCurrentCommandId(true),
									snapshot, InvalidSnapshot, true, &failure,
									false);
	UnregisterSnapshot(snapshot);
	if (result == TM_Ok)
		CommandCounterIncrement();
	return row_result(result);
}
