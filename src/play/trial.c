/*
 * trial.c
 *		One run played in the caller's process and transaction.
 *
 * The body is replayed after each of its calls, as an executor does it, so a
 * body that is not deterministic is seen here as well.  What is different:
 *
 *	- a step is a subtransaction, and what it leaves in the session stays
 *	- retries come at once, and are few
 *	- a call that waits has its outcome at once (trial_call.h)
 *	- calls with which a body does several things at a time are done one after
 *	  another, when they are asked for, so an await never has to wait
 *	- children are played in place, unless they are answered; their calls are
 *	  told to nobody
 *	- run_as, limits of queues, time-outs and crashes are not played
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/entropy.h"
#include "play/calls.h"
#include "play/player.h"
#include "play/trial.h"
#include "play/trial_call.h"
#include "play/version.h"

/* children of children; one that starts itself would never end */
#define MAX_DEPTH 10

/* so often a child may go on as a new run */
#define MAX_CONTINUED 100

/* ---- the host ---- */

/* Interrupts of the session are the session's business. */
static void
enter(WfHost *host, const pg_uuid_t *run_id, int ordinal, int attempt)
{
}

static void
leave(WfHost *host, bool marked)
{
}

/* What the caller's session holds is the caller's. */
static void
clean(WfHost *host)
{
}

static bool
is_interrupted(WfHost *host)
{
	return false;
}

static WfOutside
came(WfHost *host, bool interrupted, const char *code)
{
	return WF_OUTSIDE_NOTHING;
}

/* No replay of a trial is bounded. */
static void
start_timer(WfHost *host, int64 usec)
{
	Assert(false);
}

static void
stop_timer(WfHost *host)
{
}

/* See end_session(). */
static void
retire(WfHost *host)
{
}

static void
show_progress(WfHost *host, const Jsonb *progress)
{
}

static const WfHost session = {
	.in_session = true,
	.then_retry = "",
	.path_action = GUC_ACTION_SAVE,
	.enter = enter,
	.leave = leave,
	.clean = clean,
	.is_interrupted = is_interrupted,
	.came = came,
	.start_timer = start_timer,
	.stop_timer = stop_timer,
	.retire = retire,
	.show_progress = show_progress,
};

/* ---- a run ---- */

static void play_run(WfRun *run, WfTrial *parent, WfTrialNote note, void *arg,
					 WfTrialEnd *end);

/* A child that goes on as a new run is played on. */
static void
play_child(WfTrial *trial, const char *workflow, Jsonb *input, WfTrialEnd *end)
{
	for (int i = 0; i < MAX_CONTINUED; i++)
	{
		WfRun run = {0};

		trial->find(workflow, &run);
		run.input = input;
		play_run(&run, trial, NULL, NULL, end);
		if (!end->continues)
			return;
		input = end->result;
	}
	ereport(ERROR,
			(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
			 errmsg("child of workflow \"%s\" goes on too often", workflow),
			 errdetail("workflow.try_workflow() plays %d runs in a row.",
					   MAX_CONTINUED),
			 errhint("Give it its result in answers.")));
}

static void
begin_trial(WfTrial *trial, WfRun *run)
{
	WfPlay *play = &trial->play;
	WfRecord *record = &play->record;

	run->owner = GetUserId();
	run->owner_name = GetUserNameFromId(run->owner, false);
	run->origin = 0;
	run->state = WF_RUN_QUEUED;
	run->enqueued_at = run->run_at = wf_clock_now();
	run->deadline_at = DT_NOEND;
	wf_entropy_seed(&run->seed);

	trial->host = session;
	trial->play_child = play_child;
	wf_play_init(play, &trial->host, CurrentMemoryContext);
	record->run = *run;
	wf_record_load(record, &run->run_id, false);
}

/*
 * Its handlers cannot be told to stop: what is left of them on the stack makes
 * the process as unsafe as it makes an executor, which ends for that reason.
 */
static void
end_session(void)
{
	ereport(FATAL,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("body keeps catching the error that ends its replay"),
			 errdetail("It cannot be left without harm to the session."),
			 errhint("Let errors of class QUERY_CANCELED through.")));
}

/* Tells of what was recorded since the last time. */
static void
note_calls(WfTrial *trial, WfTrialNote note, void *arg)
{
	WfPlay *play = &trial->play;

	for (; trial->noted < play->record.nsteps; trial->noted++)
	{
		if (note != NULL)
			note(arg, &play->record.steps[trial->noted]);
	}
	play->record.nwrites = 0;
}

/* The call that the body asked for gets its outcome. */
static void
play_call(WfTrial *trial, WfStep *step)
{
	const WfCallKind *kind = trial->play.asked.kind;

	if (kind->play_in_trial == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("workflow.try_workflow() cannot play a %s",
						kind->word),
				 errhint("Enqueue the workflow to see it run.")));
	kind->play_in_trial(trial, step);
	step->finished_at = wf_trial_call_now(trial);
}

/* True when the body is to be replayed once more. */
static bool
play_on(WfTrial *trial, WfTrialNote note, void *arg, WfTrialEnd *end)
{
	WfPlay *play = &trial->play;
	WfStep step = {0};
	WfReplayEnd came_to;

	CHECK_FOR_INTERRUPTS();
	MemoryContextReset(play->scratch);
	/* a step may have changed the body, or what it rests on */
	wf_version_prepare(play);
	came_to = wf_player_replay(play, false);
	note_calls(trial, note, arg);
	switch (came_to)
	{
		case WF_REPLAY_CONTINUES:
			end->continues = true;
			end->result = play->replay.continues;
			return false;
		case WF_REPLAY_WANTS:
			play_call(trial, &step);
			if (trial->stopped && step.error.code[0] == '\0')
				break;
			wf_record_put(&play->record, &step);
			note_calls(trial, note, arg);
			if (trial->stopped)
				break;
			return true;
		case WF_REPLAY_ENDED:
			end->result = play->replay.result;
			return false;
		case WF_REPLAY_ERROR:
			wf_trial_call_raise(&play->replay.error);
			trial->error = play->replay.error;
			break;
		case WF_REPLAY_DIFFERENT:
			trial->error = play->replay.error;
			break;
		case WF_REPLAY_SWALLOWED:
			end_session();
			break;
		case WF_REPLAY_WAITS:
		case WF_REPLAY_CANCELLED:
		case WF_REPLAY_LATER:
			elog(ERROR, "a trial neither waits nor is cancelled");
	}
	end->failed = true;
	end->error = trial->error;
	return false;
}

/* Plays a run to its end; what "parent" has for its trial is taken over. */
static void
play_run(WfRun *run, WfTrial *parent, WfTrialNote note, void *arg,
		 WfTrialEnd *end)
{
	WfTrial *trial = palloc0(sizeof(WfTrial));
	WfPlay *outer = wf_playing;
	int nest = NewGUCNestLevel();

	memset(end, 0, sizeof(*end));
	trial->answers = parent->answers;
	trial->find = parent->find;
	trial->depth = parent->depth + 1;
	trial->ahead = parent->ahead;
	if (trial->depth > MAX_DEPTH)
		ereport(ERROR,
				(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
				 errmsg("children of children are nested too deeply"),
				 errdetail("workflow.try_workflow() plays %d levels.",
						   MAX_DEPTH),
				 errhint("Give one of them its result in answers.")));
	begin_trial(trial, run);
	PG_TRY();
	{
		wf_playing = &trial->play;
		while (play_on(trial, note, arg, end))
			;
	}
	PG_FINALLY();
	{
		wf_playing = outer;
	}
	PG_END_TRY();
	AtEOXact_GUC(false, nest);
	/* as long as it took, its parent has waited */
	parent->ahead = trial->ahead;
}

void
wf_trial_play(WfRun *run, Jsonb *answers, WfTrialFind find, WfTrialNote note,
			  void *arg, WfTrialEnd *end)
{
	WfTrial nobody = {0};

	nobody.answers = wf_answers_make(answers);
	nobody.find = find;
	play_run(run, &nobody, note, arg, end);
	if (!end->failed)
		wf_answers_check_used(nobody.answers);
}
