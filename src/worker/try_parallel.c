/*
 * try_parallel.c
 *		Calls of a trial with which a body does several things at a time.
 *
 * They are done one after another when they are asked for, so whoever awaits
 * them has no time to wait.  Children are played in place, unless they are
 * answered; their calls are told to nobody.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "base/json.h"
#include "core/state.h"
#include "store/definition.h"
#include "worker/exec_turn.h"
#include "worker/try_player.h"

/* so often a child may go on as a new run */
#define MAX_CONTINUED 100

/* start_step(): the first of its arguments may be a policy. */
void
wf_trial_play_item(WfTrial *trial, WfStep *step)
{
	WfWanted *wanted = &trial->exec.wanted;

	wf_turn_adopt(&trial->exec);
	if (wanted->nargs > 0 && wanted->types[0] == wf_policy_type())
	{
		wf_policy_from_datum(wanted->values[0], &wanted->policy);
		wanted->has_policy = true;
		wanted->nargs--, wanted->types++, wanted->values++, wanted->nulls++;
	}
	wf_trial_run_step(trial, step);
}

/* await_any(): of those that ended together it gets the first of the array. */
void
wf_trial_play_any(WfTrial *trial, WfStep *step)
{
	const WfExec *exec = &trial->exec;
	const WfStep *first = NULL;
	Datum *handles;
	bool *nulls;
	int n;

	wf_trial_begin_record(trial, step);
	deconstruct_array(DatumGetArrayTypeP(exec->asked_for.values[0]), INT4OID,
					  sizeof(int32), true, TYPALIGN_INT, &handles, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		const WfStep *one = &exec->steps[DatumGetInt32(handles[i]) - 1];

		if (first == NULL || one->finished_at < first->finished_at)
			first = one;
	}
	step->result = DatumGetJsonbP(DirectFunctionCall1(
		jsonb_in, CStringGetDatum(psprintf("%d", first->ordinal))));
}

/* A child that goes on as a new run is played on. */
static void
play_to_its_end(WfTrial *trial, const char *workflow, Jsonb *input,
				WfTryEnd *end)
{
	for (int i = 0; i < MAX_CONTINUED; i++)
	{
		WfRun run = {0};

		trial->find(workflow, &run);
		run.input = input;
		wf_trial_play_run(&run, trial, NULL, NULL, end);
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

/* A child with this input: as answered, or played to its end. */
static void
play_one_child(WfTrial *trial, const char *name, const char *workflow,
			   Jsonb *input, WfStep *step)
{
	WfAnswer answer;
	WfTryEnd end;

	if (wf_answers_take(trial->answers, name, false, "WF005", &answer))
	{
		step->result = answer.failed ? NULL : answer.value;
		step->error = answer.error;
	}
	else
	{
		play_to_its_end(trial, workflow, input, &end);
		step->result = end.result;
		if (end.failed)
		{
			strlcpy(step->error.code, "WF005", sizeof(step->error.code));
			step->error.message =
				psprintf("child of workflow \"%s\" failed", workflow);
			step->error.detail = psprintf("It ended with %s: %s",
										  end.error.code, end.error.message);
		}
	}
	if (step->error.code[0] != '\0')
		step->match.state = WF_STEP_FAILED;
}

/* The workflow is the first argument of the call, its input the second. */
void
wf_trial_play_child(WfTrial *trial, WfStep *step)
{
	const WfWanted *asked = &trial->exec.asked_for;
	Jsonb *input = asked->nulls[1] == 'n'
					   ? DatumGetJsonbP(DirectFunctionCall1(
							 jsonb_in, CStringGetDatum("{}")))
					   : DatumGetJsonbP(asked->values[1]);

	wf_trial_begin_record(trial, step);
	play_one_child(trial, asked->name, asked->command, input, step);
}

/*
 * map() and map_child(): one item after another.  The first that fails ends it,
 * unless errors are collected.
 */
void
wf_trial_play_map(WfTrial *trial, WfStep *step, bool children)
{
	WfExec *exec = &trial->exec;
	WfWanted asked;
	Datum items;
	text *on_error;
	JsonbParseState *state = NULL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue v;
	Oid type = JSONBOID;
	char null = ' ';

	wf_trial_begin_record(trial, step);
	wf_turn_adopt(exec);
	asked = exec->wanted;
	items = asked.values[children ? 1 : 0];
	on_error = DatumGetTextPP(asked.values[children ? 4 : 1]);
	if (!children && asked.nulls[3] != 'n')
	{
		wf_policy_from_datum(asked.values[3], &exec->wanted.policy);
		exec->wanted.has_policy = true;
	}
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	it = JsonbIteratorInit(&DatumGetJsonbP(items)->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		/* what is pushed has to stay */
		WfStep *one = palloc0(sizeof(WfStep));
		Jsonb *input;
		Datum value;

		if (token != WJB_ELEM)
			continue;
		input = JsonbValueToJsonb(&v);
		value = JsonbPGetDatum(input);
		one->match.state = WF_STEP_DONE;
		exec->wanted.nargs = 1;
		exec->wanted.types = &type;
		exec->wanted.values = &value;
		exec->wanted.nulls = &null;
		if (children)
			play_one_child(trial, asked.name, asked.command, input, one);
		else
			wf_trial_run_step(trial, one);
		if (one->match.state != WF_STEP_FAILED)
			memset(&one->error, 0, sizeof(one->error));
		/* attempts are counted for each item */
		exec->nsteps = asked.ordinal - 1;
		if (VARSIZE_ANY_EXHDR(on_error) == strlen("collect"))
			wf_collect_push(&state, one->result,
							one->error.code[0] ? &one->error : NULL);
		else if (one->error.code[0] != '\0')
		{
			step->match.state = WF_STEP_FAILED;
			step->error = one->error;
			return;
		}
		else
			wf_json_push(&state, WJB_ELEM, one->result);
	}
	step->result =
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}
