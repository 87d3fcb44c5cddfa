/*
 * sanity.c
 *		Whether a run was loaded in a state that it can have reached.
 */
#include "postgres.h"

#include "storage/shmem.h"

#include "core/sound.h"
#include "play/calls.h"
#include "play/sanity.h"

static void
describe_call(const WfStep *step, WfSoundCall *call)
{
	const WfCallKind *kind = wf_calls_find(step->match.kind);

	call->ordinal = step->ordinal;
	call->is_known = kind != NULL;
	call->may_wait = kind != NULL && wf_calls_may_wait(kind);
	call->at_once = kind != NULL && kind->is_plain && !call->may_wait;
	call->kind = step->match.kind;
	call->state = step->match.state;
	call->name = step->match.name;
	call->has_command = step->command != NULL;
	call->has_result = step->result != NULL;
	call->obliges = wf_replay_obliges(&step->match);
	call->has_error = strlen(step->error.code) == 5;
}

void
wf_sanity_check(WfPlay *play)
{
	WfRecord *record = &play->record;
	WfSoundRun run = {.state = record->run.state,
					  .waiting_for = record->run.waiting_for,
					  .end_state = record->run.end_state,
					  .finished = record->run.finished,
					  .began = record->run.started_at != 0,
					  .chunk = wf_run_is_chunk(&record->run),
					  .has_parent = record->run.has_parent};
	const char *wrong = wf_sound_run(&run);
	int at = 0;

	if (wrong == NULL && record->nsteps > 0)
	{
		WfSoundCall *calls =
			palloc(mul_size(record->nsteps, sizeof(WfSoundCall)));

		for (int i = 0; i < record->nsteps; i++)
			describe_call(&record->steps[i], &calls[i]);
		wrong = wf_sound_record(&run, calls, record->nsteps, &at);
		pfree(calls);
	}
	else if (wrong == NULL)
		wrong = wf_sound_record(&run, NULL, 0, &at);
	if (wrong == NULL)
		return;
	record->nsteps = 0; /* nothing follows from them */
	play->park_reason = WF_REASON_STATE;
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the workflow run is in a state that it cannot have reached"),
			 at > 0 ? errdetail("Call %d: %s", at, wrong)
					: errdetail("%s", wrong),
			 errhint("Its row or its record was changed by hand, or is damaged. Cancel the run, or restore what it was.")));
}
