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
 * The same for a function that is the body of a hidden workflow: raises 55000
 * unless a run that the engine has made of it is in hand, in an executor.
 */
extern void wf_word_check_engine(const char *word, int32 body_id);

/* A call of the body that is recorded. */
typedef struct WfCall
{
	char kind; /* WF_STEP_KIND_* */
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

/*
 * The run ends here, and another one goes on with this input.  Unwinds the
 * body.
 */
extern void wf_word_continue(const Jsonb *input);

/* Shows the progress of the run, which has at most WF_MAX_PROGRESS bytes. */
extern void wf_word_progress(const Jsonb *progress);

/* What became of replaying a run with another body. */
typedef struct WfChecked
{
	bool ok;
	int ordinal; /* where it breaks; 0: before its first call */
	WfError error;
} WfChecked;

/*
 * Replays a run of the current user with this body, without writing anything;
 * one that has ended meanwhile is fine.
 */
extern void wf_word_check_run(const pg_uuid_t *run_id, int32 body_id,
							  WfChecked *out);

/*
 * Has the run the patch of this id?  The first time that a replay asks, a run
 * that has come no further gets a record of it, and one that recorded another
 * call at this point has not got it.  The answer holds for the whole run.
 */
extern bool wf_word_patched(const char *id);

/*
 * How a call that waits is started, where that takes more than its record: the
 * executor calls it at top level of the transaction that will record the call,
 * as the run's owner and with no window open.  What it raises is a failed
 * attempt to start.
 */
typedef struct WfStarting
{
	const pg_uuid_t *run_id;
	int32 workflow_id;
	int ordinal;
	const char *name;
	const Datum *values; /* of the call */
	const char *nulls;	 /* 'n' where a value is NULL */
} WfStarting;

/* what goes to the record */
typedef struct WfStartedCall
{
	int64 message_id; /* 0: none */
	bool has_child;
	pg_uuid_t child_run_id; /* has_child */
} WfStartedCall;

typedef void (*WfStarter)(const WfStarting *start, WfStartedCall *started);

/* Once for each kind of call, from _PG_init. */
extern void wf_word_set_starter(char kind, WfStarter starter);

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

/* a number that rises with each derived value since the last recorded call */
extern uint32 wf_word_counter(void);

#endif /* WF_WORKER_WORDS_H */
