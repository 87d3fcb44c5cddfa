/*
 * exec_check.c
 *		Replaying a run with another body, to see whether it would break.
 *
 * It is done inside the body of a run of its own (see store/check.h), so in an
 * executor of the run's owner, in a read-only subtransaction that is rolled
 * back.  The run that is checked may go on meanwhile: what had been recorded
 * when it was read is what counts, and nothing of it is written.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "base/spi.h"
#include "core/state.h"
#include "worker/exec_turn.h"

/* Reads run and record; false when there is nothing to check any more. */
static bool
load(WfExec *exec, const pg_uuid_t *run_id, int32 body_id)
{
	WfWindow window;
	char *name;

	if (!wf_run_load(run_id, NULL, exec->run_cxt, &exec->run) ||
		wf_run_is_final(exec->run.state) || exec->run.end_state != '\0')
		return false;
	name = GetUserNameFromId(GetUserId(), false);
	if (exec->run.owner != GetUserId() ||
		strcmp(exec->run.owner_name, name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to check a run of \"%s\"",
						exec->run.owner_name),
				 errdetail("Runs are checked as their owner only.")));

	wf_window_open(&window);
	exec->nsteps =
		wf_step_load_all(run_id, exec->run_cxt, &exec->steps, &exec->nalloc);
	wf_window_close(&window);
	wf_load_check_state(exec);
	exec->records = MemoryContextAllocHuge(
		exec->run_cxt, mul_size(exec->nalloc, sizeof(WfRecorded)));
	for (int i = 0; i < exec->nsteps; i++)
		exec->records[i] = exec->steps[i].match;
	exec->run.body_id = body_id;
	return true;
}

/* False when the body cannot be called at all: exec->error. */
static bool
prepare(WfExec *exec)
{
	MemoryContext save_context = CurrentMemoryContext;
	ResourceOwner save_owner = CurrentResourceOwner;
	volatile bool good = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(exec->turn_cxt);
	PG_TRY();
	{
		wf_body_prepare(exec);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		wf_exec_copy_error(exec, &exec->error);
		RollbackAndReleaseCurrentSubTransaction();
		good = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(save_context);
	CurrentResourceOwner = save_owner;
	return good;
}

static void
judge(WfExec *exec, WfReplayEnd end, WfChecked *out)
{
	switch (end)
	{
		case WF_REPLAY_WANTS:
		case WF_REPLAY_WAITS:
		case WF_REPLAY_ENDED:
		case WF_REPLAY_CONTINUES:
			out->ok = true;
			return;
		case WF_REPLAY_CANCELLED:
		case WF_REPLAY_LATER:
			ereport(ERROR,
					(errcode(ERRCODE_QUERY_CANCELED),
					 errmsg("check was interrupted")));
			break;
		case WF_REPLAY_SWALLOWED:
			memset(&exec->error, 0, sizeof(exec->error));
			strlcpy(exec->error.code, "55000", sizeof(exec->error.code));
			exec->error.message =
				"body keeps catching the error that ends its replay";
			break;
		case WF_REPLAY_ERROR:
		case WF_REPLAY_DIFFERENT:
			break;
	}
	out->ordinal = exec->asked + 1;
	out->error = exec->error;
}

static void
check(WfExec *inner, WfChecked *out)
{
	if (prepare(inner))
		judge(inner, wf_body_replay(inner, false), out);
	else
		out->error = inner->error;
}

void
wf_word_check_run(const pg_uuid_t *run_id, int32 body_id, WfChecked *out)
{
	WfExec *outer = wf_exec;
	WfExec *inner = palloc0(sizeof(WfExec));
	MemoryContext cxt = CurrentMemoryContext;

	memset(out, 0, sizeof(*out));
	inner->slot = outer->slot;
	inner->cell = outer->cell;
	inner->checks = true;
	inner->cancels_seen = outer->cancels_seen;
	inner->run_cxt = AllocSetContextCreate(cxt, "workflow run to be checked",
										   ALLOCSET_DEFAULT_SIZES);
	inner->turn_cxt =
		AllocSetContextCreate(cxt, "workflow check", ALLOCSET_DEFAULT_SIZES);
	inner->wanted_cxt = inner->asked_cxt = inner->turn_cxt;
	if (!load(inner, run_id, body_id))
	{
		out->ok = true;
		return;
	}

	wf_exec = inner;
	PG_TRY();
	{
		check(inner, out);
	}
	PG_FINALLY();
	{
		wf_exec = outer;
	}
	PG_END_TRY();
	if (inner->retire)
		pg_atomic_write_u32(&outer->slot->retire, 1);
	wf_user_code_begin(outer, outer->nsteps + 1, 0);
}
