/*
 * trial.h
 *		One run played in the caller's process and transaction.
 *
 * The body gets the same words, the same replay and the same record as in an
 * executor, but nothing is written to tables of ours and nothing is waited
 * for: a sleep moves the run's clock on, and what would come from elsewhere is
 * taken from answers.  A step runs in a subtransaction of the caller's
 * transaction, as the caller.
 *
 * Locking: what the user's code takes.  Lifetime: what is handed out lives in
 * the context that was current at the call.
 */
#ifndef WF_PLAY_TRIAL_H
#define WF_PLAY_TRIAL_H

#include "store/run.h"

/* Called for every call of the body once it has an outcome; not of children. */
typedef void (*WfTrialNote)(void *arg, const WfStep *step);

/* Fills in what names the run of a workflow; raises 42704. */
typedef void (*WfTrialFind)(const char *workflow, WfRun *run);

typedef struct WfTrialEnd
{
	bool failed;
	bool continues; /* by continue_as_new(), with `result` as its input */
	Jsonb *result;	/* NULL: SQL NULL, or failed */
	WfError error;	/* when failed */
} WfTrialEnd;

/*
 * Plays a run of this definition.  run_id, workflow_id, body_id, queue_id and
 * input of *run are set; the rest is filled in.  Answers is an object.  Raises
 * what enqueue_workflow() would raise of the body, and 22023 for answers that
 * cannot be one; what goes wrong in the run is in *end.
 */
extern void wf_trial_play(WfRun *run, Jsonb *answers, WfTrialFind find,
						  WfTrialNote note, void *arg, WfTrialEnd *end);

#endif /* WF_PLAY_TRIAL_H */
