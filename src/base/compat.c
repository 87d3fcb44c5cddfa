/*
 * compat.c
 *		What compat.h cannot do with a macro.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "executor/executor.h"
#include "nodes/pg_list.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

#include "base/compat.h"

/*
 * Until 16 an override of the active path costs a list of one element, where
 * a change of the setting has it parsed and looked up twice, at entry and at
 * exit.  The comment in namespace.c warns of overrides because the code under
 * one may expect SET search_path to work; our constant SQL does not.
 *
 * pg_temp is not in it: what is not listed is not searched under an override.
 */
#if PG_VERSION_NUM < 170000
int
wf_search_path_push(void)
{
	static OverrideSearchPath path;

	if (path.schemas == NIL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		path.schemas = list_make1_oid(PG_CATALOG_NAMESPACE);
		MemoryContextSwitchTo(old);
	}
	PushOverrideSearchPath(&path);
	return 0;
}

void
wf_search_path_pop(int nest)
{
	PopOverrideSearchPath();
}
#else
int
wf_search_path_push(void)
{
	int nest = NewGUCNestLevel();

	RestrictSearchPath();
	return nest;
}

void
wf_search_path_pop(int nest)
{
	AtEOXact_GUC(false, nest);
}
#endif

/* ---- wait events ---- */

#if PG_VERSION_NUM >= 170000

/*
 * Names are shared by all processes: the first that asks for one takes a slot
 * of shared memory, which every other one finds.  A number is kept for the
 * life of the process, since asking takes a lock.
 */
uint32
wf_wait_event(WfWaitEvent event)
{
	static const char *const names[] = {
		[WF_WAIT_LAUNCHER] = "WorkflowLauncherMain",
		[WF_WAIT_SCHEDULER] = "WorkflowSchedulerMain",
		[WF_WAIT_EXECUTOR] = "WorkflowExecutorMain",
		[WF_WAIT_RUN] = "WorkflowWaitForRun",
		[WF_WAIT_IDLE] = "WorkflowWaitUntilIdle",
		[WF_WAIT_MESSAGE] = "WorkflowWaitForMessages",
		[WF_WAIT_HANDED] = "WorkflowReceive",
		[WF_WAIT_WORKERS_GONE] = "WorkflowWorkersGone",
		[WF_WAIT_STOP_POINT] = "WorkflowStopPoint",
	};
	static uint32 numbers[WF_NUM_WAIT_EVENTS];

	StaticAssertStmt(lengthof(names) == WF_NUM_WAIT_EVENTS,
					 "a wait event without a name");
	if (numbers[event] == 0)
		numbers[event] = WaitEventExtensionNew(names[event]);
	return numbers[event];
}

#else

uint32
wf_wait_event(WfWaitEvent event)
{
	return PG_WAIT_EXTENSION;
}

#endif

/* ---- the table access method ---- */

void
wf_insert_index_tuples(ResultRelInfo *info, TupleTableSlot *slot,
					   EState *estate, bool update)
{
#if PG_VERSION_NUM >= 160000
	(void) ExecInsertIndexTuples(info, slot, estate, update, false, NULL, NIL,
								 false);
#else
	(void) ExecInsertIndexTuples(info, slot, estate, update, false, NULL, NIL);
#endif
}

TM_Result
wf_tuple_update(Relation rel, ItemPointer tid, TupleTableSlot *slot,
				CommandId cid, Snapshot snapshot, bool *feed)
{
	TM_FailureData failure;
	LockTupleMode lockmode;
	TM_Result result;
#if PG_VERSION_NUM >= 160000
	TU_UpdateIndexes update;
#else
	bool update;
#endif

	result = table_tuple_update(rel, tid, slot, cid, snapshot, InvalidSnapshot,
								true, &failure, &lockmode, &update);
#if PG_VERSION_NUM >= 160000
	*feed = update != TU_None;
#else
	*feed = update;
#endif
	return result;
}

IndexScanDesc
wf_index_beginscan(Relation rel, Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan(rel, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(rel, index, snapshot, nkeys, 0);
#endif
}
