/*
 * waiting.c
 *		Calls of a body whose outcome comes from elsewhere.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/clock.h"
#include "base/spi.h"
#include "base/stoppoint.h"
#include "core/machine.h"
#include "play/calls.h"
#include "play/children.h"
#include "play/waiting.h"
#include "store/child.h"

/* ---- calls started by code of api/ ---- */

static WfStarter
starter_of(const WfWanted *wanted)
{
	return wf_calls_starter(wanted->started_as ? wanted->started_as
											   : wanted->kind);
}

bool
wf_waiting_is_started(const WfPlay *play)
{
	return starter_of(&play->wanted) != NULL;
}

/* A call of another kind takes the place of one that started runs. */
static void
forget_runs(const WfPlay *play)
{
	const WfWanted *wanted = &play->wanted;
	const WfStep *before;
	WfWindow window;

	if (wanted->ordinal > play->record.nsteps)
		return;
	before = &play->record.steps[wanted->ordinal - 1];
	if (before->match.kind == wanted->kind->letter ||
		wf_calls_get(before->match.kind)->runs == WF_CALL_NO_RUN)
		return;
	wf_window_open(&window);
	wf_children_forget(&play->record.run.run_id, wanted->ordinal);
	wf_window_close(&window);
}

void
wf_waiting_start(WfPlay *play, WfStep *step)
{
	const WfWanted *wanted = &play->wanted;
	WfStarting start = {.run_id = &play->record.run.run_id,
						.workflow_id = play->record.run.workflow_id,
						.ordinal = wanted->ordinal,
						.name = wanted->name,
						.nulls = wanted->nulls};
	WfStartedCall started = {0};
	Datum *values = palloc(sizeof(Datum) * Max(wanted->nargs, 1));

	forget_runs(play);
	for (int i = 0; i < wanted->nargs; i++)
		values[i] = wf_wanted_argument(wanted, i, wanted->types[i]);
	start.values = values;
	starter_of(wanted)(&start, &started);
	step->match.state = WF_STEP_WAITING;
	step->message_id = started.message_id;
	step->has_child = started.has_child;
	step->child_run_id = started.child_run_id;
}

/* ---- outcomes ---- */

static void
set_done(WfStep *step, Jsonb *result, TimestampTz now)
{
	step->match.state = WF_STEP_DONE;
	step->result = result;
	step->finished_at = now;
}

/* In a window.  True when the step has an outcome now. */
static bool
settle(WfPlay *play, WfStep *step, TimestampTz now)
{
	const WfCallKind *kind = wf_calls_get(step->match.kind);

	if (kind->settle != NULL && kind->settle(play, step, now))
		return true;
	if (WF_BROKEN("fire-early"))
		now += 20 * USECS_PER_SEC / 1000;
	/* at the end of its time the body gets NULL */
	if (!wf_wait_is_over(step->due_at, now))
		return false;
	set_done(step, NULL, now);
	return true;
}

bool
wf_waiting_settle(WfPlay *play)
{
	WfRecord *record = &play->record;
	TimestampTz now = wf_clock_now();
	WfWindow window;
	bool some;

	wf_window_open(&window);
	some = wf_children_settle(record);
	for (int i = 0; i < record->nsteps; i++)
	{
		WfStep step = record->steps[i];

		if (step.match.state != WF_STEP_WAITING || !settle(play, &step, now))
			continue;
		wf_record_write(record, &step);
		some = true;
	}
	wf_window_close(&window);
	return some;
}

bool
wf_waiting_settle_one(WfPlay *play, int ordinal)
{
	WfStep step = play->record.steps[ordinal - 1];
	WfWindow window;
	bool done;

	wf_window_open(&window);
	done = settle(play, &step, wf_clock_now());
	wf_window_close(&window);
	if (done)
		wf_record_write(&play->record, &step);
	return done;
}

/* ---- beginning ---- */

/* The record of a plain call that has just begun. */
static void
make_record(WfPlay *play, const WfWanted *asked, WfStep *step)
{
	MemoryContext old = MemoryContextSwitchTo(play->record.cxt);

	memset(step, 0, sizeof(*step));
	step->ordinal = asked->ordinal;
	step->match.kind = asked->kind->letter;
	step->match.state = WF_STEP_WAITING;
	step->match.fingerprint = asked->fingerprint;
	step->match.name = pstrdup(asked->name);
	step->command = pstrdup(asked->command);
	step->attempt = 1;
	step->started_at = asked->started_at; /* as the body may have seen */
	step->due_at = asked->due_at == DT_NOEND ? 0 : asked->due_at;
	if (asked->ordinal <= play->record.nsteps)
		step->attempt += play->record.steps[asked->ordinal - 1].attempt;
	MemoryContextSwitchTo(old);
}

bool
wf_waiting_begin(WfPlay *play, const WfWanted *asked)
{
	TimestampTz now = wf_clock_now();
	WfStep step;
	WfWindow window;
	bool again = asked->starts;

	make_record(play, asked, &step);
	if (asked->kind->begin != NULL)
		again |= asked->kind->begin(play, asked, &step);
	if (asked->outcome != NULL)
	{
		/* made behind calls that were only started, so not recorded at once */
		MemoryContext old = MemoryContextSwitchTo(play->record.cxt);

		set_done(&step, DatumGetJsonbPCopy(JsonbPGetDatum(asked->outcome)),
				 now);
		MemoryContextSwitchTo(old);
		again = true;
	}
	else
	{
		wf_window_open(&window);
		again |= settle(play, &step, now);
		wf_window_close(&window);
	}
	wf_record_write(&play->record, &step);
	return again;
}

void
wf_waiting_begin_pending(WfPlay *play, bool forget)
{
	WfPending *pending = &play->pending;
	int n = pending->n;

	/* what stood for their records */
	play->record.nsteps -= n;
	pending->n = 0;
	for (int i = 0; i < n && !forget; i++)
		(void) wf_waiting_begin(play, &pending->calls[i]);
	MemoryContextReset(pending->cxt);
}

/* ---- failures that the body has gone on from ---- */

/* Is a call recorded behind this one that need not be made again? */
static bool
has_later(const WfRecord *record, int ordinal)
{
	for (int i = record->nsteps; i > ordinal; i--)
	{
		if (record->matches[i - 1].state != WF_STEP_RETRYING)
			return true;
	}
	return false;
}

void
wf_waiting_mark_given(WfPlay *play)
{
	const List *heard = play->replay.heard;

	for (int i = 0; i < list_length(heard); i += 2)
	{
		WfStep step = play->record.steps[list_nth_int(heard, i) - 1];

		if (step.given || step.match.state != WF_STEP_FAILED ||
			!wf_calls_get(step.match.kind)->is_handle ||
			!has_later(&play->record, list_nth_int(heard, i + 1)))
			continue;
		step.given = true;
		wf_record_write(&play->record, &step);
	}
}

/* ---- leaving ---- */

/*
 * The call that the body needs decides what is shown; but whatever has a time
 * wakes the run, its own deadline included, which nobody else may know of
 * while it is in the table alone.
 */
char
wf_waiting_for(const WfPlay *play, TimestampTz *due_at)
{
	const WfRecord *record = &play->record;
	int ordinal =
		play->replay.blocked ? play->replay.blocked_on : record->nsteps;
	TimestampTz due = record->run.deadline_at;

	for (int i = 0; i < record->nsteps; i++)
	{
		const WfStep *step = &record->steps[i];

		if (step->match.state == WF_STEP_WAITING && step->due_at != 0)
			due = Min(due, step->due_at);
	}
	*due_at = due == DT_NOEND ? 0 : due;
	return wf_calls_get(record->matches[ordinal - 1].kind)->waits_as;
}
