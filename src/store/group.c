/*
 * group.c
 *		Busy groups: whether a queue's group has an unfinished run.
 *
 * It is to work as a unique index on the group would, for those callers alone
 * who ask: of two who ask at a time and then insert, one waits for the other's
 * transaction.  Between looking and inserting a caller holds a lock on the
 * group, so that no two can find it free.  Once his row is in the index the
 * next one sees it there and waits for the transaction itself, so the lock is
 * given back at once: a statement may enqueue into any number of groups
 * without filling the lock table, a savepoint that is taken back frees its
 * groups, and a prepared transaction keeps them.
 *
 * The lock is never held while a transaction is waited for that has inserted
 * into the group: it may be about to ask again.  That transaction may take as
 * long as it likes, or be a prepared one, so the wait is one for a lock, which
 * lock_timeout limits, and which the deadlock detector sees.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/dirty.h"
#include "base/spi.h"
#include "store/columns.h"
#include "store/group.h"
#include "store/queue.h"

/* Two groups of one hash would only wait for each other a moment. */
static void
group_lock_tag(int32 queue_id, Datum group_key, Oid owner, LOCKTAG *tag)
{
	Oid queue_table = get_relname_relid("queue", wf_schema_oid());
	text *key = DatumGetTextPP(group_key);
	uint64 hash = wf_group_hash(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));

	SET_LOCKTAG_OBJECT(
		*tag, MyDatabaseId, queue_table,
		hash_combine(hash_combine((uint32) hash, (uint32) queue_id),
					 (uint32) owner),
		8);
}

/* True when the group is free, as far as nobody is writing to it. */
static bool
look(int32 queue_id, Datum group_key, const WfDirtyOnly *only,
	 WfGroupGate *gate, WfWriter *writer)
{
	MemoryContext cxt = AllocSetContextCreate(
		CurrentMemoryContext, "workflow group", ALLOCSET_SMALL_SIZES);
	Datum key[2] = {Int32GetDatum(queue_id), group_key};
	Datum values[RUN_NATTS];
	bool nulls[RUN_NATTS];
	WfOpenTable table;
	bool free;

	wf_table_open(&wf_run_table, false, &table);
	free = wf_dirty_find(&table, RUN_INDEX_GROUP, key, lengthof(key), only,
						 cxt, values, nulls, writer) == NULL;
	if (!free)
	{
		gate->run_id = *DatumGetUUIDP(values[RUN_run_id]);
		gate->state = DatumGetChar(values[RUN_state]);
	}
	wf_table_close(&table);
	MemoryContextDelete(cxt);
	return free;
}

/*
 * Waits for a writer, with what is left of the caller's lock_timeout: one after
 * the other may be writing into the group.
 */
static void
wait_for(const WfWriter *writer, instr_time began)
{
	int allowed = LockTimeout;
	instr_time passed;

	if (allowed > 0)
	{
		INSTR_TIME_SET_CURRENT(passed);
		INSTR_TIME_SUBTRACT(passed, began);
		LockTimeout = Max(
			allowed - (int) Min(INSTR_TIME_GET_MILLISEC(passed), allowed), 1);
	}
	PG_TRY();
	{
		wf_dirty_wait(writer);
	}
	PG_FINALLY();
	{
		LockTimeout = allowed;
	}
	PG_END_TRY();
}

bool
wf_group_enter(int32 queue_id, Datum group_key, Oid owner,
			   const pg_uuid_t *except, WfGroupGate *gate)
{
	WfDirtyOnly only = {.except = except};
	instr_time began;

	if (OidIsValid(owner))
	{
		only.column = RUN_owner + 1;
		only.value = owner;
	}
	INSTR_TIME_SET_CURRENT(began);
	group_lock_tag(queue_id, group_key, owner, &gate->tag);
	for (;;)
	{
		WfWriter writer;
		bool free;

		CHECK_FOR_INTERRUPTS();
		(void) LockAcquire(&gate->tag, ExclusiveLock, false, false);
		free = look(queue_id, group_key, &only, gate, &writer);
		if (free && !TransactionIdIsValid(writer.xid))
			return true;
		wf_group_leave(gate);
		if (!free)
			return false;
		wait_for(&writer, began);
	}
}

void
wf_group_leave(WfGroupGate *gate)
{
	(void) LockRelease(&gate->tag, ExclusiveLock, false);
}
