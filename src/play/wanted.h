/*
 * wanted.h
 *		A call that a body has asked for and that is not recorded yet.
 *
 * Lifetime: what a WfWanted points to is in a context of its own, "cxt", for
 * it outlives the subtransaction that asked for it; wf_wanted_clear() resets
 * that.  Pending ones share theirs.
 */
#ifndef WF_PLAY_WANTED_H
#define WF_PLAY_WANTED_H

#include "core/policy.h"
#include "play/call.h"
#include "utils/jsonb.h"

struct WfCall;

typedef struct WfWanted
{
	MemoryContext cxt;
	const WfCallKind *kind;
	int ordinal; /* 0: there is none */
	uint64 fingerprint;
	char *name;
	char *command;
	int nargs;
	Oid *types;
	Datum *values;
	char *nulls;
	bool has_policy;
	WfPolicy policy;	/* of the call */
	TimestampTz due_at; /* a call that waits: until when; DT_NOEND for ever */
	bool texts;			/* values are C strings, whatever the types are */
	const WfCallKind *started_as; /* whose starter; NULL: that of its kind */
	Jsonb *outcome;				  /* of a call that is done by being made */
	bool starts;				  /* the body goes on when it is recorded */
	TimestampTz started_at;		  /* when it was asked for */
	bool permanent; /* an error now being raised must not be retried */
} WfWanted;

/*
 * Calls of the replay under way that have been answered with a handle.  A
 * stand-in is in the record for each, until the replay is over.
 */
typedef struct WfPending
{
	MemoryContext cxt; /* of what they point to; NULL: there can be none */
	WfWanted *calls;   /* in the context of the record, or NULL */
	int n;
	int allocated;
} WfPending;

/* Forgets what it was, but for its context. */
extern void wf_wanted_clear(WfWanted *wanted);

/* Copies a call into wanted->cxt, which is not reset. */
extern void wf_wanted_take(WfWanted *wanted, int ordinal, uint64 print,
						   const struct WfCall *call);

/* Argument i as a value of a type: some are kept in text form. */
extern Datum wf_wanted_argument(const WfWanted *wanted, int i, Oid type);

#endif /* WF_PLAY_WANTED_H */
