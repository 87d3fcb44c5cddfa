/*
 * call.h
 *		What there is to know of a kind of call that a body makes.
 *
 * Each kind has a file play/call_<name>.c, which defines one WfCallKind, and a
 * row in play/calls.h.  The record, the words, the executor, trials, why(),
 * timeline() and the views ask the WfCallKind, and know no kind by name.
 *
 * A call is either *plain*, begun by the engine with no user code (a sleep);
 * or *started* by code of api/ (a child); or neither: then it is a statement.
 * Of a plain call that is done by being made, the word has the outcome already.
 *
 * Must not: use word.c, waiting.c, calls.c or what is above them.  Those use
 * the kinds, so that would be a circle.
 */
#ifndef WF_PLAY_CALL_H
#define WF_PLAY_CALL_H

#include "lib/stringinfo.h"
#include "utils/timestamp.h"

struct WfMapState;
struct WfPlay;
struct WfStep;
struct WfTrial;
struct WfWanted;

/* which runs a call that waits may have */
typedef enum WfCallRuns
{
	WF_CALL_NO_RUN,
	WF_CALL_ONE_CHILD, /* step->child_run_id */
	WF_CALL_ONE_CHUNK, /* the same */
	WF_CALL_MANY_RUNS
} WfCallRuns;

typedef struct WfCallKind
{
	char letter;	   /* _workflow.step.kind */
	const char *word;  /* in messages, and in workflow.steps */
	const char *event; /* in workflow.timeline() */

	char waits_as;	   /* WF_WAIT_*, of a run that needs its outcome */
	const char *waits; /* that, for workflow.why(); NULL: as explain() says */
	WfCallRuns runs;
	bool is_handle;	 /* a body can start it and await it later */
	bool is_counted; /* as a step of its run; chunks count their own */
	bool is_plain;

	/*
	 * plain: what there is to do besides the record, or NULL.  Outside of
	 * windows.  True when the body can go on at once.
	 */
	bool (*begin)(struct WfPlay *play, const struct WfWanted *asked,
				  struct WfStep *step);

	/*
	 * In a window: looks for what has come for a call that waits, and fills in
	 * its outcome; NULL: nothing but the end of its time.  Takes what it
	 * finds, so no user code may run any more before the turn's commit that
	 * must not see it.
	 */
	bool (*settle)(struct WfPlay *play, struct WfStep *step, TimestampTz now);

	/* Makes the call in a trial, and fills in its record; NULL: cannot be. */
	void (*play_in_trial)(struct WfTrial *trial, struct WfStep *step);

	/* why(): what a run that needs its outcome does. */
	void (*explain)(StringInfo out, const struct WfStep *step,
					const struct WfMapState *map);
} WfCallKind;

#endif /* WF_PLAY_CALL_H */
