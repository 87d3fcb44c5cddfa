/*
 * sched_window.c
 *		The scheduler's transactions and memory.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "core/plan_state.h"
#include "scheduler/scheduler.h"

void
wf_sched_begin(WfScheduler *s, WfWindow *w, const char *activity)
{
	INSTR_TIME_SET_CURRENT(s->slice_began);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	pgstat_report_activity(STATE_RUNNING, activity);
	wf_window_open(w);
}

void
wf_sched_commit(WfScheduler *s, WfWindow *w)
{
	wf_window_close(w);
	CommitTransactionCommand();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(s->cycle_cxt);

	/* what was read may be due since the cycle began: it is not a timer */
	s->now = wf_clock_now();
}

void
wf_sched_commit_durable(WfScheduler *s, WfWindow *w)
{
	wf_sched_commit(s, w);
	if (!XLogRecPtrIsInvalid(XactLastCommitEnd))
		XLogFlush(XactLastCommitEnd);
}

void
wf_sched_make_contexts(WfScheduler *s)
{
	s->life_cxt = AllocSetContextCreate(TopMemoryContext, "workflow scheduler",
										ALLOCSET_DEFAULT_SIZES);
	s->cycle_cxt = AllocSetContextCreate(
		TopMemoryContext, "workflow scheduler cycle", ALLOCSET_DEFAULT_SIZES);
	s->plan_cxt = AllocSetContextCreate(s->life_cxt, "workflow plan",
										ALLOCSET_DEFAULT_SIZES);
	s->entry_cxt = SlabContextCreate(s->plan_cxt, "workflow entries",
									 SLAB_DEFAULT_BLOCK_SIZE, sizeof(WfEntry));
	s->deadline_cxt =
		SlabContextCreate(s->plan_cxt, "workflow deadlines",
						  SLAB_DEFAULT_BLOCK_SIZE, sizeof(WfDeadline));
	s->rules_cxt = AllocSetContextCreate(s->life_cxt, "workflow rules",
										 ALLOCSET_SMALL_SIZES);
	s->rules = MemoryContextAllocZero(s->life_cxt, sizeof(WfPlanRules));
	MemoryContextSwitchTo(s->cycle_cxt);
}

static void *
get(void *arg, WfMemoryKind kind, Size size)
{
	WfScheduler *s = arg;

	if (kind == WF_MEMORY_ENTRY)
		return MemoryContextAlloc(s->entry_cxt, size);
	if (kind == WF_MEMORY_DEADLINE)
		return MemoryContextAlloc(s->deadline_cxt, size);
	return MemoryContextAllocHuge(s->plan_cxt, size);
}

static void
give_back(void *arg, void *block)
{
	pfree(block);
}

WfMemory
wf_sched_memory(WfScheduler *s)
{
	WfMemory memory = {.get = get, .give_back = give_back, .arg = s};

	return memory;
}
