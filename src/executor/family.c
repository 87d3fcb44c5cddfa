/*
 * family.c
 *		What the end of a run means for its children and its parent.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/spi.h"
#include "base/stoppoint.h"
#include "executor/family.h"
#include "ipc/shortage.h"
#include "ipc/wakeup.h"
#include "play/children.h"
#include "store/child.h"

static void
cancel_children(const WfRecord *record)
{
	WfWindow window;

	if (!wf_children_any(record))
		return;
	wf_window_open(&window);
	if (wf_children_cancel(&record->run.run_id, 0) > 0)
		wf_note_events(WF_EVENT_REQUEST);
	wf_window_close(&window);
}

static void
start_next_chunk(const WfRun *run)
{
	WfWork info;
	WfWindow window;

	wf_window_open(&window);
	if (wf_map_release(&run->parent_run_id, run->parent_ordinal, 1, &info) > 0)
		wf_note_run(&info);
	wf_window_close(&window);
}

void
wf_family_before_end(WfExecutor *executor, const WfTurn *turn)
{
	const WfRecord *record = &executor->play.record;

	if (!wf_run_is_final(turn->end.state))
		return;
	cancel_children(record);
	if (wf_run_is_chunk(&record->run) && turn->end.state == WF_RUN_SUCCEEDED &&
		record->run.has_parent)
		start_next_chunk(&record->run);
}

/* Are there chunks left whose end the parent will hear of anyway? */
static bool
is_last(const WfRun *run)
{
	volatile bool last = true;
	MemoryContext old = CurrentMemoryContext;
	WfWindow window;

	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		wf_window_open(&window);
		last =
			!wf_map_has_unfinished(&run->parent_run_id, run->parent_ordinal);
		wf_window_close(&window);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		/* one wake-up too many does no harm */
		MemoryContextSwitchTo(old);
		if (wf_shortage_may_log(wf_database_find(MyDatabaseId)))
			EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return last;
}

void
wf_family_after_end(WfExecutor *executor, char state)
{
	WfCell *cell = executor->cell;
	const WfRun *run = &executor->play.record.run;

	WF_STOP("exec-before-tell");
	if (WF_BROKEN("tell-no-parent"))
		return;
	cell->parent_id = run->parent_run_id;
	cell->tells_parent =
		!wf_run_is_chunk(run) || state != WF_RUN_SUCCEEDED || is_last(run);
}
