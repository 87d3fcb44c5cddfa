/*
 * exec_load.c
 *		What an executor makes sure of before it moves a run on.
 *
 * That the row and the record do not contradict themselves (core/sound.h), and
 * that the run's owner, who is the role of this process, may have it go on.
 * The latter is asked again in each turn, in which nothing is looked up while
 * the catalogs behind it stand still: see wf_body_recheck().
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/spi.h"
#include "core/sound.h"
#include "core/state.h"
#include "worker/exec_turn.h"

static void
describe_call(const WfStep *step, WfSoundCall *call)
{
	call->ordinal = step->ordinal;
	call->kind = step->match.kind;
	call->state = step->match.state;
	call->name = step->match.name;
	call->has_command = step->command != NULL;
	call->has_result = step->result != NULL;
	call->has_error = strlen(step->error.code) == 5;
}

void
wf_load_check_state(WfExec *exec)
{
	WfSoundRun run = {.state = exec->run.state,
					  .waiting_for = exec->run.waiting_for,
					  .end_state = exec->run.end_state,
					  .finished = exec->run.finished,
					  .began = exec->run.started_at != 0,
					  .chunk = wf_run_is_chunk(&exec->run),
					  .has_parent = exec->run.has_parent};
	const char *wrong = wf_sound_run(&run);
	int at = 0;

	if (wrong == NULL && exec->nsteps > 0)
	{
		WfSoundCall *calls =
			palloc(mul_size(exec->nsteps, sizeof(WfSoundCall)));

		for (int i = 0; i < exec->nsteps; i++)
			describe_call(&exec->steps[i], &calls[i]);
		wrong = wf_sound_record(&run, calls, exec->nsteps, &at);
		pfree(calls);
	}
	else if (wrong == NULL)
		wrong = wf_sound_record(&run, NULL, 0, &at);
	if (wrong == NULL)
		return;
	exec->nsteps = 0; /* nothing follows from them */
	exec->unsound = true;
	exec->park_reason = WF_REASON_STATE;
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the workflow run is in a state that it cannot have reached"),
			 at > 0 ? errdetail("Call %d: %s", at, wrong)
					: errdetail("%s", wrong),
			 errhint("Its row or its record was changed by hand, or is damaged. Cancel the run, or restore what it was.")));
}

void
wf_load_check_owner(WfExec *exec)
{
	char *name = GetUserNameFromId(GetUserId(), true);

	exec->park_reason = WF_REASON_OWNER;
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role that owns the run does not exist"),
				 errhint("Create the role \"%s\" again, call workflow.start() to give it its runs back, then workflow.retry_run().",
						 exec->run.owner_name)));
	if (exec->run.owner != GetUserId() ||
		strcmp(name, exec->run.owner_name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the run's owner \"%s\" is not role \"%s\"",
						exec->run.owner_name, name),
				 errhint("If the role was renamed, give it its name back, then call workflow.retry_run().")));
	exec->park_reason = NULL;
}

/*
 * An at-most-once step was started by a process that is no more: nobody knows
 * how far it came, so the body gets WF002 for it.  Committed at once, as the
 * step that comes next may abort this transaction.
 */
void
wf_load_settle_unknown(WfExec *exec)
{
	WfStep *step = &exec->steps[exec->nsteps - 1];
	WfWindow window;

	step->match.state = WF_STEP_FAILED;
	step->finished_at = wf_clock_now();
	strlcpy(step->error.code, "WF002", sizeof(step->error.code));
	step->error.message = "outcome of the step is unknown";
	step->error.detail =
		"It was started at most once, and its executor ended before the outcome was recorded.";
	exec->records[exec->nsteps - 1] = step->match;

	wf_window_open(&window);
	wf_step_update(&exec->run.run_id, step);
	wf_window_close(&window);
	CommitTransactionCommand();
	exec->run.row = NULL;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(exec->turn_cxt);
}
