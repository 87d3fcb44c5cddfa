/*
 * init.c
 *		Loading the library.
 *
 * Everything is set up by the postmaster, from shared_preload_libraries.
 * Loaded by a single session later, the library does nothing at all: functions
 * that need shared memory say so (wf_require_preloaded).
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"

#include "api/body_child.h"
#include "api/body_watch.h"
#include "api/task.h"
#include "base/guc.h"
#include "ipc/guard.h"
#include "ipc/hooks.h"
#include "ipc/order.h"
#include "ipc/receivers.h"
#include "ipc/segments.h"
#include "ipc/wakeup.h"
#include "ipc/workers.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static shmem_request_hook_type next_shmem_request = NULL;
static shmem_startup_hook_type next_shmem_startup = NULL;

static void
shmem_request(void)
{
	if (next_shmem_request)
		next_shmem_request();
	wf_segments_request();
}

static void
shmem_startup(void)
{
	if (next_shmem_startup)
		next_shmem_startup();
	wf_segments_startup();
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;

	wf_guc_define();
	next_shmem_request = shmem_request_hook;
	shmem_request_hook = shmem_request;
	next_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
	wf_wakeup_init();
	wf_receive_init();
	wf_order_init();
	wf_hooks_init();
	wf_guard_init();
	wf_body_watch_init();
	wf_task_init();
	wf_child_init();
	wf_launcher_register();
}
