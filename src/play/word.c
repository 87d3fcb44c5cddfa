/*
 * word.c
 *		What the words of a body ask of the run.
 *
 * The words that make calls work only while the current user is the run's
 * owner and no SECURITY DEFINER function is on the stack: the step they ask
 * for will run as the owner, so a function that runs as somebody else must
 * not be able to put words into the owner's mouth.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/compat.h"
#include "play/chunk.h"
#include "play/fingerprint.h"
#include "play/play.h"
#include "play/word.h"

/* a body that catches our unwinding so often will not stop by itself */
#define WF_MAX_SWALLOWED 100

bool
wf_word_has_run(void)
{
	return wf_playing != NULL;
}

bool
wf_word_runs(const pg_uuid_t *run_id)
{
	return wf_playing != NULL &&
		   memcmp(&wf_playing->record.run.run_id, run_id, UUID_LEN) == 0;
}

void
wf_word_vouched(Oid owner, Oid *role, const char **name)
{
	const WfRun *run;

	if (wf_playing == NULL)
		return;
	run = &wf_playing->record.run;
	if (run->run_as_by_name == NULL || run->owner != owner)
		return;
	*role = run->run_as_by;
	*name = run->run_as_by_name;
}

void
wf_word_check(const char *word, WfWordPlace place)
{
	Oid user;
	int sec_context;

	if (wf_playing == NULL || wf_playing->place == WF_PLACE_ENGINE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("workflow.%s() can only be called while a workflow runs",
						word),
				 errhint("Call it in the body of a workflow. Start that with workflow.enqueue_workflow(), or try it here with workflow.try_workflow().")));
	if (wf_playing->place == WF_PLACE_STEP && place == WF_WORD_IN_RUN)
		return;

	if (wf_playing->place == WF_PLACE_STEP)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("workflow.%s() cannot be called inside a step", word),
				 errhint("Call it in the body, or let the step do the work itself.")));
	GetUserIdAndSecContext(&user, &sec_context);
	if (user != wf_playing->record.run.owner ||
		(sec_context & SECURITY_LOCAL_USERID_CHANGE) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("workflow.%s() can only be called as the run's owner",
						word),
				 errdetail("The current user is \"%s\", or a SECURITY DEFINER function is running.",
						   GetUserNameFromId(user, false)),
				 errhint("Call it in the body itself, and the SECURITY DEFINER function in a step.")));
}

/*
 * Hidden workflows have negative ids, which no definition of a user gets, and
 * one body each with the same number.
 */
void
wf_word_check_engine(const char *word, int32 body_id)
{
	const WfPlay *play = wf_playing;

	wf_word_check(word, WF_WORD_IN_BODY);
	if (play->host->in_session || play->checks ||
		play->record.run.body_id != body_id ||
		play->record.run.workflow_id != body_id)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("_workflow.%s() can only be called by the engine",
						word),
				 errdetail("It is the body of runs that the engine makes for itself."),
				 errhint("Use the functions of schema \"workflow\".")));
}

/* ---- leaving the body ---- */

WF_NORETURN static void
unwind(WfReplay *replay)
{
	replay->unwinding = true;

	if (replay->swallowed++ >= WF_MAX_SWALLOWED)
	{
		replay->stuck = true;
		PG_exception_stack = replay->way_out;
		siglongjmp(*PG_exception_stack, 1);
	}

	/* nobody will read the context lines, so spare the work of making them */
	error_context_stack = NULL;
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg_internal("the workflow waits for a call"),
			 errdetail_internal("This ends the present replay of the body and must not be caught.")));
	pg_unreachable();
}

/* The body has to end already, or somebody wants it to. */
static bool
is_over(WfPlay *play)
{
	return play->replay.unwinding || play->host->is_interrupted(play->host);
}

void
wf_word_stop_if_over(void)
{
	if (is_over(wf_playing))
		unwind(&wf_playing->replay);
}

/* Notes that the body hears of the failure of a call. */
static void
note_heard(WfPlay *play, const WfStep *step)
{
	WfReplay *replay = &play->replay;
	MemoryContext old;

	if (step->given)
		return;
	old = MemoryContextSwitchTo(play->record.cxt);
	replay->heard = lappend_int(replay->heard, step->ordinal);
	replay->heard = lappend_int(replay->heard, replay->asked);
	MemoryContextSwitchTo(old);
}

WF_NORETURN static void
raise_recorded(WfPlay *play, const WfStep *step)
{
	const WfError *error = &step->error;

	play->replay.raised_step = step->ordinal;
	note_heard(play, step);
	ereport(ERROR,
			(errcode(MAKE_SQLSTATE(error->code[0], error->code[1],
								   error->code[2], error->code[3],
								   error->code[4])),
			 errmsg_internal("%s", error->message ? error->message : ""),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
	pg_unreachable();
}

/* The body cannot go on before this record has an outcome. */
WF_NORETURN static void
block(WfReplay *replay, int ordinal)
{
	replay->blocked = true;
	replay->blocked_on = ordinal;
	unwind(replay);
}

/* ---- calls ---- */

static void
note_difference(WfPlay *play, int ordinal, const WfCall *call)
{
	WfDifference *different = &play->replay.different;

	different->ordinal = ordinal;
	different->kind = call->kind;
	different->name = MemoryContextStrdup(play->record.cxt, call->name);
}

static void
note_wanted(WfPlay *play, int ordinal, uint64 print, const WfCall *call)
{
	wf_wanted_clear(&play->asked);
	wf_wanted_take(&play->asked, ordinal, print, call);
}

/* Room for one more. */
static WfWanted *
add_pending(WfPlay *play)
{
	WfPending *pending = &play->pending;
	WfWanted *wanted;

	if (pending->n == pending->allocated)
	{
		Size size;

		pending->allocated = Max(pending->allocated * 2, 4);
		size = pending->allocated * sizeof(WfWanted);
		pending->calls = pending->calls == NULL
							 ? MemoryContextAlloc(play->record.cxt, size)
							 : repalloc(pending->calls, size);
	}
	wanted = &pending->calls[pending->n];
	wanted->cxt = pending->cxt;
	return wanted;
}

/*
 * A call that only starts something, without any user code: the body can go
 * on, and many such calls take one replay.  What there is in memory of its
 * record is replaced when the replay is over.
 */
static bool
note_started(WfPlay *play, int ordinal, uint64 print, const WfCall *call)
{
	WfWanted *wanted;
	WfStep step = {.ordinal = ordinal};

	if (play->pending.cxt == NULL || !call->starts || !call->kind->is_plain ||
		ordinal <= play->record.nsteps ||
		play->pending.n == WF_MAX_TURN_WRITES)
		return false;
	wanted = add_pending(play);
	wf_wanted_take(wanted, ordinal, print, call);
	step.match.kind = call->kind->letter;
	step.match.state = WF_STEP_WAITING;
	step.match.fingerprint = print;
	step.match.name = wanted->name;
	step.started_at = wanted->started_at;
	wf_record_put(&play->record, &step);
	play->pending.n++;
	return true;
}

/* A call that is done by being made: the body need not be left for it. */
static void
record_at_once(WfPlay *play, int ordinal, uint64 print, const WfCall *call)
{
	MemoryContext old = MemoryContextSwitchTo(play->record.cxt);
	WfStep step = {.ordinal = ordinal, .attempt = 1};

	if (ordinal <= play->record.nsteps)
		step.attempt += play->record.steps[ordinal - 1].attempt;
	step.match.kind = call->kind->letter;
	step.match.state = WF_STEP_DONE;
	step.match.fingerprint = print;
	step.match.name = pstrdup(call->name);
	step.command = pstrdup(call->command);
	step.result = DatumGetJsonbPCopy(JsonbPGetDatum(call->outcome));
	step.started_at = step.finished_at = Max(wf_clock_now(), play->replay.now);
	wf_record_write(&play->record, &step);
	MemoryContextSwitchTo(old);
}

const WfStep *
wf_word_call(const WfCall *call)
{
	WfPlay *play = wf_playing;
	WfReplay *replay = &play->replay;
	int ordinal = replay->asked + 1;
	uint64 print;
	const WfStep *step;

	if (is_over(play))
		unwind(replay);

	print = wf_fingerprint_call(call);
	switch (wf_replay_match(play->record.matches, play->record.nsteps, ordinal,
							call->kind->letter, call->name, print))
	{
		case WF_MATCH_DIFFERENT:
			note_difference(play, ordinal, call);
			unwind(replay);
		case WF_MATCH_WANTED:
			if (call->outcome != NULL && play->pending.n == 0)
			{
				record_at_once(play, ordinal, print, call);
				break;
			}
			if (note_started(play, ordinal, print, call))
				break;
			note_wanted(play, ordinal, print, call);
			unwind(replay);
		case WF_MATCH_WAITING:
			if (!call->starts)
			{
				replay->max_parallel = call->max_parallel;
				replay->collects = call->collects;
				block(replay, ordinal);
			}
			break;
		case WF_MATCH_RECORDED:
			break;
	}

	replay->asked = ordinal;
	replay->derived = 0;
	step = &play->record.steps[ordinal - 1];
	/* a call that was only started may or may not have ended by now */
	replay->now =
		Max(replay->now, call->starts ? step->started_at : step->finished_at);
	if (step->match.state == WF_STEP_FAILED && !call->starts)
		raise_recorded(play, step);
	return step;
}

const WfStep *
wf_word_await(int ordinal)
{
	WfPlay *play = wf_playing;
	WfReplay *replay = &play->replay;
	const WfStep *step = &play->record.steps[ordinal - 1];

	Assert(ordinal > 0 && ordinal <= replay->asked);
	wf_word_stop_if_over();
	if (step->match.state == WF_STEP_WAITING)
		block(replay, ordinal);
	replay->now = Max(replay->now, step->finished_at);
	if (step->match.state == WF_STEP_FAILED)
		raise_recorded(play, step);
	return step;
}

const WfStep *
wf_word_recorded(int ordinal)
{
	if (ordinal < 1 || ordinal > wf_playing->replay.asked)
		return NULL;
	return &wf_playing->record.steps[ordinal - 1];
}

/* ---- words that make no call ---- */

void
wf_word_continue(const Jsonb *input)
{
	WfPlay *play = wf_playing;
	WfReplay *replay = &play->replay;

	if (!is_over(play))
	{
		replay->continues =
			MemoryContextAlloc(play->record.cxt, VARSIZE(input));
		memcpy(replay->continues, input, VARSIZE(input));
	}
	unwind(replay);
}

/*
 * A replay comes past what was said before: what counts is what is said last
 * in the order of the body.
 */
void
wf_word_progress(const Jsonb *progress)
{
	WfPlay *play = wf_playing;
	int place = play->place == WF_PLACE_STEP ? 2 * play->wanted.ordinal
											 : 2 * play->replay.asked + 1;

	if (play->checks ||
		(play->place == WF_PLACE_BODY && play->replay.unwinding) ||
		place < play->progress_place)
		return;
	play->progress_place = place;
	play->host->show_progress(play->host, progress);
}

/* ---- what a run knows of itself ---- */

const pg_uuid_t *
wf_word_run_id(void)
{
	const WfRun *run = &wf_playing->record.run;

	return wf_run_is_chunk(run) ? &run->parent_run_id : &run->run_id;
}

const pg_uuid_t *
wf_word_seed(void)
{
	return &wf_playing->record.run.seed;
}

/* In a chunk the parent's ordinal counts, and the number of the item. */
char *
wf_word_key(void)
{
	const WfRun *run = &wf_playing->record.run;
	char *id = DatumGetCString(
		DirectFunctionCall1(uuid_out, UUIDPGetDatum(wf_word_run_id())));
	int32 number;

	if (!wf_run_is_chunk(run))
		return psprintf("%s/%d", id, wf_word_ordinal());
	number = wf_chunk_number(run, wf_word_ordinal());
	if (number == 0)
		return psprintf("%s/%d", id, run->parent_ordinal);
	return psprintf("%s/%d/%d", id, run->parent_ordinal, number);
}

bool
wf_word_is_new(void)
{
	return wf_playing->replay.asked >= wf_playing->record.nsteps;
}

int
wf_word_ordinal(void)
{
	return wf_playing->replay.asked + 1;
}

int
wf_word_attempt(void)
{
	const WfPlay *play = wf_playing;
	const WfStep *before;

	if (play->place != WF_PLACE_STEP)
		return play->record.run.body_attempts + 1;
	if (play->record.nsteps < play->wanted.ordinal)
		return 1;
	before = &play->record.steps[play->wanted.ordinal - 1];
	return before->attempt + (before->match.state != WF_STEP_STARTED);
}

TimestampTz
wf_word_now(void)
{
	return wf_playing->replay.now;
}

TimestampTz
wf_word_wait_start(void)
{
	return wf_playing->host->in_session ? wf_playing->replay.now
										: wf_clock_now();
}

uint32
wf_word_counter(void)
{
	return wf_playing->replay.derived++;
}
