/*
 * outcome.h
 *		What became of the runs that a call has started.
 *
 * What a chunk did the body asked for itself, so it gets the very error; of a
 * child it hears that it failed.
 *
 * Lifetime: in the current context, which is that of the record.
 */
#ifndef WF_PLAY_OUTCOME_H
#define WF_PLAY_OUTCOME_H

#include "store/child.h"
#include "store/run.h"

typedef enum WfOutcomeOf
{
	WF_OUTCOME_OF_CHILD,
	WF_OUTCOME_OF_ITEM, /* a chunk with one step */
	WF_OUTCOME_OF_MAP	/* a chunk with items of the map */
} WfOutcomeOf;

/* Why it has no result, as its parent's body hears of it. */
extern void wf_outcome_failure(const WfChildEnd *end, WfOutcomeOf of,
							   const char *name, WfError *out);

/* The record gets its outcome. */
extern void wf_outcome_set(WfStep *step, const WfChildEnd *end,
						   WfOutcomeOf of);

/*
 * What became of one item, where errors are collected: pushed onto the array
 * that is the result of the map.  "error" NULL: it is "value".
 */
extern void wf_outcome_push(JsonbParseState **state, const Jsonb *value,
							const WfError *error);

#endif /* WF_PLAY_OUTCOME_H */
