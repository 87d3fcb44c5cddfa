/*
 * exec_patch.c
 *		Words of a body that change or tell how it goes on: continue_as_new(),
 *		set_progress(), patched().
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "core/state.h"
#include "worker/exec.h"

/* ---- the end of a run that goes on ---- */

void
wf_word_continue(const Jsonb *input)
{
	WfExec *exec = wf_exec;

	if (!exec->unwinding && !wf_exec_interrupted(exec))
	{
		exec->continues = MemoryContextAlloc(exec->run_cxt, VARSIZE(input));
		memcpy(exec->continues, input, VARSIZE(input));
	}
	wf_word_unwind(exec);
}

/* ---- progress ---- */

/*
 * A replay comes past what was said before: what counts is what is said last
 * in the order of the body.
 */
void
wf_word_progress(const Jsonb *progress)
{
	WfExec *exec = wf_exec;
	int place = exec->in_step ? 2 * exec->wanted.ordinal : 2 * exec->asked + 1;

	if (exec->checks || (exec->in_body && exec->unwinding) ||
		place < exec->progress_place)
		return;
	exec->progress_place = place;
	wf_show_progress(exec, progress);
}

/* ---- patches ---- */

typedef struct Patch
{
	char *id;
	bool has;
} Patch;

static bool
answer_patch(WfExec *exec, const char *id, bool has)
{
	MemoryContext old = MemoryContextSwitchTo(exec->turn_cxt);
	Patch *patch = palloc(sizeof(Patch));

	patch->id = pstrdup(id);
	patch->has = has;
	exec->patches = lappend(exec->patches, patch);
	MemoryContextSwitchTo(old);
	return has;
}

bool
wf_word_patched(const char *id)
{
	WfExec *exec = wf_exec;
	const WfRecorded *next = &exec->records[exec->asked];
	WfCall call = {.kind = WF_STEP_KIND_PATCH,
				   .name = id,
				   .command = "",
				   .due_at = DT_NOEND};
	ListCell *lc;

	if (exec->unwinding || wf_exec_interrupted(exec))
		wf_word_unwind(exec);
	foreach (lc, exec->patches)
	{
		const Patch *patch = lfirst(lc);

		if (strcmp(patch->id, id) == 0)
			return patch->has;
	}
	if (wf_word_is_new())
		call.outcome = DatumGetJsonbP(
			DirectFunctionCall1(jsonb_in, CStringGetDatum("true")));
	else if (next->kind != WF_STEP_KIND_PATCH || strcmp(next->name, id) != 0)
		return answer_patch(exec, id, false);
	(void) wf_word_call(&call);
	return answer_patch(exec, id, true);
}
