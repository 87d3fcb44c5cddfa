/*
 * trouble.c
 *		What an ERROR in a turn means.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/errors.h"
#include "executor/announce.h"
#include "executor/ending.h"
#include "executor/settle.h"
#include "executor/step.h"
#include "executor/trouble.h"
#include "executor/user_code.h"
#include "executor/write.h"
#include "ipc/shortage.h"
#include "ipc/stats.h"
#include "play/error.h"

/* how long a run that the engine could not load or record is left alone */
#define WF_TROUBLE_DELAY_USEC (2 * USECS_PER_SEC)

/* ---- the step ---- */

static void
count(const WfExecutor *executor, WfCounter counter)
{
	wf_stats_add(MyDatabaseId, executor->play.record.run.workflow_id, counter,
				 1);
}

static void
set_timed_out(WfError *error, const WfPolicy *policy)
{
	memset(error, 0, sizeof(*error));
	strlcpy(error->code, "WF003", sizeof(error->code));
	error->message = "step timed out";
	if (wf_step_timeout(policy) > 0)
		error->detail = psprintf("It did not end within %.3f s.",
								 wf_step_timeout(policy) / 1000000.0);
}

/*
 * The statement was cancelled from outside, such as by pg_cancel_backend().  As
 * 57014 the error would pass by a handler WHEN OTHERS of the body.
 */
static void
set_interrupted(WfError *error)
{
	memset(error, 0, sizeof(*error));
	strlcpy(error->code, unpack_sql_state(ERRCODE_WF_INTERRUPTED),
			sizeof(error->code));
	error->message = "step was interrupted from outside";
	error->detail =
		"Its statement was cancelled, but neither by cancel_run() nor by a time-out.";
}

/* An attempt of the step failed with this error.  What comes next? */
static WfNext
judge_step_error(WfExecutor *executor, WfError *error)
{
	WfPlay *play = &executor->play;
	WfWanted *wanted = &play->wanted;
	WfFailed *failed = &executor->failed;
	WfPolicy policy;
	WfStep step;
	bool cancelled = strcmp(error->code, "57014") == 0;

	if (wf_user_code_is_asked(executor))
	{
		executor->failed.interrupted = true;
		return WF_NEXT_SETTLE;
	}

	wf_play_policy(play, &policy);
	if (cancelled && executor->timed_out)
		set_timed_out(error, &policy);
	/* a cancel that was meant for the run before this one */
	else if (cancelled && !policy.at_most_once &&
			 wf_user_code_cancel_is_stale(executor))
		return WF_NEXT_STEP;
	else if (cancelled)
		set_interrupted(error);

	wf_play_fill_step(play, &policy, &step);
	failed->error = *error;
	failed->verdict =
		wf_policy_judge(&policy, error->code, step.attempt, step.free_retries);
	if (wanted->permanent && failed->verdict != WF_VERDICT_EXHAUSTED)
		failed->verdict = WF_VERDICT_PERMANENT;
	count(executor, WF_COUNT_STEP_FAILURES);
	if (failed->verdict == WF_VERDICT_RETRY ||
		failed->verdict == WF_VERDICT_FREE_RETRY)
		count(executor, WF_COUNT_RETRIES);
	return WF_NEXT_FAILURE;
}

/* ---- the engine ---- */

static void
leave_for_later(WfTurn *turn)
{
	memset(turn, 0, sizeof(*turn));
	wf_ending_leave(turn, WF_OUTCOME_LATER);
	turn->due_at = wf_clock_now() + WF_TROUBLE_DELAY_USEC;
}

/*
 * Many runs may have the same trouble: at most one line a second tells of it.
 * Of a shortage the scheduler tells.
 */
static void
log_trouble(WfExecutor *executor, const WfError *error)
{
	if (wf_shortage_of(error, true) != WF_SHORTAGE_NONE ||
		!wf_shortage_may_log(wf_database_find(MyDatabaseId)))
		return;
	ereport(LOG,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("workflow run %s cannot go on: %s",
					DatumGetCString(DirectFunctionCall1(
						uuid_out, UUIDPGetDatum(&executor->cell->work_id))),
					error->message)));
}

/* Parks the run; where that fails, too, it is left for later. */
static void
park(WfExecutor *executor, WfTurn *turn, const WfError *error,
	 const char *reason)
{
	WfRun *run = &executor->play.record.run;
	WfError again;

	PG_TRY();
	{
		run->run_id = executor->cell->work_id;
		run->row = NULL;
		turn->error = *error;
		StartTransactionCommand();
		wf_ending_set(executor, turn, WF_RUN_PARKED, reason);
		wf_write_turn(executor, turn);
		wf_announce_turn(executor, turn);
	}
	PG_CATCH();
	{
		wf_error_take(executor->play.record.cxt, &again);
		wf_user_code_leave(executor);
		AbortCurrentTransaction();
		leave_for_later(turn);
	}
	PG_END_TRY();
}

/*
 * The engine itself failed: not the step's fault, and no attempt of it.
 * "reason" is why the run parks, if what has failed knows one.
 */
static void
handle_trouble(WfExecutor *executor, WfTurn *turn, const WfError *error,
			   const char *reason)
{
	leave_for_later(turn);
	log_trouble(executor, error);
	if (reason == NULL && !wf_sqlstate_is_transient(error->code))
		reason = WF_REASON_ERROR;
	if (reason != NULL)
		park(executor, turn, error, reason);
}

/* ---- shortages ---- */

/* The scheduler is told what the database is short of. */
static void
tell_shortage(WfExecutor *executor, const WfError *error, bool engine)
{
	WfCell *cell = executor->cell;
	WfShortage kind = wf_shortage_of(error, engine);

	if (kind == WF_SHORTAGE_NONE || cell->engine_met)
		return;
	cell->shortage = kind;
	cell->engine_met = engine;
	if (engine)
		wf_shortage_note(error->message);
}

/*
 * The step is over, and what has failed is our own write: no attempt of it.
 * Unless it may be tried but once: then the body learns more of this error than
 * of a start without an outcome.
 */
static bool
could_not_record(WfExecutor *executor, bool writing, const WfError *error)
{
	WfPolicy policy;

	if (!writing || wf_shortage_of(error, true) == WF_SHORTAGE_NONE)
		return false;
	wf_play_policy(&executor->play, &policy);
	return !policy.at_most_once;
}

/* ---- which of them ---- */

/*
 * The step's row was there already: the run is further than the scheduler knew
 * when it called it fresh.  Load all of it.
 */
static bool
found_unknown_step(WfExecutor *executor, bool writing, const WfError *error)
{
	WfCell *cell = executor->cell;

	if (!writing || !(cell->flags & WF_ASSIGN_FRESH) ||
		strcmp(error->code, "23505") != 0)
		return false;
	cell->flags &= ~WF_ASSIGN_FRESH;
	return true;
}

/* The row that was loaded cannot be relied on. */
static bool
is_unsound(const WfPlay *play)
{
	return play->park_reason != NULL &&
		   strcmp(play->park_reason, WF_REASON_STATE) == 0;
}

/* Back to a state in which the next turn can begin. */
static void
clean_up(WfExecutor *executor)
{
	WfPlay *play = &executor->play;

	wf_user_code_stop_timer();
	wf_user_code_leave(executor);
	play->place = WF_PLACE_ENGINE;
	AbortCurrentTransaction();
	MemoryContextSwitchTo(play->record.cxt);
	wf_settle_session();
	wf_play_take_back(play);
	executor->aborted = true;
}

void
wf_trouble_handle(WfExecutor *executor, WfTurn *turn)
{
	WfTurn was = *turn;
	WfError error;
	bool in_step = was.where == WF_IN_STEP;

	wf_error_take(executor->play.record.cxt, &error);
	clean_up(executor);
	memset(turn, 0, sizeof(*turn));
	if (in_step && could_not_record(executor, was.writing, &error))
		in_step = false;
	tell_shortage(executor, &error, !in_step);

	if (found_unknown_step(executor, was.writing, &error) ||
		(was.gone && executor->reloads++ == 0))
		turn->next = WF_NEXT_LOAD;
	else if (was.gone)
		handle_trouble(executor, turn, &error, executor->play.park_reason);
	else if (in_step)
		turn->next = judge_step_error(executor, &error);
	else if (wf_user_code_is_asked(executor) &&
			 executor->play.record.run.workflow_id != 0 &&
			 !is_unsound(&executor->play))
		turn->next = WF_NEXT_SETTLE;
	else
		handle_trouble(executor, turn, &error, executor->play.park_reason);
}
