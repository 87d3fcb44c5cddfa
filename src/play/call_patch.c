/*
 * call_patch.c
 *		patched(): has the run come to this point before a patch, or after?
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "play/call_patch.h"
#include "play/calls.h"
#include "play/play.h"
#include "play/word.h"

const WfCallKind wf_call_patch = {
	.letter = WF_STEP_KIND_PATCH,
	.word = "patch",
	.event = "patched",
	.is_counted = true,
	.is_plain = true,
};

typedef struct Patch
{
	char *id;
	bool has;
} Patch;

static bool
answer_patch(WfPlay *play, const char *id, bool has)
{
	MemoryContext old = MemoryContextSwitchTo(play->scratch);
	Patch *patch = palloc(sizeof(Patch));

	patch->id = pstrdup(id);
	patch->has = has;
	play->replay.patches = lappend(play->replay.patches, patch);
	MemoryContextSwitchTo(old);
	return has;
}

bool
wf_call_patch_has(const char *id)
{
	WfPlay *play = wf_playing;
	const WfRecorded *next = &play->record.matches[play->replay.asked];
	WfCall call = {
		.kind = &wf_call_patch, .name = id, .command = "", .due_at = DT_NOEND};
	ListCell *lc;

	wf_word_stop_if_over();
	foreach (lc, play->replay.patches)
	{
		const Patch *patch = lfirst(lc);

		if (strcmp(patch->id, id) == 0)
			return patch->has;
	}
	if (wf_word_is_new())
		call.outcome = DatumGetJsonbP(
			DirectFunctionCall1(jsonb_in, CStringGetDatum("true")));
	else if (next->kind != WF_STEP_KIND_PATCH || strcmp(next->name, id) != 0)
		return answer_patch(play, id, false);
	(void) wf_word_call(&call);
	return answer_patch(play, id, true);
}
