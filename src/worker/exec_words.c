/*
 * exec_words.c
 *		The executor's side of the words of a body.
 *
 * wf_word_call() is the heart of replay: it walks the record in step with the
 * body, hands out what is recorded, and ends the body at the first call that
 * is not.
 *
 * The words that make calls work only while the current user is the run's
 * owner and no SECURITY DEFINER function is on the stack: the step they ask
 * for will run as the owner, so a function that runs as somebody else must
 * not be able to put words into the owner's mouth.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "core/derive.h"
#include "core/state.h"
#include "worker/exec_turn.h"
#include "worker/workers.h"

/* a body that catches our unwinding so often will not stop by itself */
#define WF_MAX_SWALLOWED 100

bool
wf_executor_has_run(void)
{
	return wf_exec != NULL &&
		   (wf_exec->cell != NULL || wf_exec_is_trial(wf_exec));
}

bool
wf_executor_runs(const pg_uuid_t *run_id)
{
	return wf_exec != NULL && wf_exec->cell != NULL &&
		   memcmp(&wf_exec->cell->work_id, run_id, UUID_LEN) == 0;
}

void
wf_word_check(const char *word, WfWordPlace place)
{
	Oid user;
	int sec_context;

	if (wf_exec == NULL || !(wf_exec->in_body || wf_exec->in_step))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("workflow.%s() can only be called while a workflow runs",
						word),
				 errhint("Call it in the body of a workflow. Start that with workflow.enqueue_workflow(), or try it here with workflow.try_workflow().")));
	if (wf_exec->in_step && place == WF_WORD_IN_RUN)
		return;

	if (wf_exec->in_step)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("workflow.%s() cannot be called inside a step", word),
				 errhint("Call it in the body, or let the step do the work itself.")));
	GetUserIdAndSecContext(&user, &sec_context);
	if (user != wf_exec->run.owner ||
		(sec_context & SECURITY_LOCAL_USERID_CHANGE) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("workflow.%s() can only be called as the run's owner",
						word),
				 errdetail("The current user is \"%s\", or a SECURITY DEFINER function is running.",
						   GetUserNameFromId(user, false)),
				 errhint("Call it in the body itself, and the SECURITY DEFINER function in a step.")));
}

/* ---- leaving the body ---- */

void
wf_word_unwind(WfExec *exec)
{
	exec->unwinding = true;

	if (exec->swallowed++ >= WF_MAX_SWALLOWED)
	{
		exec->retire = true;
		PG_exception_stack = exec->way_out;
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

/* What a call is called in messages, by its kind. */
const char *
wf_call_word(char kind)
{
	switch (kind)
	{
		case WF_STEP_KIND_SLEEP:
			return "sleep";
		case WF_STEP_KIND_SIGNAL:
			return "signal";
		case WF_STEP_KIND_CHILD:
			return "child";
		case WF_STEP_KIND_TASK:
			return "task";
		case WF_STEP_KIND_MAP:
		case WF_STEP_KIND_MAP_CHILD:
			return "map";
		case WF_STEP_KIND_ANY:
			return "await_any";
		case WF_STEP_KIND_COMPENSATE:
			return "compensate";
		case WF_STEP_KIND_UNDO:
			return "undo";
		case WF_STEP_KIND_PATCH:
			return "patch";
		default:
			return "step";
	}
}

static void
note_difference(WfExec *exec, int ordinal, char kind, const char *name)
{
	const char *word = wf_call_word(kind);
	const WfStep *step = &exec->steps[ordinal - 1];
	MemoryContext old = MemoryContextSwitchTo(exec->run_cxt);
	WfError *error = &exec->error;

	exec->different = true;
	memset(error, 0, sizeof(*error));
	strlcpy(error->code, "WF007", sizeof(error->code));
	error->message = pstrdup("body is not deterministic");
	if (step->match.kind == kind && strcmp(step->match.name, name) == 0)
		error->detail = psprintf(
			"At ordinal %d %s \"%s\" was recorded; this replay asked for the same %s with another command or other arguments.",
			ordinal, word, name, word);
	else
		error->detail = psprintf(
			"At ordinal %d %s \"%s\" was recorded; this replay asked for %s \"%s\".",
			ordinal, wf_call_word(step->match.kind), step->match.name, word,
			name);
	error->hint = pstrdup(
		"Read what a branch or loop depends on in a step. After repair of the body call workflow.retry_run().");
	MemoryContextSwitchTo(old);
}

/* The wanted call outlives the subtransaction that asked for it. */
static void
copy_call(WfWanted *wanted, MemoryContext cxt, int ordinal, uint64 print,
		  const WfCall *call)
{
	int nargs = call->nargs;
	MemoryContext old = MemoryContextSwitchTo(cxt);

	wanted->kind = call->kind;
	wanted->ordinal = ordinal;
	wanted->fingerprint = print;
	wanted->name = pstrdup(call->name);
	wanted->command = pstrdup(call->command);
	wanted->due_at = call->due_at;
	wanted->texts = wanted->is_task = false;
	wanted->outcome = call->outcome
						  ? DatumGetJsonbPCopy(JsonbPGetDatum(call->outcome))
						  : NULL;
	wanted->starts = call->starts;
	wanted->started_at = wf_clock_now();
	wanted->nargs = nargs;
	wanted->types = palloc(sizeof(Oid) * Max(nargs, 1));
	wanted->values = palloc0(sizeof(Datum) * Max(nargs, 1));
	wanted->nulls = palloc(Max(nargs, 1));
	for (int i = 0; i < nargs; i++)
	{
		int16 len;
		bool byval;

		wanted->types[i] = call->types[i];
		wanted->nulls[i] = call->nulls[i] ? 'n' : ' ';
		if (call->nulls[i])
			continue;
		get_typlenbyval(call->types[i], &len, &byval);
		if (len == -1 &&
			!VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(call->values[i])))
			wanted->values[i] =
				PointerGetDatum(PG_DETOAST_DATUM_COPY(call->values[i]));
		else
			wanted->values[i] = datumCopy(call->values[i], byval, len);
	}
	wanted->has_policy = call->policy != NULL;
	if (call->policy != NULL)
		wanted->policy = *call->policy;
	MemoryContextSwitchTo(old);
}

static void
note_wanted(WfExec *exec, int ordinal, uint64 print, const WfCall *call)
{
	MemoryContextReset(exec->asked_cxt);
	copy_call(&exec->asked_for, exec->asked_cxt, ordinal, print, call);
}

/*
 * A call that only starts something, without any user code: the body can go
 * on, and many such calls take one replay.  What there is in memory of its
 * record is replaced when the replay is over.
 */
static bool
note_started(WfExec *exec, int ordinal, uint64 print, const WfCall *call)
{
	WfWanted *wanted;
	WfStep step = {.ordinal = ordinal};

	if (exec->pending_cxt == NULL || !call->starts ||
		!wf_wait_is_plain(call->kind) || ordinal <= exec->nsteps ||
		exec->npending == WF_MAX_TURN_WRITES)
		return false;
	if (exec->npending == exec->pending_allocated)
	{
		exec->pending_allocated = Max(exec->pending_allocated * 2, 4);
		exec->pending =
			exec->pending == NULL
				? MemoryContextAlloc(exec->run_cxt, exec->pending_allocated *
														sizeof(WfWanted))
				: repalloc(exec->pending,
						   exec->pending_allocated * sizeof(WfWanted));
	}
	wanted = &exec->pending[exec->npending];
	copy_call(wanted, exec->pending_cxt, ordinal, print, call);
	step.match.kind = call->kind;
	step.match.state = WF_STEP_WAITING;
	step.match.fingerprint = print;
	step.match.name = wanted->name;
	step.started_at = wanted->started_at;
	wf_record_step(exec, &step);
	exec->npending++;
	return true;
}

WF_NORETURN static void
raise_recorded(WfExec *exec, const WfStep *step)
{
	const WfError *error = &step->error;

	exec->raised_step = step->ordinal;
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
block(WfExec *exec, int ordinal)
{
	exec->blocked = true;
	exec->blocked_on = ordinal;
	wf_word_unwind(exec);
}

/* A call that is done by being made: the body need not be left for it. */
static void
record_at_once(WfExec *exec, int ordinal, uint64 print, const WfCall *call)
{
	MemoryContext old = MemoryContextSwitchTo(exec->run_cxt);
	WfStep step = {.ordinal = ordinal, .attempt = 1};

	step.match.kind = call->kind;
	step.match.state = WF_STEP_DONE;
	step.match.fingerprint = print;
	step.match.name = pstrdup(call->name);
	step.command = pstrdup(call->command);
	step.result = DatumGetJsonbPCopy(JsonbPGetDatum(call->outcome));
	step.started_at = step.finished_at = Max(wf_clock_now(), exec->now);
	wf_record_write(exec, &step);
	MemoryContextSwitchTo(old);
}

const WfStep *
wf_word_call(const WfCall *call)
{
	WfExec *exec = wf_exec;
	int ordinal = exec->asked + 1;
	uint64 print;
	const WfStep *step;

	if (exec->unwinding || wf_exec_interrupted(exec))
		wf_word_unwind(exec);

	print = wf_call_fingerprint(call);
	switch (wf_replay_match(exec->records, exec->nsteps, ordinal, call->kind,
							call->name, print))
	{
		case WF_MATCH_DIFFERENT:
			note_difference(exec, ordinal, call->kind, call->name);
			wf_word_unwind(exec);
		case WF_MATCH_WANTED:
			if (call->outcome != NULL && exec->npending == 0)
			{
				record_at_once(exec, ordinal, print, call);
				break;
			}
			if (note_started(exec, ordinal, print, call))
				break;
			note_wanted(exec, ordinal, print, call);
			wf_word_unwind(exec);
		case WF_MATCH_WAITING:
			if (!call->starts)
			{
				exec->max_parallel = call->max_parallel;
				exec->collects = call->collects;
				block(exec, ordinal);
			}
			break;
		case WF_MATCH_RECORDED:
			break;
	}

	exec->asked = ordinal;
	exec->derived = 0;
	step = &exec->steps[ordinal - 1];
	/* a call that was only started may or may not have ended by now */
	exec->now =
		Max(exec->now, call->starts ? step->started_at : step->finished_at);
	if (step->match.state == WF_STEP_FAILED && !call->starts)
		raise_recorded(exec, step);
	return step;
}

const WfStep *
wf_word_await(int ordinal)
{
	WfExec *exec = wf_exec;
	const WfStep *step = &exec->steps[ordinal - 1];

	Assert(ordinal > 0 && ordinal <= exec->asked);
	if (exec->unwinding || wf_exec_interrupted(exec))
		wf_word_unwind(exec);
	if (step->match.state == WF_STEP_WAITING)
		block(exec, ordinal);
	exec->now = Max(exec->now, step->finished_at);
	if (step->match.state == WF_STEP_FAILED)
		raise_recorded(exec, step);
	return step;
}

const WfStep *
wf_word_recorded(int ordinal)
{
	if (ordinal < 1 || ordinal > wf_exec->asked)
		return NULL;
	return &wf_exec->steps[ordinal - 1];
}

/* ---- what a run knows of itself ---- */

const pg_uuid_t *
wf_word_run_id(void)
{
	return wf_run_is_chunk(&wf_exec->run) ? &wf_exec->run.parent_run_id
										  : &wf_exec->run.run_id;
}

const pg_uuid_t *
wf_word_seed(void)
{
	return &wf_exec->run.run_id;
}

/* In a chunk the parent's ordinal counts, and the number of the item. */
char *
wf_word_key(void)
{
	const WfRun *run = &wf_exec->run;
	char *id = DatumGetCString(
		DirectFunctionCall1(uuid_out, UUIDPGetDatum(wf_word_run_id())));
	int32 number;

	if (!wf_run_is_chunk(run))
		return psprintf("%s/%d", id, wf_word_ordinal());
	number = wf_items_number(run, wf_word_ordinal());
	if (number == 0)
		return psprintf("%s/%d", id, run->parent_ordinal);
	return psprintf("%s/%d/%d", id, run->parent_ordinal, number);
}

bool
wf_word_is_new(void)
{
	return wf_exec->asked >= wf_exec->nsteps;
}

int
wf_word_ordinal(void)
{
	return wf_exec->asked + 1;
}

int
wf_word_attempt(void)
{
	WfExec *exec = wf_exec;
	const WfStep *before;

	if (!exec->in_step)
		return exec->run.body_attempts + 1;
	if (exec->nsteps < exec->wanted.ordinal)
		return 1;
	before = &exec->steps[exec->wanted.ordinal - 1];
	return before->attempt + (before->match.state != WF_STEP_STARTED);
}

TimestampTz
wf_word_now(void)
{
	return wf_exec->now;
}

uint32
wf_word_counter(void)
{
	return wf_exec->derived++;
}
