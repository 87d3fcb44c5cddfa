/*
 * loss.c
 *		The trace of an attempt whose process is ended from outside.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"

#include "base/clock.h"
#include "base/spi.h"
#include "executor/loss.h"
#include "store/control.h"

/* The step that was at work; false when there is nothing to record of it. */
static bool
make_record(WfExecutor *executor, WfStep *step)
{
	WfPlay *play = &executor->play;
	const WfRecord *record = &play->record;
	int ordinal = play->wanted.ordinal;
	WfPolicy policy;

	if (play->place != WF_PLACE_STEP || ordinal == 0 ||
		(ordinal <= record->nsteps &&
		 record->matches[ordinal - 1].state != WF_STEP_RETRYING))
		return false;
	wf_play_policy(play, &policy);
	wf_play_fill_step(play, &policy, step);
	step->match.state = WF_STEP_RETRYING;
	step->free_retries++; /* no fault of the step */
	step->started_at = executor->failed.started_at;
	step->finished_at = wf_clock_now();
	strlcpy(step->error.code, "57P01", sizeof(step->error.code));
	step->error.message = "its process was terminated while the step ran";
	return true;
}

static void
write_loss(WfExecutor *executor)
{
	WfPlay *play = &executor->play;
	const pg_uuid_t *run_id = &play->record.run.run_id;
	WfWindow window;
	WfStep step;
	bool has_step;

	/* nothing that the transaction had written, or was to write, is there */
	AbortOutOfAnyTransaction();
	wf_play_take_back(play);
	/* who ends the process does not wait for a standby */
	synchronous_commit = SYNCHRONOUS_COMMIT_OFF;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	has_step = make_record(executor, &step);
	wf_window_open(&window);
	if (has_step && step.ordinal <= play->record.nsteps)
		wf_step_update(run_id, &step);
	wf_strike_lost(run_id);
	wf_window_close(&window);
	if (has_step && step.ordinal > play->record.nsteps)
		wf_step_insert(run_id, &step);
	CommitTransactionCommand();
}

/* Before locks, transactions and shared memory are given up. */
static void
at_exit(int code, Datum arg)
{
	WfExecutor *executor = (WfExecutor *) DatumGetPointer(arg);

	if (code == 0 || executor->cell == NULL ||
		!executor->slot->in_user_code || !PostmasterIsAlive())
		return;
	executor->slot->in_user_code = false;
	write_loss(executor);
}

void
wf_loss_init(WfExecutor *executor)
{
	before_shmem_exit(at_exit, PointerGetDatum(executor));
}
