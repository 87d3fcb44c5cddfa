/*
 * word.h
 *		What the words of a body (step(), now(), ...) ask of the run.
 *
 * wf_word_call() is the heart of replay: it walks the record in step with the
 * body, hands out what is recorded, and ends the body at the first call that
 * is not.
 *
 * The SQL functions are in api/; they may be called in any process and by
 * anybody, so each calls wf_word_check() first.  The others need a run that is
 * played (wf_playing), whose body or step is running.
 *
 * Locking: none.  Lifetime: records that are handed out stay as they are until
 * the next call that is recorded.
 */
#ifndef WF_PLAY_WORD_H
#define WF_PLAY_WORD_H

#include "core/policy.h"
#include "play/call.h"
#include "store/run.h"

typedef enum WfWordPlace
{
	WF_WORD_IN_BODY, /* the body alone: step() */
	WF_WORD_IN_RUN	 /* body and step: fail(), run_id(), ... */
} WfWordPlace;

/* Is a run being played in this process? */
extern bool wf_word_has_run(void);

/* ... and is it this one? */
extern bool wf_word_runs(const pg_uuid_t *run_id);

/*
 * What that run, if it belongs to "owner", rests on (see WfRun): role and name,
 * or they are left alone.
 */
extern void wf_word_vouched(Oid owner, Oid *role, const char **name);

/*
 * Raises 55000 outside a run, or inside a step where that is not allowed, and
 * 42501 when the body is running as somebody else than the run's owner.
 */
extern void wf_word_check(const char *word, WfWordPlace place);

/*
 * The same for a function that is the body of a hidden workflow: raises 42501
 * unless a run that the engine has made of it is in hand, in an executor.
 */
extern void wf_word_check_engine(const char *word, int32 body_id);

/* A call of the body that is recorded. */
typedef struct WfCall
{
	const WfCallKind *kind;
	const char *name;
	const char *command; /* never NULL; what the record shows */
	int nargs;
	const Oid *types;
	const Datum *values;
	const bool *nulls;
	const WfPolicy *policy; /* NULL: none of its own */
	TimestampTz due_at; /* waits at most until then; DT_NOEND for ever, or for
						 * what does not wait */
	bool starts;		/* returns as soon as it is recorded, with or without
					  * outcome */
	int max_parallel;	/* map: how many of its children at a time; 0: all */
	bool collects;		/* map: errors of children are part of its result */
	const Jsonb *outcome; /* of what is done as soon as it is asked for: its
							 * result; needed only where wf_word_is_new() */
} WfCall;

/*
 * Returns the record when it has an outcome (state done; a recorded failure is
 * raised) or the call only starts something; else it notes what is wanted, or
 * that the body waits, and does not return: it unwinds the body with
 * QUERY_CANCELED.
 */
extern const WfStep *wf_word_call(const WfCall *call);

/*
 * The outcome of a call that was started before, of which there is a record:
 * returns, raises or unwinds like wf_word_call().  Makes no record.
 */
extern const WfStep *wf_word_await(int ordinal);

/* The record of a call that this replay has made, whatever its state, or NULL. */
extern const WfStep *wf_word_recorded(int ordinal);

/* For words that make no call: unwinds where a call would not return. */
extern void wf_word_stop_if_over(void);

/*
 * The run ends here, and another one goes on with this input.  Unwinds the
 * body.
 */
extern void wf_word_continue(const Jsonb *input);

/* Shows the progress of the run, which has at most WF_MAX_PROGRESS bytes. */
extern void wf_word_progress(const Jsonb *progress);

/* the run that the user knows of: a chunk's parent */
extern const pg_uuid_t *wf_word_run_id(void);

/* what random values are derived from: differs between chunks */
extern const pg_uuid_t *wf_word_seed(void);

/* "<run id>/<ordinal>", the same in each attempt; palloc'd */
extern char *wf_word_key(void);

/* Is the next call one that no replay has made? */
extern bool wf_word_is_new(void);

/* the step that runs, or the one the body would ask for next */
extern int wf_word_ordinal(void);
extern int wf_word_attempt(void);

/* time of the newest checkpoint before this point of the body */
extern TimestampTz wf_word_now(void);

/*
 * From when a wait counts that the body has come to now: not from a time at
 * which it could not work, be that in its queue or in a pause.  A trial has a
 * time of its own.  What is recorded has its end, so that replays agree.
 */
extern TimestampTz wf_word_wait_start(void);

/* a number that rises with each derived value since the last recorded call */
extern uint32 wf_word_counter(void);

#endif /* WF_PLAY_WORD_H */
