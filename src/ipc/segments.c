/*
 * segments.c
 *		Every shared memory segment of the library: space, locks and start.
 *
 * The postmaster asks for the space of all of them in its shmem_request_hook
 * and makes them in its shmem_startup_hook, at start and after every crash.
 * init.c chains both hooks.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "ipc/exits.h"
#include "ipc/order.h"
#include "ipc/queue_stats.h"
#include "ipc/receivers.h"
#include "ipc/segments.h"
#include "ipc/shelf.h"
#include "ipc/shmem.h"
#include "ipc/stats.h"

void
wf_segments_request(void)
{
	RequestAddinShmemSpace(wf_shmem_size());
	RequestAddinShmemSpace(wf_stats_size());
	RequestAddinShmemSpace(wf_queue_stats_size());
	RequestAddinShmemSpace(wf_receivers_size());
	RequestAddinShmemSpace(wf_shelves_size());
	RequestAddinShmemSpace(wf_exits_size());
	RequestAddinShmemSpace(wf_order_size());
	RequestNamedLWLockTranche(WF_SHMEM_TRANCHE, WF_SHMEM_LOCKS);
}

void
wf_segments_startup(void)
{
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	found = wf_shmem_startup();
	wf_stats_startup(found);
	wf_queue_stats_startup(found);
	wf_receivers_startup(found);
	wf_shelves_startup();
	wf_exits_startup();
	wf_order_startup();
	LWLockRelease(AddinShmemInitLock);
}
