/*
 * try_player.h
 *		What the parts of a trial have in common.
 *
 * try.c plays a run, and the calls that are done by themselves; try_parallel.c
 * those with which a body does several things at a time, one after another.
 */
#ifndef WF_WORKER_TRY_PLAYER_H
#define WF_WORKER_TRY_PLAYER_H

#include "worker/exec.h"
#include "worker/try.h"
#include "worker/try_answers.h"

typedef struct WfTrial
{
	WfExec exec;
	WfAnswers *answers;
	WfTryFind find;
	int depth;	  /* 1: nobody's child */
	int noted;	  /* calls that the caller was told of */
	int64 ahead;  /* how far sleeps have moved the clock */
	bool stopped; /* the run cannot go on, see exec.error */
} WfTrial;

/* ---- try.c ---- */

/* The record of exec.asked_for: done, without a result yet. */
extern void wf_trial_begin_record(WfTrial *trial, WfStep *step);

/* Attempts at exec.wanted, until it has an outcome. */
extern void wf_trial_run_step(WfTrial *trial, WfStep *step);

/* Plays a run to its end; what "parent" has for its trial is taken over. */
extern void wf_trial_play_run(WfRun *run, WfTrial *parent, WfTryNote note,
							  void *arg, WfTryEnd *end);

/* ---- try_parallel.c ---- */

extern void wf_trial_play_item(WfTrial *trial, WfStep *step);
extern void wf_trial_play_any(WfTrial *trial, WfStep *step);
extern void wf_trial_play_child(WfTrial *trial, WfStep *step);
extern void wf_trial_play_map(WfTrial *trial, WfStep *step, bool children);

#endif /* WF_WORKER_TRY_PLAYER_H */
