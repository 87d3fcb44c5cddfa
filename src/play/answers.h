/*
 * answers.h
 *		What a trial is told in place of what would come from elsewhere.
 *
 * Answers are an object: the name of a signal, task or child gives a value, or
 * an array with one value after another.  {"$error": {...}} is an error.
 */
#ifndef WF_PLAY_ANSWERS_H
#define WF_PLAY_ANSWERS_H

#include "store/run.h"

typedef struct WfAnswers WfAnswers;

typedef struct WfAnswer
{
	Jsonb *value; /* unless it is an error */
	bool failed;
	WfError error;
} WfAnswer;

/* Raises 22023 unless it is an object.  Allocated in the current context. */
extern WfAnswers *wf_answers_make(Jsonb *object);

/*
 * The next answer under a name; false when there is none, or none left.  A
 * value that is no array is there "once", or for every call.  "code" is the
 * SQLSTATE of an error that names none, NULL where no error can come (22023).
 */
extern bool wf_answers_take(WfAnswers *answers, const char *name, bool once,
							const char *code, WfAnswer *answer);

/*
 * Raises 22023 where there are names that nobody has asked for: the trial would
 * have gone another way than whoever wrote the answers believes.
 */
extern void wf_answers_check_used(WfAnswers *answers);

#endif /* WF_PLAY_ANSWERS_H */
