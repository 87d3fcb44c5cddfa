/*
 * words.h
 *		What the words of a body (step(), now(), ...) ask of the executor.
 *
 * The SQL functions are in api/body.c; they may be called in any process and
 * by anybody, so everything here checks where it is first.
 */
#ifndef WF_WORKER_WORDS_H
#define WF_WORKER_WORDS_H

#include "core/policy.h"
#include "store/run.h"

typedef enum WfWordPlace
{
	WF_WORD_IN_BODY, /* the body alone: step() */
	WF_WORD_IN_RUN	 /* body and step: fail(), run_id(), ... */
} WfWordPlace;

/*
 * Raises 55000 outside a run, or inside a step where that is not allowed, and
 * 42501 when the body is running as somebody else than the run's owner.
 */
extern void wf_word_check(const char *word, WfWordPlace place);

/*
 * A call with a recorded outcome.  Returns the step when it is recorded (state
 * done; a recorded failure is raised); else it notes what is wanted and does
 * not return: it unwinds the body with QUERY_CANCELED.
 */
extern const WfStep *wf_word_call(char kind, const char *name,
								  const char *command, int nargs,
								  const Oid *types, const Datum *values,
								  const bool *nulls, const WfPolicy *policy);

extern const pg_uuid_t *wf_word_run_id(void);

/* the step that runs, or the one the body would ask for next */
extern int wf_word_ordinal(void);
extern int wf_word_attempt(void);

/* time of the newest checkpoint before this point of the body */
extern TimestampTz wf_word_now(void);

/* a number that rises with each derived value since the last recorded call */
extern uint32 wf_word_counter(void);

#endif /* WF_WORKER_WORDS_H */
