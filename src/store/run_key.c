/*
 * run_key.c
 *		A dedup_key that is unique among some of the runs that have it.
 *
 * A unique index cannot tell which runs have begun or ended, so it holds the
 * number of each run of a key as well (run.dedup_no), and does not exclude the
 * next number.  Of two callers who find no run in the scope at a time, one
 * waits for the other: between looking and inserting a caller holds a lock on
 * the key, and once his row is in the index the next caller meets it there and
 * waits for the transaction itself, without the lock.  So the lock is given
 * back at once, and any number of keys needs one entry of the lock table.
 *
 * An executor that is just writing the row of a run with the key looks like
 * somebody who inserts it, and is waited for as well: its transaction is about
 * to commit.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/spi.h"
#include "store/columns.h"
#include "store/run_key.h"

/* Two keys of one hash would only wait for each other a moment. */
static void
key_lock_tag(const WfNewRun *run, LOCKTAG *tag)
{
	Oid run_table = get_relname_relid("run", wf_schema_oid());
	text *key = DatumGetTextPP(run->dedup_key);
	uint32 hash = hash_bytes((const unsigned char *) VARDATA_ANY(key),
							 VARSIZE_ANY_EXHDR(key));

	hash = hash_combine(hash, (uint32) run->workflow_id);
	hash = hash_combine(hash, (uint32) run->owner);
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, run_table, hash, 8);
}

void
wf_key_enter(const WfNewRun *run, WfKeyGate *gate, WfWriter *writer)
{
	Datum key[4] = {Int32GetDatum(run->workflow_id), run->owner_name,
					run->dedup_key, ObjectIdGetDatum(run->owner)};
	WfOpenTable table;

	key_lock_tag(run, &gate->tag);
	(void) LockAcquire(&gate->tag, ExclusiveLock, false, false);
	wf_table_open(&wf_run_table, false, &table);
	wf_dirty_writer(&table, RUN_INDEX_DEDUP, key, lengthof(key), writer);
	wf_table_close(&table);
}

void
wf_key_leave(WfKeyGate *gate)
{
	(void) LockRelease(&gate->tag, ExclusiveLock, false);
}
