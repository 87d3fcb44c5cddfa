/*
 * task_outcome.h
 *		What a worker outside has answered.
 */
#ifndef WF_PLAY_TASK_OUTCOME_H
#define WF_PLAY_TASK_OUTCOME_H

#include "play/play.h"

/* In a window: takes the outcome of a task, as WfCallKind.settle does. */
extern bool wf_task_outcome_take(WfPlay *play, WfStep *step, TimestampTz now);

#endif /* WF_PLAY_TASK_OUTCOME_H */
