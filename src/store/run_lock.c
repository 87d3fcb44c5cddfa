/*
 * run_lock.c
 *		The lock of one run: who executes it, and who replaces it, exclude each
 *		other.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/lsyscache.h"

#include "base/spi.h"
#include "store/run.h"

/*
 * An object lock that no SQL command can ask for: of table _workflow.run, with a
 * sub-id that core never uses.  Two runs of one hash exclude each other: no harm.
 */
static void
run_lock_tag(const pg_uuid_t *run_id, LOCKTAG *tag)
{
	Oid run_table = get_relname_relid("run", wf_schema_oid());

	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, run_table,
					   hash_bytes(run_id->data, UUID_LEN), 7);
}

/*
 * An executor's mode conflicts with itself and a replacing client's, and that
 * with itself.  ROW EXCLUSIVE conflicts with the executor's alone: who is there?
 */
#define LOCK_TO_RUN		ShareRowExclusiveLock
#define LOCK_TO_REPLACE ShareUpdateExclusiveLock
#define LOCK_TO_ASK		RowExclusiveLock

static bool
try_run_lock(const LOCKTAG *tag, LOCKMODE mode)
{
	return LockAcquire(tag, mode, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

bool
wf_run_lock(const pg_uuid_t *run_id)
{
	LOCKTAG tag;

	run_lock_tag(run_id, &tag);
	return try_run_lock(&tag, LOCK_TO_RUN);
}

bool
wf_run_lock_to_replace(const pg_uuid_t *run_id)
{
	LOCKTAG tag;
	int nexecutors;

	run_lock_tag(run_id, &tag);
	if (try_run_lock(&tag, LOCK_TO_REPLACE))
		return true;
	(void) GetLockConflicts(&tag, LOCK_TO_ASK, &nexecutors);
	if (nexecutors > 0)
		return false;
	(void) LockAcquire(&tag, LOCK_TO_REPLACE, false, false);
	return true;
}

bool
wf_run_is_locked(const pg_uuid_t *run_id)
{
	LOCKTAG tag;
	int nexecutors;

	run_lock_tag(run_id, &tag);
	(void) GetLockConflicts(&tag, LOCK_TO_ASK, &nexecutors);
	return nexecutors > 0;
}

void
wf_run_lock_early(const pg_uuid_t *run_id)
{
	LOCKTAG tag;

	run_lock_tag(run_id, &tag);
	(void) LockAcquire(&tag, LOCK_TO_REPLACE, false, false);
}
