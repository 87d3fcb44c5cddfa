/*
 * undoing.c
 *		Undoing what a run has done, when it has failed or was cancelled.
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "base/spi.h"
#include "base/stoppoint.h"
#include "executor/ending.h"
#include "executor/load.h"
#include "executor/undoing.h"
#include "play/calls.h"
#include "play/waiting.h"
#include "store/undo.h"

bool
wf_undoing_runs(const WfExecutor *executor)
{
	return executor->play.record.run.state == WF_RUN_COMPENSATING;
}

static bool
is_registered(const WfRecord *record)
{
	for (int i = 0; i < record->nsteps; i++)
	{
		if (wf_replay_obliges(&record->matches[i]))
			return true;
	}
	return false;
}

void
wf_undoing_take_over(WfExecutor *executor, WfTurn *turn)
{
	uint32 request = pg_atomic_read_u32(&executor->cell->request);

	if (!turn->has_end || turn->undo_ends ||
		!is_registered(&executor->play.record) ||
		(turn->end.state != WF_RUN_FAILED &&
		 turn->end.state != WF_RUN_CANCELLED))
		return;
	if (turn->end.state == WF_RUN_CANCELLED && (request & WF_REQ_NO_UNDO))
		return;
	turn->has_end = false;
	turn->undo_begins = true;
	turn->next = WF_NEXT_UNDO;
}

/*
 * Who held the lock before us has sent his signal, who comes later finds the
 * bit.
 */
void
wf_undoing_shield(WfExecutor *executor)
{
	pg_atomic_fetch_or_u32(&executor->cell->request, WF_REQ_UNDOING);
	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	LWLockRelease(wf_shared->lock);
}

/* What is to be undone next, or NULL; *ordinal: of the record it gets. */
static const WfStep *
find_next(const WfRecord *record, int *ordinal)
{
	int nundone = 0;

	*ordinal = record->nsteps + 1;
	for (int i = 0; i < record->nsteps; i++)
	{
		if (record->matches[i].kind != WF_STEP_KIND_UNDO)
			continue;
		if (record->matches[i].state == WF_STEP_DONE)
			nundone++;
		else
			*ordinal = i + 1;
	}
	for (int i = record->nsteps - 1; i >= 0; i--)
	{
		if (wf_replay_obliges(&record->matches[i]) && nundone-- == 0)
			return &record->steps[i];
	}
	return NULL;
}

/*
 * The values are bound by the step itself, so that a type which refuses one
 * fails the step.  The current context is that of "wanted".
 */
static void
set_arguments(WfWanted *wanted, const WfUndoArgs *args)
{
	wanted->texts = true;
	wanted->nargs = args->nargs;
	wanted->types = palloc(sizeof(Oid) * Max(args->nargs, 1));
	wanted->values = palloc0(sizeof(Datum) * Max(args->nargs, 1));
	wanted->nulls = palloc(Max(args->nargs, 1));
	for (int i = 0; i < args->nargs; i++)
	{
		wanted->types[i] = DatumGetObjectId(
			DirectFunctionCall1(regtypein, CStringGetDatum(args->types[i])));
		wanted->nulls[i] = args->values[i] == NULL ? 'n' : ' ';
		wanted->values[i] = CStringGetDatum(args->values[i]);
	}
}

static void
want(WfPlay *play, const WfStep *registered, int ordinal)
{
	WfWanted *wanted = &play->wanted;
	WfReplay *replay = &play->replay;
	WfUndoArgs args;
	WfWindow window;
	MemoryContext old;

	wf_wanted_clear(wanted);
	wf_window_open(&window);
	wf_undo_read_args(registered->result, wanted->cxt, &args);
	wf_window_close(&window);

	old = MemoryContextSwitchTo(wanted->cxt);
	wanted->kind = &wf_call_undo;
	wanted->started_as = args.is_task ? &wf_call_task : NULL;
	wanted->ordinal = ordinal;
	wanted->fingerprint = registered->match.fingerprint;
	wanted->name = pstrdup(registered->match.name);
	wanted->command = pstrdup(registered->command);
	wanted->due_at = DT_NOEND;
	wanted->has_policy = args.has_policy;
	wanted->policy = args.policy;
	set_arguments(wanted, &args);
	MemoryContextSwitchTo(old);

	/* for what the step asks about itself */
	replay->asked = ordinal - 1;
	for (int i = 0; i < replay->asked; i++)
		replay->now = Max(replay->now, play->record.steps[i].finished_at);
}

/* Its row says how it ends. */
static void
end_run(WfExecutor *executor, WfTurn *turn)
{
	memset(&turn->error, 0, sizeof(turn->error));
	wf_ending_set(executor, turn, executor->play.record.run.end_state, NULL);
	turn->undo_ends = true;
}

bool
wf_undoing_next(WfExecutor *executor, WfTurn *turn)
{
	int ordinal;
	const WfStep *registered = find_next(&executor->play.record, &ordinal);

	if (registered == NULL)
	{
		end_run(executor, turn);
		return false;
	}
	WF_STOP("exec-undo");
	executor->play.park_reason = WF_REASON_UNDO;
	want(&executor->play, registered, ordinal);
	executor->play.park_reason = NULL;
	return true;
}

void
wf_undoing_wait(WfExecutor *executor, WfTurn *turn)
{
	const WfRecord *record = &executor->play.record;

	turn->waiting_for = WF_WAIT_TASK;
	turn->due_at = 0;
	turn->has_wait =
		record->nwrites > 0 || record->run.waiting_for != WF_WAIT_TASK;
	wf_ending_leave(turn, WF_OUTCOME_WAITS);
}

void
wf_undoing_after(WfExecutor *executor, WfTurn *turn)
{
	int ordinal;

	if (find_next(&executor->play.record, &ordinal) != NULL)
		turn->next = WF_NEXT_UNDO;
	else
		end_run(executor, turn);
}

/* An undo that retry_run() was not told to repeat. */
static bool
is_unknown_still(const WfStep *undo)
{
	return undo->match.state == WF_STEP_FAILED &&
		   strcmp(undo->error.code, "WF002") == 0;
}

bool
wf_undoing_load(WfExecutor *executor, WfTurn *turn)
{
	const WfRecord *record = &executor->play.record;
	WfStep *last =
		record->nsteps > 0 ? &record->steps[record->nsteps - 1] : NULL;

	wf_undoing_shield(executor);
	if (last == NULL || last->match.kind != WF_STEP_KIND_UNDO)
		return wf_undoing_next(executor, turn);
	if (last->match.state == WF_STEP_STARTED)
	{
		wf_load_settle_unknown(executor, last);
		wf_ending_park_at_step(executor, turn, last);
		return false;
	}
	if (is_unknown_still(last))
	{
		wf_ending_park_at_step(executor, turn, last);
		return false;
	}
	if (last->match.state != WF_STEP_WAITING)
		return wf_undoing_next(executor, turn);

	if (!wf_waiting_settle_one(&executor->play, last->ordinal))
		wf_undoing_wait(executor, turn);
	else if (last->match.state == WF_STEP_FAILED)
		wf_ending_park_at_step(executor, turn, last);
	else
		wf_undoing_after(executor, turn);
	return false;
}
