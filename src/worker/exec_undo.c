/*
 * exec_undo.c
 *		Undoing what a run has done, when it has failed or was cancelled.
 *
 * The body is not replayed any more: what is registered stands in the record.
 * Each compensation is run as a step behind all other records, newest first,
 * and recorded in its own commit; so which is next follows from how many there
 * are, after any crash.  An undo that fails for good parks the run: those
 * before it may rely on it.
 *
 * One that a worker outside does is a task: its record waits, and so does the
 * run, in no executor, until the task is acknowledged or given up.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/spi.h"
#include "base/stoppoint.h"
#include "core/state.h"
#include "store/undo.h"
#include "worker/exec_turn.h"

static bool
is_registered(const WfExec *exec)
{
	for (int i = 0; i < exec->nsteps; i++)
	{
		if (exec->records[i].kind == WF_STEP_KIND_COMPENSATE)
			return true;
	}
	return false;
}

void
wf_undo_take_over(WfExec *exec, WfTurn *turn)
{
	uint32 request = pg_atomic_read_u32(&exec->cell->request);

	if (!turn->has_end || turn->undo_ends || !is_registered(exec) ||
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
wf_undo_shield(WfExec *exec)
{
	pg_atomic_fetch_or_u32(&exec->cell->request, WF_REQ_UNDOING);
	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	LWLockRelease(wf_shared->lock);
}

/* What is to be undone next, or NULL; *ordinal: of the record it gets. */
static const WfStep *
find_next(const WfExec *exec, int *ordinal)
{
	int nundone = 0;

	*ordinal = exec->nsteps + 1;
	for (int i = 0; i < exec->nsteps; i++)
	{
		if (exec->records[i].kind != WF_STEP_KIND_UNDO)
			continue;
		if (exec->records[i].state == WF_STEP_DONE)
			nundone++;
		else
			*ordinal = i + 1;
	}
	for (int i = exec->nsteps - 1; i >= 0; i--)
	{
		if (exec->records[i].kind == WF_STEP_KIND_COMPENSATE && nundone-- == 0)
			return &exec->steps[i];
	}
	return NULL;
}

/*
 * The values are bound by the step itself, so that a type which refuses one
 * fails the step.
 */
static void
want(WfExec *exec, const WfStep *registered, int ordinal)
{
	WfWanted *wanted = &exec->wanted;
	WfUndoArgs args;
	WfWindow window;
	MemoryContext old;

	MemoryContextReset(exec->wanted_cxt);
	wf_window_open(&window);
	wf_undo_read_args(registered->result, exec->wanted_cxt, &args);
	wf_window_close(&window);

	old = MemoryContextSwitchTo(exec->wanted_cxt);
	memset(wanted, 0, sizeof(*wanted));
	wanted->kind = WF_STEP_KIND_UNDO;
	wanted->ordinal = ordinal;
	wanted->fingerprint = registered->match.fingerprint;
	wanted->name = pstrdup(registered->match.name);
	wanted->command = pstrdup(registered->command);
	wanted->texts = true;
	wanted->is_task = args.is_task;
	wanted->nargs = args.nargs;
	wanted->types = palloc(sizeof(Oid) * Max(args.nargs, 1));
	wanted->values = palloc0(sizeof(Datum) * Max(args.nargs, 1));
	wanted->nulls = palloc(Max(args.nargs, 1));
	for (int i = 0; i < args.nargs; i++)
	{
		wanted->types[i] = DatumGetObjectId(
			DirectFunctionCall1(regtypein, CStringGetDatum(args.types[i])));
		wanted->nulls[i] = args.values[i] == NULL ? 'n' : ' ';
		wanted->values[i] = CStringGetDatum(args.values[i]);
	}
	/* for what the step asks about itself */
	exec->asked = ordinal - 1;
	for (int i = 0; i < exec->asked; i++)
		exec->now = Max(exec->now, exec->steps[i].finished_at);
	wanted->due_at = DT_NOEND;
	wanted->has_policy = args.has_policy;
	wanted->policy = args.policy;
	MemoryContextSwitchTo(old);
	exec->free_retries = 0;
}

/* Its row says how it ends. */
static void
end_run(WfExec *exec, WfTurn *turn)
{
	memset(&exec->error, 0, sizeof(exec->error));
	wf_turn_end_run(exec, turn, exec->run.end_state, NULL);
	turn->undo_ends = true;
}

bool
wf_undo_next(WfExec *exec, WfTurn *turn)
{
	int ordinal;
	const WfStep *registered = find_next(exec, &ordinal);

	if (registered == NULL)
	{
		end_run(exec, turn);
		return false;
	}
	WF_STOP("exec-undo");
	exec->park_reason = WF_REASON_UNDO;
	want(exec, registered, ordinal);
	exec->park_reason = NULL;
	return true;
}

void
wf_undo_wait(WfExec *exec, WfTurn *turn)
{
	turn->waiting_for = WF_WAIT_TASK;
	turn->due_at = 0;
	turn->has_wait =
		exec->nwrites > 0 || exec->run.waiting_for != WF_WAIT_TASK;
	wf_turn_leave(turn, WF_OUTCOME_WAITS);
}

void
wf_undo_after(WfExec *exec, WfTurn *turn)
{
	int ordinal;

	if (find_next(exec, &ordinal) != NULL)
		turn->next = WF_NEXT_UNDO;
	else
		end_run(exec, turn);
}

bool
wf_undo_load(WfExec *exec, WfTurn *turn)
{
	const WfStep *last = &exec->steps[Max(exec->nsteps, 1) - 1];

	wf_undo_shield(exec);
	if (exec->nsteps > 0 && last->match.kind == WF_STEP_KIND_UNDO &&
		last->match.state == WF_STEP_STARTED)
	{
		wf_load_settle_unknown(exec);
		wf_turn_park_at_step(exec, turn, last);
		return false;
	}
	if (exec->nsteps == 0 || last->match.kind != WF_STEP_KIND_UNDO ||
		last->match.state != WF_STEP_WAITING)
		return wf_undo_next(exec, turn);

	if (!wf_wait_settle_one(exec, last->ordinal))
		wf_undo_wait(exec, turn);
	else if (last->match.state == WF_STEP_FAILED)
		wf_turn_park_at_step(exec, turn, last);
	else
		wf_undo_after(exec, turn);
	return false;
}
