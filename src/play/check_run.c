/*
 * check_run.c
 *		Replaying a run with another body, to see whether it would break.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "play/check_run.h"
#include "play/error.h"
#include "play/player.h"
#include "play/sanity.h"
#include "play/version.h"

/* Reads run and record; false when there is nothing to check any more. */
static bool
load(WfPlay *play, const pg_uuid_t *run_id, int32 body_id)
{
	WfRun *run = &play->record.run;
	char *name;

	if (!wf_run_load(run_id, NULL, play->record.cxt, run) ||
		wf_run_is_final(run->state) || run->end_state != '\0')
		return false;
	name = GetUserNameFromId(GetUserId(), false);
	if (run->owner != GetUserId() || strcmp(run->owner_name, name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to check a run of \"%s\"",
						run->owner_name),
				 errdetail("Runs are checked as their owner only.")));

	wf_record_load(&play->record, run_id, true);
	wf_sanity_check(play);
	run->body_id = body_id;
	return true;
}

/* False when the body cannot be called at all: *error. */
static bool
prepare(WfPlay *play, WfError *error)
{
	MemoryContext save_context = CurrentMemoryContext;
	ResourceOwner save_owner = CurrentResourceOwner;
	volatile bool good = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(play->scratch);
	PG_TRY();
	{
		wf_version_prepare(play);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		wf_error_take(play->record.cxt, error);
		RollbackAndReleaseCurrentSubTransaction();
		good = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(save_context);
	CurrentResourceOwner = save_owner;
	return good;
}

static void
judge(WfPlay *play, WfReplayEnd end, WfChecked *out)
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
			wf_player_set_swallowed(&play->replay.error);
			break;
		case WF_REPLAY_ERROR:
		case WF_REPLAY_DIFFERENT:
			break;
	}
	out->ordinal = play->replay.asked + 1;
	out->error = play->replay.error;
}

void
wf_check_run(const pg_uuid_t *run_id, int32 body_id, WfChecked *out)
{
	WfPlay *outer = wf_playing;
	WfPlay *inner = palloc0(sizeof(WfPlay));
	WfHost *host = outer->host;

	memset(out, 0, sizeof(*out));
	wf_play_init(inner, host, CurrentMemoryContext);
	inner->checks = true;
	if (!load(inner, run_id, body_id))
	{
		out->ok = true;
		return;
	}

	wf_playing = inner;
	PG_TRY();
	{
		if (prepare(inner, &out->error))
			judge(inner, wf_player_replay(inner, false), out);
	}
	PG_FINALLY();
	{
		wf_playing = outer;
	}
	PG_END_TRY();
	/* the outer body goes on; a crash is the fault of its run */
	host->enter(host, &outer->record.run.run_id, outer->record.nsteps + 1, 0);
}
