/*
 * task_outcome.c
 *		What a worker outside has answered.
 */
#include "postgres.h"

#include "play/task_outcome.h"
#include "store/signal.h"

bool
wf_task_outcome_take(WfPlay *play, WfStep *step, TimestampTz now)
{
	Jsonb *result = NULL;
	WfTaskAttempt attempt;

	if (!wf_signal_take_task(&play->record.run.run_id, step->ordinal,
							 play->record.cxt, &result, &step->error,
							 &attempt))
		return false;
	/* those of its message come on top of those of the call */
	if (attempt.number > 1)
		step->attempt += attempt.number - 1;
	if (attempt.is_last)
		step->max_attempts = step->attempt;
	step->match.state =
		step->error.code[0] != '\0' ? WF_STEP_FAILED : WF_STEP_DONE;
	step->result = result;
	step->finished_at = now;
	return true;
}
