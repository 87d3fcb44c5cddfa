/*
 * player.c
 *		One replay of a body.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/text.h"
#include "play/calls.h"
#include "play/chunk_body.h"
#include "play/error.h"
#include "play/player.h"
#include "play/version.h"

/* ---- the call of the body ---- */

static void
take_result(WfPlay *play, Datum value)
{
	struct varlena *packed = PG_DETOAST_DATUM(value);

	if (VARSIZE(packed) > (int64) wf_max_payload * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("result of the workflow is too large"),
				 errdetail("It has %zu bytes, workflow.max_payload allows %d kB.",
						   (size_t) VARSIZE(packed), wf_max_payload)));
	play->replay.result =
		MemoryContextAlloc(play->record.cxt, VARSIZE(packed));
	memcpy(play->replay.result, packed, VARSIZE(packed));
}

static void
call_body(WfPlay *play)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum value;

	InitFunctionCallInfoData(*fcinfo, wf_version_function(play->version), 1,
							 InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(play->record.run.input);
	fcinfo->args[0].isnull = false;
	if (wf_run_is_chunk(&play->record.run))
	{
		value = PointerGetDatum(wf_chunk_body_run(play));
		fcinfo->isnull = DatumGetPointer(value) == NULL;
	}
	else
		value = FunctionCallInvoke(fcinfo);

	play->replay.result = NULL;
	if (!fcinfo->isnull)
		take_result(play, value);
}

/* ---- what its end means ---- */

static void
set_different(WfError *error, char *detail)
{
	wf_error_set(error, ERRCODE_WF_NONDETERMINISTIC,
				 "body is not deterministic", detail);
	error->hint = pstrdup(
		"Read what a branch or loop depends on in a step. After repair of the body call workflow.retry_run().");
}

/* The body has asked for another call than the one recorded. */
static void
set_difference(WfPlay *play)
{
	const WfDifference *asked = &play->replay.different;
	const WfRecorded *recorded = &play->record.matches[asked->ordinal - 1];
	const char *word = asked->kind->word;
	char *detail;

	if (recorded->kind == asked->kind->letter &&
		strcmp(recorded->name, asked->name) == 0)
		detail = psprintf(
			"At ordinal %d %s \"%s\" was recorded; this replay asked for the same %s with another command or other arguments.",
			asked->ordinal, word, asked->name, word);
	else
		detail = psprintf(
			"At ordinal %d %s \"%s\" was recorded; this replay asked for %s \"%s\".",
			asked->ordinal, wf_calls_get(recorded->kind)->word, recorded->name,
			word, asked->name);
	set_different(&play->replay.error, detail);
}

/* The body ended before it asked for this call, which is recorded. */
static void
set_leftover(WfPlay *play, int ordinal, bool raised)
{
	const WfRecorded *recorded = &play->record.matches[ordinal - 1];
	WfError *error = &play->replay.error;
	char *end = play->replay.continues ? "continued as new"
				: raised ? psprintf("ended with error %s (%s)", error->code,
									wf_text_clip(error->message, WF_MAX_SIDE))
						 : "returned";

	set_different(
		error,
		psprintf(
			"Recorded is %s %d, \"%s\"; this replay %s without asking for it.",
			wf_calls_get(recorded->kind)->word, ordinal, recorded->name, end));
}

/*
 * What the end of the body means.  "raised": replay.error holds what it
 * raised, unless it was only unwinding.
 */
static WfReplayEnd
judge_end(WfPlay *play, bool raised)
{
	const WfReplay *replay = &play->replay;
	bool continues = replay->continues != NULL;
	int leftover;

	if (replay->different.ordinal != 0)
	{
		set_difference(play);
		return WF_REPLAY_DIFFERENT;
	}
	if (replay->blocked)
		return WF_REPLAY_WAITS;
	if (replay->unwinding && !continues)
		return WF_REPLAY_WANTS;
	if (raised && !continues && wf_policy_retries_body(replay->error.code))
		return WF_REPLAY_ERROR;

	leftover = wf_replay_leftover(play->record.matches, play->record.nsteps,
								  replay->asked);
	if (leftover > 0)
	{
		set_leftover(play, leftover, raised);
		return WF_REPLAY_DIFFERENT;
	}
	if (continues)
		return WF_REPLAY_CONTINUES;
	return raised ? WF_REPLAY_ERROR : WF_REPLAY_ENDED;
}

/* The same, unless something has come from outside. */
static WfReplayEnd
judge(WfPlay *play, bool raised, bool interrupted)
{
	WfReplay *replay = &play->replay;
	MemoryContext old;
	WfReplayEnd end;

	if (raised && strcmp(replay->error.code, "25006") == 0 &&
		replay->error.hint == NULL)
		replay->error.hint =
			"A body is read-only and is replayed: write in a workflow.step().";
	if (replay->stuck)
	{
		play->host->retire(play->host);
		return WF_REPLAY_SWALLOWED;
	}
	switch (play->host->came(play->host, interrupted,
							 raised ? replay->error.code : NULL))
	{
		case WF_OUTSIDE_CANCEL:
			return WF_REPLAY_CANCELLED;
		case WF_OUTSIDE_AGAIN:
			return WF_REPLAY_LATER;
		case WF_OUTSIDE_NOTHING:
			break;
	}
	old = MemoryContextSwitchTo(play->record.cxt);
	end = judge_end(play, raised);
	MemoryContextSwitchTo(old);
	return end;
}

void
wf_player_set_swallowed(WfError *error)
{
	memset(error, 0, sizeof(*error));
	strlcpy(error->code, "55000", sizeof(error->code));
	error->message = "body keeps catching the error that ends its replay";
}

/* ---- replaying ---- */

static void
begin(WfPlay *play, bool bounded)
{
	const WfRun *run = &play->record.run;
	WfHost *host = play->host;

	list_free(play->replay.heard);
	play->replay = (WfReplay){.now = Max(run->enqueued_at, run->run_at)};
	play->place = WF_PLACE_BODY;
	BeginInternalSubTransaction(NULL);
	XactReadOnly = true;
	MemoryContextSwitchTo(play->scratch);
	PushActiveSnapshot(GetTransactionSnapshot());
	host->enter(host, play->checks ? NULL : &run->run_id,
				play->record.nsteps + 1, 0);
	if (bounded)
		host->start_timer(host, WF_BOUNDED_REPLAY_USEC);
}

/* Calls the body; true when it has raised something. */
static bool
run_body(WfPlay *play)
{
	volatile bool raised = false;

	PG_TRY();
	{
		play->replay.way_out = PG_exception_stack;
		call_body(play);
	}
	PG_CATCH();
	{
		raised = true;
		if (play->replay.unwinding)
			FlushErrorState();
		else
			wf_error_take(play->record.cxt, &play->replay.error);
	}
	PG_END_TRY();
	play->replay.way_out = NULL;
	return raised;
}

WfReplayEnd
wf_player_replay(WfPlay *play, bool bounded)
{
	WfHost *host = play->host;
	MemoryContext save_context = CurrentMemoryContext;
	ResourceOwner save_owner = CurrentResourceOwner;
	ErrorContextCallback *save_callbacks = error_context_stack;
	int level = GetCurrentTransactionNestLevel() + 1;
	TimestampTz began_at = wf_clock_system();
	bool raised;
	bool interrupted;

	begin(play, bounded);
	raised = run_body(play);

	play->place = WF_PLACE_ENGINE;
	error_context_stack = save_callbacks;
	if (bounded)
		host->stop_timer(host);
	play->replay.slow = wf_clock_system() - began_at >= WF_BOUNDED_REPLAY_USEC;
	interrupted = host->is_interrupted(host);
	host->leave(host, !play->checks);
	while (GetCurrentTransactionNestLevel() >= level)
		RollbackAndReleaseCurrentSubTransaction();
	host->clean(host);
	MemoryContextSwitchTo(save_context);
	CurrentResourceOwner = save_owner;
	return judge(play, raised, interrupted);
}
