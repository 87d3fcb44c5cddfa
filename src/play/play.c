/*
 * play.c
 *		A run that is played.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "play/play.h"
#include "play/version.h"

WfPlay *wf_playing = NULL;

void
wf_play_init(WfPlay *play, WfHost *host, MemoryContext parent)
{
	memset(play, 0, sizeof(*play));
	play->host = host;
	play->record.cxt =
		AllocSetContextCreate(parent, "workflow run", ALLOCSET_DEFAULT_SIZES);
	play->scratch =
		AllocSetContextCreate(parent, "workflow turn", ALLOCSET_DEFAULT_SIZES);
	play->wanted.cxt = AllocSetContextCreate(parent, "workflow wanted step",
											 ALLOCSET_SMALL_SIZES);
	play->asked.cxt = AllocSetContextCreate(parent, "workflow step asked for",
											ALLOCSET_SMALL_SIZES);
}

void
wf_play_begin(WfPlay *play)
{
	*play = (WfPlay){
		.host = play->host,
		.scratch = play->scratch,
		.record = play->record,
		.wanted = {.cxt = play->wanted.cxt},
		.asked = {.cxt = play->asked.cxt},
		.pending = {.cxt = play->pending.cxt},
		.checks = play->checks,
	};
	wf_record_begin(&play->record);
}

/*
 * The two contexts change places with what is in them.  Until the turn of the
 * replay has committed, the call before may yet have to be made again.
 */
void
wf_play_adopt(WfPlay *play)
{
	WfWanted wanted = play->wanted;

	play->wanted = play->asked;
	play->asked = wanted;
}

void
wf_play_take_back(WfPlay *play)
{
	play->record.nsteps -= play->pending.n;
	play->pending.n = 0;
	wf_record_take_back(&play->record);
}

/* ---- policy ---- */

void
wf_play_body_policy(const WfPlay *play, WfPolicy *policy)
{
	const WfPolicy *defined = wf_version_policy(play->version);

	if (defined != NULL)
		*policy = *defined;
	else
		wf_policy_init(policy);
}

void
wf_play_policy(const WfPlay *play, WfPolicy *policy)
{
	const WfWanted *wanted = &play->wanted;

	if (wanted->has_policy)
		*policy = wanted->policy;
	else
		wf_play_body_policy(play, policy);

	if (wanted->ordinal <= play->record.nsteps && policy->max_attempts > 0)
		policy->max_attempts +=
			play->record.steps[wanted->ordinal - 1].attempts_before;
}

/* ---- the row of a step ---- */

void
wf_play_fill_step(WfPlay *play, const WfPolicy *policy, WfStep *step)
{
	const WfWanted *wanted = &play->wanted;
	MemoryContext old = MemoryContextSwitchTo(play->record.cxt);

	memset(step, 0, sizeof(*step));
	step->ordinal = wanted->ordinal;
	step->match.kind = wanted->kind->letter;
	step->match.fingerprint = wanted->fingerprint;
	step->match.name = pstrdup(wanted->name);
	step->command = pstrdup(wanted->command);
	step->max_attempts = policy->at_most_once ? 1 : policy->max_attempts;
	step->attempt = 1;
	if (wanted->ordinal <= play->record.nsteps)
	{
		const WfStep *before = &play->record.steps[wanted->ordinal - 1];

		step->attempt = before->attempt;
		if (before->match.state != WF_STEP_STARTED)
			step->attempt++;
		step->free_retries = before->free_retries;
		step->attempts_before = before->attempts_before;
	}
	MemoryContextSwitchTo(old);
}
