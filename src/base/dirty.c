/*
 * dirty.c
 *		Rows of our own tables that count from the moment they are written.
 *
 * Two scans.  The first, with a dirty snapshot, tells who is inserting.  But
 * such a scan may miss a row that is updated meanwhile: the old version is
 * dead when it gets there, and the index entry of the new one stands where it
 * has already been.  So a second one follows, with an MVCC snapshot that is
 * taken after the first: what was committed when the first began, and has not
 * been deleted since, is seen by it.
 *
 * A row that somebody is updating is one that counts, whatever he makes of it:
 * an updater is never waited for.  The new version alone would look like an
 * insertion, hence the order: the second scan, which sees the old one, decides
 * before anybody is waited for.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "base/dirty.h"

static void
make_keys(Relation index, const Datum *key, int nkeys, ScanKeyData *keys)
{
	for (int i = 0; i < nkeys; i++)
	{
		Oid family = index->rd_opfamily[i];
		Oid type = index->rd_opcintype[i];
		Oid equal =
			get_opfamily_member(family, type, type, BTEqualStrategyNumber);

		ScanKeyEntryInitialize(&keys[i], 0, i + 1, BTEqualStrategyNumber,
							   InvalidOid, index->rd_indcollation[i],
							   get_opcode(equal), key[i]);
	}
}

static bool
counts(TupleTableSlot *slot, const WfDirtyOnly *only)
{
	bool isnull;
	Datum value;

	if (only == NULL)
		return true;
	if (only->column != 0)
	{
		value = slot_getattr(slot, only->column, &isnull);
		if (isnull || DatumGetObjectId(value) != only->value)
			return false;
	}
	if (only->except == NULL)
		return true;
	value = slot_getattr(slot, 1, &isnull);
	return memcmp(DatumGetUUIDP(value), only->except, UUID_LEN) != 0;
}

/*
 * Moves on to a row that counts in this snapshot; false when there is none.
 * Rows that somebody else is inserting are passed by and told in *writer.
 */
static bool
find_row(IndexScanDesc scan, SnapshotData *dirty, const WfDirtyOnly *only,
		 TupleTableSlot *slot, WfWriter *writer)
{
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		if (!counts(slot, only))
			continue;
		if (dirty == NULL || !TransactionIdIsValid(dirty->xmin))
			return true;
		writer->xid = dirty->xmin;
		writer->token = dirty->speculativeToken;
	}
	return false;
}

HeapTuple
wf_dirty_find(WfOpenTable *open, int index_number, const Datum *key, int nkeys,
			  const WfDirtyOnly *only, MemoryContext cxt, Datum *values,
			  bool *nulls, WfWriter *writer)
{
	Relation index =
		index_open(open->table->index_oids[index_number], AccessShareLock);
	TupleTableSlot *slot = table_slot_create(open->rel, NULL);
	ScanKeyData keys[INDEX_MAX_KEYS];
	SnapshotData dirty;
	HeapTuple copy = NULL;

	InitDirtySnapshot(dirty);
	make_keys(index, key, nkeys, keys);
	writer->xid = InvalidTransactionId;
	for (int i = 0; i < 2 && copy == NULL; i++)
	{
		Snapshot snapshot =
			i == 0 ? &dirty : RegisterSnapshot(GetLatestSnapshot());
		IndexScanDesc scan =
			wf_index_beginscan(open->rel, index, snapshot, nkeys);

		index_rescan(scan, keys, nkeys, NULL, 0);
		if (find_row(scan, i == 0 ? &dirty : NULL, only, slot, writer))
			copy = wf_slot_copy_row(slot, cxt, values, nulls);
		index_endscan(scan);
		if (i == 1)
			UnregisterSnapshot(snapshot);
	}
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	return copy;
}

void
wf_dirty_writer(WfOpenTable *open, int index_number, const Datum *key,
				int nkeys, WfWriter *writer)
{
	Relation index =
		index_open(open->table->index_oids[index_number], AccessShareLock);
	TupleTableSlot *slot = table_slot_create(open->rel, NULL);
	ScanKeyData keys[INDEX_MAX_KEYS];
	SnapshotData dirty;
	IndexScanDesc scan;

	InitDirtySnapshot(dirty);
	make_keys(index, key, nkeys, keys);
	writer->xid = InvalidTransactionId;
	scan = wf_index_beginscan(open->rel, index, &dirty, nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);
	while (!TransactionIdIsValid(writer->xid) &&
		   index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		writer->xid = dirty.xmin;
		writer->token = dirty.speculativeToken;
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
}

void
wf_dirty_wait(const WfWriter *writer)
{
	if (writer->token != 0)
		SpeculativeInsertionWait(writer->xid, writer->token);
	else
		XactLockTableWait(writer->xid, NULL, NULL, XLTW_None);
}
