/*
 * freshness.c
 *		How long a client's backend may go on with what it read of definitions
 *		and queues.
 *
 * What was read is good while the database's counter of definitions, which
 * rises after each commit that changed one, stands still.
 *
 * What was read with a snapshot of our own making, or after this transaction
 * itself wrote a definition, is good only in the same subtransaction: a
 * rollback takes the row away, and a REPEATABLE READ snapshot may be older
 * than the counter.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "api/freshness.h"
#include "base/compat.h"
#include "base/spi.h"
#include "ipc/shmem.h"
#include "ipc/wakeup.h"

static uint64 catalog_changes = 0;

/* how often this backend has written a definition, and when last */
static uint64 own_changes = 0;
static LocalTransactionId dirty_lxid = InvalidLocalTransactionId;

static void
catalog_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	catalog_changes++;
}

uint64
wf_catalog_changes(void)
{
	static bool registered = false;

	if (!registered)
	{
		registered = true;
		CacheRegisterSyscacheCallback(PROCOID, catalog_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, catalog_changed,
									  (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHOID, catalog_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, catalog_changed,
									  (Datum) 0);
		CacheRegisterSyscacheCallback(DATABASEOID, catalog_changed, (Datum) 0);
	}
	return catalog_changes;
}

void
wf_definition_changed(void)
{
	wf_note_definition();
	dirty_lxid = wf_my_lxid();
	own_changes++;
}

/*
 * The counter of our database, or NULL where there is no entry for it.  The
 * pointer is kept: entries do not move, and one that has gone to another
 * database is told by its oid.
 */
static pg_atomic_uint64 *
definition_counter(void)
{
	static WfDatabase *db = NULL;

	if (db == NULL || db->database != MyDatabaseId)
		db = wf_database_get(MyDatabaseId);
	return db ? &db->definitions : NULL;
}

void
wf_stamp_take(WfStamp *stamp)
{
	pg_atomic_uint64 *counter = definition_counter();

	stamp->schema = wf_schema_oid();
	stamp->definitions = counter ? pg_atomic_read_u64(counter) : 0;
	stamp->own_changes = own_changes;
	stamp->lasting = counter != NULL && dirty_lxid != wf_my_lxid() &&
					 !IsolationUsesXactSnapshot();
	stamp->lxid = wf_my_lxid();
	stamp->subid = GetCurrentSubTransactionId();
}

bool
wf_stamp_is_fresh(const WfStamp *stamp)
{
	pg_atomic_uint64 *counter;

	if (stamp->schema != wf_schema_oid() || stamp->own_changes != own_changes)
		return false;
	if (!stamp->lasting)
		return stamp->lxid == wf_my_lxid() &&
			   stamp->subid == GetCurrentSubTransactionId();
	counter = definition_counter();
	return counter && stamp->definitions == pg_atomic_read_u64(counter);
}
