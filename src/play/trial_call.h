/*
 * trial_call.h
 *		What the calls of a trial need: its clock, its answers, attempts.
 *
 * A call fills in its record, and has its outcome at once: from the clock of
 * the run, which sleeps move on, or from answers.
 *
 * Owns: WfTrial.  Lifetime: that of one run of the trial; what it holds is in
 * the context that was current when the trial began.
 */
#ifndef WF_PLAY_TRIAL_CALL_H
#define WF_PLAY_TRIAL_CALL_H

#include "play/answers.h"
#include "play/play.h"
#include "play/trial.h"

typedef struct WfTrial WfTrial;

struct WfTrial
{
	WfHost host;
	WfPlay play;
	WfAnswers *answers;
	WfTrialFind find;
	int depth;	  /* 1: nobody's child */
	int noted;	  /* calls that the caller was told of */
	int64 ahead;  /* how far sleeps have moved the clock */
	bool stopped; /* the run cannot go on, because of "error" */
	WfError error;

	/* Plays a child to its end, where nothing answers for it. */
	void (*play_child)(WfTrial *trial, const char *workflow, Jsonb *input,
					   WfTrialEnd *end);
};

/* The record of the call that was asked for: done, without a result yet. */
extern void wf_trial_call_begin(WfTrial *trial, WfStep *step);

extern TimestampTz wf_trial_call_now(const WfTrial *trial);

/* Time passes until then. */
extern void wf_trial_call_pass(WfTrial *trial, TimestampTz until);

/* There is nothing that could come: the run ends, and says what is missing. */
extern void wf_trial_call_stop(WfTrial *trial);

/*
 * Done by others: the call gets what they are said to answer.  "code" is the
 * SQLSTATE of an error that names none.
 */
/* The same where there may be no answer: false then. */
extern bool wf_trial_call_answered(WfTrial *trial, WfStep *step,
								   const char *code);
extern void wf_trial_call_answer(WfTrial *trial, WfStep *step,
								 const char *code);

/* Attempts at play.wanted, until it has an outcome. */
extern void wf_trial_call_attempt(WfTrial *trial, WfStep *step);

/* What ends the statement of the caller is not for the run to handle. */
extern void wf_trial_call_raise(const WfError *error);

/* A child of this name: as answered, or played to its end. */
extern void wf_trial_call_child(WfTrial *trial, const char *name,
								const char *workflow, Jsonb *input,
								WfStep *step);

#endif /* WF_PLAY_TRIAL_CALL_H */
