/*
 * try.c
 *		One run played in the caller's process and transaction.
 *
 * The body is replayed after each of its calls, as an executor does it, so a
 * body that is not deterministic is seen here as well.  What is different:
 *
 *	- a step is a subtransaction, and what it leaves in the session stays
 *	- retries come at once, and are MAX_ATTEMPTS at most
 *	- a call that waits has its outcome at once: from the clock of the run,
 *	  which sleeps move on, or from answers
 *	- run_as, limits of queues, time-outs and crashes are not played
 *
 * Each kind of call has one function that plays it and fills in the record.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/clock.h"
#include "base/entropy.h"
#include "base/json.h"
#include "core/state.h"
#include "store/definition.h"
#include "worker/exec_turn.h"
#include "worker/try.h"
#include "worker/try_answers.h"
#include "worker/try_player.h"

/* of a step; nobody wants to see it fail 25 times */
#define MAX_ATTEMPTS 3
/* children of children; one that starts itself would never end */
#define MAX_DEPTH	 10

/* ---- errors ---- */

/* What ends the statement of the caller is not for the run to handle. */
static void
raise_if_cancelled(const WfError *error)
{
	if (strcmp(error->code, "57014") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg_internal("%s", error->message)));
}

/* There is nothing that could come: the run ends, and says what is missing. */
static void
stop_without_answer(WfTrial *trial, const WfWanted *asked)
{
	WfError *error = &trial->exec.error;

	memset(error, 0, sizeof(*error));
	strlcpy(error->code, "22023", sizeof(error->code));
	error->message = psprintf("no answer for %s \"%s\"",
							  wf_call_word(asked->kind), asked->name);
	error->hint = psprintf(
		"Pass one more in answers, for instance '{\"%s\": {\"a\": 1}}'; an array has one for each call.",
		asked->name);
	trial->stopped = true;
}

/* ---- calls ---- */

static TimestampTz
trial_now(const WfTrial *trial)
{
	return wf_clock_now() + trial->ahead;
}

/* The record of a call that is not a step, without an outcome. */
void
wf_trial_begin_record(WfTrial *trial, WfStep *step)
{
	const WfWanted *asked = &trial->exec.asked_for;

	memset(step, 0, sizeof(*step));
	step->ordinal = asked->ordinal;
	step->match.kind = asked->kind;
	step->match.state = WF_STEP_DONE;
	step->match.fingerprint = asked->fingerprint;
	step->match.name = pstrdup(asked->name);
	step->command = pstrdup(asked->command);
	step->attempt = 1;
	step->started_at = trial_now(trial);
}

/* Time passes until then. */
static void
pass_time(WfTrial *trial, TimestampTz until)
{
	TimestampTz now = trial_now(trial);

	if (until > now)
		trial->ahead += until - now;
}

static void
play_sleep(WfTrial *trial, WfStep *step)
{
	wf_trial_begin_record(trial, step);
	pass_time(trial, trial->exec.asked_for.due_at);
}

/* {"name": ..., "payload": ...}, as wait_for_signals() gives it */
static Jsonb *
named_payload(const char *name, Jsonb *payload)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	wf_json_push_key(&state, "name");
	wf_json_push_text(&state, WJB_VALUE, name);
	wf_json_push_key(&state, "payload");
	wf_json_push(&state, WJB_VALUE, payload);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/*
 * The first of the names, as the body gave them, that has an answer left; who
 * leaves one out sees the time-out, if there is one.
 */
static void
play_signal(WfTrial *trial, WfStep *step)
{
	const WfWanted *asked = &trial->exec.asked_for;
	Datum *names;
	bool *nulls;
	int n;

	wf_trial_begin_record(trial, step);
	deconstruct_array(DatumGetArrayTypeP(asked->values[0]), TEXTOID, -1, false,
					  TYPALIGN_INT, &names, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char *name = TextDatumGetCString(names[i]);
		WfAnswer answer;

		if (!wf_answers_take(trial->answers, name, true, NULL, &answer))
			continue;
		step->result =
			n == 1 ? answer.value : named_payload(name, answer.value);
		return;
	}
	if (asked->due_at == DT_NOEND)
		stop_without_answer(trial, asked);
	else
		pass_time(trial, asked->due_at);
}

/* What is done by others: each call gets what they are said to answer. */
static void
play_answered(WfTrial *trial, WfStep *step, const char *code)
{
	const WfWanted *asked = &trial->exec.asked_for;
	WfAnswer answer;

	wf_trial_begin_record(trial, step);
	if (!wf_answers_take(trial->answers, asked->name, false, code, &answer))
	{
		stop_without_answer(trial, asked);
		return;
	}
	step->result = answer.failed ? NULL : answer.value;
	step->error = answer.error;
	if (answer.failed)
		step->match.state = WF_STEP_FAILED;
}

/* One attempt, in a subtransaction; false when it failed. */
static bool
attempt_step(WfTrial *trial, WfStep *step)
{
	WfExec *exec = &trial->exec;
	MemoryContext save_context = CurrentMemoryContext;
	ResourceOwner save_owner = CurrentResourceOwner;
	volatile bool good = false;

	exec->in_step = true;
	exec->permanent = false;
	exec->derived = PG_INT32_MAX; /* as in an executor */
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(exec->turn_cxt);
	PG_TRY();
	{
		int nest = NewGUCNestLevel();

		step->result = wf_step_statement(exec, exec->run_cxt);
		AtEOXact_GUC(false, nest);
		ReleaseCurrentSubTransaction();
		good = true;
	}
	PG_CATCH();
	{
		wf_exec_copy_error(exec, &step->error);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	exec->in_step = false;
	MemoryContextSwitchTo(save_context);
	CurrentResourceOwner = save_owner;
	return good;
}

/* Attempts at exec->wanted, until it has an outcome. */
void
wf_trial_run_step(WfTrial *trial, WfStep *step)
{
	WfExec *exec = &trial->exec;
	WfPolicy policy;

	wf_turn_policy(exec, &policy);
	if (policy.max_attempts == 0 || policy.max_attempts > MAX_ATTEMPTS)
		policy.max_attempts = MAX_ATTEMPTS;
	for (;;)
	{
		WfVerdict verdict;

		CHECK_FOR_INTERRUPTS();
		wf_turn_fill_step(exec, &policy, step);
		step->match.state = WF_STEP_DONE;
		step->started_at = trial_now(trial);
		if (attempt_step(trial, step))
			return;

		raise_if_cancelled(&step->error);
		/* nothing that is free of charge is so here, or it might never end */
		verdict = wf_policy_judge(&policy, step->error.code, step->attempt,
								  WF_MAX_FREE_RETRIES);
		if (exec->permanent || verdict != WF_VERDICT_RETRY)
			break;
		step->match.state = WF_STEP_RETRYING;
		wf_record_step(exec, step);
	}
	step->match.state = WF_STEP_FAILED;
}

static void
play_step(WfTrial *trial, WfStep *step)
{
	WfExec *exec = &trial->exec;

	wf_turn_adopt(exec);
	wf_trial_run_step(trial, step);
	if (step->match.state == WF_STEP_FAILED && wf_body_parks(exec->body))
	{
		exec->error = step->error;
		if (exec->error.hint == NULL)
			exec->error.hint =
				"The run would be parked here, to go on after repair with workflow.retry_run().";
		trial->stopped = true;
	}
}

/* The call that the body asked for gets its outcome. */
static void
play_call(WfTrial *trial, WfStep *step)
{
	char kind = trial->exec.asked_for.kind;

	switch (kind)
	{
		case WF_STEP_KIND_STEP:
			play_step(trial, step);
			break;
		case WF_STEP_KIND_SLEEP:
			play_sleep(trial, step);
			break;
		case WF_STEP_KIND_SIGNAL:
			play_signal(trial, step);
			break;
		case WF_STEP_KIND_TASK:
			play_answered(trial, step, "WF004");
			break;
		case WF_STEP_KIND_ITEM:
			wf_trial_play_item(trial, step);
			break;
		case WF_STEP_KIND_ANY:
			wf_trial_play_any(trial, step);
			break;
		case WF_STEP_KIND_CHILD:
			wf_trial_play_child(trial, step);
			break;
		case WF_STEP_KIND_MAP:
			if (wf_map_has_tasks(&trial->exec.asked_for))
			{
				play_answered(trial, step, "WF004");
				break;
			}
			/* FALLTHROUGH */
		case WF_STEP_KIND_MAP_CHILD:
			wf_trial_play_map(trial, step, kind == WF_STEP_KIND_MAP_CHILD);
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("workflow.try_workflow() cannot play a %s",
							wf_call_word(kind)),
					 errhint("Enqueue the workflow to see it run.")));
	}
	step->finished_at = trial_now(trial);
}

/* ---- a run ---- */

static void
begin_exec(WfTrial *trial, WfRun *run)
{
	WfExec *exec = &trial->exec;
	MemoryContext cxt = CurrentMemoryContext;

	run->owner = GetUserId();
	run->owner_name = GetUserNameFromId(run->owner, false);
	run->origin = 0;
	run->state = WF_RUN_QUEUED;
	run->enqueued_at = run->run_at = wf_clock_now();
	run->deadline_at = DT_NOEND;
	wf_entropy_seed(&run->seed);

	exec->run = *run;
	exec->run_cxt = cxt;
	exec->wanted_cxt =
		AllocSetContextCreate(cxt, "workflow wanted", ALLOCSET_SMALL_SIZES);
	exec->asked_cxt =
		AllocSetContextCreate(cxt, "workflow asked", ALLOCSET_SMALL_SIZES);
	exec->turn_cxt =
		AllocSetContextCreate(cxt, "workflow turn", ALLOCSET_DEFAULT_SIZES);
	exec->nalloc = 16;
	exec->steps = palloc(sizeof(WfStep) * exec->nalloc);
	exec->records = palloc(sizeof(WfRecorded) * exec->nalloc);
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
note_calls(WfTrial *trial, WfTryNote note, void *arg)
{
	WfExec *exec = &trial->exec;

	for (; trial->noted < exec->nsteps; trial->noted++)
	{
		if (note != NULL)
			note(arg, &exec->steps[trial->noted]);
	}
	exec->nwrites = 0;
}

/* True when the body is to be replayed once more. */
static bool
play_on(WfTrial *trial, WfTryNote note, void *arg, WfTryEnd *end)
{
	WfExec *exec = &trial->exec;
	WfStep step = {0};
	WfReplayEnd came_to;

	CHECK_FOR_INTERRUPTS();
	MemoryContextReset(exec->turn_cxt);
	/* a step may have changed the body, or what it rests on */
	wf_body_prepare(exec);
	came_to = wf_body_replay(exec, false);
	note_calls(trial, note, arg);
	switch (came_to)
	{
		case WF_REPLAY_CONTINUES:
			end->continues = true;
			end->result = exec->continues;
			return false;
		case WF_REPLAY_WANTS:
			play_call(trial, &step);
			if (trial->stopped && step.error.code[0] == '\0')
				break;
			wf_record_step(exec, &step);
			note_calls(trial, note, arg);
			if (trial->stopped)
				break;
			return true;
		case WF_REPLAY_ENDED:
			end->result = exec->result;
			return false;
		case WF_REPLAY_ERROR:
			raise_if_cancelled(&exec->error);
			break;
		case WF_REPLAY_DIFFERENT:
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
	end->error = exec->error;
	return false;
}

/* Plays a run to its end; what "parent" has for its trial is taken over. */
void
wf_trial_play_run(WfRun *run, WfTrial *parent, WfTryNote note, void *arg,
				  WfTryEnd *end)
{
	WfTrial *trial = palloc0(sizeof(WfTrial));
	WfExec *save_exec = wf_exec;
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
	begin_exec(trial, run);
	PG_TRY();
	{
		wf_exec = &trial->exec;
		while (play_on(trial, note, arg, end))
			;
	}
	PG_FINALLY();
	{
		wf_exec = save_exec;
	}
	PG_END_TRY();
	AtEOXact_GUC(false, nest);
	/* as long as it took, its parent has waited */
	parent->ahead = trial->ahead;
}

void
wf_try(WfRun *run, Jsonb *answers, WfTryFind find, WfTryNote note, void *arg,
	   WfTryEnd *end)
{
	WfTrial nobody = {0};

	nobody.answers = wf_answers_make(answers);
	nobody.find = find;
	wf_trial_play_run(run, &nobody, note, arg, end);
}
