/*
 * exits.c
 *		What rests on commits that nobody has flushed, and must not leave yet.
 *
 * See exits.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "base/stoppoint.h"
#include "ipc/exits.h"

typedef struct Exits
{
	pg_atomic_uint32 committing;
	pg_atomic_uint64 flush_to;
} Exits;

static Exits *exits = NULL;
/* this process: its commit under way is counted */
static bool entered = false;

Size
wf_exits_size(void)
{
	return CACHELINEALIGN(sizeof(Exits));
}

void
wf_exits_startup(void)
{
	bool found;

	exits = ShmemInitStruct("workflow exits", wf_exits_size(), &found);
	if (found)
		return;
	pg_atomic_init_u32(&exits->committing, 0);
	pg_atomic_init_u64(&exits->flush_to, 0);
}

/* ---- asynchronous commits ---- */

static void
raise_flush_to(XLogRecPtr lsn)
{
	uint64 present = pg_atomic_read_u64(&exits->flush_to);

	while (present < lsn &&
		   !pg_atomic_compare_exchange_u64(&exits->flush_to, &present, lsn))
		;
}

static void
leave(void)
{
	if (!entered)
		return;
	entered = false;
	/* a full barrier, as all of pg_atomic_fetch_* are */
	(void) pg_atomic_fetch_sub_u32(&exits->committing, 1);
}

static void
at_xact_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (synchronous_commit != SYNCHRONOUS_COMMIT_OFF ||
				!TransactionIdIsValid(GetTopTransactionIdIfAny()))
				break;
			(void) pg_atomic_fetch_add_u32(&exits->committing, 1);
			entered = true;
			break;
		case XACT_EVENT_COMMIT:
			if (entered)
				raise_flush_to(XactLastCommitEnd);
			leave();
			break;
		case XACT_EVENT_ABORT:
			leave();
			break;
		default:
			break;
	}
}

void
wf_exits_watch_commits(void)
{
	RegisterXactCallback(at_xact_end, NULL);
}

/* ---- exits ---- */

/*
 * The insert position may lie just past a page header that nobody has written
 * yet, which XLogFlush() does not accept.
 */
XLogRecPtr
wf_exits_seen_upto(void)
{
	XLogRecPtr lsn = GetXLogInsertRecPtr();

	if (XLogSegmentOffset(lsn, wal_segment_size) == SizeOfXLogLongPHD)
		lsn -= SizeOfXLogLongPHD;
	else if (lsn % XLOG_BLCKSZ == SizeOfXLogShortPHD)
		lsn -= SizeOfXLogShortPHD;
	return lsn;
}

static XLogRecPtr
position(void)
{
	pg_memory_barrier();
	if (pg_atomic_read_u32(&exits->committing) > 0)
		return wf_exits_seen_upto();
	pg_read_barrier();
	return pg_atomic_read_u64(&exits->flush_to);
}

void
wf_exit_flush(XLogRecPtr lsn)
{
	lsn = Max(lsn, position());
	if (!XLogRecPtrIsInvalid(lsn) && !WF_BROKEN("exit-unflushed"))
		XLogFlush(lsn);
}

/* Has the standby told that it has all up to there?  True without standbys. */
static bool
is_replicated(XLogRecPtr lsn)
{
	int mode = synchronous_commit == SYNCHRONOUS_COMMIT_REMOTE_WRITE
				   ? SYNC_REP_WAIT_WRITE
				   : SYNC_REP_WAIT_FLUSH;
	bool result;

	LWLockAcquire(SyncRepLock, LW_SHARED);
	result = SyncRepStandbyNames == NULL || SyncRepStandbyNames[0] == '\0' ||
			 WalSndCtl->lsn[mode] >= lsn;
	LWLockRelease(SyncRepLock);
	return result;
}

void
wf_exit_answer(void)
{
	XLogRecPtr lsn = position();

	if (XLogRecPtrIsInvalid(lsn) ||
		synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
		return;
	wf_exit_flush(lsn);
	if (!SyncRepRequested() || is_replicated(lsn))
		return;

	/* SyncRepWaitForLSN() returns silently when it is cancelled */
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(lsn, false);
	RESUME_INTERRUPTS();
	CHECK_FOR_INTERRUPTS();
	if (!is_replicated(lsn))
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("canceling statement due to user request"),
				 errdetail("The answer rests on changes that have not been replicated to the synchronous standby.")));
}
