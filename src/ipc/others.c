/*
 * others.c
 *		Who is connected to a database, besides our own workers.
 *
 * This is the look that DROP DATABASE and its like take before they do
 * anything, with two differences: our workers are not counted, and nobody is
 * sent away.  A worker stands in shared memory before it connects and until it
 * has left the list of backends, so the list is read first and our workers are
 * taken out of it afterwards.  One that ended in between is taken for somebody
 * else, once; hence a look that finds somebody is repeated.
 *
 * Whoever wants the answer to last holds the lock on the database that keeps
 * others from connecting (need.c).
 *
 * Locking: wf_shared->lock, while nothing else is held.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/twophase.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "base/compat.h"
#include "ipc/others.h"
#include "ipc/shmem.h"

/* as long as PostgreSQL pauses between two looks */
#define LOOK_AGAIN_MS 100

/* a backend that was there */
typedef struct Seen
{
	int pid;
	int leader; /* pid of whose parallel worker it is, or 0 */
	Oid role;
} Seen;

/* Backends of others and of ours; the count. */
static int
list_backends(Oid database, Seen *seen)
{
	int n = 0;

	for (int i = 0; i < wf_backend_slots(); i++)
	{
		PGPROC *proc = wf_backend_proc(i);
		PGPROC *leader;

		if (proc == NULL || proc == MyProc || proc->databaseId != database ||
			(proc->statusFlags & PROC_IS_AUTOVACUUM) != 0)
			continue;
		leader = proc->lockGroupLeader;
		seen[n].pid = proc->pid;
		seen[n].leader = leader != NULL ? leader->pid : 0;
		seen[n].role = proc->roleId;
		n++;
	}
	return n;
}

/* Is it a worker of ours?  Lock held. */
static bool
is_ours(int pid)
{
	for (int i = 0; i < wf_shared->ndatabases; i++)
	{
		if (wf_databases[i].pid == pid)
			return true;
	}
	for (int i = 0; i < wf_shared->nslots; i++)
	{
		if (wf_slots[i].pid == pid)
			return true;
	}
	return false;
}

/* Removes our workers, and parallel workers of theirs; the count. */
static int
leave_out_ours(Seen *seen, int n)
{
	int left = 0;

	LWLockAcquire(wf_shared->lock, LW_SHARED);
	for (int i = 0; i < n; i++)
	{
		if (!is_ours(seen[i].pid) &&
			(seen[i].leader == 0 || !is_ours(seen[i].leader)))
			seen[left++] = seen[i];
	}
	LWLockRelease(wf_shared->lock);
	return left;
}

/*
 * Prepared transactions have a PGPROC each, which keeps what it says when the
 * transaction has ended.
 */
static int
count_prepared(Oid database)
{
	int n = 0;

	for (int i = 0; i < max_prepared_xacts; i++)
	{
		PGPROC *proc = &PreparedXactProcs[i];
		TransactionId xid = proc->xid;

		if (proc->databaseId == database && TransactionIdIsNormal(xid) &&
			TransactionIdIsInProgress(xid))
			n++;
	}
	return n;
}

/* as pg_terminate_backend() has it */
static bool
may_terminate(Oid role)
{
	if (superuser())
		return true;
	return !superuser_arg(role) &&
		   (has_privs_of_role(GetUserId(), role) ||
			has_privs_of_role(GetUserId(), ROLE_PG_SIGNAL_BACKEND));
}

static void
look(Oid database, WfOthers *out)
{
	Seen *seen = palloc(mul_size(wf_backend_slots(), sizeof(Seen)));

	out->backends = leave_out_ours(seen, list_backends(database, seen));
	out->prepared = count_prepared(database);
	out->spared = false;
	for (int i = 0; i < out->backends; i++)
		out->spared |= !may_terminate(seen[i].role);
	pfree(seen);
}

static bool
is_empty(const WfOthers *others, bool force)
{
	if (others->prepared > 0)
		return false;
	return force ? !others->spared : others->backends == 0;
}

bool
wf_others_wait(Oid database, bool force, long ms, WfOthers *out)
{
	TimestampTz until = wf_clock_system() + ms * INT64CONST(1000);

	for (;;)
	{
		look(database, out);
		if (is_empty(out, force))
			return true;
		if (wf_clock_system() >= until)
			return false;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOOK_AGAIN_MS, wf_wait_event(WF_WAIT_WORKERS_GONE));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}
