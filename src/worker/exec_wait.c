/*
 * exec_wait.c
 *		Calls of a body whose outcome comes from elsewhere: time, signals,
 *		children, tasks.
 *
 * Such a call has a record in state waiting, written in the commit that begins
 * it.  What comes for it lies in a table of its own until an executor takes
 * it: the record then gets its outcome in the same commit that marks what came
 * as taken, so it is taken exactly once.
 *
 * A run whose body needs an outcome that is not there leaves the executor, and
 * costs a row and no process.  No wake-up is lost:
 *
 *	1. whoever has something for a run commits it, and then tells the scheduler
 *	2. the executor looks for it in a new snapshot before the run leaves
 *	3. where the scheduler hears of it while the run is still in a cell, it
 *	   sends the run to an executor once more
 *	4. a scheduler that starts asks the tables what has come
 *
 * What was taken is committed before any user code runs that may depend on it:
 * if that failed and were tried again, another signal might be first by then.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "base/clock.h"
#include "base/spi.h"
#include "base/stoppoint.h"
#include "core/machine.h"
#include "core/state.h"
#include "store/signal.h"
#include "worker/exec_turn.h"
#include "worker/words.h"

bool
wf_wait_is_plain(char kind)
{
	return kind == WF_STEP_KIND_SLEEP || kind == WF_STEP_KIND_SIGNAL ||
		   kind == WF_STEP_KIND_ITEM || kind == WF_STEP_KIND_MAP ||
		   kind == WF_STEP_KIND_ANY || kind == WF_STEP_KIND_COMPENSATE ||
		   kind == WF_STEP_KIND_PATCH;
}

static WfStarter starters[PG_UINT8_MAX + 1];

void
wf_word_set_starter(char kind, WfStarter starter)
{
	starters[(unsigned char) kind] = starter;
}

static WfStarter
starter_of(const WfWanted *wanted)
{
	char kind = wanted->is_task ? WF_STEP_KIND_TASK : wanted->kind;

	return starters[(unsigned char) kind];
}

bool
wf_wait_is_started(const WfWanted *wanted)
{
	return starter_of(wanted) != NULL;
}

void
wf_wait_start(WfExec *exec, WfStep *step)
{
	const WfWanted *wanted = &exec->wanted;
	WfStarting start = {.run_id = &exec->run.run_id,
						.workflow_id = exec->run.workflow_id,
						.ordinal = wanted->ordinal,
						.name = wanted->name,
						.nulls = wanted->nulls};
	WfStartedCall started = {0};
	Datum *values = palloc(sizeof(Datum) * Max(wanted->nargs, 1));

	for (int i = 0; i < wanted->nargs; i++)
		values[i] = wf_step_argument(wanted, i, wanted->types[i]);
	start.values = values;
	starter_of(wanted)(&start, &started);
	step->match.state = WF_STEP_WAITING;
	step->message_id = started.message_id;
	step->has_child = started.has_child;
	step->child_run_id = started.child_run_id;
}

static void
set_done(WfStep *step, Jsonb *result, TimestampTz now)
{
	step->match.state = WF_STEP_DONE;
	step->result = result;
	step->finished_at = now;
}

/*
 * await_any(): the one of its handles, an array in text form, that had an
 * outcome first; among those that the run heard of together, which ended
 * first.  NULL: none has.
 */
Jsonb *
wf_first_with_outcome(WfExec *exec, const WfStep *any)
{
	Oid input;
	Oid ioparam;
	Datum *handles;
	int n;
	const WfStep *first = NULL;
	JsonbValue v = {.type = jbvNumeric};
	MemoryContext old;
	Jsonb *result;

	getTypeInputInfo(INT4ARRAYOID, &input, &ioparam);
	deconstruct_array(DatumGetArrayTypeP(OidInputFunctionCall(
						  input, any->command, ioparam, -1)),
					  INT4OID, sizeof(int32), true, TYPALIGN_INT, &handles,
					  NULL, &n);
	for (int i = 0; i < n; i++)
	{
		const WfStep *step = &exec->steps[DatumGetInt32(handles[i]) - 1];

		if (step->match.state != WF_STEP_WAITING &&
			(first == NULL || step->finished_at < first->finished_at))
			first = step;
	}
	if (first == NULL)
		return NULL;
	old = MemoryContextSwitchTo(exec->run_cxt);
	v.val.numeric = int64_to_numeric(first->ordinal);
	result = JsonbValueToJsonb(&v);
	MemoryContextSwitchTo(old);
	return result;
}

/* In a window.  True when the step has an outcome now. */
static bool
settle(WfExec *exec, WfStep *step, TimestampTz now)
{
	Jsonb *result = NULL;

	switch (step->match.kind)
	{
		case WF_STEP_KIND_SLEEP:
			break;
		case WF_STEP_KIND_SIGNAL:
			if (wf_signal_take(&exec->run.run_id, step->ordinal, step->command,
							   now, exec->run_cxt, &result))
			{
				set_done(step, result, now);
				return true;
			}
			break;
		case WF_STEP_KIND_MAP:
		case WF_STEP_KIND_MAP_CHILD:
			return wf_map_settle(exec, step);
		case WF_STEP_KIND_ANY:
			result = wf_first_with_outcome(exec, step);
			if (result != NULL)
			{
				set_done(step, result, now);
				return true;
			}
			break;
		case WF_STEP_KIND_TASK:
		case WF_STEP_KIND_UNDO:
			if (!wf_signal_take_task(&exec->run.run_id, step->ordinal,
									 exec->run_cxt, &result, &step->error))
				return false;
			set_done(step, result, now);
			if (step->error.code[0] != '\0')
				step->match.state = WF_STEP_FAILED;
			return true;
		default:
			return false;
	}
	if (WF_BROKEN("fire-early"))
		now += 20 * USECS_PER_SEC / 1000;
	/* at the end of its time the body gets NULL */
	if (!wf_wait_is_over(step->due_at, now))
		return false;
	set_done(step, NULL, now);
	return true;
}

bool
wf_wait_begin(WfExec *exec, const WfWanted *asked)
{
	MemoryContext old = MemoryContextSwitchTo(exec->run_cxt);
	TimestampTz now = wf_clock_now();
	WfStep step = {0};
	WfWindow window;
	bool again = asked->starts;

	step.ordinal = asked->ordinal;
	step.match.kind = asked->kind;
	step.match.state = WF_STEP_WAITING;
	step.match.fingerprint = asked->fingerprint;
	step.match.name = pstrdup(asked->name);
	step.command = pstrdup(asked->command);
	step.attempt = 1;
	step.started_at = asked->started_at; /* as the body may have seen */
	step.due_at = asked->due_at == DT_NOEND ? 0 : asked->due_at;
	if (asked->ordinal <= exec->nsteps)
		step.attempt += exec->steps[asked->ordinal - 1].attempt;
	MemoryContextSwitchTo(old);

	if (asked->kind == WF_STEP_KIND_ITEM || asked->kind == WF_STEP_KIND_MAP)
		again |= !wf_items_begin(exec, asked, &step);
	if (asked->outcome != NULL)
	{
		/* made behind calls that were only started, so not recorded at once */
		old = MemoryContextSwitchTo(exec->run_cxt);
		set_done(&step, DatumGetJsonbPCopy(JsonbPGetDatum(asked->outcome)),
				 now);
		MemoryContextSwitchTo(old);
		again = true;
	}
	else
	{
		wf_window_open(&window);
		again |= settle(exec, &step, now);
		wf_window_close(&window);
	}
	wf_record_write(exec, &step);
	return again;
}

void
wf_wait_begin_pending(WfExec *exec, bool forget)
{
	int n = exec->npending;

	/* what stood for their records */
	exec->nsteps -= n;
	exec->npending = 0;
	for (int i = 0; i < n && !forget; i++)
		(void) wf_wait_begin(exec, &exec->pending[i]);
	MemoryContextReset(exec->pending_cxt);
}

bool
wf_wait_settle(WfExec *exec)
{
	TimestampTz now = wf_clock_now();
	WfWindow window;
	bool some;

	wf_window_open(&window);
	some = wf_child_settle(exec);
	for (int i = 0; i < exec->nsteps; i++)
	{
		WfStep step = exec->steps[i];

		if (step.match.state != WF_STEP_WAITING || !settle(exec, &step, now))
			continue;
		wf_record_write(exec, &step);
		some = true;
	}
	wf_window_close(&window);
	return some;
}

bool
wf_wait_settle_one(WfExec *exec, int ordinal)
{
	WfStep step = exec->steps[ordinal - 1];
	WfWindow window;
	bool done;

	wf_window_open(&window);
	done = settle(exec, &step, wf_clock_now());
	wf_window_close(&window);
	if (done)
		wf_record_write(exec, &step);
	return done;
}

static char
letter_of(char kind)
{
	switch (kind)
	{
		case WF_STEP_KIND_SLEEP:
			return WF_WAIT_TIMER;
		case WF_STEP_KIND_SIGNAL:
			return WF_WAIT_SIGNAL;
		case WF_STEP_KIND_TASK:
			return WF_WAIT_TASK;
		case WF_STEP_KIND_ANY:
			return WF_WAIT_ANY;
		default:
			return WF_WAIT_CHILD;
	}
}

/*
 * The call that the body needs decides what is shown; but whatever has a time
 * wakes the run, its own deadline included, which nobody else may know of
 * while it is in the table alone.
 */
void
wf_wait_leave(WfExec *exec, WfTurn *turn)
{
	int ordinal = exec->blocked ? exec->blocked_on : exec->nsteps;
	char letter = letter_of(exec->steps[ordinal - 1].match.kind);
	TimestampTz due = exec->run.deadline_at;

	for (int i = 0; i < exec->nsteps; i++)
	{
		const WfStep *step = &exec->steps[i];

		if (step->match.state == WF_STEP_WAITING && step->due_at != 0)
			due = Min(due, step->due_at);
	}
	turn->due_at = due == DT_NOEND ? 0 : due;
	turn->waiting_for = letter;
	turn->has_wait = exec->nwrites > 0 || exec->run.state != WF_RUN_WAITING ||
					 exec->run.waiting_for != letter ||
					 exec->run.due_at != turn->due_at;
	wf_turn_leave(turn, WF_OUTCOME_WAITS);
}
