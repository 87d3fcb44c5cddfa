/*
 * call_any.c
 *		await_any(): which of some handles has had its outcome first.
 *
 * It is recorded, as no replay could find it out again.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "play/calls.h"
#include "play/trial_call.h"

/*
 * await_any(): the one of its handles, an array in text form, that had an
 * outcome first; among those that the run heard of together, which ended
 * first.  NULL: none has.
 */
static Jsonb *
first_with_outcome(WfPlay *play, const WfStep *any)
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
		const WfStep *step =
			&play->record.steps[DatumGetInt32(handles[i]) - 1];

		if (step->match.state != WF_STEP_WAITING &&
			(first == NULL || step->finished_at < first->finished_at))
			first = step;
	}
	if (first == NULL)
		return NULL;
	old = MemoryContextSwitchTo(play->record.cxt);
	v.val.numeric = int64_to_numeric(first->ordinal);
	result = JsonbValueToJsonb(&v);
	MemoryContextSwitchTo(old);
	return result;
}

static bool
settle(WfPlay *play, WfStep *step, TimestampTz now)
{
	Jsonb *result = first_with_outcome(play, step);

	if (result == NULL)
		return false;
	step->match.state = WF_STEP_DONE;
	step->result = result;
	step->finished_at = now;
	return true;
}

/* Of those that ended together it gets the first of the array. */
static void
play_in_trial(WfTrial *trial, WfStep *step)
{
	const WfPlay *play = &trial->play;
	const WfStep *first = NULL;
	Datum *handles;
	bool *nulls;
	int n;

	wf_trial_call_begin(trial, step);
	deconstruct_array(DatumGetArrayTypeP(play->asked.values[0]), INT4OID,
					  sizeof(int32), true, TYPALIGN_INT, &handles, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		const WfStep *one = &play->record.steps[DatumGetInt32(handles[i]) - 1];

		if (first == NULL || one->finished_at < first->finished_at)
			first = one;
	}
	step->result = DatumGetJsonbP(DirectFunctionCall1(
		jsonb_in, CStringGetDatum(psprintf("%d", first->ordinal))));
}

const WfCallKind wf_call_any = {
	.letter = WF_STEP_KIND_ANY,
	.word = "await_any",
	.event = "await any",
	.waits_as = WF_WAIT_ANY,
	.waits = "The run waits for one of several",
	.is_counted = true,
	.is_plain = true,
	.settle = settle,
	.play_in_trial = play_in_trial,
};
