/*
 * call_signal.c
 *		wait_for_signal() and wait_for_signals(): the first signal with one of
 *		some names, which lies in a table until the run takes it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/json.h"
#include "play/calls.h"
#include "play/trial_call.h"
#include "store/signal.h"

static bool
settle(WfPlay *play, WfStep *step, TimestampTz now)
{
	Jsonb *result = NULL;

	if (!wf_signal_take(&play->record.run.run_id, step->ordinal, step->command,
						now, play->record.cxt, &result))
		return false;
	step->match.state = WF_STEP_DONE;
	step->result = result;
	step->finished_at = now;
	return true;
}

/* {"name": ..., "payload": ...}, as wait_for_signals() gives it */
static Jsonb *
named_payload(const char *name, Jsonb *payload)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	wf_json_push_key(&state, "name");
	wf_json_push_text(&state, WJB_VALUE, name);
	wf_json_push_key(&state, "payload");
	wf_json_push(&state, WJB_VALUE, payload);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/*
 * The first of the names, as the body gave them, that has an answer left; who
 * leaves one out sees the time-out, if there is one.
 */
static void
play_in_trial(WfTrial *trial, WfStep *step)
{
	const WfWanted *asked = &trial->play.asked;
	Datum *names;
	bool *nulls;
	int n;

	wf_trial_call_begin(trial, step);
	deconstruct_array(DatumGetArrayTypeP(asked->values[0]), TEXTOID, -1, false,
					  TYPALIGN_INT, &names, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char *name = TextDatumGetCString(names[i]);
		WfAnswer answer;

		if (!wf_answers_take(trial->answers, name, true, NULL, &answer))
			continue;
		step->result =
			n == 1 ? answer.value : named_payload(name, answer.value);
		return;
	}
	if (asked->due_at == DT_NOEND)
		wf_trial_call_stop(trial);
	else
		wf_trial_call_pass(trial, asked->due_at);
}

const WfCallKind wf_call_signal = {
	.letter = WF_STEP_KIND_SIGNAL,
	.word = "signal",
	.event = "wait for signal",
	.waits_as = WF_WAIT_SIGNAL,
	.waits = "The run waits for a signal",
	.is_counted = true,
	.is_plain = true,
	.settle = settle,
	.play_in_trial = play_in_trial,
};
